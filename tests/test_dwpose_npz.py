"""DWPose archives: the layout proved by the geometry of real sequences."""

import numpy as np
import pytest

from mgpose.io.importers.dwpose_npz import read_dwpose_npz
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.structures import SKELETONS, UPPER_BODY_HANDS_FACE, InputError, convert, mirror

SIZE = (640, 480)  # width, height


def arrays(frames=5, seed=0):
    rng = np.random.default_rng(seed)
    made = {}
    for part, shape in (("body", (18,)), ("hands", (2, 21)), ("face", (68,))):
        made[part] = rng.uniform(0.1, 0.9, (frames, *shape, 2)).astype(np.float32)
        made[f"{part}_score"] = rng.uniform(0.1, 1, (frames, *shape)).astype(np.float32)
    width, height = SIZE
    made["draw_pose_params"] = np.tile([height, width, 0, height, 0, width], (frames, 1))
    return made


def test_parts_come_back_under_their_names(tmp_path):
    made = arrays()
    made["hands_score"][2, 1] = 0  # the right hand is not seen
    np.savez(tmp_path / "One.npz", **made)
    (pose,) = read_dwpose_npz(tmp_path, ImportOptions(fps=25))
    sequence = pose.sequence
    assert (pose.video_id, sequence.unit, sequence.frame_size) == ("one", "normalised", SIZE)
    assert sequence.time[4] == pytest.approx(0.16)
    names = sequence.skeleton.keypoints
    left, right = names.index("left_hand_root"), names.index("right_hand_root")
    np.testing.assert_array_equal(sequence.keypoints[:, left : left + 21], made["hands"][:, 0])
    seen = [0, 1, 3, 4]
    np.testing.assert_array_equal(
        sequence.keypoints[seen, right : right + 21], made["hands"][seen, 1]
    )
    assert np.isnan(sequence.keypoints[2, right : right + 21]).all()
    np.testing.assert_array_equal(sequence.keypoints[:, names.index("chin")], made["face"][:, 8])
    np.testing.assert_array_equal(
        sequence.scores[:, names.index("left_wrist")], made["body_score"][:, 7]
    )


def test_left_and_right_stay(tmp_path):
    made = arrays()
    np.savez(tmp_path / "a.npz", **made)
    flip = {k: v.copy() for k, v in made.items()}
    body = SKELETONS["openpose_18"].mirror_permutation
    flip["body"], flip["body_score"] = made["body"][:, body], made["body_score"][:, body]
    flip["hands"], flip["hands_score"] = made["hands"][:, ::-1], made["hands_score"][:, ::-1]
    face = SKELETONS["dwpose_128"].mirror_permutation[18:86] - 18
    flip["face"], flip["face_score"] = made["face"][:, face], made["face_score"][:, face]
    for part in ("body", "hands", "face"):
        flip[part] = flip[part] * np.float32((-1, 1)) + np.float32((1, 0))
    np.savez(tmp_path / "b.npz", **flip)
    plain, mirrored = read_dwpose_npz(tmp_path)
    again = mirror(plain.sequence)
    np.testing.assert_allclose(mirrored.sequence.keypoints, again.keypoints, atol=1e-6)
    np.testing.assert_array_equal(mirrored.sequence.scores, again.scores)


def test_bad_files_cost_themselves_only(tmp_path):
    good = arrays()
    np.savez(tmp_path / "good.npz", **good)
    np.savez(
        tmp_path / "bad_crop.npz", **{**good, "draw_pose_params": good["draw_pose_params"] + 1}
    )
    np.savez(tmp_path / "bad_keys.npz", body=good["body"])
    np.savez(tmp_path / "bad_shape.npz", **{**good, "face": good["face"][:, :60]})
    np.savez(tmp_path / "bad_objects.npz", **{**good, "body": np.array([{}])})
    (tmp_path / "bad_bytes.npz").write_bytes(b"PK\x03\x04 no")
    np.save(tmp_path / "bad_array.npy", good["body"])
    (tmp_path / "bad_array.npy").rename(tmp_path / "bad_array.npz")
    *bad, last = read_dwpose_npz(tmp_path)
    assert last.video_id == "good"
    assert len(bad) == 6
    for failed in bad:
        assert isinstance(failed, FailedImport)
        assert f"{tmp_path}/bad_" in failed.error
    with pytest.raises(InputError, match="no such file or folder"):
        list(read_dwpose_npz(tmp_path / "none"))


def test_a_frame_size_that_contradicts_fails(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays())
    (failed,) = read_dwpose_npz(tmp_path, ImportOptions(frame_size=(10, 10)))
    assert "--frame-size" in failed.error


@pytest.mark.shared
def test_real_hands_meet_their_own_wrists(real_data):
    poses = list(read_dwpose_npz(real_data / "format-samples" / "dwpose-echomimic"))
    assert [len(p.sequence) for p in poses] == [336, 241, 241, 241, 102, 97]
    for pose in poses:
        sequence = convert(pose.sequence, UPPER_BODY_HANDS_FACE)
        at = dict(zip(sequence.skeleton.keypoints, sequence.keypoints.swapaxes(0, 1), strict=True))
        assert (at["left_shoulder"][:, 0] > at["right_shoulder"][:, 0]).all()
        assert (at["left_eye"][:, 0] > at["right_eye"][:, 0]).all()
        for side, other in (("left", "right"), ("right", "left")):
            root = at[f"{side}_hand_root"]
            own = np.linalg.norm(root - at[f"{side}_wrist"], axis=-1)
            crossed = np.linalg.norm(root - at[f"{other}_wrist"], axis=-1)
            assert np.median(own) < 0.03 < np.median(crossed)
        assert np.median(np.linalg.norm(at["nose"] - at["nose_tip"], axis=-1)) < 0.02
        assert (at["left_brow_outer"][:, 0] > at["right_brow_outer"][:, 0]).all()
        assert (at["chin"][:, 1] > at["lower_lip"][:, 1]).all()
