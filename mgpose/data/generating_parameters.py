"""What a generator drew, free of noise, as it lies beside a synthetic store.

``parameters.csv`` has a row a gesture: ``video,start,stop,label`` as in ``annotations.csv``, then
numbers; an empty field does not apply. ``states.csv`` has a row a video:
``video,subject,emotion,state``. Real stores have neither.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mgpose.structures import Annotation, InputError

PARAMETERS_NAME, STATES_NAME = "parameters.csv", "states.csv"
ANNOTATION_COLUMNS = ("video", "start", "stop", "label")
STATE_COLUMNS = ("video", "subject", "emotion", "state")

Key = tuple[str, float, float, str]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class GeneratingParameters:
    """The parameters of every gesture of a store.

    Args:
        path: the file that they come from.
        names: P names.
        values: (N, P) numbers, NaN where one does not apply.
        rows: video, start, stop and label of a gesture -> its row.
    """

    path: Path
    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    rows: Mapping[Key, int]

    def of(self, annotations: Sequence[Annotation]) -> npt.NDArray[np.float64]:
        """(M, P) parameters of M annotations, in their order.

        Raises:
            InputError: when one of them has no row.
        """
        keys = [(a.video, a.start, a.stop, a.label) for a in annotations]
        missing = [key for key in keys if key not in self.rows]
        if missing:
            raise InputError(
                f"{self.path}: expected a row for each of {len(keys)} gestures of the annotations, "
                f"found none for {len(missing)}, such as {missing[0]}"
            )
        return self.values[[self.rows[key] for key in keys]]


@dataclass(frozen=True)
class VideoState:
    """The hidden variable of one video, whose sign is the best possible guess of the emotion."""

    subject: str
    emotion: str
    state: float


def read_parameters(path: str | Path) -> GeneratingParameters:
    """Read ``parameters.csv``.

    Raises:
        InputError: naming the file and the line, when it is missing or cannot be read.
    """
    path = Path(path)
    header, lines = _table(path)
    names = header[len(ANNOTATION_COLUMNS) :]
    if header[: len(ANNOTATION_COLUMNS)] != ANNOTATION_COLUMNS or not names:
        raise InputError(
            f"{path}, line 1: expected the columns {','.join(ANNOTATION_COLUMNS)} and parameters, "
            f"found {','.join(header)}"
        )
    if len(set(names)) != len(names):
        raise InputError(f"{path}, line 1: expected parameters of different names, found {names}")

    def parse(fields: Sequence[str]) -> tuple[Key, list[float]]:
        video, start, stop, label, *drawn = fields
        key = (video, _number(start), _number(stop), label)
        return key, [_number(text) if text else math.nan for text in drawn]

    found = [(line, *parsed) for line, parsed in _parsed(path, header, lines, parse)]
    rows: dict[Key, int] = {}
    for line, key, _ in found:
        if key in rows:
            raise InputError(f"{path}, line {line}: expected one row a gesture, found two of {key}")
        rows[key] = len(rows)
    return GeneratingParameters(path, names, np.array([drawn for _, _, drawn in found]), rows)


def read_states(path: str | Path, emotions: Mapping[str, str]) -> dict[str, VideoState]:
    """Read ``states.csv`` for some videos.

    Args:
        path: the file.
        emotions: video -> emotion as annotated; the file must say the same of each.

    Returns:
        Video -> its state, for those videos, in their order.

    Raises:
        InputError: naming the file, when it is missing, cannot be read, or does not fit.
    """
    path = Path(path)
    header, lines = _table(path)
    if header != STATE_COLUMNS:
        raise InputError(
            f"{path}, line 1: expected the columns {','.join(STATE_COLUMNS)}, "
            f"found {','.join(header)}"
        )

    def parse(fields: Sequence[str]) -> tuple[str, VideoState]:
        video, subject, emotion, state = fields
        return video, VideoState(subject, emotion, _number(state))

    states: dict[str, VideoState] = {}
    for line, (video, state) in _parsed(path, header, lines, parse):
        if video in states:
            raise InputError(f"{path}, line {line}: expected one row a video, found two of {video}")
        states[video] = state
    for video, emotion in emotions.items():
        found = states[video].emotion if video in states else "nothing"
        if found != emotion:
            raise InputError(
                f"{path}: expected {emotion!r} for {video!r}, as annotated, found {found!r}"
            )
    return {video: states[video] for video in emotions}


def _table(path: Path) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """The header of a CSV file, and its other lines with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: expected a CSV file, found nothing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a CSV file, found: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, fields) for fields in reader]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None
    if len(lines) < 2:
        raise InputError(f"{path}: expected a header line and rows, found {len(lines)} lines")
    return tuple(lines[0][1]), lines[1:]


def _parsed(
    path: Path,
    header: Sequence[str],
    lines: Sequence[tuple[int, list[str]]],
    parse: Callable[[Sequence[str]], T],
) -> Iterator[tuple[int, T]]:
    for line, fields in lines:
        try:
            if len(fields) != len(header):
                raise ValueError(f"expected {len(header)} fields, found {len(fields)}")
            yield line, parse(fields)
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {text!r}")
    return number
