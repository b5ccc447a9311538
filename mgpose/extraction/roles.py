"""The three roles of extraction: who is there, who is the subject, where are the keypoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import dist, sqrt
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mgpose.structures import FrameFlag, Skeleton

Image = npt.NDArray[np.uint8]
# Whose a pose is: heads so near each other, in roots of the box's area, are not told apart; and a
# pose is clearly nearer to one than to the other below this ratio of distances.
_HEADS_APART, _CLEARLY = 0.2, 0.7

_NOTHING = FrameFlag(0)

Point = Sequence[float] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Box:
    """A person's place in a frame, in pixels, ``x0 < x1`` and ``y0 < y1``, with a score."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float = 1.0

    def __post_init__(self) -> None:
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError(f"a box needs x0 < x1 and y0 < y1, got {self}")

    @property
    def area(self) -> float:
        """Size in square pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def contains(self, x: float, y: float) -> bool:
        """True when the point lies in the box; never for NaN."""
        return self.x0 <= x <= self.x1 and self.y0 <= y <= self.y1

    @property
    def head(self) -> tuple[float, float]:
        """(x, y) about where the nose is: the middle, a little below the top."""
        return (self.x0 + self.x1) / 2, self.y0 + 0.15 * (self.y1 - self.y0)

    def moved(self, x: float, y: float) -> Box:
        """The box moved by so many pixels."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y, self.score)

    def within(self, frame_size: tuple[int, int]) -> Box | None:
        """The part of the box in a picture of (width, height), None where there is none."""
        x0, x1 = max(0.0, self.x0), min(float(frame_size[0]), self.x1)
        y0, y1 = max(0.0, self.y0), min(float(frame_size[1]), self.y1)
        return Box(x0, y0, x1, y1, self.score) if x0 < x1 and y0 < y1 else None

    def overlap(self, other: Box) -> float:
        """Intersection over union, in [0, 1]."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        shared = max(0.0, width) * max(0.0, height)
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True)
class Sight:
    """Where people are at one time.

    Args:
        subject: None when out of sight.
        others: the other people in sight.
        flags: what there is to note: ``SEVERAL_PEOPLE``, ``SUBJECT_SWITCHED``.
    """

    subject: Box | None = None
    others: tuple[Box, ...] = ()
    flags: FrameFlag = _NOTHING


@dataclass(frozen=True, eq=False)
class View:
    """One frame as an estimator is given it.

    Args:
        image: (H, W, 3) uint8 RGB.
        subject: where the subject is, None when out of sight.
        others: where other people are.
    """

    image: Image
    subject: Box | None = None
    others: tuple[Box, ...] = ()

    @property
    def several(self) -> bool:
        """True when other people are seen beside the subject."""
        return bool(self.others)

    def shows_subject(self, nose: Point, shoulders: Point) -> bool:
        """Whether a pose is clearly the subject's; True where nothing speaks against it.

        Where two people overlap, an estimator may give one the other's head or shoulders. Where
        their heads nearly meet, nobody can say whose pose it is.

        Args:
            nose: (x, y), NaN where not found.
            shoulders: (x, y) of their middle.
        """
        if self.subject is None or np.isnan(nose).any():
            return not self.others
        if not self.subject.contains(*nose):
            return False

        head, apart = self.subject.head, _HEADS_APART * sqrt(self.subject.area)
        return all(
            dist(head, other.head) > apart
            and dist(nose, head) < _CLEARLY * dist(nose, other.head)
            and abs(shoulders[0] - head[0]) < _CLEARLY * abs(shoulders[0] - other.head[0])
            for other in self.others
        )

    def alone(self) -> Image:
        """The image with everything but the subject's box in grey; a copy.

        Raises:
            ValueError: when nobody was seen.
        """
        if self.subject is None:
            raise ValueError("nobody was seen who could be shown alone")
        alone = np.full_like(self.image, 128)
        rows = slice(int(self.subject.y0), int(np.ceil(self.subject.y1)))
        columns = slice(int(self.subject.x0), int(np.ceil(self.subject.x1)))
        alone[rows, columns] = self.image[rows, columns]
        return alone


class Detector(Protocol):
    """Finds people."""

    def detect(self, image: Image) -> list[Box]:
        """Boxes of the people in an (H, W, 3) uint8 RGB image, in no order."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


class Tracker(Protocol):
    """Follows one subject through the boxes of a video."""

    def follow(
        self,
        people: Sequence[Box],
        seconds: float,
        frame_size: tuple[int, int],
        cut: bool = False,
    ) -> Sight:
        """Who of the people seen now is the subject.

        Args:
            people: all who are seen.
            seconds: the time of this look, after that of the last one.
            frame_size: (width, height) in pixels.
            cut: True when the picture has changed so much since the last look that nobody need be
                where they were.
        """
        ...

    def at(self, seconds: float) -> Sight:
        """Where everybody should be at a time after the last look and before the next."""
        ...


class PoseEstimator(Protocol):
    """Finds the keypoints of one person in the frames of one video, in order.

    Attributes:
        skeleton: layout of the keypoints.
        batch: number of frames that it wants at a time.
        finds_people: True when it finds nothing where nobody is, so that its keypoints are a sign
            of a person; False when it needs a box and answers for any.
    """

    skeleton: Skeleton
    batch: int
    finds_people: bool

    def estimate(
        self, views: Sequence[View]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Keypoints (N, V, 2) in pixels, NaN where not found, and scores (N, V) in [0, 1].

        Where several people are seen, the keypoints must be the subject's; without one, there are
        none.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


@dataclass(frozen=True)
class Method:
    """A way to extract poses: fresh parts for each video, and the names that provenance records.

    Args:
        name, version: of the estimator; the version tells apart whatever gives other numbers.
        weights_sha256: hash of its model files.
        detector, tracker, estimator: make a part for one video.
    """

    name: str
    version: str
    weights_sha256: str
    detector: Callable[[], Detector]
    tracker: Callable[[], Tracker]
    estimator: Callable[[], PoseEstimator]
