"""Figures that show whether a representation has collapsed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def embedding_std(embeddings: Tensor) -> float:
    """Mean over channels of the standard deviation of unit embeddings, times sqrt(D).

    About 1 for embeddings spread evenly over the sphere, 0 for a collapsed encoder.

    Args:
        embeddings: (N, D).

    Reference: Chen and He, "SimSiam", CVPR 2021, section 4.1.
    """
    unit = F.normalize(embeddings.double(), dim=1)
    return float(unit.std(0).mean() * embeddings.shape[1] ** 0.5)


def effective_rank(embeddings: Tensor) -> float:
    """``exp`` of the entropy of the normalised singular values; between 1 and min(N, D).

    Args:
        embeddings: (N, D); centred here.

    Reference: Roy and Vetterli, "The effective rank", EUSIPCO 2007.
    """
    centred = (embeddings - embeddings.mean(0)).double()
    values = torch.linalg.svdvals(centred)
    if values.sum() == 0:
        return 1.0
    share = values / values.sum()
    return float(torch.special.entr(share).sum().exp())
