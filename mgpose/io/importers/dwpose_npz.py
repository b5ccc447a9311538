"""Half-body sequences of DWPose as NumPy archives, as its drawing code holds them.

One ``.npz`` a video: ``body (T, 18, 2)`` in OpenPose's older order, ``hands (T, 2, 21, 2)`` left
hand first, ``face (T, 68, 2)`` iBUG, each with ``*_score``, as fractions of the frame's width and
height; ``draw_pose_params (T, 6)``: height and width of the frame and the rows and columns of it
that the fractions refer to. The order was established on real sequences: each hand begins at its
own wrist, the face at the nose (tests). Scores are peaks of a heat map and now and then exceed 1.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mgpose.io.importers.given_people import Array, agreed_size, subject_sequence
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
from mgpose.structures import InputError, skeleton_by_name

_PARTS = {"body": (18,), "face": (68,), "hands": (2, 21)}  # in the order of the layout
_PARAMETERS = "draw_pose_params"


def read_dwpose_npz(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Sequences of one ``.npz``, or of all of them in a folder; the id is the file's name.

    Raises:
        InputError: for a source without such files; a bad file alone becomes a failed import.
    """
    source = require_source(source)
    files = sorted(source.glob("*.npz")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: expected .npz files of DWPose, found none")
    yield from read_each(files, lambda path: _read_file(path, options))


def _read_file(path: Path, options: ImportOptions) -> ImportedPose:
    arrays = _load(path)
    frames = len(arrays[_PARAMETERS])
    keypoints = np.concatenate([arrays[p].reshape(frames, -1, 2) for p in _PARTS], axis=1)
    scores = np.concatenate([arrays[f"{p}_score"].reshape(frames, -1) for p in _PARTS], axis=1)
    sequence = subject_sequence(
        str(path),
        skeleton_by_name("dwpose_128"),
        keypoints[:, None],
        scores[:, None],
        unit="normalised",
        fps=options.fps,
        frame_size=agreed_size(
            str(path), _frame_size(path, arrays[_PARAMETERS]), options.frame_size
        ),
    )
    return ImportedPose(slug(path.stem), sequence, (), sha256_of(path))


def _load(path: Path) -> dict[str, Array]:
    """The arrays of one file, their shapes checked."""
    names = {*_PARTS, *(f"{part}_score" for part in _PARTS), _PARAMETERS}
    try:
        # NumPy leaves a file that is not an archive open; here it is closed in any case.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = sorted(names - set(archive.files))
            if missing:
                raise ValueError(f"it lacks the arrays {', '.join(missing)}")
            arrays = {name: archive[name] for name in names}
    except (BadZipFile, zlib.error, OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected a .npz file of DWPose; {error}") from error
    frames = len(arrays[_PARAMETERS]) if arrays[_PARAMETERS].ndim else 0
    expected: dict[str, tuple[int, ...]] = {_PARAMETERS: (frames, 6)}
    for part, shape in _PARTS.items():
        expected[part], expected[f"{part}_score"] = (frames, *shape, 2), (frames, *shape)
    wrong = [n for n in sorted(names) if arrays[n].shape != expected[n]]
    if wrong:
        found = arrays[wrong[0]].shape
        raise InputError(f"{path}: expected {wrong[0]} {expected[wrong[0]]}, found shape {found}")
    return arrays


def _frame_size(path: Path, parameters: Array) -> tuple[int, int]:
    """Width and height of a frame that the fractions refer to whole.

    Raises:
        InputError: when they refer to a piece of the frame, or the size changes on the way.
    """
    height, width, *rest = (int(number) for number in parameters[0])
    if (parameters != parameters[0]).any() or rest != [0, height, 0, width]:
        raise InputError(
            f"{path}: expected keypoints of the whole frame throughout, found {_PARAMETERS} "
            f"{parameters[0].tolist()}; only sequences that were not cropped are read"
        )
    return width, height
