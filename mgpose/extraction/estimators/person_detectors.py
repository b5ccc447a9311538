"""What shows a top-down network where people are: the whole frame, faces, or a detector network."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mediapipe_faces import MediaPipeFaceDetector
from mgpose.extraction.estimators.onnx_network import (
    FloatArray,
    OnnxNetwork,
    open_network,
    require_onnx,
)
from mgpose.extraction.estimators.top_down import Float32Array, whole_frame
from mgpose.extraction.roles import Box, Detector, Image
from mgpose.structures import InputError

_ANY_SIZE = (640, 640)  # what RTMDet and YOLOX are trained with
_GREY = 114  # of the margin, as in their training
_LEAST_SCORE = 0.5
_SAME_PERSON = 0.45  # overlap of two finds of one person
_STRIDES = (8, 16, 32)
# BGR, as MMDetection's data preprocessor has them for RTMDet; YOLOX takes the pixels as they are.
_NORMALISED = {
    "rtmdet": ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395)),
    "yolox": ((0, 0, 0), (1, 1, 1)),
}


@dataclass(frozen=True)
class DetectorChoice:
    """A detector that the settings ask for.

    Args:
        name: for provenance.
        build: makes one for a video.
        may_miss: True when a person may be there although it sees nobody.
    """

    name: str
    build: Callable[[], Detector]
    may_miss: bool


def choose_detector(settings: EstimatorSettings) -> DetectorChoice:
    """``full-frame`` (also the default), ``faces``, or a network: ``rtmdet:FILE.onnx``,
    ``yolox:FILE.onnx``, or the bare file where one of these words stands in its name.

    Raises:
        InputError: for anything else, or when a package or file is missing.
    """
    wanted = settings.detector or "full-frame"
    if wanted == "full-frame":
        return DetectorChoice(wanted, FullFrameDetector, may_miss=True)
    if wanted == "faces":
        spec = importlib.util.find_spec("mediapipe")
        if spec is None or not (Path(spec.origin or "").parent / "modules/face_detection").is_dir():
            raise InputError(
                "--detector faces needs the package mediapipe 0.10.14, whose wheel carries the "
                "face detector; install it with: pip install 'mgpose[mediapipe]'"
            )
        return DetectorChoice(wanted, MediaPipeFaceDetector, may_miss=True)
    kind, file = _kind_and_file(wanted)
    path, sha256 = require_onnx(file, "--detector")
    device = settings.device if settings.name == "onnx" else ""
    return DetectorChoice(
        f"{kind}-{sha256[:12]}",
        lambda: PersonNetwork(open_network(path, device, sha256), kind),
        may_miss=False,
    )


def _kind_and_file(wanted: str) -> tuple[str, str]:
    kind, colon, file = wanted.partition(":")
    if colon and kind in _NORMALISED:
        return kind, file
    kinds = [kind for kind in _NORMALISED if kind in Path(wanted).name.lower()]
    if len(kinds) != 1:
        raise InputError(
            f"--detector {wanted}: expected full-frame, faces, rtmdet:FILE.onnx or yolox:FILE.onnx"
        )
    return kinds[0], wanted


class FullFrameDetector:
    """One person, who fills the frame."""

    def detect(self, image: Image) -> list[Box]:
        """See :class:`mgpose.extraction.roles.Detector`."""
        return [whole_frame(image)]

    def close(self) -> None:
        """There is nothing to free."""


class PersonNetwork:
    """People by RTMDet or YOLOX, whose class 0 are persons.

    The network's outputs are either ``dets (1, N, 5)`` (box and score) with ``labels (1, N)``, as
    MMDeploy exports both kinds, or YOLOX' own ``(1, N, 5 + classes)``: offsets from the cells of
    three grids, logarithms of sizes, objectness and class scores.

    Args:
        network: the network.
        kind: ``"rtmdet"`` or ``"yolox"``: how it wants the pixels.
    """

    def __init__(self, network: OnnxNetwork, kind: str) -> None:
        self._network = network
        self._size = network.size or _ANY_SIZE
        self._mean, self._std = (np.array(v, np.float32) for v in _NORMALISED[kind])

    def detect(self, image: Image) -> list[Box]:
        """See :class:`mgpose.extraction.roles.Detector`."""
        pixels, shrink = _letterbox(image, self._size)
        pixels = (pixels - self._mean) / self._std
        outputs = self._network.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
        boxes, scores = self._people(outputs)
        height, width = image.shape[:2]
        boxes = np.clip(boxes / shrink, 0, (width, height, width, height))
        return [
            Box(float(x0), float(y0), float(x1), float(y1), float(score))
            for (x0, y0, x1, y1), score in zip(boxes, scores, strict=True)
            if score >= _LEAST_SCORE and x0 < x1 and y0 < y1
        ]

    def close(self) -> None:
        """The network stays: the next video needs it too."""

    def _people(self, outputs: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Boxes (N, 4) in pixels of the input, and scores (N,)."""
        shapes = [output.shape for output in outputs]
        if len(outputs) == 2 and len(shapes[0]) == 3 and shapes[0][2] == 5:
            found, labels = outputs[0][0], outputs[1][0]
            people = found[labels == 0]
            return people[:, :4], people[:, 4]
        cells = sum((self._size[0] // s) * (self._size[1] // s) for s in _STRIDES)
        if len(outputs) == 1 and shapes[0][1:2] == (cells,) and shapes[0][2] > 5:
            return _yolox_people(outputs[0][0], self._size)
        raise InputError(
            f"{self._network.path}: expected dets (1, N, 5) and labels (1, N), or YOLOX' "
            f"(1, N, 5 + classes), found outputs of the shapes {shapes}"
        )


def _letterbox(image: Image, size: tuple[int, int]) -> tuple[Float32Array, float]:
    """The picture in BGR, shrunk into the top left of (height, width, 3), and by how much."""
    import cv2

    height, width = image.shape[:2]
    shrink = min(size[0] / width, size[1] / height)
    small = cv2.resize(image, (int(width * shrink), int(height * shrink)))
    boxed = np.full((size[1], size[0], 3), _GREY, np.float32)
    boxed[: small.shape[0], : small.shape[1]] = small[..., ::-1]
    return boxed, shrink


def _yolox_people(rows: FloatArray, size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Boxes (N, 4) and scores (N,) of the persons in YOLOX' rows, each person once."""
    import cv2

    grids = [
        np.stack([*np.meshgrid(np.arange(size[0] // s), np.arange(size[1] // s))], -1).reshape(
            -1, 2
        )
        for s in _STRIDES
    ]
    strides = np.repeat(_STRIDES, [len(grid) for grid in grids])[:, None]
    centres = (rows[:, :2] + np.concatenate(grids)) * strides
    sizes = np.exp(rows[:, 2:4]) * strides
    scores = rows[:, 4] * rows[:, 5]
    corners = np.concatenate([centres - sizes / 2, sizes], axis=1)
    kept = np.array(
        cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), _LEAST_SCORE, _SAME_PERSON), int
    )
    corners[:, 2:] += corners[:, :2]
    return corners[kept], scores[kept]
