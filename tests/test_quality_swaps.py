import numpy as np
import pytest

from mgpose.data.left_right_swaps import keep_and_exchange, limb_pairs, swaps
from mgpose.data.quality import measure_video
from mgpose.io import PoseStore
from mgpose.io.importers.import_pose import import_poses
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, Skeleton, convert

LAYOUT = UPPER_BODY_HANDS_FACE


def exchanged(points, frames, left, right):
    points = points.copy()
    for frame in frames:
        points[frame, np.r_[left, right]] = points[frame, np.r_[right, left]]
    return points


def moving(frames=200, seed=0):
    """Two hands of 21 points that wander, a shoulder width (1) apart."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, 0.02, (frames, 2, 1, 2)), axis=0)
    shape = rng.normal(0, 0.05, (1, 2, 21, 2))
    points = path + shape + np.array([[0.0, 0.0], [1.0, 0.0]])[None, :, None]
    return points.reshape(frames, 42, 2), np.arange(21), np.arange(21, 42)


def found(points, left, right):
    return np.flatnonzero(swaps(keep_and_exchange(points, left, right), 1.0)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_every_injected_swap_is_found_and_no_other(seed):
    points, left, right = moving(seed=seed)
    assert found(points, left, right) == []
    wrong = [*range(20, 31), 50, *range(120, 123)]
    assert found(exchanged(points, wrong, left, right), left, right) == [20, 31, 50, 51, 120, 123]


def test_a_swap_behind_a_gap_is_found_within_reach():
    points, left, right = moving()
    points = exchanged(points, range(100, 200), left, right)
    points[96:100, left] = np.nan
    assert found(points, left, right) == [100]
    points[90:100, left] = np.nan
    assert found(points, left, right) == []


def test_the_mirror_has_the_same_swaps():
    points, left, right = moving()
    points = exchanged(points, range(30, 60), left, right)
    mirrored = points[:, np.r_[right, left]] * np.array([-1, 1])
    assert found(mirrored, left, right) == found(points, left, right) == [30, 60]


def test_hands_that_move_fast_together_or_touch_are_no_swap():
    points, left, right = moving()
    together = points + 0.8 * np.sign(np.sin(np.arange(200)))[:, None, None]
    assert found(together, left, right) == []
    points[:, right] = points[:, left] + np.random.default_rng(0).normal(0, 0.05, (200, 21, 2))
    wrong = exchanged(points, range(0, 200, 2), left, right)
    assert found(wrong, left, right) == []


def test_hands_close_together_are_no_swap_however_exact():
    points, left, right = moving()
    points[:, right] = points[:, left] + 0.1
    assert found(exchanged(points, range(0, 200, 2), left, right), left, right) == []


def test_hands_that_jump_to_places_between_are_no_swap():
    points, left, right = moving()
    points[:] = points[:1]
    apart = (points[0, right] - points[0, left]).mean(0)
    jump = 0.7 * apart + 0.4 * apart[::-1] * (-1, 1)
    points[100:, left] += jump
    points[100:, right] -= jump
    keep, exchange = keep_and_exchange(points, left, right)[100]
    assert exchange < keep - 0.2
    assert found(points, left, right) == []


def test_nothing_seen_is_no_swap():
    points, left, right = moving(10)
    assert found(np.full_like(points, np.nan), left, right) == []
    assert found(points[:1], left, right) == []


def test_limbs_are_mirror_images():
    assert set(limb_pairs(LAYOUT)) == {"hand", "arm"}
    assert set(limb_pairs(KINECT_20)) == {"arm", "leg"}
    assert limb_pairs(Skeleton("plain", ("a", "b"))) == {}
    for skeleton in (LAYOUT, KINECT_20):
        for left, right in limb_pairs(skeleton).values():
            for a, b in zip(left, right, strict=True):
                pair = skeleton.keypoints[a], skeleton.keypoints[b]
                assert pair[0].replace("left_", "right_") == pair[1] != pair[0]


def test_swaps_injected_into_real_hands_are_found(repo):
    store = PoseStore(repo / "data/sample")
    injected = 0
    for video in store:
        sequence = convert(store[video], LAYOUT)
        points = sequence.keypoints.astype(np.float64)
        width = np.nanmedian(np.linalg.norm(points[:, 5] - points[:, 6], axis=-1))
        assert measure_video(store, video).swaps == {"hand": 0, "arm": 0}
        for left, right in limb_pairs(LAYOUT).values():
            both = np.isfinite(points[:, left[0], 0]) & np.isfinite(points[:, right[0], 0])
            apart = np.linalg.norm((points[:, left] - points[:, right]).mean(1), axis=-1)
            three = both[:-2] & both[1:-1] & both[2:] & (apart[1:-1] > 0.5 * width)
            for frame in np.flatnonzero(three)[::5] + 1:
                wrong = exchanged(points, [frame], left, right)
                events = swaps(keep_and_exchange(wrong, left, right), width)
                assert np.flatnonzero(events).tolist() == [frame, frame + 1]
                injected += 1
    assert injected > 50


@pytest.mark.shared
@pytest.mark.slow
def test_real_sets_have_almost_none(real_data, tmp_path):
    import_poses(real_data / "holistic-signs-mp", "mediapipe-npz", tmp_path)
    store = PoseStore(tmp_path)
    total = frames = 0
    for video in store:
        quality = measure_video(store, video)
        total, frames = total + sum(quality.swaps.values()), frames + quality.frames
    assert frames > 30_000
    assert total / frames < 1e-3
