"""The five task runners on a tiny synthetic store, and what an evaluation writes."""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from mgpose.data.folds import Corpus, mirrored
from mgpose.engine.checkpoint import load_encoder
from mgpose.engine.pretrain import FINAL_CHECKPOINT
from mgpose.engine.settings import read_settings
from mgpose.evaluation.attention_pooling import AttentionSettings
from mgpose.evaluation.decisions import accuracy, balanced_accuracy
from mgpose.evaluation.figures import Curve, confusion_figure, map_figure, precision_figure
from mgpose.evaluation.metrics import binary_metrics
from mgpose.evaluation.results import ResultRow, TaskResult, read_results
from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.structures import InputError
from mgpose.tasks.combine import combine_folds
from mgpose.tasks.emotion import Emotion
from mgpose.tasks.emotion_methods import EmotionSettings
from mgpose.tasks.evaluate import RUNNERS, EvaluateSettings, evaluate
from mgpose.tasks.recognition_unsupervised import RecognitionUnsupervised, UnsupervisedSettings
from mgpose.tasks.retrieval import Retrieval, RetrievalSettings
from mgpose.tasks.task_data import TaskData

FINETUNE = {"epochs": 1, "min_steps": 3, "batch_size": 16}
TASKS = {
    "recognition_unsupervised": {"probe_epochs": 5, "neighbours": [1, 5]},
    "recognition_semi_supervised": {"fractions": [0.1, 0.5], "draws": 2, "finetune": FINETUNE},
    "recognition_supervised": {"finetune": FINETUNE},
    "retrieval": {"ranks": [1, 5, 1000]},
    "emotion": {"probe_epochs": 5, "draws": 50, "attention": {"epochs": 3, "restarts": 2}},
}
KINDS = ["pretrained", "untrained", "classical", "trivial"]
RECOGNITION = {"top1", "top5", "balanced_accuracy", "macro_f1"}
METRICS = {
    "recognition_unsupervised": RECOGNITION,
    "recognition_semi_supervised": RECOGNITION,
    "recognition_supervised": RECOGNITION,
    "retrieval": {"r_at_1", "r_at_5", "r_at_10", "map", "ndcg", "balanced_r_at_1"},
    "emotion": {"accuracy", "balanced_accuracy", "auc", "p_value", "accuracy_low"},
}


def settings_of(config, tasks=TASKS, **data):
    values = {
        "data": {**config["data"], **data},
        "tasks": tasks,
        "effort": "quick",
        "seeds": [0],
        "threads": 1,
    }
    return read_settings(EvaluateSettings, copy.deepcopy(values))


@pytest.fixture(scope="module")
def evaluated(tiny_config, tiny_run, tmp_path_factory):
    """Results and the folder that they were written to."""
    out = tmp_path_factory.mktemp("evaluated") / "out"
    return evaluate(settings_of(tiny_config), tiny_run, out), out


@pytest.fixture(scope="module")
def corpus(tiny_config):
    return Corpus(settings_of(tiny_config).data)


@pytest.mark.parametrize("task", RUNNERS)
def test_rows_and_metrics(evaluated, task):
    result = evaluated[0][task]
    assert result.task == task
    assert set(KINDS) == {row.kind for row in result.rows} - {"oracle"}
    for row in result.rows:
        if "k-means" in row.name:
            plain = {name for name in row.metrics if not name.endswith(("_low", "_high"))}
            assert plain == {"hungarian_accuracy", "nmi", "ari"}
        else:
            assert METRICS[task] <= row.metrics.keys(), row.name
        for name, value in row.metrics.items():
            low = -1 if name.startswith("ari") else 0
            assert low <= value <= 1, (row.name, name)
    assert result.data["synthetic"] is True
    assert result.protocol["effort"] == "quick"
    assert result.protocol["pretraining"]["test_videos_seen"] == 0


def test_the_probes_of_the_protocol(evaluated):
    names = [row.name for row in evaluated[0]["recognition_unsupervised"].rows]
    for contender in ("pre-trained", "untrained"):
        for probe in ("linear probe", "1-NN", "5-NN", "k-means"):
            assert names.count(f"{contender}, {probe}") == 1
    names = [row.name for row in evaluated[0]["recognition_semi_supervised"].rows]
    assert [name.rsplit(", ", 1)[1] for name in names] == ["10%"] * 5 + ["50%"] * 5
    rows = evaluated[0]["recognition_semi_supervised"].rows[:5]
    assert [(row.kind, row.name.rsplit(", ", 1)[0]) for row in rows] == [
        ("pretrained", "pre-trained, fine-tuned"),
        ("pretrained", "pre-trained, frozen, linear probe"),
        ("untrained", "from scratch"),
        ("classical", "PCA + SVM with mirror"),
        ("trivial", "majority class"),
    ]


def test_trivial_is_the_share_of_the_majority(evaluated, corpus):
    (split,) = corpus.folds()
    labels = {
        part: [a.label for a in corpus.annotations if a.video in videos and a.tier == "gesture"]
        for part, videos in (("train", split.train), ("test", split.test))
    }
    majority = max(sorted(corpus.classes), key=labels["train"].count)
    share = labels["test"].count(majority) / len(labels["test"])
    for task in ("recognition_unsupervised", "recognition_supervised"):
        result = evaluated[0][task]
        (trivial,) = (row for row in result.rows if row.kind == "trivial")
        assert trivial.metrics["top1"] == pytest.approx(share)
        present = len(set(labels["test"]))
        assert trivial.metrics["balanced_accuracy"] == pytest.approx(1 / present)
        assert result.data["train_clips"] == len(labels["train"])
        assert result.data["test_clips"] == len(labels["test"])
        assert result.data["classes"] == list(corpus.classes)


def test_emotion_is_one_decision_a_video(evaluated, corpus):
    result = evaluated[0]["emotion"]
    (split,) = corpus.folds()
    assert (result.data["train_clips"], result.data["test_clips"]) == (12, 4)
    assert sorted(corpus.emotions(split.test)) == sorted(split.test)
    for row in result.rows:
        assert row.metrics["p_value"] > 0
        for name in ("accuracy", "balanced_accuracy"):
            low, high = (row.metrics[f"{name}_{end}"] for end in ("low", "high"))
            assert low <= row.metrics[name] <= high
            # Four videos, three seeds.
            right = 12 * row.metrics["accuracy"]
            assert right == pytest.approx(round(right))
    (trivial,) = (row for row in result.rows if row.kind == "trivial")
    assert trivial.metrics["auc"] == trivial.metrics["accuracy"] == 0.5
    assert trivial.metrics["p_value"] == 1


@pytest.mark.slow
def test_same_seed_same_results_other_seed_others(evaluated, tiny_config, tiny_run, tmp_path):
    torch.manual_seed(77)
    settings = settings_of(tiny_config)
    again = evaluate(settings, tiny_run, tmp_path / "again")
    for name, result in evaluated[0].items():
        assert again[name].rows == result.rows, name
    first, second = (
        (out / "results.json").read_bytes() for out in (evaluated[1], tmp_path / "again")
    )
    assert first == second
    only = ["recognition_supervised"]
    other = evaluate(dataclasses.replace(settings, seeds=(1,)), tiny_run, tmp_path / "other", only)
    assert list(other) == only
    assert other[only[0]].rows != again[only[0]].rows


def test_what_is_written(evaluated):
    results, out = evaluated
    content = json.loads((out / "results.json").read_text())
    assert sorted(content["tasks"]) == sorted(RUNNERS)
    for task in content["tasks"].values():
        assert {"metrics", "baselines", "data", "protocol", "seed", "versions"} <= task.keys()
        assert {row["kind"] for row in task["metrics"]} == {"pretrained"}
        assert {row["kind"] for row in task["baselines"]} - {"oracle"} == set(KINDS[1:])
        assert task["versions"]["torch"] == torch.__version__
        assert task["protocol"]["name"] == "synthetic"
        assert task["protocol"]["settings"]["clip"]["frames"] == 16
    back = read_results(out / "results.json")
    assert {name: r.rows for name, r in back.items()} == {n: r.rows for n, r in results.items()}
    report = (out / "report.html").read_text().lower()
    assert "synthetic" in report
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert not list(out.glob("*.partial"))


def test_the_untrained_encoder(encoder, tiny_run):
    _, card = load_encoder(tiny_run / FINAL_CHECKPOINT)
    untrained = card.fresh_encoder(1)
    assert str(untrained) == str(encoder)
    trained, fresh = encoder.state_dict(), untrained.state_dict()
    assert {k: v.shape for k, v in trained.items()} == {k: v.shape for k, v in fresh.items()}
    assert sum(not torch.equal(trained[k], fresh[k]) for k in trained) > len(trained) / 2


def changed_checkpoint(tiny_run, tmp_path, **card):
    content = torch.load(tiny_run / FINAL_CHECKPOINT, weights_only=True)
    content["mgpose"].update(card)
    if "videos" in card:  # nothing is known of other videos but their names
        content["mgpose"].update(subjects=(), sources=(), sets=())
    path = tmp_path / "changed.pth"
    torch.save(content, path)
    return path


def refused(config, checkpoint, tmp_path, only=(), **data):
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        evaluate(settings_of(config, **data), checkpoint, out, only)
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_checkpoint_that_saw_test_videos(tiny_config, tiny_run, tmp_path, corpus):
    (split,) = corpus.folds()
    path = changed_checkpoint(tiny_run, tmp_path, videos=[*split.train, split.test[0]])
    message = refused(tiny_config, path, tmp_path)
    assert "saw 1 of the test videos" in message
    assert split.test[0] in message
    # Tuning holds people out inside train; an encoder of the whole train part saw them.
    message = refused(tiny_config, tiny_run, tmp_path, tuning=True)
    assert "of the test videos" in message


def test_a_checkpoint_that_does_not_fit(tiny_config, tiny_run, tmp_path):
    assert "frames 16" in refused(tiny_config, tiny_run, tmp_path, clip={"frames": 32})
    message = refused(tiny_config, tiny_run, tmp_path, skeleton="kinect_20")
    assert "upper_body_hands_face" in message
    assert "kinect_20" in message
    assert "found nothing" in refused(tiny_config, tmp_path, tmp_path)


def test_unknown_tasks(tiny_config, tiny_run, tmp_path):
    message = refused(tiny_config, tiny_run, tmp_path, ["retreival"])
    assert "retreival" in message
    assert "retrieval" in message.replace("retreival", "")
    settings = settings_of(tiny_config, {})
    with pytest.raises(InputError, match="tasks"):
        evaluate(settings, tiny_run, tmp_path / "out")


def store_with(tiny_store, tmp_path, change):
    """A copy of the store with other annotations."""
    store = tmp_path / "store"
    shutil.copytree(tiny_store, store)
    annotations = read_annotations(store / ANNOTATIONS_NAME)
    write_annotations(store / ANNOTATIONS_NAME, change(annotations))
    return str(store)


def test_emotion_without_labels(tiny_config, tiny_run, tiny_store, tmp_path):
    store = store_with(tiny_store, tmp_path, lambda all_: [a for a in all_ if a.tier == "gesture"])
    message = refused(tiny_config, tiny_run, tmp_path, ["emotion"], store=store)
    assert "annotations of the tier 'emotion'" in message


def test_emotion_with_other_labels(tiny_config, tiny_run, tiny_store, tmp_path):
    def change(annotations):
        return [
            dataclasses.replace(a, label="win") if a.label == "positive" else a for a in annotations
        ]

    store = store_with(tiny_store, tmp_path, change)
    message = refused(tiny_config, tiny_run, tmp_path, ["emotion"], store=store)
    assert "'positive'" in message
    assert "'win'" in message


def test_emotion_of_one_test_person(tiny_config, tiny_run, tiny_store, tmp_path, corpus):
    """Intervals over subjects need two; the rest of the evaluation cannot be blamed for it."""
    (split,) = corpus.folds()
    person = corpus.subjects()[split.test[0]]

    def change(annotations):
        keep = {s for s in corpus.subjects().values() if s != person}
        return [a for a in annotations if a.subject in keep or a.tier == "gesture"]

    store = store_with(tiny_store, tmp_path, change)
    message = refused(tiny_config, tiny_run, tmp_path, ["emotion"], store=store)
    assert "subject" in message


def fold_result(name, seed, ks=(1, 5)):
    rng = np.random.default_rng(seed)
    rows = [
        ResultRow(f"method {kind}", kind, {"top1": rng.random(), "nmi": rng.random()})
        for kind in KINDS
    ]
    figures = (
        confusion_figure("Confusion", rng.integers(0, 9, (3, 3)), "abc"),
        precision_figure("Precision", ks, [Curve("m", "pretrained", rng.random(len(ks)).tolist())]),
        map_figure("Map", rng.random((4, 2)), rng.integers(0, 3, 4), "abc"),
    )
    return TaskResult(
        task="retrieval",
        title="Retrieval",
        data={
            "name": "d",
            "synthetic": True,
            "classes": ["a"],
            "train_clips": 10 + seed,
            "test_clips": seed,
        },
        protocol={"name": "p", "folds": [name]},
        seed=0,
        headline=("top1",),
        rows=tuple(rows),
        figures=figures,
    )


def test_folds_are_averaged():
    folds = [fold_result(f"fold{i}", i) for i in (1, 2, 4)]
    before = copy.deepcopy(folds)
    combined = combine_folds(folds)
    assert folds == before
    for i, row in enumerate(combined.rows):
        for metric in ("top1", "nmi"):
            values = [fold.rows[i].metrics[metric] for fold in folds]
            assert row.metrics[metric] == pytest.approx(np.mean(values))
            assert row.spread[metric] == pytest.approx(np.std(values, ddof=1))
        top1 = [fold.rows[i].metrics["top1"] for fold in folds]
        assert row.metrics["top1_median"] == pytest.approx(np.median(top1))
        assert row.runs == 3
        for fold, name in zip(folds, combined.protocol["folds"], strict=True):
            assert combined.protocol["per_fold"][name][row.name] == fold.rows[i].metrics
    assert combined.protocol["folds"] == ["fold1", "fold2", "fold4"]
    assert combined.data["test_clips"] == 1 + 2 + 4
    assert combined.data["train_clips"] == (11 + 12 + 14) // 3
    confusion, precision, points = combined.figures
    counts = np.sum([fold.figures[0].data["counts"] for fold in folds], axis=0)
    np.testing.assert_array_equal(confusion.data["counts"], counts)
    values = [fold.figures[1].data["curves"][0]["values"] for fold in folds]
    np.testing.assert_allclose(precision.data["curves"][0]["values"], np.mean(values, 0))
    np.testing.assert_allclose(precision.data["curves"][0]["spread"], np.std(values, 0, ddof=1))
    assert points.data == folds[0].figures[2].data
    assert "fold1" in points.title
    assert combine_folds(folds[:1]) is folds[0]


def test_retrieval_of_folds_with_small_galleries(corpus, encoder):
    """Every fold draws the same ranks, or their curves could not be averaged."""
    (split,) = corpus.folds()
    subjects = corpus.subjects()
    few = tuple(v for v in split.train if subjects[v] == subjects[split.train[0]])
    results = []
    for i, train in enumerate((split.train, few)):
        part = dataclasses.replace(split, train=train, fold=f"fold{i}")
        data = TaskData.of(corpus, part)
        results.append(Retrieval(data, encoder, RetrievalSettings(ranks=(1, 20))).run(encoder))
    (figure,) = combine_folds(results).figures
    assert len(figure.data["ks"]) == len(figure.data["curves"][0]["values"])


def test_quick_statistics_are_the_metrics():
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 40):
        for _ in range(20):
            labels, scores = rng.integers(0, 2, size), rng.integers(0, 11, size) / 10
            wanted = binary_metrics(scores, labels)
            decisions = (scores >= 0.5).astype(float)
            assert accuracy(labels, decisions) == wanted["accuracy"]
            assert balanced_accuracy(labels, decisions) == pytest.approx(
                wanted["balanced_accuracy"]
            )


QUICK = EmotionSettings(draws=100, attention=AttentionSettings(epochs=3, restarts=1))


def test_emotion_runs_alone(corpus, encoder):
    (split,) = corpus.folds()
    result = Emotion(TaskData.of(corpus, split), encoder, QUICK).run(encoder)
    trained, untrained = (
        next(row for row in result.rows if row.kind == kind) for kind in KINDS[:2]
    )
    assert trained.metrics == untrained.metrics


def test_with_the_mirror_a_mirrored_test_clip_finds_itself(corpus, encoder):
    """Neighbours that know the mirror images name a mirrored training clip without fail."""
    (split,) = corpus.folds()
    data = TaskData.of(corpus, split)
    test = mirrored(data.train, data.skeleton)
    whole = mirrored(data.train_whole, data.skeleton)
    data = dataclasses.replace(data, test=test, test_whole=whole)
    found = {}
    for mirror in (False, True):
        settings = UnsupervisedSettings(2, (1,), mirror=mirror, map=False)
        rows = RecognitionUnsupervised(data, encoder, settings).run(encoder).rows
        found[mirror] = {row.name: row.metrics["top1"] for row in rows if "NN" in row.name}
    assert all(value < 1 for value in found[False].values())
    assert found[True] == pytest.approx(dict.fromkeys(found[False], 1.0))
