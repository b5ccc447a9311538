"""MediaPipe's rows of numbers: every length that is read, one frame or all frames a file."""

import numpy as np
import pytest

from mgpose.io.importers.holistic_arrays import read_frame_folders, read_npz_sets
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.structures import UPPER_BODY_HANDS_FACE, FrameFlag, InputError, convert

LENGTHS = {1662: (4, 468), 1692: (4, 478), 258: (4, 0), 225: (3, 0)}


def rows(length, frames=6, seed=0):
    """Parts by name, each (T, points, numbers): hands hang at the wrists, frame 2 has no left."""
    pose_numbers, face = LENGTHS[length]
    rng = np.random.default_rng(seed)
    body = rng.uniform(0.2, 0.8, (33, pose_numbers))
    body[11, :2], body[12, :2] = (0.7, 0.5), (0.3, 0.5)  # the subject's left is the image's right
    parts = {"pose": body + rng.normal(0, 0.002, (frames, 33, pose_numbers))}
    if face:
        parts["face"] = rng.uniform(0.4, 0.6, (frames, face, 3))
    for side, wrist in (("left", 15), ("right", 16)):
        hand = rng.uniform(-0.02, 0.02, (frames, 21, 3))
        hand[:, :, :2] += parts["pose"][:, wrist, None, :2]
        parts[side] = hand
    parts["left"][2] = 0
    return {name: part.astype(np.float32) for name, part in parts.items()}


def joined(parts, order=None):
    frames = len(parts["pose"])
    return np.concatenate([parts[p].reshape(frames, -1) for p in order or parts], axis=1)


def write(folder, array, whole=True):
    target = folder / "hello"
    if whole:
        target.mkdir(parents=True)
        np.save(target / "4.npy", array)
        return folder
    (target / "4").mkdir(parents=True)
    for number, row in enumerate(array):
        np.save(target / "4" / f"{number}.npy", row)
    return folder


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_length_comes_back_part_by_part(tmp_path, length, whole):
    parts = rows(length)
    assert joined(parts).shape == (6, length)
    (pose,) = read_frame_folders(write(tmp_path, joined(parts), whole))
    sequence = pose.sequence
    assert pose.video_id == "hello_4"
    expected = np.concatenate([part[..., :2] for part in parts.values()], axis=1)
    points = expected.shape[1]
    expected[2, points - 42 : points - 21] = np.nan
    np.testing.assert_array_equal(sequence.keypoints, expected)
    if LENGTHS[length][0] == 4:
        np.testing.assert_array_equal(sequence.scores[:, :33], parts["pose"][..., 3])
    assert (sequence.scores[:, points - 21 :] == 1).all()
    model = convert(sequence, UPPER_BODY_HANDS_FACE)
    at = dict(zip(model.skeleton.keypoints, model.keypoints.swapaxes(0, 1), strict=True))
    for side in ("left", "right"):
        gap = np.linalg.norm(at[f"{side}_hand_root"] - at[f"{side}_wrist"], axis=-1)
        assert np.nanmax(gap) < 0.05
    assert pose.annotations[0].label == "hello"
    assert pose.annotations[0].stop == 6


@pytest.mark.parametrize("length", [258, 225])
@pytest.mark.parametrize(
    "order",
    [
        ("left", "right", "pose"),
        ("left", "pose", "right"),
        ("right", "left", "pose"),
        ("pose", "right", "left"),
    ],
)
def test_another_order_of_the_same_length_is_refused(tmp_path, length, order):
    array = joined(rows(length), order)
    assert array.shape == (6, length)
    (failed,) = read_frame_folders(write(tmp_path, array))
    assert isinstance(failed, FailedImport)
    assert "order" in failed.error


@pytest.mark.parametrize("length", [1530, 1629, 126, 132, 1404, 1])
def test_lengths_that_do_not_tell_the_order_are_refused(tmp_path, length):
    (failed,) = read_frame_folders(write(tmp_path, np.ones((4, length), np.float32)))
    assert f"(4, {length})" in failed.error


@pytest.mark.parametrize("whole", [True, False])
def test_a_told_rate_becomes_the_time(tmp_path, whole):
    source = write(tmp_path, joined(rows(1662)), whole)
    (pose,) = read_frame_folders(source, ImportOptions(fps=20))
    assert pose.sequence.time_source == "rate"
    np.testing.assert_allclose(pose.sequence.time, np.arange(6) / 20)
    (unknown,) = read_frame_folders(source)
    assert unknown.sequence.time_source == "index"
    assert unknown.source_sha256 == pose.source_sha256


def test_a_missing_frame_fails_at_its_own_time(tmp_path):
    source = write(tmp_path, joined(rows(1662)), whole=False)
    (source / "hello" / "4" / "3.npy").unlink()
    (pose,) = read_frame_folders(source, ImportOptions(fps=20))
    assert pose.sequence.ledger[3] == FrameFlag.FAILED
    assert pose.sequence.time[3] == pytest.approx(0.15)
    assert len(pose.sequence) == 6


def test_frames_of_two_lengths_and_a_bad_neighbour(tmp_path):
    source = write(tmp_path, joined(rows(1662)), whole=False)
    np.save(source / "hello" / "4" / "1.npy", np.ones(258, np.float32))
    (source / "hello" / "5").mkdir()
    np.save(source / "hello" / "5" / "0.npy", joined(rows(1662))[0])
    failed, good = read_frame_folders(source)
    assert "1662 and 258 numbers" in failed.error
    assert good.video_id == "hello_5"


def test_npz_sets_take_the_rate_and_a_bad_file_costs_itself_only(tmp_path):
    arrays = {
        "kp": np.ones((1, 4, 75, 3), np.float32),
        "score": np.ones((1, 4, 75), np.float16),
        "label": np.array(["a"]),
        "seq": np.array([0]),
    }
    np.savez(tmp_path / "p01.npz", **arrays)
    np.savez(tmp_path / "p02.npz", **{**arrays, "kp": arrays["kp"][:, :, :70]})
    np.save(tmp_path / "p03.npy", arrays["kp"])
    (tmp_path / "p03.npy").rename(tmp_path / "p03.npz")
    good, *bad = read_npz_sets(tmp_path, ImportOptions(fps=10))
    np.testing.assert_allclose(good.sequence.time, [0, 0.1, 0.2, 0.3])
    assert [isinstance(b, FailedImport) for b in bad] == [True, True]
    with pytest.raises(InputError):
        list(read_npz_sets(tmp_path / "none"))
