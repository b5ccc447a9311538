"""A seated body as a kinematic model: joint angles and hand goals in, keypoints out.

Lengths are in shoulder widths. The origin is the resting mid-shoulder; x runs to the image's right
(the subject's left), y down, z towards the camera. Everything of the right side is the mirror image
of the left side. Arms are two bones with the elbow found by inverse kinematics; hands are 21 points
with bending fingers; the head turns about the neck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.structures import UPPER_BODY_HANDS_FACE

Floats = npt.NDArray[np.float64]
SIDES = ("left", "right")

# Points of the head relative to its centre; those with x > 0 have a mirror image on the right.
_HEAD = {
    "nose": (0.0, 0.03, 0.25),
    "nose_tip": (0.0, 0.03, 0.25),
    "nose_base": (0.0, 0.07, 0.22),
    "upper_lip": (0.0, 0.13, 0.22),
    "lower_lip": (0.0, 0.18, 0.21),
    "chin": (0.0, 0.28, 0.18),
    "forehead": (0.0, -0.22, 0.20),
    "left_eye": (0.095, -0.085, 0.18),
    "left_ear": (0.21, -0.03, 0.0),
    "left_brow_inner": (0.05, -0.15, 0.21),
    "left_brow_outer": (0.15, -0.14, 0.15),
    "left_eye_corner_inner": (0.05, -0.085, 0.19),
    "left_eye_corner_outer": (0.14, -0.085, 0.15),
    "left_mouth_corner": (0.075, 0.155, 0.18),
    "left_crown": (0.10, -0.32, 0.06),
    "left_jaw": (0.14, 0.19, 0.10),
}
_HEAD_CENTRE = np.array([0.0, -0.60, 0.06])
_NECK_JOINT = np.array([0.0, 0.22, -0.08])  # about which the head turns, from its centre
_LIPS = ("upper_lip", "lower_lip")
# Points of the trunk that hands go to.
_TRUNK = {
    "left_neck": (0.13, -0.20, 0.06),
    "notch": (0.0, 0.06, 0.10),
    "front": (0.0, 0.85, 0.60),
    "front_high": (0.0, 0.62, 0.62),
    "left_side": (0.40, 0.66, 0.30),
    "left_space": (0.55, 0.55, 0.60),
}
# The elbow points outward and down: no hand goes exactly against it, so it never flips over.
_BOW = np.array([0.12, 0.0, 0.30])  # half way to a goal a hand is off the straight line by this
_ELBOW_POLE = np.array([0.75, 0.6, 0.2])
# A left hand: along the fingers, towards the thumb. Knuckles, then lengths of the finger bones.
_KNUCKLES = np.array([[0.40, 0.14], [0.42, 0.045], [0.405, -0.05], [0.37, -0.14]])
_BONES = np.array([[0.20, 0.12, 0.10], [0.22, 0.14, 0.11], [0.20, 0.13, 0.10], [0.16, 0.09, 0.09]])
_FAN = np.array([0.5, 0.1, -0.3, -0.7])  # share of the spread angle that each finger takes
_THUMB = np.array([[0.10, 0.10], [0.22, 0.20], [0.32, 0.27], [0.40, 0.33]])

EFFECTORS: Mapping[str, tuple[int, ...]] = {
    "index_tip": (8,),
    "fingertips": (8, 12),
    "pinch": (4, 8),
    "knuckles": (5, 9, 13, 17),
    "palm": (0, 9),
}


@dataclass(frozen=True)
class Proportions:
    """Lengths of one subject relative to an average person; 1 is average."""

    head: float = 1.0
    neck: float = 1.0
    upper_arm: float = 0.84
    forearm: float = 0.74
    hand: float = 0.48
    trunk: float = 1.45


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """Trunk and head over T frames.

    Args:
        shift: (T, 3) displacement of the trunk.
        lean: (T,) roll of the trunk, radians.
        shrug: (T, 2) height of the left and right shoulder.
        head: (T, 3) yaw, pitch (up is positive) and roll, radians.
        mouth: (T,) opening of the mouth, 0 closed to 1.
        press: (T,) pressing of the lips, 0 to 1.
    """

    shift: Floats
    lean: Floats
    shrug: Floats
    head: Floats
    mouth: Floats
    press: Floats


@dataclass(frozen=True, eq=False)
class HandMotion:
    """One hand over T frames; x is outward, so both sides read alike.

    Args:
        rest: (T, 3) resting place of the wrist.
        goal: (T, 3) place that the effector goes to, in body coordinates (x to the image's right).
        weight: (T,) 0 at rest, 1 at the goal.
        angles: (T, 3) direction of the fingers in the image (pi inward, 3 pi / 2 up), their
            elevation towards the camera, and roll of the palm (0 faces the body); radians.
        curl: (T,) bend of each finger joint, radians.
        spread: (T,) fan of the fingers, radians.
        effector: (T, 21) weights of the hand's points whose mean meets the goal; rows sum to 1.
    """

    rest: Floats
    goal: Floats
    weight: Floats
    angles: Floats
    curl: Floats
    spread: Floats
    effector: Floats


def mirrored(points: Mapping[str, tuple[float, float, float]]) -> dict[str, Floats]:
    """The points, and for each ``left_`` one its mirror image."""
    both = {name: np.array(xyz) for name, xyz in points.items()}
    for name, xyz in points.items():
        if name.startswith("left_"):
            both["right_" + name[5:]] = np.array(xyz) * (-1, 1, 1)
    return both


def landmarks(body: Proportions, motion: BodyMotion) -> dict[str, Floats]:
    """Name -> (T, 3) of all points of trunk and head: keypoints, and places that hands go to."""
    frames = len(motion.lean)
    trunk = mirrored(_TRUNK)
    points = {name: np.broadcast_to(xyz, (frames, 3)).copy() for name, xyz in trunk.items()}
    for i, side in enumerate(SIDES):
        points[f"{side}_shoulder"] = np.zeros((frames, 3))
        points[f"{side}_shoulder"][:, 0] = 0.5 if side == "left" else -0.5
        points[f"{side}_shoulder"][:, 1] = -motion.shrug[:, i]
    points["mid_hip"] = np.zeros((frames, 3))
    points |= _head(body, motion)
    lean = _rotation(motion.lean, 2)
    hip = np.array([0.0, body.trunk, 0.0])
    for name, xyz in points.items():
        # The trunk leans about the hip, which stays on its seat.
        moved = np.einsum("tij,tj->ti", lean, xyz - hip) + hip
        points[name] = moved + motion.shift
    points["mid_hip"] = np.broadcast_to(hip, (frames, 3)) + 0.3 * motion.shift
    points["neck"] = (points["left_shoulder"] + points["right_shoulder"]) / 2
    return points


def _head(body: Proportions, motion: BodyMotion) -> dict[str, Floats]:
    yaw, pitch, roll = motion.head.T
    turn = _rotation(roll, 2) @ _rotation(yaw, 1) @ _rotation(pitch, 0)
    centre = _HEAD_CENTRE * (1, body.neck, 1)
    points = {}
    for name, xyz in mirrored(_HEAD).items():
        place = np.broadcast_to(xyz, (len(yaw), 3)).copy()
        if name in _LIPS:
            sign = 1 if name == "lower_lip" else -1
            place[:, 1] += sign * (0.03 * motion.mouth - 0.018 * motion.press)
        if name == "chin":
            place[:, 1] += 0.04 * motion.mouth
        if name.endswith("mouth_corner"):
            place[:, 0] *= 1 - 0.12 * motion.press
        local = np.einsum("tij,tj->ti", turn, place - _NECK_JOINT) + _NECK_JOINT
        points[name] = centre + body.head * local
    return points


def _rotation(angle: Floats, axis: int) -> Floats:
    """(T, 3, 3) rotations about one axis."""
    a, b = [i for i in range(3) if i != axis]
    matrix = np.broadcast_to(np.eye(3), (len(angle), 3, 3)).copy()
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, a, b], matrix[:, b, a] = -np.sin(angle), np.sin(angle)
    return matrix


def hand_points(size: float, angles: Floats, curl: Floats, spread: Floats) -> Floats:
    """(T, 21, 3) points of a left hand from its root; arguments as in :class:`HandMotion`."""
    direction, elevation, roll = angles.T
    along = np.stack(
        [
            np.cos(direction) * np.cos(elevation),
            np.sin(direction) * np.cos(elevation),
            np.sin(elevation),
        ],
        -1,
    )
    # The palm faces away from the camera at roll 0, as in a hand on one's own face.
    palm = np.array([0.0, 0.0, -1.0]) + along[:, 2:] * along
    palm /= np.linalg.norm(palm, axis=-1, keepdims=True)
    across = np.cross(along, palm)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    palm, across = cos * palm + sin * across, cos * across - sin * palm
    local = np.zeros((len(curl), 21, 3))  # along, across, palm
    local[:, 1:5, :2] = _THUMB
    # A closing hand brings the thumb over the palm.
    local[:, 2:5, 1] *= 1 - 0.45 * curl[:, None]
    local[:, 2:5, 2] = curl[:, None] * (0.06, 0.12, 0.16)
    for finger in range(4):
        fan = spread * _FAN[finger]
        point = np.zeros((len(curl), 3))
        point[:, :2] = _KNUCKLES[finger]
        local[:, 5 + 4 * finger] = point
        for joint in range(3):
            bend = curl * (0.7 + joint)
            step = np.stack([np.cos(bend) * np.cos(fan), np.cos(bend) * np.sin(fan), np.sin(bend)])
            point = point + _BONES[finger, joint] * step.T
            local[:, 6 + 4 * finger + joint] = point
    basis = np.stack([along, across, palm], 1)
    return np.asarray(size * local @ basis)


def reach(shoulder: Floats, wrist: Floats, upper: float, fore: float) -> tuple[Floats, Floats]:
    """(T, 3) elbow and wrist of a left arm; a wrist out of reach is drawn in along its line."""
    line = wrist - shoulder
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    along = line / np.maximum(distance, 1e-6)
    distance = np.clip(distance, abs(upper - fore) + 0.02, 0.995 * (upper + fore))
    onto = (distance**2 + upper**2 - fore**2) / (2 * distance)
    pole = _ELBOW_POLE - (along @ _ELBOW_POLE)[:, None] * along
    pole /= np.maximum(np.linalg.norm(pole, axis=-1, keepdims=True), 1e-6)
    elbow = shoulder + onto * along + np.sqrt(np.maximum(upper**2 - onto**2, 0)) * pole
    return elbow, shoulder + distance * along


def arm(
    body: Proportions, side: str, shoulder: Floats, motion: HandMotion
) -> tuple[Floats, Floats, Floats]:
    """(T, 3) elbow, (T, 3) wrist and (T, 21, 3) hand of one side, in body coordinates."""
    flip = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    hand = hand_points(body.hand, motion.angles, motion.curl, motion.spread)
    offset = np.einsum("tk,tkc->tc", motion.effector, hand)
    weight = motion.weight[:, None]
    wrist = (1 - weight) * motion.rest + weight * (motion.goal * flip - offset)
    wrist += 4 * weight * (1 - weight) * _BOW
    elbow, wrist = reach(shoulder * flip, wrist, body.upper_arm, body.forearm)
    return elbow * flip, wrist * flip, (wrist[:, None] + hand) * flip


def render(
    body: Proportions, points: Mapping[str, Floats], hands: Mapping[str, HandMotion]
) -> Floats:
    """(T, 70, 3) keypoints of ``UPPER_BODY_HANDS_FACE`` in shoulder widths.

    Args:
        body: the subject.
        points: what :func:`landmarks` gave.
        hands: motion of the ``left`` and the ``right`` hand.
    """
    layout = UPPER_BODY_HANDS_FACE
    keypoints = np.empty((len(points["neck"]), len(layout), 3))
    for side in SIDES:
        elbow, wrist, hand = arm(body, side, points[f"{side}_shoulder"], hands[side])
        keypoints[:, layout.index(f"{side}_elbow")] = elbow
        keypoints[:, layout.index(f"{side}_wrist")] = wrist
        keypoints[:, layout.indices(layout.parts[f"{side}_hand"])] = hand
    for name in (*layout.parts["body"], *layout.parts["face"]):
        if name in points:
            keypoints[:, layout.index(name)] = points[name]
    return keypoints
