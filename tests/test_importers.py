import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mgpose.io import PoseStore, read_annotations
from mgpose.io.importers.holistic_arrays import read_frame_folders, read_npz_sets
from mgpose.io.importers.import_pose import FORMATS, import_poses
from mgpose.io.importers.nw_ucla import ACTIONS, read_nw_ucla
from mgpose.structures import UPPER_BODY_HANDS_FACE, FrameFlag, InputError, convert

LEFT_HAND_203 = slice(161, 182)


def write_npz(folder: Path, name="p01_somebody", points=203, sequences=3, seed=0):
    """One file of the npz sets, written from their description: frame 2 lacks the left hand."""
    rng = np.random.default_rng(seed)
    kp = rng.uniform(0.1, 0.9, (sequences, 5, points, 3)).astype(np.float32)
    score = rng.uniform(0.1, 1, (sequences, 5, points)).astype(np.float16)
    kp[:, 2, LEFT_HAND_203] = 0
    score[:, 2, LEFT_HAND_203] = 0
    label = np.array(["hello", "i'm fine", "Tu Tum Aap"])[:sequences]
    np.savez(folder / f"{name}.npz", kp=kp, score=score, label=label, seq=np.arange(sequences))
    return kp, score


def write_frames(folder: Path, frames, label="hello", number="4"):
    """Frames of 1,662 numbers: pose 33x4, face 468x3, left and right hand 21x3; no right hand."""
    rng = np.random.default_rng(1)
    target = folder / label / number
    target.mkdir(parents=True)
    written = {}
    for frame in frames:
        parts = {
            "pose": rng.uniform(0.1, 1, (33, 4)),
            "face": rng.uniform(0.1, 1, (468, 3)),
            "left": rng.uniform(0.1, 1, (21, 3)),
            "right": np.zeros((21, 3)),
        }
        np.save(target / f"{frame}.npy", np.concatenate([p.ravel() for p in parts.values()]))
        written[frame] = parts
    return written


def write_ucla(folder: Path, name="a01_s02_e03_v01", frames=4, label=1):
    skeletons = np.random.default_rng(2).normal(1, 0.3, (frames, 20, 3))
    skeletons[1, 5] = 0  # an untracked joint
    record = {"file_name": name, "skeletons": skeletons.tolist(), "label": label}
    (folder / f"{name}.json").write_text(json.dumps(record))
    return skeletons


def test_npz_sets_keep_x_and_y_and_mask_what_was_not_seen(tmp_path):
    kp, score = write_npz(tmp_path)
    poses = list(read_npz_sets(tmp_path))
    assert [p.video_id for p in poses] == ["p01_hello_000", "p01_im_fine_001", "p01_tu_tum_aap_002"]
    for pose, points, scores in zip(poses, kp, score, strict=True):
        sequence = pose.sequence
        seen = scores > 0
        np.testing.assert_array_equal(sequence.detected, seen)
        np.testing.assert_array_equal(sequence.keypoints[seen], points[seen][:, :2])
        np.testing.assert_array_equal(sequence.scores, scores.astype(np.float32))
        assert (sequence.unit, sequence.time_source) == ("normalised", "index")
        assert sequence.frame_size is None
        left = convert(sequence, UPPER_BODY_HANDS_FACE).detected[:, 13:34]
        assert left.all(1).tolist() == [True, True, False, True, True]
    (annotation,) = poses[1].annotations
    assert (annotation.label, annotation.subject) == ("i'm fine", "p01")
    assert (annotation.start, annotation.stop, annotation.unit) == (0, 5, "frame")


def test_nothing_of_the_recorders_name_is_written(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    write_npz(source, "p01_somebody")
    import_poses(source, "mediapipe-npz", out)
    for path in out.iterdir():
        assert "somebody" not in path.name
        assert b"somebody" not in path.read_bytes()


def test_a_session_stands_for_its_unknown_signer(tmp_path):
    write_npz(tmp_path, "session3")
    pose = next(read_npz_sets(tmp_path / "session3.npz"))
    assert pose.sequence.subject == "session3"
    assert pose.annotations[0].group("session") == "session3"


def test_a_missing_frame_is_failed_never_closed_up(tmp_path):
    written = write_frames(tmp_path, [3, 4, 6])
    (pose,) = read_frame_folders(tmp_path)
    sequence = pose.sequence
    assert pose.video_id == "hello_4"
    assert sequence.time.tolist() == [3, 4, 5, 6]
    assert sequence.ledger.tolist() == [128, 128, int(FrameFlag.FAILED), 128]
    assert not sequence.detected[2].any()
    for row, frame in ((0, 3), (1, 4), (3, 6)):
        parts = written[frame]
        expected = np.concatenate([parts[k][:, :2] for k in ("pose", "face", "left")])
        np.testing.assert_allclose(sequence.keypoints[row, :522], expected, rtol=1e-6)
        np.testing.assert_allclose(sequence.scores[row, :33], parts["pose"][:, 3], rtol=1e-6)
        assert not sequence.detected[row, 522:].any()
    assert sequence.subject is None
    assert pose.annotations[0].subject == "unknown"


def test_folders_above_the_labels_are_subjects(tmp_path):
    write_frames(tmp_path / "anna", [0, 1])
    write_frames(tmp_path / "ben", [0, 1])
    poses = list(read_frame_folders(tmp_path))
    assert [p.video_id for p in poses] == ["anna_hello_4", "ben_hello_4"]
    assert [p.annotations[0].subject for p in poses] == ["anna", "ben"]


def test_an_invisible_keypoint_is_seen_all_the_same(tmp_path):
    write_frames(tmp_path, [0])
    path = tmp_path / "hello" / "4" / "0.npy"
    frame = np.load(path)
    frame[3] = 0  # visibility of the nose
    np.save(path, frame)
    (pose,) = read_frame_folders(tmp_path)
    assert pose.sequence.detected[0, 0]
    assert pose.sequence.scores[0, 0] < 1e-30


def test_nw_ucla_reads_folder_and_archive_alike(tmp_path):
    skeletons = write_ucla(tmp_path)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "a01_s02_e03_v01.json", "all/a01_s02_e03_v01.json")
    (pose,), (packed,) = read_nw_ucla(tmp_path), read_nw_ucla(tmp_path / "all.zip")
    np.testing.assert_array_equal(pose.sequence.keypoints, packed.sequence.keypoints)
    assert pose.source_sha256 == packed.source_sha256
    expected = skeletons.astype(np.float32)
    expected[1, 5] = np.nan
    np.testing.assert_array_equal(pose.sequence.keypoints, expected)
    assert (pose.sequence.unit, pose.sequence.subject) == ("metre", "s02")
    (annotation,) = pose.annotations
    assert annotation.label == "pick up with one hand"
    assert annotation.groups == {"performance": "a01_s02_e03", "camera": "v01"}


def test_a_rerun_redoes_only_what_is_damaged(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    write_npz(source)
    assert import_poses(source, "mediapipe-npz", out) == 3
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    damaged = out / "p01_hello_000.h5"
    damaged.write_bytes(damaged.read_bytes()[:500])
    import_poses(source, "mediapipe-npz", out)
    after = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.iterdir()}
    assert {k: v[0] for k, v in after.items()} == {k: v[0] for k, v in before.items()}
    redone = {k for k in after if k.endswith(".h5") and after[k][1] != before[k][1]}
    assert redone == {damaged.name}


def test_a_second_source_is_added_and_never_overwrites(tmp_path):
    first, second, out = tmp_path / "1", tmp_path / "2", tmp_path / "out"
    first.mkdir()
    second.mkdir()
    write_npz(first, "p01_x")
    write_npz(second, "p02_x")
    import_poses(first, "mediapipe-npz", out)
    import_poses(second, "mediapipe-npz", out)
    assert len(PoseStore(out)) == len(read_annotations(out / "annotations.csv")) == 6
    write_npz(second, "p01_y", seed=9)
    with pytest.raises(InputError, match="comes from another source"):
        import_poses(second, "mediapipe-npz", out)


def bad_npz_name(folder):
    write_npz(folder, "somebody")


def bad_npz_bytes(folder):
    (folder / "p01.npz").write_bytes(b"PK\x03\x04 not really")


def bad_npz_keys(folder):
    np.savez(folder / "p01.npz", kp=np.zeros((1, 2, 203, 3)))


def bad_npz_shape(folder):
    write_npz(folder, points=200)


def bad_frame_size(folder):
    write_frames(folder, [0])
    np.save(folder / "hello" / "4" / "1.npy", np.zeros(7))


def bad_frame_name(folder):
    write_frames(folder, [0])
    np.save(folder / "hello" / "4" / "last.npy", np.zeros(1662))


def bad_pickle(folder):
    write_frames(folder, [0])
    np.save(folder / "hello" / "4" / "1.npy", np.array([{}]), allow_pickle=True)


def bad_label(folder):
    write_ucla(folder, label=11)


def bad_json(folder):
    (folder / "a01_s01_e00_v01.json").write_text("{")


def nothing(folder):
    pass


@pytest.mark.parametrize(
    ("format", "spoil"),
    [
        ("mediapipe-npz", bad_npz_name),
        ("mediapipe-npz", bad_npz_bytes),
        ("mediapipe-npz", bad_npz_keys),
        ("mediapipe-npz", bad_npz_shape),
        ("mediapipe-1662", bad_frame_size),
        ("mediapipe-1662", bad_frame_name),
        ("mediapipe-1662", bad_pickle),
        ("nw-ucla", bad_label),
        ("nw-ucla", bad_json),
        *((name, nothing) for name in FORMATS),
    ],
)
def test_bad_sources_are_one_line_and_leave_nothing(tmp_path, format, spoil):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    spoil(source)
    with pytest.raises(InputError) as caught:
        import_poses(source, format, out)
    assert "\n" not in str(caught.value)
    assert str(source) in str(caught.value)
    assert not out.exists()


def test_the_tool_exits_2_on_bad_input(repo, tmp_path):
    tool = [sys.executable, str(repo / "tools" / "import_pose.py")]
    run = subprocess.run(
        [*tool, str(tmp_path / "none"), "--format", "nw-ucla", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, cwd=repo,
    )  # fmt: skip
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in run.stderr


@pytest.mark.shared
def test_sign_sets_hold_together(real_data):
    with (real_data / "holistic-signs-mp" / "index.csv").open() as table:
        expected = {row["file"][:3]: int(row["sequences"]) for row in csv.DictReader(table)}
    counts = dict.fromkeys(expected, 0)
    hands = []
    for pose in read_npz_sets(real_data / "holistic-signs-mp"):
        counts[pose.annotations[0].subject] += 1
        hands += hands_meet_arms(convert(pose.sequence, UPPER_BODY_HANDS_FACE))
    assert counts == expected
    # Where both hands lie together MediaPipe now and then takes one for the other.
    assert len(hands) > 1500
    assert np.mean(hands) > 0.97


def hands_meet_arms(sequence):
    """For each hand that is seen, whether it begins where its own arm ends.

    The subject's left shoulder must be at the image's right in any case.
    """
    met = []
    at = {name: sequence.keypoints[:, i] for i, name in enumerate(sequence.skeleton.keypoints)}
    across = at["left_shoulder"] - at["right_shoulder"]
    width = np.nanmedian(np.linalg.norm(across, axis=-1))
    assert np.nanmedian(across[:, 0]) > 0
    for side, other in (("left", "right"), ("right", "left")):
        root = at[f"{side}_hand_root"]
        if np.isfinite(root[:, 0]).sum() > 10:
            own = np.nanmedian(np.linalg.norm(at[f"{side}_wrist"] - root, axis=-1))
            crossed = np.nanmedian(np.linalg.norm(at[f"{other}_wrist"] - root, axis=-1))
            met.append(own < min(0.5 * width, crossed))
    return met


@pytest.mark.shared
def test_raw_frames_are_read(real_data):
    poses = list(read_frame_folders(real_data / "format-samples" / "mp_data_raw"))
    assert [p.video_id for p in poses] == ["hello_0", "iloveyou_0", "thanks_0"]
    for pose in poses:
        assert len(pose.sequence) == 30
        hands = hands_meet_arms(convert(pose.sequence, UPPER_BODY_HANDS_FACE))
        assert hands
        assert all(hands)


@pytest.mark.shared
def test_nw_ucla_actions_do_what_their_names_say(real_data):
    head = {"sit down": [], "stand up": []}
    walk = {name: [] for name in ACTIONS}
    for pose in read_nw_ucla(real_data / "nw-ucla" / "all_sqe.zip"):
        keypoints, label = pose.sequence.keypoints, pose.annotations[0].label
        walk[label].append(np.linalg.norm(keypoints[-1, 0, [0, 2]] - keypoints[0, 0, [0, 2]]))
        if label in head:
            head[label].append(keypoints[-1, 3, 1] - keypoints[0, 3, 1])
    assert sum(map(len, walk.values())) == 1484
    assert np.nanmedian(head["sit down"]) < -0.1 < 0.1 < np.nanmedian(head["stand up"])
    assert max(walk, key=lambda name: np.nanmedian(walk[name])) == "walk around"
