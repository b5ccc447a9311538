"""Identity from proportions and from motion: each sees its own only, and planted ones are found."""

import numpy as np
import pytest

from mgpose.evaluation.identity import (
    kinematics,
    nearest_person,
    proportions,
    within_person_scale,
)
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT


def body(seed: int) -> np.ndarray:
    """(V, 2) places of the keypoints."""
    return np.random.default_rng(seed).normal(size=(len(LAYOUT), 2))


def video(pose: np.ndarray, pace: float = 1.0, amplitude: float = 0.05, frames: int = 400):
    """(T, V, 2): every part sways as a whole, now and then, each in a rhythm of its own."""
    time = np.arange(frames) / 25
    points = np.repeat(pose[None], frames, 0)
    for number, names in enumerate(LAYOUT.parts.values()):
        sway = np.sin(2 * np.pi * pace * (0.4 + 0.2 * number) * time)
        points[:, LAYOUT.indices(names), 0] += amplitude * (sway**5)[:, None]
    return points


def rigid(points: np.ndarray) -> np.ndarray:
    """The whole picture pans: no bone changes."""
    return points + np.linspace(0, 1, len(points))[:, None, None]


def test_proportions_are_lengths_and_ratios_whatever_moves():
    pose = body(0)
    still = np.repeat(pose[None], 50, 0)
    found = proportions(still, LAYOUT)
    a, b = LAYOUT.edge_indices[5]
    assert found[5] == pytest.approx(np.log(np.linalg.norm(pose[a] - pose[b])), abs=1e-4)
    assert proportions(rigid(still), LAYOUT) == pytest.approx(found, abs=1e-4)
    assert proportions(still[::-1], LAYOUT) == pytest.approx(found)
    assert proportions(still[:7], LAYOUT) == pytest.approx(found)
    twice = proportions(2 * still, LAYOUT) - found
    edges = len(LAYOUT.edge_indices)
    assert twice[:edges] == pytest.approx(np.log(2), abs=1e-3)
    assert twice[edges:] == pytest.approx(0, abs=1e-3)


def test_proportions_of_what_is_not_seen_are_not_defined():
    points = np.repeat(body(0)[None], 20, 0)
    points[:10, 3] = np.nan
    assert np.isfinite(proportions(points, LAYOUT)).all()
    points[:, 3] = np.nan
    known = np.isfinite(proportions(points, LAYOUT))
    assert not known.all()
    assert known.sum() > known.size / 2


def test_kinematics_know_no_proportions_and_no_place():
    one, other = (kinematics(video(body(seed)), LAYOUT, 25) for seed in (0, 1))
    assert one == pytest.approx(other, abs=1e-4)
    assert kinematics(video(body(0)) + 3, LAYOUT, 25) == pytest.approx(one, abs=1e-4)


def test_kinematics_know_pace_and_amplitude():
    usual = kinematics(video(body(0)), LAYOUT, 25)
    faster = kinematics(video(body(0), pace=2), LAYOUT, 25)
    larger = kinematics(video(body(0), amplitude=0.1), LAYOUT, 25)
    size = len(usual) // len(LAYOUT.parts)
    speeds, bouts = slice(3, 6), size - 5 - 2
    assert larger[speeds] - usual[speeds] == pytest.approx(np.log(2), abs=0.05)
    assert faster[bouts] - usual[bouts] == pytest.approx(np.log(2), abs=0.3)
    assert larger[6:size] == pytest.approx(usual[6:size], abs=0.05)  # neither bouts nor spectrum


def test_the_unit_of_time_moves_all_rates_alike():
    usual, frames = (kinematics(video(body(0)), LAYOUT, rate) for rate in (25.0, 1.0))
    assert usual[3:6] - frames[3:6] == pytest.approx(np.log(25), abs=0.05)


def test_a_part_that_is_not_seen_is_not_defined():
    points = video(body(0))
    hand = LAYOUT.indices(LAYOUT.parts["left_hand"])
    points[:, hand] = np.nan
    missing = ~np.isfinite(kinematics(points, LAYOUT, 25))
    assert missing.sum() == len(missing) // len(LAYOUT.parts)
    gaps = video(body(0))
    gaps[50:80, hand] = np.nan
    assert np.isfinite(kinematics(gaps, LAYOUT, 25)).all()
    assert not np.isfinite(kinematics(video(body(0), frames=3), LAYOUT, 25)).any()


def test_planted_proportions_are_recognised_and_motion_alone_is_not():
    people = np.repeat(np.arange(6), 4)
    videos = [
        video(body(person) + 0.02 * body(100 + i), pace=1 + 0.1 * (i % 4))
        for i, person in enumerate(people)
    ]
    later = np.tile([False, False, True, True], 6)
    share = {}
    for name, features in (
        ("proportions", np.stack([proportions(v, LAYOUT) for v in videos])),
        ("kinematics", np.stack([kinematics(v, LAYOUT, 25) for v in videos])),
    ):
        scale = within_person_scale(features, people)
        found = nearest_person(features[~later], people[~later], features[later], scale)
        share[name] = (found == people[later]).mean()
    assert share["proportions"] == 1
    assert share["kinematics"] < 0.5


def test_the_scale_is_the_spread_within_a_person():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(50), 8)
    features = np.stack(
        [10 * people + rng.normal(size=400), people + 3 * rng.normal(size=400), np.full(400, 7.0)],
        1,
    )
    features[:, 2] = np.nan
    found = within_person_scale(features, people)
    assert found / np.sqrt(7 / 8) == pytest.approx([1, 3, 0], rel=0.1)
    assert not within_person_scale(features[::8], people[::8]).any()


def test_a_feature_that_varies_within_people_counts_for_less():
    gallery, query = np.array([[0.0, 0.0], [1.0, 9.0]]), np.array([[0.1, 8.0], [0.9, 1.0]])
    people = np.array([0, 1])
    steady, wild = np.array([0.1, 100.0]), np.array([100.0, 0.1])
    assert nearest_person(gallery, people, query, steady).tolist() == [0, 1]
    assert nearest_person(gallery, people, query, wild).tolist() == [1, 0]
    assert nearest_person(gallery, people, query, np.array([0.1, 0])).tolist() == [0, 1]
    undefined = np.array([[0.1, np.nan]])
    assert nearest_person(gallery, people, undefined, np.ones(2)).tolist() == [0]
    with pytest.raises(ValueError, match="one length"):
        nearest_person(gallery, people, query[:, :1], steady)
