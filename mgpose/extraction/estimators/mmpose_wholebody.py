"""The estimator ``mmpose``: whole-body networks through MMPose's Python API."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mmpose_files import (
    find_config,
    load_weights,
    published_checkpoint,
)
from mgpose.extraction.estimators.mmpose_imports import import_mmpose
from mgpose.extraction.estimators.person_detectors import choose_detector
from mgpose.extraction.estimators.top_down import Float32Array, TopDownEstimator, thread_count
from mgpose.extraction.roles import Box, Image, Method
from mgpose.extraction.tracker import SubjectTracker
from mgpose.structures import InputError
from mgpose.structures.sources import WHOLEBODY_133

# Raise it when this file or its helpers give other numbers for the same picture.
_REVISION = 1
_BATCH = 8


def mmpose_method(settings: EstimatorSettings) -> Method:
    """A whole-body network by MMPose config and checkpoint; nothing is loaded yet.

    The model is the path of a config (a config is Python code: use one that you trust) or the name
    of one of MMPose's own; only with such a name may the checkpoint be left out, and is then
    downloaded.

    Raises:
        InputError: when MMPose, the config or the checkpoint is missing, or an option does not
            apply.
    """
    spec = importlib.util.find_spec("mmpose")
    if spec is None or spec.origin is None:
        raise InputError(
            "the estimator 'mmpose' needs MMPose, which pip cannot install by itself, found none; "
            "install it with: bash tools/install_mmpose.sh"
        )
    package = Path(spec.origin).parent
    config = find_config(settings.model, package)
    checkpoint = Path(settings.checkpoint or published_checkpoint(settings.model, package))
    if not checkpoint.is_file():
        raise InputError(f"--checkpoint {checkpoint}: expected a checkpoint file, found none")
    detector = choose_detector(settings)
    device = settings.device or "cpu"

    def estimator() -> TopDownEstimator:
        network = _open(config, checkpoint, device)
        return TopDownEstimator(network, settings.batch or _BATCH, detector.may_miss)

    return Method(
        name="mmpose-wholebody",
        version=f"{importlib.metadata.version('mmpose')}+mgpose{_REVISION}+{detector.name}",
        weights_sha256=_sha256(config, checkpoint),
        detector=detector.build,
        tracker=SubjectTracker,
        estimator=estimator,
    )


class MMPoseWholeBody:
    """A network of MMPose with its own test pipeline, preprocessing, decoding and flip test.

    Args:
        config: MMPose config file.
        checkpoint: its weights.
        device: of torch.

    Raises:
        InputError: when config, weights and device do not go together, or the network does not
            find 133 keypoints.
    """

    def __init__(self, config: Path, checkpoint: Path, device: str) -> None:
        apis = import_mmpose()
        import torch
        from mmpose.registry import TRANSFORMS

        torch.set_num_threads(thread_count())
        # Networks that are unsure of everything compute with denormals, fifty times slower.
        torch.set_flush_denormal(True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of where it looks for its own files
                self._model = apis.init_model(str(config), device=device)
        except Exception as error:  # a config is code: whatever it raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"{config} on {device}: expected a network, found: {reason}") from None
        load_weights(self._model, checkpoint)
        keypoints = self._model.dataset_meta.get("num_keypoints")
        if keypoints != len(WHOLEBODY_133):
            raise InputError(
                f"{config}: expected the 133 keypoints of COCO-WholeBody, found {keypoints}"
            )
        pipeline = self._model.cfg.test_dataloader.dataset.pipeline
        self._pipeline = [TRANSFORMS.build(step) for step in pipeline]

    def find(
        self, images: Sequence[Image], boxes: Sequence[Box]
    ) -> tuple[Float32Array, Float32Array]:
        """See :class:`mgpose.extraction.estimators.top_down.WholeBodyNetwork`."""
        import torch

        samples = [self._sample(image, box) for image, box in zip(images, boxes, strict=True)]
        batch = {key: [sample[key] for sample in samples] for key in ("inputs", "data_samples")}
        with torch.inference_mode():
            found = [sample.pred_instances for sample in self._model.test_step(batch)]
        keypoints = np.stack([person.keypoints[0] for person in found])
        scores = np.stack([person.keypoint_scores[0] for person in found])
        return keypoints.astype(np.float32), scores.astype(np.float32)

    def _sample(self, image: Image, box: Box) -> dict[str, Any]:
        sample = {
            "img": np.ascontiguousarray(image[..., ::-1]),  # MMPose reads pictures as BGR
            "bbox": np.array([[box.x0, box.y0, box.x1, box.y1]], np.float32),
            "bbox_score": np.ones(1, np.float32),
            **self._model.dataset_meta,
        }
        for step in self._pipeline:
            sample = step(sample)
        return sample


@lru_cache(maxsize=1)
def _open(config: Path, checkpoint: Path, device: str) -> MMPoseWholeBody:
    """The network, opened once a process."""
    return MMPoseWholeBody(config, checkpoint, device)


@lru_cache(maxsize=4)
def _sha256(config: Path, checkpoint: Path) -> str:
    """Hash of the config's own text followed by the checkpoint."""
    digest = hashlib.sha256(config.read_bytes())
    with checkpoint.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
