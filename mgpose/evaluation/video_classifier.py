"""Two-class classifiers of whole videos, and how their regularisation is chosen inside train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray, require_finite

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Regularisation:
    """One candidate.

    Args:
        components: at most this many principal components; 0 leaves the features as they are.
        penalty: strength, larger is simpler: the ridge penalty of a linear model, the weight decay
            of attention pooling.
    """

    components: int
    penalty: float


@dataclass(frozen=True)
class Choice:
    """What grouped cross-validation chose.

    Args:
        chosen: the candidate of least loss, the first of equals.
        losses: log loss in nats of each candidate, over all videos held out once; empty where
            there was one candidate only.
    """

    chosen: Regularisation
    losses: tuple[float, ...] = ()


def grouped_folds(
    groups: Sequence[str], folds: int, seed: int = 0
) -> Iterator[tuple[IntArray, IntArray]]:
    """Folds that share no group: rows to fit and rows held out, each row held out once.

    The largest group goes to the emptiest fold, and so on; the seed decides among equals.

    Args:
        groups: N names, such as subjects.
        folds: at most this many; fewer where there are fewer groups.
        seed: of the order of groups of one size.

    Raises:
        ValueError: with fewer than two groups or folds.
    """
    names, group_of = np.unique(np.asarray(list(groups)), return_inverse=True)
    folds = min(folds, len(names))
    if folds < 2:
        raise ValueError(f"expected at least 2 groups and folds, got {len(names)} groups")
    sizes = np.bincount(group_of)
    order = np.random.default_rng(seed).permutation(len(names))
    load, fold_of = np.zeros(folds, np.int64), np.empty(len(names), np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    for fold in range(folds):
        held = fold_of[group_of] == fold
        yield np.flatnonzero(~held), np.flatnonzero(held)


def choose(
    candidates: Sequence[Regularisation],
    scores: Callable[[Regularisation, IntArray, IntArray], FloatArray],
    labels: IntArray,
    groups: Sequence[str],
    folds: int = 5,
    seed: int = 0,
) -> Choice:
    """The candidate of least log loss on videos of people whom it was not fitted on.

    Args:
        candidates: simplest first, since the first of equals is taken.
        scores: ``(candidate, rows to fit, rows held out) -> probabilities of class 1`` of the
            latter.
        labels: (N,) 0 or 1 of the training videos; no other is ever asked for.
        groups: N names, such as subjects.
        folds: of :func:`grouped_folds`.
        seed: of the folds.

    Raises:
        ValueError: without a candidate, or when several meet fewer than two groups.
    """
    if not candidates:
        raise ValueError("expected at least one candidate, got none")
    if len(candidates) == 1:
        return Choice(candidates[0])
    parts = list(grouped_folds(groups, folds, seed))
    losses = []
    for candidate in candidates:
        found = np.empty(len(labels))
        for fit, held in parts:
            # People may be so few that those who are left show one label.
            one = len(np.unique(labels[fit])) == 1
            found[held] = labels[fit].mean() if one else scores(candidate, fit, held)
        losses.append(log_loss(found, labels))
    return Choice(candidates[int(np.argmin(losses))], tuple(losses))


def log_loss(probabilities: FloatArray, labels: IntArray) -> float:
    """Mean of -log of the probability of the true class, in nats; probabilities of class 1."""
    of_truth = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.log(np.maximum(of_truth, _LEAST_PROBABILITY)).mean())


def linear_scores(
    train: FloatArray, labels: IntArray, test: FloatArray, regularisation: Regularisation
) -> Float64Array:
    """Logistic regression on standardised features or on their whitened principal components.

    Args:
        train: (N, F), finite.
        labels: (N,) 0 or 1, both present.
        test: (M, F).
        regularisation: components and ridge penalty.

    Returns:
        (M,) probabilities of class 1.

    Raises:
        ValueError: on shapes or labels that do not fit, or values that are not finite.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if labels.shape != (len(train),) or not np.array_equal(np.unique(labels), [0, 1]):
        raise ValueError(f"expected {len(train)} labels of 0 and 1, both present, got {labels}")
    for name, part in (("train", train), ("test", test)):
        require_finite(part, name)
    features, held_out = train, test
    if regularisation.components:
        features, held_out = whitened(train, test, regularisation.components)
    centre, scale = features.mean(0), features.std(0)
    scale = np.where(scale > 1e-6 * (np.abs(centre) + 1e-6), scale, 1)
    model = LogisticRegression(C=1 / regularisation.penalty, max_iter=1000)
    # Hundreds of small products, which wait for a busy second core longer than they take.
    with threadpool_limits(1):
        model.fit((features - centre) / scale, labels)
        found = model.predict_proba((held_out - centre) / scale)[:, 1]
    return np.asarray(found, dtype=np.float64)


def whitened(
    train: FloatArray, test: FloatArray, components: int
) -> tuple[Float32Array, Float32Array]:
    """First principal components, fitted on train, each of unit variance there.

    Args:
        train: (N, F), finite, N >= 2.
        test: (M, F).
        components: at most this many; fewer where N - 1 or F is smaller, or nothing varies.

    Returns:
        (N, P) and (M, P) float32, in the order of falling variance.
    """
    centre = train.mean(0, dtype=np.float64)
    known, asked = (part.astype(np.float64) - centre for part in (train, test))
    if len(known) > known.shape[1]:
        variances, axes = np.linalg.eigh(known.T @ known / len(known))
        variances, axes = variances[::-1], axes[:, ::-1]
    else:
        _, values, rows = np.linalg.svd(known, full_matrices=False)
        variances, axes = values**2 / len(known), rows.T
    # A sign is arbitrary; fixed, so that one number library gives what another does.
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    varies = variances > 1e-10 * max(variances[0], 1e-30)
    most = max(1, min(components, len(known) - 1, int(varies.sum())))
    axes = axes[:, :most] / np.sqrt(np.maximum(variances[:most], 1e-30))
    return (known @ axes).astype(np.float32), (asked @ axes).astype(np.float32)
