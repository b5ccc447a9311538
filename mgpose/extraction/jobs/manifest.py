"""The tables beside the pose files of a store: how extraction went, and from which files.

``manifest.csv``, a line a video, holds no path:

====================  ==============================================================================
column                content
====================  ==============================================================================
id                    video id; its pose file is ``<id>.h5``
status                ``extracted``, ``kept`` (it was there, whole, from the same video by the same
                      method) or ``failed``
frames                frames in the pose file
seconds               length by the video's time stamps, 0 where it has none
fps                   the video's mean frame rate, 0 where its time stamps do not tell
message               notes, and why it failed
speed                 frames extracted a second of one worker, 0 where none was
run                   which run settled it
====================  ==============================================================================

``sources.csv``, columns ``id`` and ``path``, is private. Several processes may write both tables:
each merges its lines under a lease, which lies with the others in ``in_progress/``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mgpose.extraction.jobs.lease import wait_for_lease
from mgpose.extraction.jobs.videos import Video
from mgpose.io.atomic import write_text
from mgpose.structures import InputError

MANIFEST_NAME = "manifest.csv"
SOURCES_NAME = "sources.csv"
MANIFEST_COLUMNS = ("id", "status", "frames", "seconds", "fps", "message", "speed", "run")
SOURCES_COLUMNS = ("id", "path")

IN_PROGRESS = "in_progress"  # leases and half-written files, a folder of the store
_LOCK = "@tables"  # no video can have this id
Rows = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Outcome:
    """How it went with one video; see the columns of ``manifest.csv``."""

    video_id: str
    status: str
    frames: int = 0
    seconds: float = 0.0
    message: str = ""
    speed: float = 0.0

    @property
    def fps(self) -> float:
        """The video's mean frame rate, 0 where its time stamps do not tell."""
        return (self.frames - 1) / self.seconds if self.seconds > 0 else 0.0

    def row(self, run: str) -> dict[str, str]:
        """The line in ``manifest.csv``."""
        return {
            "id": self.video_id,
            "status": self.status,
            "frames": str(self.frames),
            "seconds": f"{self.seconds:.3f}",
            "fps": f"{self.fps:.3f}",
            "message": self.message,
            "speed": f"{self.speed:.2f}",
            "run": run,
        }


def failure(video: Video, message: str) -> Outcome:
    """A failed outcome, told without the path, for the manifest may be shared."""
    reason = message.removeprefix(f"{video.path}: ").replace(str(video.path), video.video_id)
    return Outcome(video.video_id, "failed", message=reason)


def settle(out: Path, run: str, video: Video, outcome: Outcome) -> Outcome:
    """Enter what came of a video into the tables of the store.

    Returns:
        The outcome; a kept video has the speed and the notes of its extraction.

    Raises:
        OSError: when they cannot be written.
    """
    if outcome.status == "kept":
        earlier = read_table(out / MANIFEST_NAME, MANIFEST_COLUMNS).get(video.video_id)
        if earlier is not None and earlier["status"] != "failed":
            told = _outcome(earlier)
            outcome = replace(outcome, message=told.message, speed=told.speed)
    if outcome.status != "failed":
        enter_sources(out, [video])
    merge_rows(out, MANIFEST_NAME, MANIFEST_COLUMNS, [outcome.row(run)])
    return outcome


def settled(out: Path, run: str) -> dict[str, Outcome]:
    """Id -> what a run has settled so far, by whatever process."""
    rows = read_table(out / MANIFEST_NAME, MANIFEST_COLUMNS)
    return {name: _outcome(row) for name, row in rows.items() if row["run"] == run}


def enter_sources(out: Path, videos: Iterable[Video]) -> None:
    """Enter which files ids stand for."""
    rows = [{"id": video.video_id, "path": str(video.path)} for video in videos]
    merge_rows(out, SOURCES_NAME, SOURCES_COLUMNS, rows)


def _outcome(row: Mapping[str, str]) -> Outcome:
    return Outcome(
        row["id"],
        row["status"],
        int(row["frames"]),
        float(row["seconds"]),
        row["message"],
        float(row["speed"] or 0),
    )


def read_table(path: Path, columns: Sequence[str]) -> Rows:
    """Id -> line of a table of ours; columns that it lacks are empty, no file is no lines.

    Raises:
        InputError: when the file is not such a table.
    """
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            table = csv.DictReader(file, restval="", strict=True)
            if "id" not in (table.fieldnames or ()):
                raise InputError(f"{path}: expected a table with a column 'id', found none")
            return {row["id"]: {name: row.get(name, "") for name in columns} for row in table}
    except csv.Error as error:
        raise InputError(f"{path}: expected a CSV table, found: {error}") from None


def merge_rows(
    out: Path, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, str]]
) -> None:
    """Add lines to a table of a store, or replace those of the same ids.

    Args:
        out: folder of the store.
        name: of the table.
        columns: its columns, ``id`` first.
        rows: by column.

    Raises:
        OSError: when it cannot be written; it then stays as it was.
    """
    if not rows:
        return
    with wait_for_lease(out / IN_PROGRESS, _LOCK):
        merged = {**read_table(out / name, columns), **{row["id"]: row for row in rows}}
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(merged[key] for key in sorted(merged))
        write_text(out / name, text.getvalue())
