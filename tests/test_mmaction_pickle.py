"""PYSKL / MMAction2 pickles and MA-52, written here from the published description."""

import pickle

import numpy as np
import pytest

from mgpose.io import PoseStore, read_annotations
from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.io.importers.ma52 import MICRO_ACTIONS, body_part, read_ma52
from mgpose.io.importers.mmaction_pickle import read_mmaction_pickle
from mgpose.structures import (
    SKELETONS,
    UPPER_BODY_HANDS_FACE,
    FrameFlag,
    InputError,
    convert,
    mirror,
)

HEIGHT, WIDTH = 360, 640


def entry(name, label=0, people=1, frames=6, points=17, dims=2, seed=0, score=True, **other):
    rng = np.random.default_rng(seed)
    keypoint = rng.uniform(20, 340, (1, 1, points, dims)) + rng.normal(
        0, 1, (people, frames, points, dims)
    )
    keypoint += 200 * np.arange(people)[:, None, None, None]
    record = {
        "frame_dir": name,
        "label": label,
        "img_shape": (HEIGHT, WIDTH),
        "original_shape": (HEIGHT, WIDTH),
        "total_frames": frames,
        "keypoint": keypoint.astype(np.float16),
    }
    if score:
        record["keypoint_score"] = rng.uniform(0.2, 1, keypoint.shape[:3]).astype(np.float16)
    return {**record, **other}


def write(folder, entries, split=None, name="poses.pkl", bare=False):
    content = entries if bare else {"split": split or {}, "annotations": entries}
    (folder / name).write_bytes(pickle.dumps(content))
    return folder / name


def test_a_clip_is_read_as_it_was_written(tmp_path):
    one = entry("v1", label=3)
    (pose,) = read_mmaction_pickle(write(tmp_path, [one]))
    sequence = pose.sequence
    assert (sequence.skeleton.name, sequence.unit) == ("coco_17", "pixel")
    assert sequence.frame_size == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(sequence.keypoints, one["keypoint"][0].astype(np.float32))
    np.testing.assert_array_equal(sequence.scores, one["keypoint_score"][0].astype(np.float32))
    assert sequence.time.tolist() == list(range(6))
    (annotation,) = pose.annotations
    assert (annotation.label, annotation.subject) == ("3", "unknown")
    assert (annotation.start, annotation.stop, annotation.unit) == (0, 6, "frame")


def test_zeros_are_missing_and_never_a_pose_in_the_corner(tmp_path):
    one = entry("v1")
    one["keypoint"][0, 2, 5] = 0
    one["keypoint_score"][0, 2, 5] = 0
    one["keypoint"][0, 4] = 0
    one["keypoint_score"][0, 4] = 0
    (pose,) = read_mmaction_pickle(write(tmp_path, [one]))
    expected = np.ones((6, 17), bool)
    expected[2, 5] = False
    expected[4] = False
    np.testing.assert_array_equal(pose.sequence.detected, expected)
    assert pose.sequence.ledger[4] & FrameFlag.NO_PERSON
    # Centred or scaled later, a missing point stays missing.
    assert not convert(pose.sequence, UPPER_BODY_HANDS_FACE).detected[4].any()


def test_an_absent_second_person_of_zeros_is_nobody(tmp_path):
    """Depth cameras give no scores: NTU's arrays fill up the second person with zeros."""
    one = entry("v1", people=2, points=25, dims=3, score=False)
    one["keypoint"][1] = 0
    one["keypoint"][0, 3] = 0
    (pose,) = read_mmaction_pickle(write(tmp_path, [one]))
    assert not (pose.sequence.ledger & FrameFlag.SEVERAL_PEOPLE).any()
    assert pose.sequence.detected.all(1).tolist() == [True] * 3 + [False] + [True] * 2


@pytest.mark.parametrize(
    ("points", "dims", "name", "unit"),
    [
        (17, 2, "coco_17", "pixel"),
        (133, 2, "wholebody_133", "pixel"),
        (136, 2, "halpe_136", "pixel"),
        (25, 3, "kinect_25", "metre"),
        (20, 3, "kinect_20", "metre"),
    ],
)
def test_the_number_of_keypoints_tells_the_layout(tmp_path, points, dims, name, unit):
    one = entry("v1", points=points, dims=dims, score=dims == 2)
    (pose,) = read_mmaction_pickle(write(tmp_path, [one]))
    sequence = pose.sequence
    assert (sequence.skeleton.name, sequence.unit) == (name, unit)
    assert sequence.keypoints.shape[2] == dims
    assert (sequence.frame_size is None) == (unit == "metre")


def test_other_layouts_must_be_told(tmp_path):
    source = write(tmp_path, [entry("v1", points=25)])
    (failed,) = read_mmaction_pickle(source)
    assert "give --skeleton" in failed.error
    (pose,) = read_mmaction_pickle(source, ImportOptions(skeleton="kinect_25", fps=30))
    assert pose.sequence.skeleton is SKELETONS["kinect_25"]
    assert pose.sequence.time[3] == pytest.approx(0.1)
    (failed,) = read_mmaction_pickle(source, ImportOptions(skeleton="no_such"))
    assert "no_such" in failed.error


def test_left_and_right_stay(tmp_path):
    """A mirrored recording read is the recording read and then mirrored."""
    one = entry("v1", points=133)
    other = {**one, "frame_dir": "v2", "keypoint": one["keypoint"].astype(np.float32)}
    order = SKELETONS["wholebody_133"].mirror_permutation
    other["keypoint"] = other["keypoint"][:, :, order]
    other["keypoint"][..., 0] = WIDTH - 1 - other["keypoint"][..., 0]
    other["keypoint_score"] = one["keypoint_score"][:, :, order]
    plain, mirrored = read_mmaction_pickle(write(tmp_path, [one, other]))
    again = mirror(plain.sequence)
    np.testing.assert_allclose(mirrored.sequence.keypoints, again.keypoints, atol=1e-3)
    np.testing.assert_array_equal(mirrored.sequence.scores, again.scores)


def test_one_of_several_people_is_followed_and_said(tmp_path):
    one = entry("v1", people=2, frames=20)
    one["keypoint"][1] = (one["keypoint"][1] - 400) * 0.2 + 400  # smaller, and further right
    one["keypoint"][:, ::2] = one["keypoint"][::-1, ::2]  # people change places every other frame
    (pose,) = read_mmaction_pickle(write(tmp_path, [one]))
    spread = np.ptp(pose.sequence.keypoints, axis=1)
    assert spread.min() > 200
    assert (pose.sequence.ledger & FrameFlag.SEVERAL_PEOPLE).all()
    assert not (pose.sequence.ledger & FrameFlag.SUBJECT_SWITCHED).any()


def test_splits_become_groups_and_ntu_tells_who_and_where(tmp_path):
    names = ["S001C002P003R002A007", "S001C003P004R002A008"]
    split = {"xsub_train": names[:1], "xsub_val": names[1:], "train": names}
    entries = [entry(n, points=25, dims=3, score=False) for n in names]
    first, second = read_mmaction_pickle(write(tmp_path, entries, split))
    assert first.video_id == "s001c002p003r002a007"
    assert first.sequence.subject == first.annotations[0].subject == "p003"
    groups = first.annotations[0].groups
    assert groups["camera"] == "c002"
    assert groups["performance"] == "s001p003r002a007"
    assert (groups["xsub"], groups["split"]) == ("train", "train")
    assert second.annotations[0].groups["xsub"] == "val"


def test_a_clip_in_train_and_in_val_is_refused(tmp_path):
    source = write(tmp_path, [entry("v1")], {"train": ["v1"], "val": ["v1"]})
    with pytest.raises(InputError, match=r"'v1' stands both in train and in val"):
        list(read_mmaction_pickle(source))


def test_class_names_and_hidden_labels(tmp_path):
    source = write(tmp_path, [entry("v1", label=1), entry("v2", label=-1)], bare=True)
    names = tmp_path / "names.txt"
    names.write_text("nodding\nshaking head\n")
    first, second = read_mmaction_pickle(source, ImportOptions(labels=names))
    assert first.annotations[0].label == "shaking head"
    assert second.annotations == ()


def test_a_bad_clip_costs_itself_only(tmp_path):
    good = entry("good")
    bad = [
        {**entry("short"), "total_frames": 7},
        {**entry("text"), "keypoint": "zeros"},
        {**entry("infinite"), "keypoint": np.full((1, 6, 17, 2), np.inf, np.float32)},
        {**entry("scores"), "keypoint_score": np.ones((1, 5, 17), np.float32)},
        {**entry("depth", dims=3), "frame_dir": "depth"},
        {**entry("many"), "total_frames": "many"},
        {**entry("shape"), "img_shape": (360,)},
        {"label": 1},
        "nothing",
    ]
    source, out = write(tmp_path, [*bad, good]), tmp_path / "out"
    found = list(read_mmaction_pickle(source))
    assert [isinstance(f, FailedImport) for f in found] == [True] * len(bad) + [False]
    for failed in found[:-1]:
        assert str(source) in failed.error
        assert "\n" not in failed.error
    with pytest.raises(InputError):
        import_poses(source, "pyskl", out)
    assert list(PoseStore(out)) == ["good"]


def test_other_pickles_are_refused(tmp_path):
    for content in (
        {},
        [],
        {"annotations": []},
        3,
        {"split": 1, "annotations": [{}]},
        {"split": {"train": 1}, "annotations": [entry("a")]},
    ):
        (tmp_path / "poses.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match=r"poses\.pkl: "):
            list(read_mmaction_pickle(tmp_path))


@pytest.mark.shared
def test_a_real_list_without_keypoints_says_so(real_data):
    source = real_data / "format-samples" / "pyskl-mmaction2"
    with pytest.raises(InputError, match="its 100 annotations hold no keypoint arrays"):
        list(read_mmaction_pickle(source / "tests/data/annotations/sample.pkl"))


# MA-52

LISTS = {
    "train_list_videos.txt": "0003_01_0001.mp4 9\n0003_05_0002.mp4 41\n",
    "val_list_videos.txt": "0004_00_0002.mp4 2\n",
    "test_list_videos.txt": "0005_06_0001.mp4 -1\n",
}
NAMES = ("0003_01_0001", "0003_05_0002", "0004_00_0002", "0005_06_0001")


def write_ma52(folder, entries=None, lists=LISTS):
    for name, text in lists.items():
        (folder / name).write_text(text)
    return write(folder, entries or [entry(n, label=None) for n in NAMES])


def test_ma52_has_52_actions_in_7_parts():
    assert len(MICRO_ACTIONS) == len(set(MICRO_ACTIONS)) == 52
    parts = [body_part(action) for action in range(52)]
    bounds = [0, *(i for i in range(1, 52) if parts[i] != parts[i - 1]), 52]
    # PROTOCOLS.md section 3: 0-4, 5-10, 11-23, 24-31, 32-37, 38-47, 48-51.
    assert bounds == [0, 5, 11, 24, 32, 38, 48, 52]
    assert len(set(parts)) == 7
    # Names that prove the numbering: each stands in the part that it speaks of.
    for action, part in (
        ("nodding", "head"),
        ("crossing legs", "lower limb"),
        ("arms akimbo", "body-hand"),
        ("touching nose", "head-hand"),
        ("patting legs", "leg-hand"),
    ):
        assert body_part(MICRO_ACTIONS.index(action)) == part


def test_ma52_lists_give_two_tiers_subject_and_split(tmp_path):
    source = write_ma52(tmp_path)
    poses = list(read_ma52(source, ImportOptions(labels=tmp_path)))
    assert [p.video_id for p in poses] == [f"ma52_{n}" for n in NAMES]
    assert [p.sequence.subject for p in poses] == ["0003", "0003", "0004", "0005"]
    labels = [[(a.tier, a.label) for a in p.annotations] for p in poses]
    assert labels == [
        [("gesture", "nodding"), ("body_part", "head")],
        [("gesture", "scratching or touching face"), ("body_part", "head-hand")],
        [("gesture", "shrugging"), ("body_part", "body")],
        [],
    ]
    assert [p.annotations[0].groups["split"] for p in poses[:3]] == ["train", "train", "val"]


def test_ma52_reads_csv_lists_and_pickles_alone(tmp_path):
    labels = tmp_path / "train.csv"
    labels.write_text("video,label\n0003_01_0001,9\n")
    source = write(tmp_path, [entry("0003_01_0001.mp4", label=9), entry("0003_05_0002", label=41)])
    poses = list(read_ma52(source, ImportOptions(labels=labels)))
    assert [p.annotations[0].label for p in poses] == ["nodding", "scratching or touching face"]
    store = tmp_path / "store"
    assert import_poses(source, "ma52", store) == 2
    assert len(read_annotations(store / "annotations.csv")) == 4


@pytest.mark.parametrize(
    ("name", "label", "why"),
    [
        ("0003_01_0001", 8, "the list says micro-action 9, the pickle 8"),
        ("p1_nodding", 9, "expected a clip called as"),
        ("0009_01_0001", 52, "expected a micro-action 0..51"),
    ],
)
def test_ma52_contradictions_fail_that_clip(tmp_path, name, label, why):
    source = write_ma52(tmp_path, [entry(name, label=label), entry("0004_00_0002", label=2)])
    failed, good = read_ma52(source, ImportOptions(labels=tmp_path))
    assert why in failed.error
    assert good.video_id == "ma52_0004_00_0002"


@pytest.mark.parametrize(
    "lists",
    [
        {},
        {"train.txt": "0003_01_0001.mp4 9\nnodding\n"},
        {"train.txt": "0003_01_0001 9\n", "val.txt": "0003_01_0001 9\n"},
    ],
)
def test_ma52_bad_lists(tmp_path, lists):
    source = write_ma52(tmp_path, lists=lists)
    with pytest.raises(InputError, match=str(tmp_path)):
        list(read_ma52(source, ImportOptions(labels=tmp_path)))
