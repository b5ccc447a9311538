import os
import pickle
import shutil
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mgpose.io import PoseStore, Provenance, read_pose_file, write_pose_file
from mgpose.io.pose_file import PoseFile
from mgpose.structures import SKELETONS, FrameFlag, InputError, PoseSequence, Skeleton

ORIGIN = Provenance("test", "1.0", "ab" * 32, "cd" * 32, frames_unyielded=3)
ARRAYS = ("keypoints", "scores", "time", "ledger")


def make_sequence(frames=70, skeleton="mediapipe_543", dims=2, seed=0, **changes) -> PoseSequence:
    rng = np.random.default_rng(seed)
    layout = SKELETONS[skeleton]
    keypoints = rng.normal(300, 50, (frames, len(layout), dims)).astype(np.float32)
    scores = rng.uniform(0, 1, (frames, len(layout))).astype(np.float32)
    missing = rng.uniform(size=scores.shape) < 0.2
    keypoints[missing], scores[missing] = np.nan, 0
    values = {
        "skeleton": layout,
        "keypoints": keypoints,
        "scores": scores,
        "time": np.cumsum(rng.uniform(0.01, 0.1, frames)),
        "unit": "pixel",
        "time_source": "container",
        "frame_size": (640, 480),
        "ledger": rng.choice([1, 4, 9, 17], frames).astype(np.uint16),
        "subject": "p1",
    }
    return PoseSequence(**{**values, **changes})


def assert_same(a: PoseSequence, b: PoseSequence) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
    for name in ("skeleton", "unit", "time_source", "frame_size", "subject"):
        assert getattr(a, name) == getattr(b, name), name


@given(
    frames=st.integers(1, 200),
    skeleton=st.sampled_from(sorted(SKELETONS)),
    dims=st.sampled_from((2, 3)),
    unit=st.sampled_from(("pixel", "normalised", "metre")),
    time_source=st.sampled_from(("container", "rate", "index")),
    frame_size=st.none() | st.tuples(st.integers(1, 9000), st.integers(1, 9000)),
    subject=st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    unyielded=st.integers(0, 10**9),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read(tmp_path, frames, skeleton, dims, unyielded, **changes):
    sequence = make_sequence(frames, skeleton, dims, **changes)
    origin = Provenance("é", "", frames_unyielded=unyielded)
    write_pose_file(tmp_path, "a", sequence, origin)
    store = PoseStore(tmp_path)
    assert_same(store["a"], sequence)
    header = store.header("a")
    assert header.provenance == origin
    assert (header.frames, header.dims) == (frames, dims)
    start = frames // 3
    assert_same(store.read_window("a", start, frames), sequence.window(start, frames))
    store.close()


def test_same_poses_give_same_bytes(tmp_path):
    paths = [write_pose_file(tmp_path, name, make_sequence(), ORIGIN) for name in "ab"]
    time.sleep(1.1)  # HDF5 time stamps, if there were any, have seconds
    paths.append(write_pose_file(tmp_path, "c", make_sequence(), ORIGIN))
    assert len({path.read_bytes() for path in paths}) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "b.h5", "c.h5"]


def test_unknown_skeleton_is_rebuilt_from_its_names(tmp_path):
    mine = Skeleton("mine", ("left_ä", "right_ä", "top"))
    keypoints = np.zeros((4, 3, 3), np.float32)
    sequence = PoseSequence(
        mine, keypoints, np.ones((4, 3), np.float32), np.arange(4.0), "metre", "index"
    )
    write_pose_file(tmp_path, "x", sequence, ORIGIN)
    assert_same(PoseStore(tmp_path)["x"], sequence)
    assert (PoseStore(tmp_path)["x"].ledger == FrameFlag.IMPORTED).all()


def test_store_is_a_sorted_mapping_that_travels(tmp_path):
    for name in ("b", "a", "c.1"):
        write_pose_file(tmp_path, name, make_sequence(5, subject=name), ORIGIN)
    (tmp_path / "d.h5.partial").write_bytes(b"half")
    store = PoseStore(tmp_path)
    assert list(store) == ["a", "b", "c.1"]
    assert store["c.1"].subject == "c.1"  # a file is open now
    copy = pickle.loads(pickle.dumps(store))
    assert [copy[name].subject for name in copy] == ["a", "b", "c.1"]
    assert "d" not in store
    with pytest.raises(KeyError, match="no video 'd'"):
        store["d"]
    with pytest.raises(InputError, match=r"window inside 0\.\.5, got 2\.\.6"):
        store.read_window("a", 2, 6)


def test_forked_child_opens_its_own_files(tmp_path):
    write_pose_file(tmp_path, "a", make_sequence(5), ORIGIN)
    store = PoseStore(tmp_path)
    parent = store._open("a")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(
            write_end, b"1" if store._open("a") is not parent and len(store["a"]) == 5 else b"0"
        )
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 1) == b"1"
    os.close(read_end)
    os.close(write_end)


def test_more_videos_than_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr("mgpose.io.store._MAX_OPEN", 3)
    for i in range(8):
        write_pose_file(tmp_path, f"v{i}", make_sequence(2, "kinect_20", subject=f"s{i}"), ORIGIN)
    store = PoseStore(tmp_path)
    assert [s.subject for s in store.values()] == [f"s{i}" for i in range(8)]
    assert len(store._handles[os.getpid()]) == 3


def test_a_pass_over_a_store_opens_each_file_once(tmp_path, monkeypatch):
    path = write_pose_file(tmp_path, "v0", make_sequence(5), ORIGIN)
    for i in range(1, 9):
        shutil.copy(path, tmp_path / f"v{i}.h5")
    store, opened = PoseStore(tmp_path), []
    monkeypatch.setattr(
        "mgpose.io.store.PoseFile", lambda path: opened.append(path.stem) or PoseFile(path)
    )
    assert sum(len(s) for s in store.values()) == 45
    assert sorted(opened) == [f"v{i}" for i in range(9)]


@pytest.mark.parametrize("bad", ["", "../x", "a/b", ".hidden", "a b", "x" * 129])
def test_ids_that_cannot_name_a_file(tmp_path, bad):
    with pytest.raises(InputError, match="video id"):
        write_pose_file(tmp_path, bad, make_sequence(2), ORIGIN)


def test_folders_that_are_no_store(tmp_path):
    with pytest.raises(InputError, match="expected a folder"):
        PoseStore(tmp_path / "none")
    with pytest.raises(InputError, match=r"expected pose files \(\.h5\), found none"):
        PoseStore(tmp_path)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["keypoints"] = np.zeros((3, 2, 2))
    with pytest.raises(InputError, match="expected the attribute format"):
        PoseStore(tmp_path)


def spoil_soft_link(file):
    file["old"] = file["keypoints"]
    del file["keypoints"]
    file["keypoints"] = h5py.SoftLink("/old")
    del file["time"]


def spoil_external_link(file):
    del file["time"]
    file["time"] = h5py.ExternalLink("other.h5", "/time")


def spoil_external_data(file):
    del file["time"]
    file.create_dataset("time", (70,), "f8", external=[("/etc/hostname", 0, 560)])


def spoil_virtual_data(file):
    del file["time"]
    layout = h5py.VirtualLayout((70,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "time", (70,))
    file.create_virtual_dataset("time", layout)


def spoil_objects(file):
    del file["scores"]
    file.create_dataset("scores", (70, 543), h5py.string_dtype(), chunks=True)


def spoil_size(file):
    del file["time"]
    file.create_dataset("time", (40_000_000,), "f8", chunks=(64,), compression=4)


def spoil_filter(file):
    data = file["time"][:]
    del file["time"]
    file.create_dataset("time", data=data, chunks=(64,), compression="lzf")


def spoil_version(file):
    file.attrs["format_version"] = 99


def spoil_text(file):
    file.attrs["unit"] = "pixel"  # of variable length


def spoil_names(file):
    names = file.attrs["keypoint_names"]
    names[0] = b"knows"
    file.attrs["keypoint_names"] = names


def spoil_scores(file):
    file["scores"][3, 3] = 7


def spoil_time(file):
    file["time"][5] = 0


def spoil_member(file):
    file["extra"] = 1


def spoil_group(file):
    del file["time"]
    file.create_group("time")


SPOILS = {
    spoil_soft_link: "expected the datasets|soft or external link",
    spoil_external_link: "soft or external link",
    spoil_external_data: "chunks of its own file",
    spoil_virtual_data: "chunks of its own file",
    spoil_objects: "must be a dataset of <f4",
    spoil_size: "does not hold",
    spoil_filter: "unknown filters",
    spoil_version: "expected format version 1, found 99",
    spoil_text: "attribute 'unit' has type",
    spoil_names: "not those of the layout",
    spoil_scores: "scores must lie in",
    spoil_time: "strictly increasing",
    spoil_member: "expected the datasets",
    spoil_group: "must be a dataset",
}


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda f: f.__name__)
def test_distrusts_the_file(tmp_path, spoil):
    path = write_pose_file(tmp_path, "a", make_sequence(), ORIGIN)
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=SPOILS[spoil]) as caught:
        read_pose_file(path)
    assert "a.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_empty_and_text_files(tmp_path):
    for name, content in (("empty", b""), ("text", b"hello\n" * 100)):
        path = tmp_path / f"{name}.h5"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.h5"):
            read_pose_file(path)
    with pytest.raises(InputError, match="found nothing"):
        read_pose_file(tmp_path / "none.h5")


@given(st.floats(0, 1), st.integers(0, 255))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_truncated_or_damaged_files_are_whole_or_refused(tmp_path: Path, place, value):
    sequence = make_sequence(20, "kinect_20", 3)
    path = write_pose_file(tmp_path, "a", sequence, ORIGIN)
    content = path.read_bytes()
    at = int(place * (len(content) - 1))
    path.write_bytes(content[:at])
    with pytest.raises(InputError, match=r"a\.h5"):
        read_pose_file(path)
    path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
    try:
        read_pose_file(path)  # the byte did not matter, or changed a value within its law
    except InputError as error:
        assert "a.h5" in str(error)  # noqa: PT017 (both endings are right)
