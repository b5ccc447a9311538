"""An exported model hides what it has seen, and the leakage guard still finds it.

All people and poses are synthetic.
"""

import copy
import dataclasses

import pytest
import torch

import mgpose
from mgpose.data.folds import Corpus
from mgpose.data.leakage import Footage, LeakageGuard
from mgpose.engine.checkpoint import load_encoder
from mgpose.engine.export import export_model
from mgpose.engine.pretrain import FINAL_CHECKPOINT
from mgpose.engine.pretrain_data import pretrain_data
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.io import PoseStore, read_annotations, write_annotations
from mgpose.io.annotations import ANNOTATIONS_NAME
from mgpose.io.pose_file import write_pose_file
from mgpose.structures import InputError
from mgpose.tasks.evaluate import EvaluateSettings, evaluate

HARMLESS = Footage("renamed", "nobody", "f" * 64, "tiny corpus")
FIELDS = ("video", "subject", "source")


@pytest.fixture(scope="module")
def settings(tiny_config):
    values = {"data": tiny_config["data"], "tasks": {"retrieval": {}}, "threads": 1, "seeds": [0]}
    return read_settings(EvaluateSettings, values)


@pytest.fixture
def exported(tiny_run, tmp_path):
    """The tiny model, exported, as if its pre-training had seen more footage."""

    def export(*more):
        checkpoint = tiny_run / FINAL_CHECKPOINT
        seen = [*load_encoder(checkpoint)[1].seen(), *more]
        content = torch.load(checkpoint, weights_only=True)
        content["mgpose"].update(
            videos=[f.video for f in seen],
            subjects=[f.subject for f in seen],
            sources=[f.source for f in seen],
            sets=[f.data for f in seen],
        )
        torch.save(content, tmp_path / "more.pth")
        licences = {"tiny corpus": "made by mgpose"}
        model = export_model(tmp_path / "more.pth", "more", tmp_path, licences=licences).weights
        described = model.with_suffix(".json").read_text()
        assert not [
            name for f in seen for name in (f.video, f.subject, f.source) if name in described
        ]
        return model

    return export


def fold_and_test_video(corpus):
    """The guard of a set, its fold, and what is known of a test video."""
    guard, (split,) = LeakageGuard(corpus), corpus.folds()
    return guard, split, guard.footage(split.test[:1])[0]


@pytest.mark.parametrize("field", FIELDS)
def test_a_hashed_video_person_or_file_of_the_test_part_stops_the_run(
    field, exported, settings, tmp_path
):
    guard, split, tested = fold_and_test_video(Corpus(settings.data))
    model = exported(dataclasses.replace(HARMLESS, **{field: getattr(tested, field)}))
    card = mgpose.load_model(model).card
    word = "source file" if field == "source" else field
    with pytest.raises(InputError, match=rf"leakage.* 1 {word} \("):
        guard.check(split, card.revealed(guard.names()).seen())
    # Without revealing it would pass: the stop above is owed to the names.
    assert not guard.check(split, card.seen()).leaks
    first = "saw 1 of the test videos" if field == "video" else rf"leakage.* 1 {word} \("
    with pytest.raises(InputError, match=first):
        evaluate(settings, model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_in_no_test_part_stops_nothing(exported, settings, tmp_path):
    result = evaluate(settings, exported(HARMLESS), tmp_path / "out")["retrieval"]
    (found,) = result.protocol["leakage"].values()
    assert found["found"] == {}
    # All but one are videos of the train part, and recognised as such.
    assert found["compared"]["pretraining"] == 1
    assert not any("ids of its videos only" in line for line in found["text"])


def test_a_namesake_of_another_set_that_shares_footage_is_the_same_person(exported, settings):
    guard, split, tested = fold_and_test_video(Corpus(settings.data))
    train = guard.footage(split.train[:1])[0]
    namesake = dataclasses.replace(HARMLESS, subject=tested.subject, data="other name")
    for common in ({"video": train.video}, {"source": train.source}):
        shared = dataclasses.replace(HARMLESS, **common, data="other name")
        card = mgpose.load_model(exported(namesake, shared)).card
        with pytest.raises(InputError, match=r"1 subject \("):
            guard.check(split, card.revealed(guard.names()).seen())
    card = mgpose.load_model(exported(namesake)).card
    assert not guard.check(split, card.revealed(guard.names()).seen()).leaks


@pytest.fixture(scope="module")
def further_store(tiny_store, tmp_path_factory):
    """The tiny store under other ids of videos and people, with annotations."""
    folder, poses = tmp_path_factory.mktemp("further"), PoseStore(tiny_store)
    for video in poses:
        renamed = poses[video].replace(subject=f"more_{poses[video].subject}")
        write_pose_file(folder, f"more_{video}", renamed, poses.header(video).provenance)
    annotations = [
        dataclasses.replace(a, video=f"more_{a.video}", subject=f"more_{a.subject}")
        for a in read_annotations(tiny_store / ANNOTATIONS_NAME)
    ]
    write_annotations(folder / ANNOTATIONS_NAME, annotations)
    return folder


@pytest.mark.parametrize("whose", ["own", "further", None])
def test_training_does_not_go_on_where_a_test_person_was_seen(
    whose, exported, tiny_config, further_store
):
    """The ids of a set that joins the training are asked for as well as those of the own one."""
    config = copy.deepcopy(tiny_config)
    config["further"] = [{**config["data"], "name": "more", "store": str(further_store)}]
    settings = read_settings(PretrainSettings, config)
    guard, split, own = fold_and_test_video(Corpus(settings.data))
    _, _, further = fold_and_test_video(Corpus(settings.further[0]))
    who = {"own": own, "further": further, None: HARMLESS}[whose]
    row = dataclasses.replace(HARMLESS, subject=who.subject, data=who.data)
    card = mgpose.load_model(exported(row)).card
    if whose is None:
        seen = pretrain_data(settings, guard.corpus, split, guard, card).seen
        known = {f.video for f in guard.footage(split.train)}
        assert known <= {f.video for f in seen}
        assert len(seen) == 2 * len(known) + 1
        return
    with pytest.raises(InputError, match=rf"{who.data}, fold .* 1 subject \({who.subject}\)"):
        pretrain_data(settings, guard.corpus, split, guard, card)
