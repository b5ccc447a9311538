"""What a plot shows, as plain data: results files hold it, and the report draws from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgpose.evaluation.embeddings import FloatArray, IntArray

FIGURE_KINDS = ("confusion", "fractions", "precision", "map", "intervals")


def plain(value: Any) -> Any:
    """The value with only what JSON knows: dict, list, str, bool, int, float, None.

    Raises:
        TypeError: for anything that is not a mapping, sequence, array, number or text.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"results hold plain data only, got {type(value).__name__}")


@dataclass(frozen=True)
class Figure:
    """One plot.

    Args:
        kind: ``"confusion"``, ``"fractions"``, ``"precision"``, ``"map"`` or ``"intervals"``; each
            has its function below, which says what ``data`` holds.
        title: caption.
        data: plain data.

    Raises:
        ValueError: for an unknown kind.
        TypeError: when the data is not plain.
    """

    kind: str
    title: str
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.kind not in FIGURE_KINDS:
            raise ValueError(f"figure kind must be one of {FIGURE_KINDS}, got {self.kind!r}")
        object.__setattr__(self, "data", plain(self.data))


@dataclass(frozen=True)
class Curve:
    """One method's line in a plot.

    Args:
        name: as in the table.
        kind: kind of its row in the table.
        values: one for each place on the x axis.
        spread: standard deviation of each value, or empty.

    Raises:
        ValueError: when the two differ in length.
    """

    name: str
    kind: str
    values: Sequence[float]
    spread: Sequence[float] = ()

    def __post_init__(self) -> None:
        if len(self.spread) not in (0, len(self.values)):
            raise ValueError(f"expected {len(self.values)} spreads or none, got {self.spread}")


def confusion_figure(title: str, counts: IntArray, names: Sequence[str]) -> Figure:
    """Confusion matrix: ``counts`` (K, K), true class by predicted class, and K class names.

    Raises:
        ValueError: when the two do not fit.
    """
    if counts.shape != (len(names), len(names)):
        raise ValueError(f"expected ({len(names)}, {len(names)}) counts, got {counts.shape}")
    return Figure("confusion", title, {"counts": counts, "names": tuple(names)})


def fractions_figure(
    title: str, fractions: Sequence[float], metric: str, curves: Sequence[Curve]
) -> Figure:
    """A metric against the share of training labels, fractions in (0, 1], ascending.

    Raises:
        ValueError: on fractions out of range or curves of another length.
    """
    if not fractions or not 0 < fractions[0] <= fractions[-1] <= 1:
        raise ValueError(f"fractions must lie in (0, 1] and ascend, got {list(fractions)}")
    return Figure(
        "fractions",
        title,
        {"fractions": fractions, "metric": metric, "curves": _curves(curves, len(fractions))},
    )


def precision_figure(title: str, ks: Sequence[int], curves: Sequence[Curve]) -> Figure:
    """Retrieval precision among the first k, for each method.

    Raises:
        ValueError: on curves of another length.
    """
    return Figure("precision", title, {"ks": ks, "curves": _curves(curves, len(ks))})


def map_figure(title: str, points: FloatArray, labels: IntArray, names: Sequence[str]) -> Figure:
    """Map of embeddings: ``points`` (N, 2), class of each point, class names.

    Raises:
        ValueError: on wrong shapes or labels without a name.
    """
    if points.ndim != 2 or points.shape[1] != 2 or len(points) != len(labels):
        raise ValueError(f"expected points (N, 2) and N labels, got {points.shape}, {len(labels)}")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        raise ValueError(f"labels must lie in [0, {len(names)}), got up to {labels.max()}")
    rounded = np.round(points.astype(np.float64), 3)
    return Figure("map", title, {"points": rounded, "labels": labels, "names": tuple(names)})


def intervals_figure(
    title: str, metric: str, chance: float, rows: Sequence[tuple[str, str, float, float, float]]
) -> Figure:
    """A metric of each method with its interval, beside the value of a guess.

    Args:
        title: caption.
        metric: its name; a share in [0, 1].
        chance: what a guess gives.
        rows: name and kind as in the table, value, lower and upper bound.

    Raises:
        ValueError: without a row, or where low <= value <= high does not hold.
    """
    wrong = [row for row in rows if not 0 <= row[3] <= row[2] <= row[4] <= 1]
    if wrong or not rows:
        raise ValueError(f"expected rows with 0 <= low <= value <= high <= 1, got {wrong or rows}")
    keys = ("name", "kind", "value", "low", "high")
    lines = [dict(zip(keys, row, strict=True)) for row in rows]
    return Figure("intervals", title, {"metric": metric, "chance": chance, "rows": lines})


def _curves(curves: Sequence[Curve], length: int) -> list[dict[str, Any]]:
    for curve in curves:
        if len(curve.values) != length:
            raise ValueError(f"{curve.name}: expected {length} values, got {len(curve.values)}")
        if not all(math.isfinite(v) for v in (*curve.values, *curve.spread)):
            raise ValueError(f"{curve.name}: curve values must be finite")
    return [
        {"name": c.name, "kind": c.kind, "values": list(c.values), "spread": list(c.spread)}
        for c in curves
    ]
