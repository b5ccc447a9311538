"""Draw a :class:`Figure` as PNG. One restrained style; the report's page stays white behind it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mgpose.evaluation.figures import Figure
from mgpose.evaluation.table import metric_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

# Colour says the kind of a method, as in the table; the blue is the report's accent.
KIND_COLOURS = {
    "oracle": "#7a4fa3",
    "pretrained": "#1f5fbf",
    "untrained": "#c2762b",
    "classical": "#3d8a5f",
    "trivial": "#8a8f98",
    "published": "#a8842c",
}
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK, MUTED, GRID = "#20242a", "#5c636e", "#e4e7eb"
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.edgecolor": "#b4bac3",
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
}


def draw(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG; needs no display."""

    def paint(sheet: Sheet) -> None:
        _PAINTERS[figure.kind](sheet.add_subplot(), figure.data)

    return painted(_size(figure), paint, dpi)


def painted(size: tuple[float, float], paint: Callable[[Sheet], None], dpi: int = 150) -> bytes:
    """A sheet of ``size`` inches in the style of all figures, as PNG; needs no display.

    Args:
        size: width and height in inches.
        paint: draws on the empty sheet.
        dpi: pixels an inch.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context(_STYLE):
        margin = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        sheet = Sheet(figsize=size, layout=margin)
        FigureCanvasAgg(sheet)
        paint(sheet)
        stream = io.BytesIO()
        sheet.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def width_inches(figure: Figure) -> float:
    """Width on the page at which text has its true size; two small figures stand side by side."""
    return _size(figure)[0]


def _size(figure: Figure) -> tuple[float, float]:
    """Width and height in inches; beyond some classes a figure needs the whole page."""
    if figure.kind == "confusion":
        many = len(figure.data["names"])
        return (4.5, float(np.clip(1.2 + 0.32 * many, 2.4, 4.2))) if many <= 12 else (9.2, 7.4)
    if figure.kind == "map":
        return (4.5, 4.4) if len(set(figure.data["labels"])) <= 12 else (9.2, 5.6)
    if figure.kind == "intervals":
        return 9.2, 0.9 + 0.27 * len(figure.data["rows"])
    return 4.5, 3.4


def _confusion(axes: Axes, data: Mapping[str, Any]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    counts, names = np.array(data["counts"], dtype=float), data["names"]
    support = counts.sum(1, keepdims=True)
    shares = np.where(support > 0, counts / np.maximum(support, 1), np.nan)
    colours = LinearSegmentedColormap.from_list("share", ["#ffffff", "#8fb4e3", "#123f86"])
    empty = colours.with_extremes(bad="#f1f2f4")
    axes.imshow(shares, cmap=empty, vmin=0, vmax=1, aspect="auto")
    size = 7.5 if len(names) <= 16 else 7
    # Long names fit on one axis only: the other repeats their numbers.
    few = len(names) <= 4
    short = [shortened(name) for name in names]
    numbered = short if few else [f"{name}  {i}" for i, name in enumerate(short, 1)]
    numbers = [str(i) for i in range(1, len(names) + 1)]
    axes.set_yticks(range(len(names)), numbered)
    axes.set_xticks(range(len(names)), short if few else numbers)
    axes.tick_params(length=0, labelsize=size)
    axes.set_xlabel("predicted class", fontsize=8)
    axes.set_ylabel("true class", fontsize=8)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_color(GRID)
    axes.spines[:].set_visible(True)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            ink = "white" if share > 0.55 else INK
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=size - 0.5, color=ink)


def _fractions(axes: Axes, data: Mapping[str, Any]) -> None:
    fractions = np.array(data["fractions"])
    _lines(axes, fractions, data["curves"])
    axes.set_xscale("log")
    axes.set_xticks(fractions, [f"{100 * f:g} %" for f in fractions])
    axes.minorticks_off()
    axes.set(xlabel="labelled share of the training clips")
    axes.set_ylabel(f"{metric_title(data['metric'])} (%)")


def _precision(axes: Axes, data: Mapping[str, Any]) -> None:
    ks = np.array(data["ks"])
    _lines(axes, ks, data["curves"])
    axes.set_xscale("log")
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.minorticks_off()
    axes.set(xlabel="retrieved items k", ylabel="precision at k (%)")


def _lines(axes: Axes, places: Any, curves: list[dict[str, Any]]) -> None:
    """Curves in percent with a band of one deviation; one colour a kind, one dash a method."""
    seen: dict[str, int] = {}
    for curve in curves:
        colour = KIND_COLOURS[curve["kind"]]
        turn = seen[curve["kind"]] = seen.get(curve["kind"], -1) + 1
        values = 100 * np.array(curve["values"])
        axes.plot(
            places,
            values,
            color=colour,
            linestyle=_LINES[turn % len(_LINES)],
            linewidth=2.2 if curve["kind"] == "pretrained" else 1.5,
            marker=_MARKERS[turn % len(_MARKERS)],
            markersize=4,
            label=curve["name"],
        )
        if curve["spread"]:
            band = 100 * np.array(curve["spread"])
            axes.fill_between(
                places, values - band, values + band, color=colour, alpha=0.13, linewidth=0
            )
    axes.set_ylim(0, min(105, axes.get_ylim()[1] * 1.05))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=7.5)


def _map(axes: Axes, data: Mapping[str, Any]) -> None:
    import matplotlib as mpl

    points = np.array(data["points"], dtype=float).reshape(-1, 2)
    labels = np.array(data["labels"], dtype=int)
    present = np.unique(labels)
    palette = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    size = float(np.clip(4000 / max(len(points), 1), 7, 26))
    for turn, label in enumerate(present):
        here = points[labels == label]
        # Ten colours at most; beyond them the marker tells classes of one colour apart.
        axes.scatter(
            here[:, 0],
            here[:, 1],
            s=size,
            color=palette[turn % len(palette)],
            marker=_MARKERS[turn // len(palette) % len(_MARKERS)],
            alpha=0.75,
            linewidths=0,
            label=shortened(data["names"][label]),
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    few = len(present) <= 12
    axes.legend(
        loc="upper center" if few else "center left",
        bbox_to_anchor=(0.5, 0.0) if few else (1.0, 0.5),
        ncols=2,
        fontsize=7.5,
        handletextpad=0.2,
        markerscale=1.4,
    )


def _intervals(axes: Axes, data: Mapping[str, Any]) -> None:
    rows = data["rows"]
    for place, row in enumerate(rows):
        colour = KIND_COLOURS[row["kind"]]
        low, value, high = (100 * row[key] for key in ("low", "value", "high"))
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot([value], [place], "o", color=colour, markersize=5.5)
    axes.axvline(100 * data["chance"], color=MUTED, linewidth=1, linestyle="--", zorder=0)
    axes.text(
        100 * data["chance"],
        1.01,
        "a guess",
        transform=axes.get_xaxis_transform(),
        ha="center",
        va="bottom",
        fontsize=7.5,
        color=MUTED,
    )
    axes.set_yticks(range(len(rows)), [shortened(row["name"], 48) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_xlim(-1, 101)
    axes.set_xlabel(f"{metric_title(data['metric'])} (%) with 95 % interval", fontsize=8)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def shortened(name: str, length: int = 32) -> str:
    """The name cut to fit; ``$`` is escaped, or matplotlib would read it as mathematics."""
    cut = name if len(name) <= length else name[: length - 1].rstrip() + "…"
    return cut.replace("$", r"\$")


_PAINTERS: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "confusion": _confusion,
    "fractions": _fractions,
    "precision": _precision,
    "map": _map,
    "intervals": _intervals,
}
