"""InfoNCE with a queue."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    query_ids: Tensor,
    queue_ids: Tensor,
    temperature: float,
) -> Tensor:
    """Contrast each query with its key against the batch's other keys and the queue.

    ``-log exp(q k+ / t) / (exp(q k+ / t) + sum_n exp(q k_n / t))`` where n runs over the other
    keys of the batch and the queue, without those that stem from the query's own clip.

    Args:
        query: (B, D) unit vectors.
        key: (B, D) unit vectors; row i is the positive of query i.
        queue: (K, D) unit vectors.
        query_ids: (B,) clip ids.
        queue_ids: (K,) clip ids, negative for empty places, which never count.
        temperature: t.

    Returns:
        Scalar mean over the batch.

    Reference: van den Oord et al., arXiv 1807.03748; He et al., "MoCo", CVPR 2020.
    """
    in_batch = query @ key.t()
    positive = in_batch.diagonal()
    same_clip = query_ids[:, None] == query_ids[None]
    in_batch = in_batch.masked_fill(same_clip, -torch.inf)
    in_queue = (query @ queue.t()).masked_fill(
        (query_ids[:, None] == queue_ids[None]) | (queue_ids[None] < 0), -torch.inf
    )
    logits = torch.cat((positive[:, None], in_batch, in_queue), dim=1) / temperature
    target = torch.zeros(len(query), dtype=torch.long, device=query.device)
    return F.cross_entropy(logits, target)
