"""The include list: which videos of a store an experiment reads, and why the others stay out.

A CSV file with the columns ``video,include,verdict,reasons``, one row a video, where ``include`` is
``yes`` or ``no`` and may be edited by hand after a look; or a text file with one id a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mgpose.data.quality_verdict import VideoVerdict
from mgpose.io.atomic import write_text
from mgpose.structures import InputError

_COLUMNS = ("video", "include", "verdict", "reasons")
_ANSWERS = ("yes", "no")


@dataclass(frozen=True)
class Inclusion:
    """A store's videos after an include list.

    Args:
        videos: those that are read, in the order of the store.
        excluded: the others, with the list's reasons.
    """

    videos: tuple[str, ...]
    excluded: dict[str, str]


def write_include(path: Path, verdicts: Iterable[VideoVerdict], strict: bool = False) -> None:
    """Write the list; a name ending in ``.csv`` gives a table, any other an id a line.

    Args:
        path: of the file; its folder must exist.
        verdicts: of every video of the store.
        strict: leave out what deserves a look too, not only the unusable.
    """
    kept = ("use",) if strict else ("use", "look")
    text = io.StringIO(newline="")
    if path.suffix.lower() == ".csv":
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for v in verdicts:
            rows.writerow((v.video, _ANSWERS[v.level not in kept], v.level, v.reasons))
    else:
        text.writelines(f"{v.video}\n" for v in verdicts if v.level in kept)
    write_text(path, text.getvalue())


def read_include(path: Path, store: Iterable[str], where: Path) -> Inclusion:
    """The list applied to the ids of a store; videos that it does not name stay out.

    Args:
        path: of the list.
        store: ids of the store.
        where: the store's folder, for messages.

    Raises:
        InputError: when the list cannot be read, names a video twice or one that the store lacks,
            or keeps none.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = _delimiter(text)
        table = _table(text, delimiter) if delimiter else _lines(text)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(
            f"{path}: expected an include list (an id a line, or CSV with the columns "
            f"{','.join(_COLUMNS)}; tools/inspect_store.py --include writes it), found: {error}"
        ) from None
    ids = tuple(store)
    unknown = sorted(set(table) - set(ids))
    if unknown:
        raise InputError(
            f"{path}: names video {unknown[0]!r} ({len(unknown)} such), not in the store {where}; "
            "write the list anew with tools/inspect_store.py --include"
        )
    videos = tuple(v for v in ids if table.get(v) == "")
    if not videos:
        raise InputError(f"{path}: expected at least one video to include, found none")
    return Inclusion(videos, {v: table.get(v, "not in the list") for v in ids if v not in videos})


def _delimiter(text: str) -> str:
    """What stands between the fields of a table; ``""`` for a list of ids.

    Spreadsheets write a semicolon where the comma is the decimal sign.
    """
    for delimiter in ",;":
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        heading = next(rows, [])
        if len(heading) > 1 and heading[0] == _COLUMNS[0]:
            return delimiter
    return ""


def _table(text: str, delimiter: str) -> dict[str, str]:
    """Video -> why it stays out, ``""`` for those that are read."""
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    if tuple(rows.fieldnames or ()) != _COLUMNS:
        raise ValueError(f"the columns {rows.fieldnames}")
    table: dict[str, str] = {}
    for row in rows:
        if None in row or None in row.values() or row["include"] not in _ANSWERS:
            raise ValueError(f"line {rows.line_num}: expected 4 fields and include yes or no")
        _add(table, row["video"], "" if row["include"] == "yes" else row["reasons"] or "by hand")
    return table


def _lines(text: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip():
            _add(table, line.strip(), "")
    return table


def _add(table: dict[str, str], video: str, reason: str) -> None:
    if video in table:
        raise ValueError(f"video {video!r} twice")
    table[video] = reason
