"""A batch as jobs of a cluster, through submitit.

Jobs have no videos of their own: each takes the next one that is free, under its lease, until
none is left. So uneven lengths balance, and a job that is preempted, times out, loses its node or
never starts costs the videos in its hands at most; requeued, it goes on where all of them are.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.jobs.batch import PATIENCE, Batch, prepare, progress_bar, work_through
from mgpose.extraction.jobs.job import LOGS
from mgpose.extraction.jobs.manifest import Outcome, settled
from mgpose.extraction.jobs.videos import Video
from mgpose.structures import InputError

EXECUTORS = ("slurm", "submitit-local")
_TIMEOUTS = 1000  # how often a job may be requeued when its time is over
_MINUTES = 24 * 60
_LOOK_EVERY = 2.0  # seconds
_PAUSE = 60.0  # seconds between drawings of the bar in a job's log

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """Where and as how many jobs a batch runs.

    Args:
        executor: ``"slurm"``, or ``"submitit-local"`` for jobs that are processes of this machine.
        jobs: in the array, at most as many as there are videos.
        parameters: of submitit's executor, such as ``{"partition": "long", "time": "720"}``; for
            Slurm ``time`` is in minutes, and ``cpus_per_task`` is the number of workers unless
            it is given.
    """

    executor: str
    jobs: int = 1
    parameters: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise InputError(
                f"unknown executor {self.executor!r}; known: local, {', '.join(EXECUTORS)}"
            )
        if self.jobs < 1:
            raise InputError(f"--jobs: expected 1 or more, got {self.jobs}")


class ClusterJob:
    """What one job does; submitit calls :meth:`checkpoint` when it is about to be ended.

    Args:
        batch: the work of all jobs.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __call__(self) -> int:
        """Take videos until none is left; returns how many this job settled."""
        with progress_bar(self.batch, _PAUSE) as bar:
            return sum(1 for _ in work_through(self.batch, bar, PATIENCE))

    def checkpoint(self) -> Any:
        """The same work again: the store and its manifest know what is done."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def extract_on_cluster(
    videos: Sequence[Video],
    out: Path,
    cluster: Cluster,
    estimator: EstimatorSettings,
    workers: int = 1,
    overlay: Path | None = None,
) -> list[Outcome]:
    """Extract videos into a store by cluster jobs, and wait for them.

    When the waiting process ends, its jobs go on; the same command again adds jobs that share
    what is left.

    Args:
        videos: see :func:`mgpose.extraction.jobs.videos.find_videos`.
        out: folder of the store, made when absent; all hosts must see it and the videos.
        cluster: where to run.
        estimator: how poses are found.
        workers: processes at a time, of each job.
        overlay: folder for a contact sheet a video; None for none.

    Returns:
        An outcome a video, in the order of the ids.

    Raises:
        InputError: when submitit or Slurm is not here, refuses a parameter, or as
            :func:`mgpose.extraction.jobs.batch.extract_batch` does.
    """
    executor = _executor(cluster, out.resolve() / LOGS / "jobs", workers)
    overlay = overlay and overlay.resolve()
    batch, outcomes = prepare(videos, out.resolve(), estimator, workers, overlay)
    if batch.jobs:
        jobs = _submit(executor, batch, min(cluster.jobs, len(batch.jobs)))
        logger.warning("submitted %s", ", ".join(job.job_id for job in jobs))
        outcomes += _await(batch, jobs, cluster.executor)
    return sorted(outcomes, key=lambda outcome: outcome.video_id)


def _executor(cluster: Cluster, folder: Path, workers: int) -> Any:
    try:
        import submitit
    except ImportError:
        raise InputError(
            f"the executor {cluster.executor!r} needs submitit: pip install mgpose[slurm]"
        ) from None
    parameters: dict[str, Any] = {
        key: int(value) if value.lstrip("-").isdecimal() else value
        for key, value in cluster.parameters.items()
    }
    if cluster.executor == "submitit-local":
        executor: Any = submitit.LocalExecutor(folder, max_num_timeout=_TIMEOUTS)
        defaults: dict[str, Any] = {"timeout_min": _MINUTES}
    elif shutil.which("srun") is None:
        raise InputError("the executor 'slurm' needs a host of a Slurm cluster, found no srun")
    else:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=_TIMEOUTS)
        defaults = {"job_name": "mgpose", "time": _MINUTES, "cpus_per_task": workers}
    try:
        executor.update_parameters(**{**defaults, **parameters})
    except (ValueError, TypeError, AssertionError) as error:
        raise InputError(f"--slurm: {' '.join(str(error).split())}") from None
    return executor


def _submit(executor: Any, batch: Batch, count: int) -> list[Any]:
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        with executor.batch():
            return [executor.submit(ClusterJob(batch)) for _ in range(count)]
    except (FailedJobError, FailedSubmissionError) as error:
        raise InputError(f"the cluster took no job: {' '.join(str(error).split())}") from None


def _await(batch: Batch, jobs: Sequence[Any], executor: str) -> list[Outcome]:
    """The outcomes, once all videos are settled or all jobs have ended."""
    videos = {job.video.video_id: job for job in batch.jobs}
    told: dict[str, Outcome] = {}
    with progress_bar(batch) as bar:
        while len(told) < len(videos):
            alive = _alive(jobs, executor)
            done = settled(batch.out, batch.run)
            for name in done.keys() & videos.keys() - told.keys():
                told[name] = done[name]
                bar.update(videos[name].frames)
                if done[name].status == "failed":
                    logger.error("%s: %s", videos[name].video.path, done[name].message)
            if not alive:
                break
            time.sleep(_LOOK_EVERY)
    for name in videos.keys() - told.keys():
        told[name] = Outcome(name, "failed", message="its job ended before it was done; run again")
        logger.error("%s: %s", videos[name].video.path, told[name].message)
    return list(told.values())


def _alive(jobs: Sequence[Any], executor: str) -> bool:
    """True while one of the jobs waits or runs.

    Slurm's queue is asked, not its accounting, which not every cluster keeps.
    """
    if executor == "submitit-local":
        return any(not job.done() for job in jobs)
    array = jobs[0].job_id.partition("_")[0]
    command = ["squeue", "--noheader", "--format=%i", f"--jobs={array}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "Invalid job id" not in done.stderr:
        return True  # the controller is busy or away; it will be back
    return bool(done.stdout.strip())
