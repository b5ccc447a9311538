"""Which of several people in given keypoints is the subject.

Pose estimators number people anew in every frame, so people are first linked over time by where
their keypoints are, then weighed: how large, how central, how surely and how long they are seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from mgpose.structures import FrameFlag

Floats = npt.NDArray[np.floating]

_SAME_PERSON = 1.0  # most a person's keypoints move between two looks, in the person's own radius
_UNSURE = 2.0  # another person who is less than so many times as far away may be the subject
_REMEMBERED = 50  # frames out of sight before a person is forgotten: two seconds at 25 a second
_STEADINESS = 0.8  # share of the former velocity in the new one
_FAR = 1e6  # cost of an impossible link


@dataclass(frozen=True, eq=False)
class ChosenPerson:
    """The subject's keypoints.

    Args:
        keypoints: (T, V, D) float32, NaN where the subject was not seen.
        scores: (T, V) float32, 0 where the keypoint is NaN.
        flags: (T,) uint16 of ``SEVERAL_PEOPLE`` and ``SUBJECT_SWITCHED``, to be added to a ledger.
    """

    keypoints: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    flags: npt.NDArray[np.uint16]


@dataclass(eq=False)
class _Track:
    """One person as far as the linking can tell: the place in each frame where they were seen."""

    places: dict[int, int] = field(default_factory=dict)  # frame -> index of the person in it
    unsure: set[int] = field(default_factory=set)  # frames that might continue with somebody else
    velocity: Floats = field(default_factory=lambda: np.zeros(0))
    weight: float = 0.0
    last: int = 0


def choose_person(
    keypoints: Floats, scores: Floats, frame_size: tuple[int, int] | None = None
) -> ChosenPerson:
    """The one subject among up to M people a frame, who may stand in any order.

    The subject is the person of the largest sum over the frames of size x centrality x score.
    Where the subject is out of sight nobody who was ever seen beside the subject takes the place;
    somebody who never was may be the same person again, after a cut or a gap, and does take it.
    The frame in which the person may have changed is flagged ``SUBJECT_SWITCHED``.

    Args:
        keypoints: (T, M, V, 2 or 3), in any unit; NaN where a keypoint or a person is missing.
        scores: (T, M, V) in [0, 1]; 0 where missing.
        frame_size: width and height in the keypoints' unit; without it nobody is more central.
    """
    frames, _, points, dims = keypoints.shape
    seen = (scores > 0) & np.isfinite(keypoints).all(-1)
    place = np.where(seen[..., None], keypoints, 0).astype(np.float32, copy=False)
    weight = np.where(seen, scores, 0).astype(np.float32, copy=False)
    chosen = _subject_of(_People(place, weight, frame_size).link())

    flags = np.where(seen.any(-1).sum(-1) > 1, int(FrameFlag.SEVERAL_PEOPLE), 0)
    index = np.full(frames, -1)
    for track in chosen:
        index[list(track.places)] = list(track.places.values())
        flags[sorted(track.unsure)] |= int(FrameFlag.SUBJECT_SWITCHED)
    flags[_changes(chosen, frames)] |= int(FrameFlag.SUBJECT_SWITCHED)

    found = np.zeros((frames, points), bool)
    rows = np.flatnonzero(index >= 0)
    found[rows] = seen[rows, index[rows]]
    xy = np.full((frames, points, dims), np.nan, np.float32)
    score = np.zeros((frames, points), np.float32)
    taken = np.maximum(index, 0)
    xy[found] = keypoints[np.arange(frames), taken][found]
    score[found] = scores[np.arange(frames), taken][found]
    return ChosenPerson(xy, score, flags.astype(np.uint16))


class _People:
    """Where everybody is: (T, M) centres and radii, and the distance from one to another."""

    def __init__(self, place: Floats, weight: Floats, frame_size: tuple[int, int] | None) -> None:
        self._place, self._weight = place, weight
        total = weight.sum(-1)
        self.present = total > 0
        share = weight / np.maximum(total, np.finfo(float).tiny)[..., None]
        self.centre = (share[..., None] * place).sum(-2)
        spread = (place - self.centre[:, :, None]) ** 2
        radius = np.sqrt((share[..., None] * spread).sum((-2, -1)))
        # A person of a single keypoint has no size; the floor keeps the distances finite.
        largest = radius.max(initial=0.0)
        self.radius = np.maximum(radius, 0.05 * largest if largest else 1.0)
        surety = total / np.maximum((weight > 0).sum(-1), 1)
        self.prominence = radius**2 * surety * self._centrality(frame_size)

    def _centrality(self, frame_size: tuple[int, int] | None) -> Floats:
        """(T, M) 1 at the middle of the frame, 1/2 at its corners and beyond."""
        if frame_size is None:
            return np.ones(self.radius.shape)
        offset = np.hypot(*np.moveaxis(2 * self.centre[..., :2] / frame_size - 1, -1, 0))
        centrality: Floats = 1 - np.minimum(offset / np.sqrt(2), 1) / 2
        return centrality

    def link(self) -> list[_Track]:
        """Everybody's track: from frame to frame the links of least summed distance."""
        tracks: list[_Track] = []
        for frame in np.flatnonzero(self.present.any(1)).tolist():
            here = np.flatnonzero(self.present[frame]).tolist()
            alive = [t for t in tracks if frame - t.last <= _REMEMBERED]
            distances = self._distances(alive, frame, here)
            cost = np.where(distances < _SAME_PERSON, distances, _FAR)
            linked = set()
            for row, column in zip(*linear_sum_assignment(cost), strict=True):
                if cost[row, column] < _FAR:
                    rivals = [c for j, c in enumerate(cost[row]) if j != column]
                    rivals += [c for i, c in enumerate(cost[:, column]) if i != row]
                    unsure = min(rivals, default=_FAR) < _UNSURE * cost[row, column]
                    self._add(alive[row], frame, here[column], unsure)
                    linked.add(column)
            for column in set(range(len(here))) - linked:
                tracks.append(_Track(velocity=np.zeros(self.centre.shape[-1])))
                self._add(tracks[-1], frame, here[column], unsure=False)
        return tracks

    def _distances(self, tracks: list[_Track], frame: int, people: list[int]) -> Floats:
        """(K, P) mean distance of people's keypoints from where each track's should be by now.

        In the track's radius. People without a common keypoint are compared by their centres.
        """
        if not tracks:
            return np.zeros((0, len(people)))
        last = np.array([t.last for t in tracks])
        before = np.array([t.places[t.last] for t in tracks])
        drift = np.array([t.velocity * (frame - t.last) for t in tracks])
        expected = self._place[last, before] + drift[:, None]
        steps = self._place[frame, people] - expected[:, None]
        common = np.minimum(self._weight[last, before][:, None], self._weight[frame, people])
        total = common.sum(-1)
        moved = (common * np.sqrt((steps**2).sum(-1))).sum(-1) / np.where(total > 0, total, 1)
        apart = self.centre[frame, people] - (self.centre[last, before] + drift)[:, None]
        moved = np.where(total > 0, moved, np.sqrt((apart**2).sum(-1)))
        distances: Floats = moved / self.radius[last, before][:, None]
        return distances

    def _add(self, track: _Track, frame: int, person: int, unsure: bool) -> None:
        if track.places:
            step = self.centre[frame, person] - self.centre[track.last, track.places[track.last]]
            now = step / (frame - track.last)
            track.velocity = _STEADINESS * track.velocity + (1 - _STEADINESS) * now
        track.places[frame] = person
        track.weight += float(self.prominence[frame, person])
        track.last = frame
        if unsure:
            track.unsure.add(int(frame))


def _subject_of(tracks: list[_Track]) -> list[_Track]:
    """The heaviest track and, heaviest first, those that never stand beside a chosen one."""
    chosen: list[_Track] = []
    taken: set[int] = set()
    for track in sorted(tracks, key=lambda t: -t.weight):
        if taken.isdisjoint(track.places):
            chosen.append(track)
            taken.update(track.places)
    return chosen


def _changes(chosen: list[_Track], frames: int) -> npt.NDArray[np.int64]:
    """Frames in which another track goes on than the one before."""
    owner = np.full(frames, -1)
    for number, track in enumerate(chosen):
        owner[list(track.places)] = number
    held = np.flatnonzero(owner >= 0)
    changes: npt.NDArray[np.int64] = held[1:][np.diff(owner[held]) != 0]
    return changes
