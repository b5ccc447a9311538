"""How good the poses of a video are: what is missing, for how long, how much they shake, and more.

The measures come from a few numbers a frame (``mgpose.data.quality_frames``), so of a video of
hours one block of keypoints is in memory, and some 100 bytes a frame: 18 MB for two hours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.data.left_right_swaps import swaps
from mgpose.data.quality_frames import FrameSeries, read_series
from mgpose.io.pose_file import PoseHeader
from mgpose.io.store import PoseStore
from mgpose.structures import Skeleton, ledger_totals

FloatArray = npt.NDArray[np.float64]

_BINS = 120
_IRREGULAR = 0.5  # of the usual interval between frames
_NOMINAL_RATE = 25.0  # frames a second, where the rate is unknown
# The second difference of white noise has variance 6; its median absolute value is 0.6745 sd.
_MEDIAN_TURN = 0.6745 * np.sqrt(6)


@dataclass(frozen=True)
class PartQuality:
    """Quality of one part of the body over one video.

    Args:
        missing: share of its keypoints not detected, in [0, 1].
        longest_gap: longest run of frames in which none of it was detected.
        longest_gap_seconds: the same in seconds; where the rate is unknown, at 25 frames/s.
        jitter: noise of a coordinate from frame to frame, in units of the skeleton's scale
            (shoulder widths for the upper body); NaN where it cannot be told. It is the median
            absolute second difference of the coordinates, scaled to the standard deviation of
            white noise that would give it: slow motion leaves no second difference, and a part
            that moves fast throughout has a higher figure than its noise.
        outside: share of its detected keypoints that lie outside the picture, where an estimator
            guesses; NaN where no picture is known or nothing was detected.
    """

    missing: float
    longest_gap: int
    longest_gap_seconds: float
    jitter: float
    outside: float


@dataclass(frozen=True, eq=False)
class Curves:
    """One video in at most 120 pieces of equal numbers of frames, to be drawn.

    Args:
        edges: (B + 1,) seconds since the first frame, or frames where the rate is unknown.
        missing: (B, P) mean share of each part's keypoints not detected.
        speed, peak: (B, P) mean and highest speed of each part, in scales per second (or frame).
        flags: (B,) the ledger's flags that occur.
        swapped: (B,) whether left and right change places.
        thumbnails: (N, V, D) keypoints of a few frames, in the unit of ``picture``.
        thumbnail_times: (N,) as ``edges``.
        picture: (width, height), None where no picture is known.
    """

    edges: FloatArray
    missing: npt.NDArray[np.float32]
    speed: npt.NDArray[np.float32]
    peak: npt.NDArray[np.float32]
    flags: npt.NDArray[np.uint16]
    swapped: npt.NDArray[np.bool_]
    thumbnails: npt.NDArray[np.float32]
    thumbnail_times: FloatArray
    picture: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class VideoQuality:
    """All measures of one video.

    Args:
        skeleton: layout in which the poses were looked at.
        frames: T.
        timed: whether the frame rate is known; without it ``seconds`` and ``rate`` are NaN.
        seconds: from the first frame to the last.
        rate: mean frames a second.
        irregular: share of the intervals between frames that differ from the median one by more
            than half of it; NaN unless the time stamps are the container's own.
        parts: part name -> quality; parts that the source's layout cannot hold are left out.
        scale: median length of the skeleton's scale, in ``scale_unit``; NaN where not seen.
        scale_name: ``"shoulder width"`` or ``"torso length"``.
        scale_unit: ``"pixel"``, ``"metre"``, or ``"picture"`` (fractions of a picture of unknown
            size).
        scale_share: the scale as share of the picture's width; NaN where no picture is known.
        cut: share of the frames in which a point of head or shoulders lies outside the picture.
        swaps: limb -> times that its left and right change places; empty where it cannot be told.
        ledger: frames by flag, see :class:`FrameFlag`.
        unyielded: frames that the container announced and never yielded.
        curves: what is drawn.
    """

    skeleton: Skeleton
    frames: int
    timed: bool
    seconds: float
    rate: float
    irregular: float
    parts: Mapping[str, PartQuality]
    scale: float
    scale_name: str
    scale_unit: str
    scale_share: float
    cut: float
    swaps: Mapping[str, int]
    ledger: Mapping[str, int]
    unyielded: int
    curves: Curves

    @property
    def watched(self) -> bool:
        """Whether the ledger tells of people and pictures: not so for imported poses."""
        return self.ledger["imported"] < self.frames


def measure_video(
    store: PoseStore, video: str, progress: Callable[[int], object] = lambda frames: None
) -> VideoQuality:
    """The quality of one video; ``progress`` is called with the number of further frames read.

    Raises:
        InputError: when its file is damaged or not ours.
    """
    return quality_of(read_series(store, video, progress), store.header(video))


def quality_of(series: FrameSeries, header: PoseHeader) -> VideoQuality:
    """The quality of a video, from its numbers a frame and its header."""
    frames, view = len(series.time), series.view
    timed = header.time_source != "index" and frames > 1
    seconds = float(series.time[-1] - series.time[0]) if timed else np.nan
    rate = (frames - 1) / seconds if timed else np.nan
    scale = _median(series.scale)
    in_fractions = header.unit == "normalised" and header.frame_size is None
    found = {limb: swaps(lengths, scale) for limb, lengths in series.limbs.items()}
    return VideoQuality(
        skeleton=view.skeleton,
        frames=frames,
        timed=timed,
        seconds=seconds,
        rate=rate,
        irregular=_irregular(series.time) if header.time_source == "container" else np.nan,
        parts={
            name: _part(series, i, scale, rate if timed else _NOMINAL_RATE)
            for i, name in enumerate(view.parts)
        },
        scale=scale,
        scale_name=scale_name(view.skeleton),
        scale_unit={"metre": "metre"}.get(header.unit, "picture" if in_fractions else "pixel"),
        scale_share=scale / view.picture[0] if view.picture else np.nan,
        cut=float(series.cut.mean()) if view.picture else np.nan,
        swaps={limb: int(f.sum()) for limb, f in found.items()} if np.isfinite(scale) else {},
        ledger=ledger_totals(series.ledger),
        unyielded=header.provenance.frames_unyielded,
        curves=_curves(series, scale, np.any([*found.values(), np.zeros(frames, bool)], axis=0)),
    )


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def scale_name(skeleton: Skeleton) -> str:
    """What the unit of the skeleton's canonical frame is: shoulder width or torso length."""
    ends = skeleton.canonical.scale if skeleton.canonical else ()
    between_shoulders = all(k.endswith("_shoulder") for group in ends for k in group)
    return "shoulder width" if between_shoulders else "torso length"


def _part(series: FrameSeries, part: int, scale: float, rate: float) -> PartQuality:
    gap = longest_run(series.missing[:, part] == 1)
    detected = int(series.detected[:, part].sum(dtype=np.int64))
    outside = int(series.outside[:, part].sum(dtype=np.int64))
    known = series.view.picture is not None and detected > 0
    return PartQuality(
        missing=float(series.missing[:, part].mean(dtype=np.float64)),
        longest_gap=gap,
        longest_gap_seconds=gap / rate,
        jitter=_median(series.shake[:, part]) / _MEDIAN_TURN / scale,
        outside=outside / detected if known else np.nan,
    )


def _median(values: npt.NDArray[np.floating]) -> float:
    """Median of what is finite; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _irregular(time: FloatArray) -> float:
    intervals = np.diff(time)
    if not intervals.size:
        return float("nan")
    usual = np.median(intervals)
    return float((np.abs(intervals - usual) > _IRREGULAR * usual).mean())


def _curves(series: FrameSeries, scale: float, swapped: npt.NDArray[np.bool_]) -> Curves:
    frames = len(series.time)
    starts = np.unique((np.arange(_BINS) * frames / _BINS).astype(np.int64))
    sizes = np.diff(np.append(starts, frames))[:, None]
    speed = series.speed / np.float32(scale)
    known = np.isfinite(speed)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    totals = np.add.reduceat(np.where(known, speed, 0), starts)
    time = series.time - series.time[0]
    last = time[-1] + (time[-1] / (frames - 1) if frames > 1 else 1)
    return Curves(
        edges=np.append(time[starts], last),
        missing=(np.add.reduceat(series.missing, starts) / sizes).astype(np.float32),
        speed=np.where(counts > 0, totals / np.maximum(counts, 1), np.nan).astype(np.float32),
        peak=np.fmax.reduceat(speed, starts),
        flags=np.bitwise_or.reduceat(series.ledger, starts),
        swapped=np.logical_or.reduceat(swapped, starts),
        thumbnails=series.thumbnails,
        thumbnail_times=time[series.thumbnail_frames],
        picture=series.view.picture,
    )
