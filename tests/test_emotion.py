"""The emotion task from the command to the report, on synthetic videos with shifted labels."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus
from mgpose.engine.pretrain import FINAL_CHECKPOINT
from mgpose.engine.settings import read_settings
from mgpose.evaluation.attention_pooling import AttentionSettings, attention_scores
from mgpose.evaluation.embed import embed
from mgpose.evaluation.results import ResultRow, read_results
from mgpose.evaluation.video_classifier import Regularisation, linear_scores
from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.structures import InputError
from mgpose.tasks.emotion import _verdict
from mgpose.tasks.emotion_methods import EmotionMethods, EmotionSettings
from mgpose.tasks.emotion_videos import LabelledVideos
from mgpose.tasks.evaluate import EvaluateSettings
from mgpose.tasks.task_data import Contender, TaskData

TASK = {
    "draws": 50,
    "seeds": 2,
    "folds": 2,
    "components": [2, 4],
    "probe_epochs": 5,
    "attention": {"epochs": 3, "restarts": 2},
}


@pytest.fixture(scope="module")
def shifted_store(tiny_store, tmp_path_factory):
    """Three of four test videos and eight of twelve training videos are positive.

    One test video, a positive one, shows nobody.
    """
    store = tmp_path_factory.mktemp("emotion") / "store"
    shutil.copytree(tiny_store, store)
    annotations = read_annotations(store / ANNOTATIONS_NAME)
    negative = sorted(a.video for a in annotations if a.label == "negative")
    turned = {*negative[:2], negative[-1]}
    changed = [
        dataclasses.replace(a, label="positive") if a.video in turned and a.tier == "emotion" else a
        for a in annotations
    ]
    write_annotations(store / ANNOTATIONS_NAME, changed)
    with h5py.File(store / f"{negative[-1]}.h5", "r+") as file:
        file["keypoints"][:] = np.nan
        file["scores"][:] = 0
    return store, negative[-1]


@pytest.fixture(scope="module")
def data(tiny_config, shifted_store):
    values = {"data": {**tiny_config["data"], "store": str(shifted_store[0])}}
    corpus = Corpus(read_settings(EvaluateSettings, values).data)
    (split,) = corpus.folds()
    return TaskData.of(corpus, split)


@pytest.fixture(scope="module")
def evaluated(repo, tiny_config, tiny_run, shifted_store, tmp_path_factory):
    """What the command prints, and the folder it fills."""
    folder = tmp_path_factory.mktemp("evaluated")
    config = folder / "config.py"
    values = {
        "data": {**tiny_config["data"], "store": str(shifted_store[0])},
        "tasks": {"emotion": TASK},
        "seeds": (0,),
        "threads": 1,
    }
    config.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    out = folder / "out"
    arguments = [str(config), str(tiny_run / FINAL_CHECKPOINT), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(repo / "tools/evaluate.py"), *arguments, "--task", "emotion"],
        env={**os.environ, "PYTHONPATH": str(repo)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, out


def rows_of(out):
    return {row.name: row for row in read_results(out / "results.json")["emotion"].rows}


def test_the_command_compares_all_methods(evaluated):
    printed, out = evaluated
    assert "synthetic data" in printed
    rows = rows_of(out)
    encoders = [
        f"{name}, {method}"
        for name in ("pre-trained", "untrained")
        for method in ("attention pooling", "mean pooling", "histogram of predicted gestures")
    ]
    others = ["PCA + SVM", "majority class", "histogram of annotated gestures"]
    assert sorted(rows) == sorted(encoders + others)
    for row in rows.values():
        assert row.name in printed
        assert row.runs == 2
        for metric in ("accuracy", "balanced_accuracy", "auc"):
            assert 0 <= row.metrics[metric] <= 1
            assert row.metrics[f"{metric}_low"] <= row.metrics[f"{metric}_high"]
        assert 0 < row.metrics["p_value"] <= 1


def test_the_majority_is_the_share(evaluated):
    majority = rows_of(evaluated[1])["majority class"].metrics
    assert majority["accuracy"] == 0.75
    assert majority["balanced_accuracy"] == 0.5
    assert majority["auc"] == 0.5
    assert majority["p_value"] == 1


def test_the_row_of_mean_pooling_is_what_its_record_says(evaluated, data, encoder):
    """Embeddings, a slow mean of each video, the classifier that was chosen: the same numbers."""
    content = json.loads((evaluated[1] / "results.json").read_text())
    record = content["tasks"]["emotion"]["protocol"]["records"][data.split.fold]
    chosen = record["chosen"]["pre-trained, mean pooling"]
    assert len(chosen) == 2
    emotions = data.corpus.emotions(data.corpus.videos)
    means, labels = {}, {}
    for part in ("train", "test"):
        table = embed(encoder, data.corpus.unlabelled(getattr(data.split, part)))
        known = sorted(set(table.videos))
        rows = [
            [e for e, v in zip(table.embeddings, table.videos, strict=True) if v == k]
            for k in known
        ]
        means[part] = np.stack([np.mean(found, axis=0, dtype=np.float64) for found in rows])
        labels[part] = np.array([int(emotions[k] == "positive") for k in known])
    right = []
    for choice in chosen:
        assert len(choice["log_losses"]) == 2 * 3
        scores = linear_scores(
            means["train"].astype(np.float32),
            labels["train"],
            means["test"].astype(np.float32),
            Regularisation(choice["components"], choice["penalty"]),
        )
        # The fourth has no pose and is answered by the share of positives, two thirds: rightly.
        right.append((np.sum((scores >= 0.5) == labels["test"]) + 1) / 4)
    row = rows_of(evaluated[1])["pre-trained, mean pooling"]
    assert row.metrics["accuracy"] == pytest.approx(np.mean(right))


def test_the_report_warns_and_draws(evaluated, shifted_store):
    page = (evaluated[1] / "report.html").read_text()
    assert "synthetic" in page
    assert "AI Act" in page
    assert "data:image/png;base64," in page
    assert "Balanced accuracy over synthetic videos" in page
    assert "0 of train left out, 1 of test answered by the training part" in page
    result = read_results(evaluated[1] / "results.json")["emotion"]
    # One person's videos: positive and negative; the other's: positive both. 2 x 2 orders.
    assert any("leaves 4 arrangements" in note and "below 0.25" in note for note in result.notes)
    (record,) = result.protocol["records"].values()
    assert record["test_videos_without_pose"] == [shifted_store[1]]
    (figure,) = result.figures
    drawn = {row["name"]: row["value"] for row in figure.data["rows"]}
    assert drawn == {row.name: row.metrics["balanced_accuracy"] for row in result.rows}


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_windows_of_a_part(data, part):
    videos = LabelledVideos.of(data, part, "positive")
    emotions, subjects = data.corpus.emotions(getattr(data.split, part)), data.corpus.subjects()
    assert sorted([*videos.videos, *videos.without_pose]) == sorted(emotions)
    assert videos.labels.tolist() == [int(emotions[v] == "positive") for v in videos.videos]
    assert list(videos.people) == [subjects[v] for v in videos.videos]
    for i, span in enumerate(videos.windows.spans):
        name = videos.videos[videos.video[i]]
        assert span.video == name
        axis = data.corpus.store.time(name)
        inside = axis[span.start : span.stop]
        assert inside[0] - axis[0] <= videos.time[i] <= inside[-1] - axis[0]
        assert videos.time[i] == pytest.approx((inside[0] + inside[-1]) / 2 - axis[0])
    # Of 25 seconds each.
    assert np.allclose(videos.length, 25, atol=0.1)
    assert np.all(np.diff(videos.time)[np.diff(videos.video) == 0] > 0)


def test_what_is_masked_changes_no_score(data, encoder):
    """Padded frames and missing keypoints may hold anything."""
    train, test = (LabelledVideos.of(data, part, "positive") for part in ("train", "test"))
    clips = test.windows
    assert not clips.mask.all()
    rubbish = torch.where(clips.mask[..., None], clips.x, torch.tensor(1e4))
    filled = ClipDataset(rubbish, clips.mask, clips.clip, clips.spans, clips.classes)
    settings = AttentionSettings(epochs=3, restarts=2)
    known = train.embedded(encoder)
    plain, other = (
        attention_scores(known, train.labels, asked.embedded(encoder), 1.0, settings)
        for asked in (test, dataclasses.replace(test, windows=filled))
    )
    assert np.array_equal(plain, other)


def test_test_labels_are_not_read(data, encoder):
    """Every method says the same whatever the test videos are called."""
    quick = AttentionSettings(epochs=3, restarts=1)
    settings = EmotionSettings(seeds=1, folds=2, components=(2,), probe_epochs=3, attention=quick)
    train, test = (LabelledVideos.of(data, part, "positive") for part in ("train", "test"))
    found = []
    for labels in (test.labels, 1 - test.labels):
        methods = EmotionMethods(data, train, dataclasses.replace(test, labels=labels), settings, 0)
        of_encoder = methods.of_encoder(Contender("untrained", "untrained", encoder))
        found.append([*of_encoder, *methods.of_poses()])
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a.scores, b.scores), a.name


def test_the_verdict_names_who_is_apart_from_chance():
    def row(name, kind, p):
        return ResultRow(name, kind, {"p_value": p})

    rows = [
        row("sure", "pretrained", 0.001),
        row("lucky", "untrained", 0.04),
        row("none", "classical", 0.6),
        row("bound", "oracle", 0.001),
        row("guess", "trivial", 1.0),
    ]
    text = _verdict(rows)
    assert re.search(r"told apart from chance: sure\. not told apart: lucky; none", text)
    assert "by Holm for 3 rows" in text
    assert "bound" not in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"draws": 0}, "draws"),
        ({"seeds": 0}, "seeds"),
        ({"folds": 1}, "folds"),
        ({"components": ()}, "components"),
        ({"penalties": (0.0,)}, "penalties"),
        ({"weight_decays": (-1.0,)}, "weight_decays"),
    ],
)
def test_settings_that_cannot_be(change, says):
    with pytest.raises(ValueError, match=says):
        EmotionSettings(**change)


def test_a_part_without_poses_is_refused(data, monkeypatch):
    none = data.corpus.unlabelled([])
    monkeypatch.setattr(type(data.corpus), "unlabelled", lambda *_: none)
    with pytest.raises(InputError, match="videos with usable poses in the test part"):
        LabelledVideos.of(data, "test", "positive")
