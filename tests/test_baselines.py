"""Baselines: the trivial predictor knows only frequencies; PCA + SVM learns and never peeks."""

import numpy as np
import pytest

from mgpose.evaluation.baselines import TrivialPredictor, pca_features, pca_svm_scores
from mgpose.evaluation.metrics import classification_metrics


def clips(rows: int, seed: int, width: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=rows)
    centres = np.random.default_rng(99).normal(size=(3, width))
    return (centres[labels] + rng.normal(size=(rows, width))).astype(np.float32), labels


def test_trivial_predictor_is_the_majority_and_the_five_most_frequent() -> None:
    train = np.repeat(np.arange(8), [1, 9, 2, 8, 3, 7, 4, 6])
    test = np.arange(8)
    found = classification_metrics(TrivialPredictor.fit(train, 8).scores(8), test)
    assert found["top1"] == pytest.approx(1 / 8)
    assert found["top5"] == pytest.approx(5 / 8)
    assert found["balanced_accuracy"] == pytest.approx(1 / 8)
    assert TrivialPredictor.fit(train, 8).scores(1).sum() == pytest.approx(1.0)


def test_pca_svm_learns() -> None:
    train, labels = clips(150, 0)
    test, truth = clips(100, 1)
    scores = pca_svm_scores(train, labels, test, 5)
    assert classification_metrics(scores, truth)["top1"] > 0.95
    assert (scores[:, 3:].max(1) < scores[:, :3].min(1)).all()


def test_mirrored_copies_teach_the_other_hand() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    train = np.zeros((60, 8), np.float32)
    train[:, 0] = labels * 2 - 1  # the right hand shows the class
    train += rng.normal(scale=0.1, size=train.shape)
    other_hand = train[:, [4, 5, 6, 7, 0, 1, 2, 3]]
    taught = pca_svm_scores(train, labels, other_hand, 2, mirrored_train_x=train[:, ::-1])
    untaught = pca_svm_scores(train, labels, other_hand, 2)
    mirrored = pca_svm_scores(train, labels, other_hand, 2, mirrored_train_x=other_hand)
    assert classification_metrics(mirrored, labels)["top1"] == 1.0
    assert classification_metrics(untaught, labels)["top1"] < 0.8
    assert taught.shape == (60, 2)


def test_one_class_in_train_is_its_frequency() -> None:
    train, _ = clips(10, 0)
    scores = pca_svm_scores(train, np.ones(10, np.int64), train, 3)
    assert (scores.argmax(1) == 1).all()


def test_features_of_a_clip_do_not_depend_on_the_other_test_clips() -> None:
    train, _ = clips(60, 0)
    test, _ = clips(20, 1)
    everyone = pca_features(train, test)[1]
    alone = pca_features(train, test[:1])[1]
    assert everyone.shape == (20, 60)
    assert alone == pytest.approx(everyone[:1], abs=1e-4)


def test_bad_input_is_refused() -> None:
    train, labels = clips(10, 0)
    with pytest.raises(ValueError, match="finite"):
        pca_svm_scores(train * np.nan, labels, train, 3)
    with pytest.raises(ValueError, match=r"\(M, F\)"):
        pca_features(train, train[:, :5])
    with pytest.raises(ValueError, match="mirrored_train_x"):
        pca_svm_scores(train, labels, train, 3, mirrored_train_x=train[:5])
