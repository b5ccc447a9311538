"""A worker's part: one video, under a lease, into one pose file of a store."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.estimators.methods import build_method
from mgpose.extraction.extract import extract_video
from mgpose.extraction.jobs.lease import Lease, entries, leased_names, take_lease
from mgpose.extraction.jobs.manifest import IN_PROGRESS, Outcome, failure, settle, settled
from mgpose.extraction.jobs.video_log import VideoLog
from mgpose.extraction.jobs.videos import Video
from mgpose.extraction.overlay import write_contact_sheet
from mgpose.extraction.roles import Method
from mgpose.io.atomic import publish
from mgpose.io.pose_file import PARTIAL_SUFFIX, SUFFIX, PoseFile
from mgpose.io.video import source_sha256
from mgpose.structures import InputError

LOGS = "logs"  # private, as sources.csv
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to extract one video.

    Args:
        video: the video.
        out: folder of the store.
        estimator: how poses are found.
        overlay: folder for a contact sheet, None for none.
        run: the run that this is part of.
        may_replace: True when the pose file of this id may be of another video.
        frames: what the container announces, 0 where it does not say.
        seconds: the length that it states, 0 where it does not say.
    """

    video: Video
    out: Path
    estimator: EstimatorSettings
    overlay: Path | None = None
    run: str = ""
    may_replace: bool = False
    frames: int = 0
    seconds: float = 0.0

    @property
    def leases(self) -> Path:
        """Folder of the leases."""
        return self.out / IN_PROGRESS

    @property
    def pose_file(self) -> Path:
        """Where the poses will lie."""
        return self.out / (self.video.video_id + SUFFIX)


@dataclass(frozen=True)
class Held:
    """Not done: another process is at work on this video, or has just done it."""


@dataclass(frozen=True)
class Halt:
    """Not done, and no further video can be: the store takes no more files, and why."""

    reason: str


def process(job: Job, progress: Callable[[int], None]) -> Outcome | Held | Halt:
    """Keep or extract one video, draw it if asked, log it, and enter it into the manifest."""
    name = job.video.video_id
    try:
        lease = take_lease(job.leases, name)
        if lease is None:
            return Held()
        with lease:
            if name in settled(job.out, job.run):
                return Held()
            _remove_remains(job.out, name)
            result = _attempt(job, lease, progress)
            if not isinstance(result, Outcome):
                return result
            return settle(job.out, job.run, job.video, result)
    except OSError as error:
        return Halt(_words(error))


def _attempt(job: Job, lease: Lease, progress: Callable[[int], None]) -> Outcome | Held | Halt:
    try:
        with VideoLog(job.out / LOGS / f"{job.video.video_id}.log") as log:
            return _keep_or_extract(job, lease, log, progress)
    except InputError as error:
        return failure(job.video, str(error))
    except OSError as error:
        fault = store_fault(job.out, error)
        if fault:
            return Halt(fault)
        return failure(job.video, f"cannot be extracted: {_words(error)}")


def store_fault(out: Path, error: Exception | None = None) -> str:
    """Why a store takes no more files, such as a full disk; empty when it does.

    Args:
        out: folder of the store.
        error: what writing met, if it did.
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return os.strerror(error.errno)
    try:
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(bytes(1 << 16))
    except OSError as fault:
        return _words(fault)
    return ""


def sweep(out: Path) -> None:
    """Remove what dead runs left half-written; what a live one writes is under its lease."""
    folder = out / IN_PROGRESS
    begun = [path.name.partition("@") for path in entries(folder)]
    names = leased_names(folder) | {name for name, mark, _ in begun if mark}
    for name in sorted(names - {""}):
        lease = take_lease(folder, name)
        if lease is not None:
            with lease:
                _remove_remains(out, name)
    with contextlib.suppress(OSError):  # it is not there, or not empty
        folder.rmdir()


def _remove_remains(out: Path, name: str) -> None:
    """What was half-written of a video, whose lease the caller holds."""
    for path in entries(out / IN_PROGRESS):
        if path.name.startswith(f"{name}@"):
            shutil.rmtree(path, ignore_errors=True)
    (out / (name + PARTIAL_SUFFIX)).unlink(missing_ok=True)


def _keep_or_extract(
    job: Job, lease: Lease, log: VideoLog, progress: Callable[[int], None]
) -> Outcome | Held:
    video, method = job.video, build_method(job.estimator)
    log.line(
        f"start: {method.name} {method.version}, {job.frames} frames announced, "
        f"subject {video.subject}"
    )
    before, digest = _state(video.path), _digest(video.path)
    outcome = _kept(job, method, digest)
    if outcome is None:
        with _work_folder(job, lease) as folder:
            outcome = _extract(job, method, digest, folder, log, progress)
            if _state(video.path) not in (before, None):
                raise InputError(f"{video.path}: it changed while it was read; run again")
            if not lease.held():
                log.line("another run took over while this one had stopped")
                return Held()
            publish(folder / job.pose_file.name, job.pose_file)
    if job.overlay is not None:
        write_contact_sheet(video.path, job.pose_file, job.overlay / f"{video.video_id}.png")
    log.line(f"{outcome.status}: {outcome.frames} frames. {outcome.message}".strip())
    return outcome


def _extract(
    job: Job,
    method: Method,
    digest: str,
    folder: Path,
    log: VideoLog,
    progress: Callable[[int], None],
) -> Outcome:
    video, started = job.video, time.monotonic()
    extracting = log.follow(job.frames, progress)
    done = extract_video(
        video.path, folder, video.video_id, method, digest, video.subject, extracting
    )
    empty = done.frames - done.frames_failed - done.frames_with_person
    counted = (
        (empty, f"no person in {empty} of {done.frames} frames"),
        (done.frames_failed, f"{done.frames_failed} of {done.frames} frames not decodable"),
        (done.frames_unyielded, f"{done.frames_unyielded} further frames announced but not found"),
    )
    return Outcome(
        video.video_id,
        "extracted",
        done.frames,
        done.seconds,
        "; ".join(note for count, note in counted if count),
        done.frames / (time.monotonic() - started),
    )


@contextlib.contextmanager
def _work_folder(job: Job, lease: Lease) -> Iterator[Path]:
    """A folder of this lease's own: whoever else takes the video over writes elsewhere."""
    folder = job.leases / f"{job.video.video_id}@{lease.token}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path) -> str:
    try:
        return source_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: expected a video file, found: {_words(error)}") from None


def _state(path: Path) -> tuple[int, int] | None:
    """What changes when a file does; None when it is gone, which its reader need not notice."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _kept(job: Job, method: Method, digest: str) -> Outcome | None:
    """The outcome when the file is there and right, None when it must be made.

    Raises:
        InputError: when the id is taken by another video.
    """
    path = job.pose_file
    if not path.exists():
        return None
    try:
        with PoseFile(path) as file:
            header = file.header
            for _ in file.blocks():
                pass  # reading verifies
            times = file.time()
    except InputError as error:
        logger.warning("%s is made anew: %s", job.video.video_id, error)
        return None
    found = header.provenance
    if found.source_sha256 != digest and not job.may_replace:
        raise InputError(
            f"the store holds another video under the id {job.video.video_id!r}; use another "
            "store, or other ids by --manifest"
        )
    wanted = (digest, method.name, method.version, method.weights_sha256, job.video.subject)
    if wanted != (
        found.source_sha256,
        found.estimator,
        found.estimator_version,
        found.weights_sha256,
        header.subject,
    ):
        return None
    seconds = float(times[-1] - times[0]) if header.time_source == "container" else 0.0
    return Outcome(job.video.video_id, "kept", header.frames, seconds)
