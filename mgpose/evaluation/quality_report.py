"""The quality report: which videos of a store are usable, and why not, in one HTML file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mgpose.data.quality import VideoQuality
from mgpose.data.quality_criteria import CRITERIA, Criterion, duration, number, percent
from mgpose.data.quality_thresholds import LEVELS, Limits, QualityThresholds
from mgpose.data.quality_verdict import UNREADABLE, VideoVerdict
from mgpose.evaluation.plots import KIND_COLOURS
from mgpose.evaluation.quality_drawings import histogram, video_drawing
from mgpose.io.atomic import write_text

_TEMPLATE = "quality_report.html"
_OPEN_CARDS = 10
_GOOD_CARDS = 5
_ROW_REASONS = 2
_LEVEL_NAMES = {"use": "usable", "look": "look at it", "unusable": "unusable"}


def write_quality_report(
    verdicts: Sequence[VideoVerdict], thresholds: QualityThresholds, path: Path, cards: int = 100
) -> None:
    """Write the report under a temporary name, then rename it.

    Args:
        verdicts: of every video of the store.
        thresholds: by which they were judged.
        path: of the HTML file; its folder is made.
        cards: videos with a problem that get a card with curves and skeletons, the worst first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render_quality_report(verdicts, thresholds, cards))


def render_quality_report(
    verdicts: Sequence[VideoVerdict], thresholds: QualityThresholds, cards: int = 100
) -> str:
    """The report as HTML text; it holds ids and figures, no path and no picture of a person."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mgpose.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ordered = sorted(verdicts, key=_badness)
    troubled = [v for v in ordered if v.findings]
    good = [v for v in ordered if not v.findings]
    sample = good[:: max(1, math.ceil(len(good) / _GOOD_CARDS))]
    shown = [*troubled[:cards], *sample]
    told = [c for c in CRITERIA if any(not math.isnan(_figure(c, v)) for v in verdicts)]
    return environment.get_template(_TEMPLATE).render(
        levels=LEVELS,
        level_names=_LEVEL_NAMES,
        counts=Counter(v.level for v in verdicts),
        total=len(verdicts),
        extent=_extent(verdicts),
        imported=sum(v.quality is not None and not v.quality.watched for v in verdicts),
        reasons=_reasons(verdicts),
        columns=[c.title for c in told],
        rows=[_row(v, told, thresholds, v in shown) for v in ordered],
        spreads=[
            _spread(c, values, getattr(thresholds, c.name)) for c, values in _varied(verdicts)
        ],
        cards=[_card(v, i < _OPEN_CARDS) for i, v in enumerate(shown)],
        troubled=len(troubled),
        drawn=min(cards, len(troubled)),
        sample=len(sample),
        limits=[_limits(c, getattr(thresholds, c.name)) for c in CRITERIA],
        colours=KIND_COLOURS,
        written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _badness(verdict: VideoVerdict) -> tuple[int, int, int, str]:
    """Sorts the worst first: by verdict, then by how many limits are exceeded."""
    grave = sum(finding.level == "unusable" for finding in verdict.findings)
    level = LEVELS.index(verdict.level)
    return -level, -grave, -len(verdict.findings), verdict.video


def _figure(criterion: Criterion, verdict: VideoVerdict) -> float:
    return criterion.measure(verdict.quality)[0] if verdict.quality else math.nan


def _extent(verdicts: Sequence[VideoVerdict]) -> str:
    """How much there is: frames, and hours where rates are known."""
    known = [v.quality for v in verdicts if v.quality is not None]
    frames = sum(quality.frames for quality in known)
    seconds = sum(quality.seconds for quality in known if quality.timed)
    untimed = sum(not quality.timed for quality in known)
    length = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
    parts = [f"{frames:,} frames"] + ([length] if seconds else [])
    parts += [f"{untimed:,} videos of unknown frame rate"] if untimed else []
    return ", ".join(parts)


def _reasons(verdicts: Sequence[VideoVerdict]) -> list[dict[str, Any]]:
    """The faults by the number of videos that have them, those that make unusable first."""
    counts = Counter((f.criterion, f.level) for v in verdicts for f in v.findings)
    titles = {UNREADABLE: "file damaged", **{c.name: c.fault for c in CRITERIA}}
    found: list[dict[str, Any]] = [
        {"title": title, "look": counts[name, "look"], "unusable": counts[name, "unusable"]}
        for name, title in titles.items()
    ]
    found = [reason for reason in found if reason["look"] + reason["unusable"]]
    most = max((r["look"] + r["unusable"] for r in found), default=1)
    for reason in found:
        reason["wide"] = {level: 100 * reason[level] / most for level in ("unusable", "look")}
    return sorted(found, key=lambda r: (-r["unusable"], -r["look"]))


def _row(
    verdict: VideoVerdict, told: Sequence[Criterion], thresholds: QualityThresholds, linked: bool
) -> dict[str, Any]:
    cells = []
    for criterion in told:
        value = _figure(criterion, verdict)
        level = getattr(thresholds, criterion.name).level(value)
        cells.append({"text": criterion.show(value), "level": level})
    words = [finding.words for finding in verdict.findings]
    reasons = (
        words[:_ROW_REASONS]
        + [f"and {len(words) - _ROW_REASONS} more"][: len(words) > _ROW_REASONS]
    )
    return {"verdict": verdict, "reasons": "; ".join(reasons), "cells": cells, "linked": linked}


def _varied(verdicts: Sequence[VideoVerdict]) -> Iterator[tuple[Criterion, list[float]]]:
    """The measures that differ from video to video, and their known figures."""
    for criterion in CRITERIA:
        values = [value for v in verdicts if not math.isnan(value := _figure(criterion, v))]
        if len(set(values)) > 1:
            yield criterion, values


def _spread(criterion: Criterion, values: list[float], limits: Limits) -> dict[str, str]:
    return {"title": criterion.title, "svg": histogram(values, limits, criterion.show)}


def _card(verdict: VideoVerdict, opened: bool) -> dict[str, Any]:
    quality = verdict.quality
    card: dict[str, Any] = {"verdict": verdict, "opened": opened, "svg": "", "facts": {}}
    if quality is not None:
        card["svg"] = video_drawing(quality, "poses and curves over time")
        card["facts"] = _facts(quality)
        card["unit"] = f"{quality.scale_name}s per {'second' if quality.timed else 'frame'}"
        card["scale_name"] = quality.scale_name
        card["parts"] = [
            {
                "name": name.replace("_", " "),
                "missing": percent(part.missing),
                "gap": duration(quality, part.longest_gap, part.longest_gap_seconds),
                "gap_frames": f"{part.longest_gap:,}",
                "jitter": number(part.jitter),
                "outside": percent(part.outside),
            }
            for name, part in quality.parts.items()
        ]
    return card


def _facts(quality: VideoQuality) -> dict[str, str]:
    unseen = "not recorded"
    counted = {name: f"{count:,}" for name, count in quality.ledger.items()}

    def told(flag: str) -> bool:
        return quality.watched or quality.ledger[flag] > 0

    lost = quality.ledger["failed"] + quality.unyielded
    return {
        "length": f"{quality.frames:,} frames"
        + (f", {quality.seconds:,.1f} s" if quality.timed else ""),
        "frame rate": f"{quality.rate:.1f} a second" if quality.timed else "unknown",
        "uneven intervals": percent(quality.irregular),
        f"size ({quality.scale_name})": _size(quality),
        "head or shoulders cut off": "cannot be told"
        if math.isnan(quality.cut)
        else f"{percent(quality.cut)} of frames",
        "left/right swaps": ", ".join(f"{limb}s {count}" for limb, count in quality.swaps.items())
        or "cannot be told",
        "changes of person": counted["subject_switched"] if told("subject_switched") else unseen,
        "several people": percent(quality.ledger["several_people"] / quality.frames)
        if told("several_people")
        else unseen,
        "frames lost": f"{lost:,}" if quality.watched or lost else unseen,
        "frames repaired": counted["repaired"] if told("repaired") else unseen,
    }


def _size(quality: VideoQuality) -> str:
    if math.isnan(quality.scale):
        return "cannot be told"
    share = (
        "" if math.isnan(quality.scale_share) else f"{percent(quality.scale_share)} of the width"
    )
    if quality.scale_unit == "picture":
        return share
    unit = {"pixel": "pixels", "metre": "m"}[quality.scale_unit]
    return f"{number(quality.scale)} {unit}" + (f", {share}" if share else "")


def _limits(criterion: Criterion, limits: Limits) -> dict[str, str]:
    sign = "below" if limits.low else "above"
    grave = "" if math.isinf(limits.unusable) else f"{sign} {criterion.show(limits.unusable)}"
    return {
        "name": criterion.name,
        "title": criterion.title,
        "look": f"{sign} {criterion.show(limits.look)}",
        "unusable": grave or "never",
        "why": limits.why,
    }
