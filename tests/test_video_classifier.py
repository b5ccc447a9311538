"""Classifiers of whole videos: scikit-learn as judge, and a choice that sees no held-out label."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss as judged_log_loss
from sklearn.preprocessing import StandardScaler

from mgpose.evaluation.video_classifier import (
    Choice,
    Regularisation,
    choose,
    grouped_folds,
    linear_scores,
    log_loss,
    whitened,
)


def features(rows, columns, seed=0):
    """Columns of quite different size and place."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    return (mixed * rng.uniform(0.1, 9, columns) + rng.normal(scale=20, size=columns)).astype("f4")


@pytest.mark.parametrize("rows", [60, 9])
def test_linear_scores_are_ridge_logistic_regression(rows):
    train, test = features(rows, 5), features(7, 5, 1)
    labels = np.arange(rows) % 2
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=1 / 7.0, tol=1e-8, max_iter=10000)
    model.fit(scaler.transform(train), labels)
    judged = model.predict_proba(scaler.transform(test))[:, 1]
    found = linear_scores(train, labels, test, Regularisation(0, 7.0))
    assert np.allclose(found, judged, atol=2e-3)


@pytest.mark.parametrize(("rows", "columns"), [(60, 6), (8, 30)])
def test_whitening_is_that_of_scikit_learn_up_to_signs(rows, columns):
    train, test = features(rows, columns), features(11, columns, 1)
    found = whitened(train, test, 4)
    judge = PCA(4, svd_solver="full", whiten=True).fit(train.astype(np.float64))
    for part, own in zip(found, (train, test), strict=True):
        judged = judge.transform(own.astype(np.float64))
        # It divides by n - 1, the judge's variance; the one here is one over the rows themselves.
        judged *= np.sqrt(rows / (rows - 1))
        assert np.allclose(np.abs(part), np.abs(judged), rtol=1e-3, atol=1e-3)
    assert np.allclose(found[0].std(0), 1, atol=1e-4)
    assert np.allclose(np.corrcoef(found[0].T), np.eye(4), atol=1e-3)


def test_whitening_of_what_does_not_vary():
    constant = np.full((5, 3), 2.0, np.float32)
    train, test = whitened(constant, constant[:2], 4)
    assert train.shape == (5, 1)
    assert test.shape == (2, 1)
    assert not train.any()
    assert not test.any()
    few, _ = whitened(features(4, 9), features(2, 9), 8)
    assert few.shape == (4, 3)


@pytest.mark.parametrize("folds", [2, 3, 50])
def test_folds_share_no_person_and_hold_each_row_out_once(folds):
    rng = np.random.default_rng(0)
    people = [f"p{i}" for i in rng.integers(0, 9, 70)]
    parts = list(grouped_folds(people, folds, seed=1))
    assert len(parts) == min(folds, len(set(people)))
    held = np.concatenate([held for _, held in parts])
    assert sorted(held) == list(range(70))
    for fit, out in parts:
        assert {people[i] for i in fit}.isdisjoint(people[i] for i in out)
        assert sorted([*fit, *out]) == list(range(70))
    sizes = [len(out) for _, out in parts]
    largest = max(people.count(p) for p in people)
    assert max(sizes) - min(sizes) <= largest
    with pytest.raises(ValueError, match="at least 2 groups"):
        list(grouped_folds(["a"] * 5, folds))


def test_the_choice_is_the_least_loss_over_all_folds():
    labels = np.array([0, 1] * 10)
    people = [f"p{i // 2}" for i in range(20)]
    asked = []

    def answers(candidate, fit, held):
        asked.append((candidate, tuple(fit), tuple(held)))
        right = 0.5 + 0.4 / candidate.penalty
        return np.where(labels[held] == 1, right, 1 - right)

    candidates = [Regularisation(0, p) for p in (9.0, 3.0, 1.0)]
    found = choose(candidates, answers, labels, people, folds=5)
    assert found.chosen == Regularisation(0, 1.0)
    slow = [-np.log(0.5 + 0.4 / c.penalty) for c in candidates]
    assert np.allclose(found.losses, slow)
    for candidate in candidates:
        mine = [(set(fit), set(held)) for c, fit, held in asked if c == candidate]
        assert len(mine) == 5
        assert all(fit.isdisjoint(held) for fit, held in mine)
    # Of equals the first, the simplest.
    constant = choose(candidates, lambda *a: np.full(len(a[2]), 0.5), labels, people)
    assert constant.chosen == candidates[0]
    # One candidate needs no folds, and so no second person.
    alone = choose(candidates[:1], answers, labels, ["p"] * 20)
    assert alone == Choice(candidates[0])
    with pytest.raises(ValueError, match="at least one candidate"):
        choose([], answers, labels, people)


def test_folds_that_leave_one_label_are_answered_by_it():
    labels = np.array([0, 0, 1, 1])

    def never(*arguments):
        raise AssertionError("no classifier can be fitted on one label")

    candidates = [Regularisation(0, 2.0), Regularisation(0, 1.0)]
    found = choose(candidates, never, labels, ["a", "a", "b", "b"], folds=2)
    # Wrong each time, and held above the logarithm of zero.
    assert np.allclose(found.losses, -np.log(1e-6))


def test_log_loss_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 40), rng.uniform(0.01, 0.99, 40)
    assert log_loss(scores, labels) == pytest.approx(judged_log_loss(labels, scores))


def test_what_is_refused():
    train, labels = features(6, 2), np.arange(6) % 2
    for wrong in (labels[:5], np.zeros(6, int), labels + 1):
        with pytest.raises(ValueError, match="both present"):
            linear_scores(train, wrong, train, Regularisation(0, 1.0))
    broken = train.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match="test must be finite"):
        linear_scores(train, labels, broken, Regularisation(0, 1.0))
