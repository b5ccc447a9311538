"""Which of several people is the subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from mgpose.extraction.roles import Box
from mgpose.structures import FrameFlag

_SAME_PERSON = 0.2  # least overlap of one person's boxes in two looks that follow each other
_LOST_AFTER = 2.0  # seconds out of sight before another person may become the subject


@dataclass
class _Track:
    box: Box
    seen: float  # time of the last look that showed this person
    weight: float  # summed prominence over the looks


class SubjectTracker:
    """The largest, most central person who is seen longest.

    A person's weight is area times centrality, summed over the looks so far; people are told apart
    by the overlap of their boxes from look to look. The subject is the heaviest at first sight and
    stays the subject until out of sight for two seconds; then the heaviest person in sight takes
    over and the frame is flagged. The future is not consulted, so a video that opens on somebody
    else starts with that person.
    """

    def __init__(self) -> None:
        self._tracks: list[_Track] = []
        self._subject: _Track | None = None

    def follow(
        self, people: Sequence[Box], seconds: float, frame_size: tuple[int, int]
    ) -> tuple[Box | None, FrameFlag]:
        """See :class:`mgpose.extraction.roles.Tracker`."""
        present = self._assign(people, seconds, frame_size)
        flags = FrameFlag.SEVERAL_PEOPLE if len(people) > 1 else FrameFlag(0)
        if self._subject is None and present:
            self._subject = max(present, key=_weight)
        elif self._subject and present and seconds - self._subject.seen > _LOST_AFTER:
            self._subject = max(present, key=_weight)
            flags |= FrameFlag.SUBJECT_SWITCHED
        if self._subject is None or self._subject not in present:
            return None, flags
        return self._subject.box, flags

    def _assign(
        self, people: Sequence[Box], seconds: float, frame_size: tuple[int, int]
    ) -> list[_Track]:
        """The tracks in sight; each takes the box that overlaps it most, boxes left over begin
        tracks. The subject chooses first.
        """
        left = list(people)
        present = []
        self._tracks = [
            t for t in self._tracks if t is self._subject or seconds - t.seen <= _LOST_AFTER
        ]
        for track in sorted(self._tracks, key=lambda t: (t is not self._subject, -t.weight)):
            if not left:
                break
            box = max(left, key=track.box.overlap)
            if track.box.overlap(box) >= _SAME_PERSON:
                left.remove(box)
                track.box, track.seen = box, seconds
                track.weight += _prominence(box, frame_size)
                present.append(track)
        new = [_Track(box, seconds, _prominence(box, frame_size)) for box in left]
        self._tracks += new
        return present + new


def _weight(track: _Track) -> float:
    return track.weight


def _prominence(box: Box, frame_size: tuple[int, int]) -> float:
    """Share of the frame's area, halved for a person whose centre lies at the frame's corner."""
    width, height = frame_size
    x, y = box.centre
    offset = hypot(2 * x / width - 1, 2 * y / height - 1) / hypot(1, 1)
    return box.area / (width * height) * (1 - min(1.0, offset) / 2)
