"""What is judged of a video: each measure with its name, its figure, and the words for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mgpose.data.quality import VideoQuality
from mgpose.data.quality_thresholds import Limits

Figure = Callable[[VideoQuality], tuple[float, str]]


@dataclass(frozen=True)
class Finding:
    """One limit that a video exceeds.

    Args:
        criterion: name of the threshold, or ``"unreadable"``.
        level: ``"look"`` or ``"unusable"``.
        words: what was found, for a reader who knows no keypoints.
    """

    criterion: str
    level: str
    words: str


@dataclass(frozen=True)
class Criterion:
    """A measure that is judged; its name is that of its threshold.

    Args:
        name: of the threshold.
        title: heading of a column.
        fault: what is wrong with a video beyond the limit, as heading.
        measure: a video's figure, NaN where it cannot be told, and a note such as the part.
        show: a figure as text.
        words: what to say of a video beyond the limit, from ``{figure}`` and ``{note}``.
    """

    name: str
    title: str
    fault: str
    measure: Figure
    show: Callable[[float], str]
    words: str

    def finding(self, quality: VideoQuality, limits: Limits) -> Finding | None:
        """What there is to say of a video; None where it keeps the limits."""
        value, note = self.measure(quality)
        level = limits.level(value)
        if level == "use":
            return None
        return Finding(self.name, level, self.words.format(figure=self.show(value), note=note))


def percent(share: float) -> str:
    """A share in words.

    >>> percent(0.5), percent(0.0004), percent(float("nan"))
    ('50 %', '< 0.1 %', '-')
    """
    if math.isnan(share):
        return "-"
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


def number(value: float) -> str:
    """A figure with two digits that count.

    >>> number(0.0034), number(12.34), number(0.00002), number(float("nan"))
    ('0.0034', '12', '< 0.001', '-')
    """
    if math.isnan(value):
        return "-"
    if 0 < value < 0.001:
        return "< 0.001"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def duration(quality: VideoQuality, frames: int, seconds: float) -> str:
    """A duration in seconds, or in frames where the rate is unknown."""
    return f"{seconds:.1f} s" if quality.timed else f"{frames:,} frames"


def role_of(part: str) -> str:
    """``"hands"``, ``"face"``, or ``"body"`` for every other part."""
    return {"left_hand": "hands", "right_hand": "hands", "face": "face"}.get(part, "body")


def _worst(role: str, measure: str, best: bool = False) -> Figure:
    """The worst (or best) figure among the parts of a role, and the part's name."""

    def figure(quality: VideoQuality) -> tuple[float, str]:
        found = [
            (value, part.replace("_", " "))
            for part, figures in quality.parts.items()
            if role_of(part) == role and not math.isnan(value := getattr(figures, measure))
        ]
        return (min if best else max)(found, default=(math.nan, ""))

    return figure


def _shake(role: str) -> Figure:
    def figure(quality: VideoQuality) -> tuple[float, str]:
        value, part = _worst(role, "jitter")(quality)
        return value, f"{part}'s points shake by {number(value)} {quality.scale_name}s"

    return figure


def _gap(quality: VideoQuality) -> tuple[float, str]:
    parts = {name: part for name, part in quality.parts.items() if role_of(name) == "body"}
    if not parts:
        return math.nan, ""
    name = max(parts, key=lambda part: parts[part].longest_gap)
    gap, seconds = parts[name].longest_gap, parts[name].longest_gap_seconds
    return seconds, f"{name.replace('_', ' ')} not seen for {duration(quality, gap, seconds)}"


def _swaps(quality: VideoQuality) -> tuple[float, str]:
    counts = [f"{limb}s {_times(count)}" for limb, count in quality.swaps.items() if count]
    total = sum(quality.swaps.values()) if quality.swaps else math.nan
    return 1000 * total / quality.frames, ", ".join(counts)


def _flagged(flag: str, per: float = 1) -> Figure:
    """Frames with a flag as share of all; none in imported poses tells nothing."""

    def figure(quality: VideoQuality) -> tuple[float, str]:
        flagged = quality.ledger[flag]
        count = flagged if quality.watched or flagged else math.nan
        return per * count / quality.frames, _times(count)

    return figure


def _failed(quality: VideoQuality) -> tuple[float, str]:
    lost = quality.ledger["failed"] + quality.unyielded
    known = quality.watched or quality.unyielded
    return lost / (quality.frames + quality.unyielded) if known else math.nan, ""


def _size(quality: VideoQuality) -> tuple[float, str]:
    return (quality.scale if quality.scale_unit == "pixel" else math.nan), quality.scale_name


def _length(quality: VideoQuality) -> tuple[float, str]:
    return quality.frames, f"{quality.frames:,} frame{'s' if quality.frames != 1 else ''}"


def _plain(measure: str) -> Figure:
    return lambda quality: (float(getattr(quality, measure)), quality.scale_name)


def _times(count: float) -> str:
    return "once" if count == 1 else f"{count:,.0f} times"


CRITERIA = (
    Criterion(
        "missing_body",
        "body missing",
        "body missing",
        _worst("body", "missing"),
        percent,
        "{figure} of the {note} is missing",
    ),
    Criterion(
        "missing_hands",
        "hands missing",
        "hands missing",
        _worst("hands", "missing", best=True),
        percent,
        "hands rarely seen: even the better one is missing {figure} of the time",
    ),
    Criterion(
        "missing_face",
        "face missing",
        "face missing",
        _worst("face", "missing"),
        percent,
        "{figure} of the face is missing",
    ),
    Criterion(
        "gap_body",
        "body out of sight (s)",
        "body out of sight for long",
        _gap,
        number,
        "the {note} at a stretch",
    ),
    Criterion(
        "jitter_body",
        "body noise",
        "body shakes (noise)",
        _shake("body"),
        number,
        "the {note} from frame to frame",
    ),
    Criterion(
        "jitter_hands",
        "hands noise",
        "hands shake (noise)",
        _shake("hands"),
        number,
        "the {note} from frame to frame",
    ),
    Criterion(
        "jitter_face",
        "face noise",
        "face shakes (noise)",
        _shake("face"),
        number,
        "the {note} from frame to frame",
    ),
    Criterion(
        "swaps",
        "left/right swaps (per 1,000 frames)",
        "left and right change places",
        _swaps,
        number,
        "left and right change places: {note}",
    ),
    Criterion(
        "switches",
        "changes of person (per 1,000 frames)",
        "change of person",
        _flagged("subject_switched", per=1000),
        number,
        "the person who is followed may change: {note}",
    ),
    Criterion(
        "several",
        "several people",
        "several people",
        _flagged("several_people"),
        percent,
        "several people in {figure} of the frames",
    ),
    Criterion(
        "rate",
        "frames per second",
        "too few frames per second",
        _plain("rate"),
        number,
        "only {figure} frames a second",
    ),
    Criterion(
        "irregular",
        "uneven frame rate",
        "uneven frame rate",
        _plain("irregular"),
        percent,
        "{figure} of the frames come at uneven times",
    ),
    Criterion(
        "failed",
        "frames lost",
        "frames lost",
        _failed,
        percent,
        "{figure} of the frames cannot be read",
    ),
    Criterion(
        "repaired",
        "frames repaired",
        "damaged frames",
        _flagged("repaired"),
        percent,
        "{figure} of the frames were damaged and patched up",
    ),
    Criterion(
        "cut",
        "head or shoulders cut off",
        "head or shoulders cut off",
        _plain("cut"),
        percent,
        "head or shoulders cut off by the edge of the picture in {figure} of the frames",
    ),
    Criterion(
        "outside_body",
        "body outside the picture",
        "body outside the picture",
        _worst("body", "outside"),
        percent,
        "{figure} of the {note}'s points lie outside the picture",
    ),
    Criterion(
        "outside_hands",
        "hands outside the picture",
        "hands outside the picture",
        _worst("hands", "outside"),
        percent,
        "{figure} of the {note}'s points lie outside the picture",
    ),
    Criterion(
        "size_pixels",
        "size (pixels)",
        "person too small (pixels)",
        _size,
        number,
        "small in the picture: {note} of {figure} pixels",
    ),
    Criterion(
        "size_share",
        "size (share of the picture's width)",
        "person too far away",
        _plain("scale_share"),
        percent,
        "far away: {note} is {figure} of the picture's width",
    ),
    Criterion("frames", "frames", "too short", _length, number, "only {note} long"),
)
