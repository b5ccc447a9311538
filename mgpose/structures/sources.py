"""Source layouts: what pose estimators and public sets give, by keypoint name.

A name that stands in the model layout means the same keypoint. Points of the dense face mesh that
no model reads have no recorded mirror image; :attr:`Skeleton.unpaired` lists them.
"""

from __future__ import annotations

from mgpose.structures.layouts import (
    FACE_CONTOUR_VERTICES,
    HAND_KEYPOINTS,
    KINECT_20,
    LAYOUT_TABLE,
    UPPER_BODY_HANDS_FACE,
)
from mgpose.structures.skeleton import Skeleton

# fmt: off
_MEDIAPIPE_POSE = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer",
    "right_eye_inner", "right_eye", "right_eye_outer", "left_ear", "right_ear",
    "left_mouth", "right_mouth", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)
_COCO_BODY = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)
_OPENPOSE_BODY = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist", "mid_hip",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)
# iBUG-68 numbers that are each other's mirror image; the rest lie on the midline.
_IBUG_MIRROR = {
    **{k: 16 - k for k in range(8)},
    **{k: 43 - k for k in range(17, 22)},
    31: 35, 32: 34,
    36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46,
    48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64, 61: 63, 67: 65,
}
# fmt: on


def _hand(side: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in HAND_KEYPOINTS)


def _ibug_names(first: int) -> tuple[str, ...]:
    """Names of the 68 face points whose block starts at place ``first`` of WholeBody-133."""
    table = {row.wholebody_133[0] - first: row.name for row in LAYOUT_TABLE if row.part == "face"}
    names = {k: f"face_{k}" for k in range(68)}
    for right, left in _IBUG_MIRROR.items():
        names[right], names[left] = f"right_face_{right}", f"left_face_{right}"
    names.update(table)
    return tuple(names[k] for k in range(68))


def _mesh_name(vertex: int) -> str:
    for row in LAYOUT_TABLE:
        if row.part == "face" and row.mediapipe_543 == (33 + vertex,):
            return row.name
    return f"face_mesh_{vertex}"


def _source(name: str, keypoints: tuple[str, ...]) -> Skeleton:
    unpaired = tuple(k for k in keypoints if k.startswith("face_mesh_"))
    return Skeleton(name=name, keypoints=keypoints, unpaired=unpaired)


WHOLEBODY_133 = _source(
    "wholebody_133", (*_COCO_BODY, *_ibug_names(23), *_hand("left"), *_hand("right"))
)
OPENPOSE_137 = _source(
    "openpose_137",
    (
        *_OPENPOSE_BODY,
        *_ibug_names(23),
        "right_pupil",
        "left_pupil",
        *_hand("left"),
        *_hand("right"),
    ),
)
MEDIAPIPE_543 = _source(
    "mediapipe_543",
    (*_MEDIAPIPE_POSE, *map(_mesh_name, range(468)), *_hand("left"), *_hand("right")),
)
MEDIAPIPE_CONTOURS_203 = _source(
    "mediapipe_contours_203",
    (*_MEDIAPIPE_POSE, *map(_mesh_name, FACE_CONTOUR_VERTICES), *_hand("left"), *_hand("right")),
)
MEDIAPIPE_BODY_HANDS_75 = _source(
    "mediapipe_body_hands_75", (*_MEDIAPIPE_POSE, *_hand("left"), *_hand("right"))
)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        UPPER_BODY_HANDS_FACE,
        KINECT_20,
        WHOLEBODY_133,
        OPENPOSE_137,
        MEDIAPIPE_543,
        MEDIAPIPE_CONTOURS_203,
        MEDIAPIPE_BODY_HANDS_75,
    )
}


def skeleton_by_name(name: str) -> Skeleton:
    """A known skeleton.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if name not in SKELETONS:
        raise ValueError(f"unknown skeleton {name!r}; known: {', '.join(sorted(SKELETONS))}")
    return SKELETONS[name]
