"""Input channels of the encoder: position, bone, angle, motion and confidence, fused early."""

from __future__ import annotations

import torch
from torch import Tensor

# A micro-gesture moves a keypoint by hundredths of a shoulder width a frame; the gain brings motion
# to the size of the positions, so that no channel drowns at initialisation.
MOTION_GAIN = 10.0
# Shorter bones (in canonical units) have no direction worth the name: their ends' errors decide it.
SHORT_BONE = 0.01
# Groups of channels that can be switched off, for the ablation.
CHANNEL_GROUPS = ("local", "bone", "direction", "angle", "motion", "confidence")


def feature_channels(dims: int) -> int:
    """Channels that :func:`pose_features` returns."""
    return 5 * dims + 4


def pose_features(
    x: Tensor,
    mask: Tensor,
    parents: Tensor,
    membership: Tensor,
    without: tuple[str, ...] = (),
) -> Tensor:
    """Per keypoint and frame, side by side:

    * position (D) and position within its part (D);
    * the bone from the parent (D), and its direction (D);
    * cosine and sine of the angle between the bone and the parent's bone: they do not change when
      the picture is turned or scaled, so that a bent finger is a bent finger on any hand;
    * motion since the last frame (D);
    * confidence and presence.

    A channel whose ingredients are missing is zero.

    Args:
        x: (B, T, V, D + 1) canonical coordinates, confidence last; any value where masked.
        mask: (B, T, V) bool, True where the keypoint is present.
        parents: (V,) parent of each keypoint; the root is its own.
        membership: (P, V) 1 where the keypoint belongs to the part, else 0.
        without: names of ``CHANNEL_GROUPS`` that stay zero.

    Returns:
        (B, T, V, 5 D + 4)
    """
    present = mask.unsqueeze(-1).to(x.dtype)
    # where, not multiplication: a masked NaN must not leak.
    x = torch.where(mask.unsqueeze(-1), x, torch.zeros((), dtype=x.dtype, device=x.device))
    joint, score = x[..., :-1], x[..., -1:]
    bone = (joint - joint[:, :, parents]) * present * present[:, :, parents]
    length = bone.norm(dim=-1, keepdim=True)
    direction = bone / length.clamp(min=SHORT_BONE)
    motion = torch.zeros_like(joint)
    motion[:, 1:] = (joint[:, 1:] - joint[:, :-1]) * present[:, 1:] * present[:, :-1] * MOTION_GAIN
    groups = {
        "position": joint,
        "local": _local_joint(joint, present, membership),
        "bone": bone,
        "direction": direction,
        "angle": _angle(direction, direction[:, :, parents]),
        "motion": motion,
        "confidence": score,
        "presence": present,
    }
    return torch.cat(
        [v.new_zeros(v.shape) if name in without else v for name, v in groups.items()], dim=-1
    )


def _angle(direction: Tensor, before: Tensor) -> Tensor:
    """Cosine and sine from one direction to another; in 3-D, where turns have no sign, |sine|."""
    cosine = (direction * before).sum(-1, keepdim=True)
    if direction.shape[-1] == 2:
        sine = before[..., :1] * direction[..., 1:] - before[..., 1:] * direction[..., :1]
    else:
        sine = torch.linalg.cross(before, direction).norm(dim=-1, keepdim=True)
    return torch.cat((cosine, sine), dim=-1)


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
