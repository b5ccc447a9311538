"""Exporting: what is refused, what the model card says, and that evaluation takes the result."""

import dataclasses
import json
import re
import runpy
import sys

import pytest
import torch

import mgpose
from mgpose.engine.checkpoint import TrainingSet, load_encoder
from mgpose.engine.export import export_model
from mgpose.engine.pretrain import FINAL_CHECKPOINT, pretrain
from mgpose.engine.settings import PretrainSettings, read_settings
from mgpose.evaluation.results import read_results
from mgpose.structures import InputError
from mgpose.tasks.evaluate import EvaluateSettings, evaluate

LICENCE = {"tiny corpus": "made by mgpose"}


@pytest.fixture(scope="module")
def checkpoint(tiny_run):
    return tiny_run / FINAL_CHECKPOINT


@pytest.fixture(scope="module")
def settings(tiny_config):
    values = {"data": tiny_config["data"], "tasks": {"retrieval": {}}, "threads": 1}
    values["seeds"] = [0]
    return read_settings(EvaluateSettings, values)


@pytest.fixture(scope="module")
def results(checkpoint, settings, tmp_path_factory):
    """A results file of the checkpoint."""
    out = tmp_path_factory.mktemp("results")
    evaluate(settings, checkpoint, out)
    return out / "results.json"


def changed(checkpoint, path, change):
    content = torch.load(checkpoint, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


def card_changed(**values):
    return lambda content: content["mgpose"].update(values)


def test_evaluation_takes_an_exported_model_wherever_it_takes_a_checkpoint(
    checkpoint, settings, results, tmp_path
):
    model = export_model(checkpoint, "tiny", tmp_path, licences=LICENCE).weights
    found = evaluate(settings, model, tmp_path / "out")["retrieval"]
    before = read_results(results)["retrieval"]
    assert found.protocol["pretraining"] == before.protocol["pretraining"]
    rows = zip(found.rows, before.rows, strict=True)
    for row, same in rows:
        assert row.name == same.name
        assert row.metrics == pytest.approx(same.metrics, abs=0.05)


def test_training_goes_on_from_an_exported_model(checkpoint, tiny_config, tmp_path):
    model = export_model(checkpoint, "tiny", tmp_path, licences=LICENCE).weights
    schedule = {"epochs": 1, "batch_size": 4, "threads": 1, "start_from": str(model)}
    schedule |= {"learning_rate": 1e-12, "weight_decay": 0.0}
    config = {**tiny_config, "schedule": schedule, "sampling": {"samples": 8}}
    config["monitor"] = {"clips": 8, "stop_on_collapse": False}
    renamed = {**tiny_config["data"], "name": "second set", "licence": "CC0"}
    config["data"] = renamed
    pretrain(read_settings(PretrainSettings, config), tmp_path / "run")
    after, said = load_encoder(tmp_path / "run" / FINAL_CHECKPOINT)
    start, _ = mgpose.load_model(model)
    for key, value in start.state_dict().items():
        torch.testing.assert_close(after.state_dict()[key], value, rtol=0, atol=1e-6)
    # What the first one saw is not forgotten, also not after a second export.
    _, first = load_encoder(checkpoint)
    assert sorted(said.videos) == sorted(first.videos)
    assert [(one.name, one.licence) for one in said.trained_on] == [
        ("second set", "CC0"),
        ("tiny corpus", "made by mgpose"),
    ]
    unknown = mgpose.load_model(model).card.videos
    alone = changed(
        tmp_path / "run" / FINAL_CHECKPOINT,
        tmp_path / "b.pth",
        card_changed(videos=["x", *unknown], subjects=[], sources=[], sets=[]),
    )
    again = mgpose.load_model(export_model(alone, "b", tmp_path).weights).card
    asked = {*first.videos, "x"}
    assert set(again.revealed((*asked, "y")).videos) == asked
    assert not set(again.videos) & asked


def test_the_card_has_its_blocks_and_the_numbers_of_the_results(checkpoint, results, tmp_path):
    done = export_model(checkpoint, "tiny", tmp_path, [results], LICENCE)
    text = done.card.read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Intended use", "The model", "Training data", "Measured", "Privacy"]
    assert "**Not for diagnosing persons, not for surveillance.**" in text
    assert "Trained on **synthetic** data: tiny corpus" in text
    assert "| tiny corpus (synthetic) | synthetic | made by mgpose |" in text
    assert f"{mgpose.load_model(done.weights).card.clips} clips, seed 0" in text
    assert json.loads(done.description.read_text())["weights"]["sha256"] in text
    assert "No pixels" in text
    assert "no face and no clip can be rebuilt" in text
    assert "salted SHA-256" in text
    result = read_results(results)["retrieval"]
    assert "tiny corpus (synthetic data)" in text
    for row in result.rows:
        (line,) = [line for line in text.splitlines() if line.startswith(row.name + "  ")]
        assert f"{100 * row.metrics[result.headline[0]]:.1f}" in line
    # A card without results says so, and promises no number.
    bare = export_model(checkpoint, "bare", tmp_path, licences=LICENCE).card.read_text()
    assert "Nothing was measured for this card." in bare
    assert "was not measured for this card" in bare


def test_the_card_takes_several_results_files(checkpoint, results, tmp_path):
    content = json.loads(results.read_text())
    content["tasks"]["retrieval"]["title"] = "Retrieval again"
    path = tmp_path / "more.json"
    path.write_text(json.dumps(content))
    text = export_model(checkpoint, "tiny", tmp_path, [results, path], LICENCE).card.read_text()
    # Both, in the order given.
    assert re.findall(r"^Retrieval.*$", text, re.MULTILINE) == ["Retrieval", "Retrieval again"]


def test_notes_of_the_results_do_not_reach_the_card(checkpoint, results, tmp_path):
    content = json.loads(results.read_text())
    content["tasks"]["retrieval"]["notes"] = ["video anna-1 was left out"]
    path = tmp_path / "noted.json"
    path.write_text(json.dumps(content))
    done = export_model(checkpoint, "tiny", tmp_path, [path], LICENCE)
    assert "anna" not in done.card.read_text()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"seed": 8}, "'seed': 8"),
        ({"weights": "0" * 64}, "'weights': '0000"),
        ({"size": "base"}, "'size': 'base'"),
    ],
)
def test_results_of_another_encoder_are_refused(checkpoint, results, tmp_path, change, expected):
    content = json.loads(results.read_text())
    content["tasks"]["retrieval"]["protocol"]["pretraining"].update(change)
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="measured another encoder") as caught:
        export_model(checkpoint, "tiny", tmp_path / "out", [path], LICENCE)
    assert expected in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_results_over_several_seeds_or_folds(checkpoint, results, tmp_path):
    content = json.loads(results.read_text())
    protocol = content["tasks"]["retrieval"]["protocol"]
    ours = protocol["pretraining"]
    other = {**ours, "seed": 1, "weights": "1" * 64}
    path = tmp_path / "several.json"

    def text(pretraining):
        protocol["pretraining"] = pretraining
        path.write_text(json.dumps(content))
        return export_model(checkpoint, "tiny", tmp_path, [path], LICENCE).card.read_text()

    of_seeds = "Mean over pre-trainings of several seeds, of which this model is one"
    assert of_seeds in text({"checkpoints": [other, ours]})
    assert of_seeds in text({"a": {"checkpoints": [ours, other]}, "b": ours})
    assert of_seeds not in text({"a": ours, "b": ours})
    for wrong in ({"checkpoints": [other]}, {"a": ours, "b": other}):
        with pytest.raises(InputError, match=r"measured another encoder: \{'seed': 1, 'weights'"):
            text(wrong)


def test_results_that_do_not_name_the_weights_or_the_encoder(checkpoint, results, tmp_path):
    content = json.loads(results.read_text())
    protocol = content["tasks"]["retrieval"]["protocol"]
    del protocol["pretraining"]["weights"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content))
    text = export_model(checkpoint, "tiny", tmp_path, [path], LICENCE).card.read_text()
    assert "does not name the weights" in text
    del protocol["pretraining"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="does not say which encoder"):
        export_model(checkpoint, "tiny", tmp_path, [path], LICENCE)


def test_every_training_set_needs_its_licence(checkpoint, tiny_config, tmp_path):
    with pytest.raises(InputError, match="none for tiny corpus; say --licence 'tiny corpus=TEXT'"):
        export_model(checkpoint, "tiny", tmp_path / "a")
    with pytest.raises(InputError, match="trained on tiny corpus, not on moon"):
        export_model(checkpoint, "tiny", tmp_path / "a", licences={**LICENCE, "moon": "MIT"})
    sets = [dataclasses.asdict(TrainingSet("x", "p", "MIT")), {"name": "y", "protocol": "q"}]
    several = changed(checkpoint, tmp_path / "several.pth", card_changed(trained_on=sets))
    with pytest.raises(InputError, match="none for y"):
        export_model(several, "tiny", tmp_path / "a")
    assert not (tmp_path / "a").exists()
    done = export_model(several, "tiny", tmp_path / "a", licences={"y": "Apache-2.0"})
    text = done.card.read_text()
    assert "| x | p | MIT |" in text
    assert "| y | q | Apache-2.0 |" in text


def test_a_checkpoint_that_did_not_record_its_sets_takes_them_from_the_command(
    checkpoint, tmp_path
):
    def forget(content):
        for key in ("trained_on", "clips"):
            del content["mgpose"][key]

    old = changed(checkpoint, tmp_path / "old.pth", forget)
    done = export_model(old, "old", tmp_path, licences={**LICENCE, "second": "MIT"})
    text = done.card.read_text()
    assert "| tiny corpus | synthetic | made by mgpose |" in text
    assert "| second | not recorded | MIT |" in text
    assert "number not recorded" in text


def test_the_config_says_the_licence(tiny_config):
    data = {**tiny_config["data"], "licence": "CC0"}
    settings = read_settings(PretrainSettings, {**tiny_config, "data": data})
    assert TrainingSet.of(settings.data) == TrainingSet("tiny corpus", "synthetic", "CC0", True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 7e4, -7e4])
def test_weights_that_half_precision_cannot_hold(checkpoint, tmp_path, value):
    def spoil(content):
        key = next(k for k in content["state_dict"] if ".teacher.encoder." in k)
        content["state_dict"][key].view(-1)[0] = value

    bad = changed(checkpoint, tmp_path / "bad.pth", spoil)
    with pytest.raises(InputError, match="expected finite numbers up to 65504"):
        export_model(bad, "bad", tmp_path / "out", licences=LICENCE)


def test_rounding_that_spoils_the_embeddings_is_refused(checkpoint, tmp_path):
    """All weights near the smallest number of float16, where its steps are coarse."""

    def shrink(content):
        for key, value in content["state_dict"].items():
            if ".teacher.encoder." in key:
                value.mul_(1e-7)

    bad = changed(checkpoint, tmp_path / "bad.pth", shrink)
    with pytest.raises(InputError, match="float16 weights change an embedding"):
        export_model(bad, "bad", tmp_path / "out", licences=LICENCE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "a b", "../up", "a.b", "-a", "ä"])
def test_names_that_are_no_names(checkpoint, tmp_path, name):
    with pytest.raises(InputError, match="letters, digits"):
        export_model(checkpoint, name, tmp_path, licences=LICENCE)


@pytest.fixture
def tool(repo, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["export_model.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(repo / "tools" / "export_model.py"), run_name="__main__")
        return end.value.code, capsys.readouterr()

    return run


def test_the_tool(tool, checkpoint, results, tmp_path):
    base = (checkpoint, "--name", "tiny", "--out", tmp_path)
    code, text = tool(*base, "--licence", "tiny corpus=a=b", "--results", results)
    assert code == 0
    assert "float16" in text.out
    assert mgpose.load_model(tmp_path / "tiny.safetensors").card.trained_on[0].licence == "a=b"
    for more, expected in (
        (("--licence", "tiny corpus"), "expected SET=TEXT"),
        (("--licence", "tiny corpus=x", "--largest", "0.1"), "under 0.1 MB"),
        (("--licence", "tiny corpus=x", "--results", tmp_path / "none.json"), "none.json"),
        ((), "--licence 'tiny corpus=TEXT'"),
    ):
        code, text = tool(*base, *more)
        assert code == 2
        assert text.err.startswith("error: ")
        assert expected in text.err
        assert text.err.count("\n") == 1
