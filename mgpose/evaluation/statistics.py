"""How sure a number is: bootstrap over groups, tests by permutation, calibration error."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite, require_labels

Statistic = Callable[[IntArray, FloatArray], float]
Float64Array = npt.NDArray[np.float64]
CALIBRATION_BINS = 15
PERCENTILES = (2.5, 97.5)
_MOST_EXACT = 16  # differences whose signs are all tried: 65,536 choices


def bootstrap_interval(
    statistic: Statistic,
    labels: IntArray,
    scores: FloatArray,
    groups: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of a statistic, resampling whole groups with replacement.

    Clips of one subject are not independent, so subjects are drawn, not clips. For a paired
    comparison of two systems give scores (N, 2, ...) and a statistic that subtracts.

    Args:
        statistic: ``(labels, scores) -> float``.
        labels: (N,).
        scores: (N, ...) aligned with ``labels``.
        groups: N group names, such as subjects; at least 2 distinct.
        draws: resamples. Draws on which the statistic is NaN (such as an AUC with one class) are
            left out.
        seed: of the draws.

    Returns:
        Lower and upper bound; both NaN where more than half of the draws had no value.

    Raises:
        ValueError: on lengths that differ or fewer than 2 groups.
    """
    names, group_of = np.unique(np.asarray(list(groups)), return_inverse=True)
    if not len(labels) == len(scores) == len(group_of):
        raise ValueError(
            f"labels, scores and groups must be aligned, got {len(labels)}, {len(scores)} and "
            f"{len(group_of)}"
        )
    if len(names) < 2:
        raise ValueError(f"expected at least 2 groups to resample, got {len(names)}")
    members = [np.flatnonzero(group_of == g) for g in range(len(names))]
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    for i in range(draws):
        drawn = np.concatenate([members[g] for g in rng.integers(len(names), size=len(names))])
        values[i] = statistic(labels[drawn], scores[drawn])
    return percentile_interval(values)


def permutation_p_value(
    statistic: Statistic,
    labels: IntArray,
    scores: FloatArray,
    groups: Sequence[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> float:
    """One-sided p-value of "the scores know nothing of the labels", labels permuted over groups.

    p = (1 + permutations at least as good as observed) / (1 + permutations), never 0.

    Args:
        statistic: ``(labels, scores) -> float``, higher is better.
        labels: (N,); all rows of a group share one label.
        scores: (N, ...) aligned with ``labels``.
        groups: N names of what carries one label, such as videos; None: every row for itself.
        draws: permutations.
        seed: of the permutations.

    Returns:
        p in (0, 1]; NaN where the observed statistic is NaN.

    Raises:
        ValueError: on lengths that differ or a group with several labels.

    Reference:
        Phipson and Smyth, Permutation P-values should never be zero, 2010.
    """
    names = np.arange(len(labels)) if groups is None else np.asarray(list(groups))
    if not len(labels) == len(scores) == len(names):
        raise ValueError(
            f"labels, scores and groups must be aligned, got {len(labels)}, {len(scores)} and "
            f"{len(names)}"
        )
    units, first, group_of = np.unique(names, return_index=True, return_inverse=True)
    unit_labels = labels[first]
    mixed = np.flatnonzero(unit_labels[group_of] != labels)
    if mixed.size:
        raise ValueError(
            f"group {names[mixed[0]]!r} has several labels; permute units that carry one label, "
            "such as videos"
        )
    observed = statistic(labels, scores)
    if np.isnan(observed):
        return float("nan")
    rng = np.random.default_rng(seed)
    shuffled = (rng.permutation(len(units)) for _ in range(draws))
    # The margin keeps permutations that give the observed value, up to rounding, on its side.
    as_good = sum(
        bool(statistic(unit_labels[order][group_of], scores) >= observed - 1e-12)
        for order in shuffled
    )
    return (1 + as_good) / (1 + draws)


def expected_calibration_error(
    probabilities: FloatArray, labels: IntArray, bins: int = CALIBRATION_BINS
) -> float:
    """Mean gap between the confidence of the likeliest class and its accuracy; lower is better.

    Confidences fall in ``bins`` equal parts of (0, 1]; gaps are weighted by their share of clips.

    Args:
        probabilities: (N, K) rows that sum to 1.
        labels: (N,) in [0, K).
        bins: number of parts.

    Raises:
        ValueError: on wrong shapes or rows that are not probabilities.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    part, gap = calibration_gaps(probabilities, labels, bins)
    return float(np.abs(np.bincount(part, gap, minlength=bins)).sum() / len(labels))


def calibration_gaps(
    probabilities: FloatArray, labels: IntArray, bins: int = CALIBRATION_BINS
) -> tuple[IntArray, Float64Array]:
    """For each of N clips the part its confidence falls in, and right (1 or 0) less confidence.

    Raises:
        ValueError: as :func:`expected_calibration_error`.
    """
    if probabilities.ndim != 2:
        raise ValueError(f"probabilities must have shape (N, K), got {probabilities.shape}")
    require_labels(labels, *probabilities.shape)
    require_finite(probabilities, "probabilities")
    if probabilities.min() < 0 or not np.allclose(probabilities.sum(1), 1, atol=1e-3):
        raise ValueError("probabilities must be >= 0 and sum to 1 in every row")
    confidence = probabilities.max(1).astype(np.float64)
    correct = (probabilities.argmax(1) == labels).astype(np.float64)
    part = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return part, correct - confidence


def group_weights(groups: int, draws: int, seed: int) -> Float64Array:
    """(draws, groups) how often each group is drawn, ``groups`` times with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)


def percentile_interval(values: Float64Array) -> tuple[float, float]:
    """95 % interval of (D,) resampled values; NaN ones are left out.

    Returns:
        Lower and upper bound; both NaN where more than half of the values are.
    """
    if np.isnan(values).sum() > len(values) / 2:
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, PERCENTILES)
    return float(low), float(high)


def sign_flip_p_value(differences: Float64Array, seed: int = 0) -> float:
    """Two-sided p-value of "the differences are as likely negative as positive".

    Every choice of signs is tried, 2^F of them (from more than 16 differences on 65,536 at random,
    the observed one counted among them), and p is the share whose mean lies at least as far from
    0 as the observed one's. It cannot fall below 2 / 2^F: :func:`least_sign_flip_p_value`.

    Args:
        differences: (F,) one for each independent unit, such as a fold or a person, finite.
        seed: of the random choices.

    Raises:
        ValueError: without a difference, or for values that are not finite.

    Reference:
        Fisher, The Design of Experiments, 1935, section 21.
    """
    count = len(differences)
    if not count or not np.isfinite(differences).all():
        raise ValueError(f"expected finite differences, got {differences!r}")
    if count <= _MOST_EXACT:
        numbers = np.arange(2**count)[:, None] >> np.arange(count)
    else:
        numbers = np.random.default_rng(seed).integers(0, 2, (2**_MOST_EXACT, count))
        numbers[0] = 0  # the observed signs
    means = (1 - 2 * (numbers & 1)) @ differences / count
    observed = abs(differences.mean())
    # The margin keeps choices that give the observed value, up to rounding, on its side.
    return float((np.abs(means) >= observed - 1e-12).mean())


def least_sign_flip_p_value(count: int) -> float:
    """The smallest p-value that ``count`` differences can give."""
    return float(2.0 ** (1 - min(count, _MOST_EXACT)))
