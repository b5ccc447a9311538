"""SIGKILL at several moments, then run again: the same store as an unbroken run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mgpose.extraction.jobs.lease import entries
from mgpose.io import read_pose_file

VIDEOS, FRAMES = 3, 60
# What the store's folder shows when the axe falls.
MOMENTS: list[tuple[str, Callable[[Path], bool]]] = [
    ("while starting", lambda out: out.is_dir()),
    ("in the first video", lambda out: begun(out)),
    ("after the first video", lambda out: len(list(out.glob("*.h5"))) >= 1),
    ("in the second video", lambda out: any(out.glob("*.h5")) and begun(out)),
    ("after the second video", lambda out: len(list(out.glob("*.h5"))) >= 2),
]


def begun(out: Path) -> bool:
    folders = [p for p in entries(out / "in_progress") if "@" in p.name and p.is_dir()]
    return any(file.suffix == ".partial" for folder in folders for file in entries(folder))


def start(repo: Path, videos: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, repo / "tools/extract_pose.py", videos, "--out", out]
    path = os.pathsep.join((str(repo), str(repo / "tests")))
    environment = {**os.environ, "PYTHONPATH": path, "MGPOSE_CHEAP_PAUSE": "0.005"}
    command += ["--estimator", "cheap_estimator:make"]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    noise = np.random.default_rng(0)
    for i in range(VIDEOS):
        images = noise.integers(0, 255, (FRAMES + i, 48, 64, 3), np.uint8)
        write_video(folder / f"{i}.mp4", images)
    return folder


def test_killed_and_resumed_is_the_same_store(repo, videos, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(repo, videos, whole).wait() == 0
    for name, reached in MOMENTS:
        process = start(repo, videos, broken)
        deadline = time.monotonic() + 60
        while not reached(broken):
            assert time.monotonic() < deadline, f"the moment {name!r} never came"
            assert process.poll() is None, f"the run ended before {name!r}"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in broken.glob("*.h5"):
            read_pose_file(path)  # what has its name is whole
    assert start(repo, videos, broken).wait() == 0
    names = sorted(path.name for path in whole.glob("*.h5"))
    assert len(names) == VIDEOS
    assert sorted(p.name for p in broken.iterdir()) == sorted(p.name for p in whole.iterdir())
    for name in names:
        a, b = read_pose_file(whole / name), read_pose_file(broken / name)
        for array in ("keypoints", "scores", "time", "ledger"):
            assert getattr(a, array).tobytes() == getattr(b, array).tobytes()
        assert (whole / name).read_bytes() == (broken / name).read_bytes()


def test_killed_at_random_moments(repo):
    """The short form of ``python tests/kill_many.py --kills 500``."""
    command = [sys.executable, repo / "tests/kill_many.py", "--kills", "5", "--videos", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 kills")
