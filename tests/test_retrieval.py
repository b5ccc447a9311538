"""Retrieval equals scikit-learn, and keeps its promises on ties, zeros and NaN."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from mgpose.evaluation.baselines import random_retrieval
from mgpose.evaluation.retrieval import (
    answerable,
    cosine_similarity,
    precision_at_k,
    retrieval_metrics,
    unit_rows,
)

RNG_SEED = 3


def draw(queries: int = 40, gallery: int = 60, width: int = 5, classes: int = 4):
    rng = np.random.default_rng(RNG_SEED)
    return (
        rng.normal(size=(queries, width)),
        rng.normal(size=(gallery, width)),
        rng.integers(classes, size=queries),
        rng.integers(classes, size=gallery),
    )


def test_equals_scikit_learn() -> None:
    query, gallery, query_labels, gallery_labels = draw()
    similarity = cosine_similarity(query, gallery)
    relevant = gallery_labels[None] == query_labels[:, None]
    found = retrieval_metrics(query, gallery, query_labels, gallery_labels)
    precision = [average_precision_score(r, s) for r, s in zip(relevant, similarity, strict=True)]
    assert found["map"] == pytest.approx(np.mean(precision))
    assert found["ndcg"] == pytest.approx(ndcg_score(relevant, similarity))
    best = relevant[np.arange(len(query)), similarity.argmax(1)]
    assert found["r_at_1"] == pytest.approx(best.mean())
    balanced = np.mean([best[query_labels == c].mean() for c in range(4)])
    assert found["balanced_r_at_1"] == pytest.approx(balanced)
    order = np.argsort(-similarity, axis=1)
    hits = np.take_along_axis(relevant, order, axis=1)
    assert found["r_at_5"] == pytest.approx(hits[:, :5].any(1).mean())
    assert found["r_at_10"] == pytest.approx(hits[:, :10].any(1).mean())
    expected = [hits[:, :k].mean() for k in (1, 3, 60)]
    ks = (1, 3, 60)
    assert precision_at_k(query, gallery, query_labels, gallery_labels, ks) == pytest.approx(
        expected
    )


def test_negative_cosines_are_ranked_like_any_other() -> None:
    angles = np.deg2rad([95.0, 100.0, 110.0, 120.0])
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    query = np.array([[1.0, 0.0]])
    assert (cosine_similarity(query, gallery) < 0).all()
    found = retrieval_metrics(query, gallery, np.array([1]), np.array([1, 0, 1, 0]))
    assert found["map"] == pytest.approx((1 + 2 / 3) / 2)


def test_nothing_changes_under_scale_rotation_and_order() -> None:
    query, gallery, query_labels, gallery_labels = draw()
    found = retrieval_metrics(query, gallery, query_labels, gallery_labels)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    stretch = rng.uniform(1e-3, 1e3, size=(len(gallery), 1))
    shuffled, order = rng.permutation(len(query)), rng.permutation(len(gallery))
    again = retrieval_metrics(
        (query @ turn)[shuffled],
        (gallery * stretch @ turn)[order],
        query_labels[shuffled],
        gallery_labels[order],
    )
    assert again == pytest.approx(found)


def test_ties_are_ordered_by_gallery_position() -> None:
    gallery = np.ones((7, 3)) * np.arange(1, 8)[:, None]
    labels = np.array([1, 0, 0, 0, 0, 0, 0])
    query = np.array([[1.0, 1.0, 1.0]])
    assert retrieval_metrics(query, gallery, np.array([1]), labels)["r_at_1"] == 1.0
    assert retrieval_metrics(query, gallery, np.array([1]), labels[::-1])["r_at_1"] == 0.0


def test_zero_vectors_have_no_direction() -> None:
    gallery = np.array([[0.0, 0.0], [-1.0, 0.0]])
    query = np.array([[1.0, 0.0]])
    found = retrieval_metrics(query, gallery, np.array([1]), np.array([0, 1]))
    assert found["r_at_1"] == 1.0  # even the opposite direction stands before none at all
    blind = retrieval_metrics(np.zeros((1, 2)), gallery, np.array([1]), np.array([1, 1]))
    assert set(blind.values()) == {0.0}


def test_tiny_and_huge_vectors_keep_their_direction() -> None:
    rows = unit_rows(np.array([[3e-200, 4e-200], [3e200, 4e200]]))
    assert rows == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8]]))


def test_nan_is_refused() -> None:
    query, gallery, query_labels, gallery_labels = draw()
    query[3, 1] = np.nan
    with pytest.raises(ValueError, match="1 of 40 rows, first in row 3"):
        retrieval_metrics(query, gallery, query_labels, gallery_labels)


def test_a_query_without_an_answer_is_left_out() -> None:
    gallery = np.eye(2)
    labels = np.array([0, 1])
    found = retrieval_metrics(np.eye(2)[[0, 1, 1]], gallery, np.array([0, 1, 5]), labels)
    assert found["r_at_1"] == 1.0
    assert answerable(np.array([0, 1, 5]), labels).tolist() == [True, True, False]
    with pytest.raises(ValueError, match="no query"):
        retrieval_metrics(gallery, gallery, np.array([5, 5]), labels)


def test_a_small_gallery() -> None:
    gallery, labels = np.eye(2), np.array([0, 1])
    assert retrieval_metrics(gallery, gallery, labels, labels)["r_at_10"] == 1.0
    assert precision_at_k(gallery, gallery, labels, labels, (1, 4)).tolist() == [1.0, 0.25]


def test_random_retrieval_is_the_mean_over_random_rankings() -> None:
    rng = np.random.default_rng(0)
    query_labels, gallery_labels = np.array([0, 0, 1, 2, 7]), np.array([0] * 9 + [1] * 3 + [2])
    draws = [
        retrieval_metrics(
            rng.normal(size=(5, 3)), rng.normal(size=(13, 3)), query_labels, gallery_labels
        )
        for _ in range(3000)
    ]
    mean = {name: np.mean([d[name] for d in draws]) for name in draws[0]}
    assert random_retrieval(query_labels, gallery_labels) == pytest.approx(mean, abs=0.012)


def test_random_retrieval_of_a_gallery_of_one() -> None:
    found = random_retrieval(np.array([0]), np.array([0]))
    assert found == pytest.approx(dict.fromkeys(found, 1.0))
