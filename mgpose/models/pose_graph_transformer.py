"""``PoseGraphTransformer``: from clips of keypoints to embeddings of clip and parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mgpose.models.attention import Block, key_bias, rotary_angles
from mgpose.models.encoder import check_clips, mean_over_steps, part_membership, pool_parts
from mgpose.models.graph_encoding import hop_bias, random_walk_encoding
from mgpose.models.pose_features import CHANNEL_GROUPS, feature_channels, pose_features
from mgpose.structures import Skeleton

# What ``without`` can switch off, to measure what each is worth.
INGREDIENTS = (
    *CHANNEL_GROUPS,
    "missing_mask",
    "hop_bias",
    "walk_encoding",
    "keypoint_attention",
    "part_weights",
)


class PoseGraphTransformer(nn.Module):
    """Spatio-temporal graph transformer over one skeleton.

    1. Each keypoint's frames are cut into temporal patches; a patch is one token.
    2. ``spatial_depth`` blocks attend over the keypoints of a patch, biased by graph distance.
    3. Keypoint tokens are pooled to part tokens, which cuts their number V / P times.
    4. ``depth`` blocks attend over all part tokens of the clip, with rotary positions in time.

    Missing keypoints are masked everywhere: their values cannot change the result. The token of a
    part that is missing in a step is a learned one that is told from the rest what might be there
    (masked prediction trains that); it is neither looked at nor counted in embeddings.

    Args:
        skeleton: layout of the keypoints; needs parts and edges.
        frames: T, frames of a clip.
        patch: frames of a token; divides ``frames``.
        width: D, channels of a part token, even. Keypoint tokens, of which there are many more,
            have D / 2.
        heads: attention heads.
        spatial_depth: blocks on keypoint tokens.
        depth: blocks on part tokens.
        mlp_ratio: hidden width of the perceptrons over D.
        dropout: probability on residual branches.
        walk_steps: length of the random-walk encoding.
        without: ingredients switched off, for ablations: names of ``INGREDIENTS``.

    Raises:
        ValueError: when ``patch`` does not divide ``frames``, the skeleton has no parts, or
            ``without`` names what there is not.
    """

    parents: Tensor
    membership: Tensor
    walk: Tensor
    hop_bias: Tensor
    angles: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        frames: int = 32,
        patch: int = 4,
        width: int = 128,
        heads: int = 4,
        spatial_depth: int = 2,
        depth: int = 4,
        mlp_ratio: float = 2.0,
        dropout: float = 0.0,
        walk_steps: int = 8,
        without: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if frames % patch:
            raise ValueError(f"patch must divide frames, got {patch} and {frames}")
        if not skeleton.parts or not skeleton.edges:
            raise ValueError(f"skeleton {skeleton.name!r} needs parts and edges to be modelled")
        check_ingredients(without)
        self.without = tuple(without)
        self.skeleton = skeleton
        self.frames, self.patch, self.width = frames, patch, width
        parts = len(skeleton.parts)
        self.embedding_dim = parts * width

        self.register_buffer("parents", torch.from_numpy(skeleton.parents), persistent=False)
        self.register_buffer("membership", part_membership(skeleton), persistent=False)
        walk = random_walk_encoding(skeleton, walk_steps)
        bias = hop_bias(skeleton, heads)
        self.register_buffer("walk", walk * ("walk_encoding" not in self.without), persistent=False)
        self.register_buffer("hop_bias", bias * ("hop_bias" not in self.without), persistent=False)
        angles = rotary_angles(torch.arange(frames // patch).float(), width // heads)
        self.register_buffer("angles", angles, persistent=False)

        narrow = width // 2
        self.embed = nn.Linear(patch * feature_channels(skeleton.dims), narrow)
        self.keypoint_embedding = nn.Parameter(torch.randn(len(skeleton), narrow) * 0.02)
        self.part_embedding = nn.Parameter(torch.randn(parts, width) * 0.02)
        self.missing_part = nn.Parameter(torch.randn(width) * 0.02)
        self.walk_embedding = nn.Linear(walk_steps, narrow, bias=False)
        if "keypoint_attention" in self.without:
            spatial_depth = 0
        self.spatial = nn.ModuleList(
            Block(narrow, heads, mlp_ratio, dropout) for _ in range(spatial_depth)
        )
        learned = "part_weights" not in self.without
        self.pool = PartPool(narrow, width, len(skeleton), learned)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Clip embedding: the part embeddings side by side.

        Args:
            x: (B, T, V, C + 1) canonical coordinates with confidence last.
            mask: (B, T, V) bool, True where present.

        Returns:
            (B, P * D); zeros for a part that is missing in the whole clip.
        """
        return self.part_embeddings(x, mask).flatten(1)

    def part_embeddings(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, D) mean over time of each part's tokens."""
        return mean_over_steps(*self.tokens(x, mask))

    def tokens(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Part tokens (B, P, T / patch, D) and which of them are valid (B, P, T / patch)."""
        keypoints, present = self.keypoint_tokens(x, mask)
        parts, valid = self.pool(keypoints, present, self.membership)
        parts = torch.where(valid.unsqueeze(-1), parts, self.missing_part)
        parts = parts + self.part_embedding[:, None]
        batch, count, steps, width = parts.shape
        flat = parts.reshape(batch, count * steps, width)
        bias = key_bias(valid.reshape(batch, count * steps))
        angles = self.angles.repeat(count, 1)
        for block in self.blocks:
            flat = block(flat, bias, angles)
        return self.norm(flat).view(batch, count, steps, width), valid

    def keypoint_tokens(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoint tokens (B, T / patch, V, D / 2) and which hold any present frame."""
        check_clips(x, mask, self.skeleton, self.frames)
        batch, frames, points, _ = x.shape
        steps = frames // self.patch
        features = pose_features(x, mask, self.parents, self.membership, self.without)
        patches = features.view(batch, steps, self.patch, points, -1).transpose(2, 3).flatten(3)
        place = self.keypoint_embedding + self.walk_embedding(self.walk)
        tokens = self.embed(patches) + place
        if "missing_mask" in self.without:
            mask = torch.ones_like(mask)
        present = mask.view(batch, steps, self.patch, points).any(2)
        bias = key_bias(present.flatten(0, 1)) + self.hop_bias
        flat = tokens.flatten(0, 1)
        for block in self.spatial:
            flat = block(flat, bias)
        return flat.view(batch, steps, points, -1), present

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """All parameters, in groups from input to output, for learning rates by layer."""
        own = (self.keypoint_embedding, self.part_embedding, self.missing_part)
        first = [*own, *self.embed.parameters(), *self.walk_embedding.parameters()]
        spatial = [list(block.parameters()) for block in self.spatial]
        blocks = [list(block.parameters()) for block in self.blocks]
        return [first, *spatial, list(self.pool.parameters()), *blocks, [*self.norm.parameters()]]


def check_ingredients(without: Sequence[str]) -> None:
    """Refuse names that are not of ``INGREDIENTS``.

    Raises:
        ValueError: listing the known ones.
    """
    unknown = sorted(set(without) - set(INGREDIENTS))
    if unknown:
        raise ValueError(f"without: unknown {unknown}; known: {', '.join(INGREDIENTS)}")


class PartPool(nn.Module):
    """Pooling from keypoint tokens to one token a part, by a weight for each keypoint and channel.

    A channel that weighs two keypoints of opposite sign reads how they differ, which attention,
    whose weights are positive and shared by all channels of a head, cannot.

    Reference: the learned topologies of channels of Chen et al., "Channel-wise topology refinement
    graph convolution (CTR-GCN)", ICCV 2021, here from keypoints to parts.

    Args:
        narrow: channels of a keypoint token.
        width: D, channels of a part token.
        keypoints: V.
        learned: False for the mean of all, for the ablation.
    """

    weight: Tensor

    def __init__(self, narrow: int, width: int, keypoints: int, learned: bool = True) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(narrow)
        self.value = nn.Linear(narrow, width)
        self.out = nn.Linear(width, width)
        if learned:
            self.weight = nn.Parameter(1 + torch.randn(keypoints, width) / 2)
        else:
            self.register_buffer("weight", torch.ones(keypoints, width), persistent=False)

    def forward(self, x: Tensor, present: Tensor, membership: Tensor) -> tuple[Tensor, Tensor]:
        """Pool.

        Args:
            x: (B, N, V, narrow) keypoint tokens.
            present: (B, N, V) bool.
            membership: (P, V).

        Returns:
            (B, P, N, D) part tokens and (B, P, N) bool, True where any keypoint is present.
        """
        values = F.gelu(self.value(self.norm(x))) * self.weight
        pooled, valid = pool_parts(values, present, membership)
        return self.out(pooled), valid
