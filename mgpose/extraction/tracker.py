"""Which of several people is the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot, log, sqrt

import numpy as np

from mgpose.extraction.roles import Box, Sight
from mgpose.structures import FrameFlag

_LOST_AFTER = 2.0  # seconds out of sight before another person may become the subject
_HIDDEN_AT_MOST = 1.0  # seconds for which one person may cover another
_COASTING = 1.0  # seconds for which somebody out of sight is thought to walk on
_SETTLING = 0.3  # seconds in which a change of speed is believed
# In boxes, a box's size being the root of its area: an upper body by MediaPipeFaceDetector is about
# 0.8 m then, and people walk about 2 boxes a second.
_REACH, _REACH_PER_SECOND, _FARTHEST = 0.3, 1.5, 1.5
_GROWTH = 2.5  # times; how much the area of one person changes at most
_GROWTH_WEIGHT = 0.5  # boxes of distance that a growth by e is worth
_DOUBT = 0.25  # boxes; two people whose claims to one box differ less cannot be told apart
_CONFIRMED = 2  # looks that make a person of a find


@dataclass(eq=False)
class _Track:
    """One person.

    Args:
        box: when last seen.
        seen: seconds of that look.
        weight: prominence, summed over the looks.
        velocity: of the box's middle, in pixels a second.
        looks: in which the person was seen.
    """

    box: Box
    seen: float
    weight: float
    velocity: tuple[float, float] = (0.0, 0.0)
    looks: int = 1

    def at(self, seconds: float) -> Box:
        """Where the person is by now, at constant velocity."""
        coasted = min(max(seconds - self.seen, 0.0), _COASTING)
        return self.box.moved(self.velocity[0] * coasted, self.velocity[1] * coasted)

    def see(self, box: Box, seconds: float, prominence: float) -> None:
        """Take a new box; the velocity follows with a delay, which takes the detector's jitter."""
        elapsed = seconds - self.seen
        if elapsed > 0:
            trust = 1 - np.exp(-elapsed / _SETTLING)
            moved = np.subtract(box.centre, self.box.centre) / elapsed
            x, y = np.asarray(self.velocity) + trust * (moved - self.velocity)
            self.velocity = float(x), float(y)
        self.box, self.seen = box, seconds
        self.weight += prominence
        self.looks += 1

    def cost(self, box: Box, seconds: float, width: int) -> float:
        """Distance of a box from where the person should be, plus growth; infinite out of reach.

        Who has left a picture of this width is expected at its edge.
        """
        expected = self.at(seconds)
        x = expected.centre[0]
        expected = expected.moved(min(max(x, 0.0), float(width)) - x, 0.0)
        size = (sqrt(expected.area) + sqrt(box.area)) / 2
        away = hypot(*np.subtract(box.centre, expected.centre)) / size
        growth = abs(log(box.area / expected.area))
        reach = min(_REACH + _REACH_PER_SECOND * max(seconds - self.seen, 0.0), _FARTHEST)
        if away > reach or growth > log(_GROWTH):
            return float("inf")
        return away + _GROWTH_WEIGHT * growth


class SubjectTracker:
    """The largest, most central person who is seen longest, followed without regard to looks.

    * Everybody is expected where constant velocity leads. People and boxes are matched at the least
      total cost (Kuhn, 1955), which is distance and growth; who is out of reach is not matched.
    * A person's weight is area times centrality, summed over the looks so far. The subject is the
      heaviest at first sight and stays the subject until out of sight for two seconds; then the
      heaviest person in sight takes over, and the frame is flagged. So does whoever is seen where
      the subject was, after that time: it may be somebody else. People who come do not take over.
    * Where one person covers another, only one is seen, and the subject is out of sight until both
      are seen again, or the other must have left the picture: motion tells who is who. When that
      takes longer than a second, the one in sight is the subject, flagged.
    * A cut ends all motion. Whoever then is where the subject was goes on as the subject, else the
      heaviest; flagged in any case.

    The future is not consulted, so a video that opens on somebody else starts with that person.
    Somebody who comes within two seconds to where the subject has just left is taken for it.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._subject: _Track | None = None
        self._frame_size = (0, 0)
        self._last_look = 0.0
        # Who may be taken for the subject, and since when.
        self._rivals: list[_Track] = []
        self._doubt_since = 0.0

    def follow(
        self,
        people: Sequence[Box],
        seconds: float,
        frame_size: tuple[int, int],
        cut: bool = False,
    ) -> Sight:
        """See :class:`mgpose.extraction.roles.Tracker`."""
        before = self._subject
        self._frame_size, self._last_look = frame_size, seconds
        switched = cut and before is not None
        lost = before is not None and seconds - before.seen > _LOST_AFTER
        self._tracks = [
            t for t in self._tracks if t is self._subject or seconds - t.seen <= _LOST_AFTER
        ]
        if cut:
            self._rivals = []
            for track in self._tracks:
                track.velocity = (0.0, 0.0)
        self._assign(people, seconds)
        present = [track for track in self._tracks if track.seen == seconds]
        if before is None or ((cut or lost) and before not in present):
            heaviest = max(present, key=lambda track: track.weight, default=None)
            # After a cut, nobody is waited for.
            self._subject = heaviest if heaviest or cut else before
        switched |= lost and self._subject in present
        switched |= self._end_doubt(present, seconds)
        if cut:
            self._tracks = present
        sight = self.at(seconds)
        flags = FrameFlag.SUBJECT_SWITCHED if switched else FrameFlag(0)
        return replace(sight, flags=flags | sight.flags)

    def at(self, seconds: float) -> Sight:
        """See :class:`mgpose.extraction.roles.Tracker`."""
        subject, others = None, []
        for track in self._tracks:
            box = track.at(seconds).within(self._frame_size)
            if box is None:
                continue
            if track is self._subject and not self._rivals:
                subject = box if track.seen == self._last_look else None
            elif track.seen == self._last_look or (
                track.looks >= _CONFIRMED and seconds - track.seen <= _HIDDEN_AT_MOST
            ):
                others.append(box)
        several = FrameFlag.SEVERAL_PEOPLE if others else FrameFlag(0)
        return Sight(subject, tuple(others), several)

    def _assign(self, people: Sequence[Box], seconds: float) -> None:
        """Give everybody known their box; boxes that are nobody's begin tracks."""
        # In one order, whatever the detector's.
        boxes = sorted(people, key=lambda box: (box.x0, box.y0, box.x1, box.y1, box.score))
        claims = _Claims(self._tracks, boxes, seconds, self._frame_size[0])
        for box in boxes:
            prominence = _prominence(box, self._frame_size)
            owner = claims.owner(box)
            rival = claims.rival(box, self._subject) if self._subject else None
            if rival:
                if not self._rivals:
                    self._doubt_since = seconds
                self._rivals = [*(r for r in self._rivals if r is not rival), rival]
            elif owner:
                owner.see(box, seconds, prominence)
            else:
                self._tracks.append(_Track(box, seconds, prominence))

    def _end_doubt(self, present: Sequence[_Track], seconds: float) -> bool:
        """Forget rivals that are seen apart from the subject; True when doubt is given up."""
        self._rivals = [
            rival
            for rival in self._rivals
            if rival not in present and self._in_frame(rival.at(seconds))
        ]
        if not self._rivals or seconds - self._doubt_since <= _HIDDEN_AT_MOST:
            return False
        self._tracks = [track for track in self._tracks if track not in self._rivals]
        self._rivals = []
        return True

    def _in_frame(self, box: Box) -> bool:
        return 0 <= box.centre[0] <= self._frame_size[0]


class _Claims:
    """Who claims which box.

    Args:
        tracks: the people known.
        boxes: those seen now.
        seconds: now.
        width: of the picture.
    """

    def __init__(
        self, tracks: Sequence[_Track], boxes: Sequence[Box], seconds: float, width: int
    ) -> None:
        from scipy.optimize import linear_sum_assignment

        self._tracks, self._boxes = tracks, boxes
        costs = np.array([[track.cost(box, seconds, width) for box in boxes] for track in tracks])
        self._costs = costs.reshape(len(tracks), len(boxes))
        # Any number of matches in reach costs less than one out of reach.
        matches = linear_sum_assignment(np.where(np.isfinite(self._costs), self._costs, 1e6))
        self._owners = {
            int(column): int(row)
            for row, column in zip(*matches, strict=True)
            if np.isfinite(self._costs[row, column])
        }

    def owner(self, box: Box) -> _Track | None:
        """Whose box it is, at the least total cost; None when nobody known is in reach of it."""
        row = self._owners.get(self._boxes.index(box))
        return None if row is None else self._tracks[row]

    def rival(self, box: Box, subject: _Track) -> _Track | None:
        """Who may be in the box instead of the subject, or the subject instead of whom: one of the
        two is out of sight, and their claims differ too little to say which.
        """
        column, own = self._boxes.index(box), self._tracks.index(subject)
        seen = set(self._owners.values())
        for row, track in enumerate(self._tracks):
            confirmed = min(track.looks, subject.looks) >= _CONFIRMED
            if row == own or not confirmed or self._owners.get(column) not in (row, own):
                continue
            costs = self._costs[[row, own], column]
            if not {row, own} <= seen and np.isfinite(costs).all() and np.ptp(costs) < _DOUBT:
                return track
        return None


def _prominence(box: Box, frame_size: tuple[int, int]) -> float:
    """Share of the frame's area, halved for a person whose centre lies at the frame's corner."""
    width, height = frame_size
    x, y = box.centre
    offset = hypot(2 * x / width - 1, 2 * y / height - 1) / hypot(1, 1)
    return box.area / (width * height) * (1 - min(1.0, offset) / 2)
