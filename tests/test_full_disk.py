"""Disks that are full or closed, videos and stores that vanish: one line, code 2, nothing half."""

import csv
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mgpose.extraction.jobs.lease import entries
from mgpose.io import PoseStore, read_pose_file

FRAMES = 700


def command(repo, *arguments) -> list[str]:
    tool = repo / "tools/extract_pose.py"
    return [sys.executable, str(tool), "--estimator", "cheap_estimator:make", *map(str, arguments)]


def environment(repo, pause=0.0) -> dict[str, str]:
    path = os.pathsep.join((str(repo), str(repo / "tests")))
    return {**os.environ, "PYTHONPATH": path, "MGPOSE_CHEAP_PAUSE": str(pause)}


def run(repo, *arguments, **options):
    return subprocess.run(
        command(repo, *arguments),
        env=environment(repo),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def told(stderr: str) -> list[str]:
    """Lines but the progress bar's."""
    lines = stderr.replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip() and not line.startswith("extract:")]


def check_whole(store: Path) -> None:
    for path in store.glob("*.h5"):
        read_pose_file(path)
    assert not list(store.glob("*.h5.partial"))
    assert not list(store.glob("in_progress/*"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video) -> Path:
    """Three videos of noise, whose poses take about 1.5 MB each."""
    folder = tmp_path_factory.mktemp("in")
    noise = np.random.default_rng(0)
    for i in range(3):
        images = noise.integers(0, 255, (FRAMES - i, 48, 64, 3), np.uint8)
        write_video(folder / f"{i}.mp4", images)
    return folder


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "mgpose-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_batch_and_a_larger_one_resumes_it(repo, videos, small_disk):
    store = small_disk / "store"
    done = run(repo, videos, "--out", store)
    assert done.returncode == 2
    (line,) = told(done.stderr)
    assert line.startswith(f"error: {store}: expected a folder that takes files, found: No space")
    check_whole(store)
    kept = {path.name: path.read_bytes() for path in store.glob("*.h5")}
    assert len(kept) < 3
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    again = run(repo, videos, "--out", store)
    assert again.returncode == 0, again.stderr
    check_whole(store)
    assert len(PoseStore(store)) == 3
    assert all((store / name).read_bytes() == data for name, data in kept.items())


def test_a_full_disk_is_found_before_the_work(repo, videos, small_disk):
    (small_disk / "ballast").write_bytes(bytes((3 << 20) - 16384))
    done = run(repo, videos, "--out", small_disk / "store")
    assert done.returncode == 2
    assert len(told(done.stderr)) == 1
    assert "No space left on device" in done.stderr


def test_a_limit_on_the_size_of_files(repo, videos, tmp_path):
    """Not the store's fault: each video fails, with its line."""
    store = tmp_path / "store"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))

    done = run(repo, videos, "--out", store, preexec_fn=limit)
    assert done.returncode == 2
    lines = told(done.stderr)
    assert len(lines) == 3
    assert all("cannot be extracted: File too large" in line for line in lines)
    check_whole(store)
    assert not list(store.glob("*.h5"))


def obey_permissions() -> None:
    """Give up root's right to write everywhere, as in a program started by somebody else."""
    libc, drop_from_bounding_set, override = ctypes.CDLL(None), 24, 1
    if os.geteuid() == 0 and libc.prctl(drop_from_bounding_set, override, 0, 0, 0):
        raise OSError("prctl")


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights are given up as Linux has them")
@pytest.mark.parametrize("deeper", ["", "deeper"])
def test_a_folder_that_may_not_be_written(repo, videos, tmp_path, deeper):
    store = tmp_path / "store"
    store.mkdir(mode=0o555)
    done = run(repo, videos, "--out", store / deeper, preexec_fn=obey_permissions)
    assert done.returncode == 2
    (line,) = told(done.stderr)
    expected = "expected a folder that can be written, found: Permission denied"
    assert line == f"error: {store / deeper}: {expected}"


@pytest.mark.parametrize("out", ["/dev/full", "/dev/full/store"])
def test_a_store_that_is_no_folder(repo, videos, out):
    done = run(repo, videos, "--out", out)
    assert (done.returncode, len(told(done.stderr))) == (2, 1)
    assert "error: /dev/full" in done.stderr


def test_a_picture_folder_that_is_a_file(repo, videos, tmp_path):
    (tmp_path / "sheets").write_text("a file")
    store = tmp_path / "store"
    done = run(repo, videos, "--out", store, "--overlay", tmp_path / "sheets")
    assert (done.returncode, len(told(done.stderr))) == (2, 1)
    assert "sheets: expected a folder that can be written" in done.stderr
    assert not list(store.glob("*.h5"))


def start(repo, videos, store, pause) -> subprocess.Popen:
    return subprocess.Popen(
        command(repo, videos, "--out", store),
        env=environment(repo, pause),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(reached) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def begun(store: Path) -> list[Path]:
    """Folders of the videos that are being written."""
    return [p for p in entries(store / "in_progress") if "@" in p.name and p.is_dir()]


def in_work(store: Path) -> list[str]:
    return [p.name.partition("@")[0] for p in begun(store)]


def test_a_video_that_vanishes_before_its_turn(repo, videos, tmp_path):
    mine, store = shutil.copytree(videos, tmp_path / "in"), tmp_path / "store"
    process = start(repo, mine, store, 0.001)
    wait_until(lambda: in_work(store))
    (mine / "2.mp4").unlink()  # the shortest, and so the last
    _, stderr = process.communicate()
    assert process.returncode == 2
    (line,) = told(stderr)
    assert "2.mp4: expected a video file, found: No such file" in line
    assert len(PoseStore(store)) == 2
    with (store / "manifest.csv").open() as file:
        failed = [row for row in csv.DictReader(file) if row["status"] == "failed"]
    assert len(failed) == 1
    assert str(tmp_path) not in failed[0]["message"]


def test_a_video_that_vanishes_while_it_is_read(repo, videos, tmp_path):
    """Who has a file open reads it to its end; it only has to be the file that was hashed."""
    mine, store = tmp_path / "in", tmp_path / "store"
    mine.mkdir()
    shutil.copy(videos / "0.mp4", mine)
    process = start(repo, mine, store, 0.001)
    wait_until(lambda: any(file.suffix == ".partial" for p in begun(store) for file in entries(p)))
    (mine / "0.mp4").unlink()
    process.communicate()
    assert process.returncode == 0
    assert len(read_pose_file(next(store.glob("*.h5")))) == FRAMES


def test_a_video_that_changes_while_it_is_read(repo, videos, tmp_path):
    mine, store = tmp_path / "in", tmp_path / "store"
    mine.mkdir()
    shutil.copy(videos / "0.mp4", mine)
    process = start(repo, mine, store, 0.001)
    wait_until(lambda: in_work(store))
    with (mine / "0.mp4").open("ab") as file:
        file.write(b"more")
    _, stderr = process.communicate()
    assert process.returncode == 2
    assert "0.mp4: it changed while it was read" in stderr
    check_whole(store)
    assert not list(store.glob("*.h5"))


def test_a_store_that_vanishes(repo, videos, tmp_path):
    store = tmp_path / "store"
    process = start(repo, videos, store, 0.001)
    wait_until(lambda: in_work(store))
    store.rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    _, stderr = process.communicate()
    assert process.returncode == 2
    (line,) = told(stderr)
    assert line.startswith(f"error: {store}: expected a folder that takes files, found: No such")
    assert not store.exists()
