"""Objectives: two views' embeddings to a scalar loss."""

from mgpose.objectives.collapse import alignment, effective_rank, embedding_std, uniformity
from mgpose.objectives.decorrelation import decorrelation
from mgpose.objectives.info_nce import chance_loss, info_nce, soft_targets
from mgpose.objectives.masking import mix_parts, part_tubes
from mgpose.objectives.teacher_student import ObjectiveSettings, TeacherStudent

__all__ = [
    "ObjectiveSettings",
    "TeacherStudent",
    "alignment",
    "chance_loss",
    "decorrelation",
    "effective_rank",
    "embedding_std",
    "info_nce",
    "mix_parts",
    "part_tubes",
    "soft_targets",
    "uniformity",
]
