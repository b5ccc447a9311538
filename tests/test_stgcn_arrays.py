"""ST-GCN's arrays, written here as its data loaders write them."""

import pickle

import numpy as np
import pytest

from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.io.importers.stgcn_arrays import read_stgcn_arrays
from mgpose.structures import SKELETONS, FrameFlag, InputError, mirror

LENGTHS = (7, 4, 12)
LONGEST = 12
NTU = [f"S001C00{n}P00{n}R001A00{n}.skeleton" for n in (1, 2, 3)]


def kinetics(seed=0):
    """(N, 3, T, 18, 2): fractions of the frame less a half, a smaller second person, zeros after.

    As the loader of Kinetics does it: the half is taken off everything, then what has no score is
    set back to zero.
    """
    rng = np.random.default_rng(seed)
    data = np.zeros((len(LENGTHS), 3, LONGEST, 18, 2), np.float32)
    body = rng.uniform(0.2, 0.8, (len(LENGTHS), 2, 1, 18))
    for n, length in enumerate(LENGTHS):
        for person, size in enumerate((1.0, 0.3)):
            xy = 0.5 + size * (body[n] - 0.5) + rng.normal(0, 0.003, (2, length, 18))
            score = rng.uniform(0.2, 1, (length, 18))
            lost = rng.uniform(size=score.shape) < 0.1
            score[lost] = 0
            data[n, :2, :length, :, person] = np.where(lost, 0, xy - 0.5)
            data[n, 2, :length, :, person] = score
    return data


def ntu(seed=0, centred=False):
    """(N, 3, T, 25, 2) metres before a camera; the second person is zeros."""
    rng = np.random.default_rng(seed)
    body = rng.normal(0, 0.4, (1, 3, 1, 25)) + np.array([0, 0, 3.0])[None, :, None, None]
    body[..., 0] = body[..., 20] - np.array([0, 0.5, 0])[None, :, None]
    data = np.zeros((len(LENGTHS), 3, LONGEST, 25, 2), np.float32)
    for n, length in enumerate(LENGTHS):
        people = body + rng.normal(0, 0.004, (1, 3, length, 25))
        if centred:  # the middle of the spine becomes the origin of every frame
            people = people - people[..., 1:2]
        data[n, :, :length, :, 0] = people[0]
    return data


def write(folder, data, names=None, part="train"):
    names = names or [f"clip {n}" for n in range(len(data))]
    np.save(folder / f"{part}_data.npy", data)
    labels = (names, [n % 2 for n in range(len(names))])
    (folder / f"{part}_label.pkl").write_bytes(pickle.dumps(labels))
    return folder / f"{part}_data.npy"


def test_kinetics_come_back_as_fractions_without_padding(tmp_path):
    data = kinetics()
    poses = list(read_stgcn_arrays(write(tmp_path, data)))
    assert [len(p.sequence) for p in poses] == list(LENGTHS)
    for pose, clip, length in zip(poses, data, LENGTHS, strict=True):
        sequence = pose.sequence
        assert (sequence.skeleton.name, sequence.unit) == ("openpose_18", "normalised")
        seen = clip[2, :length, :, 0] > 0
        np.testing.assert_array_equal(sequence.detected, seen)
        xy = clip[:2, :length, :, 0].transpose(1, 2, 0) + 0.5
        np.testing.assert_allclose(sequence.keypoints[seen], xy[seen], rtol=1e-6)
        assert np.nanmin(sequence.keypoints) >= 0
        np.testing.assert_array_equal(sequence.scores, clip[2, :length, :, 0])
        assert (sequence.ledger & FrameFlag.SEVERAL_PEOPLE).all()
        assert pose.annotations[0].groups == {"split": "train"}
        assert pose.annotations[0].stop == length


def test_a_zero_of_score_zero_is_missing_though_it_means_the_middle(tmp_path):
    """Less a half, a missing keypoint's zero is the middle of the frame: only the score tells."""
    data = kinetics()
    data[0, :2, 3, 4, 0], data[0, 2, 3, 4, 0] = 0, 0.9  # truly in the middle
    data[0, :2, 3, 5, 0], data[0, 2, 3, 5, 0] = -0.5, 0  # tested for zero after the half came off
    pose = next(read_stgcn_arrays(write(tmp_path, data)))
    np.testing.assert_allclose(pose.sequence.keypoints[3, 4], 0.5)
    assert not pose.sequence.detected[3, 5]


def test_empty_frames_inside_stay_and_those_at_the_end_go(tmp_path):
    data = kinetics()
    data[0, :, 2] = 0
    data[0, :, 5:] = 0
    pose = next(read_stgcn_arrays(write(tmp_path, data), ImportOptions(fps=30)))
    assert len(pose.sequence) == 5
    assert pose.sequence.ledger[2] & FrameFlag.NO_PERSON
    assert pose.sequence.time[4] == pytest.approx(4 / 30)


@pytest.mark.parametrize("centred", [False, True])
def test_ntu_is_in_metres_and_its_origin_is_a_joint(tmp_path, centred):
    data = ntu(centred=centred)
    poses = list(read_stgcn_arrays(write(tmp_path, data, NTU)))
    assert [p.sequence.subject for p in poses] == ["p001", "p002", "p003"]
    for pose, clip, length in zip(poses, data, LENGTHS, strict=True):
        sequence = pose.sequence
        assert (sequence.skeleton.name, sequence.unit) == ("kinect_25", "metre")
        assert sequence.detected.all()
        expected = clip[:, :length, :, 0].transpose(1, 2, 0)
        np.testing.assert_array_equal(sequence.keypoints, expected)
        assert (sequence.ledger == FrameFlag.IMPORTED).all()


@pytest.mark.parametrize(("make", "name"), [(kinetics, "openpose_18"), (ntu, "kinect_25")])
def test_left_and_right_stay(tmp_path, make, name):
    data = make()
    mirrored = data[:, :, :, SKELETONS[name].mirror_permutation].copy()
    seen = (mirrored != 0).any(1)
    mirrored[:, 0][seen] = -mirrored[:, 0][seen]
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    plain = read_stgcn_arrays(write(one, data))
    other = read_stgcn_arrays(write(two, mirrored))
    for a, b in zip(plain, other, strict=True):
        again = mirror(a.sequence)
        np.testing.assert_allclose(b.sequence.keypoints, again.keypoints, atol=1e-6)
        np.testing.assert_array_equal(b.sequence.scores, again.scores)


def test_the_array_is_mapped_and_never_loaded_whole(tmp_path, monkeypatch):
    source = write(tmp_path, kinetics())
    loaded = []
    map_file = np.lib.format.open_memmap
    monkeypatch.setattr(
        np.lib.format,
        "open_memmap",
        lambda *a, **k: loaded.append(k.get("mode")) or map_file(*a, **k),
    )
    assert len(list(read_stgcn_arrays(source))) == 3
    assert loaded == ["r"]


def pixels(data):
    data[:, :2] = (data[:, :2] + 0.5) * 640
    return data


def scores_of_a_body_25(data):
    data[:, 2] = np.clip(np.abs(data[:, 2]), 0, 1) * (data[:, 2] != 0)
    return data


@pytest.mark.parametrize(
    "data",
    [
        pixels(kinetics()),
        scores_of_a_body_25(ntu()),
        ntu() * 1000,  # millimetres
        ntu()[..., ::-1, :],  # another order of the joints
        np.full_like(ntu(), np.nan),
    ],
)
def test_numbers_that_do_not_bear_out_the_layout_fail_each_clip(tmp_path, data):
    found = list(read_stgcn_arrays(write(tmp_path, data)))
    assert len(found) == 3
    assert all(isinstance(f, FailedImport) and "expected" in f.error for f in found)


def test_an_empty_clip_costs_itself_only(tmp_path):
    data = kinetics()
    data[1] = 0
    with pytest.raises(InputError, match="1"):
        import_poses(write(tmp_path, data), "stgcn-npy", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.h5"))) == 2


def other_shape(folder):
    write(folder, kinetics()[:, :2])


def other_points(folder):
    write(folder, kinetics()[..., :17, :])


def no_labels(folder):
    write(folder, kinetics())
    (folder / "train_label.pkl").unlink()


def too_few_labels(folder):
    write(folder, kinetics(), ["a", "b"])


def evil_labels(folder):
    write(folder, kinetics())
    (folder / "train_label.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


def object_array(folder):
    write(folder, np.array([{}], dtype=object))


def nothing(folder):
    pass


@pytest.mark.parametrize(
    "spoil",
    [other_shape, other_points, no_labels, too_few_labels, evil_labels, object_array, nothing],
)
def test_bad_sources_are_one_line(tmp_path, spoil):
    spoil(tmp_path)
    with pytest.raises(InputError) as caught:
        list(read_stgcn_arrays(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
