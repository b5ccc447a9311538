"""Mean pose, bridged gaps, dynamic time warping: their laws, and a slow reference."""

from itertools import pairwise

import numpy as np
import pytest

from mgpose.evaluation.metrics import classification_metrics
from mgpose.evaluation.temporal_baselines import (
    bridge_gaps,
    dtw_distances,
    dtw_nearest_scores,
    mean_pose_linear_scores,
    mean_poses,
    usual_pose,
)


def series(count: int, seed: int, frames: int = 12, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, frames, width)).cumsum(1)


def slow_dtw(a: np.ndarray, b: np.ndarray, band: int) -> float:
    table = np.full((len(a) + 1, len(b) + 1), np.inf)
    table[0, 0] = 0
    for i in range(len(a)):
        for j in range(len(b)):
            if abs(i - j) <= band:
                best = min(table[i, j], table[i, j + 1], table[i + 1, j])
                table[i + 1, j + 1] = best + ((a[i] - b[j]) ** 2).sum()
    return float(np.sqrt(table[-1, -1]))


def clips(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, T, V, D) of 6 keypoints, and a mask in which each is seen somewhere."""
    rng = np.random.default_rng(seed)
    mask = rng.random((count, 10, 6)) < 0.6
    mask[:, 4] = True
    return rng.normal(size=(count, 10, 6, 2)).astype(np.float32), mask


@pytest.mark.parametrize("band", [0, 1, 4, 12])
def test_dtw_is_that_of_the_slow_loop(band):
    query, gallery = series(5, 0), series(7, 1)
    expected = [[slow_dtw(a, b, band) for b in gallery] for a in query]
    assert dtw_distances(query, gallery, band) == pytest.approx(np.array(expected), rel=1e-9)


def test_dtw_does_not_depend_on_the_blocks():
    query, gallery = series(40, 0, frames=5, width=2), series(900, 1, frames=5, width=2)
    whole = dtw_distances(query, gallery, 2)
    assert whole[37:38, 650:651] == pytest.approx(dtw_distances(query[37:38], gallery[650:651], 2))
    assert whole.shape == (40, 900)


def test_dtw_is_that_of_the_library():
    library = pytest.importorskip("dtaidistance.dtw_ndim")
    query, gallery = series(4, 0), series(6, 1)
    both = np.concatenate([query, gallery])
    # The library's window counts the diagonal.
    found = library.distance_matrix_fast(
        both, window=4, block=((0, 4), (4, 10)), compact=True, parallel=False
    )
    assert dtw_distances(query, gallery, 3).ravel() == pytest.approx(np.array(found))


def test_dtw_of_a_series_with_itself_is_zero_and_the_order_of_the_pair_nothing():
    a, b = series(6, 0), series(6, 1)
    assert np.diag(dtw_distances(a, a, 3)) == pytest.approx(np.zeros(6), abs=1e-6)
    assert dtw_distances(a, b, 3) == pytest.approx(dtw_distances(b, a, 3).T)


def test_dtw_forgives_repeated_frames_within_the_band_only():
    a = series(1, 0)
    held = np.concatenate([a, a[:, -1:].repeat(2, 1)], axis=1)  # ends by standing still
    late = np.concatenate([a[:, :5], a[:, 4:5].repeat(2, 1), a[:, 5:]], axis=1)  # stands still amid
    assert dtw_distances(held, late, 2) == pytest.approx(np.zeros((1, 1)), abs=1e-6)
    assert dtw_distances(held, late, 0) > 0.1


def test_a_wider_band_is_never_further():
    a, b = series(5, 0), series(5, 1)
    bands = [dtw_distances(a, b, band) for band in (0, 1, 3, 12)]
    assert bands[0] == pytest.approx(np.linalg.norm(a[:, None] - b[None], axis=(2, 3)))
    for narrow, wide in pairwise(bands):
        assert (wide <= narrow + 1e-9).all()


@pytest.mark.parametrize("broken", ["finite", "shape", "band"])
def test_dtw_refuses(broken):
    a, b = series(2, 0), series(2, 1)
    if broken == "finite":
        a[0, 0, 0] = np.nan
    if broken == "shape":
        b = b[:, :-1]
    with pytest.raises(ValueError, match="must be finite" if broken == "finite" else "expected"):
        dtw_distances(a, b, -1 if broken == "band" else 1)


def test_the_nearest_neighbour_decides_and_each_class_has_its_nearest():
    train, labels = series(12, 0), np.arange(12) % 3
    test = train[[4, 2]] + 0.01
    scores = dtw_nearest_scores(train, labels, test, 5)
    assert scores.argmax(1).tolist() == [1, 2]
    assert (scores[:, 3:] < scores[:, :3].min()).all()
    alone = dtw_nearest_scores(train[labels == 1], labels[labels == 1], test, 5)
    assert (alone.argmax(1) == 1).all()


def test_time_warping_tells_a_path_that_the_mean_pose_cannot():
    """Up then down, and down then up: the same poses in another order, at any tempo."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    tempo = rng.uniform(0.7, 1.4, 60)[:, None]
    wave = np.sin(2 * np.pi * np.linspace(0, 1, 32)[None] ** tempo)
    x = (wave * np.where(labels, 1, -1)[:, None])[..., None, None].repeat(2, -1)
    x = x + 0.05 * rng.normal(size=x.shape)
    x -= x.mean(1, keepdims=True)
    mask = np.ones(x.shape[:3], bool)
    flat = x.reshape(60, 32, -1)
    warped = dtw_nearest_scores(flat[:40], labels[:40], flat[40:], 2)
    still = mean_pose_linear_scores(
        mean_poses(x, mask)[:40], labels[:40], mean_poses(x, mask)[40:], 2
    )
    assert classification_metrics(warped, labels[40:])["top1"] == 1.0
    assert classification_metrics(still, labels[40:])["top1"] < 0.8


def test_the_mean_pose_ignores_order_and_what_is_masked():
    x, mask = clips(8, 0)
    poses = mean_poses(x, mask)
    assert poses.shape == (8, 6 * 3)
    order = np.random.default_rng(1).permutation(10)
    assert mean_poses(x[:, order], mask[:, order]) == pytest.approx(poses)
    assert mean_poses(np.where(mask[..., None], x, np.nan), mask) == pytest.approx(poses)
    first = poses.reshape(8, 6, 3)[0, 0]
    assert first[:2] == pytest.approx(x[0, mask[0, :, 0], 0].mean(0))
    assert first[2] == 0


def test_the_mean_pose_says_what_it_never_saw():
    x, mask = clips(3, 0)
    mask[1, :, 2] = False
    poses = mean_poses(x, mask).reshape(3, 6, 3)
    assert poses[1, 2].tolist() == [0, 0, 1]
    assert poses[..., 2].sum() == 1


def test_the_mean_pose_learns_places():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    poses = rng.normal(size=(4, 30))[labels] + rng.normal(size=(200, 30)) * 0.3
    scores = mean_pose_linear_scores(poses[:150], labels[:150], poses[150:], 6)
    assert classification_metrics(scores, labels[150:])["top1"] > 0.95
    assert (scores[:, 4:] < scores[:, :4].min()).all()
    one = mean_pose_linear_scores(poses[:5], np.full(5, 2), poses[150:], 6)
    assert (one.argmax(1) == 2).all()
    with pytest.raises(ValueError, match="finite"):
        mean_pose_linear_scores(np.full((2, 30), np.nan), labels[:2], poses, 6)


def test_a_gap_keeps_the_last_place_else_the_first_else_the_usual_one():
    x = np.arange(1.0, 5).reshape(1, 4, 1, 1).repeat(3, 2).repeat(2, -1).astype(np.float32)
    mask = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool).T[None]
    bridged = bridge_gaps(x, mask, np.full((3, 2), 9.0))
    assert bridged[0, :, 0, 0].tolist() == [2, 2, 2, 4]
    assert bridged[0, :, 1, 1].tolist() == [1, 1, 1, 1]
    assert bridged[0, :, 2, 0].tolist() == [9, 9, 9, 9]


def test_what_is_seen_stays_and_what_is_masked_is_not_read():
    x, mask = clips(4, 0)
    mask[2, :, 3] = False
    hidden = np.where(mask[..., None], x, np.nan)
    usual = usual_pose(hidden, mask)
    assert usual == pytest.approx(np.nanmean(hidden, axis=(0, 1)), rel=1e-5)
    bridged = bridge_gaps(hidden, mask, usual)
    assert np.isfinite(bridged).all()
    assert (bridged[mask] == x[mask]).all()
    assert bridge_gaps(x, np.ones_like(mask), usual).tolist() == x.tolist()
    with pytest.raises(ValueError, match="expected"):
        bridge_gaps(x, mask, usual[:-1])
