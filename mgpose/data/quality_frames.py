"""A few numbers a frame: all that the quality measures of a video need, read block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.data.left_right_swaps import REACH, keep_and_exchange, limb_pairs
from mgpose.io.pose_file import PoseHeader
from mgpose.io.store import PoseStore
from mgpose.structures import PoseSequence, Skeleton, convert
from mgpose.structures.conversion import LAYOUT_MAPS, viewed_as

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK_FRAMES = 1024
_LEAD = max(2, REACH)  # frames before a block on which its first numbers depend
_THUMBNAILS = 6
_HEAD_AND_SHOULDERS = ("nose", "eye", "ear", "shoulder")


@dataclass(frozen=True, eq=False)
class FrameSeries:
    """Numbers a frame of one video; some 100 bytes, whatever the number of keypoints.

    Lengths are in pixels, in fractions of the frame where its size is unknown, or in metres.

    Args:
        view: in which layout and picture the poses were read.
        time: (T,) seconds, or frame numbers where the rate is unknown.
        ledger: (T,) of :class:`FrameFlag`.
        scale: (T,) length of the skeleton's scale, NaN where not seen.
        missing: (T, P) share of each part's keypoints that were not detected.
        outside: (T, P) keypoints of each part that lie outside the picture.
        detected: (T, P) keypoints of each part that were detected.
        cut: (T,) whether a detected point of head or shoulders lies outside the picture.
        speed: (T, P) mean way of a part's keypoints since the frame before, per second or frame.
        shake: (T, P) median absolute second difference of a part's coordinates.
        limbs: limb -> (T, 2), see :func:`keep_and_exchange`.
        thumbnails: (N, V, D) the keypoints of a few frames, evenly spaced.
        thumbnail_frames: (N,) which frames these are.
    """

    view: View
    time: FloatArray
    ledger: npt.NDArray[np.uint16]
    scale: npt.NDArray[np.float32]
    missing: npt.NDArray[np.float32]
    outside: npt.NDArray[np.int16]
    detected: npt.NDArray[np.int16]
    cut: npt.NDArray[np.bool_]
    speed: npt.NDArray[np.float32]
    shake: npt.NDArray[np.float32]
    limbs: Mapping[str, npt.NDArray[np.float32]]
    thumbnails: npt.NDArray[np.float32]
    thumbnail_frames: IntArray


@dataclass(frozen=True)
class View:
    """How the poses of one file are looked at.

    Args:
        skeleton: the model layout where a map to it exists, else the file's own.
        parts: part name -> positions of the keypoints that the file's layout can hold; a part
            that it cannot hold is left out. A skeleton without parts counts as one, ``"all"``.
        picture: (width, height) in the unit of ``to_picture``; None where no picture is known.
        to_picture: what coordinates are multiplied by, so that x and y have one unit.
    """

    skeleton: Skeleton
    parts: Mapping[str, IntArray]
    picture: tuple[float, float] | None
    to_picture: tuple[float, ...]

    @classmethod
    def of(cls, header: PoseHeader, skeleton: Skeleton) -> View:
        """The view of a file, given its header and the skeleton of its keypoints."""
        target = viewed_as(skeleton)
        layout = LAYOUT_MAPS.get((skeleton.name, target.name))
        absent = set(layout.absent) if layout else set()
        parts = {
            name: target.indices(tuple(k for k in keypoints if k not in absent))
            for name, keypoints in (target.parts or {"all": target.keypoints}).items()
        }
        dims = min(header.dims, target.dims)
        size, factors = header.frame_size, (1.0,) * dims
        if header.unit == "normalised":
            # Fractions of width and height are different lengths; pixels are not.
            factors = (*(size or (1.0, 1.0)), 1.0)[:dims]
            size = size or (1, 1)
        return cls(
            skeleton=target,
            parts={name: points for name, points in parts.items() if points.size},
            picture=size if header.unit != "metre" else None,
            to_picture=tuple(map(float, factors)),
        )


def read_series(
    store: PoseStore, video: str, progress: Callable[[int], object] = lambda frames: None
) -> FrameSeries:
    """The numbers of one video; one block of keypoints is in memory at a time.

    Args:
        store: the store.
        video: id of the video.
        progress: called with the number of further frames read.

    Raises:
        InputError: when the file is damaged or not ours.
    """
    header = store.header(video)
    view = View.of(header, store.read_window(video, 0, 1).skeleton)
    chosen = _evenly(header.frames, _THUMBNAILS)
    joined: dict[str, npt.NDArray[Any]] = {}
    thumbnails = []
    for start in range(0, header.frames, _BLOCK_FRAMES):
        stop = min(start + _BLOCK_FRAMES, header.frames)
        lead = min(start, _LEAD)
        window = store.read_window(video, start - lead, stop)
        points = _points(window, view)
        numbers = _numbers(window, points, view)
        for name, values in numbers.items():
            if name not in joined:
                joined[name] = np.empty((header.frames, *values.shape[1:]), values.dtype)
            joined[name][start:stop] = values[lead:]
        thumbnails.append(points[chosen[(chosen >= start) & (chosen < stop)] - start + lead])
        progress(stop - start)
    limbs = {name: joined.pop(name) for name in limb_pairs(view.skeleton)}
    return FrameSeries(
        view=view,
        limbs=limbs,
        thumbnails=np.concatenate(thumbnails).astype(np.float32),
        thumbnail_frames=chosen,
        **joined,
    )


def _points(window: PoseSequence, view: View) -> FloatArray:
    """(T, V, D) coordinates of one unit of length."""
    keypoints = convert(window, view.skeleton).keypoints
    factors = np.array(view.to_picture)
    scaled: FloatArray = keypoints[..., : len(factors)].astype(np.float64) * factors
    return scaled


def _numbers(window: PoseSequence, points: FloatArray, view: View) -> dict[str, Any]:
    """The arrays of :class:`FrameSeries`, by name, for one window."""
    detected = np.isfinite(points[..., 0])
    outside: npt.NDArray[np.bool_] = np.zeros(detected.shape, dtype=bool)
    if view.picture is not None:
        place = points[..., :2]
        # Comparisons with NaN are false: what was not detected is not outside.
        outside = np.any((place < 0) | (place > np.array(view.picture)), axis=-1)
    steps = np.linalg.norm(np.diff(points, axis=0, prepend=np.nan), axis=-1)
    if window.time_source != "index":
        steps /= np.diff(window.time, prepend=np.nan)[:, None]
    turns = np.full_like(points, np.nan)
    turns[2:] = np.abs(np.diff(points, 2, axis=0))
    numbers = {
        "time": window.time,
        "ledger": window.ledger,
        "scale": _scale(points, view.skeleton).astype(np.float32),
        "missing": _by_part(view, lambda p: 1 - detected[:, p].mean(1)).astype(np.float32),
        "outside": _by_part(view, lambda p: outside[:, p].sum(1)).astype(np.int16),
        "detected": _by_part(view, lambda p: detected[:, p].sum(1)).astype(np.int16),
        "cut": outside[:, _head_and_shoulders(view.skeleton)].any(1),
        "speed": _by_part(view, lambda p: _row_means(steps[:, p])).astype(np.float32),
        "shake": _by_part(view, lambda p: _row_medians(turns[:, p])).astype(np.float32),
    }
    for limb, (left, right) in limb_pairs(view.skeleton).items():
        numbers[limb] = keep_and_exchange(points, left, right).astype(np.float32)
    return numbers


def _by_part(view: View, measure: Any) -> npt.NDArray[Any]:
    return np.stack([measure(points) for points in view.parts.values()], axis=1)


def _scale(points: FloatArray, skeleton: Skeleton) -> FloatArray:
    if skeleton.canonical is None:
        return np.full(len(points), np.nan)
    a, b = (points[:, skeleton.indices(group)].mean(1) for group in skeleton.canonical.scale)
    lengths: FloatArray = np.linalg.norm(a - b, axis=-1)
    return np.where(lengths > 0, lengths, np.nan)


def _head_and_shoulders(skeleton: Skeleton) -> IntArray:
    names = [k for k in skeleton.keypoints if k.split("_")[-1] in _HEAD_AND_SHOULDERS]
    return skeleton.indices(tuple(names))


def _row_means(values: FloatArray) -> FloatArray:
    """(T,) mean of what is finite in each row; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(1)
    total = np.where(known, values, 0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _row_medians(values: FloatArray) -> FloatArray:
    """(T,) median of what is finite in each row; NaN where nothing is."""
    ordered = np.sort(values.reshape(len(values), -1), axis=1)  # NaN goes to the end
    count = np.isfinite(ordered).sum(1)
    rows = np.arange(len(ordered))
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, ordered.shape[1] - 1)
    medians: FloatArray = (ordered[rows, low] + ordered[rows, high]) / 2
    return medians


def _evenly(frames: int, count: int) -> IntArray:
    """Middles of ``count`` equal pieces of the video, fewer where it has fewer frames."""
    count = min(count, frames)
    return ((np.arange(count) + 0.5) * frames / count).astype(np.int64)
