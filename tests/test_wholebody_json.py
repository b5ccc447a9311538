"""Keypoint JSON of MMPose, AlphaPose and COCO, written here from their descriptions."""

import json

import numpy as np
import pytest

from mgpose.io import PoseStore
from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.io.importers.wholebody_json import read_wholebody_json
from mgpose.structures import (
    SKELETONS,
    UPPER_BODY_HANDS_FACE,
    FrameFlag,
    InputError,
    convert,
    mirror,
)

WIDTH, HEIGHT = 640, 480
LENGTHS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21,
           "righthand_kpts": 21}  # fmt: skip


def people(frames=5, points=133, seed=0):
    """(T, 2, V, 3): a large person, and a small one further right; x, y, score."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(50, 300, (1, 1, points, 2))
    xy = np.concatenate([body, 0.2 * body + 400], axis=1) + rng.normal(0, 1, (frames, 2, points, 2))
    return np.concatenate([xy, rng.uniform(0.2, 1, (frames, 2, points, 1))], -1).astype(np.float32)


def instance(person):
    x0, y0 = person[:, :2].min(0)
    x1, y1 = person[:, :2].max(0)
    return {
        "keypoints": person[:, :2].tolist(),
        "keypoint_scores": person[:, 2].tolist(),
        "bbox": [[float(x0), float(y0), float(x1), float(y1)]],
        "bbox_score": 0.9,
    }


def frames_of(array, base=0, which=(1, 0)):
    return [
        {"frame_id": base + n, "instances": [instance(frame[m]) for m in which]}
        for n, frame in enumerate(array)
    ]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def read_one(path, options=None):
    (pose,) = read_wholebody_json(path, *([options] if options else []))
    return pose


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("wrapped", [False, True])
def test_video_predictions_of_mmpose(tmp_path, base, wrapped):
    array = people()
    content = frames_of(array, base)
    if wrapped:
        names = dict(enumerate(SKELETONS["wholebody_133"].keypoints[:23]))
        meta = {"dataset_name": "coco_wholebody", "keypoint_id2name": names}
        content = {"meta_info": meta, "instance_info": content}
    pose = read_one(write(tmp_path / "p01.json", content), ImportOptions(25, (WIDTH, HEIGHT)))
    sequence = pose.sequence
    assert (pose.video_id, sequence.skeleton.name, len(sequence)) == ("p01", "wholebody_133", 5)
    np.testing.assert_array_equal(sequence.keypoints, array[:, 0, :, :2])
    np.testing.assert_array_equal(sequence.scores, array[:, 0, :, 2])
    np.testing.assert_allclose(sequence.time, np.arange(5) / 25)
    assert (sequence.unit, sequence.frame_size) == ("pixel", (WIDTH, HEIGHT))
    assert (sequence.ledger & FrameFlag.SEVERAL_PEOPLE).all()


def test_frames_without_people_and_frames_that_are_missing(tmp_path):
    content = frames_of(people(6), which=(0,))
    content[2]["instances"] = []
    del content[4]
    sequence = read_one(write(tmp_path / "a.json", content)).sequence
    assert len(sequence) == 6
    assert sequence.ledger[2] == FrameFlag.IMPORTED | FrameFlag.NO_PERSON
    assert sequence.ledger[4] == FrameFlag.FAILED
    assert sequence.detected.any(1).tolist() == [True, True, False, True, False, True]


def test_zeros_without_scores_are_no_pose_in_the_corner(tmp_path):
    content = frames_of(people(4), which=(0,))
    for frame in content:
        del frame["instances"][0]["keypoint_scores"]
    content[1]["instances"][0]["keypoints"] = [[0, 0]] * 133
    content[2]["instances"][0]["keypoints"][9] = [0.0, 0.0]
    sequence = read_one(write(tmp_path / "a.json", content)).sequence
    expected = np.ones((4, 133), bool)
    expected[1] = False
    expected[2, 9] = False
    np.testing.assert_array_equal(sequence.detected, expected)


def test_predictions_for_a_picture_are_one_frame(tmp_path):
    array = people(1)
    write(tmp_path / "a.json", [instance(p) for p in array[0]])
    sequence = read_one(tmp_path).sequence
    np.testing.assert_array_equal(sequence.keypoints[0], array[0, 0, :, :2])
    assert len(sequence) == 1


def test_results_of_alphapose_are_one_video(tmp_path):
    array = people(6, points=136)
    results = [
        {"image_id": f"{n}.jpg", "category_id": 1, "keypoints": array[n, m].ravel().tolist(),
         "score": 2.5, "box": [0, 0, 1, 1], "idx": m}
        for n in (1, 2, 5)
        for m in (0, 1)
    ]  # fmt: skip
    sequence = read_one(write(tmp_path / "a.json", results)).sequence
    assert sequence.skeleton.name == "halpe_136"
    rows = [0, 1, 4]  # numbered from 1
    np.testing.assert_array_equal(sequence.keypoints[rows], array[[1, 2, 5], 0, :, :2])
    assert (sequence.ledger[[2, 3]] == FrameFlag.IMPORTED | FrameFlag.NO_PERSON).all()


def coco(array, film=False):
    images, annotations = [], []
    for n, frame in enumerate(array):
        images.append({"id": 100 + n, "width": WIDTH, "height": HEIGHT, "file_name": f"{n}.jpg"})
        if film:
            images[-1] |= {"video_id": 7, "frame_id": n}
        for m, person in enumerate(frame):
            flat, first = {}, 0
            for key, length in LENGTHS.items():
                flat[key] = person[first : first + length].ravel().tolist()
                first += length
            annotations.append({"id": 10 * n + m, "image_id": 100 + n, **flat})
    return {"images": images, "annotations": annotations, "categories": []}


def test_images_of_coco_are_pictures_unless_they_tell_a_video(tmp_path):
    array = people(3)
    array[..., 2] = np.random.default_rng(0).choice([0, 1, 2], array.shape[:3])
    array[array[..., 2] == 0] = 0  # not labelled: zeros, as COCO writes them
    stills = list(read_wholebody_json(write(tmp_path / "still.json", coco(array))))
    assert [p.video_id for p in stills] == ["still_100", "still_101", "still_102"]
    film = read_one(write(tmp_path / "film.json", coco(array, film=True)))
    assert (film.video_id, len(film.sequence)) == ("film_7", 3)
    for n, pose in enumerate(stills):
        seen = array[n, 0, :, 2] > 0
        np.testing.assert_array_equal(pose.sequence.detected[0], seen)
        np.testing.assert_array_equal(pose.sequence.scores[0], seen)
        np.testing.assert_array_equal(pose.sequence.keypoints[0], film.sequence.keypoints[n])
        assert pose.sequence.frame_size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("points", [17, 133, 136])
def test_left_and_right_stay(tmp_path, points):
    name = {17: "coco_17", 133: "wholebody_133", 136: "halpe_136"}[points]
    array = people(points=points)
    other = array[:, :, SKELETONS[name].mirror_permutation].copy()
    other[..., 0] = WIDTH - 1 - other[..., 0]
    options = ImportOptions(frame_size=(WIDTH, HEIGHT))
    plain = read_one(write(tmp_path / "a.json", frames_of(array)), options)
    mirrored = read_one(write(tmp_path / "b.json", frames_of(other)), options)
    again = mirror(plain.sequence)
    np.testing.assert_allclose(mirrored.sequence.keypoints, again.keypoints, atol=1e-3)
    np.testing.assert_array_equal(mirrored.sequence.scores, again.scores)


def test_names_that_contradict_the_layout_fail(tmp_path):
    content = {
        "meta_info": {"keypoint_id2name": {"5": "right_shoulder"}},
        "instance_info": frames_of(people()),
    }
    failed = read_one(write(tmp_path / "a.json", content))
    assert "keypoint 5 is called 'right_shoulder'" in failed.error


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        3,
        [1],
        {"instance_info": [{"frame_id": 0}]},
        {"instance_info": [{"frame_id": 0, "instances": [{"keypoints": [[1]]}]}]},
        [{"frame_id": 0, "instances": []}],
        [{"frame_id": 0, "instances": []}] * 2,
        [{"frame_id": -1, "instances": [instance(people()[0, 0])]}],
        [{"frame_id": 10**9, "instances": [instance(people()[0, 0])]}],
        [{"image_id": 1, "keypoints": [1, 2, 3, 4]}],
        frames_of(people(points=21)),
        [*frames_of(people(1)), *frames_of(people(1, points=17), base=1)],
        {"images": [{"id": 1}], "annotations": []},
        {"images": [], "annotations": [{"image_id": 1, "keypoints": []}]},
    ],
)
def test_other_content_is_one_line(tmp_path, content):
    failed = read_one(write(tmp_path / "a.json", content))
    assert isinstance(failed, FailedImport)
    assert "a.json" in failed.error
    assert "\n" not in failed.error


def test_a_bad_file_costs_itself_only(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.json").write_text("{")
    write(source / "b.json", frames_of(people()))
    with pytest.raises(InputError):
        import_poses(source, "wholebody-json", out)
    assert list(PoseStore(out)) == ["b"]


@pytest.mark.shared
@pytest.mark.parametrize(("folder", "layout"), [("coco", "wholebody_133"), ("halpe", "halpe_136")])
def test_real_annotations(real_data, folder, layout):
    source = real_data / "format-samples/coco-wholebody/tests/data" / folder
    poses = list(read_wholebody_json(source))
    assert len(poses) == 4
    assert {p.sequence.skeleton.name for p in poses} == {layout}
    several = [bool(p.sequence.ledger[0] & FrameFlag.SEVERAL_PEOPLE) for p in poses]
    assert several == [False, True, True, True]
    met = 0
    for pose in poses:
        sequence = convert(pose.sequence, UPPER_BODY_HANDS_FACE)
        at = dict(zip(sequence.skeleton.keypoints, sequence.keypoints[0], strict=True))
        for side, other in (("left", "right"), ("right", "left")):
            root = at[f"{side}_hand_root"]
            own, crossed = (np.linalg.norm(root - at[f"{s}_wrist"]) for s in (side, other))
            if np.isfinite(own):
                met += 1
                assert not own > crossed
    assert met >= 3
