"""Annotations as a CSV table that people can read and edit.

The columns are ``video, subject, start, stop, unit, tier, label, annotator, confidence, groups``;
groups are written ``key=value;key=value``. UTF-8, a header line first.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from mgpose.io.atomic import write_text
from mgpose.structures import Annotation, InputError

ANNOTATIONS_NAME = "annotations.csv"
_COLUMNS = (
    "video",
    "subject",
    "start",
    "stop",
    "unit",
    "tier",
    "label",
    "annotator",
    "confidence",
    "groups",
)


def read_annotations(path: str | Path) -> list[Annotation]:
    """The annotations of a CSV file, in its order.

    Raises:
        InputError: naming the file and the line, when it is missing or a line cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: expected an annotations CSV file, found nothing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected an annotations CSV file, found: {error}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise ValueError(f"expected the columns {','.join(_COLUMNS)}, found {rows.fieldnames}")
        return [_annotation(row) for row in rows]
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}, line {max(1, rows.reader.line_num)}: {error}") from None


def write_annotations(path: str | Path, annotations: Iterable[Annotation]) -> None:
    """Write a CSV file that :func:`read_annotations` gives back exactly; whole or not at all.

    Raises:
        ValueError: when a group's key or value holds ``=`` or ``;``.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for a in annotations:
        span = (repr(float(a.start)), repr(float(a.stop)), a.unit, a.tier, a.label)
        confidence = repr(float(a.confidence))
        rows.writerow((a.video, a.subject, *span, a.annotator, confidence, _groups_text(a.groups)))
    write_text(Path(path), text.getvalue())


def _annotation(row: Mapping[str | None, str | None]) -> Annotation:
    if None in row or None in row.values():
        raise ValueError(f"expected {len(_COLUMNS)} fields, found another number")
    text = {str(key): str(value) for key, value in row.items()}
    return Annotation(
        video=text["video"],
        subject=text["subject"],
        start=float(text["start"]),
        stop=float(text["stop"]),
        label=text["label"],
        tier=text["tier"],
        unit=text["unit"],
        annotator=text["annotator"],
        confidence=float(text["confidence"]),
        groups=_groups(text["groups"]),
    )


def _groups(text: str) -> dict[str, str]:
    groups = {}
    for pair in text.split(";") if text else ():
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise ValueError(f"expected groups as key=value;key=value, found {text!r}")
        groups[key] = value
    return groups


def _groups_text(groups: Mapping[str, str]) -> str:
    for word in (*groups, *groups.values()):
        if "=" in word or ";" in word:
            raise ValueError(f"a group's key and value cannot hold '=' or ';', got {word!r}")
    return ";".join(f"{key}={value}" for key, value in groups.items())
