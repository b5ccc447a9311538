"""The quality of a store as a text table, a line a video."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from mgpose.data.quality import VideoQuality
from mgpose.data.quality_verdict import VideoVerdict
from mgpose.structures import FrameFlag

_PLAIN = tuple(str(f.name).lower() for f in (FrameFlag.DECODED, FrameFlag.IMPORTED))


def quality_table(verdicts: Iterable[VideoVerdict]) -> Iterator[str]:
    """For each video frames, seconds, rate; for each part missing percent, longest gap in frames
    and jitter in thousandths of the scale; what the ledger counts; left/right swaps; the verdict.
    """
    shown: tuple[str, ...] = ()
    for verdict in verdicts:
        quality = verdict.quality
        if quality is None:
            yield f"{verdict.video:<24}{verdict.level}: {verdict.reasons}"
            continue
        if tuple(quality.parts) != shown:
            shown = tuple(quality.parts)
            yield from _heading(shown)
        yield _row(verdict, quality)


def summary(verdicts: Iterable[VideoVerdict]) -> str:
    """How many videos to use, to look at, and to leave out.

    >>> summary([])
    '0 videos: 0 usable, 0 to look at, 0 unusable'
    """
    levels = Counter(verdict.level for verdict in verdicts)
    return (
        f"{levels.total()} videos: {levels['use']} usable, {levels['look']} to look at, "
        f"{levels['unusable']} unusable"
    )


def _heading(parts: tuple[str, ...]) -> Iterator[str]:
    yield " " * 44 + "".join(f"{name:>20}" for name in parts)
    columns = "".join(f"{'missing':>9}{'gap':>5}{'jit':>6}" for _ in parts)
    yield f"{'video':<24}{'frames':>7}{'sec':>8}{'fps':>5}{columns}  ledger | verdict"


def _row(verdict: VideoVerdict, quality: VideoQuality) -> str:
    time = f"{quality.seconds:8.1f}{quality.rate:5.0f}" if quality.timed else f"{'?':>8}{'?':>5}"
    columns = "".join(
        f"{100 * q.missing:8.1f}%{q.longest_gap:5}"
        + (f"{'-':>6}" if math.isnan(q.jitter) else f"{1000 * q.jitter:6.1f}")
        for q in quality.parts.values()
    )
    level = f"{verdict.level}: {verdict.reasons}" if verdict.findings else verdict.level
    return f"{verdict.video:<24}{quality.frames:7}{time}{columns}  {_notes(quality)} | {level}"


def _notes(quality: VideoQuality) -> str:
    plain = sum(quality.ledger[name] for name in _PLAIN)
    counts = {
        name: count
        for name, count in quality.ledger.items()
        if not (name in _PLAIN and plain == quality.frames)
    }
    counts["never yielded"] = quality.unyielded
    counts.update({f"{limb} swaps": count for limb, count in quality.swaps.items()})
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "clean"
