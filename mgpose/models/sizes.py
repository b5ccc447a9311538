"""Named sizes of the encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mgpose.models.encoder import Encoder
from mgpose.models.plain_transformer import PlainTransformer
from mgpose.models.pose_graph_transformer import PoseGraphTransformer, check_ingredients
from mgpose.models.st_gcn import STGCN
from mgpose.structures import Skeleton

SIZES: dict[str, dict[str, Any]] = {
    # About 0.2 M parameters: the quickstart's, for two CPU cores.
    "tiny": {"width": 80, "heads": 4, "spatial_depth": 1, "depth": 3},
    # About 0.9 M parameters.
    "small": {"width": 128, "heads": 4, "spatial_depth": 1, "depth": 6},
    # About 3.4 M parameters.
    "base": {"width": 224, "heads": 8, "spatial_depth": 2, "depth": 8},
    # About 20 M parameters: for a GPU.
    "large": {"width": 512, "heads": 8, "spatial_depth": 3, "depth": 9},
}


@dataclass(frozen=True)
class Architecture:
    """A class of encoders and its named sizes.

    Args:
        build: the class; takes skeleton, frames, patch, dropout and the values of a size.
        sizes: name -> further arguments.
    """

    build: Callable[..., Any]
    sizes: Mapping[str, Mapping[str, Any]]


ARCHITECTURES: dict[str, Architecture] = {
    "pose_graph_transformer": Architecture(PoseGraphTransformer, SIZES),
    # About 0.2, 1.0 and 3.2 M parameters for 20 keypoints.
    "st_gcn": Architecture(
        STGCN, {"tiny": {"channels": 24}, "small": {"channels": 54}, "base": {"channels": 96}}
    ),
    # About 0.2, 0.9 and 3.0 M parameters.
    "plain_transformer": Architecture(
        PlainTransformer,
        {
            "tiny": {"width": 80, "heads": 4, "depth": 2},
            "small": {"width": 120, "heads": 4, "depth": 4},
            "base": {"width": 192, "heads": 6, "depth": 5},
        },
    ),
}


def build_encoder(
    skeleton: Skeleton,
    size: str,
    frames: int,
    patch: int,
    dropout: float = 0.0,
    architecture: str = "pose_graph_transformer",
    without: Sequence[str] = (),
) -> Encoder:
    """An encoder of a named size.

    Args:
        skeleton: layout of the keypoints.
        size: a size of the architecture.
        frames: frames of a clip.
        patch: frames of a token.
        dropout: probability on residual branches.
        architecture: a key of ``ARCHITECTURES``.
        without: ingredients of the pose graph transformer that are switched off, see
            :data:`mgpose.models.pose_graph_transformer.INGREDIENTS`.

    Raises:
        ValueError: as of :func:`check_choice`, or for a ``patch`` that does not divide ``frames``.
    """
    check_choice(size, architecture, without)
    chosen = ARCHITECTURES[architecture]
    more = dict(chosen.sizes[size])
    if without:
        more["without"] = tuple(without)
    encoder: Encoder = chosen.build(skeleton, frames=frames, patch=patch, dropout=dropout, **more)
    return encoder


def check_choice(size: str, architecture: str, without: Sequence[str]) -> None:
    """Refuse names that :func:`build_encoder` does not know, without building anything.

    Raises:
        ValueError: for an unknown architecture, size or ingredient, listing the known ones, or for
            ingredients of an encoder that has none to switch off.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ValueError(f"unknown architecture {architecture!r}; known: {known}")
    sizes = ARCHITECTURES[architecture].sizes
    if size not in sizes:
        raise ValueError(f"unknown size {size!r}; known: {', '.join(sizes)}")
    if without and architecture != "pose_graph_transformer":
        raise ValueError(
            f"only the pose graph transformer has switches, not {architecture!r}: "
            f"give without=[] instead of {list(without)}"
        )
    check_ingredients(without)
