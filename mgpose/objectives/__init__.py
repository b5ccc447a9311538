"""Objectives: two views' embeddings to a scalar loss."""

from mgpose.objectives.collapse import alignment, effective_rank, embedding_std, uniformity
from mgpose.objectives.info_nce import chance_loss, info_nce
from mgpose.objectives.momentum_contrast import MomentumContrast

__all__ = [
    "MomentumContrast",
    "alignment",
    "chance_loss",
    "effective_rank",
    "embedding_std",
    "info_nce",
    "uniformity",
]
