"""Many videos become a store: resumable, shared with other runs, one line a bad video.

A store in the making::

    <id>.h5                whole and verified, never anything else
    manifest.csv           a line a video: mgpose/extraction/jobs/manifest.py writes out its columns
    sources.csv            private: id to path
    logs/<id>.log          private: host, speed, memory, what native libraries said, traceback
    in_progress/           leases, and what is being written; gone when nobody is at work

Any number of runs, on any hosts that share the folder, may work on one store at a time: each
video is under the lease of the process that extracts it, and whoever finds it under another's
goes on to the next. A run that was killed is resumed by running it again: what is whole and comes
from the same video by the same method is kept, the rest is done. A full disk, or a store that
vanishes, ends the run at once with one line, for no other video could be written either.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.jobs.job import Halt, Held, Job, process, store_fault, sweep
from mgpose.extraction.jobs.lease import STALE_AFTER, is_leased
from mgpose.extraction.jobs.manifest import (
    SOURCES_COLUMNS,
    SOURCES_NAME,
    Outcome,
    enter_sources,
    failure,
    read_table,
    settle,
    settled,
)
from mgpose.extraction.jobs.plan import plan_jobs
from mgpose.extraction.jobs.videos import Video
from mgpose.extraction.jobs.workers import run_tasks
from mgpose.io.pose_file import SUFFIX
from mgpose.structures import InputError

# A process that died on another host is seen to be dead by then.
PATIENCE = STALE_AFTER + 10

_DEFAULT = EstimatorSettings()
_LOOK_AGAIN = 1.0  # seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Work on a store, which processes and cluster jobs may share.

    Args:
        run: names this run in the manifest.
        out: folder of the store.
        jobs: what to do, the longest first.
        workers: processes at a time.
    """

    run: str
    out: Path
    jobs: tuple[Job, ...]
    workers: int = 1

    @property
    def frames(self) -> int:
        """That the videos announce."""
        return sum(job.frames for job in self.jobs)


def extract_batch(
    videos: Sequence[Video],
    out: Path,
    estimator: EstimatorSettings = _DEFAULT,
    workers: int = 1,
    overlay: Path | None = None,
) -> list[Outcome]:
    """Extract videos into a store on this machine, the longest first.

    Args:
        videos: see :func:`mgpose.extraction.jobs.videos.find_videos`.
        out: folder of the store, made when absent.
        estimator: how poses are found.
        workers: processes at a time.
        overlay: folder for a contact sheet a video, ``<id>.png``; None for none.

    Returns:
        An outcome a video, in the order of the ids; a bad video is ``"failed"`` and stops nothing.

    Raises:
        InputError: when a folder cannot be written, the method cannot run at all, or the store
            takes no more files.
    """
    batch, outcomes = prepare(videos, out, estimator, workers, overlay)
    with progress_bar(batch) as bar:
        outcomes += work_through(batch, bar)
    return sorted(outcomes, key=lambda outcome: outcome.video_id)


def prepare(
    videos: Sequence[Video],
    out: Path,
    estimator: EstimatorSettings = _DEFAULT,
    workers: int = 1,
    overlay: Path | None = None,
) -> tuple[Batch, list[Outcome]]:
    """Everything that can be said before the work begins; arguments as of :func:`extract_batch`.

    Returns:
        The work, and the outcomes of the videos that cannot be opened.

    Raises:
        InputError: when a folder cannot be written or the method cannot run at all.
    """
    check_workers(workers)
    build_method(estimator)  # fails now, not once a video
    for folder in filter(None, (out, overlay)):
        _make_folder(folder)
    sweep(out)
    sources = read_table(out / SOURCES_NAME, SOURCES_COLUMNS)

    def known(video: Video) -> bool:
        return sources.get(video.video_id, {}).get("path") == str(video.path)

    run = secrets.token_hex(4)
    settled(out, run)  # refuses a manifest that is not one
    jobs, unreadable = plan_jobs(videos, out, estimator, overlay, run, known)
    # An id whose poses are another video's stays that one's until this video has replaced them.
    new = [v for v in videos if v.video_id not in sources or not _pose_file(out, v).exists()]
    enter_sources(out, new)
    outcomes = [settle(out, run, video, failure(video, text)) for video, text in unreadable]
    for (video, _), outcome in zip(unreadable, outcomes, strict=True):
        _tell(video, outcome)
    return Batch(run, out, tuple(jobs), workers), outcomes


def check_workers(workers: int) -> None:
    """Refuse a number of processes that is none.

    Raises:
        InputError: when it is below 1.
    """
    if workers < 1:
        raise InputError(f"--workers: expected 1 or more, got {workers}")


def work_through(batch: Batch, bar: Any, patience: float = math.inf) -> Iterator[Outcome]:
    """Do the jobs of a batch, beside whoever else works on it or on its store.

    Args:
        batch: the work.
        bar: a progress bar in frames.
        patience: seconds to wait for videos that only others work on. Without end, a run ends
            with an outcome for each of its videos.

    Yields:
        Outcomes of the videos that this call settled, each once it is in the manifest.

    Raises:
        InputError: when the store takes no more files.
    """
    try:
        jobs = list(batch.jobs)
        while jobs:
            held: list[Job] = []
            yield from _round(batch, jobs, held, bar)
            jobs = _wait(batch, held, patience)
    except OSError as error:
        raise _halted(batch, store_fault(batch.out, error) or str(error)) from error
    finally:
        sweep(batch.out)


def progress_bar(batch: Batch, pause: float = 0.1) -> Any:
    """A bar in frames, with frames/s and what is left of the time; ``pause`` between drawings."""
    return tqdm(total=batch.frames, unit="frame", desc="extract", mininterval=pause)


def _round(batch: Batch, jobs: Sequence[Job], held: list[Job], bar: Any) -> Iterator[Outcome]:
    """Each job once; those that others work on are added to ``held``."""
    left = {job.video.video_id: job.frames for job in jobs}
    for report in run_tasks(process, _offered(batch, jobs, held), batch.workers):
        name = report.task.video.video_id
        bar.update(report.progress)
        left[name] -= report.progress
        if not report.ended:
            continue
        result = report.result
        if isinstance(result, Held):
            held.append(report.task)
            continue
        if isinstance(result, Halt):
            raise _halted(batch, result.reason)
        if result is None:
            fault = store_fault(batch.out)  # the process may have died of it
            if fault:
                raise _halted(batch, fault)
            failed = failure(report.task.video, report.failure)
            result = settle(batch.out, batch.run, report.task.video, failed)
        # What a container announces is seldom exact, and a kept video takes no frames.
        bar.total -= left[name]
        bar.refresh()
        _tell(report.task.video, result)
        yield result


def _offered(batch: Batch, jobs: Sequence[Job], held: list[Job]) -> Iterator[Job]:
    """The jobs that are nobody's as yet, asked for one by one."""
    for job in jobs:
        if is_leased(job.leases, job.video.video_id):
            held.append(job)
        elif job.video.video_id not in settled(batch.out, batch.run):
            yield job


def _wait(batch: Batch, jobs: Sequence[Job], patience: float) -> list[Job]:
    """What is left to do once one of the jobs that others had is free; nothing, if none will be."""
    deadline, told = time.monotonic() + patience, False
    while jobs and time.monotonic() < deadline:
        done = settled(batch.out, batch.run)
        left = [job for job in jobs if job.video.video_id not in done]
        if not left or not all(is_leased(job.leases, job.video.video_id) for job in left):
            return left
        if not told:
            logger.warning("waiting for %d videos that another run works on", len(left))
            told = True
        time.sleep(_LOOK_AGAIN)
    return []


def _pose_file(out: Path, video: Video) -> Path:
    return out / (video.video_id + SUFFIX)


def _tell(video: Video, outcome: Outcome) -> None:
    """The terminal is told the path of a video that failed; the manifest is not."""
    if outcome.status == "failed":
        logger.error("%s: %s", video.path, outcome.message)


def _halted(batch: Batch, reason: str) -> InputError:
    return InputError(
        f"{batch.out}: expected a folder that takes files, found: {reason}; set that right and run "
        "again: what is done is kept"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fault = store_fault(folder)
    except OSError as error:
        fault = error.strerror or str(error)
    if fault:
        raise InputError(f"{folder}: expected a folder that can be written, found: {fault}")
