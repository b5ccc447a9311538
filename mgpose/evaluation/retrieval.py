"""Retrieval by cosine similarity: rank the gallery for each query, score the ranking.

Rules for the cases that a formula leaves open:

* Every gallery item is ranked, also those with a negative cosine. (Libraries that drop scores <= 0
  give nonsense here.)
* Equal similarities (to 12 decimals) are ordered by gallery position, lower first.
* A zero vector has no direction. In the gallery it is ranked behind everything else; as a query
  it retrieves nothing and scores 0.
* NaN or infinity raises ``ValueError``.
* A query whose class the gallery lacks cannot be answered by any ranking and is left out of every
  mean; :func:`answerable` tells which, so that a report can count them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite, require_labels

Float64Array = npt.NDArray[np.float64]
CUTOFFS = (1, 5, 10)
_NO_DIRECTION = -2.0  # a similarity below that of the opposite direction
_CHUNK = 512  # queries ranked at a time: bounds the memory at 512 x G


def unit_rows(vectors: FloatArray, name: str = "embeddings") -> Float64Array:
    """(N, D) rows scaled to length one in float64; zero rows stay zero.

    Raises:
        ValueError: when it is not a finite (N, D) array.
    """
    if vectors.ndim != 2:
        raise ValueError(f"{name} must have shape (N, D), got {vectors.shape}")
    require_finite(vectors, name)
    rows = vectors.astype(np.float64)
    # Dividing by the largest entry first keeps the direction of very small and large vectors.
    rows /= _or_one(np.abs(rows).max(axis=1, initial=0.0))[:, None]
    rows /= _or_one(np.linalg.norm(rows, axis=1))[:, None]
    return rows


def cosine_similarity(query: FloatArray, gallery: FloatArray) -> Float64Array:
    """(Q, G) cosines, rounded to 12 decimals; a zero gallery vector has -2, behind all others.

    Raises:
        ValueError: on NaN, infinity or widths that differ.
    """
    unit_query, unit_gallery = unit_rows(query, "query"), unit_rows(gallery, "gallery")
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"query and gallery must have one width, got {query.shape[1]} and {gallery.shape[1]}"
        )
    similarity = np.round(unit_query @ unit_gallery.T, 12)
    similarity[:, ~unit_gallery.any(1)] = _NO_DIRECTION
    return similarity


def answerable(query_labels: IntArray, gallery_labels: IntArray) -> npt.NDArray[np.bool_]:
    """(Q,) True where the gallery holds the query's class."""
    return np.isin(query_labels, gallery_labels)


def retrieval_metrics(
    query: FloatArray, gallery: FloatArray, query_labels: IntArray, gallery_labels: IntArray
) -> dict[str, float]:
    """R@1, R@5, R@10, mAP, nDCG and class-balanced R@1.

    R@k is the share of queries with an item of their class among the first k. Average precision
    and nDCG (relevance 0 or 1) run over the whole ranking. Balanced R@1 is the mean over the
    classes of the answerable queries. See the module's rules for zero vectors and ties.

    Args:
        query: (Q, D) embeddings of the test clips.
        gallery: (G, D) embeddings of the training clips.
        query_labels: (Q,) classes.
        gallery_labels: (G,) classes.

    Returns:
        ``r_at_1``, ``r_at_5``, ``r_at_10``, ``map``, ``ndcg``, ``balanced_r_at_1``.

    Raises:
        ValueError: on wrong shapes, values that are not finite, or no answerable query.
    """
    scores, asked = retrieval_scores(query, gallery, query_labels, gallery_labels)
    return mean_scores(scores, query_labels[asked])


def retrieval_scores(
    query: FloatArray, gallery: FloatArray, query_labels: IntArray, gallery_labels: IntArray
) -> tuple[dict[str, Float64Array], npt.NDArray[np.bool_]]:
    """Scores of each answerable query, and which of the (Q,) queries these are.

    Returns:
        ``r_at_1``, ``r_at_5``, ``r_at_10``, ``map``, ``ndcg`` -> (A,), and (Q,) with A True.

    Raises:
        ValueError: as :func:`retrieval_metrics`.
    """
    rows = [
        _ranking_scores(relevant)
        for relevant in _relevance(query, gallery, query_labels, gallery_labels)
    ]
    scores = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return scores, answerable(query_labels, gallery_labels)


def mean_scores(scores: Mapping[str, Float64Array], labels: IntArray) -> dict[str, float]:
    """Means of the (A,) scores, and ``balanced_r_at_1``, the mean over classes of ``r_at_1``."""
    metrics = {name: float(values.mean()) for name, values in scores.items()}
    first = scores["r_at_1"]
    by_class = [first[labels == label].mean() for label in np.unique(labels)]
    metrics["balanced_r_at_1"] = float(np.mean(by_class))
    return metrics


def precision_at_k(
    query: FloatArray,
    gallery: FloatArray,
    query_labels: IntArray,
    gallery_labels: IntArray,
    ks: Sequence[int],
) -> Float64Array:
    """(len(ks),) mean share of the first k items that are of the query's class.

    Ranks beyond the end of the gallery count as wrong, so the share is always over k.

    Raises:
        ValueError: as :func:`retrieval_metrics`, or for a k below 1.
    """
    if min(ks) < 1:
        raise ValueError(f"every k must be at least 1, got {list(ks)}")
    wanted = np.asarray(ks)
    found = []
    for relevant in _relevance(query, gallery, query_labels, gallery_labels):
        hits = np.cumsum(relevant, axis=1)
        found.append(hits[:, np.minimum(wanted, relevant.shape[1]) - 1] / wanted)
    return np.asarray(np.concatenate(found).mean(0), dtype=np.float64)


def discounts(length: int) -> Float64Array:
    """(length,) 1 / log2(rank + 1), the gain of an item of the class at ranks 1, 2, ..."""
    return np.asarray(1 / np.log2(np.arange(2, length + 2)), dtype=np.float64)


def _relevance(
    query: FloatArray, gallery: FloatArray, query_labels: IntArray, gallery_labels: IntArray
) -> Iterator[Float64Array]:
    """Chunks (q, G) of 1 where the item at that rank has the query's class, over answerable ones.

    A zero query finds nothing: its whole row is 0.
    """
    for labels, rows in ((query_labels, query), (gallery_labels, gallery)):
        require_labels(labels, len(rows), int(labels.max(initial=0)) + 1)
    keep = np.flatnonzero(answerable(query_labels, gallery_labels))
    if not keep.size:
        raise ValueError("no query has a class that the gallery holds")
    for chunk in np.split(keep, range(_CHUNK, len(keep), _CHUNK)):
        order = np.argsort(-cosine_similarity(query[chunk], gallery), axis=1, kind="stable")
        relevant = (gallery_labels[order] == query_labels[chunk][:, None]).astype(np.float64)
        relevant[~query[chunk].any(1)] = 0.0
        yield relevant


def _or_one(lengths: Float64Array) -> Float64Array:
    return np.where(lengths > 0, lengths, 1.0)


def _ranking_scores(relevant: Float64Array) -> dict[str, Float64Array]:
    """Scores of each ranking from its (q, G) relevance; a row without any scores 0."""
    length = relevant.shape[1]
    hits = np.cumsum(relevant, axis=1)
    total = np.maximum(hits[:, -1], 1).astype(np.int64)
    scores = {f"r_at_{k}": relevant[:, :k].max(1) for k in CUTOFFS}
    scores["map"] = (relevant * hits / np.arange(1, length + 1)).sum(1) / total
    ideal = np.cumsum(discounts(length))
    scores["ndcg"] = relevant @ discounts(length) / ideal[total - 1]
    return scores
