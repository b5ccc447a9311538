"""Metrics equal scikit-learn, the independent reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.evaluation.metrics import (
    binary_metrics,
    classification_metrics,
    clustering_metrics,
    confusion_counts,
    per_class_recall,
)


def draw(seed: int, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, classes)), rng.integers(classes, size=rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 12))
def test_classification_equals_scikit_learn(seed: int, rows: int, classes: int) -> None:
    scores, labels = draw(seed, rows, classes)
    predicted, present = scores.argmax(1), np.unique(labels)
    found = classification_metrics(scores, labels)
    assert found["top1"] == pytest.approx(reference.accuracy_score(labels, predicted))
    recall = reference.recall_score(
        labels, predicted, labels=present, average="macro", zero_division=0
    )
    assert found["balanced_accuracy"] == pytest.approx(recall)
    f1 = reference.f1_score(labels, predicted, labels=present, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1)
    assert ("top5" in found) == (classes > 5)
    if classes > 5:
        top5 = reference.top_k_accuracy_score(labels, scores, k=5, labels=range(classes))
        assert found["top5"] == pytest.approx(top5)
    confusion = reference.confusion_matrix(labels, predicted, labels=range(classes))
    assert (confusion_counts(predicted, labels, classes) == confusion).all()


def test_an_absent_class_counts_only_as_an_error() -> None:
    scores = np.eye(3)[[0, 0, 2, 1]]
    labels = np.array([0, 0, 0, 1])
    found = classification_metrics(scores, labels)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((0.8 + 1) / 2)
    assert np.isnan(per_class_recall(scores, labels)[2])


def test_ties_go_to_the_lower_class() -> None:
    assert classification_metrics(np.zeros((3, 4)), np.array([0, 0, 1]))["top1"] == pytest.approx(
        2 / 3
    )


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, np.int64), "shape"),
        (np.zeros((3, 2)), np.zeros(2, np.int64), r"\(3,\)"),
        (np.zeros((2, 2)), np.array([0, 2]), r"\[0, 2\)"),
        (np.full((1, 2), np.nan), np.array([0]), "finite"),
        (np.zeros((0, 2)), np.zeros(0, np.int64), "at least one"),
    ],
)
def test_bad_scores_are_refused(scores: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classification_metrics(scores, labels)


def test_clustering_knows_no_names() -> None:
    labels = np.repeat(np.arange(4), 10)
    renamed = np.array([2, 0, 3, 1])[labels]
    assert clustering_metrics(renamed, labels) == pytest.approx(
        {"hungarian_accuracy": 1.0, "nmi": 1.0, "ari": 1.0}
    )


def test_hungarian_accuracy_equals_trying_all_maps() -> None:
    from itertools import permutations

    rng = np.random.default_rng(0)
    labels, clusters = rng.integers(4, size=30), rng.integers(4, size=30)
    best = max(np.mean(np.array(p)[clusters] == labels) for p in permutations(range(4)))
    assert clustering_metrics(clusters, labels)["hungarian_accuracy"] == pytest.approx(best)


def test_more_clusters_than_classes() -> None:
    found = clustering_metrics(np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1]))
    assert found["hungarian_accuracy"] == 0.5


def test_binary_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.random(50).round(1), rng.integers(2, size=50)
    decided = (scores >= 0.5).astype(int)
    assert binary_metrics(scores, labels) == pytest.approx(
        {
            "accuracy": reference.accuracy_score(labels, decided),
            "balanced_accuracy": reference.balanced_accuracy_score(labels, decided),
            "auc": reference.roc_auc_score(labels, scores),
        }
    )


def test_auc_of_one_class_is_undefined() -> None:
    assert np.isnan(binary_metrics(np.array([0.2, 0.7]), np.array([1, 1]))["auc"])


def table(rows: int = 4) -> EmbeddingTable:
    return EmbeddingTable(
        embeddings=np.arange(2 * rows).reshape(rows, 2),
        labels=np.arange(rows),
        subjects=tuple("abcdefgh"[:rows]),
        videos=tuple("stuvwxyz"[:rows]),
        starts=np.zeros(rows),
        stops=np.ones(rows),
    )


def test_subset_by_positions_and_by_mask() -> None:
    picked = table().subset([2, 0])
    assert picked.labels.tolist() == [2, 0]
    assert picked.subjects == ("c", "a")
    masked = table().subset(np.array([True, False, True, False]))
    assert masked.videos == ("s", "u")
    assert masked.embeddings.dtype == np.float32


def test_a_table_with_rows_that_do_not_fit_is_refused() -> None:
    good = table()
    with pytest.raises(ValueError, match="expected 4 subjects"):
        EmbeddingTable(good.embeddings, good.labels, ("a",), good.videos, good.starts, good.stops)
    with pytest.raises(ValueError, match="start < stop"):
        EmbeddingTable(
            good.embeddings, good.labels, good.subjects, good.videos, good.stops, good.stops
        )
    with pytest.raises(ValueError, match="1 of 4 rows"):
        EmbeddingTable(
            np.where(np.eye(4, 2) == [1, 2], np.nan, 0),
            good.labels,
            good.subjects,
            good.videos,
            good.starts,
            good.stops,
        )


@pytest.mark.parametrize("seed", range(4))
def test_mean_f1_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 8, 40), rng.normal(size=(40, 8))
    parts = np.array([0, 0, 1, 2, 2, 2, 3, 1])
    predictions = scores.argmax(1)
    expected = [
        reference.f1_score(a[labels], a[predictions], average=how, labels=shown)
        for a in (np.arange(8), parts)
        for how, shown in (("macro", np.unique(a[labels])), ("micro", None))
    ]
    found = classification_metrics(scores, labels, parts)
    assert found["f1_mean"] == pytest.approx(np.mean(expected))
    assert {k: v for k, v in found.items() if k != "f1_mean"} == classification_metrics(
        scores, labels
    )
