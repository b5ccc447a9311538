"""What a metric rests on, group by group, so that any resample of the groups gives it again.

A group is what is resampled as one: a subject, else a session or a video. Each metric is a function
of sums over clips; kept apart by group, the sums of a resample are one matrix product, and a
thousand resamples of a metric take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray
from mgpose.evaluation.metrics import (
    adjusted_rand,
    hungarian_accuracy,
    normalised_information,
    ranked_classes,
)
from mgpose.evaluation.statistics import CALIBRATION_BINS, calibration_gaps

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Sums from which one metric follows.

    Args:
        kind: key of ``VALUES``: how the metric follows from the sums.
        groups: G names, all groups of the test part in one order, also those without a clip here.
        sums: (G, ...) sums over the clips of each group.

    Raises:
        ValueError: on an unknown kind or lengths that differ.
    """

    kind: str
    groups: tuple[str, ...]
    sums: Float64Array

    def __post_init__(self) -> None:
        if self.kind not in VALUES:
            raise ValueError(f"evidence must be one of {tuple(VALUES)}, got {self.kind!r}")
        if len(self.groups) != len(self.sums):
            raise ValueError(f"expected {len(self.groups)} rows of sums, got {len(self.sums)}")

    def value(self) -> float:
        """The metric itself."""
        return float(VALUES[self.kind](self.sums.sum(0)[None])[0])

    def resampled(self, weights: Float64Array) -> Float64Array:
        """(D,) the metric where group g counts ``weights[d, g]`` times; NaN where not defined."""
        return VALUES[self.kind](np.tensordot(weights, self.sums, axes=1))

    def by_group(self) -> dict[str, float]:
        """The metric of each group alone; NaN where not defined."""
        values = self.resampled(np.eye(len(self.groups)))
        return dict(zip(self.groups, values.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Trial:
    """One run of one method: what a row of a table is the mean of.

    Args:
        fold: name of the fold.
        seed: of the run.
        draw: number of the choice of labelled clips, 0 where all are used.
        metrics: name -> value.
        evidence: name -> sums, for metrics that can be resampled.
        scores: (N, K) probabilities, where they are kept to be averaged over seeds.
    """

    fold: str
    seed: int
    draw: int
    metrics: Mapping[str, float]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    scores: FloatArray | None = None


def classification_evidence(
    scores: FloatArray,
    labels: IntArray,
    groups: Sequence[str],
    names: Sequence[str],
    probabilities: bool,
) -> dict[str, Evidence]:
    """Evidence of the metrics of :func:`mgpose.evaluation.metrics.classification_metrics`.

    Args:
        scores: (N, K).
        labels: (N,) in [0, K).
        groups: group of each clip.
        names: all groups of the test part.
        probabilities: whether the rows of ``scores`` sum to 1; adds ``calibration_error``.

    Raises:
        ValueError: as ``classification_metrics``, or for a group that ``names`` lacks.
    """
    order = ranked_classes(scores, labels)
    classes = scores.shape[1]
    hits = order == labels[:, None]
    true, predicted = np.eye(classes)[labels], np.eye(classes)[order[:, 0]]
    row = _rows(groups, names)
    right = hits[:, 0].astype(np.float64)
    found = {"top1": mean_evidence(right, groups, names)}
    if classes > 5:
        found["top5"] = mean_evidence(hits[:, :5].any(1).astype(np.float64), groups, names)
    by_class = np.stack([true * predicted, true], axis=1)
    found["balanced_accuracy"] = _evidence("class_mean", by_class, row, names)
    counts = np.stack([true * predicted, true, predicted], axis=1)
    found["macro_f1"] = _evidence("f1", counts, row, names)
    if probabilities:
        part, gap = calibration_gaps(scores, labels)
        gaps = np.zeros((len(labels), CALIBRATION_BINS + 1))
        gaps[np.arange(len(labels)), part] = gap
        gaps[:, -1] = 1
        found["calibration_error"] = _evidence("calibration", gaps, row, names)
    return found


def clustering_evidence(
    assignments: IntArray, labels: IntArray, groups: Sequence[str], names: Sequence[str]
) -> dict[str, Evidence]:
    """Evidence of :func:`mgpose.evaluation.metrics.clustering_metrics`: one table for all three."""
    size = int(max(assignments.max(), labels.max())) + 1
    counts = np.zeros((len(names), size, size))
    np.add.at(counts, (_rows(groups, names), assignments, labels), 1)
    return {
        kind: Evidence(kind, tuple(names), counts) for kind in ("hungarian_accuracy", "nmi", "ari")
    }


def mean_evidence(values: Float64Array, groups: Sequence[str], names: Sequence[str]) -> Evidence:
    """Evidence of the mean of (N,) values."""
    both = np.stack([values, np.ones(len(values))], axis=1)
    return _evidence("mean", both, _rows(groups, names), names)


def class_mean_evidence(
    values: Float64Array, labels: IntArray, groups: Sequence[str], names: Sequence[str]
) -> Evidence:
    """Evidence of the mean over classes of the mean of each class's values."""
    true = np.eye(int(labels.max(initial=0)) + 1)[labels]
    both = np.stack([true * values[:, None], true], axis=1)
    return _evidence("class_mean", both, _rows(groups, names), names)


def _rows(groups: Sequence[str], names: Sequence[str]) -> IntArray:
    number = {name: i for i, name in enumerate(names)}
    unknown = sorted(set(groups) - set(number))
    if unknown:
        raise ValueError(f"group {unknown[0]!r} is not among the {len(number)} of the test part")
    return np.array([number[group] for group in groups], dtype=np.int64)


def _evidence(kind: str, clips: Float64Array, row: IntArray, names: Sequence[str]) -> Evidence:
    sums = np.zeros((len(names), *clips.shape[1:]))
    np.add.at(sums, row, clips)
    return Evidence(kind, tuple(names), sums)


def _ratio(above: Float64Array, below: Float64Array) -> Float64Array:
    ratio: Float64Array = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _class_mean(values: Float64Array) -> Float64Array:
    """(D, K) with NaN for absent classes -> (D,), NaN where all are absent."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(1), known.sum(1).astype(np.float64))


def _f1(sums: Float64Array) -> Float64Array:
    hit, true, predicted = sums[:, 0], sums[:, 1], sums[:, 2]
    # A class without a test clip is left out, as in classification_metrics.
    return _class_mean(np.where(true > 0, _ratio(2 * hit, true + predicted), np.nan))


def _each(statistic: Callable[[Any], float]) -> Callable[[Float64Array], Float64Array]:
    return lambda tables: np.array([statistic(table) for table in tables], dtype=np.float64)


VALUES: dict[str, Callable[[Float64Array], Float64Array]] = {
    "mean": lambda sums: _ratio(sums[:, 0], sums[:, 1]),
    "class_mean": lambda sums: _class_mean(_ratio(sums[:, 0], sums[:, 1])),
    "f1": _f1,
    "calibration": lambda sums: _ratio(np.abs(sums[:, :-1]).sum(1), sums[:, -1]),
    "hungarian_accuracy": _each(hungarian_accuracy),
    "nmi": _each(normalised_information),
    "ari": _each(adjusted_rand),
}
