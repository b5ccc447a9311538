"""What a checkpoint's card says it has seen, and what evaluation makes of it (synthetic people)."""

import copy
import dataclasses

import pytest
import torch

from mgpose.data.folds import Corpus
from mgpose.engine.checkpoint import CheckpointCard, load_encoder
from mgpose.engine.pretrain import FINAL_CHECKPOINT, pretrain
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.io import PoseStore, read_annotations, write_annotations
from mgpose.io.annotations import ANNOTATIONS_NAME
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import InputError
from mgpose.tasks.evaluate import EvaluateSettings, evaluate


@pytest.fixture(scope="module")
def settings(tiny_config):
    return read_settings(PretrainSettings, tiny_config)


@pytest.fixture(scope="module")
def evaluation(tiny_config):
    tasks = {"retrieval": {}}
    return read_settings(EvaluateSettings, {"data": tiny_config["data"], "tasks": tasks})


def edited(run, path, **changes):
    """The checkpoint with other entries in its card; None takes one out."""
    content = torch.load(run / FINAL_CHECKPOINT, weights_only=True)
    card = {**content["mgpose"], **changes}
    content["mgpose"] = {key: value for key, value in card.items() if value is not None}
    torch.save(content, path)
    return path


def test_the_card_knows_people_and_sources_of_each_video(tiny_run, settings):
    _, card = load_encoder(tiny_run / FINAL_CHECKPOINT)
    corpus = Corpus(settings.data)
    assert len(card.videos) == len(card.subjects) == len(card.sources) == len(card.sets) > 0
    for seen in card.seen():
        assert seen.subject == corpus.subjects()[seen.video]
        assert seen.source == corpus.store.header(seen.video).provenance.source_sha256
        assert seen.data == settings.data.name
    (split,) = corpus.folds()
    assert not set(card.subjects) & {corpus.subjects()[v] for v in split.test}


def test_a_card_of_uneven_lists_is_refused(tiny_run, tmp_path):
    _, card = load_encoder(tiny_run / FINAL_CHECKPOINT)
    with pytest.raises(ValueError, match=f"expected subjects of {len(card.videos)} videos, got 1"):
        dataclasses.replace(card, subjects=("s",))
    path = edited(tiny_run, tmp_path / "uneven.pth", sources=["x"])
    with pytest.raises(InputError, match="expected sources of"):
        load_encoder(path)


def test_evaluation_prints_the_guard(tiny_run, evaluation, tmp_path):
    result = evaluate(evaluation, tiny_run, tmp_path)["retrieval"]
    (found,) = result.protocol["leakage"].values()
    assert found["found"] == {}
    assert found["compared"]["test"] > 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no shared video, source file, subject, near-duplicate clip" in page


@pytest.mark.parametrize("field", ["subjects", "sources"])
def test_a_checkpoint_that_saw_a_test_person_or_file_is_refused(
    field, tiny_run, evaluation, tmp_path
):
    corpus = Corpus(evaluation.data)
    (split,) = corpus.folds()
    tested = {
        "subjects": corpus.subjects()[split.test[0]],
        "sources": corpus.store.header(split.test[0]).provenance.source_sha256,
    }
    _, card = load_encoder(tiny_run / FINAL_CHECKPOINT)
    # A video of another id, which only its person or its file gives away.
    columns = {
        "videos": [*card.videos, "renamed"],
        "subjects": [*card.subjects, "nobody"],
        "sources": [*card.sources, "f" * 64],
        "sets": [*card.sets, evaluation.data.name],
    }
    columns[field][-1] = tested[field]
    path = edited(tiny_run, tmp_path / "seen.pth", **columns)
    with pytest.raises(InputError, match=f"1 {field[:-1].replace('source', 'source file')} "):
        evaluate(evaluation, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_report_says_what_a_card_lacks(tiny_run, evaluation, tmp_path):
    path = edited(tiny_run, tmp_path / "old.pth", subjects=[], sources=[], sets=[])
    _, card = load_encoder(path)
    assert isinstance(card, CheckpointCard)
    assert card.subjects == card.sources == ()
    result = evaluate(evaluation, path, tmp_path / "out")["retrieval"]
    (found,) = result.protocol["leakage"].values()
    assert any("compared by the ids of its videos only" in line for line in found["text"])


def test_pre_training_stops_at_a_copy_of_a_test_video(
    tiny_config, tiny_store, tmp_path, monkeypatch
):
    folds = Corpus.folds  # as of a set that was filmed: the synthetic protocol declares likeness
    monkeypatch.setattr(
        Corpus, "folds", lambda self: [dataclasses.replace(s, exceptions={}) for s in folds(self)]
    )
    store = tmp_path / "store"
    store.mkdir()
    poses = PoseStore(tiny_store)
    annotations = read_annotations(tiny_store / ANNOTATIONS_NAME)
    for video in poses:
        write_pose_file(store, video, poses[video], poses.header(video).provenance)
    config = copy.deepcopy(tiny_config)
    config["data"]["store"] = str(tiny_store)
    (split,) = Corpus(read_settings(PretrainSettings, config).data).folds()
    copied = poses[split.test[0]].replace(subject="somebody")
    write_pose_file(store, "copy", copied, Provenance("synthetic", "1", "", "e" * 64))
    write_annotations(store / ANNOTATIONS_NAME, annotations)
    config["data"]["store"] = str(store)
    with pytest.raises(InputError, match=f"copy and {split.test[0]}, likeness 1.000"):
        pretrain(read_settings(PretrainSettings, config), tmp_path / "run")
    assert not (tmp_path / "run").exists()
