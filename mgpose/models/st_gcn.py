"""``STGCN``: the graph convolution network that skeletons are usually compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mgpose.models.encoder import check_clips, mean_over_steps, part_membership, pool_parts
from mgpose.models.pose_features import feature_channels, pose_features
from mgpose.structures import Skeleton

# Channels of each block over those of the first, as published.
WIDENING = (1, 1, 1, 1, 2, 2, 2, 4, 4, 4)
# Blocks that halve the steps, the first of them first: the published two, then the input's.
HALVING = (4, 7, 0)
DILATIONS = (1, 2, 3, 4)


class STGCN(nn.Module):
    """Spatio-temporal graph convolution with learned adjacency and dilated temporal branches.

    Ten blocks, each a graph convolution over the keypoints of a frame and a multi-branch
    convolution over the frames of a keypoint; channels double twice and steps are halved on the
    way. The input channels are those of :class:`~mgpose.models.PoseGraphTransformer`. A part token
    is the mean over the part's keypoints within a patch.

    Missing keypoints are zero before every convolution and stand in no batch statistic, so that
    neither their number nor padding moves a norm.

    Args:
        skeleton: layout of the keypoints; needs parts and edges.
        frames: T, frames of a clip.
        patch: frames of a part token; divides ``frames``. Steps are halved while ``patch`` allows,
            at most three times; what is left of a patch is averaged.
        channels: of the first block; D is four times as many.
        dropout: probability after each temporal convolution.

    Raises:
        ValueError: when ``patch`` does not divide ``frames`` or the skeleton has no parts or edges.

    Reference: Yan et al., "Spatial temporal graph convolutional networks for skeleton-based action
    recognition", AAAI 2018; learned adjacency and temporal branches as in ST-GCN++ of Duan et al.,
    "PYSKL: towards good practices for skeleton action recognition", ACM MM 2022.
    """

    parents: Tensor
    membership: Tensor

    def __init__(
        self,
        skeleton: Skeleton,
        frames: int = 32,
        patch: int = 4,
        channels: int = 54,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if frames % patch:
            raise ValueError(f"patch must divide frames, got {patch} and {frames}")
        if not skeleton.parts or not skeleton.edges:
            raise ValueError(f"skeleton {skeleton.name!r} needs parts and edges to be modelled")
        self.skeleton = skeleton
        self.frames, self.patch, self.width = frames, patch, WIDENING[-1] * channels
        self.embedding_dim = len(skeleton.parts) * self.width
        self.register_buffer("parents", torch.from_numpy(skeleton.parents), persistent=False)
        self.register_buffer("membership", part_membership(skeleton), persistent=False)
        graph = spatial_partitions(skeleton)
        width = feature_channels(skeleton.dims)
        self.norm = PresentNorm(width)
        halving = [block for n, block in enumerate(HALVING) if patch % 2 ** (n + 1) == 0]
        self.blocks = nn.ModuleList()
        for block, factor in enumerate(WIDENING):
            stride, out = 1 + (block in halving), factor * channels
            self.blocks.append(GraphBlock(graph, width, out, stride, block > 0, dropout))
            width = out

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Clip embeddings (B, P * D) of clips (B, T, V, C + 1) and their mask (B, T, V)."""
        return self.part_embeddings(x, mask).flatten(1)

    def part_embeddings(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, D) mean over time of each part's tokens."""
        return mean_over_steps(*self.tokens(x, mask))

    def tokens(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Part tokens (B, P, T / patch, D) and which of them are valid (B, P, T / patch)."""
        features, present = self.keypoint_features(x, mask)
        steps = self.frames // self.patch
        left = features.shape[1] // steps
        # What is left of a patch is averaged as if its steps were further keypoints of the part.
        return pool_parts(
            features.reshape(len(x), steps, -1, self.width),
            present.reshape(len(x), steps, -1),
            self.membership.repeat(1, left),
        )

    def keypoint_features(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T', V, D) of the last block, zero where missing, and mask (B, T', V)."""
        check_clips(x, mask, self.skeleton, self.frames)
        places = Places.of(mask)
        features = pose_features(x, mask, self.parents, self.membership)
        rows = self.norm(places.gather(features))
        for block in self.blocks:
            rows, places = block(rows, places)
        return places.scatter(rows), places.mask

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """The input's norm, then the blocks in their order."""
        return [list(self.norm.parameters()), *(list(b.parameters()) for b in self.blocks)]


def spatial_partitions(skeleton: Skeleton) -> Tensor:
    """(3, V, V) adjacency ``[k, to, from]``: itself, neighbours nearer to the root, farther ones.

    Each row is a mean over neighbours, zero where there is none. A neighbour as far from the root
    as the keypoint is counts with the keypoint itself. The root is the first root keypoint of the
    canonical frame, the first keypoint of a skeleton that has none.
    """
    hops = torch.from_numpy(skeleton.hop_distances)
    root = skeleton.index(skeleton.canonical.root[0]) if skeleton.canonical else 0
    distance = hops[root]
    near = hops <= 1
    nearer = near & (distance[None, :] < distance[:, None])
    farther = near & (distance[None, :] > distance[:, None])
    adjacency = torch.stack((near & ~nearer & ~farther, nearer, farther)).float()
    return adjacency / adjacency.sum(2, keepdim=True).clamp(min=1)


@dataclass(frozen=True, eq=False)
class Places:
    """Which places of (B, T, V) are present; between convolutions only their rows are kept.

    Args:
        mask: (B, T, V) bool.
        index: (N,) the present places in the flattened mask.
    """

    mask: Tensor
    index: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> Places:
        """The places where ``mask`` (B, T, V) is True."""
        return cls(mask, mask.flatten().nonzero().squeeze(1))

    def halved(self) -> Places:
        """Two frames become one, present where either is."""
        batch, frames, points = self.mask.shape
        return Places.of(self.mask.view(batch, frames // 2, 2, points).any(2))

    def gather(self, x: Tensor) -> Tensor:
        """(B, T, V, C) -> the present rows (N, C)."""
        return x.reshape(-1, x.shape[-1]).index_select(0, self.index)

    def scatter(self, rows: Tensor) -> Tensor:
        """(N, C) -> (B, T, V, C), zero where missing."""
        x = rows.new_zeros(self.mask.numel(), rows.shape[-1])
        return x.index_copy_(0, self.index, rows).view(*self.mask.shape, -1)


class PresentNorm(nn.BatchNorm1d):
    """Batch norm of the present rows (N, C).

    Fewer than two rows have no variance: they are normalised by the running statistics, which
    stay as they are.

    Reference: Ioffe and Szegedy, "Batch normalization", ICML 2015.
    """

    def forward(self, rows: Tensor) -> Tensor:
        """(N, C) -> (N, C)."""
        if self.training and len(rows) > 1:
            return super().forward(rows)
        return F.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


class GraphConvolution(nn.Module):
    """``sum_k A_k x W_k`` over the three partitions, with A learned around the skeleton's graph.

    A_k is the graph's partition plus an offset that starts at zero: weight decay pulls it back to
    the graph, not to nothing.

    Args:
        graph: (3, V, V) of :func:`spatial_partitions`.
        channels: of the input.
        out: of the output.
    """

    graph: Tensor

    def __init__(self, graph: Tensor, channels: int, out: int) -> None:
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.offset = nn.Parameter(torch.zeros_like(graph))
        self.linear = nn.Linear(len(graph) * channels, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) -> (B, T, V, out)."""
        batch, frames, points, _ = x.shape
        # Rows (to, partition): one product for all partitions, and its result needs no reordering.
        adjacency = (self.graph + self.offset).transpose(0, 1).flatten(0, 1)
        mixed = torch.bmm(adjacency.expand(batch * frames, -1, -1), x.flatten(0, 1))
        out: Tensor = self.linear(mixed.view(batch, frames, points, -1))
        return out


class TemporalBranches(nn.Module):
    """Six branches over the frames of a keypoint: four dilations, a maximum, a plain copy.

    Args:
        channels: of input and output, at least one a branch.
        stride: of the frames, 1 or 2.
        dropout: probability on the output.
    """

    def __init__(self, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.stride = stride
        share = channels // (len(DILATIONS) + 2)
        self.sizes = [share] * (len(DILATIONS) + 1) + [channels - share * (len(DILATIONS) + 1)]
        self.reduce = nn.Linear(channels, channels, bias=False)
        self.norm_reduced = PresentNorm(channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(share, share, (3, 1), (stride, 1), (d, 0), (d, 1), bias=False)
            for d in DILATIONS
        )
        self.norm_branches = PresentNorm(channels)
        self.merge = nn.Linear(channels, channels, bias=False)
        self.norm = PresentNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, places: Places, out_places: Places) -> Tensor:
        """Rows (N, C) at ``places`` -> rows (N', C) at ``out_places``."""
        rows = F.relu(self.norm_reduced(self.reduce(rows)))
        # In this order of axes the memory is channels-last, which convolution takes as it is.
        x = places.scatter(rows).permute(0, 3, 1, 2)
        *dilated, largest, plain = torch.split(x, self.sizes, dim=1)
        branches = [c(b) for c, b in zip(self.convolutions, dilated, strict=True)]
        # Zero is the least value after ReLU: what is missing never wins.
        branches.append(F.max_pool2d(largest, (3, 1), (self.stride, 1), (1, 0)))
        branches.append(plain[:, :, :: self.stride])
        rows = out_places.gather(torch.cat(branches, 1).permute(0, 2, 3, 1))
        rows = self.merge(F.relu(self.norm_branches(rows)))
        out: Tensor = self.dropout(self.norm(rows))
        return out


class GraphBlock(nn.Module):
    """Graph convolution, then temporal branches, each with a residual.

    Args:
        graph: (3, V, V) partitions.
        channels: of the input.
        out: of the output.
        stride: of the frames, 1 or 2.
        residual: whether the input is added to the output of the whole block.
        dropout: probability after the temporal branches.
    """

    def __init__(
        self, graph: Tensor, channels: int, out: int, stride: int, residual: bool, dropout: float
    ) -> None:
        super().__init__()
        self.stride = stride
        self.spatial = GraphConvolution(graph, channels, out)
        self.norm = PresentNorm(out)
        self.widen = Shortcut(channels, out) if channels != out else nn.Identity()
        self.temporal = TemporalBranches(out, stride, dropout)
        self.shortcut: nn.Module | None = None
        if residual:
            changes = channels != out or stride > 1
            self.shortcut = Shortcut(channels, out) if changes else nn.Identity()

    def forward(self, rows: Tensor, places: Places) -> tuple[Tensor, Places]:
        """Rows (N, C) at ``places``; of the output, where a step is present if a frame of it is."""
        out_places = places if self.stride == 1 else places.halved()
        x = places.scatter(rows)
        mixed = self.norm(places.gather(self.spatial(x)))
        mixed = self.temporal(F.relu(mixed + self.widen(rows)), places, out_places)
        if self.shortcut is not None:
            kept = rows if self.stride == 1 else out_places.gather(x[:, :: self.stride])
            mixed = mixed + self.shortcut(kept)
        return F.relu(mixed), out_places


class Shortcut(nn.Sequential):
    """Linear map and norm on a residual path that changes its channels.

    Args:
        channels: of the input.
        out: of the output.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(nn.Linear(channels, out, bias=False), PresentNorm(out))
