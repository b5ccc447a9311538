"""Logit adjustment: the frequency of a class in training taken out of its probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import IntArray

Float64Array = npt.NDArray[np.float64]


def class_prior(labels: IntArray, num_classes: int) -> Float64Array:
    """(K,) shares of the classes; a class that does not occur counts as the rarest that does.

    Raises:
        ValueError: without a label.

    >>> class_prior(np.array([0, 0, 0, 1]), 3).tolist()
    [0.75, 0.25, 0.25]
    """
    counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
    if not counts.sum():
        raise ValueError("expected at least one label, got none")
    filled = np.where(counts > 0, counts, counts[counts > 0].min())
    return np.asarray(filled / counts.sum(), dtype=np.float64)


def adjusted_probabilities(
    probabilities: npt.NDArray[np.floating], prior: Float64Array, strength: float = 1.0
) -> npt.NDArray[np.float32]:
    """Logit adjustment after training: probabilities p / prior ^ strength, scaled to sum to 1.

    Args:
        probabilities: (N, K).
        prior: (K,) above 0, see :func:`class_prior`; need not sum to 1.
        strength: 0 changes nothing.

    Reference:
        Menon et al., Long-tail learning via logit adjustment, ICLR 2021.
    """
    adjusted = probabilities / prior**strength
    return np.asarray(adjusted / adjusted.sum(1, keepdims=True), dtype=np.float32)
