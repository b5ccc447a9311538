"""How good the poses of a store are: what is missing, for how long, and how much they shake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.io.store import PoseStore
from mgpose.structures import (
    UPPER_BODY_HANDS_FACE,
    FrameFlag,
    PoseSequence,
    Skeleton,
    convert,
    ledger_totals,
)
from mgpose.structures.conversion import LAYOUT_MAPS


@dataclass(frozen=True)
class PartQuality:
    """Quality of one part of the body over one video.

    Args:
        missing: share of its keypoints not detected, in [0, 1].
        longest_gap: longest run of frames in which none of it was detected.
        jitter: noise of a coordinate from frame to frame, in units of the skeleton's scale
            (shoulder widths for the upper body); NaN where it cannot be told.
    """

    missing: float
    longest_gap: int
    jitter: float


def part_qualities(sequence: PoseSequence) -> dict[str, PartQuality]:
    """Quality by part name; a skeleton without parts counts as one, ``"all"``.

    Jitter is the median absolute second difference of the coordinates over time, scaled to the
    standard deviation of white noise that would give it. Slow motion leaves no second difference;
    a part that moves fast throughout has a higher figure than its noise.
    """
    skeleton = sequence.skeleton
    unit = _scale(sequence)
    parts = skeleton.parts or {"all": skeleton.keypoints}
    return {
        name: _part_quality(sequence, skeleton.indices(tuple(keypoints)), unit)
        for name, keypoints in parts.items()
    }


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def quality_table(store: PoseStore) -> Iterator[str]:
    """A text table, a line a video: frames, seconds, rate; for each part missing percent, longest
    gap in frames and jitter in thousandths of the scale; and what the ledger counts.
    """
    shown: tuple[str, ...] = ()
    for video_id, sequence in store.items():
        sequence = _readable(sequence)
        qualities = part_qualities(sequence)
        if tuple(qualities) != shown:
            shown = tuple(qualities)
            yield from _heading(shown)
        unyielded = store.header(video_id).provenance.frames_unyielded
        yield _row(video_id, sequence, qualities, unyielded)


def _part_quality(
    sequence: PoseSequence, points: npt.NDArray[np.int64], unit: float
) -> PartQuality:
    detected = sequence.detected[:, points]
    turns = np.diff(sequence.keypoints[:, points].astype(np.float64), 2, axis=0)
    turns = np.abs(turns[np.isfinite(turns)])
    # The second difference of white noise has variance 6; its median absolute value is 0.6745 sd.
    noise = float(np.median(turns)) / (0.6745 * np.sqrt(6)) if turns.size else np.nan
    return PartQuality(
        missing=1 - float(detected.mean()),
        longest_gap=longest_run(np.asarray(~detected.any(axis=1))),
        jitter=noise / unit,
    )


def _scale(sequence: PoseSequence) -> float:
    """Median unit of length of the skeleton's canonical frame; NaN where it has none."""
    canonical = sequence.skeleton.canonical
    if canonical is None:
        return float("nan")
    a, b = (
        sequence.keypoints[:, sequence.skeleton.indices(group)].mean(1) for group in canonical.scale
    )
    lengths = np.linalg.norm(a - b, axis=-1)
    lengths = lengths[np.isfinite(lengths) & (lengths > 0)]
    return float(np.median(lengths)) if lengths.size else float("nan")


def _readable(sequence: PoseSequence) -> PoseSequence:
    """The sequence in the model layout where a map to it exists."""
    model: Skeleton = UPPER_BODY_HANDS_FACE
    if (sequence.skeleton.name, model.name) in LAYOUT_MAPS:
        return convert(sequence, model)
    return sequence


def _heading(parts: tuple[str, ...]) -> Iterator[str]:
    yield " " * 44 + "".join(f"{name:>20}" for name in parts)
    columns = "".join(f"{'missing':>9}{'gap':>5}{'jit':>6}" for _ in parts)
    yield f"{'video':<24}{'frames':>7}{'sec':>8}{'fps':>5}{columns}  ledger"


def _row(
    video_id: str, sequence: PoseSequence, qualities: dict[str, PartQuality], unyielded: int
) -> str:
    frames = len(sequence)
    timed = sequence.time_source != "index" and frames > 1
    seconds = float(sequence.time[-1] - sequence.time[0]) if timed else 0.0
    time = f"{seconds:8.1f}{(frames - 1) / seconds:5.0f}" if timed else f"{'?':>8}{'?':>5}"
    columns = "".join(
        f"{100 * q.missing:8.1f}%{q.longest_gap:5}"
        + (f"{1000 * q.jitter:6.1f}" if np.isfinite(q.jitter) else f"{'-':>6}")
        for q in qualities.values()
    )
    totals = ledger_totals(sequence.ledger)
    plain = sum(totals[str(f.name).lower()] for f in (FrameFlag.DECODED, FrameFlag.IMPORTED))
    notes = [
        f"{count} {name}"
        for name, count in totals.items()
        if count and not (name in ("decoded", "imported") and plain == frames)
    ]
    notes += [f"{unyielded} never yielded"] if unyielded else []
    return f"{video_id:<24}{frames:7}{time}{columns}  {', '.join(notes) or 'clean'}"
