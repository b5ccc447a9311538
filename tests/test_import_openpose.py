"""OpenPose's frame files, written here by the format's own description."""

import json
import shutil

import numpy as np
import pytest

from mgpose.io import PoseStore
from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import FailedImport, ImportedPose, ImportOptions
from mgpose.io.importers.openpose_json import read_openpose_json
from mgpose.structures import UPPER_BODY_HANDS_FACE, FrameFlag, InputError, convert, mirror

KEYS = {
    "pose_keypoints_2d": 25,
    "face_keypoints_2d": 70,
    "hand_left_keypoints_2d": 21,
    "hand_right_keypoints_2d": 21,
}
# BODY_25 by OpenPose's documentation.
BODY = [
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
    "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel",
]  # fmt: skip
# The 68 points of the face in pairs (iBUG's numbers), and OpenPose's pupils.
FACE_PAIRS = [
    *((k, 16 - k) for k in range(8)), *((k, 43 - k) for k in range(17, 22)), (31, 35), (32, 34),
    (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46), (48, 54), (49, 53), (50, 52),
    (58, 56), (59, 55), (60, 64), (61, 63), (67, 65), (68, 69),
]  # fmt: skip


def person(seed=0, centre=(320, 240), size=100):
    """Lists of a person of whom everything was found, as {key: (points, 3)}."""
    rng = np.random.default_rng(seed)
    return {
        key: np.column_stack(
            [
                rng.normal(centre, size / 4, (points, 2)).clip(1, 2000),
                rng.uniform(0.2, 0.9, points),
            ]
        ).round(3)
        for key, points in KEYS.items()
    }


def moved(lists, x, y=0):
    return {
        key: np.where(part[:, 2:] > 0, part + np.array((x, y, 0)), 0) for key, part in lists.items()
    }


def write_frame(folder, number, people, video="0001", version=1.3, **more):
    """One file; version 1.3 carries person_id and the empty lists of 3-D keypoints."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for lists in people:
        entry = {key: part.ravel().tolist() for key, part in lists.items()}
        if version == 1.3:
            entry = {"person_id": [-1], **entry, "pose_keypoints_3d": [], "face_keypoints_3d": []}
        entries.append({**entry, **more})
    name = f"{video}_{number:012d}_keypoints.json" if video else f"{number:012d}_keypoints.json"
    (folder / name).write_text(json.dumps({"version": version, "people": entries}))


def one(source, **options):
    (pose,) = read_openpose_json(source, ImportOptions(**options))
    return pose


def flat(lists):
    return np.concatenate([lists[key] for key in KEYS])


@pytest.mark.parametrize("version", [1.2, 1.3])
def test_numbers_arrive_and_what_was_not_found_is_missing(tmp_path, version):
    lists = person()
    lists["hand_left_keypoints_2d"][:] = 0
    lists["pose_keypoints_2d"][4] = (0, 0, 0)
    lists["face_keypoints_2d"][3] = (50, 60, 0)  # a place without confidence is no place
    lists["hand_right_keypoints_2d"][7, 2] = 1.04  # as OpenPose now and then writes
    for number in range(3):
        write_frame(tmp_path, number, [lists], version=version)
    pose = one(tmp_path, fps=25, frame_size=(640, 480))
    sequence = pose.sequence
    expected = flat(lists)
    seen = expected[:, 2] > 0
    assert pose.video_id == "0001"
    np.testing.assert_array_equal(sequence.detected, np.tile(seen, (3, 1)))
    np.testing.assert_allclose(sequence.keypoints[1][seen], expected[seen, :2], rtol=1e-6)
    np.testing.assert_allclose(sequence.scores[2], np.minimum(expected[:, 2], 1) * seen, rtol=1e-6)
    assert (sequence.unit, sequence.time_source, sequence.frame_size) == (
        "pixel", "rate", (640, 480),
    )  # fmt: skip
    assert sequence.time.tolist() == [0, 0.04, 0.08]
    assert set(sequence.ledger) == {int(FrameFlag.IMPORTED)}


def test_the_order_is_that_of_the_names(tmp_path):
    """Each keypoint of the skeleton means what OpenPose's documentation says of its place."""
    write_frame(tmp_path, 0, [person()])
    names = one(tmp_path).sequence.skeleton.keypoints
    sides = {"L": "left_", "R": "right_"}
    for name, ours in zip(BODY, names, strict=False):
        side = sides.get(name[0], "") if name[1:2].isupper() else ""
        assert ours.startswith(side)
        assert ours.replace("_", "").endswith(name.lower()[1 if side else 0 :])
    assert all(name.startswith("left_") for name in names[95:116])
    assert all(name.startswith("right_") for name in names[116:137])


def mirrored(lists, width):
    """The files that OpenPose would write of the mirrored picture: sides by its documentation."""
    flipped = {key: part.copy() for key, part in lists.items()}
    body, face = flipped["pose_keypoints_2d"], flipped["face_keypoints_2d"]
    for i, name in enumerate(BODY):
        other = {"L": "R", "R": "L"}.get(name[0], "") + name[1:]
        if name[1].isupper():
            body[i] = lists["pose_keypoints_2d"][BODY.index(other)]
    for a, b in FACE_PAIRS:
        face[[a, b]] = lists["face_keypoints_2d"][[b, a]]
    flipped["hand_left_keypoints_2d"] = lists["hand_right_keypoints_2d"].copy()
    flipped["hand_right_keypoints_2d"] = lists["hand_left_keypoints_2d"].copy()
    for part in flipped.values():
        found = part[:, 2] > 0
        part[found, 0] = width - 1 - part[found, 0]
    return flipped


def test_a_mirrored_file_is_the_mirrored_sequence(tmp_path):
    lists = person(4)
    lists["hand_left_keypoints_2d"][5:] = 0
    lists["pose_keypoints_2d"][4] = 0
    write_frame(tmp_path / "a", 0, [lists])
    write_frame(tmp_path / "b", 0, [mirrored(lists, 640)])
    a, b = (one(tmp_path / name, frame_size=(640, 480)).sequence for name in "ab")
    image = mirror(a)
    np.testing.assert_allclose(b.keypoints, image.keypoints, rtol=1e-5)
    np.testing.assert_array_equal(b.scores, image.scores)
    np.testing.assert_allclose(mirror(image).keypoints, a.keypoints, rtol=1e-5)
    assert not np.array_equal(a.scores, b.scores)


def test_a_missing_number_is_a_failed_frame_and_row_k_is_frame_k(tmp_path):
    for number in (2, 3, 6):
        write_frame(tmp_path, number, [moved(person(), number)])
    write_frame(tmp_path, 7, [])
    sequence = one(tmp_path, fps=10).sequence
    failed, imported = int(FrameFlag.FAILED), int(FrameFlag.IMPORTED)
    nobody = imported | int(FrameFlag.NO_PERSON)
    assert sequence.ledger.tolist() == [failed] * 2 + [imported] * 2 + [failed] * 2 + [
        imported,
        nobody,
    ]
    assert sequence.time.tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert not sequence.detected[[0, 1, 4, 5, 7]].any()
    step = sequence.keypoints[6] - sequence.keypoints[2]
    np.testing.assert_allclose(step, np.tile([4, 0], (137, 1)), atol=1e-3)


def test_one_of_two_people_is_followed_in_whatever_order_they_stand(tmp_path):
    big, small = person(1, (300, 240), 160), person(2, (560, 240), 50)
    for number in range(12):
        both = [moved(big, number), moved(small, -number)]
        write_frame(tmp_path, number, both[:: -1 if number % 3 else 1])
    sequence = one(tmp_path, frame_size=(640, 480)).sequence
    expected = np.stack([flat(moved(big, number))[:, :2] for number in range(12)])
    np.testing.assert_allclose(sequence.keypoints, expected, rtol=1e-5)
    assert (sequence.ledger & int(FrameFlag.SEVERAL_PEOPLE)).all()
    assert not (sequence.ledger & int(FrameFlag.SUBJECT_SWITCHED)).any()


def test_another_person_in_the_subjects_place_is_never_silent(tmp_path):
    for number in range(10):
        write_frame(tmp_path, number, [person(1, (200, 240))])
    for number in range(10, 20):
        write_frame(tmp_path, number, [person(2, (900, 240))])
    sequence = one(tmp_path).sequence
    switched = np.flatnonzero(sequence.ledger & int(FrameFlag.SUBJECT_SWITCHED))
    assert switched.tolist() == [10]


def test_a_crowd_keeps_the_subject(tmp_path):
    crowd = [person(9 + k, (60 + 45 * k, 400), 20) for k in range(30)]
    for number in range(4):
        write_frame(tmp_path, number, [*crowd, moved(person(1, (300, 240), 200), number)])
    sequence = one(tmp_path).sequence
    np.testing.assert_allclose(
        sequence.keypoints[3], flat(moved(person(1, (300, 240), 200), 3))[:, :2], rtol=1e-5
    )


def test_parts_that_were_not_asked_for_are_missing(tmp_path):
    lists = person()
    body = {"pose_keypoints_2d": lists["pose_keypoints_2d"]}
    write_frame(tmp_path / "absent", 0, [body])
    empty = {key: [] for key in KEYS if key not in body}
    write_frame(tmp_path / "empty", 0, [body], **empty)
    for name in ("absent", "empty"):
        detected = one(tmp_path / name).sequence.detected
        assert detected[:, :25].all()
        assert not detected[:, 25:].any()


def test_videos_in_one_folder_or_a_folder_each(tmp_path):
    lists = [person()]
    write_frame(tmp_path / "x", 0, lists, "clip_A")
    write_frame(tmp_path / "x", 1, lists, "clip_A")
    write_frame(tmp_path / "x", 0, lists, "clip b")
    write_frame(tmp_path / "0007", 0, lists, "0007")
    write_frame(tmp_path / "camera 1", 0, lists, "")
    write_frame(tmp_path / "y", 0, lists, "视频一")
    write_frame(tmp_path / "y", 0, lists, "视频二")
    poses = list(read_openpose_json(tmp_path))
    ids = [p.video_id for p in poses]
    assert ids[:4] == ["0007", "camera_1", "x_clip_b", "x_clip_a"]
    assert len(set(ids)) == 6
    assert {len(p.sequence) for p in poses if p.video_id == "x_clip_a"} == {2}


def bad_bytes(path):
    path.write_bytes(b'{"version": 1.3, "peo')


def bad_people(path):
    path.write_text('{"people": 5}')


def bad_nesting(path):
    path.write_text('{"people": ' + "[" * 100_000)


def bad_length(path):
    write_frame(path.parent, 3, [{**person(), "face_keypoints_2d": np.ones((68, 3))}])


def bad_word(path):
    write_frame(path.parent, 3, [person()], hand_left_keypoints_2d=["x"] * 63)


def bad_nan(path):
    lists = person()
    lists["pose_keypoints_2d"][0, 0] = np.nan
    write_frame(path.parent, 3, [lists])


def bad_infinity(path):
    lists = person()
    lists["pose_keypoints_2d"][0, 2] = np.inf
    write_frame(path.parent, 3, [lists])


def bad_huge(path):
    lists = person()
    lists["pose_keypoints_2d"][0, 0] = 1e300
    write_frame(path.parent, 3, [lists])


def bad_confidence(path):
    lists = person()
    lists["pose_keypoints_2d"][0, 2] = -0.5
    write_frame(path.parent, 3, [lists])


def bad_coco(path):
    write_frame(path.parent, 3, [{"pose_keypoints_2d": np.ones((18, 3))}])


def bad_numbering(path):
    write_frame(path.parent, 10**11, [person()])


def bad_size(path):
    path.write_bytes(b" " * (5 * 2**20))


BAD = {
    bad_bytes: "people", bad_people: "people", bad_nesting: "people", bad_length: "210",
    bad_word: "numbers", bad_nan: "finite", bad_infinity: "finite", bad_huge: "out of range",
    bad_confidence: "out of range", bad_coco: "BODY_25", bad_numbering: "numbered",
    bad_size: "one frame",
}  # fmt: skip


@pytest.mark.parametrize("spoil", BAD, ids=lambda f: f.__name__)
def test_a_bad_file_costs_its_video_only(tmp_path, spoil):
    source, out = tmp_path / "in", tmp_path / "out"
    for video in ("0001", "0002", "0003"):
        for number in range(5):
            write_frame(source / video, number, [person()], video)
    spoil(source / "0001" / "0001_000000000003_keypoints.json")
    with pytest.raises(InputError, match="1 of 3 sequences") as caught:
        import_poses(source, "openpose-json", out)
    assert BAD[spoil] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0001_" in str(caught.value)
    assert list(PoseStore(out)) == ["0002", "0003"]


def test_relative_coordinates_are_refused(tmp_path):
    lists = {key: part * (1 / 2000, 1 / 2000, 1) for key, part in person().items()}
    write_frame(tmp_path, 0, [lists])
    (failed,) = read_openpose_json(tmp_path)
    assert isinstance(failed, FailedImport)
    assert "--keypoint_scale 0" in failed.error


def test_whatever_stands_in_a_file_is_read_or_refused(tmp_path):
    """Bytes changed at random never end in anything but poses or one line."""
    rng = np.random.default_rng(5)
    write_frame(tmp_path, 0, [person(), person(1)])
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    outcomes = set()
    for _ in range(200):
        spoiled = content.copy()
        for at in rng.integers(len(content), size=rng.integers(1, 4)):
            spoiled[at] = rng.choice(list(b'0123456789-+.eE{}[],:"nultrNaI \n\0\xff'))
        path.write_bytes(spoiled)
        (found,) = read_openpose_json(tmp_path)
        outcomes.add(type(found))
        assert "\n" not in getattr(found, "error", "")
    assert outcomes == {ImportedPose, FailedImport}


@pytest.mark.shared
def test_the_real_sequence(real_data):
    source = real_data / "format-samples" / "openpose-json" / "sequence_reserialised"
    pose = one(source)
    sequence = convert(pose.sequence, UPPER_BODY_HANDS_FACE)
    assert (pose.video_id, len(sequence)) == ("video", 93)
    at = {name: sequence.keypoints[:, i] for i, name in enumerate(sequence.skeleton.keypoints)}
    assert (at["left_shoulder"] - at["right_shoulder"])[:, 0].min() > 0
    for side, other in (("left", "right"), ("right", "left")):
        root = at[f"{side}_hand_root"]
        own = np.linalg.norm(at[f"{side}_wrist"] - root, axis=-1)
        crossed = np.linalg.norm(at[f"{other}_wrist"] - root, axis=-1)
        both = np.isfinite(own) & np.isfinite(crossed)
        assert both.sum() > 40
        assert np.mean(own[both] < crossed[both]) > 0.95
    eyes = at["left_eye_corner_outer"] - at["right_eye_corner_outer"]
    assert np.nanmin(eyes[:, 0]) > 0


@pytest.mark.shared
def test_the_real_single_frame(real_data, tmp_path):
    sample = next((real_data / "format-samples/openpose-json/spin").rglob("*.json"))
    shutil.copy(sample, tmp_path / "im1010_000000000000_keypoints.json")
    lists = json.loads(sample.read_text())["people"][0]
    expected = np.concatenate([np.reshape(lists[key], (-1, 3)) for key in KEYS])
    sequence = one(tmp_path).sequence
    np.testing.assert_array_equal(sequence.detected[0], expected[:, 2] > 0)
    np.testing.assert_allclose(
        sequence.keypoints[0][sequence.detected[0]],
        expected[expected[:, 2] > 0, :2],
        rtol=1e-6,
    )
