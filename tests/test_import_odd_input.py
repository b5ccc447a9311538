"""Values and files that no tool should write: each costs one line and its own sequence, no more."""

import io
import json
import math
import pickle
import zipfile

import numpy as np
import pytest

from mgpose.io import PoseStore, read_annotations
from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import ImportOptions
from mgpose.structures import InputError

RNG = np.random.default_rng(0)


def refused(source, format, out, match):
    """The import fails in one line; returns the ids that it stored all the same."""
    with pytest.raises(InputError, match=match) as error:
        import_poses(source, format, out)
    assert "\n" not in str(error.value)
    return list(PoseStore(out)) if out.exists() else []


def npz(path, **changes):
    kp = RNG.uniform(0.1, 0.9, (2, 5, 75, 3)).astype(np.float32)
    arrays = {
        "kp": kp,
        "score": np.ones((2, 5, 75), np.float16),
        "label": np.array(["a", "a"]),
        "seq": np.arange(2),
    }
    np.savez(path, **(arrays | changes))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"kp": np.zeros((2, 0, 75, 3)), "score": np.zeros((2, 0, 75))},
        {"kp": np.zeros((0, 5, 75, 3)), "score": np.zeros((0, 5, 75)), "label": [], "seq": []},
        {"kp": np.full((2, 5, 75, 3), "x")},
        {"kp": np.full((2, 5, 75, 3), 1j)},
        {"label": np.array("a")},
        {"label": np.array(["a", ""])},
        {"seq": np.array(["x", "y"])},
        {"seq": np.array([np.nan, 1.0])},
    ],
)
def test_odd_npz_sets_are_one_line(tmp_path, changes):
    assert (
        refused(npz(tmp_path / "p01.npz", **changes), "mediapipe-npz", tmp_path / "o", "p01") == []
    )


@pytest.mark.parametrize("key", ["kp", "score"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_costs_its_sequence_only(tmp_path, key, value):
    array = RNG.uniform(0.1, 0.9, (2, 5, 75, 3)[: 4 if key == "kp" else 3])
    array[0, 1, 2] = value
    source = npz(tmp_path / "p01.npz", **{key: array})
    stored = refused(source, "mediapipe-npz", tmp_path / "o", "1 of 2 .* expected finite")
    assert stored == ["p01_a_001"]


def test_an_empty_npz_is_one_line(tmp_path):
    (tmp_path / "p01.npz").touch()
    assert refused(tmp_path, "mediapipe-npz", tmp_path / "o", "expected a plain .npz") == []


def test_labels_in_other_scripts_stay_apart(tmp_path):
    npz(tmp_path / "p01.npz", label=np.array(["감사", "안녕"]), seq=np.zeros(2, int))
    assert import_poses(tmp_path / "p01.npz", "mediapipe-npz", tmp_path / "o") == 2
    labels = {a.label for a in read_annotations(tmp_path / "o" / "annotations.csv")}
    assert labels == {"감사", "안녕"}


def archive():
    """The bytes of an .npz, which NumPy also loads from a file called .npy."""
    content = io.BytesIO()
    np.savez(content, a=np.zeros(3))
    return content.getvalue()


@pytest.mark.parametrize("name", ["0.npy", "2.npy"])
def test_an_archive_called_npy_is_no_array(tmp_path, name):
    source = tmp_path / "in"
    for sequence in ("good", "bad"):
        (source / "hello" / sequence).mkdir(parents=True)
        np.save(source / "hello" / sequence / "1.npy", np.full(1662, 0.5))
    (source / "hello" / "bad" / name).write_bytes(archive())
    stored = refused(source, "mediapipe-1662", tmp_path / "o", "expected a plain .npy")
    assert stored == ["hello_good"]
    (tmp_path / "x_data.npy").write_bytes(archive())
    refused(tmp_path / "x_data.npy", "stgcn-npy", tmp_path / "p", "expected a plain .npy")


@pytest.mark.parametrize(
    ("frames", "match"),
    [({0: 0.5, 10**10: 0.5}, "numbered one after the other"), ({0: 1e39}, "finite numbers")],
)
def test_odd_frames_of_a_folder(tmp_path, frames, match):
    folder = tmp_path / "in" / "hello" / "0"
    folder.mkdir(parents=True)
    for number, value in frames.items():
        np.save(folder / f"{number}.npy", np.full(1662, value))
    assert refused(tmp_path / "in", "mediapipe-1662", tmp_path / "o", match) == []


def ucla(folder, camera, **changes):
    name = f"a01_s01_e00_v{camera:02d}"
    record = {"file_name": name, "label": 1, "skeletons": RNG.normal(size=(5, 20, 3)).tolist()}
    (folder / f"{name}.json").write_text(json.dumps(record | changes))


@pytest.mark.parametrize("changes", [{"label": math.inf}, {"skeletons": [[[1e300] * 3] * 20]}])
def test_odd_numbers_in_nw_ucla(tmp_path, changes):
    ucla(tmp_path, 1, **changes)
    ucla(tmp_path, 2)
    stored = refused(tmp_path, "nw-ucla", tmp_path / "o", "1 of 2 .*a01_s01_e00_v01")
    assert stored == ["a01_s01_e00_v02"]


@pytest.mark.parametrize("spoil", ["folder", "broken link"])
def test_a_file_that_cannot_be_opened_costs_itself_only(tmp_path, spoil):
    bad = tmp_path / "a01_s01_e00_v01.json"
    bad.mkdir() if spoil == "folder" else bad.symlink_to(tmp_path / "nothing")
    ucla(tmp_path, 2)
    stored = refused(tmp_path, "nw-ucla", tmp_path / "o", "1 of 2 .*a01_s01_e00_v01")
    assert stored == ["a01_s01_e00_v02"]


def test_the_set_is_read_as_it_is_handed_out(tmp_path):
    ucla(tmp_path, 1)
    with zipfile.ZipFile(tmp_path / "all_sqe.zip", "w") as archive:
        archive.write(tmp_path / "a01_s01_e00_v01.json", "all_sqe/a01_s01_e00_v01.json")
    (tmp_path / "a01_s01_e00_v01.json").unlink()
    assert import_poses(tmp_path, "nw-ucla", tmp_path / "o") == 1


PERSON = {"keypoints": RNG.uniform(1, 300, (133, 2)).tolist(), "keypoint_scores": [0.9] * 133}
COCO = {"image_id": 1, "keypoints": [1.0] * 51}


@pytest.mark.parametrize(
    "content",
    [
        {"instance_info": []},
        {"instance_info": [{"frame_id": math.inf, "instances": [PERSON]}]},
        {"images": [{"id": 1, "width": -5, "height": 0}], "annotations": [COCO]},
    ],
)
def test_odd_keypoint_json_is_one_line(tmp_path, content):
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert refused(tmp_path / "a.json", "wholebody-json", tmp_path / "o", "a.json") == []


def test_meta_data_of_another_form_are_passed_over(tmp_path):
    content = {"meta_info": [1], "instance_info": [{"frame_id": 0, "instances": [PERSON]}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert import_poses(tmp_path / "a.json", "wholebody-json", tmp_path / "o") == 1


def pyskl(path, split=None, **changes):
    clips = [
        {
            "frame_dir": name,
            "label": 0,
            "img_shape": (480, 640),
            "total_frames": 4,
            "keypoint": RNG.uniform(1, 400, (1, 4, 17, 2)),
            "keypoint_score": np.ones((1, 4, 17)),
        }
        for name in ("bad", "good")
    ]
    clips[0] |= changes
    path.write_bytes(pickle.dumps({"split": split or {}, "annotations": clips}))
    return path


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"img_shape": (0, 0)}, "width and height"),
        ({"img_shape": (-4, 3)}, "width and height"),
        ({"label": "walk"}, "number of its class"),
        ({"label": [0, 3]}, "number of its class"),
        ({"split": {"a;b=c_train": ["bad"]}}, "cannot hold '=' or ';'"),
    ],
)
def test_odd_values_of_a_clip(tmp_path, changes, match):
    out = tmp_path / "o"
    assert refused(pyskl(tmp_path / "a.pkl", **changes), "pyskl", out, match) == ["good"]
    assert [a.video for a in read_annotations(out / "annotations.csv")] == ["good"]


def test_class_names_that_a_windows_editor_saved(tmp_path):
    names = tmp_path / "names.txt"
    names.write_bytes("\ufeffwalk\r\nrun\r\n".encode())
    import_poses(pyskl(tmp_path / "a.pkl"), "pyskl", tmp_path / "o", ImportOptions(labels=names))
    labels = {a.label for a in read_annotations(tmp_path / "o" / "annotations.csv")}
    assert labels == {"walk"}
