"""What the student does not see: part tubes, and parts of other clips."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from mgpose.structures import Skeleton


def part_tubes(
    mask: Tensor, skeleton: Skeleton, patch: int, share: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Hide tubes: one part over a stretch of steps at a time, until ``share`` is hidden.

    Single hidden keypoints could be guessed from their neighbours on the part, single hidden
    steps from the steps around; a part over a stretch of time asks for what the rest is doing.

    Args:
        mask: (B, T, V) bool, True where present.
        skeleton: for the parts.
        patch: frames of a step; divides T.
        share: of the part tokens that are hidden at least, in [0, 1). A clip of which nothing
            would be left stays whole.
        generator: of the draws, on the CPU.

    Returns:
        The student's mask (B, T, V), and (B, P, T / patch) bool, True where a token that was
        there is hidden.

    Reference: part-by-time tubes as in SLiM, arXiv 2603 (March 2026).
    """
    batch, frames, _ = mask.shape
    parts, steps = len(skeleton.parts), frames // patch
    part_of = torch.from_numpy(skeleton.part_of).to(mask.device)
    hidden = torch.zeros(batch, parts, steps, dtype=torch.bool)
    clips = torch.arange(batch)
    longest = max(1, steps // 2)
    while share > 0:
        short = hidden.flatten(1).float().mean(1) < share
        if not short.any():
            break
        part = torch.randint(parts, (batch,), generator=generator)
        length = torch.randint(1, longest + 1, (batch,), generator=generator)
        start = (torch.rand(batch, generator=generator) * (steps - length + 1)).long()
        step = torch.arange(steps)[None]
        tube = (step >= start[:, None]) & (step < (start + length)[:, None]) & short[:, None]
        hidden[clips, part] |= tube
    hidden = hidden.to(mask.device)
    seen = torch.stack([mask[:, :, part_of == p].any(2) for p in range(parts)], 1)
    there = seen.view(batch, parts, steps, patch).any(-1)
    # Nothing at all can neither be told apart nor completed.
    hidden &= (there & ~hidden).flatten(1).any(1)[:, None, None]
    by_keypoint = hidden[:, part_of].repeat_interleave(patch, 2).transpose(1, 2)
    return mask & ~by_keypoint, hidden & there


def mix_parts(
    x: Tensor, mask: Tensor, skeleton: Skeleton, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Each clip with one or more parts, but never the first, taken from another clip.

    Args:
        x: (B, T, V, C).
        mask: (B, T, V).
        skeleton: for the parts.
        generator: of the draws, on the CPU.

    Returns:
        Mixed x and mask, and (B, B) rows that sum to 1: how much of a clip's present keypoints
        each clip gave.

    Reference: Jung et al., "TranCLR", CVPR 2026; body-part replacement as in Chen et al.,
    "SkeleMixCLR", arXiv 2207.03065.
    """
    batch, parts = len(x), len(skeleton.parts)
    order = torch.empty(batch, dtype=torch.long)
    # A clip never gives to itself: its place in a cycle is followed by another's.
    cycle = torch.randperm(batch, generator=generator)
    order[cycle] = torch.roll(cycle, 1)
    taken = torch.rand(batch, parts, generator=generator) < 0.5
    taken[:, 0] = False
    if parts > 1:
        some = torch.randint(1, parts, (batch,), generator=generator)
        taken[torch.arange(batch), some] = True
    swap = taken.to(x.device)[:, torch.from_numpy(skeleton.part_of).to(x.device)][:, None]
    other = order.to(x.device)
    mixed_x = torch.where(swap[..., None], x[other], x)
    mixed_mask = torch.where(swap, mask[other], mask)
    given = (mixed_mask & swap).sum((1, 2)) / mixed_mask.sum((1, 2)).clamp(min=1)
    rows = torch.arange(batch, device=x.device)
    shares = torch.zeros(batch, batch, device=x.device)
    shares[rows, rows] = 1 - given
    shares[rows, other] += given
    return mixed_x, mixed_mask, shares
