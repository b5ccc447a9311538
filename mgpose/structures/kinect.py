"""Skeletons of depth cameras: full bodies in metres, read on their own.

* Kinect-20: the joints of Kinect v1, as NW-UCLA has them.
* Kinect-25: the joints of Kinect v2 in the order of its software kit (Shahroudy et al., NTU RGB+D,
  CVPR 2016, prints them numbered). Names shared with Kinect-20 mean the same joint; Kinect v2 has
  its neck above the centre of the shoulders.
* Florence-15: the joints of Florence 3D Actions (Seidenari et al., CVPR Workshops 2013). It has no
  centre of the hips: the spine, on the midline, is the origin.
"""

from __future__ import annotations

from mgpose.structures.skeleton import Canonical, Skeleton


def _both(*edges: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Edges of both sides; a star stands for the side."""
    return tuple(
        (a.replace("*", side), b.replace("*", side)) for side in ("left", "right") for a, b in edges
    )


_HIPS_TO_SHOULDERS = Canonical(
    root=("hip_centre",),
    scale=(("hip_centre",), ("shoulder_centre",)),
    over="first_frame",
    facing=("left_shoulder", "right_shoulder"),
)
_ARM_EDGES = (
    ("shoulder_centre", "*_shoulder"),
    ("*_shoulder", "*_elbow"),
    ("*_elbow", "*_wrist"),
    ("*_wrist", "*_hand"),
)
_LEG_EDGES = (
    ("hip_centre", "*_hip"),
    ("*_hip", "*_knee"),
    ("*_knee", "*_ankle"),
    ("*_ankle", "*_foot"),
)
_LIMBS = (
    "left_shoulder", "left_elbow", "left_wrist", "left_hand",
    "right_shoulder", "right_elbow", "right_wrist", "right_hand",
    "left_hip", "left_knee", "left_ankle", "left_foot",
    "right_hip", "right_knee", "right_ankle", "right_foot",
)  # fmt: skip

_KINECT_20_TORSO = ("hip_centre", "spine", "shoulder_centre", "head")
KINECT_20 = Skeleton(
    name="kinect_20",
    keypoints=(*_KINECT_20_TORSO, *_LIMBS),
    edges=(
        ("hip_centre", "spine"),
        ("spine", "shoulder_centre"),
        ("shoulder_centre", "head"),
        *_both(*_ARM_EDGES, *_LEG_EDGES),
    ),
    parts={
        "torso": _KINECT_20_TORSO,
        "left_arm": _LIMBS[:4],
        "right_arm": _LIMBS[4:8],
        "left_leg": _LIMBS[8:12],
        "right_leg": _LIMBS[12:],
    },
    canonical=_HIPS_TO_SHOULDERS,
    dims=3,
)

_KINECT_25_TORSO = ("hip_centre", "spine", "upper_neck", "head")
KINECT_25 = Skeleton(
    name="kinect_25",
    keypoints=(
        *_KINECT_25_TORSO,
        *_LIMBS,
        "shoulder_centre",
        "left_hand_tip",
        "left_thumb",
        "right_hand_tip",
        "right_thumb",
    ),
    edges=(
        ("hip_centre", "spine"),
        ("spine", "shoulder_centre"),
        ("shoulder_centre", "upper_neck"),
        ("upper_neck", "head"),
        *_both(*_ARM_EDGES, ("*_hand", "*_hand_tip"), ("*_wrist", "*_thumb"), *_LEG_EDGES),
    ),
    parts={
        "torso": (*_KINECT_25_TORSO, "shoulder_centre"),
        "left_arm": (*_LIMBS[:4], "left_hand_tip", "left_thumb"),
        "right_arm": (*_LIMBS[4:8], "right_hand_tip", "right_thumb"),
        "left_leg": _LIMBS[8:12],
        "right_leg": _LIMBS[12:],
    },
    canonical=_HIPS_TO_SHOULDERS,
    dims=3,
)

_FLORENCE_15_NAMES = (
    "head", "neck", "spine",
    "left_shoulder", "left_elbow", "left_wrist",
    "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "left_knee", "left_ankle",
    "right_hip", "right_knee", "right_ankle",
)  # fmt: skip

FLORENCE_15 = Skeleton(
    name="florence_15",
    keypoints=_FLORENCE_15_NAMES,
    edges=(
        ("neck", "head"),
        ("spine", "neck"),
        *_both(
            ("neck", "*_shoulder"),
            ("*_shoulder", "*_elbow"),
            ("*_elbow", "*_wrist"),
            ("spine", "*_hip"),
            ("*_hip", "*_knee"),
            ("*_knee", "*_ankle"),
        ),
    ),
    parts={
        "torso": _FLORENCE_15_NAMES[:3],
        "left_arm": _FLORENCE_15_NAMES[3:6],
        "right_arm": _FLORENCE_15_NAMES[6:9],
        "left_leg": _FLORENCE_15_NAMES[9:12],
        "right_leg": _FLORENCE_15_NAMES[12:15],
    },
    canonical=Canonical(
        root=("spine",),
        scale=(("left_hip", "right_hip"), ("neck",)),
        over="first_frame",
        facing=("left_shoulder", "right_shoulder"),
    ),
    dims=3,
)
