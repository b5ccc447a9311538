"""Probes of frozen embeddings: nearest neighbours, a linear layer, k-means.

Each returns scores or assignments that :mod:`mgpose.evaluation.metrics` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite, require_labels
from mgpose.evaluation.retrieval import cosine_similarity, unit_rows

Float64Array = npt.NDArray[np.float64]
KNN_TEMPERATURE = 0.07
_CHUNK = 512  # queries at a time: bounds the memory, changes no result


def knn_scores(
    gallery: FloatArray,
    gallery_labels: IntArray,
    query: FloatArray,
    k: int,
    num_classes: int,
    temperature: float = KNN_TEMPERATURE,
) -> Float64Array:
    """Votes of the k nearest neighbours by cosine similarity.

    A neighbour votes for its class with weight exp(cosine / temperature); the votes of a query are
    scaled to sum to 1. A class without a neighbour scores 0, so top-5 says little for small k.
    A zero query has no neighbours and gets the class frequencies of the gallery.

    Args:
        gallery: (G, D) training embeddings.
        gallery_labels: (G,) in [0, num_classes).
        query: (Q, D) test embeddings.
        k: neighbours, at least 1; a smaller gallery votes whole.
        num_classes: K.
        temperature: sharpness of the weights.

    Returns:
        (Q, K) scores that sum to 1.

    Raises:
        ValueError: on wrong shapes, k below 1, labels out of range, values that are not finite.

    Reference:
        Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination,
        CVPR 2018 (the weighting and its temperature).
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    require_labels(gallery_labels, len(gallery), num_classes)
    one_hot = np.eye(num_classes)[gallery_labels]
    scores = np.empty((len(query), num_classes))
    for start in range(0, len(query), _CHUNK):
        rows = slice(start, start + _CHUNK)
        similarity = cosine_similarity(query[rows], gallery)
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
        cosine = np.take_along_axis(similarity, nearest, axis=1)
        weight = np.exp((cosine - cosine[:, :1]) / temperature)
        votes = np.einsum("qn,qnc->qc", weight, one_hot[nearest])
        scores[rows] = votes / weight.sum(1, keepdims=True)
    scores[~query.any(1)] = one_hot.mean(0)
    return scores


def linear_probe_scores(
    train: FloatArray,
    train_labels: IntArray,
    test: FloatArray,
    num_classes: int,
    epochs: int = 100,
    seed: int = 0,
    *,
    learning_rate: float = 3e-3,
    weight_decay: float = 1.0,
    batch_size: int = 256,
    least_steps: int = 10,
    balanced: bool = False,
) -> npt.NDArray[np.float32]:
    """Class probabilities of a linear layer trained on frozen embeddings.

    Features are centred and divided by one number, their root mean square over the training part:
    a scale for each feature would raise those that hold nothing but noise to the size of the others
    (configs/RESULTS.md). The layer starts at zero and is trained with cross-entropy by AdamW,
    learning rate falling to zero along a cosine, the last epoch taken. Nothing is chosen on the
    test part.

    Args:
        train: (N, D) training embeddings.
        train_labels: (N,) in [0, num_classes).
        test: (M, D) test embeddings.
        num_classes: K.
        epochs: passes over the training part; 100 is the field's convention.
        seed: of the order of the clips; torch's global generator is left alone.
        learning_rate: first step size of AdamW.
        weight_decay: of the weights; the bias is free.
        batch_size: clips in a step, at most; see :func:`probe_batch`.
        least_steps: of an epoch.
        balanced: weigh each clip by the inverse frequency of its class, so that every class of the
            training part counts the same.

    Returns:
        (M, K) probabilities.

    Raises:
        ValueError: on wrong shapes, labels out of range, values that are not finite.
    """
    require_labels(train_labels, len(train), num_classes)
    require_finite(train, "train")
    require_finite(test, "test")
    centre = train.mean(0, dtype=np.float64)
    size = np.sqrt(np.square(train - centre).mean())
    scale = size if size > 1e-6 * (np.abs(centre).mean() + 1e-6) else 1.0
    features, held_out = (
        torch.from_numpy(((part - centre) / scale).astype(np.float32)) for part in (train, test)
    )
    targets = torch.from_numpy(train_labels)
    weight = torch.zeros(num_classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    optimiser = torch.optim.AdamW(
        [{"params": [weight], "weight_decay": weight_decay}, {"params": [bias], "weight_decay": 0}],
        lr=learning_rate,
    )
    batch_size = probe_batch(len(features), batch_size, least_steps)
    class_weight = torch.from_numpy(class_weights(train_labels, num_classes)) if balanced else None
    steps = epochs * -(-len(features) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    with _one_thread():
        for _ in range(epochs):
            order = torch.randperm(len(features), generator=generator)
            for start in range(0, len(features), batch_size):
                batch = order[start : start + batch_size]
                logits = torch.nn.functional.linear(features[batch], weight, bias)
                loss = torch.nn.functional.cross_entropy(logits, targets[batch], class_weight)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
    with torch.no_grad():
        probabilities = torch.nn.functional.linear(held_out, weight, bias).softmax(1)
    return np.asarray(probabilities.numpy(), dtype=np.float32)


def probe_batch(clips: int, batch_size: int, least_steps: int) -> int:
    """Clips in a step of the probe: a small set is cut finer, or 100 epochs would not converge.

    >>> probe_batch(5000, 256, 10), probe_batch(1000, 256, 10)
    (256, 100)
    """
    return min(batch_size, -(-clips // least_steps))


def class_weights(labels: IntArray, num_classes: int) -> npt.NDArray[np.float32]:
    """(K,) weights with which every class present counts the same; their mean over clips is 1.

    >>> class_weights(np.array([0, 0, 0, 1]), 3).astype(float).round(3).tolist()
    [0.667, 2.0, 0.0]
    """
    counts = np.bincount(labels, minlength=num_classes)
    equal = len(labels) / (counts > 0).sum()
    weights = np.divide(equal, counts, out=np.zeros(num_classes), where=counts > 0)
    return np.asarray(weights, dtype=np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Steps this small lose more by waiting for a busy second core than they gain from it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def kmeans_assignments(
    embeddings: FloatArray, clusters: int, seed: int, starts: int = 10
) -> IntArray:
    """(N,) cluster of each embedding by k-means on vectors of length one, the best of its starts.

    Raises:
        ValueError: when there are fewer embeddings than clusters, or values are not finite.
    """
    from sklearn.cluster import KMeans

    if not 1 <= clusters <= len(embeddings):
        raise ValueError(f"expected 1 to {len(embeddings)} clusters, got {clusters}")
    means = KMeans(clusters, n_init=starts, random_state=seed)
    return np.asarray(means.fit_predict(unit_rows(embeddings)), dtype=np.int64)
