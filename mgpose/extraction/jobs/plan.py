"""What a batch has before it: its jobs, the longest first, and what they will take."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.extract import extract_video
from mgpose.extraction.jobs.job import Job
from mgpose.extraction.jobs.videos import Video
from mgpose.extraction.jobs.workers import run_tasks
from mgpose.io.pose_file import SUFFIX
from mgpose.io.video import VideoReader
from mgpose.structures import InputError

_PROBES = 3
_PROBE_SECONDS = 2.0


def plan_jobs(
    videos: Sequence[Video],
    out: Path,
    estimator: EstimatorSettings,
    overlay: Path | None = None,
    run: str = "",
    replaceable: Callable[[Video], bool] = lambda video: False,
) -> tuple[list[Job], list[tuple[Video, str]]]:
    """Jobs, the longest first by what their containers announce, and the unreadable videos.

    Args:
        videos: the videos.
        out: folder of the store.
        estimator: how poses are found.
        overlay: folder for contact sheets, None for none.
        run: the run that the jobs are part of.
        replaceable: whether the pose file of this video may be of another one.

    Returns:
        Jobs, and each video that cannot be opened with what is wrong.
    """
    jobs, unreadable = [], []
    for video in videos:
        try:
            with VideoReader(video.path) as reader:
                frames, seconds = reader.announced, reader.seconds
        except InputError as error:
            unreadable.append((video, str(error)))
            continue
        may = replaceable(video)
        jobs.append(Job(video, out, estimator, overlay, run, may, frames, seconds))
    return sorted(jobs, key=lambda job: -job.frames), unreadable


@dataclass(frozen=True)
class Probe:
    """What the start of one video took.

    Args:
        frames: extracted.
        start: seconds until its first frames were done: the models are loaded there.
        seconds: for the other frames.
        others: how many those are.
        size: bytes of its pose file.
    """

    frames: int
    start: float
    seconds: float
    others: int
    size: int


@dataclass(frozen=True)
class Estimate:
    """What a batch will take, reckoned from short probes.

    Args:
        videos: to be extracted.
        frames: that they announce.
        seconds: that they last.
        silent: videos whose container announces no length; they are in none of the other figures.
        workers: processes at a time.
        probes: what it is reckoned from.
        failures: of the other probes, a line each.
    """

    videos: int
    frames: int
    seconds: float
    silent: int
    workers: int
    probes: tuple[Probe, ...]
    failures: tuple[str, ...] = ()

    @property
    def speed(self) -> float:
        """Frames a second of one worker, once its models are loaded."""
        frames, seconds = (sum(getattr(p, n) for p in self.probes) for n in ("others", "seconds"))
        return frames / seconds if seconds else 0.0

    @property
    def hours(self) -> float:
        """Of work, all workers together at it; NaN when no probe could be made."""
        if not self.speed:
            return math.nan
        start = float(np.median([probe.start for probe in self.probes]))
        return (self.videos * start + self.frames / self.speed) / self.workers / 3600

    @property
    def gigabytes(self) -> float:
        """Of the store; NaN when no probe could be made."""
        frames = sum(probe.frames for probe in self.probes)
        size = sum(probe.size for probe in self.probes)
        return self.frames * size / frames / 1e9 if frames else math.nan

    def __str__(self) -> str:
        text = f"{self.videos} videos, {self.seconds / 3600:.3f} hours, {self.frames} frames"
        if self.silent:
            text += f" (and {self.silent} videos that announce no length)"
        for failure in self.failures:
            text += f"; a probe failed: {failure}"
        if not self.speed:
            return text + "; so there is no estimate of the work"
        return text + (
            f"; estimate from {len(self.probes)} probes of {_PROBE_SECONDS:.0f} s: about "
            f"{self.hours:.3f} hours of work with {self.workers} workers "
            f"({self.speed:.1f} frames/s each), {self.gigabytes:.3f} gigabytes"
        )


def estimate(jobs: Sequence[Job], workers: int) -> Estimate:
    """Extract two seconds of a few videos, as many at a time as the batch would.

    Args:
        jobs: of the batch.
        workers: processes at a time.

    Raises:
        InputError: when the method cannot run at all.
    """
    known = [job for job in jobs if job.frames]
    count = min(len(known), max(_PROBES, workers))
    chosen = [known[i] for i in np.linspace(0, len(known) - 1, count).astype(int)] if count else []
    if chosen:
        build_method(chosen[0].estimator)
    reports = [report for report in run_tasks(_probe, chosen, workers) if report.ended]
    return Estimate(
        videos=len(known),
        frames=sum(job.frames for job in known),
        seconds=sum(job.seconds for job in known),
        silent=len(jobs) - len(known),
        workers=workers,
        probes=tuple(report.result for report in reports if report.result is not None),
        failures=tuple(report.failure for report in reports if report.failure),
    )


def _probe(job: Job, progress: Callable[[int], None]) -> Probe:
    """A worker's part."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mkv"
        cut(job.video.path, clip, _PROBE_SECONDS)
        times, counts = [time.monotonic()], []

        def note(frames: int) -> None:
            times.append(time.monotonic())
            counts.append(frames)

        method = build_method(job.estimator)
        done = extract_video(clip, Path(folder), "probe", method, "", progress=note)
        steps = [b - a for a, b in pairwise(times)]
        size = (Path(folder) / f"probe{SUFFIX}").stat().st_size
        return Probe(done.frames, steps[0], sum(steps[1:]), sum(counts[1:]), size)


def cut(video: Path, clip: Path, seconds: float) -> None:
    """Copy the first seconds of a video stream, without coding it anew.

    Raises:
        InputError: when it cannot be copied.
    """
    import av

    try:
        with (
            av.open(str(video), options={"protocol_whitelist": "file"}) as source,
            av.open(str(clip), "w", format="matroska") as target,
        ):
            stream = source.streams.video[0]
            copy = target.add_stream_from_template(stream)
            begin = None
            for packet in source.demux(stream):
                stamp = packet.pts if packet.dts is None else packet.dts
                if stamp is None:
                    continue
                begin = stamp if begin is None else begin
                if (stamp - begin) * stream.time_base >= seconds:
                    break
                packet.stream = copy
                target.mux(packet)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{video}: its start cannot be copied: {error}") from None
