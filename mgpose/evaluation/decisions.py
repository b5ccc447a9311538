"""Two-class decisions as quick statistics, for the thousands of draws of bootstrap and permutation.

Each takes labels (N,) of 0 and 1 and values (N,) or (N, S), and gives the mean over the S columns,
such as seeds: one number that can be resampled and permuted as a whole.
"""

from __future__ import annotations

import numpy as np

from mgpose.evaluation.embeddings import FloatArray, IntArray


def accuracy(labels: IntArray, decisions: FloatArray) -> float:
    """Share of the decisions, 1 or 0, that are right.

    >>> accuracy(np.array([0, 1]), np.array([[0.0, 1.0], [1.0, 1.0]]))
    0.75
    """
    truth = labels if decisions.ndim == 1 else labels[:, None]
    return float((decisions == truth).mean())


def balanced_accuracy(labels: IntArray, decisions: FloatArray) -> float:
    """The same share within each class present, averaged."""
    return float(np.mean([(decisions[labels == c] == c).mean() for c in np.unique(labels)]))


def area_under_curve(labels: IntArray, scores: FloatArray) -> float:
    """Chance that a row of class 1 scores above one of class 0, a draw counting half.

    It is the area under the ROC curve; NaN where only one class is present.
    """
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not len(positive) or not len(negative):
        return float("nan")
    above = (positive[:, None] > negative[None]).mean()
    return float(above + (positive[:, None] == negative[None]).mean() / 2)
