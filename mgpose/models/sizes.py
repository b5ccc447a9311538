"""Named sizes of the encoder."""

from __future__ import annotations

from typing import Any

from mgpose.models.pose_graph_transformer import PoseGraphTransformer
from mgpose.structures import Skeleton

SIZES: dict[str, dict[str, Any]] = {
    # About 0.2 M parameters: the quickstart's, for two CPU cores.
    "tiny": {"width": 80, "heads": 4, "spatial_depth": 1, "depth": 3},
    # About 0.9 M parameters.
    "small": {"width": 128, "heads": 4, "spatial_depth": 1, "depth": 6},
}


def build_encoder(
    skeleton: Skeleton, size: str, frames: int, patch: int, dropout: float = 0.0
) -> PoseGraphTransformer:
    """An encoder of a named size.

    Args:
        skeleton: layout of the keypoints.
        size: a key of ``SIZES``.
        frames: frames of a clip.
        patch: frames of a token.
        dropout: probability on residual branches.

    Raises:
        ValueError: for an unknown size, listing the known ones.
    """
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}; known: {', '.join(SIZES)}")
    return PoseGraphTransformer(
        skeleton, frames=frames, patch=patch, dropout=dropout, **SIZES[size]
    )
