"""Exports as a whole, and the tidy tables, read back by pandas and pyarrow."""

import runpy
import sys

import numpy as np
import pytest

from mgpose.io import PoseStore, Provenance, write_annotations, write_pose_file
from mgpose.io.exporters.export_poses import FORMATS, POSES_FOLDER, export_store
from mgpose.io.exporters.exported_pose import ExportedPose, drawn_edges, keypoint_parts
from mgpose.structures import (
    SKELETONS,
    UPPER_BODY_HANDS_FACE,
    Annotation,
    FrameFlag,
    InputError,
    PoseSequence,
    convert,
)

TABLES = ("csv", "csv.gz", "parquet")
SECRET = "/media/anna/interview_of_anna.mp4"


def make_sequence(frames=9, skeleton="mediapipe_543", dims=2, seed=0, **changes) -> PoseSequence:
    """Poses of which a fifth is missing, one frame failed, and one keypoint detected at score 0."""
    rng = np.random.default_rng(seed)
    layout = SKELETONS[skeleton]
    keypoints = rng.normal(300, 50, (frames, len(layout), dims)).astype(np.float32)
    scores = rng.uniform(0.01, 1, (frames, len(layout))).astype(np.float32)
    missing = rng.uniform(size=scores.shape) < 0.2
    missing[1] = True
    keypoints[missing], scores[missing] = np.nan, 0
    keypoints[0, 0], scores[0, 0] = 7, 0
    ledger = np.full(frames, FrameFlag.DECODED | FrameFlag.SEVERAL_PEOPLE, np.uint16)
    ledger[1] = FrameFlag.FAILED
    values = {
        "skeleton": layout,
        "keypoints": keypoints,
        "scores": scores,
        "time": 0.5 + np.arange(frames) / 29.97,
        "unit": "pixel",
        "time_source": "container",
        "frame_size": (640, 480),
        "ledger": ledger,
        "subject": 'p "1", é',
    }
    return PoseSequence(**{**values, **changes})


def make_store(folder, annotations=(), **sequences) -> PoseStore:
    folder.mkdir()
    for video, sequence in sequences.items():
        origin = Provenance("testimator", "1.0", "ab" * 32, "cd" * 32, frames_unyielded=3)
        write_pose_file(folder, video, sequence, origin)
    (folder / "sources.csv").write_text(f"id,path\na,{SECRET}\n")
    if annotations:
        write_annotations(folder / "annotations.csv", annotations)
    return PoseStore(folder)


def read_table(path):
    pd = pytest.importorskip("pandas")
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def as_arrays(table, sequence):
    """Keypoints and scores of a tidy table, by name and frame and not by the order of its rows."""
    dims = sequence.keypoints.shape[2]
    keypoints = np.zeros_like(sequence.keypoints)
    scores = np.zeros_like(sequence.scores)
    v = table["keypoint"].astype(str).map({k: i for i, k in enumerate(sequence.skeleton.keypoints)})
    assert len(table) == scores.size
    assert not table.duplicated(["frame", "keypoint"]).any()
    keypoints[table["frame"], v] = table[list("xyz"[:dims])].to_numpy(np.float32)
    scores[table["frame"], v] = table["score"].to_numpy(np.float32)
    return keypoints, scores


@pytest.mark.parametrize("format", TABLES)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_table_holds_the_poses(tmp_path, format, dims):
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(3)
    time = np.cumsum(rng.uniform(0.01, 0.2, 9))  # any frame rate
    sequence = make_sequence(dims=dims, time=time)
    make_store(tmp_path / "store", a=sequence)
    export_store(tmp_path / "store", format, tmp_path / "out")
    table = read_table(tmp_path / "out" / POSES_FOLDER / f"a.{format}")
    keypoints, scores = as_arrays(table, sequence)
    np.testing.assert_array_equal(keypoints, sequence.keypoints)
    np.testing.assert_array_equal(scores, sequence.scores)
    np.testing.assert_array_equal(table.groupby("frame")["time"].first(), time)
    assert table["x"].isna().sum() == (~sequence.detected).sum()
    assert set(table["subject"]) == {sequence.subject}
    assert set(table["time_unit"]) == {"second"}
    assert set(table["unit"]) == {"pixel"}
    flags = table.groupby("frame")["flags"].agg(lambda f: "|".join(sorted(set(f))))
    assert flags[1] == "failed"
    assert set(flags.drop(1)) == {"decoded;several_people"}


def test_missing_is_empty_in_csv_and_null_in_parquet(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    sequence = make_sequence(frames=2, skeleton="kinect_20", dims=3, subject=None, unit="metre")
    make_store(tmp_path / "store", a=sequence)
    for format in ("csv", "parquet"):
        export_store(tmp_path / "store", format, tmp_path / format)
    lines = (tmp_path / "csv/poses/a.csv").read_text().splitlines()
    failed = [line for line in lines if line.endswith('"failed"')]
    assert len(failed) == 20
    assert all(',,,,"metre",0,' in line for line in failed)
    assert lines[1].startswith('"a",,0,')
    table = pq.read_table(tmp_path / "parquet/poses/a.parquet")
    for axis in "xyz":
        assert table[axis].null_count == (~sequence.detected).sum()
        assert not np.isnan(table[axis].drop_null().to_numpy()).any()
    assert table["subject"].null_count == len(table)


def test_an_unknown_rate_is_said(tmp_path):
    """Time counts frames, as the video's annotations do; a missing first frame is not closed up."""
    pytest.importorskip("pyarrow")
    time = np.array([3.0, 4, 5])
    label = Annotation("a", "p1", 3, 5, "wave", unit="frame", groups={"session": "s1"})
    sequence = make_sequence(3, time=time, time_source="index", frame_size=None, unit="normalised")
    make_store(tmp_path / "store", [label], a=sequence)
    export_store(tmp_path / "store", "csv", tmp_path / "out")
    poses = read_table(tmp_path / "out/poses/a.csv")
    spans = read_table(tmp_path / "out/annotations.csv")
    videos = read_table(tmp_path / "out/videos.csv")
    joined = poses.merge(spans, on="video", suffixes=("", "_span"))
    joined = joined[(joined.time >= joined.start) & (joined.time < joined.stop)]
    assert set(joined["frame"]) == {0, 1}
    assert (joined["time_unit"] == joined["unit_span"]).all()
    assert set(spans["group_session"]) == {"s1"}
    assert np.isnan(videos.loc[0, "mean_fps"])
    assert np.isnan(videos.loc[0, "frame_width"])


def test_a_folder_of_parquet_is_one_table(tmp_path):
    """Readers such as arrow::open_dataset take the folder; 2-D and 3-D have the same columns."""
    dataset = pytest.importorskip("pyarrow.dataset")
    flat, deep = make_sequence(), make_sequence(4, "kinect_20", 3, unit="metre")
    make_store(tmp_path / "store", flat=flat, deep=deep)
    export_store(tmp_path / "store", "parquet", tmp_path / "out")
    table = dataset.dataset(tmp_path / "out" / POSES_FOLDER).to_table().to_pandas()
    assert len(table) == flat.scores.size + deep.scores.size
    for video, sequence in (("flat", flat), ("deep", deep)):
        rows = table[table["video"] == video]
        np.testing.assert_array_equal(as_arrays(rows, sequence)[0], sequence.keypoints)
    assert table.loc[table["video"] == "flat", "z"].isna().all()
    videos = read_table(tmp_path / "out/videos.parquet")
    assert dict(zip(videos["video"], videos["dims"], strict=True)) == {"flat": 2, "deep": 3}


def test_a_row_says_how_regular_a_video_is(tmp_path):
    pytest.importorskip("pyarrow")
    late = np.arange(9) / 25
    late[4:] += 2 / 25  # two frames were dropped
    make_store(tmp_path / "store", even=make_sequence(), late=make_sequence(time=late))
    export_store(tmp_path / "store", "csv", tmp_path / "out")
    videos = read_table(tmp_path / "out/videos.csv").set_index("video")
    assert videos.loc["even", "mean_fps"] == pytest.approx(29.97)
    assert videos.loc["even", "rate_error_frames"] < 1e-9
    assert videos.loc["late", "mean_fps"] == pytest.approx(8 / (10 / 25))
    # Frame 4 is shown at 6/25 s; at 20 fps that is place 4.8, and frame 3 (3/25 s) is place 2.4.
    assert videos.loc["late", "rate_error_frames"] == pytest.approx(0.8)
    assert videos.loc["late", "frames_unyielded"] == 3


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_parts_are_those_of_the_model_layout(name):
    """A converted keypoint keeps its part, and parts are mirror images of each other."""
    layout = SKELETONS[name]
    parts = dict(zip(layout.keypoints, keypoint_parts(layout), strict=True))
    if layout.parts:
        assert all(parts[k] == part for part, names in layout.parts.items() for k in names)
        return
    model = {k: p for p, names in UPPER_BODY_HANDS_FACE.parts.items() for k in names}
    assert all(parts[k] == part for k, part in model.items() if k in parts)
    swap = {"left_hand": "right_hand", "right_hand": "left_hand"}
    mirrored = [layout.keypoints[i] for i in layout.mirror_permutation]
    for a, b in zip(layout.keypoints, mirrored, strict=True):
        assert parts[b] == swap.get(parts[a], parts[a])
    hands = {list(parts.values()).count(part) for part in swap}
    assert hands == ({21} if "left_hand_root" in layout.keypoints else {0})


def test_faces_have_their_known_sizes():
    faces = {"mediapipe_543": 468, "openpose_137": 70, "wholebody_133": 68}
    for name, size in faces.items():
        assert keypoint_parts(SKELETONS[name]).count("face") == size
    assert keypoint_parts(SKELETONS["mediapipe_contours_203"]).count("face") == 128


def test_edges_of_a_source_layout_hold_together():
    edges = drawn_edges(SKELETONS["mediapipe_543"])
    assert ("left_elbow", "left_wrist") in edges
    assert ("left_shoulder", "right_shoulder") in edges
    assert drawn_edges(UPPER_BODY_HANDS_FACE) == UPPER_BODY_HANDS_FACE.edges


def test_conversion_is_that_of_the_toolkit(tmp_path):
    pytest.importorskip("pyarrow")
    sequence = make_sequence()
    make_store(tmp_path / "store", a=sequence)
    export_store(tmp_path / "store", "parquet", tmp_path / "out", "upper_body_hands_face")
    wanted = convert(sequence, UPPER_BODY_HANDS_FACE)
    keypoints, scores = as_arrays(read_table(tmp_path / "out/poses/a.parquet"), wanted)
    np.testing.assert_array_equal(keypoints, wanted.keypoints)
    np.testing.assert_array_equal(scores, wanted.scores)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_frames_are_read_in_blocks(tmp_path, format, monkeypatch):
    """Constant memory: nobody asks the store for more than a block, and blocks join exactly."""
    for module in FORMATS[format].needs:
        pytest.importorskip(module)
    make_store(tmp_path / "store", a=make_sequence(2500, "kinect_20"))
    asked = []
    read = PoseStore.read_window

    def spy(self, video_id, start, stop):
        asked.append(stop - start)
        return read(self, video_id, start, stop)

    monkeypatch.setattr(PoseStore, "read_window", spy)
    monkeypatch.setattr(PoseStore, "__getitem__", None)
    export_store(tmp_path / "store", format, tmp_path / "out")
    assert max(asked) == 1024
    assert sum(asked) % 2500 <= 1  # each frame as often as the others, and the first for its facts


def test_blocks_join_in_a_table(tmp_path):
    pytest.importorskip("pyarrow")
    sequence = make_sequence(2100, "kinect_20")
    make_store(tmp_path / "store", a=sequence)
    export_store(tmp_path / "store", "parquet", tmp_path / "out")
    table = read_table(tmp_path / "out/poses/a.parquet")
    np.testing.assert_array_equal(as_arrays(table, sequence)[0], sequence.keypoints)
    np.testing.assert_array_equal(table["time"].to_numpy()[::20], sequence.time)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_no_path_and_no_file_name_goes_out(tmp_path, format):
    for module in FORMATS[format].needs:
        pytest.importorskip(module)
    make_store(tmp_path / "very_private", a=make_sequence(skeleton="florence_15"))
    export_store(tmp_path / "very_private", format, tmp_path / "out")
    for path in (p for p in (tmp_path / "out").rglob("*") if p.is_file()):
        content = path.read_bytes()
        for word in (b"anna", b"very_private", str(tmp_path).encode()):
            assert word not in content
    assert not list((tmp_path / "out").rglob("*.partial"))


class TestRerun:
    def test_it_writes_anew_and_leaves_no_stale_file(self, tmp_path):
        pytest.importorskip("pyarrow")
        make_store(tmp_path / "store", a=make_sequence(), b=make_sequence(seed=1))
        export_store(tmp_path / "store", "csv", tmp_path / "out")
        poses = tmp_path / "out" / POSES_FOLDER
        before = (poses / "b.csv").read_bytes()
        (poses / "a.csv").write_text("half")
        (tmp_path / "out/b.csv.partial").write_text("left by a killed run")
        result = export_store(tmp_path / "store", "csv", tmp_path / "out")
        assert result.written == ["a", "b"]
        assert (poses / "b.csv").read_bytes() == before
        assert len(read_table(poses / "a.csv")) == 9 * 543
        assert not list((tmp_path / "out").rglob("*.partial"))

    def test_nothing_half_written_has_a_name(self, tmp_path, monkeypatch):
        """A run that dies leaves whole files only, and no table of videos that says it ended."""
        pytest.importorskip("pyarrow")
        make_store(tmp_path / "store", a=make_sequence(), b=make_sequence())
        export_store(tmp_path / "store", "csv", tmp_path / "out")
        blocks = ExportedPose.blocks

        def die(self):
            yield from blocks(self)
            if self.video_id == "b":
                raise KeyboardInterrupt

        monkeypatch.setattr(ExportedPose, "blocks", die)
        with pytest.raises(KeyboardInterrupt):
            export_store(tmp_path / "store", "csv", tmp_path / "out")
        left = sorted(p.name for p in (tmp_path / "out").rglob("*"))
        assert left == ["a.csv", "b.csv", "poses"]
        assert len(read_table(tmp_path / "out/poses/b.csv")) == 9 * 543

    def test_other_files_are_never_mixed_in(self, tmp_path):
        pytest.importorskip("pyarrow")
        make_store(tmp_path / "store", a=make_sequence(), b=make_sequence())
        export_store(tmp_path / "store", "csv", tmp_path / "out")
        for options in ({"format": "parquet"}, {"format": "csv", "videos": ["a"]}):
            with pytest.raises(InputError, match=r"'(a|b)\.csv' .* give another folder"):
                export_store(tmp_path / "store", out=tmp_path / "out", **options)


class TestRefusals:
    def test_a_damaged_video_does_not_stop_the_others(self, tmp_path):
        pytest.importorskip("pyarrow")
        make_store(tmp_path / "store", a=make_sequence(), b=make_sequence(), c=make_sequence())
        damaged = tmp_path / "store/b.h5"
        damaged.write_bytes(damaged.read_bytes()[:3000])
        result = export_store(tmp_path / "store", "csv", tmp_path / "out")
        assert result.written == ["a", "c"]
        assert "b.h5" in result.refused["b"]
        assert read_table(tmp_path / "out/videos.csv")["video"].tolist() == ["a", "c"]

    def test_a_refused_video_leaves_no_file_of_an_earlier_run(self, tmp_path):
        pytest.importorskip("pyarrow")
        make_store(tmp_path / "store", a=make_sequence(), b=make_sequence())
        export_store(tmp_path / "store", "csv", tmp_path / "out")
        (tmp_path / "store/b.h5").write_bytes(b"not HDF5")
        export_store(tmp_path / "store", "csv", tmp_path / "out")
        assert [p.name for p in (tmp_path / "out/poses").iterdir()] == ["a.csv"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"format": "xlsx"}, "unknown format 'xlsx'; known: csv"),
            ({"skeleton": "coco"}, "unknown skeleton 'coco'; known: "),
            ({"skeleton": "upper_body_hands_face"}, "no conversion florence_15"),
            ({"videos": ["a", "z"]}, "expected the video 'z'"),
            ({"store": "nowhere"}, "nowhere: expected a folder of pose files"),
            ({"out": "store"}, "found a store"),
            ({"out": "store/a.h5"}, "found a file"),
        ],
    )
    def test_what_cannot_be_used_is_one_line(self, tmp_path, monkeypatch, options, words):
        pytest.importorskip("pyarrow")
        monkeypatch.chdir(tmp_path)
        store = make_store(tmp_path / "store", a=make_sequence(skeleton="florence_15"))
        before = sorted(p.name for p in store.folder.iterdir())
        with pytest.raises(InputError) as caught:
            export_store(**{"store": "store", "format": "csv", "out": "out", **options})
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert sorted(p.name for p in store.folder.iterdir()) == before

    @pytest.mark.parametrize("format", sorted(FORMATS))
    def test_a_library_that_is_missing_is_named(self, tmp_path, monkeypatch, format):
        make_store(tmp_path / "store", a=make_sequence(skeleton="florence_15"))
        for module in FORMATS[format].needs:
            monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InputError, match=r"needs .*; pip install 'mgpose\[export\]'"):
            export_store(tmp_path / "store", format, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_the_tool_says_what_it_did(repo, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pyarrow")
    make_store(tmp_path / "store", a=make_sequence(), b=make_sequence(), c=make_sequence())
    (tmp_path / "store/b.h5").write_bytes(b"not HDF5")
    (tmp_path / "ids.txt").write_text("a\nb\n")
    monkeypatch.chdir(tmp_path)
    words = ["export_poses.py", "store", "--format", "csv", "--out", "out", "--videos", "@ids.txt"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(repo / "tools/export_poses.py"), run_name="__main__")
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == "1 videos in out, 1 not exported\n"
    assert "not exported: store/b.h5: expected an HDF5 pose file" in said.err
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["poses", "videos.csv"]
