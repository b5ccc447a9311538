"""Where left and right change names from one frame to the next.

A pose estimator may give the left hand's points to the right hand and the reverse. Between two
frames the points of a pair of limbs move by

    keep     = mean over point pairs of (|left_b - left_a| + |right_b - right_a|) / 2
    exchange = mean over point pairs of (|right_b - left_a| + |left_b - right_a|) / 2

and a *swap* is a frame ``b`` at which exchanging the limbs explains the motion much better than
keeping them: ``exchange < keep / 2`` and ``keep - exchange > 0.2`` units of the skeleton's scale
(shoulder widths or torso lengths). The first condition spares hands that move fast together, the
second hands that touch, where the two readings differ by less than the pose's noise. ``a`` is the
last frame, at most five back, that shows both limbs, so a swap behind a short gap is found too.

An exchange for a while is two swaps, there and back; an exchange that lasts from the first frame
to the last is none. Hands that truly change places within one frame, which at 25 frames a second
takes a speed of many shoulder widths a second, look the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.structures import Skeleton

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

REACH = 5  # frames between the two looks at both limbs, at most
_LEAST_GAIN = 0.2  # in units of the skeleton's scale
_BETTER = 0.5  # exchange over keep
_LEAST_SHARE = 0.5  # of a limb's point pairs, seen in both frames
_LIMBS = ("hand", "arm", "leg")
_ARM_POINTS = ("elbow", "wrist")


def limb_pairs(skeleton: Skeleton) -> dict[str, tuple[IntArray, IntArray]]:
    """Limb name -> positions (K,) of its left points and of the right ones, in the same order.

    Limbs are the parts ``left_hand`` and ``right_hand``, arms, legs; where the arms lie inside
    another part, the elbows and wrists.
    """
    points: dict[str, tuple[str, ...]] = {
        limb: skeleton.parts[f"left_{limb}"]
        for limb in _LIMBS
        if f"left_{limb}" in skeleton.parts and f"right_{limb}" in skeleton.parts
    }
    loose = tuple(f"left_{name}" for name in _ARM_POINTS if f"left_{name}" in skeleton.keypoints)
    if loose and "arm" not in points:
        points["arm"] = loose
    left = {limb: skeleton.indices(names) for limb, names in points.items()}
    return {limb: (side, skeleton.mirror_permutation[side]) for limb, side in left.items()}


def keep_and_exchange(points: FloatArray, left: IntArray, right: IntArray) -> FloatArray:
    """(T, 2) ``keep`` and ``exchange`` of each frame against the last that shows both limbs.

    Args:
        points: (T, V, D), NaN where missing.
        left: (K,) the limb's points on the left.
        right: (K,) their mirror images.

    Returns:
        In the unit of ``points``; NaN where there is no such frame within reach.
    """
    sides = points[:, left], points[:, right]
    both = np.isfinite(sides[0][..., 0]) & np.isfinite(sides[1][..., 0])
    lengths = np.full((len(points), 2), np.nan)
    seen = np.flatnonzero(both.mean(axis=1) >= _LEAST_SHARE)
    common = both[seen[1:]] & both[seen[:-1]]
    near = (np.diff(seen) <= REACH) & (common.mean(axis=1) >= _LEAST_SHARE)
    for column, (one, other) in enumerate(((0, 1), (1, 0))):
        moved = [
            np.linalg.norm(sides[to][seen[1:]] - sides[start][seen[:-1]], axis=-1)
            for start, to in ((0, one), (1, other))
        ]
        total = np.where(common, moved[0] + moved[1], 0).sum(axis=1)
        lengths[seen[1:][near], column] = total[near] / common.sum(axis=1)[near] / 2
    return lengths


def swaps(lengths: npt.NDArray[np.floating], scale: float) -> npt.NDArray[np.bool_]:
    """(T,) True at a swap, from ``keep`` and ``exchange`` (T, 2) and the length of the scale."""
    keep, exchange = lengths[:, 0], lengths[:, 1]
    found: npt.NDArray[np.bool_] = (exchange < _BETTER * keep) & (
        keep - exchange > _LEAST_GAIN * scale
    )
    return found
