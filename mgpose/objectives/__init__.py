"""Objectives: two views' embeddings to a scalar loss."""

from mgpose.objectives.collapse import effective_rank, embedding_std
from mgpose.objectives.info_nce import info_nce
from mgpose.objectives.momentum_contrast import MomentumContrast

__all__ = ["MomentumContrast", "effective_rank", "embedding_std", "info_nce"]
