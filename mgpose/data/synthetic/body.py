"""A seated body as a kinematic model: tracks of posture and hands in, keypoints in space out.

Lengths are in shoulder widths. The origin is the resting mid-shoulder; x runs to the image's right
(the subject's left), y down, z towards the camera. Everything of the right side is the mirror image
of the left side. The trunk turns about the hips, the head about the neck; arms are two bones with
the elbow found by inverse kinematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mgpose.data.synthetic.hand import EFFECTORS, SIDES, Floats, hand_points
from mgpose.structures import UPPER_BODY_HANDS_FACE

# What posture consists of; angles in radians, lengths in shoulder widths, the face 0 to 1.
TRACKS = (
    "torso_pitch",  # positive: leans towards the camera
    "torso_roll",
    "torso_yaw",
    "torso_shift",  # sideways
    "torso_rise",  # sits taller
    "left_shoulder",  # height
    "right_shoulder",
    "shoulders_forward",
    "head_pitch",  # positive: up
    "head_yaw",
    "head_roll",
    "head_sink",  # into the shoulders
    "head_forward",
    "mouth",  # opening
    "press",  # of the lips
    "bite",  # the lower lip under the teeth
    "puff",  # of the cheeks
    "brow",  # raised
)
Posture = dict[str, Floats]

# Points of the head relative to its centre; a left one has a mirror image.
_FACE = {
    "nose": (0.0, 0.03, 0.25),
    "nose_tip": (0.0, 0.03, 0.25),
    "nose_base": (0.0, 0.07, 0.22),
    "upper_lip": (0.0, 0.125, 0.22),
    "lower_lip": (0.0, 0.175, 0.21),
    "chin": (0.0, 0.28, 0.18),
    "left_eye": (0.095, -0.085, 0.18),
    "left_ear": (0.21, -0.03, 0.0),
    "left_brow_inner": (0.05, -0.15, 0.21),
    "left_brow_outer": (0.15, -0.14, 0.15),
    "left_eye_corner_inner": (0.05, -0.085, 0.19),
    "left_eye_corner_outer": (0.14, -0.085, 0.15),
    "left_mouth_corner": (0.075, 0.15, 0.18),
}
# Places that hands go to, on the head and on the trunk.
HEAD_PLACES = {
    **_FACE,
    "forehead": (0.0, -0.23, 0.20),
    "left_temple": (0.17, -0.13, 0.10),
    "left_cheek": (0.12, 0.06, 0.17),
    "left_jaw": (0.09, 0.22, 0.13),
    "left_crown": (0.12, -0.40, 0.0),
    "left_back_of_head": (0.17, -0.16, -0.10),
    "left_hair": (0.16, -0.21, 0.12),
    "left_lock": (0.22, 0.05, 0.14),  # hair that hangs beside the neck
    "brim": (0.0, -0.38, 0.36),
    "left_brim": (0.22, -0.37, 0.22),
    "left_nape": (0.13, 0.20, -0.12),
    "mouth": (0.0, 0.15, 0.23),
}
TRUNK_PLACES = {
    "left_throat": (0.14, -0.17, 0.07),
    "left_collar": (0.08, 0.02, 0.14),
    "notch": (0.0, 0.03, 0.12),
    "chest": (0.0, 0.30, 0.20),
    "left_chest": (0.24, 0.28, 0.20),
    "tie": (0.0, 0.16, 0.17),
    "buckle": (0.0, 1.12, 0.26),
    "belly": (0.0, 0.80, 0.28),
    "left_shoulder_top": (0.40, -0.02, 0.05),
    "left_shoulder_blade": (0.30, 0.12, -0.20),
    "left_small_of_back": (0.10, 0.95, -0.28),
    "left_side": (0.40, 0.60, 0.22),
    "left_hip_bone": (0.44, 1.10, 0.04),
}
# Places in the room: over the table, before the body.
ROOM_PLACES = {
    "front": (0.0, 0.88, 0.62),
    "front_high": (0.0, 0.60, 0.58),
    "left_front": (0.36, 0.92, 0.60),
    "left_space": (0.52, 0.60, 0.60),
    "left_lap": (0.28, 1.12, 0.45),
    "left_edge": (0.44, 0.82, 0.26),
}
HEAD_CENTRE = np.array([0.0, -0.60, 0.06])
_NECK_JOINT = np.array([0.0, 0.22, -0.08])  # about which the head turns, from its centre
_BOW = np.array([0.05, 0.08, 0.55])  # half way to a goal a hand is off the straight line by this
# The elbow points down, outward and a little back; no hand rests along this line, so that the elbow
# does not flip over.
ELBOW_POLE = (0.45, 0.80, -0.25)
_FOLDED = 0.31  # of its length a fully bent arm, 145 degrees, leaves from shoulder to wrist
# With the hand at the eyes or above it points outward, else it would be against this line.
_ELBOW_POLE_HIGH, _EYES = (0.85, 0.35, 0.25), -0.08
_NOTCH = 0.1  # places of the trunk above it are reached as the face is
_ELBOW_POLE_FACE = (0.25, 0.60, 0.75)
_LAYOUT = UPPER_BODY_HANDS_FACE


@dataclass(frozen=True)
class Proportions:
    """Lengths of one subject in shoulder widths, and of head and face relative to the average."""

    head: float = 1.0
    neck: float = 1.0
    face_width: float = 1.0
    face_height: float = 1.0
    eyes: float = 1.0
    mouth: float = 1.0
    lips: float = 1.0
    upper_arm: float = 0.84
    forearm: float = 0.74
    hand: float = 0.48
    trunk: float = 1.45
    slope: float = 0.0  # height of the shoulder joints below the mid-shoulder line


@dataclass(frozen=True, eq=False)
class Frame:
    """A moving frame of reference: rotation (T, 3, 3) and origin (T, 3)."""

    rotation: Floats
    origin: Floats

    def at(self, place: Floats) -> Floats:
        """(T, 3) position in the room of a place (3,) or (T, 3) of the frame."""
        return _turn(self.rotation, place) + self.origin

    def window(self, frames: slice) -> Frame:
        """Views of some frames."""
        return Frame(self.rotation[frames], self.origin[frames])


@dataclass(frozen=True, eq=False)
class HandTracks:
    """One hand over T frames; x is outward, so both sides read alike.

    Args:
        wrist: (T, 3) where the wrist is meant to be.
        angles: (T, 3) as in :func:`hand_points`.
        shape: (T, 6) as in :func:`hand_points`.
        pole: (T, 3) where the elbow points.
        hidden: (T,) 0 to 1: how far the hand is out of the camera's sight.
    """

    wrist: Floats
    angles: Floats
    shape: Floats
    pole: Floats
    hidden: Floats

    def window(self, frames: slice) -> HandTracks:
        """Views of some frames."""
        parts = (self.wrist, self.angles, self.shape, self.pole, self.hidden)
        return HandTracks(*(part[frames] for part in parts))


def outward(side: str) -> Floats:
    """(3,) factors that turn a place of the left side into one of ``side``."""
    return np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])


def place_of(name: str, places: Mapping[str, tuple[float, float, float]]) -> Floats | None:
    """(3,) a named place, mirrored for the right side; None where the table lacks it."""
    if name in places:
        return np.array(places[name])
    twin = "left_" + name.removeprefix("right_")
    return np.array(places[twin]) * outward("right") if twin in places else None


def elbow_pole(target: str) -> tuple[float, float, float]:
    """Where the elbow points when a hand is at a place, by name, and nothing else is said."""
    name = target.replace("own_", "left_").replace("other_", "right_")
    at_head, at_trunk = place_of(name, HEAD_PLACES), place_of(name, TRUNK_PLACES)
    if at_head is not None:
        return _ELBOW_POLE_HIGH if at_head[1] < _EYES else _ELBOW_POLE_FACE
    return _ELBOW_POLE_FACE if at_trunk is not None and at_trunk[1] < _NOTCH else ELBOW_POLE


def rotations(pitch: Floats, yaw: Floats, roll: Floats) -> Floats:
    """(T, 3, 3) first pitch about x, then yaw about y, then roll about z."""
    cx, sx, cy, sy, cz, sz = (f(a) for a in (pitch, yaw, roll) for f in (np.cos, np.sin))
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _turn(rotation: Floats, place: Floats) -> Floats:
    """(T, 3) places (3,) or (T, 3) turned by (T, 3, 3)."""
    # Sums in a written order: a matrix product's depends on the machine.
    x, y, z = (rotation[..., i] * place[..., i, None] for i in range(3))
    return np.asarray(x + y + z)


def trunk_frame(body: Proportions, posture: Posture) -> Frame:
    """Frame of the trunk; its origin is the mid-shoulder, it turns about the hips."""
    # A turn by a positive angle about x would lead the shoulders away from the camera.
    turn = rotations(-posture["torso_pitch"], posture["torso_yaw"], posture["torso_roll"])
    hip = np.array([0.0, body.trunk, 0.0])
    up = np.zeros((len(turn), 3))
    up[:, 1] = -body.trunk - posture["torso_rise"]
    origin = hip + _turn(turn, up)
    origin[:, 0] += posture["torso_shift"]
    return Frame(turn, origin)


def head_frame(body: Proportions, posture: Posture, trunk: Frame) -> Frame:
    """Frame of the head, on the trunk, in shoulder widths: the head's size is not in it."""
    turn = rotations(posture["head_pitch"], posture["head_yaw"], posture["head_roll"])
    joint = HEAD_CENTRE * (1, body.neck, 1) + _NECK_JOINT
    place = np.broadcast_to(joint, (len(turn), 3)).copy()
    place[:, 1] += posture["head_sink"]
    place[:, 2] += posture["head_forward"]
    rotation = np.stack([_turn(trunk.rotation, turn[:, :, i]) for i in range(3)], -1)
    centre = trunk.at(place) + _turn(rotation, -_NECK_JOINT * body.head)
    return Frame(rotation, centre)


def head_place(body: Proportions, place: Floats) -> Floats:
    """A place of an average head on this subject's."""
    return np.asarray(place * body.head * (body.face_width, body.face_height, 1.0))


def face_points(body: Proportions, posture: Posture, head: Frame) -> dict[str, Floats]:
    """Name -> (T, 3) of eyes, ears, brows, nose, lips and chin, with what the face does."""
    mouth, press, bite, puff, brow = (
        posture[name] for name in ("mouth", "press", "bite", "puff", "brow")
    )
    points = {}
    for name in _LAYOUT.parts["body"][:5] + _LAYOUT.parts["face"]:
        average = place_of(name, _FACE)
        if average is None:
            raise ValueError(f"the face model lacks {name!r}")
        place = np.broadcast_to(average, (len(mouth), 3)).copy()
        if "eye" in name:
            place[:, 0] *= body.eyes
        elif "brow" in name:
            place[:, 1] -= 0.035 * brow
        elif name == "upper_lip":
            place[:, 1] += 0.025 * (1 - body.lips) - 0.012 * mouth + 0.022 * press + 0.006 * bite
        elif name == "lower_lip":
            place[:, 1] += 0.025 * (body.lips - 1) + 0.05 * mouth - 0.028 * press - 0.04 * bite
            place[:, 2] -= 0.03 * bite
        elif name == "chin":
            place[:, 1] += 0.05 * mouth + 0.012 * puff - 0.02 * bite
        elif "mouth_corner" in name:
            # Blown-up cheeks purse the mouth; pressed lips widen it a little.
            place[:, 0] *= body.mouth * (1 + 0.12 * press - 0.10 * mouth - 0.35 * puff)
        points[name] = head.at(head_place(body, place))
    return points


def shoulder(body: Proportions, posture: Posture, trunk: Frame, side: str) -> Floats:
    """(T, 3) the joint of one side, in the room."""
    place = np.zeros((len(trunk.origin), 3))
    place[:, 0] = 0.5 if side == "left" else -0.5
    place[:, 1] = body.slope - posture[f"{side}_shoulder"]
    place[:, 2] = posture["shoulders_forward"]
    return trunk.at(place)


def bend_arm(
    shoulder: Floats, wrist: Floats, pole: Floats, upper: float, fore: float
) -> tuple[Floats, Floats]:
    """(T, 3) elbow and wrist of an arm; a wrist out of reach is moved along its line."""
    line = wrist - shoulder
    distance = np.sqrt((line**2).sum(-1, keepdims=True))
    along = line / np.maximum(distance, 1e-6)
    distance = np.clip(distance, _FOLDED * (upper + fore), 0.995 * (upper + fore))
    onto = (distance**2 + upper**2 - fore**2) / (2 * distance)
    aside = pole - (pole * along).sum(-1, keepdims=True) * along
    aside /= np.maximum(np.sqrt((aside**2).sum(-1, keepdims=True)), 1e-6)
    elbow = shoulder + onto * along + np.sqrt(np.maximum(upper**2 - onto**2, 0)) * aside
    return elbow, shoulder + distance * along


def approach(hand: HandTracks, goal: Floats, weight: Floats) -> None:
    """Lead the wrist from where it would be to ``goal`` (T, 3), at share ``weight`` of the way."""
    share = weight[:, None]
    hand.wrist[:] += share * (goal - hand.wrist) + 4 * share * (1 - share) * _BOW


def effector_offset(body: Proportions, hand: HandTracks, effector: str) -> Floats:
    """(T, 3) from the wrist to the part of the hand that meets a place."""
    points = hand_points(body.hand, hand.angles, hand.shape)
    return np.asarray(points[:, EFFECTORS[effector]].mean(1))


def keypoints(
    body: Proportions,
    posture: Posture,
    trunk: Frame,
    head: Frame,
    hands: Mapping[str, HandTracks],
) -> Floats:
    """(T, 70, 3) keypoints of ``UPPER_BODY_HANDS_FACE`` in shoulder widths."""
    points = np.empty((len(trunk.origin), len(_LAYOUT), 3))
    for name, place in face_points(body, posture, head).items():
        points[:, _LAYOUT.index(name)] = place
    for side in SIDES:
        hand, flip = hands[side], outward(side)
        joint = shoulder(body, posture, trunk, side)
        elbow, wrist = bend_arm(joint * flip, hand.wrist, hand.pole, body.upper_arm, body.forearm)
        fingers = wrist[:, None] + hand_points(body.hand, hand.angles, hand.shape)
        points[:, _LAYOUT.index(f"{side}_shoulder")] = joint
        points[:, _LAYOUT.index(f"{side}_elbow")] = elbow * flip
        points[:, _LAYOUT.index(f"{side}_wrist")] = wrist * flip
        points[:, _LAYOUT.indices(_LAYOUT.parts[f"{side}_hand"])] = fingers * flip
    pair = [_LAYOUT.index(f"{side}_shoulder") for side in SIDES]
    points[:, _LAYOUT.index("neck")] = points[:, pair].mean(1)
    # The hips stay on their seat and go along with a shifting trunk by a third.
    points[:, _LAYOUT.index("mid_hip")] = (0.0, body.trunk, 0.0)
    points[:, _LAYOUT.index("mid_hip"), 0] += 0.3 * posture["torso_shift"]
    return points
