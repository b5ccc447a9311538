"""The estimator ``onnx``: whole-body networks of MMPose (RTMPose, RTMW, DWPose) as ONNX files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.onnx_network import (
    FloatArray,
    OnnxNetwork,
    open_network,
    require_onnx,
    runtime_version,
)
from mgpose.extraction.estimators.person_detectors import choose_detector
from mgpose.extraction.estimators.top_down import Crop, Float32Array, TopDownEstimator
from mgpose.extraction.roles import Box, Image, Method
from mgpose.extraction.tracker import SubjectTracker
from mgpose.structures import InputError
from mgpose.structures.sources import WHOLEBODY_133

# Raise it when this file or its helpers give other numbers for the same picture.
_REVISION = 1
_BATCH = 8
# Of ImageNet, RGB, as MMPose's data preprocessor has them.
_MEAN = np.array((123.675, 116.28, 103.53), np.float32)
_STD = np.array((58.395, 57.12, 57.375), np.float32)


def onnx_method(settings: EstimatorSettings) -> Method:
    """A whole-body network in an ``.onnx`` file; it is not opened yet.

    Raises:
        InputError: when ONNX Runtime or a file is missing, or an option does not apply.
    """
    settings.refuse("checkpoint")
    path, sha256 = require_onnx(settings.model, "--model")
    detector = choose_detector(settings)

    def estimator() -> TopDownEstimator:
        network = OnnxWholeBody(open_network(path, settings.device, sha256))
        return TopDownEstimator(network, settings.batch or _BATCH, detector.may_miss)

    return Method(
        name="onnx-wholebody",
        version=f"{runtime_version()}+mgpose{_REVISION}+{detector.name}",
        weights_sha256=sha256,
        detector=detector.build,
        tracker=SubjectTracker,
        estimator=estimator,
    )


class OnnxWholeBody:
    """A network with the outputs ``simcc_x (N, 133, k W)`` and ``simcc_y (N, 133, k H)``.

    They are scores of the places along either axis, k to an input pixel (SimCC, Li et al., ECCV
    2022; RTMPose, Jiang et al., 2023).

    Args:
        network: the network.

    Raises:
        InputError: when its input or outputs are others.
    """

    def __init__(self, network: OnnxNetwork) -> None:
        if network.size is None:
            raise InputError(f"{network.path}: expected an input of a fixed size, found a free one")
        self._network, self._size = network, network.size

    def find(
        self, images: Sequence[Image], boxes: Sequence[Box]
    ) -> tuple[Float32Array, Float32Array]:
        """See :class:`mgpose.extraction.estimators.top_down.WholeBodyNetwork`."""
        crops = [Crop.around(box, self._size) for box in boxes]
        inputs = [crop.take(image) for crop, image in zip(crops, images, strict=True)]
        pixels = (np.stack(inputs).astype(np.float32) - _MEAN) / _STD
        outputs = self._network.run(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        self._check(outputs)
        points, scores = decode_simcc(outputs[0], outputs[1], self._size)
        return np.stack([c.to_picture(p) for c, p in zip(crops, points, strict=True)]), scores

    def _check(self, outputs: Sequence[FloatArray]) -> None:
        shapes = [output.shape[1:] for output in outputs]
        width, height = self._size
        if len(shapes) != 2 or not all(len(shape) == 2 for shape in shapes):
            raise InputError(
                f"{self._network.path}: expected the outputs simcc_x (N, 133, {2 * width}) and "
                f"simcc_y (N, 133, {2 * height}), found outputs of the shapes {shapes}"
            )
        if any(shape[0] != len(WHOLEBODY_133) for shape in shapes):
            raise InputError(
                f"{self._network.path}: expected the 133 keypoints of COCO-WholeBody, "
                f"found {shapes[0][0]}"
            )
        if shapes[0][1] * height != shapes[1][1] * width:
            raise InputError(
                f"{self._network.path}: expected outputs as long as the input's sides times one "
                f"factor, found {shapes[0][1]} for {width} and {shapes[1][1]} for {height}"
            )


def decode_simcc(
    simcc_x: FloatArray, simcc_y: FloatArray, size: tuple[int, int]
) -> tuple[Float32Array, Float32Array]:
    """The best place along either axis, and the lesser of the two scores, as MMPose defines them.

    Args:
        simcc_x: (N, V, k W) scores of the places along x.
        simcc_y: (N, V, k H) along y.
        size: (W, H) of the input.

    Returns:
        Points (N, V, 2) in pixels of the input, and scores (N, V) of any range.
    """
    places = np.stack([simcc_x.argmax(-1), simcc_y.argmax(-1)], axis=-1)
    scores = np.minimum(simcc_x.max(-1), simcc_y.max(-1))
    return (places / (simcc_x.shape[-1] / size[0])).astype(np.float32), scores.astype(np.float32)
