"""``.pose`` files: real ones, and ones that the library itself writes."""

import struct
import sys

import numpy as np
import pytest

from mgpose.io.importers.dot_pose import read_dot_pose
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.structures import (
    SKELETONS,
    UPPER_BODY_HANDS_FACE,
    FrameFlag,
    InputError,
    convert,
    mirror,
)

pose_format = pytest.importorskip("pose_format")

SIZE = (640, 360)
HANDS = ["WRIST"] + [
    f"{finger}_{joint}"
    for finger, joints in (
        ("THUMB", ("CMC", "MCP", "IP", "TIP")),
        *((f"{f}_FINGER", ("MCP", "PIP", "DIP", "TIP")) for f in ("INDEX", "MIDDLE", "RING")),
        ("PINKY", ("MCP", "PIP", "DIP", "TIP")),
    )
    for joint in joints
]
BODY = ["NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST", "RIGHT_WRIST", "MOUTH_LEFT"]
OPENPOSE = {
    "pose_keypoints_2d": [f"p{i}" for i in range(25)],
    "face_keypoints_2d": [f"f{i}" for i in range(70)],
    "hand_left_keypoints_2d": HANDS,
    "hand_right_keypoints_2d": HANDS,
}
HOLISTIC = {
    "POSE_LANDMARKS": BODY,
    "FACE_LANDMARKS": ["0", "17"],
    "LEFT_HAND_LANDMARKS": HANDS,
    "RIGHT_HAND_LANDMARKS": HANDS,
    "POSE_WORLD_LANDMARKS": BODY,
}


def write(path, components, data, confidence, fps=25.0, version=0.2, format="XYZC"):
    from pose_format.numpy.pose_body import NumPyPoseBody
    from pose_format.pose_header import (
        PoseHeader,
        PoseHeaderComponent,
        PoseHeaderDimensions,
    )

    parts = [PoseHeaderComponent(n, p, [], [(0, 0, 0)], format) for n, p in components.items()]
    header = PoseHeader(version, PoseHeaderDimensions(*SIZE, 0), parts)
    missing = np.repeat(confidence[..., None] == 0, data.shape[-1], -1)
    body = NumPyPoseBody(fps, np.ma.masked_array(data, missing), confidence)
    with path.open("wb") as file:
        pose_format.Pose(header, body).write(file)
    return path


def make(components, people=1, frames=6, dims=3, seed=0):
    rng = np.random.default_rng(seed)
    points = sum(map(len, components.values()))
    body = rng.uniform(50, 300, (1, 1, points, dims))
    data = body + rng.normal(0, 1, (frames, people, points, dims))
    confidence = rng.uniform(0.1, 1, (frames, people, points))
    return data.astype(np.float32), confidence.astype(np.float32)


def test_holistic_points_come_back_by_name(tmp_path):
    data, confidence = make(HOLISTIC)
    confidence[2, 0, 8:29] = 0  # the left hand
    path = write(tmp_path / "A b.pose", HOLISTIC, data, confidence)
    (pose,) = read_dot_pose(path)
    sequence = pose.sequence
    assert (pose.video_id, sequence.skeleton.name) == ("a_b", "mediapipe_contours_203")
    assert (sequence.unit, sequence.frame_size, sequence.time_source) == ("pixel", SIZE, "rate")
    np.testing.assert_allclose(sequence.time, np.arange(6) / 25)
    ours = {
        "nose": 0, "left_shoulder": 1, "right_wrist": 4, "left_mouth": 5, "upper_lip": 6,
        "lower_lip": 7, "left_hand_root": 8, "left_index_tip": 16, "right_hand_root": 29,
        "right_pinky_tip": 49,
    }  # fmt: skip
    for name, column in ours.items():
        v = sequence.skeleton.index(name)
        expected = data[:, 0, column, :2].copy()
        expected[confidence[:, 0, column] == 0] = np.nan
        np.testing.assert_array_equal(sequence.keypoints[:, v], expected, err_msg=name)
        np.testing.assert_array_equal(sequence.scores[:, v], confidence[:, 0, column])
    # The body in metres about the hips is another origin: it is left out.
    assert sequence.detected[0].sum() == 8 + 42
    assert not sequence.detected[2, sequence.skeleton.index("left_thumb_tip")]


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_openpose_points_come_back_by_place(tmp_path, version):
    data, confidence = make(OPENPOSE, dims=2)
    path = write(tmp_path / "o.pose", OPENPOSE, data, confidence, 24, version, format="XYC")
    (pose,) = read_dot_pose(path)
    assert pose.sequence.skeleton.name == "openpose_137"
    np.testing.assert_array_equal(pose.sequence.keypoints, data[:, 0])
    np.testing.assert_array_equal(pose.sequence.scores, confidence[:, 0])


def test_left_and_right_stay(tmp_path):
    data, confidence = make(OPENPOSE, dims=2)
    order = SKELETONS["openpose_137"].mirror_permutation
    other = data[:, :, order] * np.float32((-1, 1)) + np.float32((SIZE[0] - 1, 0))
    one = write(tmp_path / "a.pose", OPENPOSE, data, confidence, format="XYC")
    two = write(tmp_path / "b.pose", OPENPOSE, other, confidence[:, :, order], format="XYC")
    (plain,), (mirrored,) = read_dot_pose(one), read_dot_pose(two)
    again = mirror(plain.sequence)
    np.testing.assert_allclose(mirrored.sequence.keypoints, again.keypoints, atol=1e-3)


def test_one_of_several_people_is_followed(tmp_path):
    data, confidence = make(HOLISTIC, people=2, frames=20)
    data[:, 1] = (data[:, 1] - 150) * 0.2 + 500
    data[::2] = data[::2, ::-1]
    (pose,) = read_dot_pose(write(tmp_path / "a.pose", HOLISTIC, data, confidence))
    assert np.nanmax(pose.sequence.keypoints[..., 0]) < 400
    assert (pose.sequence.ledger & FrameFlag.SEVERAL_PEOPLE).all()


def test_the_rate_is_the_headers(tmp_path):
    data, confidence = make(HOLISTIC)
    path = write(tmp_path / "a.pose", HOLISTIC, data, confidence, fps=29.97)
    (failed,) = read_dot_pose(path, ImportOptions(fps=25))
    assert "29.97 frames a second" in failed.error
    (pose,) = read_dot_pose(path, ImportOptions(fps=29.97))
    assert pose.sequence.time[1] == pytest.approx(1 / 29.97)
    path = write(tmp_path / "b.pose", HOLISTIC, data, confidence, fps=0)
    (pose,) = read_dot_pose(path)
    assert pose.sequence.time_source == "index"


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_a_file_cut_short_is_never_read_as_a_shorter_one(tmp_path, version):
    """The library reads version 0.1 by its length: frames would vanish, confidences shift."""
    data, confidence = make(OPENPOSE, frames=8, dims=2)
    whole = write(tmp_path / "a.pose", OPENPOSE, data, confidence, 24, version, "XYC").read_bytes()
    frame = 137 * 3 * 4
    for lost in (1, frame, 2 * frame, 5 * frame + 7, len(whole) - 40, len(whole) - 1):
        (tmp_path / "a.pose").write_bytes(whole[: len(whole) - lost])
        (failed,) = read_dot_pose(tmp_path / "a.pose")
        assert isinstance(failed, FailedImport)
        assert "a.pose: expected a whole .pose file" in failed.error
        assert "\n" not in failed.error


def test_an_announced_gigabyte_is_not_allocated(tmp_path):
    data, confidence = make(HOLISTIC)
    path = write(tmp_path / "a.pose", HOLISTIC, data, confidence)
    content = bytearray(path.read_bytes())
    place = len(content) - data.nbytes - confidence.nbytes - 10
    assert struct.unpack_from("<fIH", content, place) == (25.0, 6, 1)
    struct.pack_into("<fIH", content, place, 25.0, 2**31, 60_000)
    path.write_bytes(content)
    (failed,) = read_dot_pose(path)
    assert "announces 2147483648 frames" in failed.error


def test_other_components_are_refused_and_cost_themselves_only(tmp_path):
    data, confidence = make({"BODY": ["a", "b"]})
    write(tmp_path / "1.pose", {"BODY": ["a", "b"]}, data, confidence)
    write(tmp_path / "2.pose", HOLISTIC, *make(HOLISTIC))
    (tmp_path / "3.pose").write_bytes(b"\x00" * 50)
    failed, good, empty = read_dot_pose(tmp_path)
    assert "found 'BODY (2)'" in failed.error
    assert good.video_id == "2"
    assert isinstance(empty, FailedImport)


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pose_format", None)
    with pytest.raises(InputError, match=r"pip install 'mgpose\[formats\]'"):
        list(read_dot_pose(tmp_path))


@pytest.mark.shared
def test_real_files(real_data):
    poses = {
        p.video_id: p.sequence for p in read_dot_pose(real_data / "format-samples/pose-format")
    }
    layouts = {video: s.skeleton.name.rsplit("_", 1)[1] for video, s in poses.items()}
    assert sorted(layouts.values()) == ["137", "203", "543", "553", "553", "553", "75"]
    assert [len(poses[v]) for v in ("openpose", "holistic_576_v0_2", "mediapipe")] == [93, 97, 170]
    met = 0
    for video, sequence in poses.items():
        pose = convert(sequence, UPPER_BODY_HANDS_FACE)
        at = dict(zip(pose.skeleton.keypoints, pose.keypoints.swapaxes(0, 1), strict=True))
        across = at["left_shoulder"] - at["right_shoulder"]
        if not np.isfinite(across).any():  # a hand alone
            continue
        width = np.nanmedian(np.linalg.norm(across, axis=-1))
        assert np.nanmedian(across[:, 0]) > 0
        for side in ("left", "right"):
            gaps = np.linalg.norm(at[f"{side}_hand_root"] - at[f"{side}_wrist"], axis=-1)
            if np.isfinite(gaps).any():
                met += 1
                assert np.nanmedian(gaps) < 0.25 * width, video
    assert met == 9


@pytest.mark.shared
def test_iris_points_are_where_eyes_are(real_data):
    """The ten points of the refined mesh: the subject's right iris first."""
    source = real_data / "format-samples/pose-format/hand_estimation"
    (pose,) = read_dot_pose(source)
    at = dict(
        zip(pose.sequence.skeleton.keypoints, pose.sequence.keypoints.swapaxes(0, 1), strict=True)
    )
    for side, centre in (("right", 468), ("left", 473)):
        corners = [at[f"{side}_eye_corner_{end}"] for end in ("inner", "outer")]
        eye = np.linalg.norm(corners[0] - corners[1], axis=-1)
        gap = np.linalg.norm(at[f"face_mesh_{centre}"] - sum(corners) / 2, axis=-1)
        assert np.nanmedian(gap / eye) < 0.5
