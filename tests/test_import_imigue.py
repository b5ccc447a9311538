"""The MiGA release of iMiGUE and its label file, written here by their description."""

import csv
import logging
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from mgpose.io import PoseStore, read_annotations, write_annotations
from mgpose.io.importers.import_pose import import_poses
from mgpose.io.importers.imported_pose import FailedImport, ImportOptions
from mgpose.io.importers.miga import read_miga
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import (
    UPPER_BODY_HANDS_FACE,
    Annotation,
    FrameFlag,
    InputError,
    PoseSequence,
    convert,
)
from mgpose.structures.micro_gestures import IMIGUE_CLASSES

openpyxl = pytest.importorskip("openpyxl")

COLUMNS = [
    "video_id", "label_id", "start_time", "start_frame", "end_time", "end_frame", "class",
    "subject_id", "subject_gender", "subject_nationality", "win_or_lose",
]  # fmt: skip


def numbers(frames=30, seed=0):
    """(T, 411) x, y and confidence; row 4 is a failed pose, row 5 lacks the left hand."""
    rng = np.random.default_rng(seed)
    pose = np.stack([rng.uniform(100, 900, (137, 2))] * frames) + np.arange(frames)[:, None, None]
    values = np.concatenate([pose, rng.uniform(0.1, 1, (frames, 137, 1))], axis=2).round(3)
    values[4] = 0
    values[5, 95:116] = 0
    return values.reshape(frames, 411)


def write_table(folder, values, header=None, index=None):
    """``<video>_openpose.xlsx`` with an optional header row and column of frame numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    if header is not None:
        sheet.append(header)
    for number, row in enumerate(values):
        first = [] if index is None else [index + number]
        sheet.append([*first, *row.tolist()])
    book.save(folder / f"{folder.name}_openpose.xlsx")
    return folder / f"{folder.name}_openpose.xlsx"


def write_labels(folder, rows, header=None):
    lines = [",".join(map(str, row)) for row in [*([header] if header else []), *rows]]
    (folder / f"{folder.name}_label.csv").write_text("\n".join(lines) + "\n")


@cache
def table_bytes():
    with TemporaryDirectory() as folder:
        return write_table(Path(folder) / "x", numbers()).read_bytes()


def write_video(source, video="0001", labels=((7, 0, 3), (99, 5, 5))):
    (source / video).mkdir(parents=True, exist_ok=True)
    (source / video / f"{video}_openpose.xlsx").write_bytes(table_bytes())
    if labels:
        write_labels(source / video, labels)


def row(video=1, start=0, end=3, kind=7, subject=12, outcome="win", rate=25.0, digits=3):
    """A row of the label file, its times those of the frames."""
    times = [f"{int(f / rate // 60):02d}:{f / rate % 60:0{3 + digits}.{digits}f}"
             for f in (start, end)]  # fmt: skip
    return [video, 1, times[0], start, times[1], end, kind, subject, "F", "X", outcome]


def write_csv(path, rows, columns=COLUMNS):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def spans(annotations, tier="gesture"):
    return [(a.label, a.start, a.stop, a.unit) for a in annotations if a.tier == tier]


def store_of(path, times, video="0001", source="container"):
    """A store as extraction makes it."""
    path.mkdir(exist_ok=True)
    shape = (len(times), len(UPPER_BODY_HANDS_FACE))
    sequence = PoseSequence(
        skeleton=UPPER_BODY_HANDS_FACE,
        keypoints=np.ones((*shape, 2), np.float32),
        scores=np.ones(shape, np.float32),
        time=np.asarray(times, np.float64),
        unit="pixel",
        time_source=source,
    )
    write_pose_file(path, video, sequence, Provenance("test", "1"))
    return path


@pytest.mark.parametrize(
    ("header", "index"),
    [
        (None, None),
        ([f"point {k}" for k in range(411)], None),
        (list(range(411)), None),
        (None, 0),
        (None, 1),
        ([None, *range(411)], 0),
        (["frame", *map(str, range(411))], 1),
    ],
    ids=["plain", "words", "pandas", "index 0", "index 1", "pandas index", "named index"],
)
def test_a_table_with_whatever_header(tmp_path, header, index):
    values = numbers()
    write_table(tmp_path / "0001", values, header, index)
    (pose,) = read_miga(tmp_path)
    sequence, expected = pose.sequence, values.reshape(-1, 137, 3)
    seen = expected[..., 2] > 0
    np.testing.assert_array_equal(sequence.detected, seen)
    np.testing.assert_allclose(sequence.keypoints[seen], expected[seen][:, :2], rtol=1e-6)
    np.testing.assert_allclose(sequence.scores, expected[..., 2], rtol=1e-6)
    # A failed pose is nobody, not somebody at the picture's corner.
    assert np.flatnonzero(sequence.ledger & int(FrameFlag.NO_PERSON)).tolist() == [4]
    names = sequence.skeleton.keypoints
    lost = [name for name, there in zip(names, sequence.detected[5], strict=True) if not there]
    assert len(lost) == 21
    assert all(name.startswith("left_") for name in lost)
    arm = convert(sequence, UPPER_BODY_HANDS_FACE)
    wrist = UPPER_BODY_HANDS_FACE.index("left_wrist")
    np.testing.assert_allclose(arm.keypoints[0, wrist], expected[0, 7, :2], rtol=1e-6)


def test_labels_of_the_folders(tmp_path):
    write_video(tmp_path)
    (pose,) = read_miga(tmp_path)
    assert spans(pose.annotations) == [
        ("rubbing eyes", 0, 4, "frame"),
        ("illustrative gesture", 5, 6, "frame"),
    ]
    assert {a.subject for a in pose.annotations} == {"unknown"}
    assert pose.sequence.subject is None
    assert len(IMIGUE_CLASSES) == 32


def test_a_header_of_the_labels_is_no_label(tmp_path):
    write_table(tmp_path / "0001", numbers())
    write_labels(tmp_path / "0001", [(1, 0, 2)], header=("class", "start_frame", "end_frame"))
    (pose,) = read_miga(tmp_path)
    assert spans(pose.annotations) == [("turtle neck", 0, 3, "frame")]


def test_the_first_frames_number_is_told_or_shown_never_guessed(tmp_path):
    write_video(tmp_path, labels=[(1, 3, 4)])
    with pytest.raises(InputError, match="--frame-base"):
        list(read_miga(tmp_path))
    table = write_csv(tmp_path / "l.csv", [row(1, 3, 4, digits=0)])
    with pytest.raises(InputError, match="--frame-base"):
        list(read_miga(tmp_path, ImportOptions(labels=table)))
    for base, start in ((0, 3), (1, 2)):
        (pose,) = read_miga(tmp_path, ImportOptions(frame_base=base))
        assert spans(pose.annotations) == [("turtle neck", start, start + 2, "frame")]
    write_video(tmp_path, "0002", labels=[(1, 0, 4)])  # shows it for the whole copy
    poses = {p.video_id: p for p in read_miga(tmp_path)}
    assert spans(poses["0001"].annotations) == [("turtle neck", 3, 5, "frame")]
    with pytest.raises(InputError, match="start at 1"):
        list(read_miga(tmp_path, ImportOptions(frame_base=1)))


def test_the_videos_that_the_release_left_empty_are_told_and_passed_over(tmp_path, caplog):
    source, out = tmp_path / "in", tmp_path / "out"
    write_video(source)
    write_table(source / "0347", numbers()[:0])
    (source / "0348").mkdir()
    (source / "0348" / "0348_openpose.xlsx").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert import_poses(source, "miga", out) == 1
    assert sum("left it empty" in message for message in caplog.messages) == 2
    write_table(source / "0349", numbers()[:0])  # of another video it is a fault of the copy
    with pytest.raises(InputError, match="0349"):
        import_poses(source, "miga", out)
    assert list(PoseStore(out)) == ["0001"]


def bad_bytes(folder):
    (folder / f"{folder.name}_openpose.xlsx").write_bytes(b"PK\x03\x04 no workbook")


def bad_cut(folder):
    path = folder / f"{folder.name}_openpose.xlsx"
    path.write_bytes(path.read_bytes()[:-900])


def bad_columns(folder):
    write_table(folder, numbers()[:, :399])


def bad_word(folder):
    values = numbers().astype(object)
    values[7, 9] = "left"
    write_table(folder, values)


def bad_hole(folder):
    values = numbers().astype(object)
    values[7, 9] = None
    write_table(folder, values)


def bad_huge(folder):
    write_table(folder, numbers() * 1e6)


def bad_class(folder):
    write_labels(folder, [(32, 0, 2)])


def bad_span(folder):
    write_labels(folder, [(1, 5, 2)])


def bad_end(folder):
    write_labels(folder, [(1, 0, 2), (1, 30, 31)])


def bad_label_columns(folder):
    write_labels(folder, [(1, 0)])


@pytest.mark.parametrize(
    "spoil",
    [bad_bytes, bad_cut, bad_columns, bad_word, bad_hole, bad_huge, bad_class, bad_span, bad_end,
     bad_label_columns],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_a_bad_video_is_one_line_and_costs_itself_only(tmp_path, spoil):
    source, out = tmp_path / "in", tmp_path / "out"
    for video in ("0001", "0002", "0003"):
        write_video(source, video)
    spoil(source / "0002")
    with pytest.raises(InputError, match="1 of 3 sequences") as caught:
        import_poses(source, "miga", out)
    assert "0002_" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(PoseStore(out)) == ["0001", "0003"]
    assert {a.video for a in read_annotations(out / "annotations.csv")} == {"0001", "0003"}


def test_a_folder_of_unread_tables_says_why(tmp_path):
    (tmp_path / "0001").mkdir()
    (tmp_path / "0001" / "0001_light_hand.csv").write_text("0," + ",".join(["1"] * 105))
    with pytest.raises(InputError, match="not documented"):
        list(read_miga(tmp_path))


def test_the_label_file_brings_subjects_and_outcomes(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    write_video(source, "0001", labels=[(1, 3, 4)])
    write_video(source, "0002", labels=[])
    write_video(source, "0009", labels=[])
    table = write_csv(
        tmp_path / "labels.csv",
        [row(1, 0, 3, 7, 12, "win"), row(1, 6, 9, 99, 12, "Win"), row(2, 8, 20, 31, 5, "lose"),
         row(77, 1, 2)],
    )  # fmt: skip
    assert import_poses(source, "miga", out, ImportOptions(labels=table)) == 3
    store, found = PoseStore(out), read_annotations(out / "annotations.csv")
    assert [store.header(v).subject for v in store] == ["12", "5", None]
    assert spans([a for a in found if a.video == "0001"]) == [
        ("rubbing eyes", 0, 4, "frame"),
        ("illustrative gesture", 6, 10, "frame"),
    ]
    assert spans(found, "emotion") == [("win", 0, 30, "frame"), ("lose", 0, 30, "frame")]
    assert {(a.video, a.subject) for a in found} == {("0001", "12"), ("0002", "5")}


def test_seconds_become_frames_by_time_stamp_not_by_rate(tmp_path):
    """A video of variable frame rate: 25 frames a second, then a gap, then 50."""
    times = np.concatenate([np.arange(10) / 25, 2 + np.arange(40) / 50])
    store = store_of(tmp_path / "store", times)
    rows = [row(1, 2, 5), [1, 2, "2.000", 50, "00:02.200", 55, 9, 12, "M", "X", "win"]]
    assert import_poses(write_csv(tmp_path / "l.csv", rows), "imigue", store) == 1
    gestures = [a for a in read_annotations(store / "annotations.csv") if a.tier == "gesture"]
    assert {a.unit for a in gestures} == {"second"}
    frames = [np.searchsorted(times, (a.start, a.stop)).tolist() for a in gestures]
    assert frames == [[2, 6], [10, 21]]


def test_whole_seconds_are_too_coarse_so_frames_count_and_are_checked(tmp_path):
    rows = [row(1, 30, 60, digits=0), row(1, 100, 110, digits=0), row(1, 0, 1, digits=0)]
    table = write_csv(tmp_path / "l.csv", rows)
    good = store_of(tmp_path / "good", np.arange(200) / 25)
    import_poses(table, "imigue", good)
    gestures = spans(read_annotations(good / "annotations.csv"))
    assert gestures[:2] == [("rubbing eyes", 30, 61, "frame"), ("rubbing eyes", 100, 111, "frame")]
    other = store_of(tmp_path / "other", np.arange(200) / 50)
    with pytest.raises(InputError, match="another rate"):
        import_poses(table, "imigue", other)


def test_labels_come_to_a_store_by_id_or_by_the_videos_name(tmp_path):
    store = store_of(tmp_path / "store", np.arange(50) / 25, video="a1b2c3")
    store_of(tmp_path / "store", np.arange(50) / 25, video="0002")
    store_of(tmp_path / "store", np.arange(50) / 25, video="other")
    (store / "sources.csv").write_text("id,path\na1b2c3,in/0001.mp4\nother,in/walk.mp4\n")
    kept = [
        Annotation("other", "x", 0, 1, "walk"),
        Annotation("0002", "5", 0, 1, "speaks", tier="speech"),
        Annotation("0002", "5", 0, 1, "old"),
    ]
    write_annotations(store / "annotations.csv", kept)
    table = write_csv(tmp_path / "l.csv", [row(1, 0, 3), row(2, 0, 3, subject=5, outcome="")])
    for _ in range(2):  # doing it again changes nothing
        assert import_poses(table, "imigue", store) == 2
        found = read_annotations(store / "annotations.csv")
        assert found[:2] == kept[:2]
        assert [(a.video, a.tier, a.label) for a in found[2:]] == [
            ("0002", "gesture", "rubbing eyes"),
            ("a1b2c3", "gesture", "rubbing eyes"),
            ("a1b2c3", "emotion", "win"),
        ]


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([row()], COLUMNS[:-1], "win_or_lose"),
        ([], COLUMNS, "header only"),
        ([row(kind=40)], COLUMNS, "line 2"),
        ([row(start=5, end=2)], COLUMNS, "before its end"),
        ([row(outcome="draw")], COLUMNS, "win or lose"),
        ([row(), row(subject=3)], COLUMNS, "line 3"),
        ([row(), row(outcome="lose")], COLUMNS, "line 3"),
        ([row()[:-1]], COLUMNS, "11 fields"),
        ([[*row()[:2], "soon", *row()[3:]]], COLUMNS, "h:"),
        ([["x", *row()[1:]]], COLUMNS, "line 2: expected a whole number as video_id"),
        ([row(start=501, end=503)], COLUMNS, "after the poses"),
        ([row(video=9)], COLUMNS, "found none"),
    ],
)
def test_bad_label_files(tmp_path, rows, columns, words):
    rows = [r[: len(columns)] if len(columns) < 11 else r for r in rows]
    store = store_of(tmp_path / "store", np.arange(50) / 25)
    with pytest.raises(InputError, match=r"l\.csv") as caught:
        import_poses(write_csv(tmp_path / "l.csv", rows, columns), "imigue", store)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (store / "annotations.csv").exists()


def test_a_label_after_the_poses_fails_its_video_only(tmp_path):
    for video in ("0001", "0002"):
        write_video(tmp_path / "in", video, labels=[])
    table = write_csv(tmp_path / "l.csv", [row(1, 0, 3), row(2, 30, 33, subject=5)])
    good, failed = read_miga(tmp_path / "in", ImportOptions(labels=table))
    assert good.video_id == "0001"
    assert isinstance(failed, FailedImport)
    assert "after the poses" in failed.error
