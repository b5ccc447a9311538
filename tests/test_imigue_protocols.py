"""The official splits of iMiGUE on annotations with its ids; all poses and people are made up."""

import numpy as np
import pytest

from mgpose.data.folds import Corpus, DataSettings
from mgpose.data.imigue_protocols import (
    EMOTION_TEST_VIDEOS,
    EMOTION_TRAIN_VIDEOS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    VALIDATION_VIDEOS,
)
from mgpose.data.leakage import LeakageGuard
from mgpose.data.protocols import inner_split, protocol_by_name
from mgpose.io import write_annotations
from mgpose.io.annotations import ANNOTATIONS_NAME
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import UPPER_BODY_HANDS_FACE, Annotation, InputError, PoseSequence

LAYOUT = UPPER_BODY_HANDS_FACE
BOTH = sorted((*EMOTION_TRAIN_VIDEOS, *EMOTION_TEST_VIDEOS))
SHARED_PEOPLE = 39


def label(video, subject, outcome="win"):
    return [
        Annotation(video, subject, 0, 40, "head up", unit="frame"),
        Annotation(video, subject, 0, 40, outcome, tier="emotion", unit="frame"),
    ]


def release():
    """Five videos of each of 72 subjects; the validation videos are of train subjects."""
    train, test = list(TRAIN_SUBJECTS), list(TEST_SUBJECTS)
    subject = {n: train[i % len(train)] for i, n in enumerate(VALIDATION_VIDEOS)}
    others = [n for n in range(1, 361) if n not in subject]
    subject |= {n: (train + test)[i % 72] for i, n in enumerate(others)}
    return [a for n in sorted(subject) for a in label(f"{n:04d}", str(subject[n]))]


def people_of_cvpr():
    """Video number -> subject: 39 people in both lists, everybody else in one."""
    half = [*EMOTION_TRAIN_VIDEOS], [*EMOTION_TEST_VIDEOS]
    subject = {}
    for side, videos in enumerate(half):
        for i, n in enumerate(videos):
            subject[n] = i % 60 if i % 60 < SHARED_PEOPLE else 100 * (side + 1) + i % 60
    return {n: str(s) for n, s in subject.items()}


def number(video):
    return int(video)


def test_the_official_numbers():
    assert (len(TRAIN_SUBJECTS), len(TEST_SUBJECTS)) == (37, 35)
    assert sorted((*TRAIN_SUBJECTS, *TEST_SUBJECTS)) == list(range(1, 73))
    assert (len(set(EMOTION_TRAIN_VIDEOS)), len(set(EMOTION_TEST_VIDEOS))) == (102, 100)
    assert not set(EMOTION_TRAIN_VIDEOS) & set(EMOTION_TEST_VIDEOS)
    assert len(VALIDATION_VIDEOS) == 10


def test_validation_stands_aside_or_joins():
    annotations = release()
    (apart,) = protocol_by_name("imigue_cross_subject").folds(annotations)
    (joined,) = protocol_by_name("imigue_cross_subject_with_validation").folds(annotations)
    assert sorted(map(number, apart.val)) == list(VALIDATION_VIDEOS)
    assert not joined.val
    assert set(joined.train) == {*apart.train, *apart.val}
    assert joined.test == apart.test
    subject = {a.video: int(a.subject) for a in annotations}
    assert {subject[v] for v in joined.train} == set(TRAIN_SUBJECTS)
    assert {subject[v] for v in joined.test} == set(TEST_SUBJECTS)
    (emotion,) = protocol_by_name("imigue_emotion_cross_subject").folds(annotations)
    assert (set(emotion.train), set(emotion.test)) == (set(joined.train), set(joined.test))


def test_the_lists_of_cvpr_and_nothing_else():
    people = people_of_cvpr()
    annotations = [a for n in BOTH for a in label(str(n), people[n])]
    annotations += label("2", "1")  # in neither list
    for name in ("imigue_emotion_cvpr2021", "imigue_emotion_cvpr2021_as_published"):
        (fold,) = protocol_by_name(name).folds(annotations)
        assert sorted(map(number, fold.train)) == sorted(EMOTION_TRAIN_VIDEOS)
        assert sorted(map(number, fold.test)) == sorted(EMOTION_TEST_VIDEOS)
    assert set(fold.exceptions) == {"subject", "near_duplicate"}
    inner = inner_split(fold, annotations, "subject")
    assert not {*inner.train, *inner.test} & set(fold.test)


@pytest.mark.parametrize("name", ["imigue_cross_subject", "imigue_emotion_cvpr2021"])
def test_part_of_the_release_is_another_test(name):
    with pytest.raises(InputError, match="of the official split"):
        protocol_by_name(name).folds(release()[:40])


def test_ids_that_are_no_numbers_are_named():
    named = [a for n in BOTH for a in label(f"interview_{n}", "1")]
    with pytest.raises(InputError, match=r"expected the release's number as id.*'interview_"):
        protocol_by_name("imigue_emotion_cvpr2021").folds(named)
    with pytest.raises(InputError, match="number as subject of video '1', found 'unknown'"):
        protocol_by_name("imigue_cross_subject").folds(label("1", "unknown"))


def motion(seed, frames=110):
    """Made-up poses: a body at rest whose keypoints wander smoothly, from frame 10 on."""
    rng = np.random.default_rng(seed)
    rest = np.random.default_rng(0).uniform(300, 340, (1, len(LAYOUT), 2))
    rest[0, LAYOUT.keypoints.index("left_shoulder")] = 400, 300
    rest[0, LAYOUT.keypoints.index("right_shoulder")] = 200, 300
    phase = rng.uniform(0, 2 * np.pi, (3, len(LAYOUT), 2))
    pace = rng.uniform(0.5, 2.5, (3, 1, 1))
    time = np.arange(frames) / 25
    swing = np.sin(2 * np.pi * pace * time[:, None, None, None] + phase).sum(1)
    return (rest + 20 * swing).astype(np.float32)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The 202 videos of the lists: 39 shared people; 49 is 8 again, trimmed and moved."""
    folder = tmp_path_factory.mktemp("cvpr")
    people = people_of_cvpr()
    annotations = []
    for n in BOTH:
        keypoints = motion(8)[12:100] + 30 if n == 49 else motion(n)[:90] if n != 8 else motion(8)
        sequence = PoseSequence(
            skeleton=LAYOUT,
            keypoints=keypoints.astype(np.float32),
            scores=np.ones(keypoints.shape[:2], np.float32),
            time=np.arange(len(keypoints)) / 25,
            unit="pixel",
            time_source="rate",
            frame_size=(640, 480),
            subject=people[n],
        )
        write_pose_file(folder, f"{n:04d}", sequence, Provenance("made up", "1", "", f"{n:064d}"))
        annotations += label(f"{n:04d}", people[n], "win" if n in EMOTION_TRAIN_VIDEOS else "lose")
    write_annotations(folder / ANNOTATIONS_NAME, annotations)
    return folder


def checked(store, name):
    corpus = Corpus(DataSettings("made-up iMiGUE", str(store), name, synthetic=True))
    (split,) = corpus.folds()
    return LeakageGuard(corpus), split


def test_the_guard_finds_both_defects_of_cvpr_2021(store):
    guard, split = checked(store, "imigue_emotion_cvpr2021")
    with pytest.raises(InputError) as caught:
        guard.check(split)
    message = str(caught.value)
    assert "39 subjects (" in message
    assert "1 near-duplicate clip (0008 and 0049, likeness" in message
    assert "\n" not in message


def test_as_published_the_defects_are_declared_and_printed(store):
    guard, split = checked(store, "imigue_emotion_cvpr2021_as_published")
    findings = guard.check(split)
    assert len(findings.of("subject")) == SHARED_PEOPLE
    (pair,) = findings.of("near_duplicate")
    assert (pair.train, pair.test) == ("0008", "0049")
    text = " ".join(findings.lines())
    assert "declared exception, 39 subjects" in text
    assert "declared exception, 1 near-duplicate clip (0008 and 0049" in text
    assert findings.as_plain()["found"]["subject"]["count"] == SHARED_PEOPLE


def test_the_known_pair_is_told_even_where_the_poses_do_not_show_it(store, tmp_path):
    for path in store.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "0049.h5").unlink()
    keypoints = motion(4900)
    other = PoseSequence(
        skeleton=LAYOUT,
        keypoints=keypoints,
        scores=np.ones(keypoints.shape[:2], np.float32),
        time=np.arange(len(keypoints)) / 25,
        unit="pixel",
        time_source="rate",
        frame_size=(640, 480),
    )
    write_pose_file(tmp_path, "0049", other, Provenance("made up", "1", "", "49" * 32))
    guard, split = checked(tmp_path, "imigue_emotion_cvpr2021")
    with pytest.raises(InputError, match="0008 and 0049, known as one footage"):
        guard.check(split)
