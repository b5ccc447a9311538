import dataclasses

import numpy as np
import pytest
import torch

from mgpose.data.clips import ClipSettings
from mgpose.data.folds import Corpus, DataSettings, mirrored
from mgpose.data.synthetic import EMOTIONS, SyntheticCorpus, write_synthetic
from mgpose.io import PoseStore, read_annotations, write_annotations
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import InputError
from mgpose.tasks.task_data import TaskData

CLASSES = ("head up", "rubbing eyes", "touching ears")
CLIP = ClipSettings(frames=16, rate=12.5)
STRANGER, FRIEND = "stranger", "friend"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Eight generated people and two videos without annotations: a stranger's and of person 8."""
    folder = tmp_path_factory.mktemp("store")
    write_synthetic(SyntheticCorpus(8, 1, 25, 20, "uniform", CLASSES, seed=1), folder)
    other = SyntheticCorpus(1, 1, 10, 20, "uniform", CLASSES, seed=2).video(0)
    sequence = other.sequence(other.script())
    for video, subject in ((STRANGER, None), (FRIEND, "synthetic_s008")):
        write_pose_file(folder, video, sequence.replace(subject=subject), Provenance("test", "1"))
    return DataSettings("tiny", str(folder), "synthetic", clip=CLIP, synthetic=True)


@pytest.fixture(scope="module")
def corpus(settings):
    return Corpus(settings)


def changed(settings, **changes):
    return DataSettings(**{**vars(settings), **changes})


def videos(clips):
    return {span.video for span in clips.spans}


def test_train_and_test_share_no_person_and_no_clip(corpus):
    (split,) = corpus.folds()
    assert len(split.test) == 2
    train, test = corpus.labelled(split.train), corpus.labelled(split.test)
    assert videos(train) == set(split.train)
    assert videos(test) == set(split.test)
    assert not set(train.group("subject")) & set(test.group("subject"))
    spans = annotated_count(corpus)
    assert len(train.spans) + len(test.spans) == spans
    assert train.classes == test.classes == corpus.classes
    assert set(corpus.classes) <= set(CLASSES)


def annotated_count(corpus):
    return sum(a.tier == "gesture" for a in corpus.annotations)


def test_labels_are_the_annotations_own(corpus):
    (split,) = corpus.folds()
    clips = corpus.labelled(split.train)
    for span, label in zip(clips.spans, clips.labels.tolist(), strict=True):
        assert clips.classes[label] == span.annotation.label
        assert span.annotation.tier == "gesture"
        time = corpus.store.time(span.video)
        assert time[span.start] == pytest.approx(span.annotation.start)


def test_whole_clips_are_the_same_clips_in_one_crop(corpus):
    (split,) = corpus.folds()
    clips, whole = corpus.labelled(split.test), corpus.whole(split.test)
    assert whole.spans == clips.spans
    assert torch.equal(whole.labels, clips.labels)
    assert whole.clip.tolist() == list(range(len(clips.spans)))


def test_unannotated_videos_join_pre_training_only(corpus):
    assert corpus.unannotated() == (FRIEND, STRANGER)
    (split,) = corpus.folds()
    assert not {FRIEND, STRANGER} & {*split.train, *split.val, *split.test}
    # The friend is a person of the test part, whom pre-training must not see.
    assert corpus.unannotated(split) == (STRANGER,)
    shared = dataclasses.replace(split, exceptions={"subject": "all of them are in train"})
    assert corpus.unannotated(shared) == (FRIEND, STRANGER)
    joined = corpus.unlabelled((*split.train, *corpus.unannotated(split)))
    assert videos(joined) == {*split.train, STRANGER}
    assert not videos(joined) & set(split.test)
    assert joined.labels.tolist() == [-1] * len(joined.spans)
    assert videos(corpus.labelled((*split.train, STRANGER))) == set(split.train)
    assert STRANGER not in corpus.subjects()


def test_tuning_never_touches_the_test(settings, corpus):
    (outer,) = corpus.folds()
    (inner,) = Corpus(changed(settings, tuning=True)).folds()
    assert not {*inner.train, *inner.val, *inner.test} & set(outer.test)
    assert {*inner.train, *inner.test} <= set(outer.train)
    assert not set(inner.train) & set(inner.test)
    subject = corpus.subjects()
    assert not {subject[v] for v in inner.train} & {subject[v] for v in inner.test}
    assert inner.protocol == f"{outer.protocol}-tuning"


def test_every_video_has_its_mood(corpus):
    (split,) = corpus.folds()
    moods = corpus.emotions((*split.train, STRANGER))
    assert set(moods) == set(split.train)
    assert set(moods.values()) == set(EMOTIONS)


def test_mirrored_twice_is_the_set_itself(corpus):
    (split,) = corpus.folds()
    clips = corpus.whole(split.test)
    once = mirrored(clips, corpus.skeleton)
    twice = mirrored(once, corpus.skeleton)
    assert torch.equal(twice.x, clips.x)
    assert torch.equal(twice.mask, clips.mask)
    assert torch.equal(once.labels, clips.labels)
    assert not torch.equal(once.x, clips.x)


def test_one_fold_by_name(settings):
    (split,) = Corpus(changed(settings, fold="last_quarter")).folds()
    assert split.fold == "last_quarter"
    with pytest.raises(InputError, match="unknown fold 'x'; known: last_quarter"):
        Corpus(changed(settings, fold="x")).folds()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"store": "nowhere"}, "nowhere"),
        ({"protocol": "nw_ucl"}, "unknown protocol"),
        ({"skeleton": "octopus"}, "unknown skeleton"),
    ],
)
def test_a_wrong_setting_is_named(settings, wrong, match):
    with pytest.raises(InputError, match=match):
        Corpus(changed(settings, **wrong))


def test_a_store_without_annotations_is_named(tmp_path, settings):
    sequence = PoseStore(settings.store)[STRANGER]
    write_pose_file(tmp_path, "v", sequence, Provenance("test", "1"))
    with pytest.raises(InputError, match=r"annotations\.csv: expected an annotations CSV file"):
        Corpus(changed(settings, store=str(tmp_path)))


def test_an_annotation_of_an_absent_video_is_named(tmp_path, settings):
    store = PoseStore(settings.store)
    annotations = read_annotations(store.folder / "annotations.csv")
    for video in list(store)[:-1]:
        write_pose_file(tmp_path, video, store[video], Provenance("test", "1"))
    gone = next(v for v in annotations if v.tier == "gesture").video
    (tmp_path / f"{gone}.h5").unlink()
    write_annotations(tmp_path / "annotations.csv", annotations)
    corpus = Corpus(changed(settings, store=str(tmp_path)))
    with pytest.raises(InputError, match=f"names video '{gone}', not in the store"):
        corpus.labelled(corpus.folds()[0].train)


def test_clips_are_read_once_and_hold_no_missing_value(corpus):
    (split,) = corpus.folds()
    clips = corpus.labelled(split.train)
    assert torch.equal(clips.x, corpus.labelled(split.train).x)
    assert np.isfinite(clips.x.numpy()).all()
    assert not clips.x[~clips.mask].any()


def test_a_store_without_labels_is_all_train_and_no_task_reads_it(settings):
    bare = Corpus(changed(settings, protocol="unlabelled"))
    (split,) = bare.folds()
    assert split.train == tuple(bare.store)
    assert split.test == ()
    assert bare.classes == ()
    assert videos(bare.unlabelled(split.train)) == set(bare.store)
    with pytest.raises(InputError, match="has no test part"):
        TaskData.of(bare, split)
