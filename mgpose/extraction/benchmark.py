"""How fast extraction is, beside a plain MediaPipe loop over OpenCV frames in the same run."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.extract import FrameExtractor
from mgpose.io.video import VideoReader
from mgpose.structures import InputError

_barrier: Any = None  # of this process; see _share


@dataclass(frozen=True)
class Speed:
    """What one run did; models are loaded before the clock starts, decoding is counted.

    Args:
        name: of the run.
        processes: number of processes at a time.
        frames: frames done.
        wall: seconds from the start of the first process to the end of the last.
        cpu: processor seconds of all processes.
    """

    name: str
    processes: int
    frames: int
    wall: float
    cpu: float

    @property
    def frames_per_second(self) -> float:
        """Throughput."""
        return self.frames / self.wall

    @property
    def frames_per_core_second(self) -> float:
        """Frames for one second of one core."""
        return self.frames / self.cpu


def benchmark_extraction(
    videos: Sequence[Path], seconds: float = 20.0, rounds: int = 3
) -> Iterator[Speed]:
    """Time a plain loop, one worker, and two workers pinned to a core each, in turns.

    Args:
        videos: read one after the other, again and again, until the time is over.
        seconds: of each run.
        rounds: runs of each kind; they alternate, so that other work on the machine meets all.

    Yields:
        A result a run.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise InputError("the benchmark of two workers needs two cores, found one")
    kinds: list[tuple[str, Callable[..., int], list[set[int]]]] = [
        ("plain MediaPipe + OpenCV", _plain, [set(cores)]),
        ("mgpose, 1 worker", _ours, [set(cores)]),
        ("mgpose, 2 workers", _ours, [set(cores[0::2]), set(cores[1::2])]),
    ]
    for _ in range(rounds):
        for name, work, shares in kinds:
            yield _run(name, work, shares, videos, seconds)


def speed_table(speeds: Sequence[Speed]) -> str:
    """Medians a kind as a Markdown table, and each kind's ratios to the first kind."""
    names = list(dict.fromkeys(speed.name for speed in speeds))
    rows = ["| | frames/s | frames/s per core | ratio | ratio per core |", "|---|---|---|---|---|"]
    first: tuple[float, float] | None = None
    for name in names:
        runs = [speed for speed in speeds if speed.name == name]
        total = float(np.median([speed.frames_per_second for speed in runs]))
        core = float(np.median([speed.frames_per_core_second for speed in runs]))
        first = first or (total, core)
        ratios = f"{total / first[0]:.2f} | {core / first[1]:.2f}"
        rows.append(f"| {name} | {total:.1f} | {core:.1f} | {ratios} |")
    return "\n".join(rows)


def _run(
    name: str,
    work: Callable[..., int],
    shares: Sequence[set[int]],
    videos: Sequence[Path],
    seconds: float,
) -> Speed:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(shares), timeout=300)
    with ProcessPoolExecutor(len(shares), context, _share, (barrier,)) as pool:
        done = list(
            pool.map(_timed, *zip(*((work, s, videos, seconds) for s in shares), strict=True))
        )
    start, stop = min(d[1] for d in done), max(d[2] for d in done)
    return Speed(name, len(done), sum(d[0] for d in done), stop - start, sum(d[3] for d in done))


def _share(barrier: Any) -> None:
    """Barriers reach a process at its start only."""
    global _barrier
    _barrier = barrier


def _timed(
    work: Callable[[Path], int], cores: set[int], videos: Sequence[Path], seconds: float
) -> tuple[int, float, float, float]:
    """Frames, start, stop, processor seconds; starts together with the other processes."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MediaPipe's messages
    os.sched_setaffinity(0, cores)
    work(videos[0])  # loads the models
    _barrier.wait()
    start, used, frames = time.monotonic(), time.process_time(), 0
    for video in itertools.cycle(videos):
        if time.monotonic() - start >= seconds:
            break
        frames += work(video)
    return frames, start, time.monotonic(), time.process_time() - used


def _plain(video: Path) -> int:
    """The loop that a user would write: default settings, every landmark into an array."""
    import cv2
    from mediapipe.python.solutions.holistic import Holistic

    capture, frames = cv2.VideoCapture(str(video)), 0
    with Holistic() as model:
        while True:
            there, image = capture.read()
            if not there:
                break
            found = model.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            for part in ("pose", "face", "left_hand", "right_hand"):
                landmarks = getattr(found, f"{part}_landmarks")
                if landmarks is not None:
                    np.array([(p.x, p.y, p.z, p.visibility) for p in landmarks.landmark])
            frames += 1
    capture.release()
    return frames


def _ours(video: Path) -> int:
    method, frames = build_method(EstimatorSettings()), 0
    detector, estimator = method.detector(), method.estimator()
    find = FrameExtractor(detector, method.tracker(), estimator)
    with VideoReader(video) as reader:
        for frame in reader:
            frames += len(find([frame]))
    detector.close()
    estimator.close()
    return frames
