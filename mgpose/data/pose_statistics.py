"""Statistics of raw poses: how keypoints move, and how often and how surely they are seen.

Nothing is filtered or filled. Lengths are in the unit of the clip's canonical frame, which is the
median shoulder width for the model layout and the torso for Kinect, so neither the place nor the
size of the person nor the resolution counts. Videos need not share a frame rate: speed is per
frame, and per second too where the rate is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from mgpose.data.filtering import remove_jumps
from mgpose.data.quality_frames import View
from mgpose.io.store import PoseStore
from mgpose.structures import InputError, PoseSequence, Skeleton, convert
from mgpose.structures.canonical import canonicalise
from mgpose.structures.layouts import HAND_KEYPOINTS

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Groups = Mapping[str, IntArray]

LOW_SCORE = 0.3
SYNTHETIC = "synthetic"  # the estimator that a generated store names
_GROUPS = ("all", "nose", "fingertips", "upper_body")
_FRAMES = 1500  # a minute at 25 frames a second
_VALUES = 400_000  # of one kind kept for a group: quantiles to a per mille, 2 MB


@dataclass(frozen=True, eq=False)
class GroupStatistics:
    """A group of P keypoints over C clips; where a store is large, values are a random draw.

    Args:
        frames: (C,) frames of each clip.
        keypoints: (C,) keypoints looked at, frames times P.
        detected: (C,) those that were detected.
        low: (C,) those with a score below 0.3, the missing ones included.
        jumps: (C,) detected keypoints that jump away for a single frame, see
            :func:`mgpose.data.filtering.remove_jumps`.
        runs: (R,) lengths in frames of the runs in which none of the group was detected; a run
            is cut at the ends of the clip.
        speed: (N,) way from frame to frame, shoulder widths a frame.
        speed_second: (N,) the same in shoulder widths a second; empty where the rate is unknown.
        jerk: (N,) length of the third difference, shoulder widths a frame^3.
        score: (N,) scores of detected keypoints, in [0, 1].
    """

    frames: IntArray
    keypoints: IntArray
    detected: IntArray
    low: IntArray
    jumps: IntArray
    runs: IntArray
    speed: FloatArray
    speed_second: FloatArray
    jerk: FloatArray
    score: FloatArray

    @property
    def missing_by_clip(self) -> npt.NDArray[np.float64]:
        """(C,) share of the keypoints of each clip that were not detected."""
        return 1 - self.detected / self.keypoints

    @property
    def missing(self) -> float:
        """Share of the keypoints that were not detected."""
        return 1 - _share(self.detected, self.keypoints)

    @property
    def low_score(self) -> float:
        """Share of the keypoints with a score below 0.3, the missing ones included."""
        return _share(self.low, self.keypoints)

    @property
    def absent(self) -> float:
        """Share of the frames in which none of the group was detected."""
        return _share(self.runs, self.frames)

    @property
    def jumping(self) -> float:
        """Share of the detected keypoints that jump away for a single frame."""
        return _share(self.jumps, self.detected)


@dataclass(frozen=True, eq=False)
class PoseStatistics:
    """Statistics of the clips of one store.

    Args:
        skeleton: the layout in which the poses were looked at.
        parts: part -> statistics; parts that the source's layout cannot hold are left out.
        groups: ``"all"`` and, where the layout has them, ``"nose"``, ``"fingertips"`` and
            ``"upper_body"`` (the body without the hips).
        clips: C.
        rate: median frames a second; NaN where unknown.
        synthetic: whether any video comes from a generator.
    """

    skeleton: Skeleton
    parts: Mapping[str, GroupStatistics]
    groups: Mapping[str, GroupStatistics]
    clips: int
    rate: float
    synthetic: bool

    def headline(self) -> dict[str, float]:
        """The numbers that are quoted of a set of poses; NaN for a group that is not there.

        Steps are in shoulder widths a frame. ``"... low"`` is the share of keypoints with a score
        below 0.3, the missing ones included; empty frames show no keypoint at all.
        """
        speed = {name: group.speed for name, group in self.groups.items()}
        seen = {**self.groups, **self.parts}
        low = ("left_hand", "right_hand", "face", "upper_body")
        return {
            "nose step p50": quantile(speed.get("nose", ()), 0.5),
            "fingertip step p50": quantile(speed.get("fingertips", ()), 0.5),
            "fingertip step p99": quantile(speed.get("fingertips", ()), 0.99),
            **{f"{name} low": seen[name].low_score if name in seen else np.nan for name in low},
            "empty frames": self.groups["all"].absent,
        }


def quantile(values: npt.ArrayLike, q: float) -> float:
    """The quantile; NaN of nothing.

    >>> quantile([1.0, 2.0, 4.0], 0.5)
    2.0
    """
    known = np.asarray(values)
    return float(np.quantile(known, q)) if known.size else float("nan")


def store_statistics(
    store: PoseStore,
    skeleton: Skeleton,
    videos: int = 200,
    frames: int = _FRAMES,
    seed: int = 0,
    progress: Callable[[int], object] = lambda videos: None,
) -> PoseStatistics:
    """Statistics of a store: of a draw of its videos, one window of each.

    Args:
        store: the store.
        skeleton: a layout with a canonical frame.
        videos: at most so many are drawn.
        frames: longest window, at a place of the video that is drawn too.
        seed: of the draws.
        progress: called with 1 after each video.

    Raises:
        InputError: when the poses have no map to the layout, a file is damaged, or a limit is
            below 1.
    """
    if min(videos, frames) < 1:
        raise InputError(f"expected at least 1 video and frame, got {videos} and {frames}")
    rng = np.random.default_rng(seed)
    drawn = sorted(rng.permutation(len(store))[:videos].tolist())
    ids = tuple(store)
    found: dict[str, list[GroupStatistics]] = {}
    rates, synthetic = [], False
    for video in (ids[place] for place in drawn):
        header = store.header(video)
        start = int(rng.integers(max(header.frames - frames, 0) + 1))
        window = store.read_window(video, start, min(start + frames, header.frames))
        view = View.of(header, window.skeleton)
        if view.skeleton != skeleton:
            raise InputError(
                f"{store.folder}: video {video} has layout {window.skeleton.name!r}, which is "
                f"looked at as {view.skeleton.name!r}; expected {skeleton.name!r}"
            )
        groups = {**view.parts, **named_groups(view)}
        for name, statistics in clip_statistics(in_view(window, view), groups).items():
            kept = _thinned(statistics, _VALUES // len(drawn), rng)
            found.setdefault(name, []).append(kept)
        rates.append(_rate(window))
        synthetic |= header.provenance.estimator == SYNTHETIC
        progress(1)
    pooled = {name: pool(clips) for name, clips in found.items()}
    return PoseStatistics(
        skeleton=skeleton,
        parts={name: pooled[name] for name in skeleton.parts or ("all",) if name in pooled},
        groups={name: pooled[name] for name in _GROUPS if name in pooled},
        clips=len(drawn),
        rate=quantile([rate for rate in rates if np.isfinite(rate)], 0.5),
        synthetic=synthetic,
    )


def in_view(window: PoseSequence, view: View) -> PoseSequence:
    """The window in the view's layout, its x and y in one unit of length."""
    converted = convert(window, view.skeleton)
    factors = np.array(view.to_picture, dtype=np.float32)
    return converted.replace(keypoints=converted.keypoints[..., : len(factors)] * factors)


def named_groups(view: View) -> dict[str, IntArray]:
    """The groups of :class:`PoseStatistics` as positions of keypoints, as far as they exist."""
    held = np.sort(np.concatenate(list(view.parts.values())))
    names = {int(place): view.skeleton.keypoints[place] for place in held}
    tips = tuple(name for name in HAND_KEYPOINTS if name.endswith("_tip"))
    body = view.parts.get("body", ())
    groups = (
        list(names),
        [place for place, name in names.items() if name == "nose"],
        [place for place, name in names.items() if name.endswith(tips)],
        [int(place) for place in body if not names[int(place)].endswith("hip")],
    )
    found = zip(_GROUPS, groups, strict=True)
    return {name: np.array(places, dtype=np.int64) for name, places in found if places}


def clip_statistics(clip: PoseSequence, groups: Groups) -> dict[str, GroupStatistics]:
    """Statistics of each group of keypoints over one clip, whose x and y have one unit of length.

    Where no frame shows the keypoints that the scale needs, nothing is known of the motion.
    """
    try:
        points = canonicalise(clip.keypoints, clip.skeleton)
    except ValueError:
        points = np.full_like(clip.keypoints, np.nan)
    speed, jerk = (np.linalg.norm(np.diff(points, order, axis=0), axis=-1) for order in (1, 3))
    per_second = speed[:0] if clip.time_source == "index" else speed / np.diff(clip.time)[:, None]
    jumps = np.isfinite(points[..., 0]) & np.isnan(remove_jumps(points)[..., 0])
    detected = clip.detected
    return {
        name: GroupStatistics(
            frames=np.array([len(clip)]),
            keypoints=np.array([len(clip) * len(group)]),
            detected=_count(detected[:, group]),
            low=_count(clip.scores[:, group] < LOW_SCORE),
            jumps=_count(jumps[:, group]),
            runs=run_lengths(detected[:, group].sum(1) == 0),
            speed=_known(speed[:, group]),
            speed_second=_known(per_second[:, group]),
            jerk=_known(jerk[:, group]),
            score=clip.scores[:, group][detected[:, group]],
        )
        for name, group in groups.items()
    }


def pool(clips: Sequence[GroupStatistics]) -> GroupStatistics:
    """Several clips as one set of statistics."""
    columns = (field.name for field in fields(GroupStatistics))
    return GroupStatistics(
        **{name: np.concatenate([getattr(clip, name) for clip in clips]) for name in columns}
    )


def run_lengths(flags: npt.NDArray[np.bool_]) -> IntArray:
    """Lengths of the runs of True.

    >>> run_lengths(np.array([True, False, True, True])).tolist()
    [1, 2]
    """
    changes = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return changes[1::2] - changes[::2]


def _thinned(statistics: GroupStatistics, limit: int, rng: np.random.Generator) -> GroupStatistics:
    """The same with at most ``limit`` values of each kind."""
    kept = {field.name: getattr(statistics, field.name) for field in fields(GroupStatistics)}
    for name in ("speed", "speed_second", "jerk", "score"):
        if len(kept[name]) > limit:
            kept[name] = rng.choice(kept[name], limit, replace=False)
    return GroupStatistics(**kept)


def _rate(window: PoseSequence) -> float:
    if window.time_source == "index" or len(window) < 2:
        return float("nan")
    return float((len(window) - 1) / (window.time[-1] - window.time[0]))


def _share(part: IntArray, whole: IntArray) -> float:
    total = int(whole.sum())
    return int(part.sum()) / total if total else float("nan")


def _count(flags: npt.NDArray[np.bool_]) -> IntArray:
    return np.array([np.count_nonzero(flags)])


def _known(values: npt.NDArray[np.floating]) -> FloatArray:
    known: FloatArray = values[np.isfinite(values)].astype(np.float32)
    return known
