"""The poses of several stores side by side: a figure, and a table that is plain text and Markdown.

Is a generated corpus like real poses? Is a set of one's own like the one a model was trained on?
The statistics are those of ``mgpose.data.pose_statistics``, of raw poses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

from mgpose.data.pose_statistics import (
    LOW_SCORE,
    FloatArray,
    GroupStatistics,
    PoseStatistics,
    quantile,
    store_statistics,
)
from mgpose.data.quality import scale_name
from mgpose.evaluation.plots import GRID, INK, painted, shortened
from mgpose.io.store import PoseStore
from mgpose.structures import InputError, Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

Look = Mapping[str, Any]  # how a line is drawn
Stores = Mapping[str, PoseStatistics]

COLOURS = ("#1f5fbf", "#c2762b", "#3d8a5f", "#8a4fa3", "#b8324a", "#2b9aa8", "#6b7280", "#a08a1c")
_BINS_A_DECADE = 12
_SCORE_BINS = 20
_LEAST_SHARE = 0.1  # percent of a histogram that is still drawn
_QUANTILES = (0.1, 0.5, 0.9, 0.99)


def compare(
    stores: Iterable[PoseStore],
    names: Sequence[str],
    skeleton: Skeleton,
    videos: int = 200,
    frames: int = 1500,
    seed: int = 0,
) -> dict[str, PoseStatistics]:
    """Name -> statistics of each store, with a progress bar; what a generator made is named so.

    Args:
        stores: the stores.
        names: of the stores, all different.
        skeleton: the common layout that they are converted to.
        videos: drawn of each store, at most.
        frames: longest piece of a video.
        seed: of the draws.

    Raises:
        InputError: when names are too few or the same, or as in :func:`store_statistics`.
    """
    from tqdm import tqdm

    stores = list(stores)
    if len(names) != len(stores) or len(set(names)) != len(names):
        raise InputError(f"expected {len(stores)} different names, got {', '.join(names)}")
    if len(names) > len(COLOURS):
        raise InputError(f"expected at most {len(COLOURS)} stores, got {len(names)}")
    found = {}
    total = sum(min(videos, len(store)) for store in stores)
    with tqdm(total=total, desc="measure", unit="video", disable=None) as bar:
        for name, store in zip(names, stores, strict=True):
            statistics = store_statistics(store, skeleton, videos, frames, seed, bar.update)
            found[f"{name} (synthetic)" if statistics.synthetic else name] = statistics
    return found


def kolmogorov_smirnov(a: FloatArray, b: FloatArray) -> float:
    """Largest difference of two distribution functions, in [0, 1]; NaN where one has no values.

    The logarithm, or any other rising scale, leaves it as it is.
    """
    if not (a.size and b.size):
        return float("nan")
    # The p-value is of no use: neighbouring frames are not independent.
    return float(ks_2samp(a, b, method="asymp").statistic)


def comparison_table(stores: Stores) -> Iterator[str]:
    """Lines of two Markdown tables: the numbers of each store, and distances from the first."""
    first, *others = stores
    unit = scale_name(stores[first].skeleton)
    yield f"Speed in {unit}s a frame, jerk in {unit}s a frame^3; raw poses, nothing filtered."
    yield f"Low: score below {LOW_SCORE} or missing. Confidence: of the keypoints that were seen."
    yield ""
    cells = [_numbers(statistics) for statistics in stores.values()]
    rows = dict.fromkeys(label for column in cells for label in column)
    yield from _aligned(
        [["", *stores]] + [[row, *(column.get(row, "-") for column in cells)] for row in rows]
    )
    if others:
        yield ""
        yield f"Kolmogorov-Smirnov distance from {first}: 0 the same, 1 apart."
        yield ""
        distances = _distances(stores[first], [stores[name] for name in others])
        yield from _aligned([["", *others], *distances])


def draw_comparison(stores: Stores, dpi: int = 200) -> bytes:
    """The figure as PNG: a row for each part, the stores as colours; synthetic ones are dashed.

    Densities are over the logarithm to base 10; values of exactly 0, which such an axis cannot
    show, still count to the whole. A short line at the foot marks the median. A bar is the share
    of missing keypoints over all clips, the line on it runs from the lower to the upper quartile
    of the clips.
    """
    first = next(iter(stores.values()))
    held = {part for statistics in stores.values() for part in statistics.parts}
    parts = [part for part in first.skeleton.parts or ("all",) if part in held]
    looks: dict[str, Look] = {
        name: {"color": colour, "linestyle": (0, (3, 1.2)) if statistics.synthetic else "-"}
        for (name, statistics), colour in zip(stores.items(), COLOURS, strict=False)
    }

    def paint(sheet: Sheet) -> None:
        from matplotlib.lines import Line2D

        sheet.set_layout_engine("constrained", w_pad=0.1, h_pad=0.06, hspace=0.02)
        grid = sheet.subplots(
            len(parts), 4, squeeze=False, sharex="col", width_ratios=(1.3, 1.3, 0.75, 1.1)
        )
        for row, part in zip(grid, parts, strict=True):
            seen = {n: s.parts[part] for n, s in stores.items() if part in s.parts}
            _densities(row[0], {name: group.speed for name, group in seen.items()}, looks)
            _densities(row[1], {name: group.jerk for name, group in seen.items()}, looks)
            _missing_bars(row[2], seen, looks)
            _confidences(row[3], {name: group.score for name, group in seen.items()}, looks)
            row[0].set_ylabel(part.replace("_", " "), color=INK, fontsize=9.5, labelpad=8)
        for axes, kind in zip(grid[-1], ("speed", "jerk"), strict=False):
            values = [getattr(g, kind) for s in stores.values() for g in s.parts.values()]
            _scale_logarithmically(axes, values)
        _headings(grid, scale_name(first.skeleton))
        sheet.legend(
            [Line2D([], [], linewidth=2, **look) for look in looks.values()],
            [_legend(name, statistics) for name, statistics in stores.items()],
            loc="outside upper center",
            ncols=min(len(stores), 3),
            fontsize=8.5,
            handlelength=2.6,
        )

    return painted((9.2, 1.2 + 1.4 * len(parts)), paint, dpi)


def _densities(axes: Axes, values: Mapping[str, FloatArray], looks: Mapping[str, Look]) -> None:
    edges = np.arange(-8, 3, 1 / _BINS_A_DECADE)
    for name, found in values.items():
        if found.size:
            counts, _ = np.histogram(np.log10(found[found > 0]), edges)
            places = 10 ** ((edges[:-1] + edges[1:]) / 2)
            axes.plot(places, _BINS_A_DECADE * counts / found.size, linewidth=1.4, **looks[name])
            foot = axes.get_xaxis_transform()
            middle = [quantile(found, 0.5)] * 2
            axes.plot(middle, (0, 0.1), transform=foot, color=looks[name]["color"], linewidth=2)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def _missing_bars(
    axes: Axes, groups: Mapping[str, GroupStatistics], looks: Mapping[str, Look]
) -> None:
    """A bar for each store, first on top; n/a where the layout lacks the part."""
    for place, (name, look) in enumerate(looks.items()):
        text = "n/a"
        if name in groups:
            share, by_clip = groups[name].missing, groups[name].missing_by_clip
            text = f"{100 * share:.0f} %" if not 0 < share < 0.005 else "< 1 %"
            axes.barh(place, 100 * share, height=0.62, color=look["color"], alpha=0.85)
            quartiles = [100 * quantile(by_clip, q) for q in (0.25, 0.75)]
            axes.plot(quartiles, (place, place), color=INK, linewidth=0.9)
        axes.text(
            1.03,
            place,
            text,
            transform=axes.get_yaxis_transform(),
            va="center",
            color=look["color"],
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(len(looks) - 0.4, -0.6)
    axes.set_yticks([])


def _confidences(axes: Axes, scores: Mapping[str, FloatArray], looks: Mapping[str, Look]) -> None:
    edges = np.linspace(0, 1, _SCORE_BINS + 1)
    for name, found in scores.items():
        if found.size:
            shares = 100 * np.histogram(found, edges)[0] / found.size
            # Where histograms coincide, the earlier store shows as a rim around the later one.
            width = 1.2 + 0.4 * (len(looks) - 1 - list(looks).index(name))
            axes.stairs(shares, edges, linewidth=width, **looks[name])
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(_LEAST_SHARE, 160)
    axes.set_yticks([0.1, 1, 10, 100], ["0.1 %", "1 %", "10 %", "100 %"], fontsize=7.5)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.minorticks_off()
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def _headings(grid: npt.NDArray[np.object_], unit: str) -> None:
    """Titles above the first row, axes' units below the last."""
    titles = ("speed", "jerk", "missing keypoints", "confidence")
    labels = (f"{unit}s a frame", f"{unit}s a frame³", "% of keypoints", "score of those seen")
    for top, foot, title, label in zip(grid[0], grid[-1], titles, labels, strict=True):
        top.set_title(title, fontsize=9.5, color=INK, pad=5)
        foot.set_xlabel(label)


def _scale_logarithmically(axes: Axes, values: Sequence[FloatArray]) -> None:
    """Limits that leave out no more than the outermost of the values, a tick a decade."""
    moving = [found[found > 0] for found in values if (found > 0).any()]
    low = min((quantile(found, 0.01) for found in moving), default=1e-4)
    high = max((quantile(found, 0.999) for found in moving), default=1.0)
    decades = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
    axes.set_xscale("log")
    axes.set_xticks(10**decades, [rf"$10^{{{decade:.0f}}}$" for decade in decades])
    axes.minorticks_off()
    axes.set_xlim(low, high)


def _legend(name: str, statistics: PoseStatistics) -> str:
    rate = f"{statistics.rate:.3g} frames/s" if np.isfinite(statistics.rate) else "rate unknown"
    videos = "video" if statistics.clips == 1 else "videos"
    return f"{shortened(name)}: {statistics.clips} {videos}, {rate}"


def _numbers(statistics: PoseStatistics) -> dict[str, str]:
    """Label of the row -> cell of one store."""
    frames = int(statistics.groups["all"].frames.sum())
    cells = {
        "videos": f"{statistics.clips}",
        "frames": f"{frames}",
        "frames a second": _number(statistics.rate),
    }
    cells |= {
        label.replace("_", " "): _number(value) if "step" in label else _percent(value)
        for label, value in statistics.headline().items()
    }
    for part, group in statistics.parts.items():
        title = part.replace("_", " ")
        cells[f"{title}: speed p10 p50 p90 p99"] = _several(group.speed)
        cells[f"{title}: speed a second p50"] = _number(quantile(group.speed_second, 0.5))
        cells[f"{title}: jerk p10 p50 p90 p99"] = _several(group.jerk)
        cells[f"{title}: missing"] = _percent(group.missing)
        cells[f"{title}: frames without any"] = _percent(group.absent)
        cells[f"{title}: runs without any p50 p90 max"] = _several(group.runs, (0.5, 0.9, 1))
        cells[f"{title}: confidence p10 p50 p90"] = _several(group.score, (0.1, 0.5, 0.9))
        cells[f"{title}: one-frame jumps"] = _percent(group.jumping)
    return cells


def _distances(first: PoseStatistics, others: Sequence[PoseStatistics]) -> Iterator[list[str]]:
    """For speed and jerk of each part its name and a cell for each of the others."""
    for part, group in first.parts.items():
        for kind in ("speed", "jerk"):
            row = [f"{part.replace('_', ' ')}: {kind}"]
            for other in (s.parts.get(part) for s in others):
                values = getattr(other, kind) if other else np.zeros(0, np.float32)
                distance = kolmogorov_smirnov(getattr(group, kind), values)
                row.append(f"{distance:.2f}" if np.isfinite(distance) else "-")
            yield row


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows, the first of them titles, as a Markdown table whose columns stand in line."""
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*escaped, strict=True)]
    for number, row in enumerate(escaped):
        label, *cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join([label, *cells])} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"


def _several(values: npt.ArrayLike, at: Sequence[float] = _QUANTILES) -> str:
    return " ".join(_number(quantile(values, q)) for q in at) if np.size(values) else "-"


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "-"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %" if np.isfinite(value) else "-"
