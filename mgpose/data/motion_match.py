"""Footage that occurs twice, found by its motion: two videos that move alike in time.

Re-encoding, another id, a cut or an offset leave the motion of a person as it was; posture says
little, since a seated person looks alike in all of his videos. So a video becomes the velocities of
a few keypoints (:class:`MotionTrack`). Its moments of most motion are anchors, which a copy has
too, wherever it was cut. The window about an anchor becomes a short descriptor; scikit-learn finds
for each the nearest ones of the other videos, and only these pairs are compared in full: aligned in
time, over as long a stretch as both share. Their likeness is the cosine of the two stretches of
velocities, and how much of it is needed depends on how long they are (:data:`LEAST_LIKENESS`).

What it does not find: a mirrored copy, another pace, another camera on the same scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from mgpose.structures import PoseSequence, Skeleton, convert
from mgpose.structures.canonical import canonicalise

FloatArray = npt.NDArray[np.float32]

RATE = 25.0  # Hz; a sequence of unknown rate counts as one of this rate
_SMOOTHING = 2.0  # frames, of the velocities that are compared
_COARSE = 4.0  # frames, of the velocities of anchors and descriptors
_HALF_WINDOW = 20  # frames on either side of an anchor: 1.6 s in all
_STEP = 4  # frames between the samples of a descriptor
_MOST_SPEED = 10.0  # units a second; what is faster is an outlier of the estimator
_LONGEST_GAP = 12  # frames that a missing keypoint is bridged
_DIMENSIONS = 24  # of a descriptor, for the search
_NEIGHBOURS = 8
_LIKELY = 0.5  # cosine of two descriptors from which a pair is compared in full
_LONG = 60.0  # seconds; a longer video has an anchor in five seconds at most, or they are too many
_LAGS = 10  # frames by which two anchors of one event may differ
_EDGE = 4  # frames, two standard deviations of the smoothing
_REACH = 75  # frames on either side of the anchor that are compared: 6 s in all

# Frames that two videos share, and the likeness from which they are one footage. Measured on real
# sets: two performances of one sign by one person in one sitting reach .9955 over 30 frames (KSL-13
# and holistic-signs), those of different people .969; other performances of NW-UCLA .952 over 25
# frames and more, .934 over 45; strongly re-encoded, trimmed and newly extracted videos of signs
# keep .983 to .99 over 36 to 56. So below a second and a half only the same poses are a copy, above
# it newly estimated ones are, too.
LEAST_LIKENESS = ((75, 0.92), (60, 0.94), (40, 0.97), (25, 0.998), (12, 0.999), (5, 0.9999))

# Which keypoints tell the motion of a seated person; all of them where a layout has other ones.
_UPPER_BODY = (
    "nose",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)


@dataclass(frozen=True, eq=False)
class MotionTrack:
    """One video's motion at 25 Hz.

    Args:
        fine: (N, C) velocities in units of the skeleton's scale a second, 0 where unknown.
        coarse: (N, C) the same, smoother.
    """

    fine: FloatArray
    coarse: FloatArray

    def __len__(self) -> int:
        return len(self.fine)


def motion_track(sequence: PoseSequence, skeleton: Skeleton) -> MotionTrack | None:
    """The motion of a sequence, None where the skeleton's scale is never seen."""
    keypoints = convert(sequence, skeleton).keypoints[..., : skeleton.dims]
    if sequence.unit == "normalised" and sequence.frame_size is not None:
        keypoints = keypoints * np.array(sequence.frame_size, dtype=np.float32)
    if skeleton.canonical is not None and skeleton.canonical.facing:
        # The facing is that of a first frame, which a cut changes.
        skeleton = replace(skeleton, canonical=replace(skeleton.canonical, facing=()))
    try:
        keypoints = canonicalise(keypoints, skeleton)
    except ValueError:
        return None
    chosen = _UPPER_BODY if set(_UPPER_BODY) <= set(skeleton.keypoints) else skeleton.keypoints
    keypoints = keypoints[:, skeleton.indices(chosen)]
    pose, known = _at_rate(keypoints.reshape(len(keypoints), -1), _seconds(sequence))
    filled = np.where(np.isnan(pose), 0, pose)

    def velocity(sigma: float) -> FloatArray:
        slope = gaussian_filter1d(filled, sigma, axis=0, order=1, mode="nearest") * RATE
        return np.where(known, np.clip(slope, -_MOST_SPEED, _MOST_SPEED), 0).astype(np.float32)

    return MotionTrack(velocity(_SMOOTHING), velocity(_COARSE))


def _seconds(sequence: PoseSequence) -> npt.NDArray[np.float64]:
    time: npt.NDArray[np.float64] = sequence.time - sequence.time[0]
    return time / RATE if sequence.time_source == "index" else time


def _at_rate(
    values: FloatArray, time: npt.NDArray[np.float64]
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """(N, C) values on a grid of 25 Hz, gaps bridged by lines, and which ones are known."""
    grid = np.arange(int(np.floor(time[-1] * RATE + 1e-6)) + 1) / RATE
    out = np.full((len(grid), values.shape[1]), np.nan, np.float32)
    known = np.zeros(out.shape, bool)
    for c in range(values.shape[1]):
        seen = np.isfinite(values[:, c])
        if seen.sum() < 2:
            continue
        at = time[seen]
        out[:, c] = np.interp(grid, at, values[seen, c])
        after = np.searchsorted(at, grid, side="left").clip(1, len(at) - 1)
        gap = at[after] - at[after - 1]
        inside = (grid >= at[0] - 1e-9) & (grid <= at[-1] + 1e-9)
        known[:, c] = inside & (gap <= _LONGEST_GAP / RATE + 1e-9)
    return out, known


def anchors(track: MotionTrack) -> npt.NDArray[np.int64]:
    """Frames of most motion, a second or more apart, five seconds in videos over a minute."""
    energy = np.square(track.coarse).sum(1)
    energy = np.pad(gaussian_filter1d(energy, _COARSE), 1)  # a peak may lie at either end
    apart = RATE if len(track) <= _LONG * RATE else 5 * RATE
    peaks = find_peaks(energy, distance=apart)[0] - 1
    return np.asarray(peaks, np.int64)


def descriptors(track: MotionTrack, at: npt.NDArray[np.int64]) -> FloatArray:
    """(len(at), D) unit vectors: coarse velocities about each frame, 0 beyond the ends."""
    offsets = np.arange(-_HALF_WINDOW, _HALF_WINDOW + 1, _STEP)
    padded = np.pad(track.coarse, ((_HALF_WINDOW, _HALF_WINDOW), (0, 0)))
    windows = padded[at[:, None] + _HALF_WINDOW + offsets].reshape(len(at), -1)
    length = np.linalg.norm(windows, axis=1, keepdims=True)
    units: FloatArray = (windows / np.maximum(length, 1e-9)).astype(np.float32)
    return units


@dataclass(frozen=True)
class Likeness:
    """How alike two stretches of motion are.

    Args:
        value: cosine of the velocities, 1 for a copy.
        frames: length of the shared stretch at 25 Hz.
    """

    value: float
    frames: int

    @property
    def margin(self) -> float:
        """How far the likeness lies above the least that its length needs; < 0 for two footages."""
        least = (value for frames, value in LEAST_LIKENESS if self.frames >= frames)
        return self.value - next(least, np.inf)


def likeness(a: MotionTrack, i: int, b: MotionTrack, j: int) -> Likeness | None:
    """Of the two videos about frame ``i`` of one and ``j`` of the other, at the best offset.

    None where they have less than five frames in common, or no motion there.
    """
    best: Likeness | None = None
    for lag in range(-_LAGS, _LAGS + 1):
        k = j + lag
        first, last = max(-_REACH, -i, -k), min(_REACH, len(a) - i, len(b) - k)
        # Where one video was cut and the other goes on, smoothing has made them differ.
        first += _EDGE * (max(-i, -k) == first and i != k)
        last -= _EDGE * (min(len(a) - i, len(b) - k) == last and len(a) - i != len(b) - k)
        if last - first < LEAST_LIKENESS[-1][0]:
            continue
        x, y = a.fine[i + first : i + last].ravel(), b.fine[k + first : k + last].ravel()
        size = float(np.sqrt((x @ x) * (y @ y)))
        if size == 0:
            continue
        found = Likeness(float(x @ y) / size, int(last - first))
        if best is None or found.margin > best.margin:
            best = found
    return best


@dataclass(frozen=True)
class Match:
    """Two videos of one footage: ``a`` of the first group, ``b`` of the second."""

    a: str
    b: str
    likeness: Likeness


def find_matches(
    first: Mapping[str, MotionTrack], second: Mapping[str, MotionTrack], least_margin: float = 0.0
) -> list[Match]:
    """Pairs of a video of ``first`` and one of ``second`` that show the same motion.

    Args:
        first: video id -> its motion; usually train.
        second: the same; usually test. Videos that stand in both are not compared to themselves.
        least_margin: the margin from which a pair is told; below 0 also pairs that are no match,
            for studies of the threshold.

    Returns:
        The pairs, most alike first; of each its best stretch.
    """
    index, asked = _AnchorTable.of(first), _AnchorTable.of(second)
    if not len(index.at) or not len(asked.at):
        return []
    both = np.concatenate((index.descriptors, asked.descriptors))
    if min(both.shape) > _DIMENSIONS:
        both = PCA(_DIMENSIONS, svd_solver="covariance_eigh").fit_transform(both)
    known, query = both[: len(index.at)], both[len(index.at) :]
    search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(known)), algorithm="brute")
    near = search.fit(known).kneighbors(query, return_distance=False)
    best: dict[tuple[str, str], Likeness] = {}
    for row, neighbours in enumerate(near):
        for column in neighbours:
            pair = index.videos[index.owner[column]], asked.videos[asked.owner[row]]
            if pair[0] == pair[1]:
                continue
            if index.descriptors[column] @ asked.descriptors[row] < _LIKELY:
                continue
            at = int(index.at[column]), int(asked.at[row])
            found = likeness(first[pair[0]], at[0], second[pair[1]], at[1])
            if found is None or found.margin < least_margin:
                continue
            if pair not in best or found.margin > best[pair].margin:
                best[pair] = found
    matches = [Match(a, b, found) for (a, b), found in best.items()]
    return sorted(matches, key=lambda m: (-m.likeness.value, m.a, m.b))


@dataclass(frozen=True, eq=False)
class _AnchorTable:
    """Anchors of some videos: (N,) index of the video, (N,) frame, (N, D) descriptor."""

    videos: tuple[str, ...]
    owner: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    descriptors: FloatArray

    @classmethod
    def of(cls, tracks: Mapping[str, MotionTrack]) -> _AnchorTable:
        videos = tuple(tracks)
        at = [anchors(tracks[video]) for video in videos]
        rows = [descriptors(tracks[v], a) for v, a in zip(videos, at, strict=True) if len(a)]
        owner = np.repeat(np.arange(len(videos)), [len(a) for a in at])
        return cls(
            videos,
            owner,
            np.concatenate(at) if at else np.zeros(0, np.int64),
            np.concatenate(rows) if rows else np.zeros((0, 1), np.float32),
        )
