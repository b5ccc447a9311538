"""Drawings of the quality report as inline SVG: skeletons and curves over time of one video, and
how a measure is spread over all videos. Colours are classes, set by the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from mgpose.data.quality import Curves, VideoQuality
from mgpose.data.quality_criteria import number
from mgpose.data.quality_thresholds import LEVELS, Limits
from mgpose.structures import FrameFlag, Skeleton

FloatArray = npt.NDArray[np.floating]

_WIDTH, _LEFT, _RIGHT = 940, 150, 36
_PLOT = _WIDTH - _LEFT - _RIGHT
_THUMB_HEIGHT = 104
_FINE = 10  # steps a pixel in a thumbnail
_MISSING_HEIGHT, _MOVEMENT_HEIGHT, _PART_GAP, _LANE = 20, 34, 14, 18
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_LANES = (
    (FrameFlag.FAILED, "frames lost"),
    (FrameFlag.REPAIRED, "frames repaired"),
    (FrameFlag.NO_PERSON, "nobody found"),
    (FrameFlag.SEVERAL_PEOPLE, "several people"),
    (FrameFlag.SUBJECT_SWITCHED, "person may change"),
    (FrameFlag.TIME_REPAIRED, "time repaired"),
)


def video_drawing(quality: VideoQuality, title: str) -> str:
    """Skeletons of a few frames, and below them, on the same time axis, what is missing of each
    part, how fast it moves, and what the ledger tells, as an SVG element.

    Args:
        quality: of the video.
        title: what a screen reader says; must hold no markup.
    """
    curves = quality.curves
    body: list[str] = []
    top = _thumbnails(quality, body)
    for i, part in enumerate(quality.parts):
        body += _part(curves, i, part.replace("_", " "), top)
        top += _MISSING_HEIGHT + _MOVEMENT_HEIGHT + _PART_GAP
    for label, flags in _lanes(curves):
        body += _strip(curves, label, flags, top)
        top += _LANE
    body += _axis(curves, quality.timed, top)
    return (
        f'<svg class="video" viewBox="0 0 {_WIDTH} {top + 34}" role="img" aria-label="{title}">'
        + "".join(body)
        + "</svg>"
    )


def histogram(values: Sequence[float], limits: Limits, show: Callable[[float], str]) -> str:
    """How many videos have which figure, as an SVG element; the limits are upright lines.

    Args:
        values: of the videos, finite.
        limits: of the measure.
        show: a figure as text.
    """
    width, height = 260, 54
    low, high = min(values), max(values)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    levels = [limits.level(value) for value in values]
    counts = {
        level: np.histogram(
            [v for v, of in zip(values, levels, strict=True) if of == level], 26, (low, high)
        )[0]
        for level in LEVELS
    }
    total = np.sum(list(counts.values()), axis=0)
    body = []
    for i in np.flatnonzero(total):
        tall = max(2.0, height * math.sqrt(total[i] / total.max()))
        base = height + 14.0
        for level in LEVELS:
            share = tall * counts[level][i] / total[i]
            if share:
                body.append(
                    f'<rect class="bar {level}" x="{10 * i}" y="{base - share:.1f}" width="9" '
                    f'height="{share:.1f}"/>'
                )
            base -= share
    for limit, level, line in ((limits.look, "look", 11), (limits.unusable, "unusable", 23)):
        if low <= limit <= high:
            x = width * (limit - low) / (high - low)
            end = ' text-anchor="end"' if x > width / 2 else ""
            text_x = x - 3 if end else x + 3
            body.append(
                f'<path class="limit {level}" d="M{x:.0f} 4V{height + 14}"/>'
                f'<text x="{text_x:.0f}" y="{line}"{end}>{escape(show(limit))}</text>'
            )
    least, most = escape(show(min(values))), escape(show(max(values)))
    body.append(
        f'<path class="base" d="M0 {height + 14}H{width}"/>'
        f'<text x="0" y="{height + 27}">{least}</text>'
        f'<text x="{width}" y="{height + 27}" text-anchor="end">{most}</text>'
    )
    return f'<svg class="spread" viewBox="-2 0 {width + 4} {height + 32}">{"".join(body)}</svg>'


def _thumbnails(quality: VideoQuality, body: list[str]) -> int:
    """Add a row of skeletons, each above its time; the height that they take."""
    curves = quality.curves
    points = curves.thumbnails[..., :2].astype(np.float64)
    width = _PLOT / len(points)
    corner, size = _window(points, curves, quality)
    scale = min((width - 8) / size[0], _THUMB_HEIGHT / size[1])
    wide, high = scale * size
    body.append(_text(0, 16, "the pose at", "label") + _text(0, 30, "these times", "label"))
    for i, frame in enumerate(points):
        x = _LEFT + (i + 0.5) * width - wide / 2
        place = (frame - corner) * scale * _FINE
        body.append(
            f'<svg x="{x:.0f}" y="2" width="{wide:.0f}" height="{high:.0f}" '
            f'viewBox="0 0 {wide * _FINE:.0f} {high * _FINE:.0f}">'
            '<rect class="picture" width="100%" height="100%"/>'
            f"{_skeleton(place, quality.skeleton)}</svg>"
        )
        if not np.isfinite(frame).any():
            body.append(_text(x + wide / 2, high / 2, "no pose", "quiet", "middle"))
    return round(float(high)) + 16


def _window(
    points: FloatArray, curves: Curves, quality: VideoQuality
) -> tuple[FloatArray, FloatArray]:
    """Corner and size of what a thumbnail shows: the picture, or else where the person was."""
    if quality.scale_unit == "metre":
        points[..., 1] *= -1  # metres run up, pictures run down
    if curves.picture is not None:
        return np.zeros(2), np.array(curves.picture, dtype=np.float64)
    known = points[np.isfinite(points[..., 0])]
    if not len(known):
        return np.zeros(2), np.ones(2)
    low, high = known.min(0), known.max(0)
    margin = 0.1 * max(*(high - low), 1e-6)
    return low - margin, high - low + 2 * margin


def _skeleton(points: FloatArray, skeleton: Skeleton) -> str:
    """Three paths: the person's left, right, and middle; loose points where there are no edges."""
    lines: dict[str, list[str]] = {"left": [], "right": [], "middle": []}
    for a, b in skeleton.edge_indices:
        if np.isfinite(points[[a, b]]).all():
            names = skeleton.keypoints[a], skeleton.keypoints[b]
            side = next((s for s in ("left", "right") for n in names if n.startswith(s)), "middle")
            if {n.split("_")[0] for n in names} >= {"left", "right"}:
                side = "middle"
            lines[side].append("M{:.0f} {:.0f}L{:.0f} {:.0f}".format(*points[a], *points[b]))
    if not len(skeleton.edge_indices):
        known = points[np.isfinite(points[:, 0])]
        lines["middle"] = [f"M{x:.0f} {y:.0f}h1" for x, y in known]
    return "".join(
        f'<path class="bone {side}" d="{"".join(found)}"/>'
        for side, found in lines.items()
        if found
    )


def _part(curves: Curves, part: int, name: str, top: int) -> Iterator[str]:
    x = _places(curves)
    base = top + _MISSING_HEIGHT
    yield _text(0, top + 14, name, "part")
    yield _text(_LEFT - 8, top + 14, "missing", "label", "end")
    yield _text(_LEFT + _PLOT + 4, top + 9, "100 %", "tick")
    yield _box(top, _MISSING_HEIGHT)
    tall = np.round(base - _MISSING_HEIGHT * curves.missing[:, part]).astype(int)
    if (curves.missing[:, part] > 0).any():
        steps = "".join(f"V{y}H{right}" for y, right in zip(tall, x[1:], strict=True))
        yield f'<path class="missing" d="M{x[0]} {base}{steps}V{base}Z"/>'
    top = base + 3
    base = top + _MOVEMENT_HEIGHT
    highest = float(np.nanmax(curves.peak[:, part], initial=0.0))
    yield _text(_LEFT - 8, top + 22, "movement", "label", "end")
    yield _box(top, _MOVEMENT_HEIGHT)
    if highest > 0:
        for kind, values in (("peak", curves.peak), ("speed", curves.speed)):
            tall = base - (_MOVEMENT_HEIGHT - 2) * values[:, part] / highest
            yield _curve(kind, (x[1:] + x[:-1]) // 2, tall, base)
        yield _text(_LEFT + _PLOT + 4, top + 9, number(highest), "tick")
        yield _text(_LEFT + _PLOT + 4, base, "0", "tick")
    else:
        yield _text(_LEFT + 4, top + 21, "no movement can be told", "tick")


def _curve(kind: str, x: npt.NDArray[np.int64], y: FloatArray, base: int) -> str:
    """A line, or for peaks an area, broken where nothing is known."""
    path = []
    known = np.flatnonzero(np.isfinite(y))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if run.size:
            line = "L".join(f"{x[i]} {y[i]:.1f}" for i in run)
            path.append(f"M{x[run[0]]} {base}L{line}V{base}Z" if kind == "peak" else f"M{line}h1")
    return f'<path class="{kind}" d="{"".join(path)}"/>'


def _lanes(curves: Curves) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """What the ledger tells, only what occurs."""
    for flag, label in _LANES:
        there = (curves.flags & np.uint16(flag)) != 0
        if there.any():
            yield label, there
    if curves.swapped.any():
        yield "left/right swap", curves.swapped


def _strip(curves: Curves, label: str, flags: npt.NDArray[np.bool_], top: int) -> Iterator[str]:
    x = _places(curves)
    yield _text(_LEFT - 8, top + 11, label, "label", "end")
    yield _box(top, _LANE - 4)
    marks = "".join(
        f"M{x[i]} {top}h{max(2, x[i + 1] - x[i])}v{_LANE - 4}H{x[i]}Z"
        for i in np.flatnonzero(flags)
    )
    yield f'<path class="event" d="{marks}"/>'


def _axis(curves: Curves, timed: bool, top: int) -> Iterator[str]:
    last = float(curves.edges[-1])
    step = next((s for s in _STEPS if last / s <= 9), None) if timed else None
    if step is None:
        power = 10 ** math.floor(math.log10(max(last, 1)))
        step = next(s for s in (power / 5, power / 2, power, 2 * power) if last / s <= 9)
        step = step if timed else max(1, round(step))
    for i in range(int(last / step) + 1):
        x = round(_LEFT + _PLOT * i * step / last)
        anchor = "end" if x > _WIDTH - 40 else "middle"
        yield f'<path class="base" d="M{x} {top}v4"/>'
        yield _text(
            x, top + 15, _clock(i * step, last) if timed else f"{i * step:g}", "tick", anchor
        )
    unit = ("time (minutes:seconds)" if last >= 120 else "time (seconds)") if timed else "frame"
    yield _text(_LEFT + _PLOT / 2, top + 30, unit, "label", "middle")


def _clock(seconds: float, last: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02}" if last >= 120 else f"{seconds:g}"


def _places(curves: Curves) -> npt.NDArray[np.int64]:
    places: npt.NDArray[np.int64] = np.round(
        _LEFT + _PLOT * curves.edges / curves.edges[-1]
    ).astype(np.int64)
    return places


def _box(top: int, height: int) -> str:
    return f'<rect class="box" x="{_LEFT}" y="{top}" width="{_PLOT}" height="{height}"/>'


def _text(x: float, y: float, words: str, kind: str, anchor: str = "") -> str:
    where = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}"{where}>{escape(words)}</text>'
