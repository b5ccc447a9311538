"""A clip in the common frame of its skeleton: origin, unit of length, facing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.structures.skeleton import Skeleton

FloatArray = npt.NDArray[np.float32]


def canonicalise(keypoints: FloatArray, skeleton: Skeleton) -> FloatArray:
    """Move, scale and (for metric 3-D) turn a clip as ``skeleton.canonical`` says.

    Args:
        keypoints: (T, V, D) of one clip, NaN where missing.
        skeleton: the layout, with a canonical frame.

    Returns:
        (T, V, D); NaN stays NaN. The unit is the skeleton's scale, such as shoulder width.

    Raises:
        ValueError: when no frame shows the keypoints that origin and scale need.
    """
    canonical = skeleton.canonical
    if canonical is None:
        raise ValueError(f"skeleton {skeleton.name!r} has no canonical frame; convert it first")
    points = keypoints.astype(np.float64)
    root = points[:, skeleton.indices(canonical.root)].mean(1)
    ends = [points[:, skeleton.indices(group)].mean(1) for group in canonical.scale]
    length = np.linalg.norm(ends[0] - ends[1], axis=-1)
    usable = np.isfinite(root).all(-1) & (length > 0)
    if not usable.any():
        raise ValueError(
            f"no frame shows {', '.join(canonical.root)} and the scale of the skeleton"
        )
    root, length = root[usable], length[usable]
    origin = root[0] if canonical.over == "first_frame" else np.median(root, axis=0)
    points = (points - origin) / np.median(length)
    if canonical.facing and points.shape[-1] == 3:
        points = _face_forward(points, skeleton.indices(canonical.facing))
    return points.astype(np.float32)


def _face_forward(
    points: npt.NDArray[np.float64], facing: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Turn about the vertical so that the first visible left-right line runs along x."""
    across = points[:, facing[1]] - points[:, facing[0]]
    across = across[np.isfinite(across).all(-1)]
    if not len(across):
        return points
    angle = np.arctan2(across[0, 2], across[0, 0])
    cos, sin = np.cos(angle), np.sin(angle)
    turned = points.copy()
    turned[..., 0] = cos * points[..., 0] + sin * points[..., 2]
    turned[..., 2] = -sin * points[..., 0] + cos * points[..., 2]
    return turned
