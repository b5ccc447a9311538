"""What every encoder offers, and what the encoders that end in keypoint features share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from mgpose.structures import Skeleton


class Encoder(Protocol):
    """From clips of keypoints to embeddings; an ``nn.Module`` that keeps four promises.

    * Values at masked places, NaN included, change nothing.
    * A part that is missing in the whole clip has the embedding zero.
    * The clip embedding is the part embeddings side by side.
    * ``layer_groups`` holds every parameter exactly once.

    Attributes:
        skeleton: layout of the keypoints, of V keypoints in P parts.
        frames: T, frames of a clip.
        patch: frames of a step; a clip has S = T / patch steps.
        width: D, channels of a part token.
        embedding_dim: P * D.
        training: whether batch statistics and dropout are on.
    """

    skeleton: Skeleton
    frames: int
    patch: int
    width: int
    embedding_dim: int
    training: bool

    def __call__(self, x: Tensor, mask: Tensor) -> Tensor:
        """Clip embeddings (B, P * D).

        Args:
            x: (B, T, V, C + 1) canonical coordinates with confidence last.
            mask: (B, T, V) bool, True where present.

        Raises:
            ValueError: for other shapes.
        """
        ...

    def part_embeddings(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, P, D), zeros for a part that is missing in the whole clip."""
        ...

    def tokens(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Part tokens (B, P, S, D) and which of them are valid (B, P, S)."""
        ...

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """All parameters, in groups from input to output, for learning rates by layer."""
        ...

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """As of ``nn.Module``."""
        ...

    def train(self, mode: bool = True) -> Self:
        """As of ``nn.Module``."""
        ...

    def eval(self) -> Self:
        """As of ``nn.Module``."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """As of ``nn.Module``."""
        ...

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As of ``nn.Module``."""
        ...


def check_clips(x: Tensor, mask: Tensor, skeleton: Skeleton, frames: int) -> None:
    """Refuse clips of another shape.

    Raises:
        ValueError: naming the shape that is expected and the one found.
    """
    shape = (frames, len(skeleton), skeleton.dims + 1)
    if tuple(x.shape[1:]) != shape or mask.shape != x.shape[:3]:
        raise ValueError(
            f"x must have shape (B, {', '.join(map(str, shape))}) and mask its first three "
            f"axes, got {tuple(x.shape)} and {tuple(mask.shape)}"
        )


def part_membership(skeleton: Skeleton) -> Tensor:
    """(P, V) 1 where the keypoint belongs to the part, else 0."""
    part_of = torch.from_numpy(skeleton.part_of)
    return nn.functional.one_hot(part_of, len(skeleton.parts)).T.float()


def pool_parts(x: Tensor, present: Tensor, membership: Tensor) -> tuple[Tensor, Tensor]:
    """Part tokens as the mean over the part's present keypoints.

    Args:
        x: (B, S, V, D) keypoint features, finite where not present.
        present: (B, S, V) bool.
        membership: (P, V).

    Returns:
        (B, P, S, D) tokens, zero where the part is missing, and (B, P, S) bool: where it is not.
    """
    weight = present.to(x.dtype)
    membership = membership.to(x.dtype)
    count = torch.einsum("pv,bsv->bps", membership, weight)
    total = torch.einsum("pv,bsvd->bpsd", membership, x * weight.unsqueeze(-1))
    return total / count.clamp(min=1).unsqueeze(-1), count > 0


def mean_over_steps(tokens: Tensor, valid: Tensor) -> Tensor:
    """(B, P, D) mean of the valid tokens (B, P, S, D); zeros where none is valid."""
    weight = valid.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(2) / weight.sum(2).clamp(min=1)
