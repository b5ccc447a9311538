"""``PlainTransformer``: a baseline that knows the keypoints by learned ids and no skeleton."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mgpose.models.attention import Block, key_bias, rotary_angles
from mgpose.models.encoder import check_clips, mean_over_steps, part_membership, pool_parts
from mgpose.models.pose_features import MOTION_GAIN
from mgpose.structures import Skeleton


class PlainTransformer(nn.Module):
    """Factorised space-time transformer over keypoint tokens, without a graph.

    1. Each keypoint's frames are cut into temporal patches; a patch is one token: positions,
       motion, scores and presence of its frames, and a learned id of the keypoint.
    2. ``depth`` pairs of blocks: one attends over the keypoints of a step, one over the steps of a
       keypoint with rotary positions in time.

    Bones, part-local positions, hop distances and part tokens would tell it the skeleton, so it has
    none of them. The skeleton's parts serve after the last block only: a part token is the mean of
    its keypoints' tokens, as the interface of encoders wants it.

    Args:
        skeleton: layout of the keypoints; needs parts.
        frames: T, frames of a clip.
        patch: frames of a token; divides ``frames``.
        width: D, channels of a token.
        heads: attention heads; an even number of channels each.
        depth: pairs of blocks.
        mlp_ratio: hidden width of the perceptrons over D.
        dropout: probability on residual branches.

    Raises:
        ValueError: when ``patch`` does not divide ``frames`` or the skeleton has no parts.

    Reference: space and time attended in turn as in Bertasius et al., "Is space-time attention all
    you need for video understanding?", ICML 2021, on keypoints instead of image patches.
    """

    membership: Tensor
    angles: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        frames: int = 32,
        patch: int = 4,
        width: int = 120,
        heads: int = 4,
        depth: int = 4,
        mlp_ratio: float = 2.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if frames % patch:
            raise ValueError(f"patch must divide frames, got {patch} and {frames}")
        if not skeleton.parts:
            raise ValueError(f"skeleton {skeleton.name!r} needs parts, since embeddings are theirs")
        self.skeleton = skeleton
        self.frames, self.patch, self.width = frames, patch, width
        self.embedding_dim = len(skeleton.parts) * width
        self.register_buffer("membership", part_membership(skeleton), persistent=False)
        angles = rotary_angles(torch.arange(frames // patch).float(), width // heads)
        self.register_buffer("angles", angles, persistent=False)
        self.embed = nn.Linear(patch * (2 * skeleton.dims + 2), width)
        self.keypoint_embedding = nn.Parameter(torch.randn(len(skeleton), width) * 0.02)
        self.spatial, self.temporal = (
            nn.ModuleList(Block(width, heads, mlp_ratio, dropout) for _ in range(depth))
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Clip embeddings (B, P * D) of clips (B, T, V, C + 1) and their mask (B, T, V)."""
        return self.part_embeddings(x, mask).flatten(1)

    def part_embeddings(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, D) mean over time of each part's tokens."""
        return mean_over_steps(*self.tokens(x, mask))

    def tokens(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Part tokens (B, P, T / patch, D) and which of them are valid (B, P, T / patch)."""
        return pool_parts(*self.keypoint_tokens(x, mask), self.membership)

    def keypoint_tokens(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoint tokens (B, T / patch, V, D) and which hold any present frame."""
        check_clips(x, mask, self.skeleton, self.frames)
        batch, frames, points, _ = x.shape
        steps = frames // self.patch
        features = unstructured_features(x, mask)
        patches = features.view(batch, steps, self.patch, points, -1).transpose(2, 3).flatten(3)
        tokens = self.embed(patches) + self.keypoint_embedding
        present = mask.view(batch, steps, self.patch, points).any(2)
        over_points = key_bias(present.flatten(0, 1))
        over_steps = key_bias(present.transpose(1, 2).flatten(0, 1))
        for spatial, temporal in zip(self.spatial, self.temporal, strict=True):
            tokens = spatial(tokens.flatten(0, 1), over_points).view(batch, steps, points, -1)
            lines = tokens.transpose(1, 2).flatten(0, 1)
            lines = temporal(lines, over_steps, self.angles).view(batch, points, steps, -1)
            tokens = lines.transpose(1, 2)
        return self.norm(tokens), present

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Embedding, then the blocks in their order, the last with the final norm."""
        groups = [[*self.embed.parameters(), self.keypoint_embedding]]
        for pair in zip(self.spatial, self.temporal, strict=True):
            groups += [list(block.parameters()) for block in pair]
        groups[-1] += self.norm.parameters()
        return groups


def unstructured_features(x: Tensor, mask: Tensor) -> Tensor:
    """Per keypoint and frame: position, motion, score, presence; zero where not present.

    Args:
        x: (B, T, V, D + 1) canonical coordinates, confidence last; any value where masked.
        mask: (B, T, V) bool.

    Returns:
        (B, T, V, 2 D + 2)
    """
    present = mask.unsqueeze(-1).to(x.dtype)
    # where, not multiplication: a masked NaN must not leak.
    x = torch.where(mask.unsqueeze(-1), x, torch.zeros((), dtype=x.dtype, device=x.device))
    joint, score = x[..., :-1], x[..., -1:]
    step = (joint[:, 1:] - joint[:, :-1]) * present[:, 1:] * present[:, :-1] * MOTION_GAIN
    motion = torch.cat((torch.zeros_like(joint[:, :1]), step), dim=1)
    return torch.cat((joint, motion, score, present), dim=-1)
