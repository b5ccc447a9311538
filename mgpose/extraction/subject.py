"""Where the subject is in each frame of a video: looks now and then, motion in between."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from mgpose.extraction.roles import Box, Detector, Image, Sight, Tracker
from mgpose.structures import FrameFlag

# Seconds from one look for people to the next. Alone: how many there are changes slowly. Several:
# they move. Close: they may cross.
_ALONE, _SEVERAL, _CLOSE = 0.33, 0.15, 0.06
_SAME_PERSON = 0.3  # overlap of a person's box by face and by pose
_POSE_IS_OLD = 0.2  # seconds
_GRID = (48, 64)  # points of the frame that are compared from frame to frame
_CHANGED = 25  # grey levels
_CUT, _CUT_RATIO = 0.085, 4.0  # share of the points that a cut changes, and in usual shares
_SHIFT = 3  # points that the picture may have moved by
_USUAL = 0.1  # weight of a frame in the usual share

Nose = tuple[float, float, float]  # x, y, seconds


class SubjectFinder:
    """Detector and tracker at work on the frames of one video, in order.

    Looking at faces costs as much as a tenth of a pose, so people are looked for a few times a
    second, more often the closer they come; in between they are expected where they were heading.
    A cut is looked at at once. A subject whose face is not seen, turned away or behind a hand, is
    in sight as long as the estimator follows the pose without a gap.

    Args:
        detector, tracker: fresh ones.
    """

    def __init__(self, detector: Detector, tracker: Tracker) -> None:
        self._detector, self._tracker = detector, tracker
        self._next_look = -np.inf
        self._several = FrameFlag(0)
        self._cuts = CutDetector()
        self._cut = False
        self._box: Box | None = None  # the subject's at the last look
        self._nose_then: Nose | None = None  # the last one before that look
        self._nose: Nose | None = None

    def find(self, image: Image, seconds: float) -> Sight:
        """Where everybody is in the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            seconds: its time.
        """
        self._cut |= self._cuts.is_cut(image)
        if seconds < self._next_look and not self._cut:
            sight = self._tracker.at(seconds)
            return Sight(sight.subject, sight.others, self._several)
        people = self._detector.detect(image)
        if self._cut:
            self._nose = None
        else:
            people = [*people, *self._by_pose(people, seconds)]
        sight = self._tracker.follow(people, seconds, (image.shape[1], image.shape[0]), self._cut)
        self._cut = False
        self._several = sight.flags & FrameFlag.SEVERAL_PEOPLE
        self._box, self._nose_then = sight.subject, self._nose
        self._next_look = seconds + _pause(sight)
        return sight

    def note_nose(self, x: float, y: float, seconds: float) -> None:
        """Tell where the subject's nose was found by an estimator that follows people by itself;
        NaN where it was not.
        """
        self._nose = None if np.isnan(x) else (x, y, seconds)
        if self._nose is None:
            self._nose_then = None

    def _by_pose(self, people: Sequence[Box], seconds: float) -> list[Box]:
        """The subject's box of the last look, moved as the nose has since; none where somebody is
        seen who may be the subject.
        """
        then, now = self._nose_then, self._nose
        if not (self._box and then and now and seconds - now[2] < _POSE_IS_OLD):
            return []
        moved = self._box.moved(now[0] - then[0], now[1] - then[1])
        expected = self._tracker.at(seconds).subject or moved
        seen = any(max(box.overlap(moved), box.overlap(expected)) >= _SAME_PERSON for box in people)
        return [] if seen else [moved]


def _pause(sight: Sight) -> float:
    """Seconds until the next look."""
    if not sight.others:
        return _ALONE
    near = sight.subject is None or any(sight.subject.overlap(box) > 0 for box in sight.others)
    return _CLOSE if near else _SEVERAL


class CutDetector:
    """Tells a cut: much of the picture changes at once, and more than it did before.

    The grey levels on a grid of 48 x 64 points are compared from frame to frame. Points that one
    common shift of the picture explains do not count: somebody large who moves fast changes as much
    as a cut to another in the same seat, but not in this way. Fades and dissolves are no cuts, a
    flash is one.
    """

    def __init__(self) -> None:
        self._before: npt.NDArray[np.int16] | None = None
        self._usual = 0.0

    def is_cut(self, image: Image) -> bool:
        """Whether this frame, (H, W, 3) uint8, begins something else than the one before."""
        grey = image[_grid(*image.shape[:2])].astype(np.int16).sum(axis=2) // 3
        before, self._before = self._before, grey
        if before is None:
            return False
        changed = float((np.abs(grey - before) > _CHANGED).mean())
        limit = max(_CUT, _CUT_RATIO * self._usual)
        cut = changed > limit and _unexplained(before, grey) > limit
        if not cut:
            self._usual += _USUAL * (changed - self._usual)
        return cut


@cache
def _grid(height: int, width: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Index of evenly spaced points of a picture."""
    rows, columns = (
        np.linspace(0, size - 1, points).astype(np.int64)
        for size, points in zip((height, width), _GRID, strict=True)
    )
    return np.ix_(rows, columns)


def _unexplained(before: npt.NDArray[np.int16], after: npt.NDArray[np.int16]) -> float:
    """Share of the points that changed, and differ still under the best shift of the picture."""
    rows, columns = (size - 2 * _SHIFT for size in _GRID)
    inner = after[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    changed = np.abs(inner - before[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]) > _CHANGED
    steps = range(2 * _SHIFT + 1)
    return min(
        float((changed & (np.abs(inner - before[y : y + rows, x : x + columns]) > _CHANGED)).mean())
        for y in steps
        for x in steps
    )
