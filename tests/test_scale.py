"""Memory and speed on long video; the real thing: ``python tests/long_run.py``."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg loops the clip"),
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]


def long_run(repo, clip: Path, minutes: int, estimator: str) -> dict:
    command = [sys.executable, repo / "tests/long_run.py", clip, "--minutes", str(minutes)]
    done = subprocess.run(
        [*command, "--estimator", estimator], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_two_hours_take_no_more_memory_than_five_minutes(repo, write_video, tmp_path):
    """In Matroska: FFmpeg keeps a table of all frames of an MP4, 7 MB for two hours."""
    noise = np.random.default_rng(0)
    images = noise.integers(0, 255, (1500, 24, 32, 3), np.uint8)
    clip = write_video(tmp_path / "minute.mkv", images)
    short, long = (long_run(repo, clip, minutes, "cheap_estimator:make") for minutes in (5, 120))
    assert long["frames"] == 120 * 1500
    assert long["peak_megabytes"] < 1.1 * short["peak_megabytes"]
    speeds = [tenth["per_cpu_second"] for tenth in long["tenths"]]
    assert speeds[-1] > 0.95 * speeds[0]


@pytest.mark.shared
def test_mediapipe_takes_no_more_memory_as_it_goes_on(repo, real_data):
    pytest.importorskip("mediapipe")
    report = long_run(repo, real_data / "videos/intel-asl/again.mkv", 3, "mediapipe")
    memory = [tenth["megabytes"] for tenth in report["tenths"]]
    assert memory[-1] < 1.05 * memory[2]
