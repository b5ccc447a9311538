"""Encoders: ``(x (B, T, V, C), mask (B, T, V)) -> embedding (B, D)``."""

from mgpose.models.encoder import Encoder
from mgpose.models.plain_transformer import PlainTransformer
from mgpose.models.pose_graph_transformer import PoseGraphTransformer
from mgpose.models.sizes import ARCHITECTURES, SIZES, build_encoder, check_choice
from mgpose.models.st_gcn import STGCN

__all__ = [
    "ARCHITECTURES",
    "SIZES",
    "STGCN",
    "Encoder",
    "PlainTransformer",
    "PoseGraphTransformer",
    "build_encoder",
    "check_choice",
]
