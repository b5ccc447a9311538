"""One subject among several people: laws of the choice, on people whose paths are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgpose.io.importers.choose_person import choose_person
from mgpose.structures import FrameFlag

FRAMES, POINTS = 80, 17
SIZE = (800, 400)
SEVERAL, SWITCHED = int(FrameFlag.SEVERAL_PEOPLE), int(FrameFlag.SUBJECT_SWITCHED)


def person(x, y=200.0, size=50.0, seed=0, frames=FRAMES):
    """(T, V, 2) a body of a given size about a path; ``x`` is a number or (T,)."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 1, (POINTS, 2))
    shape = size * (shape - shape.mean(0)) / shape.std()
    path = np.stack(np.broadcast_arrays(np.asarray(x, float), y, np.zeros(frames))[:2], axis=-1)
    return path[:, None] + shape + rng.normal(0, 0.01 * size, (frames, POINTS, 2))


def group(*people):
    """(T, M, V, 2) and scores; NaN stays missing."""
    keypoints = np.stack(people, axis=1).astype(np.float32)
    return keypoints, np.isfinite(keypoints[..., 0]).astype(np.float32)


def shuffled(keypoints, scores, seed):
    rng = np.random.default_rng(seed)
    orders = np.stack([rng.permutation(keypoints.shape[1]) for _ in keypoints])
    rows = np.arange(len(keypoints))[:, None]
    return keypoints[rows, orders], scores[rows, orders]


def absent(body, frames):
    body = body.copy()
    body[frames] = np.nan
    return body


def crossing():
    steps = np.arange(FRAMES)
    walker = person(100 + 6.0 * steps, seed=1, size=60)
    other = person(600 - 6.0 * steps, y=215, seed=2, size=50)
    return walker, other


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_people_who_cross_keep_their_keypoints_in_any_order(seed):
    walker, other = crossing()
    chosen = choose_person(*shuffled(*group(walker, other), seed), SIZE)
    np.testing.assert_allclose(chosen.keypoints, walker, atol=1e-3)
    assert (chosen.flags == SEVERAL).all()


@given(seed=st.integers(0, 999), factor=st.sampled_from((0.001, 0.5, 30)))
@settings(max_examples=20, deadline=None)
def test_the_choice_knows_no_unit_no_place_and_no_side(seed, factor):
    keypoints, scores = group(*crossing(), absent(person(400, seed=3, size=20), slice(10, 30)))
    keypoints, scores = shuffled(keypoints, scores, seed)
    chosen = choose_person(keypoints, scores, SIZE)
    scaled = choose_person(keypoints * factor, scores, tuple(s * factor for s in SIZE))
    np.testing.assert_allclose(scaled.keypoints, chosen.keypoints * factor, rtol=1e-5)
    mirrored = keypoints * (-1, 1) + (SIZE[0], 0)
    flipped = choose_person(mirrored, scores, SIZE)
    np.testing.assert_allclose(flipped.keypoints[..., 0], SIZE[0] - chosen.keypoints[..., 0])
    np.testing.assert_array_equal(flipped.flags, chosen.flags)


def test_the_large_the_central_and_the_long_are_the_subject():
    large, small = person(200, size=80, seed=1), person(600, size=40, seed=2)
    assert_chosen(large, small, large)
    central, aside = person(400, seed=1), person(720, y=350, seed=1)
    assert_chosen(central, aside, central)
    long, short = person(200, seed=1), absent(person(600, size=60, seed=2), slice(30, None))
    assert_chosen(long, short, long)
    keypoints, scores = group(person(200, seed=1), person(600, seed=1))
    scores[:, 1] = 0.2
    chosen = choose_person(keypoints, scores, SIZE)
    np.testing.assert_array_equal(chosen.keypoints, keypoints[:, 0])


def assert_chosen(subject, *people):
    chosen = choose_person(*group(*people), SIZE)
    np.testing.assert_allclose(chosen.keypoints, subject, atol=1e-3)


def test_a_bystander_never_takes_the_place_of_a_subject_who_left():
    subject = absent(person(200, size=80, seed=1), slice(50, None))
    bystander = person(600, size=30, seed=2)
    chosen = choose_person(*group(bystander, subject), SIZE)
    np.testing.assert_allclose(chosen.keypoints, subject, atol=1e-3)
    assert (chosen.flags[:50] == SEVERAL).all()
    assert (chosen.flags[50:] == 0).all()
    assert (chosen.scores[50:] == 0).all()


def test_somebody_never_seen_beside_the_subject_goes_on_and_is_flagged():
    """A cut: the same person elsewhere, or another one. Nothing is lost, nothing is silent."""
    before = absent(person(200, size=60, seed=1), slice(40, None))
    after = absent(person(650, size=60, seed=2), slice(0, 40))
    joined = np.where(np.isnan(before), after, before)
    chosen = choose_person(*group(before, after), SIZE)
    np.testing.assert_allclose(chosen.keypoints, joined, atol=1e-3)
    assert np.flatnonzero(chosen.flags & SWITCHED).tolist() == [40]
    assert not (chosen.flags & SEVERAL).any()


def test_a_person_who_was_hidden_is_the_same_person():
    walker, other = crossing()
    hidden = absent(walker, slice(36, 46))  # behind the other
    chosen = choose_person(*shuffled(*group(hidden, other), 5), SIZE)
    np.testing.assert_allclose(chosen.keypoints, hidden, atol=1e-3)
    assert not (chosen.flags & SWITCHED).any()


def test_two_who_cannot_be_told_apart_are_flagged():
    """Where both stand in one place the next frame may continue with either."""
    steps = np.abs(np.arange(FRAMES) - 40.0)
    one, two = person(400 - 8 * steps, seed=1, size=60), person(400 + 8 * steps, seed=1, size=59)
    chosen = choose_person(*group(one, two), SIZE)
    flagged = np.flatnonzero(chosen.flags & SWITCHED)
    assert flagged.size
    assert abs(flagged - 40).max() < 5


@pytest.mark.parametrize("dims", [2, 3])
def test_one_person_is_passed_on(dims):
    rng = np.random.default_rng(0)
    keypoints = np.cumsum(rng.normal(0, 0.01, (FRAMES, 1, POINTS, dims)), 0).astype(np.float32)
    keypoints += rng.normal(0, 1, (POINTS, dims)).astype(np.float32)
    scores = rng.uniform(0.1, 1, (FRAMES, 1, POINTS)).astype(np.float32)
    scores[rng.uniform(size=scores.shape) < 0.2] = 0
    scores[20:30] = 0
    chosen = choose_person(keypoints, scores)
    seen = scores[:, 0] > 0
    np.testing.assert_array_equal(chosen.scores, scores[:, 0])
    np.testing.assert_array_equal(chosen.keypoints[seen], keypoints[:, 0][seen])
    assert np.isnan(chosen.keypoints[~seen]).all()
    assert (chosen.flags == 0).all()


def test_nobody_at_all():
    chosen = choose_person(np.zeros((5, 2, POINTS, 2)), np.zeros((5, 2, POINTS)))
    assert np.isnan(chosen.keypoints).all()
    assert (chosen.flags == 0).all()
