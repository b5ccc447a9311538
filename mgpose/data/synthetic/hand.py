"""A hand of 21 points with five bending fingers, and the shapes that gestures put it in.

Lengths are relative to the hand; :func:`hand_points` scales them. A hand is described as a left
one; the right one is its mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SIDES = ("left", "right")

# Along the fingers and towards the thumb: the four knuckles, and the thumb's four points.
_KNUCKLES = np.array([[0.40, 0.14], [0.42, 0.045], [0.405, -0.05], [0.37, -0.14]])
_THUMB = np.array([[0.10, 0.10], [0.22, 0.20], [0.32, 0.27], [0.40, 0.33]])
_BONES = np.array([[0.20, 0.12, 0.10], [0.22, 0.14, 0.11], [0.20, 0.13, 0.10], [0.16, 0.09, 0.09]])
_FAN = np.array([0.5, 0.1, -0.3, -0.7])  # share of the spread angle that each finger takes
_FIRST_JOINT = 0.7  # a knuckle bends less than the two joints beyond it
# A bending thumb crosses the palm: inward share and depth of its last three points.
_THUMB_CROSS, _THUMB_DEPTH = 0.5, np.array([0.06, 0.13, 0.19])

# Bend of thumb, index, middle, ring and little finger (radians a joint; the thumb 0 to 1), spread.
SHAPES: Mapping[str, tuple[float, float, float, float, float, float]] = {
    "flat": (0.1, 0.05, 0.05, 0.05, 0.05, 0.1),
    "open": (0.0, 0.1, 0.1, 0.1, 0.15, 0.45),
    "relaxed": (0.3, 0.35, 0.4, 0.45, 0.5, 0.15),
    "claw": (0.3, 0.55, 0.55, 0.55, 0.6, 0.3),
    "point": (0.6, 0.15, 0.95, 1.05, 1.05, 0.1),
    "pinch": (0.75, 0.72, 0.8, 0.7, 0.6, 0.15),
    "fist": (0.8, 1.05, 1.1, 1.1, 1.1, 0.05),
    "clasp": (0.3, 0.62, 0.65, 0.65, 0.62, 0.25),
}
# The hand's points whose mean meets a place.
EFFECTORS: Mapping[str, tuple[int, ...]] = {
    "index_tip": (8,),
    "fingertips": (8, 12, 16),
    "pinch": (4, 8),
    "knuckles": (5, 9, 13, 17),
    "fingers": (6, 10, 14, 18),
    "palm": (0, 9),
    "root": (0,),
}


def hand_points(size: float, angles: Floats, shape: Floats) -> Floats:
    """(T, 21, 3) points of a left hand, relative to its root.

    Args:
        size: length from the root to the tip of the middle finger, about; the unit of the result.
        angles: (T, 3) direction of the fingers in the image (0 outward, pi / 2 down, pi inward,
            3 pi / 2 up), their elevation towards the camera, and roll of the palm (0: it faces
            away from the camera, towards the own body); radians.
        shape: (T, 6) as the values of ``SHAPES``.
    """
    local, basis = _local_points(shape), _basis(angles)[:, None]
    # Sums in a written order: a matrix product's depends on the machine.
    x, y, z = (local[..., i, None] * basis[:, :, i] for i in range(3))
    return np.asarray(size * (x + y + z))


def _basis(angles: Floats) -> Floats:
    """(T, 3, 3) rows: along the fingers, across towards the thumb, out of the palm."""
    direction, elevation, roll = angles.T
    flat = np.cos(elevation)
    along = np.stack([np.cos(direction) * flat, np.sin(direction) * flat, np.sin(elevation)], -1)
    palm = along[:, 2:] * along
    palm[:, 2] -= 1
    palm /= np.sqrt((palm**2).sum(-1, keepdims=True))
    across = np.cross(along, palm)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([along, cos * across - sin * palm, cos * palm + sin * across], 1)


def _local_points(shape: Floats) -> Floats:
    """(T, 21, 3) along, across, out of the palm."""
    frames = len(shape)
    local = np.zeros((frames, 21, 3))
    thumb = shape[:, 0]
    local[:, 1:5, :2] = _THUMB
    local[:, 2:5, 1] *= 1 - _THUMB_CROSS * thumb[:, None]
    local[:, 2:5, 2] = thumb[:, None] * _THUMB_DEPTH
    fan = shape[:, 5:] * _FAN
    bends = shape[:, 1:5, None] * (_FIRST_JOINT + np.arange(3))
    steps = np.empty((frames, 4, 3, 3))
    forward = np.cos(bends)
    steps[..., 0] = forward * np.cos(fan)[..., None]
    steps[..., 1] = forward * np.sin(fan)[..., None]
    steps[..., 2] = np.sin(bends)
    steps *= _BONES[..., None]
    fingers = local[:, 5:].reshape(frames, 4, 4, 3)
    fingers[:, :, 0, :2] = _KNUCKLES
    for joint in range(3):
        fingers[:, :, joint + 1] = fingers[:, :, joint] + steps[:, :, joint]
    local[:, 5:] = fingers.reshape(frames, 16, 3)
    return local
