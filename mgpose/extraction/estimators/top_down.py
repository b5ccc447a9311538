"""Top-down estimation: a network is shown the subject's box of a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mgpose.extraction.roles import Box, Image, View
from mgpose.structures.sources import WHOLEBODY_133

Float32Array = npt.NDArray[np.float32]

_PADDING = 1.25  # what MMPose's networks are trained with


@dataclass(frozen=True)
class Crop:
    """The upright window of a picture that a network is shown.

    Args:
        x0, y0: where the input's origin lies in the picture, in pixels; may lie outside of it.
        step: picture pixels per input pixel.
        size: (width, height) of the input.
    """

    x0: float
    y0: float
    step: float
    size: tuple[int, int]

    @classmethod
    def around(cls, box: Box, size: tuple[int, int]) -> Crop:
        """The smallest window of the input's shape that holds the box and a quarter more."""
        width, height = size
        step = _PADDING * max((box.x1 - box.x0) / width, (box.y1 - box.y0) / height)
        x, y = box.centre
        return cls(x - step * width / 2, y - step * height / 2, step, size)

    def take(self, image: Image) -> Image:
        """The network's input (height, width, 3); black beyond the picture's edges."""
        import cv2

        to_input = np.array(((1, 0, -self.x0), (0, 1, -self.y0))) / self.step
        crop: Image = cv2.warpAffine(image, to_input, self.size, flags=cv2.INTER_LINEAR)
        return crop

    def to_picture(self, points: Float32Array) -> Float32Array:
        """Points (..., 2) of the input in pixels of the picture."""
        return points * np.float32(self.step) + np.array((self.x0, self.y0), np.float32)


class WholeBodyNetwork(Protocol):
    """Finds the 133 keypoints of COCO-WholeBody of the person in a box."""

    def find(
        self, images: Sequence[Image], boxes: Sequence[Box]
    ) -> tuple[Float32Array, Float32Array]:
        """Keypoints (N, 133, 2) in pixels of the pictures, and the network's own scores (N, 133):
        at most 0 where it found nothing, beyond 1 where it is very sure.
        """
        ...


class TopDownEstimator:
    """A :class:`mgpose.extraction.roles.PoseEstimator` of a network that needs boxes.

    Such a network always answers, whether the box holds a person or not: who is there is for the
    detector to say. Scores are cut to [0, 1].

    Args:
        network: the network.
        batch: frames at a time.
        whole_frame: True where a person may be there although the detector sees nobody; the box is
            then the whole frame. Without it, nobody is found there.
    """

    skeleton = WHOLEBODY_133
    finds_people = False  # a network answers for any box

    def __init__(self, network: WholeBodyNetwork, batch: int, whole_frame: bool) -> None:
        self._network, self.batch, self._whole_frame = network, batch, whole_frame

    def estimate(self, views: Sequence[View]) -> tuple[Float32Array, Float32Array]:
        """See :class:`mgpose.extraction.roles.PoseEstimator`."""
        keypoints = np.full((len(views), len(WHOLEBODY_133), 2), np.nan, np.float32)
        scores = np.zeros(keypoints.shape[:2], np.float32)
        boxes = {i: box for i, view in enumerate(views) if (box := self._box(view)) is not None}
        if boxes:
            seen = list(boxes)
            points, sure = self._network.find([views[i].image for i in seen], list(boxes.values()))
            keypoints[seen] = np.where(sure[..., None] > 0, points, np.nan)
            scores[seen] = np.clip(sure, 0, 1)
        return keypoints, scores

    def close(self) -> None:
        """The network stays: the next video needs it too."""

    def _box(self, view: View) -> Box | None:
        if view.subject is None and self._whole_frame and not view.several:
            return whole_frame(view.image)
        return view.subject


def whole_frame(image: Image) -> Box:
    """The box that holds the whole picture."""
    return Box(0, 0, image.shape[1], image.shape[0])


def thread_count() -> int:
    """Threads for a network: ``OMP_NUM_THREADS``, else the cores that this process may use."""
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
