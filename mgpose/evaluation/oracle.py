"""The oracle: a classifier that sees what a generator drew for each clip, and no poses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_labels

Float64Array = npt.NDArray[np.float64]
_TREES = 300


def oracle_scores(
    train: FloatArray, train_labels: IntArray, test: FloatArray, num_classes: int, seed: int = 0
) -> Float64Array:
    """Class probabilities by extremely randomised trees on generating parameters.

    Every tree sees all clips, weighted so that each class counts the same: a class of the long tail
    has a few only. What does not apply to a clip lies below every value that does.

    Args:
        train: (N, P) parameters, NaN where one does not apply to the clip.
        train_labels: (N,) in [0, num_classes).
        test: (M, P).
        num_classes: K.
        seed: of the trees.

    Returns:
        (M, K) probabilities; a class without a training clip gets a value below every other.

    Raises:
        ValueError: on wrong shapes or labels out of range.

    Reference:
        Geurts, Ernst and Wehenkel, Extremely randomized trees, Machine Learning 63 (2006).
    """
    from sklearn.ensemble import ExtraTreesClassifier

    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise ValueError(f"expected (N, P) and (M, P), got {train.shape} and {test.shape}")
    require_labels(train_labels, len(train), num_classes)
    applies = np.isfinite(train)
    floor = np.where(applies, train, 0).min(0) - 1
    known, asked = (np.where(np.isfinite(part), part, floor) for part in (train, test))
    model = ExtraTreesClassifier(
        _TREES, max_features=0.5, class_weight="balanced", random_state=seed
    )
    model.fit(known, train_labels)
    scores = np.full((len(test), num_classes), -1.0)
    scores[:, model.classes_] = model.predict_proba(asked)
    return scores
