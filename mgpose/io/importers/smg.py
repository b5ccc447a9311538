"""SMG, spontaneous micro-gestures: Kinect v2 bodies of 40 people.

``Sample0001_skeleton.csv`` holds a row a frame: 25 joints of 11 numbers, of which the first three
are metres as Kinect gives them; the quaternion, the colour pixel and two more are not read.
``Sample0001_finelabels.csv`` holds rows of class 1 to 17, first and last frame, counted from 1,
both inclusive. ``Sample0001_data.csv`` tells the number of frames, the frame rate and the depth;
the rate is taken. ``Sample0001_tflabels_new.csv``, which public copies lack, holds rows of number,
first frame, last frame and code of an emotional state; what a code means is not documented.

Reference: Chen et al., SMG: A micro-gesture dataset towards spontaneous body gestures for emotional
stress state analysis, International Journal of Computer Vision 2023.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.given_people import subject_sequence, without_origin
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    read_each,
    require_source,
    sha256_of,
)
from mgpose.structures import Annotation, InputError
from mgpose.structures.kinect import KINECT_25

_NAME = re.compile(r"(Sample(\d{4}))_skeleton\.csv", re.IGNORECASE)
_CLASSES = 17
_MAX_BYTES = 2**30
_NUMBERS = 11 * len(KINECT_25)


def read_smg(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Samples of a folder and of those below it, in the order of their names.

    The number of a sample is the number of its person, since SMG has one sample a person. Classes
    are named by number (``class_01``), states by code (``state_11``, tier emotion). A joint at the
    exact origin, the camera itself, was not tracked. ``options``: ``fps``, where the sample does
    not tell it.

    Raises:
        InputError: for a source without samples; a bad sample alone becomes a failed import.
    """
    source = require_source(source)
    paths = sorted(p for p in source.rglob("*.csv") if _NAME.fullmatch(p.name))
    if not paths:
        raise InputError(f"{source}: expected Sample0001_skeleton.csv files, found none")
    yield from read_each(paths, lambda path: _read_sample(path, options))


def _read_sample(path: Path, options: ImportOptions) -> ImportedPose:
    match = _NAME.fullmatch(path.name)
    assert match is not None  # the caller found the file by its name
    video, subject = match[1].lower(), str(int(match[2]))
    data, fine, states = (
        path.with_name(f"{match[1]}_{kind}.csv") for kind in ("data", "finelabels", "tflabels_new")
    )
    joints = _table(path, _NUMBERS).reshape(-1, len(KINECT_25), 11)[..., :3].astype(np.float32)
    if np.abs(joints).max() > 100:
        raise InputError(f"{path}: expected metres, found a coordinate of {np.abs(joints).max():g}")
    joints = joints[:, None]
    sequence = subject_sequence(
        str(path),
        KINECT_25,
        joints,
        without_origin(joints, np.ones(joints.shape[:3])),
        unit="metre",
        fps=_rate(data, options.fps),
        subject=subject,
    )
    annotations = []
    for number, first, last in _labels(fine, 3, (0, 1, 2), len(sequence)):
        if not 1 <= number <= _CLASSES:
            raise InputError(f"{fine}: expected classes 1..{_CLASSES}, found {number}")
        annotations.append(
            Annotation(video, subject, first - 1, last, f"class_{number:02d}", unit="frame")
        )
    for code, first, last in _labels(states, 4, (3, 1, 2), len(sequence)):
        annotations.append(
            Annotation(
                video, subject, first - 1, last, f"state_{code}", tier="emotion", unit="frame"
            )
        )
    return ImportedPose(video, sequence, tuple(annotations), sha256_of(path))


def _rate(data: Path, told: float | None) -> float | None:
    """Frames a second of a sample, by its own file or as the user told it."""
    if not data.exists():
        return told
    rate = float(_table(data, 3)[0, 1])
    if not 0 < rate <= 1000 or told not in (None, rate):
        raise InputError(f"{data}: expected a frame rate of {told or '0 to 1000'}, found {rate:g}")
    return rate


def _labels(
    path: Path, columns: int, order: tuple[int, int, int], frames: int
) -> list[tuple[int, int, int]]:
    """(number, first, last) of each label; none where there is no file."""
    if not path.exists() or not path.read_bytes().strip():
        return []
    rows = _table(path, columns)[:, list(order)]
    if (rows % 1 != 0).any():
        raise InputError(f"{path}: expected whole numbers, found others")
    wrong = (rows[:, 1] < 1) | (rows[:, 1] > rows[:, 2]) | (rows[:, 1] > frames)
    if wrong.any():
        _, first, last = rows[wrong][0]
        raise InputError(
            f"{path}: expected spans within frames 1 to {frames}, found {first:g} to {last:g}"
        )
    return [(int(number), int(first), int(last)) for number, first, last in rows]


def _table(path: Path, columns: int) -> npt.NDArray[np.float64]:
    """(N, columns) finite numbers of a CSV file without header, N > 0."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("more than 1 GiB")
        if not path.read_bytes().strip():
            raise ValueError("nothing in it")
        rows = np.loadtxt(path, delimiter=",", ndmin=2, comments=None, encoding="utf-8")
        if rows.shape[1] != columns or not np.isfinite(rows).all():
            raise ValueError(f"shape {rows.shape}, or numbers that are not finite")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected rows of {columns} numbers, found {error}") from None
    return rows
