import numpy as np
import pytest

from mgpose.data.quality import longest_run, part_qualities, quality_table
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, FrameFlag, PoseSequence, Skeleton

WIDTH = 100.0  # of the shoulders, in pixels


def make(frames=400, noise=0.0, skeleton=UPPER_BODY_HANDS_FACE):
    rng = np.random.default_rng(0)
    keypoints = np.zeros((frames, len(skeleton), 2), np.float32)
    keypoints += np.linspace(0, 300, frames, dtype=np.float32)[:, None, None]  # steady motion
    if "left_shoulder" in skeleton.keypoints:
        keypoints[:, skeleton.index("left_shoulder"), 0] += WIDTH
    keypoints += rng.normal(0, noise, keypoints.shape).astype(np.float32)
    scores = np.ones(keypoints.shape[:2], np.float32)
    return PoseSequence(skeleton, keypoints, scores, np.arange(frames) / 25, "pixel", "container",
                        (640, 480), np.full(frames, FrameFlag.DECODED, np.uint16))  # fmt: skip


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_jitter_is_the_noise_in_shoulder_widths(noise):
    for quality in part_qualities(make(noise=noise)).values():
        assert quality.jitter == pytest.approx(noise / WIDTH, rel=0.1)


def test_missing_and_gaps():
    sequence = make()
    hand = UPPER_BODY_HANDS_FACE.indices(UPPER_BODY_HANDS_FACE.parts["left_hand"])
    for start, stop in ((10, 30), (50, 130)):
        sequence.keypoints[start:stop, hand] = np.nan
        sequence.scores[start:stop, hand] = 0
    qualities = part_qualities(sequence)
    assert qualities["left_hand"].missing == pytest.approx(100 / 400)
    assert qualities["left_hand"].longest_gap == 80
    for part in ("body", "right_hand", "face"):
        assert (qualities[part].missing, qualities[part].longest_gap) == (0, 0)


def test_a_part_that_was_never_seen():
    sequence = make(5)
    sequence.keypoints[:], sequence.scores[:] = np.nan, 0
    for quality in part_qualities(sequence).values():
        assert (quality.missing, quality.longest_gap) == (1, 5)
        assert np.isnan(quality.jitter)


def test_longest_run_equals_a_slow_count():
    rng = np.random.default_rng(1)
    for _ in range(50):
        flags = rng.uniform(size=rng.integers(1, 40)) < 0.6
        runs = "".join("1" if f else "0" for f in flags).split("0")
        assert longest_run(flags) == max(map(len, runs))


def test_table_has_a_line_a_video_whatever_the_layout(tmp_path):
    plain = Skeleton("plain", ("a", "b"))
    for name, skeleton in (("a", UPPER_BODY_HANDS_FACE), ("b", KINECT_20), ("c", plain)):
        provenance = Provenance("test", "1", frames_unyielded=3 if name == "c" else 0)
        write_pose_file(tmp_path, name, make(10, skeleton=skeleton), provenance)
    lines = [line.split() for line in quality_table(PoseStore(tmp_path))]
    rows = {line[0]: line for line in lines if line[0] in "abc"}
    assert set(rows) == {"a", "b", "c"}
    assert all(row[1] == "10" for row in rows.values())
    assert rows["a"][-1] == "clean"
    assert rows["c"][-3:] == ["3", "never", "yielded"]
