"""Figures that show whether a representation has collapsed."""

from __future__ import annotations

import math

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


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance of two views' unit embeddings, in [0, 4]; 0 where the views agree.

    Args:
        first: (N, D), one view of N clips, N >= 1.
        second: (N, D), another view of the same clips.

    Raises:
        ValueError: when the two shapes differ or there is no clip.

    Reference: Wang and Isola, "Understanding contrastive representation learning through alignment
    and uniformity on the hypersphere", ICML 2020 (alpha = 2).
    """
    if first.shape != second.shape or len(first) == 0:
        raise ValueError(
            f"expected two views of one shape (N, D), N >= 1; got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    apart = F.normalize(first.double(), dim=1) - F.normalize(second.double(), dim=1)
    return float(apart.square().sum(1).mean())


def uniformity(embeddings: Tensor) -> float:
    """``log mean exp(-2 |u - v|^2)`` over pairs of different clips' unit embeddings, in [-8, 0].

    0 where all embeddings are alike; the lower, the more evenly they cover the sphere (about -4
    in many dimensions). Unlike the standard deviation it sees a collapse into a few points too.

    Args:
        embeddings: (N, D), N >= 2.

    Raises:
        ValueError: for fewer than two embeddings, which have no pair.

    Reference: Wang and Isola, ICML 2020 (t = 2).
    """
    if len(embeddings) < 2:
        raise ValueError(f"expected two or more embeddings, got {len(embeddings)}")
    squared = torch.pdist(F.normalize(embeddings.double(), dim=1)).square()
    return float(torch.logsumexp(-2 * squared, 0) - math.log(len(squared)))
