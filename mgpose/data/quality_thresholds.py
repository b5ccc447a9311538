"""From which figures on a video deserves a look, and from which it is unusable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from mgpose.structures import InputError

LEVELS = ("use", "look", "unusable")
_NEVER = math.inf


@dataclass(frozen=True)
class Limits:
    """Two limits of one measure; a figure on a limit keeps it.

    Args:
        look: beyond it, look at the video.
        unusable: beyond it, leave the video out; infinite where the measure alone is no ground.
        why: the reason for the defaults.
        low: True where figures below the limits are the bad ones.

    Raises:
        ValueError: for limits that are no numbers, or a stricter ``unusable`` than ``look``.
    """

    look: float
    unusable: float
    why: str
    low: bool = False

    def __post_init__(self) -> None:
        ordered = self.unusable <= self.look if self.low else self.look <= self.unusable
        if not ordered:
            below = "at most" if self.low else "at least"
            raise ValueError(f"unusable must be {below} {self.look:g}, got {self.unusable:g}")

    def level(self, value: float) -> str:
        """``"use"``, ``"look"`` or ``"unusable"``; an unknown (NaN) figure is no fault."""
        sign = -1 if self.low else 1
        if sign * value > sign * self.unusable:
            return "unusable"
        return "look" if sign * value > sign * self.look else "use"


@dataclass(frozen=True)
class QualityThresholds:
    """The limits of every measure, with the reasons for their defaults.

    Shares lie in [0, 1]; jitter is in scales of the skeleton (shoulder widths); of several parts
    the worst counts, of two hands the better seen one.
    """

    missing_body: Limits = Limits(
        0.1, 0.5, "head, shoulders and arms carry the pose; without half of them little is left"
    )
    missing_hands: Limits = Limits(
        0.5, 0.95, "25 of the 32 iMiGUE gestures move a hand; of a seated person half is common"
    )
    missing_face: Limits = Limits(
        0.3, _NEVER, "a turned or covered face; hand and body gestures stay readable"
    )
    gap_body: Limits = Limits(
        5.0, _NEVER, "nine of ten iMiGUE clips are shorter than 6 s: a whole gesture may be lost"
    )
    jitter_body: Limits = Limits(
        0.05, 0.15, "clean video has 0.003 to 0.006, Kinect 0.02 to 0.04; 0.05 are 2 cm of noise"
    )
    jitter_hands: Limits = Limits(
        0.08, 0.25, "signing hands reach 0.07 by motion alone; 0.25 is half the length of a hand"
    )
    jitter_face: Limits = Limits(
        0.02, 0.1, "clean video has 0.001 to 0.003; a mouth is 0.15 shoulder widths wide"
    )
    swaps: Limits = Limits(
        2.0, 50.0, "2 in 1,000 frames are 3 a minute at 25 frames/s; good poses show almost none"
    )
    switches: Limits = Limits(
        0.0, 50.0, "after a change of person the gestures belong to somebody else: always look"
    )
    several: Limits = Limits(
        0.2, _NEVER, "the subject is followed, but with company a mix-up is more likely"
    )
    rate: Limits = Limits(
        15.0, 5.0, "the quickest micro-gestures last about 0.2 s: 3 frames at 15 frames/s", low=True
    )
    irregular: Limits = Limits(
        0.05, _NEVER, "poses are placed by their time stamps, so gaps are bridged, not misplaced"
    )
    failed: Limits = Limits(
        0.02, 0.3, "frames without a picture, announced by the file or damaged: 2 % is a bad copy"
    )
    repaired: Limits = Limits(
        0.05, _NEVER, "the decoder painted over damage; the poses there may be of the paint"
    )
    cut: Limits = Limits(
        0.1, 0.8, "points of head and shoulders beyond the edge of the picture are guesses"
    )
    outside_body: Limits = Limits(
        0.4, 0.8, "hips and one arm are 5 of 13 points; more beyond the edge is a tight crop"
    )
    outside_hands: Limits = Limits(
        0.5, _NEVER, "half of a seen hand beyond the edge of the picture is guessed"
    )
    size_pixels: Limits = Limits(
        60.0, 50.0, "at 60 pixels between the shoulders a finger is about 3 pixels wide", low=True
    )
    size_share: Limits = Limits(
        0.05, 0.01, "a far-away person: shoulders under a twentieth of the picture", low=True
    )
    frames: Limits = Limits(
        16.0, 4.0, "half of the 32 frames that a model reads; four show no movement", low=True
    )

    def changed(self, changes: Sequence[str]) -> QualityThresholds:
        """The thresholds after ``NAME=LOOK`` or ``NAME=LOOK,UNUSABLE``.

        One number moves the limit of unusable only where it would else be the stricter.

        Raises:
            InputError: for an unknown name, or what is no pair of limits.
        """
        result = self
        known = [field.name for field in fields(self)]
        for change in changes:
            name, _, text = change.partition("=")
            if name not in known:
                raise InputError(f"unknown threshold {name!r}; known: {', '.join(known)}")
            old: Limits = getattr(result, name)
            try:
                look, unusable = _numbers(text, old)
                limits = replace(old, look=look, unusable=unusable, why="set on the command line")
            except ValueError as error:
                raise InputError(
                    f"threshold {change!r}: expected {name}=LOOK or {name}=LOOK,UNUSABLE such as "
                    f"{name}={old.look:g}: {error}"
                ) from None
            result = replace(result, **{name: limits})
        return result


def _numbers(text: str, old: Limits) -> tuple[float, float]:
    numbers = [float(word) for word in text.split(",")]
    if len(numbers) > 2:
        raise ValueError(f"got {len(numbers)} numbers")
    if len(numbers) == 1:
        numbers.append((min if old.low else max)(numbers[0], old.unusable))
    return numbers[0], numbers[1]
