"""The estimator ``mediapipe-tasks``: Holistic by MediaPipe's current API, with a user's bundle."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mediapipe_holistic import settle_hands
from mgpose.extraction.estimators.person_detectors import choose_detector
from mgpose.extraction.estimators.top_down import Float32Array
from mgpose.extraction.roles import Image, Method, View
from mgpose.extraction.tracker import SubjectTracker
from mgpose.structures import InputError
from mgpose.structures.sources import MEDIAPIPE_543

# Raise it when this file gives other numbers for the same picture.
_REVISION = 1
_FIRST_RELEASE = (0, 10, 30)
_POSE, _FACE, _LEFT, _RIGHT = slice(0, 33), slice(33, 501), slice(501, 522), slice(522, 543)
_FACE_POINTS = 468
_NOSE = 0


def mediapipe_tasks_method(settings: EstimatorSettings) -> Method:
    """MediaPipe's HolisticLandmarker with a ``.task`` bundle; nothing is loaded yet.

    Raises:
        InputError: when MediaPipe or the bundle is missing, or an option does not apply.
    """
    settings.refuse("checkpoint", "device", "batch")
    release = _release()
    bundle = Path(settings.model)
    if not bundle.is_file():
        raise InputError(
            f"--model {settings.model or 'FILE'}: expected a bundle such as "
            "holistic_landmarker.task, found none; MediaPipe's site offers one"
        )
    detector = choose_detector(settings)
    return Method(
        name="mediapipe-tasks-holistic",
        version=f"{release}+mgpose{_REVISION}+{detector.name}",
        weights_sha256=_sha256(bundle, bundle.stat().st_mtime_ns),
        detector=detector.build,
        tracker=SubjectTracker,
        estimator=lambda: MediaPipeTasks(bundle),
    )


class MediaPipeTasks:
    """Pose 33, face mesh 468 and two hands of 21 keypoints.

    It runs in the mode for pictures, which follows the person from picture to picture too, but
    leaves the landmarks unsmoothed, unlike the mode for video. The bundle's face has 478 points;
    the ten of the irises are left out. Scores are as in
    :class:`mgpose.extraction.estimators.mediapipe_holistic.MediaPipeHolistic`. Where several
    people are seen, the model is shown the subject's box alone. All pictures must have one size.

    Args:
        bundle: the ``.task`` file.

    Raises:
        InputError: when it is no bundle of Holistic's.
    """

    skeleton = MEDIAPIPE_543
    finds_people = True
    batch = 1  # it follows its person from frame to frame

    def __init__(self, bundle: Path) -> None:
        os.environ.setdefault("GLOG_minloglevel", "3")
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self._mediapipe: Any = mediapipe
        try:
            self._model = vision.HolisticLandmarker.create_from_options(
                vision.HolisticLandmarkerOptions(BaseOptions(model_asset_path=str(bundle)))
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{bundle}: expected a bundle of Holistic's, found: {reason[:300]}"
            ) from None

    def estimate(self, views: Sequence[View]) -> tuple[Float32Array, Float32Array]:
        """See :class:`mgpose.extraction.roles.PoseEstimator`."""
        found = [settle_hands(*self._find(view)) for view in views]
        return np.stack([keypoints for keypoints, _ in found]), np.stack([s for _, s in found])

    def close(self) -> None:
        """See :class:`mgpose.extraction.roles.PoseEstimator`."""
        self._model.close()

    def _find(self, view: View) -> tuple[Float32Array, Float32Array]:
        if not view.several:
            return self._run(view.image)
        if view.subject is None:
            return _nobody()
        image = view.alone()
        for _ in range(2):
            keypoints, scores = self._run(image)
            if view.subject.contains(*keypoints[_NOSE]):
                return keypoints, scores
            self._run(np.zeros_like(image))  # where nobody is, it forgets whom it followed
        return _nobody()

    def _run(self, image: Image) -> tuple[Float32Array, Float32Array]:
        picture = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image)
        )
        return landmarks_to_pose(self._model.detect(picture), (image.shape[1], image.shape[0]))


def landmarks_to_pose(found: Any, size: tuple[int, int]) -> tuple[Float32Array, Float32Array]:
    """Keypoints (543, 2) in pixels, NaN where not found, and scores (543,) in [0, 1].

    Args:
        found: a ``HolisticLandmarkerResult``; its face has 468 points, or 478 with the irises.
        size: (width, height) of the picture.
    """
    keypoints, scores = _nobody()
    parts = (
        (_POSE, found.pose_landmarks),
        (_FACE, found.face_landmarks[:_FACE_POINTS]),
        (_LEFT, found.left_hand_landmarks),
        (_RIGHT, found.right_hand_landmarks),
    )
    for place, landmarks in parts:
        if landmarks:
            keypoints[place] = np.array([(p.x, p.y) for p in landmarks]) * size
            scores[place] = 1
    if found.pose_landmarks:
        scores[_POSE] = np.clip([p.visibility for p in found.pose_landmarks], 0, 1)
    return keypoints, scores


def _nobody() -> tuple[Float32Array, Float32Array]:
    points = len(MEDIAPIPE_543)
    return np.full((points, 2), np.nan, np.float32), np.zeros(points, np.float32)


def _release() -> str:
    """The installed MediaPipe, when it is one that can be used."""
    here = importlib.util.find_spec("mediapipe") is not None
    release = importlib.metadata.version("mediapipe") if here else "none"
    if not here or tuple(map(int, release.split(".")[:3])) < _FIRST_RELEASE:
        raise InputError(
            "the estimator 'mediapipe-tasks' needs the package mediapipe 0.10.30 or later (earlier "
            f"ones die where a hand is out of sight), found {release}; install it, in an "
            "environment of its own, with: pip install 'mediapipe>=0.10.30'"
        )
    return release


@lru_cache(maxsize=4)
def _sha256(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
