"""95 % intervals of a task's rows, results by group, and the paired test of our encoder.

Folds with two groups or more are resampled group by group; where a fold has one group only (leave
one person out), the folds themselves are drawn. All rows see the same resamples, so that the
interval of a difference is that of paired data. What is drawn is also what the test flips the sign
of: people where there are several, else folds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.comparison import Comparison
from mgpose.evaluation.evidence import Trial
from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.evaluation.statistics import (
    group_weights,
    least_sign_flip_p_value,
    percentile_interval,
    sign_flip_p_value,
)

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UncertaintySettings:
    """Constants of intervals and tests.

    Args:
        draws: resamples of the bootstrap.
        seed: of the resamples.

    Raises:
        ValueError: for too few draws to read a percentile from.
    """

    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 40:
            raise ValueError(f"a 95 % interval needs draws >= 40, got {self.draws}")


def with_uncertainty(
    result: TaskResult, unit: str, settings: UncertaintySettings | None = None
) -> TaskResult:
    """Add the intervals of the headline metrics and the paired tests.

    Args:
        result: over all folds, seeds and draws; its rows hold their trials.
        unit: what a group of the evidence is, such as ``"subject"``.
        settings: constants.

    Returns:
        The result; each row with ``<metric>_low`` and ``<metric>_high`` for the headline metrics
        that have evidence, ``comparisons`` for every contest, ``protocol["uncertainty"]``,
        ``protocol["per_group"]`` (row -> group -> the deciding metric), and a note. Where there is
        nothing to resample (one fold of one group), a note says so.
    """
    settings = settings or UncertaintySettings()
    folds = _fold_groups(result.rows)
    scheme = _scheme(folds)
    weights = _weights(folds, scheme, settings)
    rows, resampled = [], {}
    for row in result.rows:
        metrics = dict(row.metrics)
        for name in result.headline:
            if weights and _has_evidence(row, name):
                values = _resampled(row, name, weights, scheme)
                resampled[row.name, name] = values
                metrics[f"{name}_low"], metrics[f"{name}_high"] = percentile_interval(values)
        rows.append(replace(row, metrics=metrics))
    comparisons = [
        comparison
        for contest in dict.fromkeys(row.contest for row in rows)
        if (comparison := _compare(result.headline[0], rows, contest, resampled, scheme, unit))
    ]
    result = replace(result, rows=tuple(rows), comparisons=tuple(comparisons))
    if not folds:
        return result
    drawn = _in_words(folds, scheme, unit)
    uncertainty = {**asdict(settings), "level": 0.95, "unit": unit, "resampled": drawn}
    metric = result.headline[0]
    per_group = {
        "unit": unit,
        "metric": metric,
        "rows": {row.name: _by_group(row, metric) for row in rows if _has_evidence(row, metric)},
    }
    return replace(
        result,
        protocol={**result.protocol, "uncertainty": uncertainty, "per_group": per_group},
        notes=(*result.notes, f"95 % intervals: {drawn}."),
    )


def _fold_groups(rows: Sequence[ResultRow]) -> dict[str, tuple[str, ...]]:
    """Fold -> its groups, which all evidence of the fold must share."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        for trial in row.trials:
            for evidence in trial.evidence.values():
                if found.setdefault(trial.fold, evidence.groups) != evidence.groups:
                    raise ValueError(f"{row.name!r}: fold {trial.fold!r} has other groups")
    return found


def _scheme(folds: Mapping[str, tuple[str, ...]]) -> str:
    if folds and min(map(len, folds.values())) > 1:
        return "groups"
    return "folds" if len(folds) > 1 else ""


def _weights(
    folds: Mapping[str, tuple[str, ...]], scheme: str, settings: UncertaintySettings
) -> dict[str, Float64Array]:
    """Fold -> (draws, groups) weights of its groups, or (draws, 1) weights of the fold itself.

    Folds of the same groups, such as those of cameras that see the same people, share a draw.
    """
    if scheme == "groups":
        kinds = list(dict.fromkeys(folds.values()))
        drawn = [
            group_weights(len(groups), settings.draws, settings.seed + i)
            for i, groups in enumerate(kinds)
        ]
        return {fold: drawn[kinds.index(groups)] for fold, groups in folds.items()}
    if scheme == "folds":
        counts = group_weights(len(folds), settings.draws, settings.seed)
        return {fold: counts[:, [i]] for i, fold in enumerate(folds)}
    return {}


def _in_words(folds: Mapping[str, tuple[str, ...]], scheme: str, unit: str) -> str:
    if scheme == "groups":
        counts = sorted({len(groups) for groups in folds.values()})
        number = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
        where = "" if len(folds) == 1 else f" of each of {len(folds)} folds"
        return f"bootstrap over {number} {unit}s{where}"
    if scheme == "folds":
        return f"bootstrap over {len(folds)} folds, since a fold tests one {unit} only"
    return f"none, since the test part has one {unit} only"


def _has_evidence(row: ResultRow, metric: str) -> bool:
    return bool(row.trials) and all(metric in trial.evidence for trial in row.trials)


def _by_fold(row: ResultRow) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {}
    for trial in row.trials:
        found.setdefault(trial.fold, []).append(trial)
    return found


def _resampled(
    row: ResultRow, metric: str, weights: Mapping[str, Float64Array], scheme: str
) -> Float64Array:
    """(draws,) the row's metric, the mean over folds of the mean over each fold's runs."""
    by_fold = _by_fold(row)
    if scheme == "folds":
        means = np.array([_mean(trials, metric) for trials in by_fold.values()])
        drawn = np.concatenate([weights[fold] for fold in by_fold], axis=1)
        known = ~np.isnan(means)
        total = drawn[:, known].sum(1)
        above = drawn[:, known] @ means[known]
        found: Float64Array = np.full(len(total), np.nan)
        np.divide(above, total, out=found, where=total > 0)
        return found
    values = [
        np.mean([trial.evidence[metric].resampled(weights[fold]) for trial in trials], axis=0)
        for fold, trials in by_fold.items()
    ]
    mean: Float64Array = np.mean(values, axis=0)
    return mean


def _mean(trials: Sequence[Trial], metric: str) -> float:
    values = [v for trial in trials if not math.isnan(v := trial.metrics.get(metric, math.nan))]
    return float(np.mean(values)) if values else math.nan


def _by_group(row: ResultRow, metric: str) -> dict[str, float]:
    """Group -> the metric on its clips alone, the mean over the runs that test it."""
    found: dict[str, list[float]] = {}
    for trial in row.trials:
        for group, value in trial.evidence[metric].by_group().items():
            if not math.isnan(value):
                found.setdefault(group, []).append(value)
    return {group: float(np.mean(values)) for group, values in found.items()}


def _by_unit(row: ResultRow, metric: str, scheme: str) -> dict[str, float]:
    """What is independent of one another -> the metric."""
    if scheme == "groups" and _has_evidence(row, metric):
        return _by_group(row, metric)
    return {fold: _mean(trials, metric) for fold, trials in _by_fold(row).items()}


def _compare(
    metric: str,
    rows: Sequence[ResultRow],
    contest: str,
    resampled: Mapping[tuple[str, str], Float64Array],
    scheme: str,
    unit: str,
) -> Comparison | None:
    """The contest's first pre-trained row, fixed beforehand, against its best other row.

    The rival is chosen on the test part, which favours it: the test errs on the careful side.
    """
    known = [
        row
        for row in rows
        if row.contest == contest
        and row.trials
        and not math.isnan(row.metrics.get(metric, math.nan))
    ]
    ours = next((row for row in known if row.kind == "pretrained"), None)
    rivals = [row for row in known if row.kind not in ("pretrained", "oracle")]
    if ours is None or not rivals:
        return None
    other = max(rivals, key=lambda row: row.metrics[metric])
    first, second = (_by_unit(row, metric, scheme) for row in (ours, other))
    differences = np.array([first[key] - second[key] for key in first if key in second])
    differences = differences[~np.isnan(differences)]
    both = (ours.name, metric), (other.name, metric)
    low, high = math.nan, math.nan
    if all(key in resampled for key in both):
        low, high = percentile_interval(resampled[both[0]] - resampled[both[1]])
    p_value, least, test = math.nan, 0.0, f"one {unit} only, which cannot be tested"
    if len(differences) > 1:
        p_value, least = sign_flip_p_value(differences), least_sign_flip_p_value(len(differences))
        what = f"{unit}s" if scheme == "groups" else "folds"
        test = f"sign-flip test over {len(differences)} {what}"
    gain = ours.metrics[metric] - other.metrics[metric]
    return Comparison(metric, ours.name, other.name, gain, low, high, p_value, test, least)
