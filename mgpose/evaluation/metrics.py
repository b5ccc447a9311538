"""Metrics of recognition, clustering and two-class decisions: pure functions on arrays.

All lie in [0, 1] (the adjusted Rand index in [-1, 1]) and higher is better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite, require_labels


def confusion_counts(predictions: IntArray, labels: IntArray, num_classes: int) -> IntArray:
    """(K, K) counts: rows are the true classes, columns the predicted ones.

    >>> confusion_counts(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (labels, predictions), 1)
    return counts


def classification_metrics(scores: FloatArray, labels: IntArray) -> dict[str, float]:
    """Top-1, top-5, balanced accuracy and macro F1.

    A class without a test clip is left out of both averages: balanced accuracy and macro F1 run
    over the classes present in ``labels``. Predicting an absent class is still an error of the
    clip's true class. Equal scores are ordered by class number, lower first.

    Args:
        scores: (N, K) one score for each class, higher is likelier; any scale.
        labels: (N,) in [0, K).

    Returns:
        ``top1``, ``top5`` (only where K > 5), ``balanced_accuracy``, ``macro_f1``.

    Raises:
        ValueError: on wrong shapes, labels out of range or scores that are not finite.
    """
    order = ranked_classes(scores, labels)
    classes = scores.shape[1]
    hits = order == labels[:, None]
    counts = confusion_counts(order[:, 0], labels, classes)
    present = counts.sum(1) > 0
    true_positive = np.diag(counts)
    # Over present classes the denominator tp + tp + fp + fn is at least their support.
    f1 = 2 * true_positive[present] / (counts.sum(0) + counts.sum(1))[present]
    metrics = {"top1": float(hits[:, 0].mean())}
    if classes > 5:
        metrics["top5"] = float(hits[:, :5].any(1).mean())
    metrics["balanced_accuracy"] = float(np.nanmean(_recall(counts)))
    metrics["macro_f1"] = float(f1.mean())
    return metrics


def per_class_recall(scores: FloatArray, labels: IntArray) -> npt.NDArray[np.float64]:
    """(K,) share of each class's clips that are recognised; NaN for a class without a clip.

    Raises:
        ValueError: as :func:`classification_metrics`.
    """
    order = ranked_classes(scores, labels)
    return _recall(confusion_counts(order[:, 0], labels, scores.shape[1]))


def ranked_classes(scores: FloatArray, labels: IntArray) -> IntArray:
    """(N, K) classes from the likeliest to the least likely; checks scores and labels.

    Raises:
        ValueError: as :func:`classification_metrics`.
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ValueError(f"scores must have shape (N, K >= 2), got {scores.shape}")
    require_labels(labels, *scores.shape)
    require_finite(scores, "scores")
    return np.argsort(-scores, axis=1, kind="stable")


def clustering_metrics(assignments: IntArray, labels: IntArray) -> dict[str, float]:
    """Agreement of clusters with classes.

    Args:
        assignments: (N,) cluster of each clip, >= 0.
        labels: (N,) class of each clip, >= 0.

    Returns:
        ``hungarian_accuracy`` (accuracy under the best one-to-one map of clusters to classes;
        clusters left over count as wrong), ``nmi`` (arithmetic normalisation), ``ari``.

    Raises:
        ValueError: when the two differ in shape, are empty or hold negative numbers.
    """
    require_labels(assignments, len(labels), int(assignments.max(initial=0)) + 1)
    require_labels(labels, len(assignments), int(labels.max(initial=0)) + 1)
    size = int(max(assignments.max(), labels.max())) + 1
    counts = confusion_counts(labels, assignments, size)
    return {
        "hungarian_accuracy": hungarian_accuracy(counts),
        "nmi": normalised_information(counts),
        "ari": adjusted_rand(counts),
    }


def hungarian_accuracy(counts: npt.NDArray[np.number]) -> float:
    """Accuracy under the best one-to-one map of (C, K) clusters to classes; NaN without a clip."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(counts, maximize=True)
    total = counts.sum()
    return float(counts[rows, columns].sum() / total) if total else float("nan")


def normalised_information(counts: npt.NDArray[np.number]) -> float:
    """Mutual information of (C, K) counts over the mean of both entropies; NaN without a clip.

    1 where clips lie in one cell, as scikit-learn has it.
    """
    total = counts.sum()
    if not total:
        return float("nan")
    share = counts / total
    entropies = [_entropy(share.sum(axis)) for axis in (0, 1)]
    mean = sum(entropies) / len(entropies)
    return float((sum(entropies) - _entropy(share.ravel())) / mean) if mean > 0 else 1.0


def adjusted_rand(counts: npt.NDArray[np.number]) -> float:
    """Adjusted Rand index of (C, K) counts; NaN without a clip.

    1 where all clips lie in one cell or each in a row and column of its own.

    Reference:
        Hubert and Arabie, Comparing partitions, 1985.
    """
    total = counts.sum()
    if not total:
        return float("nan")
    together, rows, columns = (_pairs(n) for n in (counts, counts.sum(1), counts.sum(0)))
    expected = rows * columns / max(_pairs(total), 1)
    most = (rows + columns) / 2
    return float((together - expected) / (most - expected)) if most != expected else 1.0


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _pairs(counts: npt.NDArray[np.number]) -> float:
    return float((counts * (counts - 1) / 2).sum())


def binary_metrics(
    scores: FloatArray, labels: IntArray, threshold: float = 0.5
) -> dict[str, float]:
    """Accuracy, balanced accuracy and area under the ROC curve of a two-class decision.

    Args:
        scores: (N,) score of class 1, such as its probability.
        labels: (N,) 0 or 1.
        threshold: a score of at least this much decides for class 1.

    Returns:
        ``accuracy``, ``balanced_accuracy`` (over the classes present), ``auc`` (NaN where only
        one class is present: it is not defined there).

    Raises:
        ValueError: on wrong shapes, other labels, or scores that are not finite.
    """
    from sklearn.metrics import roc_auc_score

    if scores.ndim != 1:
        raise ValueError(f"scores must have shape (N,), got {scores.shape}")
    require_labels(labels, len(scores), 2)
    require_finite(scores, "scores")
    counts = confusion_counts((scores >= threshold).astype(np.int64), labels, 2)
    both = bool(np.all(counts.sum(1) > 0))
    return {
        "accuracy": float(np.trace(counts) / counts.sum()),
        "balanced_accuracy": float(np.nanmean(_recall(counts))),
        "auc": float(roc_auc_score(labels, scores)) if both else float("nan"),
    }


def _recall(counts: IntArray) -> npt.NDArray[np.float64]:
    support = counts.sum(1)
    recall = np.full(len(counts), np.nan)
    present = support > 0
    recall[present] = np.diag(counts)[present] / support[present]
    return recall
