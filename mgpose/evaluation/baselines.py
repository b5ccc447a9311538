"""What every result stands beside: the trivial predictor, chance, and PCA + SVM on poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite, require_labels
from mgpose.evaluation.retrieval import CUTOFFS, answerable, discounts, mean_scores

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
PCA_COMPONENTS = 128
SVM_C = 10.0
SVM_GAMMA = "scale"


@dataclass(frozen=True, eq=False)
class TrivialPredictor:
    """Knows how often each class occurs in train, and nothing of the clip.

    Its top-1 is the majority class, its top-5 the five most frequent classes.

    Args:
        frequencies: (K,) share of each class among the training clips.
    """

    frequencies: Float64Array

    @classmethod
    def fit(cls, train_labels: IntArray, num_classes: int) -> TrivialPredictor:
        """Count the classes.

        Raises:
            ValueError: without a training clip or with labels outside [0, num_classes).
        """
        require_labels(train_labels, len(train_labels), num_classes)
        return cls(np.bincount(train_labels, minlength=num_classes) / len(train_labels))

    def scores(self, rows: int) -> Float64Array:
        """(rows, K) the same frequencies for each clip."""
        return np.tile(self.frequencies, (rows, 1))


def random_retrieval(query_labels: IntArray, gallery_labels: IntArray) -> dict[str, float]:
    """What :func:`mgpose.evaluation.retrieval.retrieval_metrics` expects of a random ranking.

    Exact, no draws. With R of the G items relevant and H_G the harmonic number,
    R@k = 1 - C(G - R, k) / C(G, k), AP = (H_G + (R - 1) (G - H_G) / (G - 1)) / G, and each
    discount of nDCG counts with weight R / G.

    Raises:
        ValueError: when no query has a class that the gallery holds.
    """
    scores, asked = random_retrieval_scores(query_labels, gallery_labels)
    return mean_scores(scores, query_labels[asked])


def random_retrieval_scores(
    query_labels: IntArray, gallery_labels: IntArray
) -> tuple[dict[str, Float64Array], npt.NDArray[np.bool_]]:
    """The expected score of each answerable query, and which of the (Q,) queries these are.

    Raises:
        ValueError: when no query has a class that the gallery holds.
    """
    asked = answerable(query_labels, gallery_labels)
    if not asked.any():
        raise ValueError("no query has a class that the gallery holds")
    size = len(gallery_labels)
    classes, which = np.unique(query_labels[asked], return_inverse=True)
    relevant = np.array([(gallery_labels == c).sum() for c in classes], dtype=np.float64)
    harmonic = (1 / np.arange(1, size + 1)).sum()
    gains = np.cumsum(discounts(size))
    by_class = {f"r_at_{k}": 1 - _chance_of_none(relevant, size, k) for k in CUTOFFS}
    by_class["map"] = (harmonic + (relevant - 1) * (size - harmonic) / max(size - 1, 1)) / size
    by_class["ndcg"] = relevant / size * gains[-1] / gains[relevant.astype(np.int64) - 1]
    return {name: values[which] for name, values in by_class.items()}, asked


def _chance_of_none(relevant: Float64Array, size: int, k: int) -> Float64Array:
    """C(G - R, k) / C(G, k) as a product; k beyond the gallery means the whole gallery."""
    drawn = np.arange(min(k, size))
    factors = (size - relevant[:, None] - drawn) / (size - drawn)
    return np.asarray(np.clip(factors, 0, None).prod(1), dtype=np.float64)


def pca_features(
    train_x: FloatArray, test_x: FloatArray, components: int = PCA_COMPONENTS, seed: int = 0
) -> tuple[Float32Array, Float32Array]:
    """Features on their first principal components, fitted on train only.

    Centred, not standardised: canonical coordinates share one unit, and dividing each by its own
    deviation would blow up the jitter of keypoints that hardly move (measured: it costs 10 points
    on the holistic signs and 3 on KSL-13). The randomised solver keeps thousands of features cheap.

    Args:
        train_x: (N, F) flattened clips, finite.
        test_x: (M, F).
        components: at most this many; fewer where N or F is smaller.
        seed: of the randomised solver.

    Returns:
        (N, P) and (M, P) float32, P = min(components, N, F).

    Raises:
        ValueError: on wrong shapes or values that are not finite.
    """
    from sklearn.decomposition import PCA

    if train_x.ndim != 2 or test_x.ndim != 2 or train_x.shape[1] != test_x.shape[1]:
        raise ValueError(f"expected (N, F) and (M, F), got {train_x.shape} and {test_x.shape}")
    for name, part in (("train_x", train_x), ("test_x", test_x)):
        require_finite(part, name)
    pca = PCA(min(components, *train_x.shape), svd_solver="randomized", random_state=seed)
    train = pca.fit_transform(train_x)
    return train.astype(np.float32), pca.transform(test_x).astype(np.float32)


def pca_svm_scores(
    train_x: FloatArray,
    train_labels: IntArray,
    test_x: FloatArray,
    num_classes: int,
    mirrored_train_x: FloatArray | None = None,
    seed: int = 0,
) -> Float64Array:
    """The classical baseline: PCA to at most 128 components, RBF support vectors.

    C = 10 and gamma = 1 / (P x variance) (scikit-learn's ``"scale"``): fixed beforehand, never
    tuned on test. Not whitened, so that weak components stay weak.

    Args:
        train_x: (N, F) flattened canonical keypoints, finite.
        train_labels: (N,) in [0, num_classes).
        test_x: (M, F).
        num_classes: K.
        mirrored_train_x: (N, F) the training clips mirrored, added with the same labels.
        seed: of the randomised PCA.

    Returns:
        (M, K) one-against-rest decision values; a class without a training clip gets a value
        below every other.

    Raises:
        ValueError: on wrong shapes, labels out of range or values that are not finite.
    """
    from sklearn.svm import SVC

    require_labels(train_labels, len(train_x), num_classes)
    if mirrored_train_x is not None:
        if mirrored_train_x.shape != train_x.shape:
            raise ValueError(
                f"mirrored_train_x must have shape {train_x.shape}, got {mirrored_train_x.shape}"
            )
        train_x = np.concatenate([train_x, mirrored_train_x])
        train_labels = np.concatenate([train_labels, train_labels])
    known = np.unique(train_labels)
    if len(known) == 1:
        return TrivialPredictor.fit(train_labels, num_classes).scores(len(test_x))
    train, test = pca_features(train_x, test_x, seed=seed)
    machine = SVC(C=SVM_C, gamma=SVM_GAMMA, cache_size=500).fit(train, train_labels)
    decision = machine.decision_function(test)
    if len(known) == 2:
        decision = np.stack([-decision, decision], axis=1)
    scores = np.full((len(test_x), num_classes), decision.min() - 1)
    scores[:, known] = decision
    return scores
