"""The tools: help without heavy libraries, and one clear line for what cannot be used."""

import os
import runpy
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from mgpose.engine.pretrain import FINAL_CHECKPOINT

HELP = """
import argparse, runpy, sys
parse = argparse.ArgumentParser.parse_args

def check(parser, *args, **kwargs):
    bare = [a.dest for a in parser._actions if not a.help or not a.help.strip()]
    print("without help:", bare)
    return parse(parser, *args, **kwargs)

argparse.ArgumentParser.parse_args = check
tool = sys.argv[1]
sys.argv = [tool, "--help"]
try:
    runpy.run_path(tool, run_name="__main__")
except SystemExit as end:
    print("code:", end.code)
heavy = {"torch", "mediapipe", "cv2", "mmengine", "sklearn", "matplotlib", "torch_geometric"}
print("heavy:", sorted(heavy & set(sys.modules)))
"""
TOOLS = (
    "benchmark",
    "compare_stores",
    "draw_classes",
    "evaluate",
    "export_model",
    "export_poses",
    "extract_pose",
    "import_pose",
    "inspect_store",
    "make_synthetic",
    "measure_difficulty",
    "quickstart",
    "run_study",
    "train",
)


def process(repo, *arguments, cwd=None):
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=cwd
    )


def test_all_tools_are_here(repo):
    assert {path.stem for path in (repo / "tools").glob("*.py")} == set(TOOLS)
    for path in (repo / "tools").glob("*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) < 60, path
        assert lines[-1].strip() == "run_tool(main)", path


@pytest.mark.parametrize("tool", TOOLS)
def test_help(repo, tool):
    done = process(repo, "-c", HELP, repo / "tools" / f"{tool}.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "usage: " in done.stdout
    assert done.stdout.splitlines()[-2:] == ["code: 0", "heavy: []"]
    assert "without help: []" in done.stdout


@pytest.fixture
def config(tiny_config, tmp_path):
    """Two config files, for train.py and evaluate.py, of which single values can be changed."""

    def write(tool, **data):
        values = {"data": {**tiny_config["data"], **data}}
        if tool == "train":
            values = {**tiny_config, **values}
        else:
            values = {**values, "tasks": {"retrieval": {}}, "threads": 1}
        path = tmp_path / f"{tool}_config.py"
        path.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
        return path

    return write


@pytest.fixture
def run(repo, tmp_path, monkeypatch, capfd):
    """Run a tool here, in an empty folder: exit code, lines on stderr but a bar, what it left."""
    place = tmp_path / "here"
    place.mkdir()

    def run(tool, *arguments):
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", [f"{tool}.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(repo / "tools" / f"{tool}.py"), run_name="__main__")
        lines = [line for line in capfd.readouterr().err.splitlines() if line and "0%|" not in line]
        return end.value.code, lines, sorted(place.rglob("*"))

    return run


def check(found, *words):
    code, lines, left = found
    assert code == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]
    assert left == []


def arguments_of(tool, config, tiny_run):
    return [config] if tool == "train" else [config, tiny_run]


@pytest.mark.parametrize("tool", ["train", "evaluate"])
class TestBadInput:
    def test_missing_config(self, run, tool, tiny_run, tmp_path):
        arguments = arguments_of(tool, tmp_path / "none.py", tiny_run)
        check(run(tool, *arguments), "none.py", "found nothing")

    def test_mistyped_key(self, run, tool, config, tiny_run):
        arguments = arguments_of(tool, config(tool, stroe="x"), tiny_run)
        check(run(tool, *arguments), "'stroe'; did you mean 'store'?")

    @pytest.mark.parametrize("option", ["seeed=1", "data.clip.frams=8", "seed"])
    def test_mistyped_option(self, run, tool, config, tiny_run, option):
        arguments = arguments_of(tool, config(tool), tiny_run)
        check(run(tool, *arguments, "--cfg-options", option), option.rpartition(".")[2][:4])

    def test_missing_store(self, run, tool, config, tiny_run):
        arguments = arguments_of(tool, config(tool, store="nowhere"), tiny_run)
        check(run(tool, *arguments), "nowhere", "expected a folder of pose files")

    @pytest.mark.parametrize("kind", ["empty", "foreign", "damaged", "no annotations", "later"])
    def test_a_store_that_is_not_ours(
        self, run, tool, config, tiny_run, tiny_store, tmp_path, kind
    ):
        store = tmp_path / "store"
        if kind in ("empty", "foreign"):
            store.mkdir()
        else:
            shutil.copytree(tiny_store, store)
        files = sorted(tiny_store.glob("*.h5"))
        if kind == "foreign":
            with h5py.File(store / "a.h5", "w") as file:
                file["keypoints"] = np.zeros((3, 17, 2))
        if kind == "damaged":
            (store / files[0].name).write_bytes(files[0].read_bytes()[:3000])
        if kind == "later":
            (store / files[3].name).write_bytes(b"not HDF5")
        if kind == "no annotations":
            (store / "annotations.csv").unlink()
        arguments = arguments_of(tool, config(tool, store=str(store)), tiny_run)
        check(run(tool, *arguments), "store", "expected")

    def test_annotations_of_other_videos(self, run, tool, config, tiny_run, tiny_store, tmp_path):
        store = tmp_path / "store"
        shutil.copytree(tiny_store, store)
        next(iter(store.glob("*.h5"))).unlink()
        arguments = arguments_of(tool, config(tool, store=str(store)), tiny_run)
        check(run(tool, *arguments), "annotation", "not in the store")

    def test_unknown_fold(self, run, tool, config, tiny_run):
        arguments = arguments_of(tool, config(tool), tiny_run)
        check(run(tool, *arguments, "--fold", "p01"), "'p01'", "last_quarter")


@pytest.mark.parametrize("kind", ["layout", "missing", "text", "truncated"])
def test_evaluate_another_checkpoint(run, config, tiny_run, tmp_path, kind):
    path = tmp_path / "other.pth"
    if kind == "layout":
        content = torch.load(tiny_run / FINAL_CHECKPOINT, weights_only=True)
        content["mgpose"]["skeleton"] = "kinect_20"
        torch.save(content, path)
    if kind == "text":
        path.write_text("weights")
    if kind == "truncated":
        path.write_bytes((tiny_run / FINAL_CHECKPOINT).read_bytes()[:5000])
    check(run("evaluate", config("evaluate"), path), "other.pth")


def test_evaluate_another_layout(run, config, tiny_run):
    """The checkpoint is whole, but the data are in another skeleton."""
    path = config("evaluate", skeleton="kinect_20")
    check(run("evaluate", path, tiny_run), "upper_body_hands_face", "kinect_20")


def test_evaluate_an_unknown_task(run, config, tiny_run):
    check(run("evaluate", config("evaluate"), tiny_run, "--task", "emotoin"), "emotoin")


def test_evaluate_works_from_the_command_line(repo, config, tiny_run, tmp_path):
    done = process(
        repo, repo / "tools/evaluate.py", config("evaluate"), tiny_run, "--out", "out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert "written: out/results.json, out/report.html" in done.stdout
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "results.json"]


def test_a_bad_store_from_the_command_line(repo, config, tmp_path):
    """The same in a process of its own, where nothing turns warnings into errors."""
    path = config("train", store="nowhere")
    done = process(repo, repo / "tools/train.py", path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: nowhere")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "work_dirs").exists()
