"""The time of frames: which clock of a container to trust, and which places no frame fills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Clock:
    """A picture's time: by the time to show it or, when that has run backwards more often, by the
    time to decode it. AVI files know only the latter, whatever FFmpeg makes of it.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._faults = {"pts": 0, "dts": 0}

    def stamp(self, picture: Any) -> int | None:
        """Time in units of the picture's ``time_base``, None where it has none."""
        found: dict[str, int | None] = {"pts": picture.pts, "dts": picture.dts}
        for name, stamp in found.items():
            if stamp is not None:
                self._faults[name] += name in self._last and stamp <= self._last[name]
                self._last[name] = stamp
        if found["pts"] is None or (
            found["dts"] is not None and self._faults["pts"] > self._faults["dts"]
        ):
            return found["dts"]
        return found["pts"]


class Spacing:
    """Counts the places that no frame fills among evenly spaced frames.

    Args:
        rate: frames a second.
        leaps: True when the container's clock may leap without a loss, as in broadcast streams.
    """

    _LEAP = 10.0  # seconds; from here on FFmpeg too takes a gap for a leap of the clock
    _EVEN = 0.9  # share of the steps that must be of one frame's length, give or take a quarter

    def __init__(self, rate: float, leaps: bool) -> None:
        self._rate, self._leaps = rate, leaps
        self._steps = self._even = self._missing = 0
        self._longest = 1 / rate
        self._last: float | None = None

    def add(self, time: float) -> None:
        """Note a frame."""
        if self._last is not None:
            step = time - self._last
            self._steps += 1
            self._longest = max(self._longest, step)
            self._even += abs(step * self._rate - 1) <= 0.25
            if not (self._leaps and step > self._LEAP):
                self._missing += max(0, round(step * self._rate) - 1)
        self._last = time

    def missing(self, end: float) -> int:
        """Empty places up to the stated end in seconds; a single one may be a matter of rounding.

        Frames of varying spacing have no places: with them only a missing end counts, and only one
        longer than any step before.
        """
        if self._last is None:
            return 0
        rest = end - self._last
        tail = max(0, round(rest * self._rate) - 1)
        if self._even < self._EVEN * self._steps:
            return tail if rest > self._longest + 1 / self._rate else 0
        missing = self._missing + tail
        return missing if missing > 1 else 0


def with_next(
    stamped: Iterator[tuple[float | None, Any]],
) -> Iterator[tuple[float | None, Any, float | None]]:
    """(time stamp, picture, the next one's time stamp)."""
    ahead = next(stamped, None)
    while ahead is not None:
        (stamp, picture), ahead = ahead, next(stamped, None)
        yield stamp, picture, ahead[0] if ahead is not None else None
