"""Source layouts: what pose estimators and public sets give, by keypoint name.

A name that stands in the model layout means the same keypoint. Points of the dense face mesh that
no model reads have no recorded mirror image; :attr:`Skeleton.unpaired` lists them.
"""

from __future__ import annotations

from mgpose.structures.coco import (
    COCO_17,
    COCO_KEYPOINTS,
    DWPOSE_128,
    HALPE_136,
    OPENPOSE_18,
    hand_names,
    ibug_names,
)
from mgpose.structures.kinect import FLORENCE_15, KINECT_20, KINECT_25
from mgpose.structures.layouts import (
    FACE_CONTOUR_VERTICES,
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
_FEET = (
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)
_OPENPOSE_BODY = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist", "mid_hip",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    *_FEET,
)
# fmt: on


def _mesh_name(vertex: int) -> str:
    for row in LAYOUT_TABLE:
        if row.part == "face" and row.mediapipe_543 == (33 + vertex,):
            return row.name
    return f"face_mesh_{vertex}"


def _source(name: str, keypoints: tuple[str, ...]) -> Skeleton:
    unpaired = tuple(k for k in keypoints if k.startswith("face_mesh_"))
    return Skeleton(name=name, keypoints=keypoints, unpaired=unpaired)


WHOLEBODY_133 = _source(
    "wholebody_133",
    (*COCO_KEYPOINTS, *_FEET, *ibug_names(), *hand_names("left"), *hand_names("right")),
)
OPENPOSE_137 = _source(
    "openpose_137",
    (
        *_OPENPOSE_BODY,
        *ibug_names(),
        "right_pupil",
        "left_pupil",
        *hand_names("left"),
        *hand_names("right"),
    ),
)
MEDIAPIPE_543 = _source(
    "mediapipe_543",
    (*_MEDIAPIPE_POSE, *map(_mesh_name, range(468)), *hand_names("left"), *hand_names("right")),
)
# The refined face mesh: ten iris points more, the subject's right iris first.
MEDIAPIPE_553 = _source(
    "mediapipe_553",
    (*_MEDIAPIPE_POSE, *map(_mesh_name, range(478)), *hand_names("left"), *hand_names("right")),
)
MEDIAPIPE_CONTOURS_203 = _source(
    "mediapipe_contours_203",
    (
        *_MEDIAPIPE_POSE,
        *map(_mesh_name, FACE_CONTOUR_VERTICES),
        *hand_names("left"),
        *hand_names("right"),
    ),
)
MEDIAPIPE_BODY_HANDS_75 = _source(
    "mediapipe_body_hands_75", (*_MEDIAPIPE_POSE, *hand_names("left"), *hand_names("right"))
)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        UPPER_BODY_HANDS_FACE,
        KINECT_20,
        KINECT_25,
        FLORENCE_15,
        WHOLEBODY_133,
        OPENPOSE_137,
        MEDIAPIPE_543,
        MEDIAPIPE_553,
        MEDIAPIPE_CONTOURS_203,
        MEDIAPIPE_BODY_HANDS_75,
        COCO_17,
        OPENPOSE_18,
        DWPOSE_128,
        HALPE_136,
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
