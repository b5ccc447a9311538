"""Intervals cover, p-values are uniform under the null, calibration is exact on known cases."""

import numpy as np
import pytest

from mgpose.evaluation.statistics import (
    bootstrap_interval,
    expected_calibration_error,
    permutation_p_value,
)


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean((scores > 0) == labels))


def test_interval_is_wider_when_a_subject_answers_as_one() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(20) < 0.6
    labels = np.ones(200, np.int64)
    scores = np.where(np.repeat(right, 10), 1.0, -1.0)
    subjects = [f"s{i // 10}" for i in range(200)]
    clips = [str(i) for i in range(200)]
    by_subject = bootstrap_interval(accuracy, labels, scores, subjects)
    by_clip = bootstrap_interval(accuracy, labels, scores, clips)
    assert by_subject[0] < by_clip[0] < right.mean() < by_clip[1] < by_subject[1]


def test_whole_subjects_are_drawn() -> None:
    """The statistic sees each subject's rows all together or not at all, as often as drawn."""
    subjects = ["a", "b", "b", "c", "c", "c", "d", "d", "d", "d"]
    seen: list[np.ndarray] = []

    def watched(labels: np.ndarray, scores: np.ndarray) -> float:
        seen.append(np.bincount(labels, minlength=10))
        assert np.array_equal(scores, labels / 10)
        return float(len(labels))

    bootstrap_interval(watched, np.arange(10), np.arange(10) / 10, subjects, draws=300)
    times = []
    for counts in seen:
        rows = {name: [i for i, s in enumerate(subjects) if s == name] for name in "abcd"}
        by_subject = {name: set(counts[mine].tolist()) for name, mine in rows.items()}
        assert all(len(found) == 1 for found in by_subject.values())
        times.append([found.pop() for found in by_subject.values()])
        assert sum(times[-1]) == 4
    # Each as often as any other, whatever its number of rows; some twice and some not at all.
    assert np.allclose(np.mean(times, axis=0), 1, atol=0.25)
    assert np.max(times) > 1


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        scores = np.where(rng.random(60) < 0.7, 1.0, -1.0)
        low, high = bootstrap_interval(
            accuracy, np.ones(60, np.int64), scores, [str(i) for i in range(60)], draws=200
        )
        covered += low <= 0.7 <= high
    assert 86 <= covered <= 100


def test_interval_repeats_itself_and_leaves_undefined_draws_out() -> None:
    labels, scores = np.array([0, 1, 1, 1]), np.array([-1.0, 1.0, 1.0, -1.0])

    def only_with_both(part: np.ndarray, values: np.ndarray) -> float:
        return accuracy(part, values) if len(set(part.tolist())) == 2 else float("nan")

    first = bootstrap_interval(only_with_both, labels, scores, "abcd", seed=3)
    assert first == bootstrap_interval(only_with_both, labels, scores, "abcd", seed=3)
    assert np.isfinite(first).all()
    assert np.isnan(bootstrap_interval(lambda *_: float("nan"), labels, scores, "abcd")).all()


def test_p_value_is_small_for_knowledge_and_uniform_without() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    assert permutation_p_value(accuracy, labels, labels - 0.5, draws=200) == pytest.approx(1 / 201)
    values = [
        permutation_p_value(accuracy, labels, rng.normal(size=40), draws=99, seed=i)
        for i in range(200)
    ]
    assert np.mean(np.array(values) <= 0.05) < 0.1
    assert 0.4 < np.mean(values) < 0.75


def test_videos_are_permuted_whole() -> None:
    labels = np.repeat([0, 1], 50)
    scores = labels - 0.5
    assert permutation_p_value(accuracy, labels, scores, draws=200) < 0.01
    videos = np.repeat(["a", "b"], 50).tolist()
    assert permutation_p_value(accuracy, labels, scores, videos, draws=200) > 0.3
    with pytest.raises(ValueError, match="several labels"):
        permutation_p_value(accuracy, labels, scores, ["a"] * 100)


def test_misaligned_input_is_refused() -> None:
    with pytest.raises(ValueError, match="aligned"):
        bootstrap_interval(accuracy, np.zeros(3, np.int64), np.zeros(3), ["a", "b"])
    with pytest.raises(ValueError, match="at least 2 groups"):
        bootstrap_interval(accuracy, np.zeros(2, np.int64), np.zeros(2), ["a", "a"])
    with pytest.raises(ValueError, match="aligned"):
        permutation_p_value(accuracy, np.zeros(3, np.int64), np.zeros(2))


def test_calibration_of_known_cases() -> None:
    sure = np.tile([1.0, 0.0], (10, 1))
    assert expected_calibration_error(sure, np.zeros(10, np.int64)) == 0.0
    assert expected_calibration_error(sure, np.arange(10) % 2) == pytest.approx(0.5)
    honest = np.tile([0.7, 0.3], (10, 1))
    labels = np.array([0] * 7 + [1] * 3)
    assert expected_calibration_error(honest, labels) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="sum to 1"):
        expected_calibration_error(honest * 2, labels)
