"""The MiGA release of iMiGUE: a folder a video, with OpenPose's numbers in an Excel table.

Of a folder ``0001/`` two files are read: ``0001_openpose.xlsx``, a row of 411 numbers a frame (x, y
and confidence of body 25, face 70, left hand 21, right hand 21), and ``0001_label.csv``, rows of
class, first and last frame, both inclusive. ``0001_light_hand.csv`` is not read: the order of its
35 points is not documented, and the names that public code gives them put left on the right. Copies
differ: some tables have a header row or a column of frame numbers, which are recognised; some
number the frames of the labels from 0 and some from 1, which only a label that starts at 0 tells.
"""

from __future__ import annotations

import contextlib
import csv
import io
import logging
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.given_people import subject_sequence
from mgpose.io.importers.imigue_labels import class_name, known_frame_base, with_labels
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    read_each,
    require_source,
    sha256_of,
    slug,
)
from mgpose.structures import Annotation, InputError, skeleton_by_name

_OPENPOSE_137 = skeleton_by_name("openpose_137")
_NUMBERS = 3 * len(_OPENPOSE_137)
_TABLE, _LABELS = "_openpose.xlsx", "_label.csv"
_EMPTY_IN_THE_RELEASE = {"0347", "0348"}
_MAX_BYTES = 4 * 2**30  # unpacked; a video of 20,000 frames takes about 0.3 GiB
_MAX_FRAMES = 1_000_000

# What a damaged or hostile workbook raises, from the archive down to its cells.
_UNREADABLE = (BadZipFile, OSError, zlib.error, ParseError, LookupError, TypeError, ValueError)

# A label as the file gives it: class, first frame, last frame.
_Label = tuple[str, int, int]

logger = logging.getLogger(__name__)


def read_miga(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Videos of a release, or of one folder of it, in the order of their names.

    A row of zeros is a frame in which the pose failed. Videos 347 and 348 are empty files in the
    release itself: they are passed over with a warning. The release tells neither subjects nor the
    frame rate. ``options``: ``fps``, ``frame_size``, ``frame_base``, and ``labels``, iMiGUE's own
    label file, which then stands in for those of the folders and brings subjects and outcomes.

    Raises:
        InputError: for a source without such tables, or labels that do not tell their first frame;
            a bad video alone becomes a failed import.
    """
    source = require_source(source)
    tables = sorted(source.rglob(f"*{_TABLE}"))
    if not tables:
        raise InputError(
            f"{source}: expected folders with <video>{_TABLE}, found none; <video>_light_hand.csv "
            "alone is not enough, since the order of its points is not documented"
        )
    base = 0 if options.labels is not None else _frame_base(source, tables, options)

    def read(table: Path) -> ImportedPose:
        return _read_video(table, base, options)

    yield from with_labels(read_each(_present(tables), read), options)


def _present(tables: Iterable[Path]) -> Iterator[Path]:
    """The tables but those that the release itself left empty."""
    for table in tables:
        if table.name.removesuffix(_TABLE) in _EMPTY_IN_THE_RELEASE and _is_empty(table):
            logger.warning("%s: passed over, the release left it empty", table)
        else:
            yield table


def _is_empty(table: Path) -> bool:
    try:
        return table.stat().st_size == 0 or next(_rows(table), None) is None
    except InputError:  # told when its turn comes
        return False


def _frame_base(source: Path, tables: Iterable[Path], options: ImportOptions) -> int:
    """Number of the first frame over all label files of the copy; 0 where there is none."""
    starts = []
    for table in tables:
        try:
            starts += [start for _, start, _ in _read_labels(_labels_of(table))]
        except InputError:  # told when the turn of its video comes
            continue
    return known_frame_base(source, starts, options.frame_base) if starts else 0


def _labels_of(table: Path) -> Path:
    return table.with_name(table.name.removesuffix(_TABLE) + _LABELS)


def _read_labels(path: Path) -> list[_Label]:
    """Labels of one video, none where there is no file; a first line of words is a header."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        if rows and not rows[0][-1].strip().isdecimal():
            rows = rows[1:]
        labels = [(class_name(name), int(start), int(stop)) for name, start, stop in rows]
        for name, start, stop in labels:
            if not 0 <= start <= stop < _MAX_FRAMES:
                raise ValueError(f"{name!r} starts at {start} and ends at {stop}")
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: expected rows of class, start, end; {error}") from None
    return labels


def _read_video(table: Path, base: int, options: ImportOptions) -> ImportedPose:
    video = slug(table.name.removesuffix(_TABLE))
    keypoints = _read_table(table)
    sequence = subject_sequence(
        str(table),
        _OPENPOSE_137,
        keypoints[:, None, :, :2],
        keypoints[:, None, :, 2],
        unit="pixel",
        fps=options.fps,
        frame_size=options.frame_size,
    )
    labels = _labels_of(table)
    found = []
    for name, start, stop in [] if options.labels is not None else _read_labels(labels):
        if start - base >= len(sequence):
            raise InputError(
                f"{labels}: {name!r} starts at frame {start}, after the {len(sequence)} frames of "
                f"{table.name}; the two do not belong together"
            )
        found.append(
            Annotation(video, "unknown", start - base, stop - base + 1, name, unit="frame")
        )
    sources = [table, labels] if labels.exists() else [table]
    return ImportedPose(video, sequence, tuple(found), sha256_of(*sources))


def _read_table(table: Path) -> npt.NDArray[np.float32]:
    """(T, 137, 3) x, y and confidence of a table, its header and frame numbers taken off."""
    rows: list[npt.NDArray[np.float64]] = []
    for number, cells in enumerate(_rows(table)):
        values = _values(cells)
        if values is None and number == 0:
            continue  # a header of words
        if values is None or len(values) not in (_NUMBERS, _NUMBERS + 1):
            raise InputError(
                f"{table}, row {number + 1}: expected {_NUMBERS} finite numbers, found "
                f"{len(cells)} cells" + ("" if values is not None else ", not all of them numbers")
            )
        if len(rows) == _MAX_FRAMES or (rows and len(values) != len(rows[0])):
            raise InputError(f"{table}, row {number + 1}: expected rows of one length, or too many")
        if number or not _counts_up(values):  # pandas numbers the columns in a header of its own
            rows.append(values)
    if not rows:
        raise InputError(f"{table}: expected a row of {_NUMBERS} numbers a frame, found none")
    values = np.stack(rows)
    if values.shape[1] == _NUMBERS + 1:
        if not _counts_up(values[:, 0]):
            raise InputError(f"{table}: expected frame numbers in the column before the keypoints")
        values = values[:, 1:]
    keypoints = values.reshape(len(values), -1, 3)
    score = keypoints[..., 2]
    if np.abs(keypoints[..., :2]).max() > 1e6 or not ((score >= 0) & (score <= 10)).all():
        raise InputError(f"{table}: holds coordinates or confidences out of range")
    return keypoints.astype(np.float32)


def _counts_up(values: npt.NDArray[np.float64]) -> bool:
    """True for consecutive numbers from 0 or 1."""
    return values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _values(cells: tuple[object, ...]) -> npt.NDArray[np.float64] | None:
    """The cells as finite numbers, or None."""
    try:
        values = np.array(cells, dtype=np.float64)
    except (ValueError, TypeError):
        return None
    return values if np.isfinite(values).all() else None


def _rows(table: Path) -> Iterator[tuple[object, ...]]:
    """Rows of the first sheet, streamed."""
    try:
        import openpyxl
    except ImportError:
        raise InputError(f"{table}: reading it needs openpyxl; pip install openpyxl") from None

    try:
        with ZipFile(table) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"it unpacks to {size} bytes")
        book = openpyxl.load_workbook(table, read_only=True, data_only=True)
        with contextlib.closing(book):
            for row in book.worksheets[0].iter_rows(values_only=True):
                if any(cell is not None for cell in row):
                    yield row
    except (
        BadZipFile,
        zlib.error,
        ParseError,
        OSError,
        LookupError,
        ValueError,
        TypeError,
    ) as error:
        raise InputError(f"{table}: expected an Excel table (.xlsx) of poses; {error}") from None
