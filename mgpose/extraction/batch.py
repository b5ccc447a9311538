"""Many videos become a store: resumable, one process a video at a time, one line a bad video."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mgpose.extraction.estimator_settings import EstimatorSettings
from mgpose.extraction.extract import extract_video
from mgpose.extraction.methods import build_method
from mgpose.extraction.overlay import write_contact_sheet
from mgpose.extraction.roles import Method
from mgpose.extraction.videos import Video
from mgpose.extraction.workers import run_tasks
from mgpose.io.atomic import write_text
from mgpose.io.pose_file import PARTIAL_SUFFIX, SUFFIX, PoseFile
from mgpose.io.video import VideoReader, source_sha256
from mgpose.structures import InputError

MANIFEST_NAME = "manifest.csv"
SOURCES_NAME = "sources.csv"

_DEFAULT = EstimatorSettings()
_STALE_AFTER = 24 * 3600.0  # seconds; another run may be writing what is younger
_BYTES_PER_FRAME = 3500  # measured: MediaPipe Holistic on the sign videos of Intel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How it went with one video, a line of ``manifest.csv``.

    Args:
        video_id: its id.
        status: ``"extracted"``, ``"kept"`` (it was there, whole, from the same video by the same
            method) or ``"failed"``.
        frames: frames in the pose file.
        seconds: length by the video's time stamps, 0 where it has none.
        message: what went wrong, on one line and without the path.
    """

    video_id: str
    status: str
    frames: int = 0
    seconds: float = 0.0
    message: str = ""

    @property
    def fps(self) -> float:
        """The video's mean frame rate, 0 where its time stamps do not tell."""
        return (self.frames - 1) / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class _Job:
    """What a worker needs to know; ``frames`` is what the container announces."""

    video: Video
    out: Path
    estimator: EstimatorSettings
    overlay: Path | None
    may_replace: bool
    frames: int
    seconds: float


def extract_batch(
    videos: Sequence[Video],
    out: Path,
    estimator: EstimatorSettings = _DEFAULT,
    workers: int = 1,
    overlay: Path | None = None,
) -> list[Outcome]:
    """Extract videos into a store, the longest first.

    What is already there is kept when it is whole and comes from the same video by the same
    method, so a run that was killed is resumed by running it again. Beside the pose files lie
    ``manifest.csv``, a line a video, and the private ``sources.csv``, id to path.

    Args:
        videos: see :func:`mgpose.extraction.videos.find_videos`.
        out: folder of the store, made when absent.
        estimator: how poses are found.
        workers: processes at a time.
        overlay: folder for a contact sheet a video, ``<id>.png``; None for none.

    Returns:
        An outcome a video, in the order of the ids; a bad video is ``"failed"`` and stops nothing.

    Raises:
        InputError: when the store's folder cannot be made or the method cannot run at all.
    """
    build_method(estimator)  # fails now, not once a video
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: expected a folder for the store, found: {error}") from None
    _sweep(out, videos)
    sources = _read_table(out / SOURCES_NAME)
    jobs, outcomes = _jobs(videos, out, estimator, overlay, sources)
    _write_table(
        out / SOURCES_NAME,
        ("id", "path"),
        {**sources, **{v.video_id: (str(v.path),) for v in videos}},
    )
    earlier = _read_table(out / MANIFEST_NAME)
    for outcome in _run(jobs, workers):
        outcomes.append(outcome)
        _write_manifest(out / MANIFEST_NAME, earlier, outcomes)
    _write_manifest(out / MANIFEST_NAME, earlier, outcomes)
    return sorted(outcomes, key=lambda outcome: outcome.video_id)


def plan_batch(videos: Sequence[Video]) -> str:
    """What a batch would do, as a line: videos, hours, gigabytes, and how many are unreadable."""
    jobs, unreadable = _jobs(videos, Path(), _DEFAULT, None, {})
    hours = sum(job.seconds for job in jobs) / 3600
    frames = sum(job.frames for job in jobs)
    return (
        f"{len(jobs)} videos, {hours:.3f} hours, {frames} frames; the store would take about "
        f"{frames * _BYTES_PER_FRAME / 1e9:.3f} gigabytes; {len(unreadable)} unreadable"
    )


def _jobs(
    videos: Sequence[Video],
    out: Path,
    estimator: EstimatorSettings,
    overlay: Path | None,
    sources: dict[str, tuple[str, ...]],
) -> tuple[list[_Job], list[Outcome]]:
    """Jobs, the longest first, and the outcomes of videos that cannot be opened."""
    jobs, outcomes = [], []
    for video in videos:
        try:
            with VideoReader(video.path) as reader:
                frames, seconds = reader.announced, reader.seconds
        except InputError as error:
            outcomes.append(_failed(video, str(error)))
            continue
        same = sources.get(video.video_id) == (str(video.path),)
        jobs.append(_Job(video, out, estimator, overlay, same, frames, seconds))
    return sorted(jobs, key=lambda job: -job.frames), outcomes


def _run(jobs: Sequence[_Job], workers: int) -> Iterable[Outcome]:
    left = {job.video.video_id: job.frames for job in jobs}
    with tqdm(total=sum(left.values()), unit="frame", desc="extract") as bar:
        for report in run_tasks(_process, jobs, max(1, workers)):
            bar.update(report.progress)
            left[report.task.video.video_id] -= report.progress
            if not report.ended:
                continue
            outcome = report.result or _failed(report.task.video, report.failure)
            # What a container announces is seldom exact, and a kept video takes no frames.
            bar.total -= left[report.task.video.video_id]
            bar.refresh()
            yield outcome


def _process(job: _Job, progress: Callable[[int], None]) -> Outcome:
    """A worker's part: keep or extract one video, and draw it if asked."""
    video, method = job.video, build_method(job.estimator)
    digest = source_sha256(video.path)
    outcome = _kept(job, method, digest)
    if outcome is None:
        done = extract_video(
            video.path, job.out, video.video_id, method, digest, video.subject, progress
        )
        empty = done.frames - done.frames_with_person
        notes = [f"no person in {empty} of {done.frames} frames"] if empty else []
        if done.frames_unyielded:
            notes.append(f"{done.frames_unyielded} further frames announced but not found")
        note = "; ".join(notes)
        outcome = Outcome(video.video_id, "extracted", done.frames, done.seconds, note)
    if job.overlay is not None:
        poses = job.out / (video.video_id + SUFFIX)
        write_contact_sheet(video.path, poses, job.overlay / f"{video.video_id}.png")
    return outcome


def _kept(job: _Job, method: Method, digest: str) -> Outcome | None:
    """The outcome when the file is there and right, None when it must be made.

    Raises:
        InputError: when the id is taken by another video.
    """
    path = job.out / (job.video.video_id + SUFFIX)
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


def _failed(video: Video, message: str) -> Outcome:
    """A failure: the terminal is told the path, the manifest, which may be shared, is not."""
    reason = message.removeprefix(f"{video.path}: ")
    logger.error("%s: %s", video.path, reason)
    return Outcome(
        video.video_id, "failed", message=reason.replace(str(video.path), video.video_id)
    )


def _sweep(out: Path, videos: Sequence[Video]) -> None:
    """Remove what a killed run left half-written."""
    mine = {video.video_id + PARTIAL_SUFFIX for video in videos}
    for path in out.glob("*.partial"):
        if path.name in mine or time.time() - path.stat().st_mtime > _STALE_AFTER:
            path.unlink()


def _write_manifest(
    path: Path, earlier: dict[str, tuple[str, ...]], outcomes: Iterable[Outcome]
) -> None:
    rows = {
        o.video_id: (o.status, str(o.frames), f"{o.seconds:.3f}", f"{o.fps:.3f}", o.message)
        for o in outcomes
    }
    _write_table(path, ("id", "status", "frames", "seconds", "fps", "message"), {**earlier, **rows})


def _read_table(path: Path) -> dict[str, tuple[str, ...]]:
    """First column -> the others; empty when there is no such file."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row[0]: tuple(row[1:]) for row in list(csv.reader(file))[1:] if row}


def _write_table(path: Path, columns: Sequence[str], rows: dict[str, tuple[str, ...]]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows((key, *rows[key]) for key in sorted(rows))
    write_text(path, text.getvalue())
