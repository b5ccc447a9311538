"""Does a long video take more memory, or become slower?

    python tests/long_run.py CLIP --minutes 120 --estimator cheap_estimator:make
    python tests/long_run.py CLIP --minutes 60 --stop-after 1200     # MediaPipe for 20 minutes

The clip is looped without coding it anew, extracted in this process, and a JSON object printed:
peak memory in MB (with the reading back at the end), and for each tenth of the frames the memory
at its end, frames a second of wall time, and frames a second of this process's own CPU time, which
other programs hardly disturb.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO), str(REPO / "tests")]

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings  # noqa: E402
from mgpose.extraction.estimators.methods import build_method  # noqa: E402
from mgpose.extraction.extract import extract_video  # noqa: E402
from mgpose.io.video import VideoReader  # noqa: E402


class Enough(Exception):
    """The time is over."""


def loop(clip: Path, video: Path, minutes: float) -> int:
    """Returns the frames of the looped video."""
    command = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(clip), "-t"]
    subprocess.run([*command, str(60 * minutes), "-c", "copy", str(video)], check=True)
    with VideoReader(video) as reader:
        return reader.announced


def memory(field: str) -> float:
    """MB of this process: ``VmRSS`` now, ``VmHWM`` at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1000
    raise ValueError(field)


def extract(video: Path, out: Path, estimator: str, stop_after: float) -> list[tuple]:
    """(frames, wall seconds, CPU seconds, MB) at most four times a second."""
    marks = [_mark(0)]
    latest = marks[0]

    def progress(frames: int) -> None:
        nonlocal latest
        latest = _mark(latest[0] + frames)
        if latest[1] - marks[-1][1] > 0.25:
            marks.append(latest)
        if latest[1] - marks[0][1] > stop_after:
            raise Enough

    method = build_method(EstimatorSettings(estimator))
    with contextlib.suppress(Enough):
        extract_video(video, out, "long", method, "", progress=progress)
    return [*marks, latest]


def _mark(frames: int) -> tuple:
    return frames, time.monotonic(), time.process_time(), memory("VmRSS")


def tenths(marks: list[tuple]) -> list[dict[str, float]]:
    """What each tenth of the frames took."""
    total, places = marks[-1][0], [marks[0]]  # the last frames; reading back is not among them
    for part in range(1, 11):
        places.append(next(mark for mark in marks if mark[0] >= total * part / 10))
    return [
        {
            "frames": b[0] - a[0],
            "per_second": round((b[0] - a[0]) / (b[1] - a[1]), 2),
            "per_cpu_second": round((b[0] - a[0]) / (b[2] - a[2]), 2),
            "megabytes": round(b[3], 1),
        }
        for a, b in pairwise(places)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--estimator", default="mediapipe")
    parser.add_argument("--stop-after", type=float, default=float("inf"), metavar="SECONDS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / f"long{options.clip.suffix}"
        announced = loop(options.clip, video, options.minutes)
        marks = extract(video, Path(folder), options.estimator, options.stop_after)
    report = {
        "announced": announced,
        "frames": marks[-1][0],
        "seconds": round(marks[-1][1] - marks[0][1], 1),
        "peak_megabytes": round(memory("VmHWM"), 1),
        "tenths": tenths(marks),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
