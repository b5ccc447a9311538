"""The default estimator: MediaPipe Holistic, whose wheel carries its models."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.mediapipe_faces import MediaPipeFaceDetector
from mgpose.extraction.roles import Image, Method, View
from mgpose.extraction.tracker import SubjectTracker
from mgpose.structures import InputError
from mgpose.structures.sources import MEDIAPIPE_543

Float32Array = npt.NDArray[np.float32]

_POSE, _FACE, _LEFT, _RIGHT = slice(0, 33), slice(33, 501), slice(501, 522), slice(522, 543)
_NOSE, _SHOULDERS, _LEFT_WRIST, _RIGHT_WRIST = 0, (11, 12), 15, 16
_MODELS = (
    "face_detection/face_detection_full_range_sparse.tflite",
    "face_landmark/face_landmark.tflite",
    "hand_landmark/hand_landmark_full.tflite",
    "holistic_landmark/hand_recrop.tflite",
    "palm_detection/palm_detection_full.tflite",
    "pose_detection/pose_detection.tflite",
    "pose_landmark/pose_landmark_full.tflite",
)
# Raise it when this file or the detector gives other numbers for the same picture.
_REVISION = 2
# In shoulder widths; see settle_hands.
_ONE_HAND = 0.12
_OWN_WRIST = 0.15
_OTHER_WRIST = 1.5  # times the distance from the other wrist


def mediapipe_method(settings: EstimatorSettings) -> Method:
    """MediaPipe Holistic with its face detector; nothing of MediaPipe is imported yet.

    Raises:
        InputError: when MediaPipe is not installed, its wheel lacks the models, or an option is
            given that it does not have.
    """
    settings.refuse("model", "checkpoint", "detector", "device", "batch")
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise InputError(
            "the estimator 'mediapipe' needs the package mediapipe 0.10.14 (Python 3.10 to 3.12), "
            "found none; install it with: pip install 'mgpose[mediapipe]'"
        )
    return Method(
        name="mediapipe-holistic",
        version=f"{importlib.metadata.version('mediapipe')}+mgpose{_REVISION}",
        weights_sha256=_models_sha256(Path(spec.origin).parent / "modules"),
        detector=MediaPipeFaceDetector,
        tracker=SubjectTracker,
        estimator=MediaPipeHolistic,
    )


class MediaPipeHolistic:
    """Pose 33, face mesh 468 and two hands of 21 keypoints (Lugaresi et al., 2019).

    Model complexity 1, landmarks unsmoothed, faces unrefined. A body keypoint's score is its
    visibility; hands and face come without one and have 1 where found. Keypoints may lie outside
    of the frame, where the model guesses them. The third coordinate is left out: pose, hands and
    face have three different origins.

    Holistic follows one person of its own choice. When that is not clearly the subject, it is
    started afresh on a picture of the subject alone; when that fails too, nothing is found.
    """

    skeleton = MEDIAPIPE_543
    batch = 1  # Holistic follows its person from frame to frame
    finds_people = True

    def __init__(self) -> None:
        os.environ.setdefault("GLOG_minloglevel", "3")
        self._model = self._start()

    def estimate(self, views: Sequence[View]) -> tuple[Float32Array, Float32Array]:
        """See :class:`mgpose.extraction.roles.PoseEstimator`."""
        found = [settle_hands(*self._find(view)) for view in views]
        return np.stack([keypoints for keypoints, _ in found]), np.stack([s for _, s in found])

    def _find(self, view: View) -> tuple[Float32Array, Float32Array]:
        keypoints, scores = self._run(view.image)
        if view.subject is not None and not _shows_subject(view, keypoints):
            self._model.close()
            self._model = self._start()
            keypoints, scores = self._run(view.alone())
            if not _shows_subject(view, keypoints):
                keypoints[:], scores[:] = np.nan, 0
        return keypoints, scores

    def close(self) -> None:
        """See :class:`mgpose.extraction.roles.PoseEstimator`."""
        self._model.close()

    @staticmethod
    def _start() -> Any:
        from mediapipe.python.solutions.holistic import Holistic

        return Holistic(model_complexity=1, smooth_landmarks=False, refine_face_landmarks=False)

    def _run(self, image: Image) -> tuple[Float32Array, Float32Array]:
        found = self._model.process(image)
        height, width = image.shape[:2]
        keypoints = np.full((len(MEDIAPIPE_543), 2), np.nan, dtype=np.float32)
        scores = np.zeros(len(MEDIAPIPE_543), dtype=np.float32)
        parts = (
            (_POSE, found.pose_landmarks),
            (_FACE, found.face_landmarks),
            (_LEFT, found.left_hand_landmarks),
            (_RIGHT, found.right_hand_landmarks),
        )
        for place, landmarks in parts:
            if landmarks is not None:
                keypoints[place] = [(p.x * width, p.y * height) for p in landmarks.landmark]
                scores[place] = 1
        if found.pose_landmarks is not None:
            visibility = [p.visibility for p in found.pose_landmarks.landmark]
            scores[_POSE] = np.clip(visibility, 0, 1)
        return keypoints, scores


def settle_hands(
    keypoints: Float32Array, scores: Float32Array
) -> tuple[Float32Array, Float32Array]:
    """Give each hand to the arm that it hangs on; the input is not changed.

    Holistic looks for each hand near its arm's wrist, and where the hands meet, it finds one of
    them twice or takes one for the other. In shoulder widths, on Intel's 20 sign videos: a hand on
    its own wrist has its root at most 0.2 from it (median 0.05); a hand found twice (``book``,
    ``school``) gives two hands 0.00 to 0.09 apart on average, two real ones that touch (``help``,
    ``sister``, ``night``) are 0.15 to 0.4 apart.

    * Two hands less than 0.12 apart are one; it stays with the arm whose wrist is nearer.
    * A hand found alone, more than 0.15 from its own wrist and more than 1.5 times as far from it
      as from the other wrist, belongs to the other arm.

    Args:
        keypoints: (543, 2) pixels, NaN where not found.
        scores: (543,).

    Returns:
        Keypoints and scores.
    """
    keypoints, scores = keypoints.copy(), scores.copy()
    unit = _distance(keypoints[_SHOULDERS[0]], keypoints[_SHOULDERS[1]])
    found = [name for name in (_LEFT, _RIGHT) if not np.isnan(keypoints[name.start, 0])]
    if not unit > 0 or not found:
        return keypoints, scores
    wrists = {_LEFT.start: _LEFT_WRIST, _RIGHT.start: _RIGHT_WRIST}

    def from_own(hand: slice) -> float:
        return _distance(keypoints[hand.start], keypoints[wrists[hand.start]]) / unit

    if len(found) == 2:
        apart = float(np.linalg.norm(keypoints[_LEFT] - keypoints[_RIGHT], axis=1).mean()) / unit
        if apart < _ONE_HAND:
            farther = max(found, key=from_own)
            keypoints[farther], scores[farther] = np.nan, 0
        return keypoints, scores
    (hand,) = found
    other = _RIGHT if hand is _LEFT else _LEFT
    from_other = _distance(keypoints[hand.start], keypoints[wrists[other.start]]) / unit
    if from_own(hand) > max(_OWN_WRIST, _OTHER_WRIST * from_other):
        keypoints[other], scores[other] = keypoints[hand], scores[hand]
        keypoints[hand], scores[hand] = np.nan, 0
    return keypoints, scores


def _distance(a: Float32Array, b: Float32Array) -> float:
    return float(np.linalg.norm(a - b))


def _shows_subject(view: View, keypoints: Float32Array) -> bool:
    return view.shows_subject(keypoints[_NOSE], keypoints[list(_SHOULDERS)].mean(axis=0))


@cache
def _models_sha256(folder: Path) -> str:
    """One hash over the model files that are used, in a fixed order."""
    digest = hashlib.sha256()
    for name in _MODELS:
        path = folder / name
        if not path.is_file():
            raise InputError(
                f"mediapipe lacks its model {path.name}; the version that carries all of them is "
                "0.10.14: pip install 'mgpose[mediapipe]'"
            )
        digest.update(path.read_bytes())
    return digest.hexdigest()
