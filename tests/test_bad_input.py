"""Bad input: one clear line each, exit code 2, the rest goes on, nothing half-written stays."""

import csv
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mgpose.io import PoseStore


def run(repo, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def lines_with(text, word):
    """Lines that hold the word; a progress bar rewrites its line, so carriage returns count."""
    return [line for line in text.replace("\r", "\n").split("\n") if word in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_video, person_images):
    """Six bad videos and two good ones."""
    folder = tmp_path_factory.mktemp("in")
    write_video(folder / "good.mp4", person_images(6))
    grey = [np.full((96, 128, 3), 90 + i, np.uint8) for i in range(6)]
    write_video(folder / "nobody.mp4", grey)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n" * 20)
    (folder / "sub").mkdir()
    write_video(folder / "sub/good.mp4", person_images(5))
    (folder / "headless.mp4").write_bytes((folder / "good.mp4").read_bytes()[:-400])
    (folder / "notes.txt").write_text("not looked at")
    return folder


def test_a_batch_goes_on(repo, folder, tmp_path):
    out = tmp_path / "store"
    missing = tmp_path / "missing.mp4"
    done = run(repo, repo / "tools/extract_pose.py", folder, missing, "--out", out)
    assert done.returncode == 2, done.stderr
    assert "2 extracted, 5 failed" in done.stdout
    errors = lines_with(done.stderr, "ERROR")
    assert len(errors) == 5
    assert "Traceback" not in done.stderr
    for name in ("nobody.mp4", "empty.mp4", "text.mp4", "headless.mp4", "missing.mp4"):
        assert sum(f"/{name}: " in line for line in errors) == 1, name
    for reason in ("found nothing", "no person found", "no container of video"):
        assert any(reason in line for line in errors), reason
    assert len(PoseStore(out)) == 2
    assert {len(sequence) for sequence in PoseStore(out).values()} == {5, 6}
    assert not list(out.glob("*.partial"))
    with (out / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["status"] for row in rows) == ["extracted"] * 2 + ["failed"] * 5
    assert all(row["message"] for row in rows if row["status"] == "failed")
    names = ("good", "nobody", "empty", "text", "headless", "missing", str(tmp_path))
    assert not any(name in row["message"] for row in rows for name in names)
    again = run(repo, repo / "tools/extract_pose.py", folder, "--out", out)
    assert (again.returncode, "2 kept" in again.stdout) == (2, True)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "video,id,subject\nnone.mp4,x,p1\n"])
def test_bad_manifests(repo, folder, tmp_path, content):
    manifest = tmp_path / "m.csv"
    manifest.write_text(content)
    tool = repo / "tools/extract_pose.py"
    done = run(repo, tool, folder, "--out", tmp_path / "store", "--manifest", manifest)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "m.csv" in done.stderr
    assert not (tmp_path / "store").exists()


def test_nothing_to_extract(repo, tmp_path):
    done = run(repo, repo / "tools/extract_pose.py", tmp_path, "--out", tmp_path / "store")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "expected videos" in done.stderr


def test_an_id_that_another_video_holds(repo, folder, tmp_path, write_video, person_images):
    other = tmp_path / "other"
    other.mkdir()
    write_video(other / "good.mp4", person_images(9)[3:])
    out, tool = tmp_path / "store", repo / "tools/extract_pose.py"
    assert run(repo, tool, folder / "good.mp4", "--out", out).returncode == 0
    before = next(out.glob("*.h5")).read_bytes()
    done = run(repo, tool, other / "good.mp4", "--out", out)
    assert done.returncode == 2
    assert len(lines_with(done.stderr, "another video under the id")) == 1
    assert next(out.glob("*.h5")).read_bytes() == before


@pytest.mark.parametrize("kind", ["missing", "empty", "foreign", "truncated"])
def test_a_store_that_is_not_ours(repo, tmp_path, kind):
    store = tmp_path / "store"
    if kind != "missing":
        store.mkdir()
    if kind == "foreign":
        with h5py.File(store / "a.h5", "w") as file:
            file["keypoints"] = np.zeros((3, 17, 2))
    if kind == "truncated":
        sample = next((repo / "data/sample").glob("*.h5"))
        (store / "a.h5").write_bytes(sample.read_bytes()[:5000])
    done = run(repo, repo / "tools/inspect_store.py", store)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "store" in done.stderr
    assert "expected" in done.stderr


def test_help_needs_no_heavy_library(repo):
    for tool in ("extract_pose", "inspect_store"):
        code = (
            "import runpy, sys\n"
            f"sys.argv = ['{tool}', '--help']\n"
            "try:\n"
            f"    runpy.run_path({str(repo / 'tools' / tool)!r} + '.py', run_name='__main__')\n"
            "except SystemExit as end:\n"
            "    assert end.code == 0\n"
            "assert not {'mediapipe', 'torch', 'cv2', 'h5py'} & set(sys.modules)\n"
        )
        done = run(repo, "-c", code)
        assert done.returncode == 0, done.stderr
        assert "usage" in done.stdout
