"""Permutation in blocks: exact by brute force, uniform under the null, right where free is not."""

import itertools
import math

import numpy as np
import pytest

from mgpose.evaluation.decisions import accuracy, area_under_curve, balanced_accuracy
from mgpose.evaluation.permutation import arrangements, block_permutation_p_value, holm
from mgpose.evaluation.statistics import permutation_p_value


def weighted(labels, scores):
    """A statistic without ties: distinct powers, so that no two label vectors give one sum."""
    return float(labels @ scores)


POWERS = 0.5 ** np.arange(1, 13)


def by_brute_force(labels, blocks):
    """Label vectors by every permutation of rows that keeps blocks together, each once."""
    names = list(dict.fromkeys(blocks))
    rows = {name: [i for i, b in enumerate(blocks) if b == name] for name in names}
    found = set()
    for order in itertools.permutations(names):
        if any(len(rows[a]) != len(rows[b]) for a, b in zip(names, order, strict=True)):
            continue
        inside = [list(itertools.permutations(rows[name])) for name in order]
        for taken in itertools.product(*inside):
            permuted = [0] * len(labels)
            for name, sources in zip(names, taken, strict=True):
                for row, source in zip(rows[name], sources, strict=True):
                    permuted[row] = int(labels[source])
            found.add(tuple(permuted))
    return [np.array(vector) for vector in sorted(found)]


CASES = [
    ([0, 1, 1, 0], "aabb"),
    ([0, 0, 1, 1, 1], "aabbc"),
    ([0, 1, 1, 1, 0, 0, 1], "aaabbbc"),
    ([0, 1, 0, 1, 1, 0, 0], "ababccd"),
    ([1, 0, 0, 1, 0, 1], "abcdef"),
    ([1, 1, 1], "aab"),
]


@pytest.mark.parametrize(("labels", "blocks"), CASES)
def test_all_arrangements_are_counted(labels, blocks):
    assert arrangements(np.array(labels), blocks) == len(by_brute_force(labels, blocks))


@pytest.mark.parametrize(("labels", "blocks"), CASES)
@pytest.mark.parametrize("statistic", [weighted, accuracy, balanced_accuracy, area_under_curve])
def test_a_small_case_is_exact(labels, blocks, statistic):
    labels = np.array(labels)
    for seed in range(4):
        scores = np.random.default_rng(seed).random(len(labels))
        scores = scores.round() if statistic in (accuracy, balanced_accuracy) else scores
        observed = statistic(labels, scores)
        every = [statistic(v, scores) for v in by_brute_force(labels, blocks)]
        exact = np.mean([value >= observed - 1e-12 for value in every])
        found = block_permutation_p_value(statistic, labels, scores, blocks, seed=seed)
        if math.isnan(observed):
            assert math.isnan(found)
        else:
            assert found == pytest.approx(exact, abs=1e-12)


def test_draws_come_near_the_exact_value():
    labels, blocks = np.array([0, 1, 1, 1, 0, 1, 0, 0, 1]), "aaabbbccc"
    scores = np.random.default_rng(3).random(9)
    count = arrangements(labels, blocks)
    exact = block_permutation_p_value(area_under_curve, labels, scores, blocks, draws=count)
    every = [area_under_curve(v, scores) for v in by_brute_force(labels, blocks)]
    assert len(every) == count
    assert exact == np.mean([v >= area_under_curve(labels, scores) - 1e-12 for v in every])
    # One draw less, and chance decides which arrangements are seen.
    drawn = [
        block_permutation_p_value(area_under_curve, labels, scores, blocks, count - 1, seed)
        for seed in range(60)
    ]
    assert len(set(drawn)) > 1
    error = math.sqrt(exact * (1 - exact) / (count * 60))
    assert abs(np.mean(drawn) - exact) < 4 * error + 1 / count


@pytest.mark.parametrize(("labels", "blocks"), CASES)
def test_uniform_under_the_null(labels, blocks):
    """Each arrangement is the truth once: without ties the p-values are 1/A, 2/A, ..., 1."""
    every = by_brute_force(labels, blocks)
    scores = POWERS[: len(labels)]
    found = sorted(block_permutation_p_value(weighted, v, scores, blocks) for v in every)
    assert np.allclose(found, np.arange(1, len(every) + 1) / len(every))


def people_of_habit(rng):
    """Eight people of ten videos who differ in how often they win and in how they score."""
    chance, mood = rng.choice([0.1, 0.9], 8), rng.normal(scale=2, size=8)
    labels = (rng.random((8, 10)) < chance[:, None]).astype(np.int64)
    scores = mood[:, None] + rng.normal(size=(8, 10))
    return labels.ravel(), scores.ravel(), [f"p{i // 10}" for i in range(80)]


def test_free_permutation_calls_chance_a_finding_and_blocks_do_not():
    rng = np.random.default_rng(0)
    free, blocked = [], []
    for seed in range(150):
        labels, scores, people = people_of_habit(rng)
        free.append(permutation_p_value(area_under_curve, labels, scores, None, 99, seed))
        blocked.append(
            block_permutation_p_value(area_under_curve, labels, scores, people, 99, seed)
        )
    assert np.mean(np.array(free) <= 0.05) > 0.15
    # 5 % of 150, and four deviations.
    assert np.mean(np.array(blocked) <= 0.05) < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 150)
    # A fifth of them in each fifth, within four deviations.
    counts = np.histogram(blocked, bins=5, range=(0, 1))[0]
    assert np.all(np.abs(counts - 30) < 4 * math.sqrt(30))


def test_knowledge_is_found():
    rng = np.random.default_rng(1)
    labels, _, people = people_of_habit(rng)
    scores = labels + rng.normal(scale=0.3, size=80)
    p = block_permutation_p_value(area_under_curve, labels, scores, people, 199)
    assert p == pytest.approx(1 / 200)
    constant = np.zeros(80)
    assert block_permutation_p_value(area_under_curve, labels, constant, people, 49) == 1


def test_labels_given_are_left_as_they_are():
    labels = np.array([0, 1, 1, 0, 1, 0])
    block_permutation_p_value(accuracy, labels, labels.astype(float), "aabbcc", draws=3)
    assert labels.tolist() == [0, 1, 1, 0, 1, 0]
    for arguments in (("aab", 10), ("aabbcc", 0)):
        with pytest.raises(ValueError, match="aligned and draws >= 1"):
            block_permutation_p_value(accuracy, labels, labels.astype(float), *arguments)


def test_holm_is_the_slow_rule():
    rng = np.random.default_rng(0)
    for count in (1, 2, 7):
        for _ in range(20):
            values = rng.random(count).round(1 + count % 2) / rng.integers(1, 9)
            adjusted = holm(values.tolist())
            for i, p in enumerate(values):
                # The largest of k-th smallest times how many are left, over all up to this one.
                ordered = np.sort(values)
                last = int(np.flatnonzero(ordered == p)[-1])
                slow = max((count - k) * ordered[k] for k in range(last + 1))
                assert adjusted[i] == pytest.approx(min(1.0, slow))
    found = holm([0.01, float("nan"), 0.02])
    assert found[0] == 0.02
    assert math.isnan(found[1])
    assert found[2] == 0.02
