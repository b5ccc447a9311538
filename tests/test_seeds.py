"""Several seeds and checkpoints in one evaluation; every constant stands in the result file."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from mgpose.data.augment import AugmentSettings
from mgpose.data.folds import Corpus
from mgpose.engine.finetune import FinetuneSettings
from mgpose.engine.pretrain import FINAL_CHECKPOINT
from mgpose.engine.settings import read_settings
from mgpose.evaluation.metrics import classification_metrics
from mgpose.evaluation.results import read_results
from mgpose.evaluation.statistics import CALIBRATION_BINS
from mgpose.structures import InputError
from mgpose.tasks.combine import combine_seeds
from mgpose.tasks.constants import defaults_of, measurement_constants
from mgpose.tasks.evaluate import EvaluateSettings, evaluate
from mgpose.tasks.recognition_supervised import (
    RecognitionSupervised,
    SupervisedSettings,
    from_scratch,
)
from mgpose.tasks.task_data import TaskData, resampled_group

FINETUNE = {"epochs": 1, "min_steps": 3, "batch_size": 16, "layer_decay": 0.7}
TASKS = {
    "recognition_supervised": {
        "finetune": FINETUNE,
        "ensemble": True,
        "long_tail": {"logit_adjustment": 1.0, "retraining_epochs": 1},
    },
    "recognition_semi_supervised": {"fractions": [0.1], "draws": 2, "finetune": FINETUNE},
    "retrieval": {},
}
SEEDS = (0, 1, 2)


def settings_of(config, **changes):
    values = {"data": config["data"], "tasks": TASKS, "seeds": SEEDS, "threads": 1, **changes}
    return read_settings(EvaluateSettings, values)


@pytest.fixture(scope="module")
def evaluated(tiny_config, tiny_run, tmp_path_factory):
    """Results and the written file, of one checkpoint for each seed (the same weights)."""
    folder = tmp_path_factory.mktemp("seeds")
    other = folder / "other.pth"
    shutil.copy(tiny_run / FINAL_CHECKPOINT, other)
    checkpoints = [tiny_run, other, tiny_run / FINAL_CHECKPOINT]
    results = evaluate(settings_of(tiny_config), checkpoints, folder / "out")
    return results, folder / "out" / "results.json"


@pytest.fixture(scope="module")
def data(tiny_config):
    corpus = Corpus(settings_of(tiny_config).data)
    (split,) = corpus.folds()
    return TaskData.of(corpus, split)


def test_mean_and_spread_over_seeds(evaluated):
    for task, result in evaluated[0].items():
        draws = 2 if "semi" in task else 1
        assert result.protocol["seeds"] == list(SEEDS)
        for row in result.rows:
            if row.contest == "ensemble of seeds":
                assert row.runs == 1
                continue
            assert row.repeats == {"folds": 1, "seeds": 3, "draws": draws}
            assert row.runs == 3 * draws
            for metric in result.headline:
                if metric in row.metrics:
                    values = [trial.metrics[metric] for trial in row.trials]
                    assert row.metrics[metric] == pytest.approx(np.mean(values))
                    assert row.spread[metric] == pytest.approx(np.std(values, ddof=1))
                    low, high = (row.metrics[f"{metric}_{end}"] for end in ("low", "high"))
                    assert low <= high
    tuned = evaluated[0]["recognition_supervised"].rows[0]
    assert tuned.spreads["seeds"]["top1"] == tuned.spread["top1"]
    assert len({trial.metrics["calibration_error"] for trial in tuned.trials}) == 3


def test_every_draw_is_the_same_for_all_seeds_and_methods(evaluated):
    """The majority class of a draw knows nothing but the draw."""
    rows = evaluated[0]["recognition_semi_supervised"].rows
    (majority,) = (row for row in rows if row.kind == "trivial")
    error = {(t.seed, t.draw): t.metrics["calibration_error"] for t in majority.trials}
    assert set(error) == {(seed, draw) for seed in SEEDS for draw in (0, 1)}
    for (_, draw), value in error.items():
        assert value == error[0, draw]


def test_rows_of_the_long_tail_and_of_the_ensemble(evaluated):
    result = evaluated[0]["recognition_supervised"]
    names = [row.name for row in result.rows]
    start = ["pre-trained, fine-tuned", "from scratch"]
    tails = ["", ", logit adjustment", ", head re-trained"]
    single = [f"{name}{tail}" for name in start for tail in tails]
    assert names[:6] == single
    assert names[6:9] == ["PCA + SVM with mirror", "PCA, linear probe", "majority class"]
    assert names[9:] == [f"{name}, ensemble of seeds" for name in single]
    assert [(c.ours, c.metric) for c in result.comparisons] == [
        ("pre-trained, fine-tuned", "top1"),
        ("pre-trained, fine-tuned, ensemble of seeds", "top1"),
    ]


def test_the_ensemble_averages_probabilities(data, encoder):
    settings = read_settings(SupervisedSettings, {"finetune": FINETUNE, "ensemble": True})
    runs = [RecognitionSupervised(data, encoder, settings, seed).run(encoder) for seed in (0, 4)]
    combined = combine_seeds(runs, data)
    labels = data.test.labels.numpy()
    for i, name in enumerate(("pre-trained, fine-tuned", "from scratch")):
        scores = [run.rows[i].trials[0].scores for run in runs]
        assert (scores[0] != scores[1]).any()
        (row,) = (r for r in combined.rows if r.name == f"{name}, ensemble of seeds")
        wanted = classification_metrics((scores[0] + scores[1]) / 2, labels)
        assert {name: row.metrics[name] for name in wanted} == pytest.approx(wanted)
    counts = [np.array(run.figures[0].data["counts"]) for run in runs]
    np.testing.assert_array_equal(combined.figures[0].data["counts"], counts[0] + counts[1])
    assert "of one pre-trained encoder" in combined.notes[-1]
    trained = [
        dataclasses.replace(run, protocol={**run.protocol, "pretraining": {"seed": i}})
        for i, run in enumerate(runs)
    ]
    several = combine_seeds(trained, data)
    assert several.protocol["pretraining"] == {"checkpoints": [{"seed": 0}, {"seed": 1}]}
    assert "each with a pre-trained encoder of its own" in several.notes[-1]
    alone = combine_seeds(runs[:1], data)
    assert alone.rows == runs[0].rows
    assert alone.protocol["seeds"] == [0]


def test_without_the_option_no_scores_are_kept(data, encoder):
    settings = read_settings(SupervisedSettings, {"finetune": FINETUNE})
    result = RecognitionSupervised(data, encoder, settings).run(encoder)
    assert len(result.rows) == 5
    assert all(trial.scores is None for row in result.rows for trial in row.trials)


def test_every_constant_stands_in_the_file(evaluated, tiny_config):
    content = json.loads(evaluated[1].read_text())["tasks"]
    names = {field.name for field in dataclasses.fields(FinetuneSettings)}
    augment = {field.name for field in dataclasses.fields(AugmentSettings)}
    for task in ("recognition_supervised", "recognition_semi_supervised"):
        settings = content[task]["protocol"]["settings"]
        for start in ("finetune", "scratch"):
            assert settings[start].keys() == names
            assert settings[start]["augment"].keys() == augment
        assert settings["finetune"]["layer_decay"] == 0.7
        assert settings["scratch"]["layer_decay"] == 1
        assert settings["clip"]["frames"] == 16
    assert content["recognition_semi_supervised"]["protocol"]["settings"]["probe_epochs"] == 100
    for task in content.values():
        protocol = task["protocol"]
        assert protocol["constants"] == measurement_constants()
        assert protocol["seeds"] == list(SEEDS)
        assert protocol["uncertainty"]["draws"] == 1000
        assert protocol["uncertainty"]["level"] == 0.95
        assert protocol["uncertainty"]["unit"] == "subject"
        assert len(protocol["per_group"]["rows"][task["comparisons"][0]["ours"]]) == 2
        for row in (*task["metrics"], *task["baselines"]):
            assert "trials" not in row
    constants = measurement_constants()
    assert constants["linear_probe"].keys() == {
        "learning_rate",
        "weight_decay",
        "batch_size",
        "least_steps",
        "balanced",
    }
    assert constants["knn"] == {"temperature": 0.07}
    assert constants["kmeans"] == {"starts": 10}
    assert constants["pca_svm"] == {"components": 128, "C": 10.0, "gamma": "scale", "mirror": True}
    assert constants["calibration_error"] == {"bins": CALIBRATION_BINS}
    back = read_results(evaluated[1])
    for name, result in evaluated[0].items():
        assert [row.name for row in back[name].rows] == [row.name for row in result.rows]
        assert back[name].comparisons == result.comparisons


def test_defaults_are_read_off_the_function():
    def method(a, b, scale=2.0, *, seed=0, sides=(1, 2)):
        """Nothing."""

    assert defaults_of(method, "seed") == {"scale": 2.0, "sides": (1, 2)}


def test_from_scratch_no_layer_is_spared():
    settings = FinetuneSettings(layer_decay=0.5, epochs=3, weight_average=0.9)
    assert from_scratch(settings) == dataclasses.replace(settings, layer_decay=1.0)


def test_frozen_embeddings_and_baselines_are_computed_once(data, encoder):
    assert data.embeddings(encoder) is not None
    assert data.embeddings(encoder)[0] is data.embeddings(encoder)[0]
    few = np.arange(0, len(data.train.spans), 2)
    assert data.pca_svm(few) is data.pca_svm(few)
    assert data.pca_svm(few) is not data.pca_svm()
    other = dataclasses.replace(data, test_whole=data.test_whole.subset([0, 1]))
    assert len(other.pca_svm(few)) == 2  # what is known of other clips is not taken along


def test_people_are_resampled_where_there_are_several(data):
    assert data.unit == resampled_group(data.corpus) == "subject"
    assert len(data.group_names) == 2
    assert data.test_groups == [span.annotation.subject for span in data.test.spans]


def test_checkpoints_and_seeds_must_fit(tiny_config, tiny_run, tmp_path):
    with pytest.raises(InputError, match="one for each of 3 seeds; got 2"):
        evaluate(settings_of(tiny_config), [tiny_run, tiny_run], tmp_path / "out")
    for wrong in ([], [0, 0], [-1]):
        with pytest.raises(InputError, match="seeds must be"):
            settings_of(tiny_config, seeds=wrong)
