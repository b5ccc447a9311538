"""The model layout ``UPPER_BODY_HANDS_FACE``: one frozen table, on which shipped weights depend.

Each row names a keypoint, its part, and its place in four source layouts. A tuple of two places
means the mean of both (a derived keypoint); an empty tuple means *absent*: the keypoint is masked.

* WholeBody-133: COCO-WholeBody (Jin et al., ECCV 2020).
* OpenPose-137: body-25, face-70, left hand, right hand, in this order.
* MediaPipe-543: Holistic pose 33, face mesh 468, left hand 21, right hand 21.
* The 203-point set: pose 33, 128 face-contour points of the mesh, left and right hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from mgpose.structures.skeleton import Canonical, Skeleton

Places = tuple[int, ...]


@dataclass(frozen=True)
class LayoutRow:
    """One keypoint of the model layout and its places in the source layouts."""

    name: str
    part: str
    wholebody_133: Places
    openpose_137: Places
    mediapipe_543: Places
    mediapipe_contours_203: Places


# fmt: off
_BODY = (
    #          name              part    wholebody  openpose   mediapipe  203
    LayoutRow("nose",            "body", (0,),      (0,),      (0,),      (0,)),
    LayoutRow("left_eye",        "body", (1,),      (16,),     (2,),      (2,)),
    LayoutRow("right_eye",       "body", (2,),      (15,),     (5,),      (5,)),
    LayoutRow("left_ear",        "body", (3,),      (18,),     (7,),      (7,)),
    LayoutRow("right_ear",       "body", (4,),      (17,),     (8,),      (8,)),
    LayoutRow("left_shoulder",   "body", (5,),      (5,),      (11,),     (11,)),
    LayoutRow("right_shoulder",  "body", (6,),      (2,),      (12,),     (12,)),
    LayoutRow("left_elbow",      "body", (7,),      (6,),      (13,),     (13,)),
    LayoutRow("right_elbow",     "body", (8,),      (3,),      (14,),     (14,)),
    LayoutRow("left_wrist",      "body", (9,),      (7,),      (15,),     (15,)),
    LayoutRow("right_wrist",     "body", (10,),     (4,),      (16,),     (16,)),
    LayoutRow("neck",            "body", (5, 6),    (5, 2),    (11, 12),  (11, 12)),
    LayoutRow("mid_hip",         "body", (11, 12),  (12, 9),   (23, 24),  (23, 24)),
)
# Face rows: the mesh vertex gives the MediaPipe place (33 + vertex) and, where the contour set
# holds that vertex, the place in the 203-point set; the iBUG-68 number gives the other two.
_FACE = (
    #  name                    iBUG  mesh
    ("right_brow_outer",        17,   70),
    ("right_brow_inner",        21,  107),
    ("left_brow_inner",         22,  336),
    ("left_brow_outer",         26,  300),
    ("right_eye_corner_outer",  36,   33),
    ("right_eye_corner_inner",  39,  133),
    ("left_eye_corner_inner",   42,  362),
    ("left_eye_corner_outer",   45,  263),
    ("nose_tip",                30,    1),
    ("nose_base",               33,    2),
    ("right_mouth_corner",      48,   61),
    ("left_mouth_corner",       54,  291),
    ("upper_lip",               51,    0),
    ("lower_lip",               57,   17),
    ("chin",                     8,  152),
)
HAND_KEYPOINTS = (
    "hand_root",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)
# The 128 vertices of MediaPipe's FACEMESH_CONTOURS (with both irises' eyelid rings), ascending.
FACE_CONTOUR_VERTICES = (
    0, 7, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78,
    80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148,
    149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 172, 173, 176, 178, 181, 185,
    191, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296,
    297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362,
    365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398,
    400, 402, 405, 409, 415, 454, 466,
)
# fmt: on


def _hand_rows(
    side: str, wholebody: int, openpose: int, mediapipe: int, contours: int
) -> list[LayoutRow]:
    return [
        LayoutRow(
            f"{side}_{name}",
            f"{side}_hand",
            (wholebody + i,),
            (openpose + i,),
            (mediapipe + i,),
            (contours + i,),
        )
        for i, name in enumerate(HAND_KEYPOINTS)
    ]


def _face_row(name: str, ibug: int, vertex: int) -> LayoutRow:
    contour: Places = ()
    if vertex in FACE_CONTOUR_VERTICES:
        contour = (33 + FACE_CONTOUR_VERTICES.index(vertex),)
    return LayoutRow(name, "face", (23 + ibug,), (25 + ibug,), (33 + vertex,), contour)


LAYOUT_TABLE: tuple[LayoutRow, ...] = (
    *_BODY,
    *_hand_rows("left", 91, 95, 501, 161),
    *_hand_rows("right", 112, 116, 522, 182),
    *(_face_row(*row) for row in _FACE),
)


def _hand_edges(side: str) -> list[tuple[str, str]]:
    edges = []
    for finger in range(5):
        chain = [0, *range(1 + 4 * finger, 5 + 4 * finger)]
        edges += [
            (f"{side}_{HAND_KEYPOINTS[a]}", f"{side}_{HAND_KEYPOINTS[b]}")
            for a, b in pairwise(chain)
        ]
    return edges


_BODY_EDGES = (
    ("neck", "nose"),
    ("neck", "left_shoulder"),
    ("neck", "right_shoulder"),
    ("neck", "mid_hip"),
    ("left_shoulder", "left_elbow"),
    ("right_shoulder", "right_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_elbow", "right_wrist"),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
    ("left_wrist", "left_hand_root"),
    ("right_wrist", "right_hand_root"),
)
_FACE_EDGES = (
    ("nose", "nose_tip"),
    ("nose_tip", "nose_base"),
    ("nose_base", "upper_lip"),
    ("upper_lip", "left_mouth_corner"),
    ("upper_lip", "right_mouth_corner"),
    ("lower_lip", "left_mouth_corner"),
    ("lower_lip", "right_mouth_corner"),
    ("lower_lip", "chin"),
    ("nose_tip", "left_eye_corner_inner"),
    ("nose_tip", "right_eye_corner_inner"),
    ("left_eye_corner_inner", "left_eye_corner_outer"),
    ("right_eye_corner_inner", "right_eye_corner_outer"),
    ("left_brow_inner", "left_brow_outer"),
    ("right_brow_inner", "right_brow_outer"),
    ("left_eye_corner_inner", "left_brow_inner"),
    ("right_eye_corner_inner", "right_brow_inner"),
)

UPPER_BODY_HANDS_FACE = Skeleton(
    name="upper_body_hands_face",
    keypoints=tuple(row.name for row in LAYOUT_TABLE),
    edges=(*_BODY_EDGES, *_hand_edges("left"), *_hand_edges("right"), *_FACE_EDGES),
    parts={
        part: tuple(row.name for row in LAYOUT_TABLE if row.part == part)
        for part in ("body", "left_hand", "right_hand", "face")
    },
    canonical=Canonical(
        root=("neck", "left_shoulder", "right_shoulder"),
        scale=(("left_shoulder",), ("right_shoulder",)),
    ),
)
