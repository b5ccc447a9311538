"""How a score grows with the number of clips: a power law of the error, and its plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.plots import GRID, KIND_COLOURS, painted

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

_COLOURS = (*KIND_COLOURS.values(),)
_LEAST_RANGE = 10.0  # points of the y axis


@dataclass(frozen=True)
class ScalePoint:
    """One run of a study of scale.

    Args:
        line: which curve it belongs to, such as the size of the encoder.
        size: number of clips, at least 1.
        value: score in [0, 1].
    """

    line: str
    size: int
    value: float


@dataclass(frozen=True)
class PowerLaw:
    """``1 - score = scale * size ** -exponent``.

    Reference: Hestness et al., Deep learning scaling is predictable, empirically, 2017.
    """

    scale: float
    exponent: float

    def score(self, size: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The score at these sizes."""
        return np.asarray(1 - self.scale * np.asarray(size, dtype=float) ** -self.exponent)


def fit_power_law(points: Sequence[ScalePoint]) -> PowerLaw:
    """Least squares on logarithms; scores of 1 have no logarithm of their error.

    Raises:
        ValueError: for fewer than two sizes, or a score that is not below 1.
    """
    if len({p.size for p in points}) < 2 or max(p.value for p in points) >= 1:
        raise ValueError(f"a power law needs two sizes and scores below 1, got {list(points)}")
    sizes, errors = np.array([(p.size, 1 - p.value) for p in points], dtype=float).T
    slope, offset = np.polyfit(np.log(sizes), np.log(errors), 1)
    return PowerLaw(float(np.exp(offset)), float(-slope))


def draw_scaling(points: Sequence[ScalePoint], metric: str, title: str = "") -> bytes:
    """Points with the fitted curve of each line, as PNG.

    Args:
        points: of one or more lines, each of two sizes or more.
        metric: on the y axis.
        title: above the plot; it says "synthetic" where the data is.

    Raises:
        ValueError: as of :func:`fit_power_law`.
    """

    def paint(sheet: Sheet) -> None:
        axes = sheet.add_subplot()
        for line, colour in zip(dict.fromkeys(p.line for p in points), _COLOURS, strict=False):
            own = sorted((p for p in points if p.line == line), key=lambda p: p.size)
            law = fit_power_law(own)
            sizes = np.array([p.size for p in own])
            places = np.geomspace(sizes.min(), sizes.max(), 50)
            axes.plot(sizes, [100 * p.value for p in own], "o", color=colour, markersize=5)
            name = f"{line}: error = {law.scale:.2f} n^({-law.exponent:.3f})"
            axes.plot(places, 100 * law.score(places), color=colour, linewidth=1.5, label=name)
        sizes = np.array(sorted({p.size for p in points}))
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set(xlabel="clips seen in pre-training", ylabel=f"{metric} (%)", title=title)
        # A narrower axis would make curves of chance differences.
        low, high = axes.get_ylim()
        spare = max(0.0, _LEAST_RANGE - (high - low)) / 2
        axes.set_ylim(low - spare, high + spare)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=7.5)

    return painted((5.2, 3.8), paint)
