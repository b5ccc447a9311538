import dataclasses

import numpy as np
import pytest

from mgpose.data.quality import longest_run, measure_video
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.structures import (
    KINECT_20,
    UPPER_BODY_HANDS_FACE,
    FrameFlag,
    PoseSequence,
    Skeleton,
)
from mgpose.structures.sources import MEDIAPIPE_543, MEDIAPIPE_BODY_HANDS_75

WIDTH = 100.0  # of the shoulders, in pixels
PLAIN = Skeleton("plain", ("a", "b"))


def make(frames=400, noise=0.0, skeleton=UPPER_BODY_HANDS_FACE):
    rng = np.random.default_rng(0)
    keypoints = np.zeros((frames, len(skeleton), 2), np.float32)
    keypoints += np.linspace(0, 300, frames, dtype=np.float32)[:, None, None]  # steady motion
    if "left_shoulder" in skeleton.keypoints:
        keypoints[:, skeleton.index("left_shoulder"), 0] += WIDTH
    keypoints += 10 + rng.normal(0, noise, keypoints.shape).astype(np.float32)
    scores = np.ones(keypoints.shape[:2], np.float32)
    return PoseSequence(skeleton, keypoints, scores, np.arange(frames) / 25, "pixel", "container",
                        (640, 480), np.full(frames, FrameFlag.DECODED, np.uint16))  # fmt: skip


def hide(sequence, start, stop, points):
    sequence.keypoints[start:stop, points] = np.nan
    sequence.scores[start:stop, points] = 0


@pytest.fixture
def measure(tmp_path):
    def quality(sequence, unyielded=0):
        provenance = Provenance("test", "1", frames_unyielded=unyielded)
        write_pose_file(tmp_path, "v", sequence, provenance)
        return measure_video(PoseStore(tmp_path), "v")

    return quality


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_jitter_is_the_noise_in_shoulder_widths(measure, noise):
    quality = measure(make(noise=noise))
    assert quality.scale == pytest.approx(WIDTH, rel=0.01)
    for part in quality.parts.values():
        assert part.jitter == pytest.approx(noise / WIDTH, rel=0.1)


def test_missing_and_gaps(measure):
    sequence = make()
    hand = UPPER_BODY_HANDS_FACE.indices(UPPER_BODY_HANDS_FACE.parts["left_hand"])
    for start, stop in ((10, 30), (50, 130)):
        hide(sequence, start, stop, hand)
    parts = measure(sequence).parts
    assert parts["left_hand"].missing == pytest.approx(100 / 400)
    assert parts["left_hand"].longest_gap == 80
    assert parts["left_hand"].longest_gap_seconds == pytest.approx(80 / 25)
    for part in ("body", "right_hand", "face"):
        assert (parts[part].missing, parts[part].longest_gap) == (0, 0)


def test_a_part_that_was_never_seen(measure):
    sequence = make(5)
    hide(sequence, 0, 5, slice(None))
    quality = measure(sequence)
    for part in quality.parts.values():
        assert (part.missing, part.longest_gap) == (1, 5)
        assert np.isnan(part.jitter)
        assert np.isnan(part.outside)
    assert np.isnan(quality.scale)
    assert quality.swaps == {}


def test_longest_run_equals_a_slow_count():
    rng = np.random.default_rng(1)
    for _ in range(50):
        flags = rng.uniform(size=rng.integers(1, 40)) < 0.6
        runs = "".join("1" if f else "0" for f in flags).split("0")
        assert longest_run(flags) == max(map(len, runs))


def same(a, b):
    """Equal in all fields, NaN and arrays included."""
    if dataclasses.is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | float):
        return bool(np.array_equal(a, b, equal_nan=True))
    return a == b


@pytest.mark.parametrize("source", ["container", "index"])
def test_steady_motion_has_one_speed(measure, source):
    sequence = make()
    time = sequence.time if source == "container" else np.arange(400.0)
    curves = measure(sequence.replace(time=time, time_source=source)).curves
    step = 300 / 399 * np.sqrt(2) / WIDTH
    expected = step * 25 if source == "container" else step
    np.testing.assert_allclose(curves.speed, expected, rtol=1e-3)
    np.testing.assert_allclose(curves.peak, expected, rtol=1e-3)


@pytest.mark.parametrize("block", [7, 64, 1000])
def test_blocks_change_nothing(measure, monkeypatch, block):
    sequence = make(300, noise=5.0)
    rng = np.random.default_rng(3)
    for start in rng.integers(0, 290, 40):
        hide(sequence, start, start + 3, rng.integers(0, len(sequence.skeleton), 30))
    whole = measure(sequence)
    monkeypatch.setattr("mgpose.data.quality_frames._BLOCK_FRAMES", block)
    assert same(measure(sequence), whole)


def test_a_crop_puts_head_and_shoulders_outside(measure):
    sequence = make(100)
    sequence.keypoints[:] = 50
    sequence.keypoints[:, sequence.skeleton.index("left_shoulder"), 0] += WIDTH
    whole = measure(sequence)
    assert whole.cut == 0
    assert {part.outside for part in whole.parts.values()} == {0}
    sequence.keypoints[25:, sequence.skeleton.index("nose"), 1] = -1
    hand = sequence.skeleton.indices(sequence.skeleton.parts["right_hand"])
    sequence.keypoints[:50, hand, 0] = 641
    cropped = measure(sequence)
    assert cropped.cut == 0.75
    assert cropped.parts["right_hand"].outside == 0.5
    assert cropped.parts["left_hand"].outside == 0
    assert cropped.parts["body"].outside == pytest.approx(0.75 / 13)


def test_size_in_pixels_and_as_share_of_the_picture(measure):
    pixels = make()
    quality = measure(pixels)
    assert (quality.scale_unit, quality.scale_name) == ("pixel", "shoulder width")
    assert quality.scale_share == pytest.approx(WIDTH / 640)
    size = np.array(pixels.frame_size, np.float32)
    fractions = pixels.replace(keypoints=pixels.keypoints / size, unit="normalised")
    again = measure(fractions)
    assert again.scale == pytest.approx(quality.scale)
    assert again.scale_share == pytest.approx(quality.scale_share)
    unknown = measure(fractions.replace(frame_size=None))
    assert unknown.scale_unit == "picture"
    assert unknown.scale_share == pytest.approx(WIDTH / 640)


def test_frame_rate_and_its_irregularity(measure):
    sequence = make(101)
    even = measure(sequence)
    assert even.rate == pytest.approx(25)
    assert even.irregular == 0
    # A tenth of the frames are late: the interval before is half longer, the one behind shorter.
    late = sequence.time + np.where(np.arange(101) % 10 == 5, 0.6 / 25, 0)
    assert measure(sequence.replace(time=late)).irregular == pytest.approx(0.2)
    unknown = measure(sequence.replace(time=np.arange(101.0), time_source="index"))
    assert not unknown.timed
    assert np.isnan([unknown.seconds, unknown.rate, unknown.irregular]).all()


def test_the_ledger_is_counted(measure):
    sequence = make(100)
    ledger = sequence.ledger.copy()
    ledger[:10] = FrameFlag.FAILED
    ledger[20:23] |= np.uint16(FrameFlag.SUBJECT_SWITCHED)
    ledger[50:] |= np.uint16(FrameFlag.SEVERAL_PEOPLE)
    hide(sequence, 0, 10, slice(None))
    quality = measure(sequence.replace(ledger=ledger), unyielded=7)
    counts = {name: count for name, count in quality.ledger.items() if count}
    assert counts == {"decoded": 90, "failed": 10, "subject_switched": 3, "several_people": 50}
    assert quality.unyielded == 7
    assert quality.watched
    imported = np.full(100, FrameFlag.IMPORTED, np.uint16)
    assert not measure(sequence.replace(ledger=imported)).watched


def test_what_a_layout_cannot_hold_is_not_missing(measure):
    quality = measure(make(10, skeleton=MEDIAPIPE_BODY_HANDS_75))
    assert set(quality.parts) == {"body", "left_hand", "right_hand"}
    assert {part.missing for part in quality.parts.values()} == {0}


@pytest.mark.parametrize("skeleton", [UPPER_BODY_HANDS_FACE, MEDIAPIPE_543, KINECT_20, PLAIN])
@pytest.mark.parametrize("frames", [1, 2, 3, 500])
def test_every_layout_and_length(measure, skeleton, frames):
    quality = measure(make(frames, noise=1.0, skeleton=skeleton))
    assert quality.frames == frames
    pieces = min(frames, 120)
    assert len(quality.curves.edges) == pieces + 1
    assert quality.curves.missing.shape == (pieces, len(quality.parts))
    assert (np.diff(quality.curves.edges) > 0).all()


def test_metres_have_no_picture(measure):
    sequence = make(50, skeleton=KINECT_20)
    xyz = np.random.default_rng(0).normal(size=(50, 20, 3)).astype(np.float32)
    quality = measure(sequence.replace(keypoints=xyz, unit="metre", frame_size=None))
    assert (quality.scale_unit, quality.scale_name) == ("metre", "torso length")
    assert np.isnan([quality.cut, quality.scale_share]).all()
    assert quality.curves.picture is None
