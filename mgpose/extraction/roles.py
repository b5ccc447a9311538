"""The three roles of extraction: who is there, who is the subject, where are the keypoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mgpose.structures import FrameFlag, Skeleton

Image = npt.NDArray[np.uint8]


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

    def overlap(self, other: Box) -> float:
        """Intersection over union, in [0, 1]."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        shared = max(0.0, width) * max(0.0, height)
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, eq=False)
class View:
    """One frame as an estimator is given it.

    Args:
        image: (H, W, 3) uint8 RGB.
        subject: where the subject was last seen, None when nobody was.
        several: True when other people are seen beside the subject.
    """

    image: Image
    subject: Box | None = None
    several: bool = False

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
        self, people: Sequence[Box], seconds: float, frame_size: tuple[int, int]
    ) -> tuple[Box | None, FrameFlag]:
        """The subject's box at this time, None when out of sight, and what there is to note:
        ``SEVERAL_PEOPLE``, ``SUBJECT_SWITCHED``.
        """
        ...


class PoseEstimator(Protocol):
    """Finds the keypoints of one person in the frames of one video, in order.

    Attributes:
        skeleton: layout of the keypoints.
        batch: number of frames that it wants at a time.
    """

    skeleton: Skeleton
    batch: int

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
