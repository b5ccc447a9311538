"""SIGKILL at several moments, then run again: the same store as an unbroken run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mgpose.io import read_pose_file

VIDEOS, FRAMES = 3, 14
# What the store's folder shows when the axe falls.
MOMENTS: list[tuple[str, Callable[[Path], bool]]] = [
    ("while starting", lambda out: out.is_dir()),
    ("in the first video", lambda out: any(out.glob("*.partial"))),
    ("after the first video", lambda out: len(list(out.glob("*.h5"))) >= 1),
    ("in the second video", lambda out: one_done_and_one_begun(out)),
    ("after the second video", lambda out: len(list(out.glob("*.h5"))) >= 2),
]


def one_done_and_one_begun(out: Path) -> bool:
    return any(out.glob("*.h5")) and any(out.glob("*.partial"))


def start(repo: Path, videos: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, repo / "tools/extract_pose.py", videos, "--out", out]
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video, person_images) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    images = person_images(FRAMES + VIDEOS)
    for i in range(VIDEOS):
        write_video(folder / f"{i}.mp4", images[i : i + FRAMES])
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
