"""InfoNCE with a queue and soft targets."""

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
    targets: Tensor | None = None,
    own: Tensor | None = None,
    neighbours: Tensor | None = None,
) -> Tensor:
    """Contrast each query with its key against the batch's other keys and the queue.

    ``-sum_c target_c log softmax(q . k_c / t)_c`` where c runs over the keys of the batch and the
    queue, without those other than the query's own key that show the query's own moment. Without
    ``targets`` all weight lies on the own key. A neighbour in place of the own key is no negative
    in its own place of the queue, and what the targets give to that place goes with it.

    Args:
        query: (B, D) unit vectors.
        key: (B, D) unit vectors; row i is the positive of query i.
        queue: (K, D) unit vectors.
        query_spans: (B, 3) video number, first frame and end of each clip; see
            :func:`same_moment`.
        queue_spans: (K, 3); a negative video number marks an empty place, which never counts.
        temperature: t.
        targets: (B, B + K) rows that sum to 1, such as :func:`soft_targets` gives, or None.
        own: as of :func:`not_compared`.
        neighbours: (B,) filled places of the queue whose keys stand in for the own ones, or None.

    Returns:
        Scalar mean over the batch.

    Reference: van den Oord et al., arXiv 1807.03748; He et al., "MoCo", CVPR 2020.
    """
    logits = torch.cat((query @ key.t(), query @ queue.t()), dim=1) / temperature
    hidden = not_compared(query_spans, queue_spans, own)
    if neighbours is not None:
        rows = torch.arange(len(query), device=query.device)
        places = len(key) + neighbours
        logits[rows, rows] = logits[rows, places]
        hidden[rows, places] = True
        if targets is not None:
            targets = targets.clone()
            targets[rows, rows] += targets[rows, places]
            targets[rows, places] = 0
    logits = logits.masked_fill(hidden, -torch.inf)
    if targets is None:
        return F.cross_entropy(logits, torch.arange(len(query), device=query.device))
    log_share = logits.log_softmax(1).masked_fill(logits.isneginf(), 0)
    return -(targets * log_share).sum(1).mean()


def soft_targets(
    key: Tensor,
    queue: Tensor,
    spans: Tensor,
    queue_spans: Tensor,
    temperature: float,
    weight: float,
    own: Tensor | None = None,
) -> Tensor:
    """Targets of :func:`info_nce` that leave ``weight`` to what the teacher finds alike.

    Args:
        key: (B, D) the teacher's unit vectors of the queries' clips.
        queue: (K, D).
        spans: (B, 3) of the clips.
        queue_spans: (K, 3).
        temperature: of the teacher's softmax over the other candidates, below the student's.
        weight: share of the target, in [0, 1).
        own: as of :func:`not_compared`, its rows sum to 1.

    Returns:
        (B, B + K) rows that sum to 1.

    Reference: neighbourhood distributions as targets, Zheng et al., "ReSSL", NeurIPS 2021.
    """
    own = torch.eye(len(key), device=key.device) if own is None else own
    hidden = not_compared(spans, queue_spans, own)
    targets = torch.cat((own, own.new_zeros(len(own), len(queue))), dim=1)
    if weight == 0:
        return targets
    # What each clip finds alike, itself aside.
    alike = torch.cat((key @ key.t(), key @ queue.t()), dim=1) / temperature
    alike = alike.masked_fill(not_compared(spans, queue_spans), -torch.inf)
    alike[:, : len(key)].fill_diagonal_(-torch.inf)
    # A clip without any other candidate keeps its own key as the only target.
    lonely = alike.isneginf().all(1, keepdim=True)
    shares = alike.masked_fill(lonely, 0).softmax(1) * ~lonely
    # What a mixed clip finds alike is what its ingredients do.
    shares = (own.to(shares.dtype) @ shares).masked_fill(hidden, 0)
    return (1 - weight * shares.sum(1, keepdim=True)) * targets + weight * shares


def not_compared(query_spans: Tensor, queue_spans: Tensor, own: Tensor | None = None) -> Tensor:
    """(B, B + K) bool: candidates that show a query's own moment (but its key), or nothing.

    Args:
        query_spans: (B, 3), as of :func:`info_nce`.
        queue_spans: (K, 3).
        own: (B, B) positive where a query shows a clip of the batch (mixed clips show two); None
            for the identity.
    """
    batch = len(query_spans)
    alike = torch.cat(
        (same_moment(query_spans, query_spans), same_moment(query_spans, queue_spans)), dim=1
    )
    shown = torch.eye(batch, dtype=torch.bool, device=alike.device)
    if own is not None:
        shown = own > 0
        alike = shown.float() @ alike.float() > 0
    alike[:, :batch] &= ~shown
    alike[:, batch:] |= queue_spans[:, 0] < 0
    return alike


def chance_loss(
    query_spans: Tensor, queue_spans: Tensor, neighbours: Tensor | None = None
) -> Tensor:
    """What :func:`info_nce` gives when all embeddings are alike, whatever the temperature.

    The mean logarithm of the number of candidates; a loss that stays there has learned nothing.

    Args:
        query_spans: (B, 3), as of :func:`info_nce`.
        queue_spans: (K, 3).
        neighbours: (B,), as of :func:`info_nce`.

    Returns:
        Scalar.
    """
    hidden = not_compared(query_spans, queue_spans)
    if neighbours is not None:
        rows = torch.arange(len(query_spans), device=hidden.device)
        hidden[rows, len(query_spans) + neighbours] = True
    return (~hidden).sum(1).float().log().mean()


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
