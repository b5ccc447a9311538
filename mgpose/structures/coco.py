"""Layouts around COCO's seventeen body keypoints, and the names that they share.

* COCO-17: Lin et al., Microsoft COCO, ECCV 2014.
* OpenPose-18: OpenPose's older body model, named after COCO; ST-GCN's Kinetics skeletons.
* DWPose-128: OpenPose-18, 68 face points, left hand, right hand, as DWPose's drawing code holds it.
* Halpe-136: Fang et al., AlphaPose, TPAMI 2022: COCO-17, head top, neck, mid-hip, feet, 68 face
  points, left hand, right hand.

The 68 face points are iBUG's (Sagonas et al., ICCV workshops 2013).
"""

from __future__ import annotations

from mgpose.structures.layouts import HAND_KEYPOINTS, LAYOUT_TABLE
from mgpose.structures.skeleton import Skeleton

# fmt: off
COCO_KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)
_OPENPOSE_18_KEYPOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)
_HALPE_FEET = (
    "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel",
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
_WHOLEBODY_FACE = 23  # place of the first face point in WholeBody-133


def hand_names(side: str) -> tuple[str, ...]:
    """Names of a hand's 21 keypoints, root first, thumb to little finger."""
    return tuple(f"{side}_{name}" for name in HAND_KEYPOINTS)


def ibug_names() -> tuple[str, ...]:
    """Names of the 68 face points; those of the model layout are called as there."""
    face = (row for row in LAYOUT_TABLE if row.part == "face")
    table = {row.wholebody_133[0] - _WHOLEBODY_FACE: row.name for row in face}
    names = {k: f"face_{k}" for k in range(68)}
    for right, left in _IBUG_MIRROR.items():
        names[right], names[left] = f"right_face_{right}", f"left_face_{right}"
    names.update(table)
    return tuple(names[k] for k in range(68))


COCO_17 = Skeleton(name="coco_17", keypoints=COCO_KEYPOINTS)
OPENPOSE_18 = Skeleton(name="openpose_18", keypoints=_OPENPOSE_18_KEYPOINTS)
DWPOSE_128 = Skeleton(
    name="dwpose_128",
    keypoints=(
        *_OPENPOSE_18_KEYPOINTS,
        *ibug_names(),
        *hand_names("left"),
        *hand_names("right"),
    ),
)
HALPE_136 = Skeleton(
    name="halpe_136",
    keypoints=(
        *COCO_KEYPOINTS,
        "head_top",
        "neck",
        "mid_hip",
        *_HALPE_FEET,
        *ibug_names(),
        *hand_names("left"),
        *hand_names("right"),
    ),
)
