"""Input channels of the encoder: joint, local joint, bone and motion, fused early."""

from __future__ import annotations

import torch
from torch import Tensor

# A micro-gesture moves a keypoint by hundredths of a shoulder width a frame; the gain brings motion
# to the size of the positions, so that no channel drowns at initialisation.
MOTION_GAIN = 10.0


def feature_channels(dims: int) -> int:
    """Channels that :func:`pose_features` returns."""
    return 4 * dims + 2


def pose_features(x: Tensor, mask: Tensor, parents: Tensor, membership: Tensor) -> Tensor:
    """Per keypoint and frame: position, position within its part, bone, motion, score, presence.

    A channel whose ingredients are missing is zero.

    Args:
        x: (B, T, V, D + 1) canonical coordinates, confidence last; any value where masked.
        mask: (B, T, V) bool, True where the keypoint is present.
        parents: (V,) parent of each keypoint.
        membership: (P, V) 1 where the keypoint belongs to the part, else 0.

    Returns:
        (B, T, V, 4 D + 2)
    """
    present = mask.unsqueeze(-1).to(x.dtype)
    # where, not multiplication: a masked NaN must not leak.
    x = torch.where(mask.unsqueeze(-1), x, torch.zeros((), dtype=x.dtype, device=x.device))
    joint, score = x[..., :-1], x[..., -1:]
    bone = (joint - joint[:, :, parents]) * present * present[:, :, parents]
    motion = torch.zeros_like(joint)
    motion[:, 1:] = (joint[:, 1:] - joint[:, :-1]) * present[:, 1:] * present[:, :-1] * MOTION_GAIN
    local = _local_joint(joint, present, membership)
    return torch.cat((joint, local, bone, motion, score, present), dim=-1)


def _local_joint(joint: Tensor, present: Tensor, membership: Tensor) -> Tensor:
    """Position relative to the part's centroid in the frame, in units of the part's clip radius."""
    counts = torch.einsum("pv,btvd->btpd", membership, present).clamp(min=1)
    centroid = torch.einsum("pv,btvd->btpd", membership, joint) / counts
    offset = (joint - torch.einsum("pv,btpd->btvd", membership, centroid)) * present
    square = torch.einsum("pv,btvd->bp", membership, offset**2)
    total = torch.einsum("pv,btvd->bp", membership, present).clamp(min=1)
    # Clamped before the root, whose gradient at 0 is infinite.
    radius = (square / total).clamp(min=1e-6).sqrt()
    return offset / torch.einsum("pv,bp->bv", membership, radius)[:, None, :, None]
