"""Evidence gives the metric of any resample of the groups; intervals and tests rest on it."""

import itertools

import numpy as np
import pytest
from scipy.stats import permutation_test

from mgpose.evaluation.comparison import Comparison
from mgpose.evaluation.evidence import (
    Evidence,
    Trial,
    class_mean_evidence,
    classification_evidence,
    clustering_evidence,
    mean_evidence,
)
from mgpose.evaluation.metrics import classification_metrics, clustering_metrics
from mgpose.evaluation.results import ResultRow, TaskResult, mean_over, with_trials
from mgpose.evaluation.retrieval import mean_scores
from mgpose.evaluation.statistics import (
    bootstrap_interval,
    expected_calibration_error,
    group_weights,
    least_sign_flip_p_value,
    percentile_interval,
    sign_flip_p_value,
)
from mgpose.evaluation.uncertainty import UncertaintySettings, with_uncertainty

CLASSES = 7


def recognition(seed, clips=120, groups=5):
    """Probabilities, labels, group of each clip, and all groups with one that has no clip."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(CLASSES) / 2, clips)
    labels = rng.integers(0, CLASSES - 1, clips)  # the last class is never tested
    names = [f"p{i}" for i in range(groups)]
    return scores, labels, [names[i] for i in rng.integers(0, groups, clips)], [*names, "absent"]


def drawn_clips(groups, names, weights):
    """Positions of the clips, each as often as its group is drawn."""
    times = dict(zip(names, weights, strict=True))
    return np.array([i for i, g in enumerate(groups) for _ in range(int(times[g]))], dtype=int)


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_equals_the_metric_of_the_drawn_clips(seed):
    scores, labels, groups, names = recognition(seed)
    weights = group_weights(len(names), 20, seed)
    evidence = classification_evidence(scores, labels, groups, names, probabilities=True)
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 4, len(labels))
    evidence |= clustering_evidence(found, labels, groups, names)
    ranks = {
        "r_at_1": rng.integers(0, 2, len(labels)).astype(float),
        "map": rng.random(len(labels)),
    }
    evidence |= {name: mean_evidence(each, groups, names) for name, each in ranks.items()}
    balanced = class_mean_evidence(ranks["r_at_1"], labels, groups, names)
    evidence["balanced_r_at_1"] = balanced
    resampled = {name: each.resampled(weights) for name, each in evidence.items()}
    everything = [np.ones(len(names)), *weights]
    for i, weight in enumerate(everything):
        chosen = drawn_clips(groups, names, weight)
        wanted = classification_metrics(scores[chosen], labels[chosen])
        wanted["calibration_error"] = expected_calibration_error(scores[chosen], labels[chosen])
        wanted |= clustering_metrics(found[chosen], labels[chosen])
        wanted |= mean_scores({n: v[chosen] for n, v in ranks.items()}, labels[chosen])
        assert evidence.keys() == wanted.keys()
        for name, value in wanted.items():
            got = evidence[name].value() if i == 0 else resampled[name][i - 1]
            assert got == pytest.approx(value, abs=1e-12), name


def test_each_group_alone():
    scores, labels, groups, names = recognition(3)
    evidence = classification_evidence(scores, labels, groups, names, probabilities=False)
    assert "calibration_error" not in evidence
    by_group = evidence["macro_f1"].by_group()
    assert list(by_group) == names
    assert np.isnan(by_group.pop("absent"))
    for name, value in by_group.items():
        chosen = np.array([g == name for g in groups])
        wanted = classification_metrics(scores[chosen], labels[chosen])["macro_f1"]
        assert value == pytest.approx(wanted)


def test_wrong_evidence_is_refused():
    with pytest.raises(ValueError, match="must be one of"):
        Evidence("median", ("a",), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="2 rows"):
        Evidence("mean", ("a", "b"), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="'b' is not among"):
        mean_evidence(np.ones(1), ["b"], ["a"])


def test_calibration_error_equals_a_slow_loop():
    scores, labels, _, _ = recognition(5, clips=300)
    scores[0] = np.eye(CLASSES)[2]  # sure: the last part's upper end
    error = 0.0
    for low in range(15):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(scores, labels, strict=True)
            if low / 15 < row.max() <= (low + 1) / 15
        ]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            accuracy = sum(right for _, right in inside) / len(inside)
            error += len(inside) / len(labels) * abs(confidence - accuracy)
    assert expected_calibration_error(scores, labels) == pytest.approx(error)


def test_sign_flip_equals_scipy():
    rng = np.random.default_rng(0)
    for count in (2, 3, 7, 10):
        ours, other = rng.random(count) + 0.2, rng.random(count)
        wanted = permutation_test(
            (ours, other),
            lambda x, y: np.mean(x - y),
            permutation_type="samples",
            n_resamples=np.inf,
        )
        assert sign_flip_p_value(ours - other) == pytest.approx(wanted.pvalue)
    assert sign_flip_p_value(np.full(6, 0.1)) == least_sign_flip_p_value(6) == 1 / 32
    assert sign_flip_p_value(np.zeros(6)) == 1
    many = rng.normal(0.3, 1, 40)
    close = permutation_test(
        (many, np.zeros(40)), lambda x, y: np.mean(x - y), permutation_type="samples", rng=1
    )
    assert sign_flip_p_value(many) == pytest.approx(close.pvalue, abs=0.03)
    with pytest.raises(ValueError, match="finite"):
        sign_flip_p_value(np.array([0.1, np.nan]))


def row_of(name, kind, folds, seeds=(0,), contest=""):
    """A row of several folds and seeds; ``folds`` is fold -> (scores, labels, groups, names)."""
    runs = []
    for fold, (scores, labels, groups, names) in folds.items():
        of_seeds = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            noisy = scores + 0.05 * rng.random(scores.shape)
            noisy /= noisy.sum(1, keepdims=True)
            metrics = classification_metrics(noisy, labels)
            evidence = classification_evidence(noisy, labels, groups, names, True)
            trial = Trial(fold, seed, 0, metrics, evidence)
            made = ResultRow(name, kind, metrics, contest=contest)
            of_seeds.append([with_trials(made, [trial])])
        runs.append(mean_over(of_seeds))
    return mean_over(runs)[0]


def result_of(*rows):
    data = {"name": "d", "synthetic": True, "classes": ["a"], "train_clips": 1, "test_clips": 1}
    headline = ("top1", "macro_f1")
    return TaskResult("t", "T", data, {"name": "p"}, 0, headline, rows)


def better(folds, share):
    """The same folds with the right answer given in some more of the clips."""
    made = {}
    for fold, (scores, labels, groups, names) in folds.items():
        know = np.random.default_rng(9).random(len(labels)) < share
        scores = np.where(know[:, None], np.eye(CLASSES)[labels], scores)
        made[fold] = scores, labels, groups, names
    return made


def test_the_interval_is_that_of_the_bootstrap_over_groups():
    part = recognition(1, clips=400, groups=12)
    scores, labels, groups, names = part[0], part[1], part[2], part[3][:-1]
    row = row_of("ours", "pretrained", {"only": (scores, labels, groups, names)})
    found = with_uncertainty(result_of(row), "person").rows[0].metrics
    right = row.trials[0].evidence["top1"].sums[:, 0]
    clips = row.trials[0].evidence["top1"].sums[:, 1]
    weights = group_weights(len(names), 1000, 0)
    slow = [(w * right).sum() / (w * clips).sum() for w in weights]
    assert (found["top1_low"], found["top1_high"]) == pytest.approx(
        np.percentile(slow, [2.5, 97.5])
    )
    low, high = bootstrap_interval(
        lambda truth, guess: float((truth == guess.argmax(1)).mean()), labels, scores, groups
    )
    # Another stream of draws, and scores without the seed's noise.
    assert found["top1_low"] == pytest.approx(low, abs=0.02)
    assert found["top1_high"] == pytest.approx(high, abs=0.02)


def test_three_seeds_give_mean_and_spread():
    folds = {f"fold{i}": recognition(i) for i in range(2)}
    row = row_of("ours", "pretrained", folds, seeds=(0, 1, 2))
    assert row.repeats == {"folds": 2, "seeds": 3, "draws": 1}
    assert row.runs == len(row.trials) == 6
    value = {(t.fold, t.seed): t.metrics["top1"] for t in row.trials}
    assert row.metrics["top1"] == pytest.approx(np.mean(list(value.values())))
    seeds = [np.mean([value[f, s] for f in folds]) for s in range(3)]
    of_folds = [np.mean([value[f, s] for s in range(3)]) for f in folds]
    assert row.spreads["seeds"]["top1"] == pytest.approx(np.std(seeds, ddof=1))
    assert row.spread["top1"] == pytest.approx(np.std(of_folds, ddof=1))
    assert row.spreads["folds"]["top1"] == pytest.approx(row.spread["top1"])
    assert "draws" not in row.spreads
    alone = row_of("ours", "pretrained", {"only": folds["fold0"]}, seeds=(0, 1, 2))
    runs = [value["fold0", s] for s in range(3)]
    assert alone.spread["top1"] == pytest.approx(np.std(runs, ddof=1))


def test_people_of_one_fold_are_what_is_tested():
    folds = {"only": recognition(2, clips=600, groups=8)}
    rows = [
        row_of("ours", "pretrained", better(folds, 0.5), seeds=(0, 1)),
        row_of("svm", "classical", folds),
        row_of("chance", "trivial", folds),
    ]
    found = with_uncertainty(result_of(*rows), "person")
    (told,) = found.comparisons
    assert (told.ours, told.metric) == ("ours", "top1")
    assert told.told_apart
    assert told.p_value == 2 / 2**8  # every person is better
    assert told.test == "sign-flip test over 8 persons"
    assert 0 < told.low < told.difference < told.high
    per_group = found.protocol["per_group"]
    assert (per_group["unit"], per_group["metric"]) == ("person", "top1")
    ours, svm = (per_group["rows"][name] for name in ("ours", "svm"))
    assert len(ours) == 8
    differences = np.array([ours[p] - svm[p] for p in ours])
    assert told.p_value == sign_flip_p_value(differences)
    assert "absent" not in ours


def test_where_a_fold_has_one_person_the_folds_are_drawn():
    folds = {}
    for i in range(7):
        scores, labels, *_ = recognition(i, clips=40)
        folds[f"p{i}"] = scores, labels, [f"p{i}"] * 40, [f"p{i}"]
    ours = row_of("ours", "pretrained", better(folds, 0.6))
    rival = row_of("svm", "classical", folds)
    found = with_uncertainty(result_of(ours, rival), "person", UncertaintySettings(draws=500))
    means = np.array([t.metrics["top1"] for t in ours.trials])
    slow = (group_weights(7, 500, 0) @ means) / 7
    low, high = (found.rows[0].metrics[f"top1_{end}"] for end in ("low", "high"))
    assert (low, high) == pytest.approx(percentile_interval(slow))
    assert found.comparisons[0].test == "sign-flip test over 7 folds"
    assert found.comparisons[0].p_value == 2 / 2**7
    assert found.protocol["uncertainty"]["draws"] == 500
    assert "7 folds, since a fold tests one person only" in found.notes[-1]


def test_folds_that_see_the_same_people_share_their_draw():
    """Three cameras before the same people do not make three times as many people."""
    scores, labels, groups, names = recognition(1, groups=6)
    part = scores, labels, groups, names[:-1]
    one = row_of("ours", "pretrained", {"a": part})
    three = row_of("ours", "pretrained", {"a": part, "b": part, "c": part})
    first, second = (with_uncertainty(result_of(row), "person").rows[0] for row in (one, three))
    for end in ("low", "high"):
        assert second.metrics[f"top1_{end}"] == pytest.approx(first.metrics[f"top1_{end}"])


def test_one_person_in_one_fold_has_no_interval():
    scores, labels, *_ = recognition(0)
    part = {"only": (scores, labels, ["p"] * len(labels), ["p"])}
    rows = row_of("ours", "pretrained", part), row_of("svm", "classical", part)
    found = with_uncertainty(result_of(*rows), "person")
    assert "top1_low" not in found.rows[0].metrics
    assert np.isnan(found.comparisons[0].p_value)
    assert not found.comparisons[0].told_apart
    assert "one person only" in found.notes[-1]


def test_contests_are_compared_apart_and_stand_together():
    folds = {"only": recognition(4)}
    rows = [
        row_of(f"{name} {share}", kind, better(folds, good), contest=share)
        for (name, kind, good), share in itertools.product(
            [("ours", "pretrained", 0.5), ("svm", "classical", 0.2)], ["1%", "5%"]
        )
    ]
    found = with_uncertainty(result_of(*rows), "person")
    assert [(c.ours, c.other) for c in found.comparisons] == [
        ("ours 1%", "svm 1%"),
        ("ours 5%", "svm 5%"),
    ]
    assert [row.name for row in found.rows] == ["ours 1%", "svm 1%", "ours 5%", "svm 5%"]


def test_folds_with_other_groups_in_other_rows_are_refused():
    scores, labels, groups, names = recognition(0)
    rows = [
        row_of("a", "pretrained", {"only": (scores, labels, groups, names)}),
        row_of("b", "classical", {"only": (scores, labels, groups, names[:-1])}),
    ]
    with pytest.raises(ValueError, match="other groups"):
        with_uncertainty(result_of(*rows), "person")


@pytest.mark.parametrize(
    ("difference", "p_value", "least", "wanted"),
    [
        (0.03, 0.01, 0.0, "told apart, better"),
        (-0.03, 0.01, 0.0, "told apart, WORSE"),
        (0.03, 0.25, 0.25, "which cannot give a p below 0.250"),
        (0.03, float("nan"), 0.0, "not told apart"),
    ],
)
def test_a_comparison_in_words(difference, p_value, least, wanted):
    found = Comparison("top1", "a", "b", difference, -0.1, 0.1, p_value, "a test", least)
    assert wanted in found.sentence("Top-1")


def test_too_few_draws_are_refused():
    with pytest.raises(ValueError, match="draws >= 40"):
        UncertaintySettings(draws=20)
