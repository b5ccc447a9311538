"""Poses as ``.pose`` files, version 0.2, of the pose-format library.

Layouts that the library knows keep its names of components and points, so that neighbouring tools
recognise them: MediaPipe Holistic (its face mesh by vertex number), OpenPose, COCO-WholeBody and
Halpe. Other layouts have a component for each of their parts. The header is written by the library;
the body behind it is streamed, in constant memory::

    float32 fps, uint32 frames, uint16 people
    float32 (frames, people, points, 2 or 3)   pixels; zero where confidence is zero
    float32 (frames, people, points)           confidence; zero means missing: readers mask it

The format has one frame rate and no time stamps: a video in which a frame lies more than one frame
from its place at the mean rate is refused, as is one of unknown rate. It means pixels: normalised
coordinates are multiplied by the frame size (z stays as it is, as in the library's own holistic
poses), and metres are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mgpose.io.exporters.exported_pose import (
    MOST_RATE_ERROR,
    ExportedPose,
    drawn_edges,
    keypoint_parts,
)
from mgpose.structures import InputError, PoseSequence, Skeleton
from mgpose.structures.sources import MEDIAPIPE_543

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeaderComponent

_VERSION = 0.2
_PEOPLE = 1
# A detected keypoint of score 0 must not be taken for a missing one.
_LEAST_CONFIDENCE = np.finfo(np.float32).tiny
_COLOURS = {"body": (255, 0, 0), "face": (128, 0, 0), "left_hand": (0, 192, 0)}
_OTHER_COLOUR = (0, 0, 192)
_HOLISTIC_COMPONENTS = {
    "body": "POSE_LANDMARKS",
    "face": "FACE_LANDMARKS",
    "left_hand": "LEFT_HAND_LANDMARKS",
    "right_hand": "RIGHT_HAND_LANDMARKS",
}
_LONG_FINGERS = ("INDEX", "MIDDLE", "RING")


def write_pose_format(video: ExportedPose, path: Path) -> None:
    """One video as a ``.pose`` file.

    Raises:
        InputError: where the format cannot hold the video truthfully.
    """
    from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

    fps, size = _rate(video), _frame_size(video)
    components = _components(video.first.skeleton, video.header.dims)
    order = _order(video.first.skeleton)
    with path.open("wb") as file:
        PoseHeader(_VERSION, PoseHeaderDimensions(*size), components).write(file)
        file.write(struct.pack("<fIH", fps, video.header.frames, _PEOPLE))
        for _, block in video.blocks():
            file.write(_pixels(block)[:, order].astype("<f4").tobytes())
        for _, block in video.blocks():
            file.write(_confidence(block)[:, order].astype("<f4").tobytes())


def _rate(video: ExportedPose) -> float:
    rate = video.rate
    if rate is None:
        raise InputError(
            f"{video.video_id}: .pose needs a frame rate, found none; import the poses again with "
            "their rate, or export to csv, parquet or netcdf"
        )
    if rate.error > MOST_RATE_ERROR:
        raise InputError(
            f"{video.video_id}: .pose holds one frame rate, found a variable one (up to "
            f"{rate.error:.1f} frames from the mean of {rate.fps:.3f} fps); export to csv, "
            "parquet, nwb or netcdf, which keep time stamps"
        )
    return rate.fps


def _frame_size(video: ExportedPose) -> tuple[int, int]:
    header = video.header
    if header.unit == "metre" or header.frame_size is None or max(header.frame_size) > 0xFFFF:
        raise InputError(
            f"{video.video_id}: .pose needs pixels in a frame of known size, found unit "
            f"{header.unit!r} and size {header.frame_size}; export to csv, parquet or netcdf"
        )
    return header.frame_size


def _pixels(block: PoseSequence) -> npt.NDArray[np.float32]:
    keypoints = np.nan_to_num(block.keypoints, nan=0.0)
    if block.unit == "normalised":
        keypoints[..., :2] *= np.array(block.frame_size, dtype=np.float32)
    return keypoints


def _confidence(block: PoseSequence) -> npt.NDArray[np.float32]:
    return np.where(block.detected, np.maximum(block.scores, _LEAST_CONFIDENCE), np.float32(0))


def _by_part(skeleton: Skeleton) -> dict[str, tuple[str, ...]]:
    parts = keypoint_parts(skeleton)
    pairs = list(zip(skeleton.keypoints, parts, strict=True))
    return {part: tuple(k for k, p in pairs if p == part) for part in dict.fromkeys(parts)}


def _order(skeleton: Skeleton) -> npt.NDArray[np.int64]:
    """(V,) keypoints in the order of the components."""
    return skeleton.indices(tuple(k for names in _by_part(skeleton).values() for k in names))


def _components(skeleton: Skeleton, dims: int) -> list[PoseHeaderComponent]:
    from pose_format.pose_header import PoseHeaderComponent
    from pose_format.utils.alphapose import get_alphapose_components
    from pose_format.utils.cocowholebody133_header import cocowholebody_components
    from pose_format.utils.openpose import OpenPose_Components

    axes = "XYZ"[:dims] + "C"
    known = {
        "openpose_137": OpenPose_Components,
        "wholebody_133": cocowholebody_components(),
        "halpe_136": get_alphapose_components(),
    }
    if skeleton.name in known:
        return [
            PoseHeaderComponent(c.name, c.points, c.limbs, c.colors, axes)
            for c in known[skeleton.name]
        ]
    holistic = skeleton.name.startswith("mediapipe_")
    components = []
    for part, names in _by_part(skeleton).items():
        points = [_holistic_point(k, part) for k in names] if holistic else list(names)
        _check_ascii(points)
        limbs = _limbs(skeleton, names)
        name = _HOLISTIC_COMPONENTS[part] if holistic else part
        colour = _COLOURS.get(part, _OTHER_COLOUR)
        components.append(PoseHeaderComponent(name, points, limbs, [colour], axes))
    return components


def _limbs(skeleton: Skeleton, names: Sequence[str]) -> list[tuple[int, int]]:
    place = {name: i for i, name in enumerate(names)}
    return [(place[a], place[b]) for a, b in drawn_edges(skeleton) if a in place and b in place]


def _check_ascii(points: Sequence[str]) -> None:
    strange = [point for point in points if not point.isascii()]
    if strange:  # the library counts letters where the format counts bytes
        raise InputError(f".pose: expected names of keypoints in ASCII, found {strange[0]!r}")


def _holistic_point(keypoint: str, part: str) -> str:
    """MediaPipe's own name of a keypoint, as the library has it.

    >>> _holistic_point("left_mouth", "body"), _holistic_point("left_index_tip", "left_hand")
    ('MOUTH_LEFT', 'INDEX_FINGER_TIP')
    >>> _holistic_point("nose_tip", "face"), _holistic_point("right_hand_root", "right_hand")
    ('1', 'WRIST')
    """
    if part == "face":
        vertex = keypoint.removeprefix("face_mesh_")
        return vertex if vertex.isdigit() else str(MEDIAPIPE_543.index(keypoint) - 33)
    name = keypoint.upper()
    if part == "body":
        side, _, rest = name.partition("_")
        return f"MOUTH_{side}" if rest == "MOUTH" else name
    name = name.removeprefix(part.removesuffix("hand").upper())
    if name == "HAND_ROOT":
        return "WRIST"
    finger, _, joint = name.partition("_")
    return f"{finger}_FINGER_{joint}" if finger in _LONG_FINGERS else name
