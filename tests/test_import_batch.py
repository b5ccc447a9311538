"""What every importer promises: bad sequences cost themselves only, reruns, subjects, the tool."""

import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgpose.io import PoseStore, read_annotations, write_annotations
from mgpose.io.importers.import_pose import (
    FORMATS,
    LABEL_FORMATS,
    PoseFormat,
    import_poses,
    write_store,
)
from mgpose.io.importers.imported_pose import (
    FailedImport,
    ImportedPose,
    ImportOptions,
    imported_ledger,
    read_each,
)
from mgpose.structures import KINECT_20, Annotation, InputError, PoseSequence


def pose(video, subject=None, fps=None, value=1.0):
    keypoints = np.full((5, 20, 3), value, np.float32)
    time = np.arange(5, dtype=np.float64)
    sequence = PoseSequence(
        skeleton=KINECT_20,
        keypoints=keypoints,
        scores=np.ones((5, 20), np.float32),
        time=time if fps is None else time / fps,
        unit="metre",
        time_source="index" if fps is None else "rate",
        ledger=imported_ledger(np.ones((5, 20), bool)),
        subject=subject,
    )
    note = Annotation(video, subject or "unknown", 0, 5, "walk", unit="frame")
    return ImportedPose(video, sequence, (note,), f"{value}".encode().hex().ljust(64, "0"))


def store(poses, out):
    return write_store(iter(poses), Path(out), "test", "1")


def test_the_rest_of_the_batch_goes_on(tmp_path, caplog):
    out = tmp_path / "out"
    entries = [
        pose("a"),
        FailedImport("in/b.json: bad"),
        pose("c"),
        pose("a", value=2),
        pose("no/id"),
        pose("d"),
    ]
    with pytest.raises(InputError, match=r"^3 of 6 sequences .*the first: in/b\.json: bad$"):
        store(entries, out)
    assert list(PoseStore(out)) == ["a", "c", "d"]
    assert [a.video for a in read_annotations(out / "annotations.csv")] == ["a", "c", "d"]
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert "share the id 'a'" in caplog.messages[1]
    assert PoseStore(out)["a"].keypoints[0, 0, 0] == 1


def breaks_after(poses, error):
    yield from poses
    raise error


@pytest.mark.parametrize(
    "error", [InputError("in.zip: cut"), KeyboardInterrupt(), OSError(28, "x")]
)
def test_what_was_stored_before_the_source_broke_has_its_annotations(tmp_path, error):
    with pytest.raises(type(error)):
        store(breaks_after([pose("a"), pose("b")], error), tmp_path)
    assert [a.video for a in read_annotations(tmp_path / "annotations.csv")] == ["a", "b"]
    assert store([pose("a"), pose("b"), pose("c")], tmp_path) == 3
    assert len(read_annotations(tmp_path / "annotations.csv")) == 3


def test_nothing_good_leaves_nothing(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="1 of 1"):
        store([FailedImport("x: bad")], out)
    assert not out.exists()


def test_reading_each_turns_bad_input_into_a_failure_and_nothing_else():
    def read(item):
        if item == "bad":
            raise InputError("bad: told")
        if item == "bug":
            raise RuntimeError("not the input's fault")
        return pose(item)

    found = list(read_each(["a", "bad", "b"], read))
    assert [getattr(p, "video_id", None) for p in found] == ["a", None, "b"]
    assert found[1] == FailedImport("bad: told")
    with pytest.raises(RuntimeError):
        list(read_each(["bug"], read))


def test_a_rerun_writes_what_the_user_told_otherwise(tmp_path):
    store([pose("a"), pose("b"), pose("c")], tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    store([pose("a"), pose("b", subject="p1"), pose("c", fps=25)], tmp_path)
    after = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.h5")}
    assert [name for name in sorted(after) if after[name] != before[name]] == ["b.h5", "c.h5"]
    read = PoseStore(tmp_path)
    assert (read.header("b").subject, read.header("c").time_source) == ("p1", "rate")


def test_a_rerun_keeps_the_annotations_that_came_from_elsewhere(tmp_path):
    unlabelled = replace(pose("b"), annotations=())
    store([pose("a"), unlabelled], tmp_path)
    table = tmp_path / "annotations.csv"
    more = [Annotation("a", "p", 0, 2, "happy", "emotion"), Annotation("b", "p", 0, 2, "nod")]
    write_annotations(table, read_annotations(table) + more)
    store([pose("a"), unlabelled, pose("c")], tmp_path)
    found = [(a.video, a.label) for a in read_annotations(table)]
    assert sorted(found) == [("a", "happy"), ("a", "walk"), ("b", "nod"), ("c", "walk")]


def test_a_table_tells_who_is_seen(tmp_path, monkeypatch, caplog):
    poses = [pose("a"), pose("b", "p2"), pose("c"), FailedImport("d: bad")]
    monkeypatch.setitem(
        FORMATS, "test", PoseFormat(lambda source, options: iter(poses), "test", ())
    )
    table, out = tmp_path / "who.csv", tmp_path / "out"
    table.write_text("video,subject\na,p1\nb,p3\nz,p9\n")
    with pytest.raises(InputError, match="2 of 4") as caught:
        import_poses(tmp_path, "test", out, ImportOptions(subjects=table))
    assert "'p2' by its format and 'p3'" in str(caught.value)
    read = PoseStore(out)
    assert {v: read.header(v).subject for v in read} == {"a": "p1", "c": None}
    assert any("such as 'z'" in message for message in caplog.messages)
    subjects = {a.video: a.subject for a in read_annotations(out / "annotations.csv")}
    assert subjects == {"a": "p1", "c": "unknown"}
    for text in ("", "video\na\n", "video,subject\na,\n", "video,subject\na,1\na,2\n"):
        table.write_text(text)
        with pytest.raises(InputError, match=r"who\.csv"):
            import_poses(tmp_path, "test", out, ImportOptions(subjects=table))


@pytest.mark.parametrize(
    "options", [{"fps": 0}, {"fps": np.nan}, {"frame_size": (0, 480)}, {"frame_base": 2}]
)
def test_impossible_options(options):
    with pytest.raises(InputError, match="expected"):
        ImportOptions(**options)


def tool(repo, *arguments):
    command = [sys.executable, str(repo / "tools" / "import_pose.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=repo)


def test_the_tool_counts_failures_and_exits_2(repo, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in (1, 2, 3):
        rows = np.tile([0.1, 0.2, 2.5, 1.0], (60, 1))
        np.savetxt(source / f"a0{number}_s01_e01_skeleton3D.txt", rows)
    (source / "a02_s01_e01_skeleton3D.txt").write_text("1 2 3\n")
    run = tool(repo, source, "--format", "kinect-text", "--out", out, "--fps", "15")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    lines = run.stderr.replace("\r", "\n").splitlines()
    assert lines[-1].startswith(f"error: 1 of 3 sequences were not imported into {out}")
    assert sum(line.startswith("ERROR: ") for line in lines) == 1
    assert len(PoseStore(out)) == 2
    (source / "a02_s01_e01_skeleton3D.txt").unlink()
    run = tool(repo, source, "--format", "kinect-text", "--out", out, "--fps", "15")
    assert (run.returncode, run.stdout) == (0, f"2 sequences in {out}\n")


@pytest.mark.parametrize("wrong", [["--frame-size", "640"], ["--frame-base", "3"], ["--fps", "x"]])
def test_options_that_cannot_be_read(repo, monkeypatch, capsys, wrong):
    monkeypatch.setattr(sys, "argv", ["import_pose.py", "in", "--format", "smg", *wrong])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(repo / "tools" / "import_pose.py"), run_name="__main__")
    assert end.value.code == 2
    assert wrong[0] in capsys.readouterr().err.splitlines()[-1]


def test_every_format_is_offered(repo, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["import_pose.py", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(repo / "tools" / "import_pose.py"), run_name="__main__")
    words = capsys.readouterr().out
    assert all(name in words for name in (*FORMATS, *LABEL_FORMATS))


@pytest.mark.parametrize(
    ("format", "options", "flag"),
    [
        ("nw-ucla", ImportOptions(frame_size=(64, 48)), "--frame-size"),
        ("mediapipe-npz", ImportOptions(skeleton="coco_17"), "--skeleton"),
        ("imigue", ImportOptions(subjects=Path("who.csv")), "--subjects"),
    ],
)
def test_an_option_that_a_format_does_not_take_is_refused(tmp_path, format, options, flag):
    with pytest.raises(InputError, match=f"does not take {flag}"):
        import_poses(tmp_path, format, tmp_path / "out", options)
