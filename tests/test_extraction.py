import os
from pathlib import Path

import numpy as np
import pytest

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mediapipe_holistic import mediapipe_method, settle_hands
from mgpose.extraction.extract import FrameExtractor
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.manifest import Outcome
from mgpose.extraction.jobs.videos import Video, find_videos, hashed_id
from mgpose.extraction.jobs.workers import run_tasks
from mgpose.extraction.roles import Box
from mgpose.extraction.tracker import SubjectTracker
from mgpose.io import PoseStore
from mgpose.io.pose_file import PoseFile
from mgpose.io.video import VideoFrame
from mgpose.structures import FrameFlag, InputError
from mgpose.structures.sources import MEDIAPIPE_543

LEFT, RIGHT = slice(501, 522), slice(522, 543)


def box(x, size=100.0):
    """Of a person whose nose is at (x, 100)."""
    return Box(x - size / 2, 100 - 0.15 * size, x + size / 2, 100 + 0.85 * size)


# Frame after frame, with parts that need no model.


class Fakes:
    """Detector, tracker and estimator that do as they are told."""

    skeleton = MEDIAPIPE_543
    batch = 1
    finds_people = True

    def __init__(self, people, noses):
        self.people, self.noses = list(people), list(noses)
        self.looks, self.subjects = 0, []

    def detect(self, image):
        self.looks += 1
        return self.people

    def estimate(self, views):
        found = [self.find(view) for view in views]
        return np.stack([k for k, _ in found]), np.stack([s for _, s in found])

    def find(self, view):
        self.subjects.append(view.subject if view.several else None)
        nose = self.noses[len(self.subjects) - 1]
        keypoints = np.full((543, 2), np.nan, np.float32)
        scores = np.zeros(543, np.float32)
        if nose is not None:
            keypoints[[0, 11, 12]] = [(nose, 100), (nose + 20, 140), (nose - 20, 140)]
            scores[[0, 11, 12]] = 1
        return keypoints, scores

    def close(self):
        pass


def run_fakes(people, noses, failed=()):
    fakes = Fakes(people, noses)
    extract = FrameExtractor(fakes, SubjectTracker(), fakes)
    image = np.zeros((480, 640, 3), np.uint8)
    results = []
    for i in range(len(noses) + len(failed)):
        lost = i in failed
        flags = FrameFlag.FAILED if lost else FrameFlag.DECODED
        results += extract([VideoFrame(None if lost else image, i / 25, flags)])
    return fakes, results


def test_ledger_of_a_quiet_video():
    fakes, results = run_fakes([box(300)], [300.0] * 11)
    assert [flags for *_, flags in results] == [FrameFlag.DECODED] * 11
    assert fakes.looks == 2  # each third of a second
    assert fakes.subjects == [None] * 11


def test_second_person_is_noted_and_the_estimator_is_told_the_subject():
    fakes, results = run_fakes([box(300), box(600, 60)], [300.0] * 7)
    both = FrameFlag.DECODED | FrameFlag.SEVERAL_PEOPLE
    assert [flags for *_, flags in results] == [both] * 7
    assert fakes.subjects == [box(300)] * 7
    assert fakes.looks == 2  # more often, since they may cross


def test_failed_and_empty_frames_are_nan():
    _, results = run_fakes([box(300)], [300.0, None, 300.0], failed=(1,))
    expected = [
        FrameFlag.DECODED,
        FrameFlag.FAILED,
        FrameFlag.DECODED | FrameFlag.NO_PERSON,
        FrameFlag.DECODED,
    ]
    assert [flags for *_, flags in results] == expected
    for i in (1, 2):
        assert np.isnan(results[i][0]).all()
        assert not results[i][1].any()


def test_a_leap_is_noted_over_a_gap_too():
    _, results = run_fakes([], [300.0, 310.0, 500.0, 505.0, None, 510.0, None, None, 300.0])
    switched = [i for i, (*_, flags) in enumerate(results) if flags & FrameFlag.SUBJECT_SWITCHED]
    assert switched == [2, 8]


def test_the_pose_of_another_is_nobodys():
    _, results = run_fakes([box(300), box(360, 90)], [300.0, 310.0, 340.0, 360.0, 300.0])
    found = [not np.isnan(keypoints).all() for keypoints, *_ in results]
    assert found == [True, True, False, False, True]
    assert [bool(flags & FrameFlag.NO_PERSON) for *_, flags in results] == [not f for f in found]
    _, results = run_fakes([box(300)], [300.0, 500.0])
    assert np.isnan(results[1][0]).all()


# Hands.


def pose(left=None, right=None):
    """Shoulders 100 apart, wrists at x = 300 (left) and 100 (right); hands at the given places."""
    keypoints = np.full((543, 2), np.nan, np.float32)
    scores = np.zeros(543, np.float32)
    keypoints[[11, 12, 15, 16]] = [(250, 100), (150, 100), (300, 300), (100, 300)]
    shape = np.stack([np.linspace(0, 20, 21), np.linspace(0, 40, 21)], 1)
    for hand, x in ((LEFT, left), (RIGHT, right)):
        if x is not None:
            keypoints[hand], scores[hand] = shape + np.array((x, 300)), 1
    scores[[11, 12, 15, 16]] = 1
    return keypoints, scores


@pytest.mark.parametrize(
    ("found", "settled"),
    [
        ((300, 100), (300, 100)),
        ((None, None), (None, None)),
        ((302, 300), (302, None)),  # one hand, found twice
        ((98, 105), (None, 105)),
        ((None, 290), (290, None)),  # the left hand taken for the right one
        ((110, None), (None, 110)),
        ((None, 180), (None, 180)),  # between the wrists: who can tell
        ((200, 230), (200, 230)),  # two hands that meet
    ],
)
def test_hands_go_to_the_arm_that_they_hang_on(found, settled):
    keypoints, scores = pose(*found)
    before = keypoints.copy()
    result = settle_hands(keypoints, scores)
    for got, expected in zip(result, pose(*settled), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(keypoints, before)


def test_hands_without_shoulders_are_left_alone():
    keypoints, scores = pose(302, 300)
    keypoints[11:13], scores[11:13] = np.nan, 0
    np.testing.assert_array_equal(settle_hands(keypoints, scores)[0], keypoints)


# Which videos, and by which ids.


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_ids_differ_by_relative_path_and_tell_nothing(tmp_path):
    for name in ("p01/interview.mp4", "p02/interview.mp4", "p02/notes.txt", "p03/x.MOV"):
        touch(tmp_path / "in" / name)
    videos = find_videos([tmp_path / "in"])
    assert [v.video_id for v in videos] == sorted(
        hashed_id(n) for n in ("p01/interview.mp4", "p02/interview.mp4", "p03/x.MOV")
    )
    assert not any("p0" in v.video_id or "interview" in v.video_id for v in videos)
    (tmp_path / "in").rename(tmp_path / "moved")
    assert [v.video_id for v in find_videos([tmp_path / "moved"])] == [v.video_id for v in videos]
    with pytest.raises(InputError, match="the same id"):
        find_videos([tmp_path / "moved/p01/interview.mp4", tmp_path / "moved/p02/interview.mp4"])


def test_manifest_gives_ids_and_subjects(tmp_path):
    for name in ("a/1.mp4", "b/2.mp4", "b/3.mp4"):
        touch(tmp_path / "in" / name)
    manifest = tmp_path / "m.csv"
    manifest.write_text("video,id,subject\nb/2.mp4,two,anna\na/1.mp4,one,\n")
    videos = find_videos([tmp_path / "in"], manifest)
    assert [(v.video_id, v.subject, v.path.name) for v in videos] == [
        ("one", None, "1.mp4"),
        ("two", "anna", "2.mp4"),
    ]
    for line, message in (
        ("b/9.mp4,x,", "line 2: expected one video"),
        ("b/2.mp4,../x,", "line 2: video id"),
        ("b/2.mp4,x", "line 2: expected 3 fields"),
    ):
        manifest.write_text(f"video,id,subject\n{line}\n")
        with pytest.raises(InputError, match=message):
            find_videos([tmp_path / "in"], manifest)


# Workers.


def work(task, progress):
    if task == "die":
        os._exit(7)
    if task == "fail":
        raise InputError("bad task")
    if task == "bug":
        raise KeyError("oh")
    for _ in range(task):
        progress(1)
    return task + 1


def test_workers_outlive_failures_and_deaths(repo, monkeypatch):
    monkeypatch.syspath_prepend(repo)  # a spawned worker imports this module
    tasks = [1, "die", "fail", 2, "bug", 3]
    for workers in (1, 2):
        reports = list(run_tasks(work, tasks, workers))
        ended = {str(r.task): r for r in reports if r.ended}
        assert len(ended) == sum(r.ended for r in reports) == len(tasks)
        assert [ended[str(n)].result for n in (1, 2, 3)] == [2, 3, 4]
        assert ended["fail"].failure == "bad task"
        assert "died (exit code 7)" in ended["die"].failure
        assert ended["bug"].failure.startswith("KeyError: 'oh' (")
        assert sum(r.progress for r in reports) == 6


# Real estimation.


def test_outcome_rate():
    assert Outcome("a", "extracted", 51, 2.0).fps == 25
    assert Outcome("a", "failed").fps == 0


def test_one_video_twice_is_the_same_poses(tmp_path, write_video, person_images):
    video = write_video(tmp_path / "a.mp4", person_images(8))
    videos = [Video(video, "one", "anna"), Video(video, "two")]
    out, sheets = tmp_path / "store", tmp_path / "sheets"
    outcomes = extract_batch(videos, out, workers=1, overlay=sheets)
    assert [(o.video_id, o.status, o.frames) for o in outcomes] == [
        ("one", "extracted", 8),
        ("two", "extracted", 8),
    ]
    store = PoseStore(out)
    one, two = store["one"], store["two"]
    assert one.keypoints.tobytes() == two.keypoints.tobytes()
    assert (one.subject, two.subject) == ("anna", None)
    assert one.detected[:, :33].all()
    assert one.frame_size == (256, 256)
    provenance, method = store.header("one").provenance, mediapipe_method(EstimatorSettings())
    assert provenance.estimator == "mediapipe-holistic"
    assert provenance.weights_sha256 == method.weights_sha256
    assert len(provenance.source_sha256) == 64
    assert sorted(p.name for p in sheets.iterdir()) == ["one.png", "two.png"]
    secret = str(tmp_path).encode()
    assert not any(secret in path.read_bytes() for path in out.glob("*.h5"))
    assert str(tmp_path) not in (out / "manifest.csv").read_text()
    # A file that is damaged, or of another subject, is made anew; the rest is kept.
    whole = (out / "one.h5").read_bytes()
    (out / "one.h5").write_bytes(whole[:9000])
    (out / "two.h5.partial").write_bytes(b"left by a killed run")
    again = extract_batch([videos[0], Video(video, "two", "bert")], out)
    assert [o.status for o in again] == ["extracted", "extracted"]
    assert (out / "one.h5").read_bytes() == whole
    assert [o.status for o in extract_batch([videos[0]], out)] == ["kept"]
    assert not list(out.glob("*.partial"))
    assert len((out / "manifest.csv").read_text().splitlines()) == 3


def first_frames(path, count):
    from mgpose.io.video import VideoReader

    with VideoReader(path) as reader:
        return [frame.image for frame, _ in zip(reader, range(count), strict=False)]


@pytest.mark.shared
def test_the_person_at_the_edge_is_noticed(real_data, tmp_path):
    pytest.importorskip("mediapipe")
    from mgpose.extraction.estimators.mediapipe_faces import MediaPipeFaceDetector

    for name, people in (("bird", 2), ("book", 1), ("again", 1)):
        images = first_frames(real_data / f"videos/intel-asl/{name}.mkv", 20)
        detector = MediaPipeFaceDetector()
        assert [len(detector.detect(image)) for image in images[::5]] == [people] * 4, name
        detector.close()


@pytest.mark.shared
@pytest.mark.parametrize("large_on_the_left", [True, False])
def test_the_large_person_is_the_subject(real_data, tmp_path, write_video, large_on_the_left):
    """Two clips side by side, one of them at half its size."""
    pytest.importorskip("mediapipe")
    a = first_frames(real_data / "videos/intel-asl/again.mkv", 15)
    b = first_frames(real_data / "videos/intel-asl/walk.mkv", 15)
    images = []
    for large, small in zip(a, b, strict=True):
        half = np.full_like(large, 128)
        half[120:360, 160:480] = small[::2, ::2]
        images.append(np.hstack([large, half] if large_on_the_left else [half, large]))
    video = write_video(tmp_path / "two.mp4", images)
    (outcome,) = extract_batch([Video(video, "two")], tmp_path / "store")
    assert outcome.status == "extracted"
    with PoseFile(tmp_path / "store/two.h5") as file:
        sequence = file.read()
    assert (sequence.ledger & FrameFlag.SEVERAL_PEOPLE).all()
    noses = sequence.keypoints[:, 0, 0]
    assert ((noses < 640) == large_on_the_left).all()
    widths = np.linalg.norm(sequence.keypoints[:, 11] - sequence.keypoints[:, 12], axis=1)
    assert np.nanmedian(widths) > 120  # 157 pixels alone; the other one has 68
