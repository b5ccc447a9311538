"""The probes separate what is separable, stay at chance on noise, and repeat themselves."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from mgpose.evaluation.metrics import classification_metrics, clustering_metrics
from mgpose.evaluation.probes import kmeans_assignments, knn_scores, linear_probe_scores
from mgpose.evaluation.projection import tsne_points


def blobs(rows: int, classes: int = 4, width: int = 16, distance: float = 6.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    centres = np.eye(classes, width) * distance
    labels = np.arange(rows) % classes
    clips = centres[labels] + rng.normal(size=(rows, width))
    return clips.astype(np.float32), labels


def top1(scores: np.ndarray, labels: np.ndarray) -> float:
    return classification_metrics(scores, labels)["top1"]


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_linear_probe_separates_blobs_at_any_scale(scale: float) -> None:
    train, labels = blobs(120)
    test, truth = blobs(200, seed=1)
    scores = linear_probe_scores(train * scale + 5 * scale, labels, test * scale + 5 * scale, 4)
    assert scores.shape == (200, 4)
    assert scores.sum(1) == pytest.approx(np.ones(200), abs=1e-5)
    assert top1(scores, truth) > 0.97


def test_probes_stay_at_chance_on_noise() -> None:
    train, labels = blobs(400, distance=0.0)
    test, truth = blobs(2000, distance=0.0, seed=1)
    assert top1(linear_probe_scores(train, labels, test, 4), truth) == pytest.approx(0.25, abs=0.05)
    assert top1(knn_scores(train, labels, test, 5, 4), truth) == pytest.approx(0.25, abs=0.05)


def test_linear_probe_bears_constant_features_and_absent_classes() -> None:
    train, labels = blobs(80)
    train[:, 10:] = 7.25
    test, truth = blobs(80, seed=1)
    test[:, 10:] = 7.25
    scores = linear_probe_scores(train, labels, test, 6)
    assert np.isfinite(scores).all()
    assert top1(scores, truth) > 0.95


def test_linear_probe_repeats_itself_and_leaves_torch_as_it_was() -> None:
    train, labels = blobs(300, distance=1.0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = linear_probe_scores(train, labels, train, 4, epochs=3, seed=5)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert (first == linear_probe_scores(train, labels, train, 4, epochs=3, seed=5)).all()
    assert (first != linear_probe_scores(train, labels, train, 4, epochs=3, seed=6)).any()


def test_one_neighbour_equals_scikit_learn() -> None:
    train, labels = blobs(90, distance=1.5)
    test, _ = blobs(70, distance=1.5, seed=1)
    expected = KNeighborsClassifier(1, metric="cosine").fit(train, labels).predict(test)
    assert (knn_scores(train, labels, test, 1, 4).argmax(1) == expected).all()


def test_weights_fall_with_distance() -> None:
    gallery = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    scores = knn_scores(gallery, np.array([0, 1, 1]), np.array([[1.0, 0.2]]), 3, 2)
    assert scores.argmax() == 0  # one close neighbour outvotes two far ones
    assert scores.sum() == pytest.approx(1.0)


def test_flat_weights_are_a_plain_vote() -> None:
    train, labels = blobs(90, distance=1.5)
    test, _ = blobs(70, distance=1.5, seed=1)
    model = KNeighborsClassifier(7, metric="cosine").fit(train, labels)
    scores = knn_scores(train, labels, test, 7, 4, temperature=1e9)
    assert scores == pytest.approx(model.predict_proba(test), abs=1e-6)


def test_a_zero_query_gets_the_class_frequencies() -> None:
    gallery, labels = np.eye(4), np.array([0, 1, 1, 1])
    assert knn_scores(gallery, labels, np.zeros((1, 4)), 1, 2).tolist() == [[0.25, 0.75]]


def test_a_small_gallery_votes_whole() -> None:
    scores = knn_scores(np.eye(2), np.array([0, 1]), np.array([[1.0, 1.0]]), 20, 2)
    assert scores == pytest.approx(np.array([[0.5, 0.5]]))


def test_bad_input_is_refused() -> None:
    train, labels = blobs(8)
    with pytest.raises(ValueError, match="k must be"):
        knn_scores(train, labels, train, 0, 4)
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        linear_probe_scores(train, labels, train, 3)
    with pytest.raises(ValueError, match="finite"):
        linear_probe_scores(train * np.nan, labels, train, 4)
    with pytest.raises(ValueError, match="clusters"):
        kmeans_assignments(train, 9, 0)


def test_kmeans_finds_blobs() -> None:
    clips, labels = blobs(120)
    assert clustering_metrics(kmeans_assignments(clips, 4, 0), labels)["ari"] > 0.9


def test_tsne_keeps_blobs_apart_and_bears_collapse() -> None:
    clips, labels = blobs(60)
    points = tsne_points(clips, seed=0)
    assert points.shape == (60, 2)
    votes = KNeighborsClassifier(3).fit(points, labels).score(points, labels)
    assert votes > 0.9
    assert np.isfinite(tsne_points(np.ones((6, 4)), seed=0)).all()
