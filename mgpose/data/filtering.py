"""Raw poses are mended at load, never in the cache: outlier jumps out, short gaps filled."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# A keypoint that leaves the line between its neighbours in time by more than this (in shoulder
# widths) and by JUMP_MADS times its usual deviation, and comes back at once, is an outlier:
# fingertips move .003 in the median frame, .10 at the 99th percentile.
JUMP_FLOOR = 0.15
JUMP_MADS = 8.0
# An interpolated keypoint is less certain than the frames around it.
FILLED_SCORE = 0.5


def remove_jumps(keypoints: FloatArray) -> FloatArray:
    """Set to NaN single-frame jumps that return at once.

    Args:
        keypoints: (T, V, D) canonical coordinates, NaN where missing.

    Returns:
        (T, V, D)
    """
    if len(keypoints) < 3:
        return keypoints
    before, here, after = keypoints[:-2], keypoints[1:-1], keypoints[2:]
    deviation = np.linalg.norm(here - (before + after) / 2, axis=-1)
    step = np.linalg.norm(after - before, axis=-1)
    finite = np.where(np.isfinite(deviation), deviation, 0)
    usual = np.median(finite, axis=0, keepdims=True)
    jump = (finite > JUMP_FLOOR) & (finite > JUMP_MADS * usual) & (step < finite)
    out = keypoints.copy()
    out[1:-1][jump] = np.nan
    return out


def fill_gaps(
    keypoints: FloatArray, scores: FloatArray, max_gap: int
) -> tuple[FloatArray, FloatArray]:
    """Fill inner gaps of up to ``max_gap`` frames by straight lines; their score is halved.

    Args:
        keypoints: (T, V, D), NaN where missing.
        scores: (T, V).
        max_gap: longest gap that is filled, in frames.

    Returns:
        Filled keypoints and scores.
    """
    keypoints, scores = keypoints.copy(), scores.copy()
    present = np.isfinite(keypoints[..., 0])
    for v in np.flatnonzero(present.any(0) & ~present.all(0)):
        frames = np.flatnonzero(present[:, v])
        for a, b in pairwise(frames.tolist()):
            gap = b - a - 1
            if 0 < gap <= max_gap:
                weight = (np.arange(1, gap + 1, dtype=np.float32) / (gap + 1))[:, None]
                keypoints[a + 1 : b, v] = (1 - weight) * keypoints[a, v] + weight * keypoints[b, v]
                scores[a + 1 : b, v] = FILLED_SCORE * min(scores[a, v], scores[b, v])
    return keypoints, scores
