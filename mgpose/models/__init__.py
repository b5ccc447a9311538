"""Encoders: ``(x (B, T, V, C), mask (B, T, V)) -> embedding (B, D)``."""

from mgpose.models.pose_graph_transformer import PoseGraphTransformer
from mgpose.models.sizes import SIZES, build_encoder

__all__ = ["SIZES", "PoseGraphTransformer", "build_encoder"]
