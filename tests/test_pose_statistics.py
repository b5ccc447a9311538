from dataclasses import fields

import numpy as np
import pytest

from mgpose.data.pose_statistics import (
    GroupStatistics,
    clip_statistics,
    pool,
    quantile,
    run_lengths,
    store_statistics,
)
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, InputError, PoseSequence
from mgpose.structures.sources import MEDIAPIPE_BODY_HANDS_75

LAYOUT = UPPER_BODY_HANDS_FACE
PARTS = {name: LAYOUT.indices(keypoints) for name, keypoints in LAYOUT.parts.items()}
WIDTH = 100.0  # of the shoulders, in pixels
VALUES = ("speed", "speed_second", "jerk", "score")


def make(frames=200, step=(0.0, 0.0), noise=0.0, skeleton=LAYOUT, rate=25.0, seed=0):
    """A stiff person who moves by ``step`` pixels a frame; noise is that of a coordinate."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 300, (1, len(skeleton), 2)).repeat(frames, axis=0)
    if "left_shoulder" in skeleton.keypoints:
        left, right = (skeleton.index(f"{side}_shoulder") for side in ("left", "right"))
        keypoints[:, left] = keypoints[:, right] + (WIDTH, 0)
    keypoints += np.arange(frames)[:, None, None] * np.array(step)
    keypoints += rng.normal(0, noise, keypoints.shape)
    scores = np.full(keypoints.shape[:2], 0.9, np.float32)
    time = np.arange(frames) / (rate or 1)
    source = "rate" if rate else "index"
    points = keypoints.astype(np.float32)
    return PoseSequence(skeleton, points, scores, time, "pixel", source, (640, 480))


def hide(sequence, frames, points):
    sequence.keypoints[frames, points] = np.nan
    sequence.scores[frames, points] = 0


@pytest.fixture
def store(tmp_path):
    """``store({id: sequence}, estimator)`` writes the sequences and opens them."""

    def write(sequences, estimator="test"):
        for video, sequence in sequences.items():
            write_pose_file(tmp_path, video, sequence, Provenance(estimator, "1"))
        return PoseStore(tmp_path)

    return write


def test_steady_motion_has_its_speed_and_no_jerk():
    found = clip_statistics(make(step=(3.0, 4.0)), PARTS)
    assert tuple(found) == ("body", "left_hand", "right_hand", "face")
    for group in found.values():
        np.testing.assert_allclose(group.speed, 5 / WIDTH, rtol=1e-3)
        np.testing.assert_allclose(group.speed_second, 25 * 5 / WIDTH, rtol=1e-3)
        assert group.jerk.max() < 1e-4
        assert group.jumping == 0


def test_jerk_is_the_third_difference():
    clip = make(frames=20)
    path = np.arange(20) ** 3  # its third difference is 6 everywhere
    tip = LAYOUT.index("left_index_tip")
    clip.keypoints[:, tip, 0] += (WIDTH * 0.001 * path).astype(np.float32)
    jerk = clip_statistics(clip, {"tip": np.array([tip])})["tip"].jerk
    np.testing.assert_allclose(jerk, 0.006, rtol=0.02)


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_the_median_step_of_white_jitter(noise):
    """A step is the difference of two noises in the plane: Rayleigh, its median 1.1774 sigma."""
    group = clip_statistics(make(frames=2000, noise=noise), PARTS)["face"]
    expected = 1.1774 * np.sqrt(2) * noise / WIDTH
    assert quantile(group.speed, 0.5) == pytest.approx(expected, rel=0.03)


def test_neither_size_nor_place_counts():
    clip = make(noise=2.0)
    other = clip.replace(keypoints=clip.keypoints * np.float32(2.5) + np.float32(70))
    for one, two in zip(
        clip_statistics(clip, PARTS).values(), clip_statistics(other, PARTS).values(), strict=True
    ):
        for name in VALUES:
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-4)
        assert one.jumping == two.jumping


def test_what_was_planted_is_found():
    clip = make(frames=100)
    left, face = PARTS["left_hand"], PARTS["face"]
    hide(clip, slice(10, 30), left)
    hide(clip, slice(50, 55), left)
    hide(clip, slice(0, 100), face[:3])
    clip.scores[:25, PARTS["right_hand"]] = 0.2
    found = clip_statistics(clip, PARTS)
    assert found["left_hand"].missing == found["left_hand"].low_score == pytest.approx(0.25)
    assert found["left_hand"].absent == 0.25
    assert found["left_hand"].runs.tolist() == [20, 5]
    assert found["left_hand"].speed.size == (100 - 1 - 20 - 1 - 5 - 1) * 21
    assert found["face"].missing == pytest.approx(3 / 15)
    assert found["face"].absent == 0
    assert (found["right_hand"].missing, found["right_hand"].low_score) == (0, 0.25)
    assert np.mean(found["right_hand"].score < 0.3) == 0.25
    assert (found["body"].missing, found["body"].low_score) == (0, 0)


def test_a_jump_of_one_frame_is_counted_and_a_gesture_is_not():
    clip = make(frames=100, noise=0.2)
    tip, wrist = LAYOUT.index("right_index_tip"), LAYOUT.index("left_wrist")
    clip.keypoints[[20, 60], tip] += 80
    clip.keypoints[40:, wrist] += 80
    found = clip_statistics(clip, PARTS)
    assert {name: int(group.jumps.sum()) for name, group in found.items()} == {
        "body": 0, "left_hand": 0, "right_hand": 2, "face": 0,
    }  # fmt: skip
    assert found["right_hand"].jumping == 2 / (100 * 21)


def test_without_shoulders_only_the_motion_is_unknown():
    clip = make(frames=10)
    hide(clip, slice(None), LAYOUT.index("left_shoulder"))
    hand = clip_statistics(clip, PARTS)["left_hand"]
    assert hand.speed.size == hand.jerk.size == 0
    assert (hand.missing, hand.score.size) == (0, 210)


@pytest.mark.parametrize("frames", [1, 3])
def test_clips_too_short_for_a_difference(frames):
    group = clip_statistics(make(frames=frames), PARTS)["face"]
    assert (group.speed.size, group.jerk.size) == ((frames - 1) * 15, 0)


def test_pooled_clips_weigh_by_their_frames():
    short, long = make(frames=10), make(frames=30)
    hide(short, slice(None), PARTS["face"])
    face = pool([clip_statistics(clip, PARTS)["face"] for clip in (short, long)])
    assert face.missing == 0.25
    assert face.missing_by_clip.tolist() == [1, 0]


def test_run_lengths_tile_the_flags():
    flags = np.random.default_rng(0).random(1000) < 0.4
    assert run_lengths(flags).sum() == flags.sum()
    assert run_lengths(flags).sum() + run_lengths(~flags).sum() == 1000
    assert run_lengths(np.ones(5, bool)).tolist() == [5]
    assert run_lengths(np.zeros(5, bool)).tolist() == []


class TestStore:
    def test_the_numbers_that_are_quoted(self, store):
        clip = make(step=(0, 2))
        hide(clip, slice(0, 50), slice(None))
        clip.scores[50:100, PARTS["right_hand"]] = 0.1
        clip.scores[50:, LAYOUT.index("mid_hip")] = 0  # the hips of a seated person do not count
        found = store_statistics(store({"v": clip}), LAYOUT)
        headline = found.headline()
        assert headline["nose step p50"] == pytest.approx(0.02, rel=1e-3)
        assert headline["fingertip step p50"] == pytest.approx(0.02, rel=1e-3)
        assert headline["fingertip step p99"] == pytest.approx(0.02, rel=1e-3)
        shares = [headline[f"{p} low"] for p in ("left_hand", "right_hand", "face", "upper_body")]
        assert shares == [0.25, 0.5, 0.25, 0.25]
        assert headline["empty frames"] == 0.25
        assert (found.clips, found.rate, found.synthetic) == (1, pytest.approx(25), False)
        assert found.groups["fingertips"].keypoints.sum() == 200 * 10

    def test_a_window_of_a_few_videos_is_read(self, store):
        opened = store({f"v{i}": make(frames=100, seed=i) for i in range(5)})
        found = store_statistics(opened, LAYOUT, videos=3, frames=40)
        again = store_statistics(opened, LAYOUT, videos=3, frames=40)
        assert found.groups["all"].frames.tolist() == [40, 40, 40]
        np.testing.assert_array_equal(found.parts["face"].speed, again.parts["face"].speed)

    def test_memory_is_bounded(self, store, monkeypatch):
        monkeypatch.setattr("mgpose.data.pose_statistics._VALUES", 400)
        opened = store({f"v{i}": make(frames=100, seed=i, noise=1) for i in range(2)})
        found = store_statistics(opened, LAYOUT)
        assert {getattr(found.parts["face"], name).size for name in VALUES} == {400}
        assert found.parts["face"].keypoints.sum() == 2 * 100 * 15

    def test_a_rate_that_is_unknown(self, store):
        found = store_statistics(store({"v": make(rate=None, step=(1, 0))}), LAYOUT)
        assert np.isnan(found.rate)
        assert found.parts["face"].speed_second.size == 0
        assert quantile(found.parts["face"].speed, 0.5) == pytest.approx(0.01, rel=1e-3)

    def test_fractions_of_the_frame_are_lengths_of_one_kind(self, store):
        clip = make(step=(3, 4))
        size = np.array(clip.frame_size, np.float32)
        fractions = clip.replace(keypoints=clip.keypoints / size, unit="normalised")
        found = store_statistics(store({"v": fractions}), LAYOUT)
        np.testing.assert_allclose(found.parts["face"].speed, 0.05, rtol=1e-2)

    def test_a_part_that_the_layout_lacks_is_left_out(self, store):
        clip = make(skeleton=MEDIAPIPE_BODY_HANDS_75)
        found = store_statistics(store({"v": clip}), LAYOUT)
        assert tuple(found.parts) == ("body", "left_hand", "right_hand")
        assert np.isnan(found.headline()["face low"])
        assert found.groups["all"].missing == 0

    def test_full_bodies(self, store):
        found = store_statistics(store({"v": make(skeleton=KINECT_20)}), KINECT_20)
        assert tuple(found.parts) == tuple(KINECT_20.parts)
        assert tuple(found.groups) == ("all",)
        assert np.isnan(found.headline()["nose step p50"])

    def test_another_layout_is_refused(self, store):
        with pytest.raises(InputError, match=r"'kinect_20'.*expected 'upper_body_hands_face'"):
            store_statistics(store({"v": make(skeleton=KINECT_20)}), LAYOUT)

    def test_nothing_to_read_is_refused(self, store):
        with pytest.raises(InputError, match="at least 1"):
            store_statistics(store({"v": make()}), LAYOUT, videos=0)

    def test_generated_poses_say_so(self, store):
        assert store_statistics(store({"v": make()}, "synthetic"), LAYOUT).synthetic


def test_every_field_can_be_pooled():
    clip = clip_statistics(make(frames=5), PARTS)["body"]
    twice = pool([clip, clip])
    for field in fields(GroupStatistics):
        assert len(getattr(twice, field.name)) == 2 * len(getattr(clip, field.name))
