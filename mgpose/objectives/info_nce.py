"""InfoNCE with a queue."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    query_spans: Tensor,
    queue_spans: Tensor,
    temperature: float,
) -> Tensor:
    """Contrast each query with its key against the batch's other keys and the queue.

    ``-log exp(q k+ / t) / (exp(q k+ / t) + sum_n exp(q k_n / t))`` where n runs over the other
    keys of the batch and the queue, without those that show the query's own moment.

    Args:
        query: (B, D) unit vectors.
        key: (B, D) unit vectors; row i is the positive of query i.
        queue: (K, D) unit vectors.
        query_spans: (B, 3) video number, first frame and end of each clip; see
            :func:`same_moment`.
        queue_spans: (K, 3); a negative video number marks an empty place, which never counts.
        temperature: t.

    Returns:
        Scalar mean over the batch.

    Reference: van den Oord et al., arXiv 1807.03748; He et al., "MoCo", CVPR 2020.
    """
    in_batch = query @ key.t()
    positive = in_batch.diagonal()
    in_batch = in_batch.masked_fill(same_moment(query_spans, query_spans), -torch.inf)
    own = same_moment(query_spans, queue_spans) | (queue_spans[:, 0] < 0)
    in_queue = (query @ queue.t()).masked_fill(own, -torch.inf)
    logits = torch.cat((positive[:, None], in_batch, in_queue), dim=1) / temperature
    target = torch.zeros(len(query), dtype=torch.long, device=query.device)
    return F.cross_entropy(logits, target)


def chance_loss(query_spans: Tensor, queue_spans: Tensor) -> Tensor:
    """What :func:`info_nce` gives when all embeddings are alike, whatever the temperature.

    The mean logarithm of the number of candidates; a loss that stays there has learned nothing.

    Args:
        query_spans: (B, 3), as of :func:`info_nce`.
        queue_spans: (K, 3).

    Returns:
        Scalar.
    """
    others = (~same_moment(query_spans, query_spans)).sum(1)
    own = same_moment(query_spans, queue_spans) | (queue_spans[:, 0] < 0)
    return (1 + others + (~own).sum(1)).float().log().mean()


def same_moment(a: Tensor, b: Tensor) -> Tensor:
    """(N, M) bool, True where two clips of one video overlap in time.

    Windows of a long video overlap: a window must not be pushed away from the one that shows half
    of the same movement. Other moments of the same video stay negatives, since what tells them
    apart is the gesture, not the person.

    Args:
        a: (N, 3) integers: video number, first frame, end (exclusive).
        b: (M, 3).
    """
    same_video = a[:, None, 0] == b[None, :, 0]
    return same_video & (a[:, None, 1] < b[None, :, 2]) & (b[None, :, 1] < a[:, None, 2])
