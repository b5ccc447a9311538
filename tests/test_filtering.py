import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mgpose.data.filtering import FILLED_SCORE, JUMP_FLOOR, fill_gaps, remove_jumps


def steady(frames=40, points=3, dims=2, seed=0):
    """Smooth motion with a little jitter, in shoulder widths."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 2 * np.pi, frames)[:, None, None]
    motion = 0.3 * np.sin(t + rng.uniform(0, 6, (1, points, dims)))
    return (motion + 0.002 * rng.standard_normal((frames, points, dims))).astype(np.float32)


def test_a_spike_is_removed_and_nothing_else():
    keypoints = steady()
    spiked = keypoints.copy()
    spiked[17, 1] += (0.8, -0.5)
    out = remove_jumps(spiked)
    assert np.isnan(out[17, 1]).all()
    expected = spiked.copy()
    expected[17, 1] = np.nan
    assert_array_equal(out, expected)


def test_smooth_motion_a_step_and_a_long_excursion_stay():
    smooth = steady()
    assert_array_equal(remove_jumps(smooth), smooth)
    step = steady()
    step[20:] += 1.0  # it moved and did not come back
    assert_array_equal(remove_jumps(step), step)
    away = steady()
    away[15:20] += 1.0
    assert_array_equal(remove_jumps(away), away)


def test_a_keypoint_that_always_shakes_is_not_cut():
    shaking = np.zeros((40, 1, 2), np.float32)
    shaking[::2] = 2 * JUMP_FLOOR
    assert_array_equal(remove_jumps(shaking), shaking)


def test_jumps_are_judged_by_position_not_by_place():
    spiked = steady()
    spiked[9, 0] += 1
    moved = remove_jumps(spiked + np.float32(3))
    assert_array_equal(np.isnan(moved), np.isnan(remove_jumps(spiked)))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_and_missing_points_pass(frames):
    keypoints = steady(frames)
    keypoints[0, 1] = np.nan
    before = keypoints.copy()
    assert_array_equal(remove_jumps(keypoints), before)


def test_the_input_is_left_as_it_is():
    keypoints, scores = steady(), np.ones((40, 3), np.float32)
    keypoints[5, 0] += 1
    keypoints[8:10, 2], scores[8:10, 2] = np.nan, 0
    copies = keypoints.copy(), scores.copy()
    remove_jumps(keypoints)
    fill_gaps(keypoints, scores, 5)
    assert_array_equal(keypoints, copies[0])
    assert_array_equal(scores, copies[1])


def test_a_filled_gap_lies_on_the_line_with_half_the_lower_score():
    truth = np.stack([np.arange(10), 3 - 0.5 * np.arange(10)], -1)[:, None].astype(np.float32)
    keypoints, scores = truth.copy(), np.full((10, 1), 0.8, np.float32)
    scores[7] = 0.6
    keypoints[4:7], scores[4:7] = np.nan, 0
    filled, filled_scores = fill_gaps(keypoints, scores, max_gap=3)
    assert_allclose(filled, truth, atol=1e-6)
    assert_allclose(filled_scores[4:7], FILLED_SCORE * 0.6)
    assert_array_equal(filled_scores[:4], scores[:4])


@given(
    present=st.lists(st.booleans(), min_size=1, max_size=30),
    max_gap=st.integers(0, 6),
)
def test_exactly_the_short_inner_gaps_are_filled(present, max_gap):
    seen = np.array(present)
    keypoints = np.where(seen[:, None, None], 1.0, np.nan).astype(np.float32).repeat(2, 2)
    scores = seen[:, None].astype(np.float32)
    filled, filled_scores = fill_gaps(keypoints, scores, max_gap)
    text = "".join("x" if s else "." for s in present)
    expected = list(seen)
    for start in range(len(text)):
        if text[start] != "x":
            continue
        run = len(text[start + 1 :]) - len(text[start + 1 :].lstrip("."))
        stop = start + 1 + run
        if run <= max_gap and stop < len(text):
            expected[start:stop] = [True] * (run + 1)
    assert_array_equal(np.isfinite(filled[:, 0, 0]), expected)
    assert_array_equal(filled_scores[:, 0] > 0, expected)
    assert_array_equal(np.isnan(filled[..., 0]), np.isnan(filled[..., 1]))
