"""What every importer yields, and the few things that importers share."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations, write_annotations
from mgpose.structures import Annotation, FrameFlag, InputError, PoseSequence

Item = TypeVar("Item")
_SOURCES_NAME = "sources.csv"  # id and path of the videos that extraction read
_MAX_TABLE = 2**28  # bytes of a table of labels or subjects


@dataclass(frozen=True)
class ImportOptions:
    """What a user can tell about poses whose format does not say it.

    A reader uses what its format lacks and refuses what contradicts the files; an option that a
    format does not take is refused.

    Args:
        fps: frames a second; None where unknown: time then counts frames.
        frame_size: (width, height) in pixels of the video.
        labels: a file of labels that lies apart from the poses.
        skeleton: name of the layout.
        subjects: CSV file with the columns ``video,subject``, for poses whose person is not told.
        frame_base: number, 0 or 1, that the labels give to the first frame.
    """

    fps: float | None = None
    frame_size: tuple[int, int] | None = None
    labels: Path | None = None
    skeleton: str | None = None
    subjects: Path | None = None
    frame_base: int | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise InputError(f"fps: expected frames a second in (0, 1000], found {self.fps}")
        if self.frame_size is not None and min(self.frame_size) < 1:
            raise InputError(f"frame size: expected width and height, found {self.frame_size}")
        if self.frame_base not in (None, 0, 1):
            raise InputError(f"frame base: expected 0 or 1, found {self.frame_base}")

    def refuse_others(self, format: str, takes: Sequence[str]) -> None:
        """Refuse what a format would not heed.

        Raises:
            InputError: when an option is given that is not in ``takes``.
        """
        given = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        others = [f"--{name.replace('_', '-')}" for name in given if name not in takes]
        if others:
            raise InputError(f"the format {format!r} does not take {', '.join(others)}")


NO_OPTIONS = ImportOptions()


@dataclass(frozen=True, eq=False)
class ImportedPose:
    """One pose sequence that somebody else extracted, on its way into a store.

    Args:
        video_id: id in the store, lower case letters, digits and underscores.
        sequence: the poses; a part that the source did not see is NaN.
        annotations: labelled spans of this video.
        source_sha256: SHA-256, in hexadecimal, of the bytes that the sequence was read from.

    Raises:
        InputError: for a group that ``annotations.csv`` cannot hold.
    """

    video_id: str
    sequence: PoseSequence
    annotations: tuple[Annotation, ...]
    source_sha256: str

    def __post_init__(self) -> None:
        strangers = sorted({a.video for a in self.annotations} - {self.video_id})
        if strangers:
            raise ValueError(f"annotations of {self.video_id!r} name other videos: {strangers}")
        words = {word for a in self.annotations for pair in a.groups.items() for word in pair}
        odd = sorted(word for word in words if "=" in word or ";" in word)
        if odd:  # told here, where it costs this sequence only: annotations.csv cannot hold it
            raise InputError(
                f"{self.video_id}: a group, such as the part of a split, cannot hold '=' or ';', "
                f"found {odd[0]!r}; rename it"
            )


@dataclass(frozen=True)
class FailedImport:
    """A sequence that could not be read, told in one line; the rest of the source goes on."""

    error: str


Imported = ImportedPose | FailedImport


def read_each(items: Iterable[Item], read: Callable[[Item], ImportedPose]) -> Iterator[Imported]:
    """``read`` of every item in turn; bad input and unreadable files cost their own item only."""
    for item in items:
        try:
            imported: Imported = read(item)
        except (InputError, OSError) as error:
            imported = FailedImport(str(error))
        yield imported


def frame_times(
    numbers: npt.NDArray[np.int64], fps: float | None
) -> tuple[npt.NDArray[np.float64], str]:
    """(T,) time of numbered frames and its source: seconds at a known rate, else the numbers."""
    if fps is None:
        return numbers.astype(np.float64), "index"
    return numbers / fps, "rate"


def slug(text: str) -> str:
    """A name as a piece of an id: lower case, runs of other characters become one underscore.

    A name without Latin letters and digits becomes its hash, so that two of them stay apart.

    >>> slug("Tu Tum Aap"), slug("don't"), slug("감사")
    ('tu_tum_aap', 'dont', 'v3f663e28cb')
    """
    words = re.sub(r"[^a-z0-9]+", "_", text.lower().replace("'", "")).strip("_")
    return words or "v" + hashlib.sha256(text.encode()).hexdigest()[:10]


def sha256_of(*paths: Path) -> str:
    """SHA-256 of the files' bytes, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def imported_ledger(detected: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
    """(T,) ledger of imported frames; (T, V) ``detected`` tells in which of them nobody was seen.

    Args:
        detected: True where a keypoint was detected.
    """
    nobody = np.where(detected.any(-1), 0, int(FrameFlag.NO_PERSON))
    ledger: npt.NDArray[np.uint16] = (int(FrameFlag.IMPORTED) | nobody).astype(np.uint16)
    return ledger


def add_annotations(store: Path, added: Mapping[str, tuple[Annotation, ...]]) -> None:
    """Write annotations of some videos, by id, into those of a store.

    They replace what the store holds of the same video and tier; everything else stays.
    """
    table = store / ANNOTATIONS_NAME
    before = read_annotations(table) if table.exists() else []
    new = [a for annotations in added.values() for a in annotations]
    tiers = {(a.video, a.tier) for a in new}
    write_annotations(table, [a for a in before if (a.video, a.tier) not in tiers] + new)


def source_stems(store: Path) -> dict[str, str]:
    """Id -> file name without suffix, of the videos that extraction read into this store.

    Empty where the private ``sources.csv`` does not lie beside it.
    """
    table = store / _SOURCES_NAME
    if not table.exists():
        return {}
    return {row["id"]: Path(row["path"]).stem for _, row in csv_rows(table, ("id", "path"))}


def read_subjects(table: Path) -> dict[str, str]:
    """Video id -> subject, from a CSV file with the columns ``video,subject``.

    Raises:
        InputError: for a missing file, other columns, an empty field or a video told twice.
    """
    subjects: dict[str, str] = {}
    for line, row in csv_rows(table, ("video", "subject")):
        video, subject = row["video"].strip(), row["subject"].strip()
        if not video or not subject or video in subjects:
            raise InputError(f"{table}, line {line}: expected a video told once and its subject")
        subjects[video] = subject
    return subjects


def csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers and fields by name of a CSV file whose header holds the columns.

    Raises:
        InputError: for a missing file, another encoding than UTF-8, a header that lacks a column,
            or a line of another length.
    """
    try:
        if path.stat().st_size > _MAX_TABLE:
            raise OSError(f"{path.stat().st_size} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a CSV file in UTF-8, found: {error}") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        missing = [name for name in columns if name not in header]
        if missing:
            raise InputError(
                f"{path}: expected the columns {','.join(columns)}, found {','.join(header)!r:.200}"
            )
        for row in rows:
            if row and len(row) != len(header):
                raise InputError(
                    f"{path}, line {rows.line_num}: expected {len(header)} fields, found {len(row)}"
                )
            if row:
                yield rows.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {rows.line_num}: {error}") from None


def require_source(source: Path) -> Path:
    """The source itself.

    Raises:
        InputError: when nothing lies there.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; give the poses to import")
    return source
