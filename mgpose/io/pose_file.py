"""One pose file: reading, and writing that leaves a whole file or none.

``mgpose.io.pose_format`` writes out the format.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from mgpose.io.atomic import publish
from mgpose.io.pose_format import (
    CHUNK_FRAMES,
    DTYPES,
    FORMAT,
    FORMAT_VERSION,
    checked_datasets,
    read_attributes,
)
from mgpose.structures import SKELETONS, InputError, PoseSequence, Skeleton

SUFFIX = ".h5"
PARTIAL_SUFFIX = ".h5.partial"
_BLOCK_FRAMES = 16 * CHUNK_FRAMES
_RESERVE = 1 << 18  # bytes, for a padded last chunk and what HDF5 notes of its own
_VIDEO_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Provenance:
    """Where poses come from.

    Args:
        estimator: what found the keypoints, such as ``"mediapipe-holistic"``.
        estimator_version: its version.
        weights_sha256: hash of its model files, empty when not known.
        source_sha256: hash of the source file, empty when not known.
        frames_unyielded: frames that the container announced and never yielded.
    """

    estimator: str
    estimator_version: str
    weights_sha256: str = ""
    source_sha256: str = ""
    frames_unyielded: int = 0

    def __post_init__(self) -> None:
        if self.frames_unyielded < 0:
            raise ValueError(f"frames_unyielded must be >= 0, got {self.frames_unyielded}")


@dataclass(frozen=True)
class PoseHeader:
    """What a pose file says of itself, without its data; fields as in :class:`PoseSequence`."""

    frames: int
    keypoints: tuple[str, ...]
    dims: int
    skeleton: str
    unit: str
    time_source: str
    frame_size: tuple[int, int] | None
    subject: str | None
    provenance: Provenance


def check_video_id(video_id: str) -> str:
    """The id itself, when it can name a file.

    Raises:
        InputError: when it is empty, too long or holds other than letters, digits and ``_ . -``.
    """
    if not _VIDEO_ID.fullmatch(video_id):
        raise InputError(
            f"video id {video_id!r}: expected 1 to 128 letters, digits or '_', '.', '-' "
            "and a letter, digit or '_' first"
        )
    return video_id


def read_pose_file(path: Path) -> PoseSequence:
    """The whole sequence of one file.

    Raises:
        InputError: when the file is missing, damaged or not ours.
    """
    with PoseFile(path) as file:
        return file.read()


class PoseFile:
    """A pose file, open for reading, its structure checked and its header read.

    Args:
        path: the file.

    Raises:
        InputError: when the file is missing, damaged or not ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = h5py.File(path, "r")
        except FileNotFoundError:
            raise InputError(f"{path}: expected a pose file, found nothing") from None
        except OSError as error:
            raise InputError(f"{path}: expected an HDF5 pose file, found: {_line(error)}") from None
        try:
            with self._sound():
                attributes = read_attributes(self._file)
                self._data = checked_datasets(self._file)
                self.header = _header(attributes, self._data)
                self._skeleton = _skeleton(self.header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PoseFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, start: int = 0, stop: int | None = None) -> PoseSequence:
        """Frames ``start`` to ``stop`` (exclusive).

        Raises:
            InputError: when the window leaves the file, or the data are damaged or break a law
                of :class:`PoseSequence`.
        """
        header = self.header
        stop = header.frames if stop is None else stop
        if not 0 <= start < stop <= header.frames:
            raise InputError(
                f"{self.path}: expected a window inside 0..{header.frames}, got {start}..{stop}"
            )
        with self._sound():
            return PoseSequence(
                skeleton=self._skeleton,
                unit=header.unit,
                time_source=header.time_source,
                frame_size=header.frame_size,
                subject=header.subject,
                **{name: data[start:stop] for name, data in self._data.items()},
            )

    def time(self) -> npt.NDArray[np.float64]:
        """(T,) time stamps alone; seconds, or frame numbers where the rate is unknown."""
        with self._sound():
            # HDF5 notes every chunk that one call touches: a long video is read in blocks.
            starts = range(0, self.header.frames, _BLOCK_FRAMES)
            data = self._data["time"]
            stamps = [data[start : start + _BLOCK_FRAMES] for start in starts]
            return np.concatenate(stamps)

    def blocks(self) -> Iterator[PoseSequence]:
        """The whole sequence in pieces of at most 1024 frames, in constant memory."""
        for start in range(0, self.header.frames, _BLOCK_FRAMES):
            yield self.read(start, min(start + _BLOCK_FRAMES, self.header.frames))

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        """Whatever damage HDF5 or a validator meets becomes one line that names the file."""
        try:
            yield
        except InputError:
            raise
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: not a sound pose file: {_line(error)}") from None


class PoseFileWriter:
    """Writes ``<video_id>.h5`` into a folder, block by block in constant memory.

    The file appears under its name only through :meth:`publish`; leaving the ``with`` block
    without it leaves nothing behind. A full disk is an :class:`OSError` with its number.

    Args:
        folder: an existing folder.
        video_id: see :func:`check_video_id`.

    Raises:
        InputError: on an id that cannot name a file.
    """

    def __init__(self, folder: Path, video_id: str) -> None:
        self._final = Path(folder) / (check_video_id(video_id) + SUFFIX)
        self._partial = self._final.with_name(video_id + PARTIAL_SUFFIX)
        self._file = h5py.File(self._partial, "w")
        self._first: PoseSequence | None = None
        self._digest = hashlib.sha256()
        self._frames = 0
        self._last_time = -np.inf

    def __enter__(self) -> PoseFileWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def append(self, block: PoseSequence) -> None:
        """Add frames; all blocks but the last should hold a multiple of 64 of them.

        Raises:
            ValueError: when time does not increase, or the block differs from the first one in
                anything but its data.
        """
        self._reserve(sum(getattr(block, name).nbytes for name in DTYPES))
        if self._first is None:
            self._first = block.window(0, 1)
            self._create(block)
        if not _same_kind(block, self._first):
            raise ValueError("a block must agree with the first one in skeleton, unit and size")
        if block.time[0] <= self._last_time:
            raise ValueError("time must increase from block to block")
        stop = self._frames + len(block)
        for name in DTYPES:
            data = self._file[name]
            data.resize(stop, axis=0)
            data[self._frames :] = getattr(block, name)
        _update(self._digest, block)
        self._frames, self._last_time = stop, block.time[-1]

    def publish(self, provenance: Provenance) -> Path:
        """Close, reopen and compare, flush to the disk, and give the file its name.

        Raises:
            ValueError: when no frame was written.
            OSError: when the file reads back other than it was written.
        """
        if self._first is None:
            raise ValueError(f"{self._final.name}: a sequence without frames cannot be stored")
        self._reserve(0)
        for name, value in _attributes(self._first, provenance).items():
            self._file.attrs[name] = _fixed_length(value)
        self._file.flush()
        size = self._file.id.get_filesize()
        self._file.close()
        os.truncate(self._partial, size)  # what was reserved and not used
        digest = hashlib.sha256()
        with PoseFile(self._partial) as file:
            same = file.header.provenance == provenance and file.header.frames == self._frames
            for block in file.blocks():
                same = same and _same_kind(block, self._first)
                _update(digest, block)
        if not same or digest.digest() != self._digest.digest():
            raise OSError(f"{self._partial}: what was read back differs from what was written")
        publish(self._partial, self._final)
        return self._final

    def _reserve(self, data: int) -> None:
        """Room on the disk for bytes of data to come, or an error: where a write of its own fails,
        HDF5 keeps that to itself, and later crashes the process.
        """
        if hasattr(os, "posix_fallocate"):  # not on macOS and Windows
            size = self._file.id.get_filesize() + data + _RESERVE
            with self._partial.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    def _create(self, block: PoseSequence) -> None:
        for name, dtype in DTYPES.items():
            shape = getattr(block, name).shape[1:]
            self._file.create_dataset(
                name,
                shape=(0, *shape),
                maxshape=(None, *shape),
                dtype=dtype,
                chunks=(CHUNK_FRAMES, *shape),
                compression=4,
                shuffle=True,
            )


def write_pose_file(
    folder: Path, video_id: str, sequence: PoseSequence, provenance: Provenance
) -> Path:
    """Write ``<video_id>.h5`` into a folder so that it is whole or absent, whatever happens.

    Returns:
        The path of the file.

    Raises:
        InputError: on an id that cannot name a file.
        ValueError: on a sequence without frames.
        OSError: when the file cannot be written, or reads back other than it was written.
    """
    with PoseFileWriter(folder, video_id) as writer:
        for start in range(0, len(sequence), _BLOCK_FRAMES):
            writer.append(sequence.window(start, min(start + _BLOCK_FRAMES, len(sequence))))
        return writer.publish(provenance)


def _attributes(sequence: PoseSequence, provenance: Provenance) -> dict[str, Any]:
    attributes = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "skeleton": sequence.skeleton.name,
        "keypoint_names": sequence.skeleton.keypoints,
        "unit": sequence.unit,
        "time_source": sequence.time_source,
        "frame_size": sequence.frame_size,
        "subject": sequence.subject,
        **asdict(provenance),
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _fixed_length(value: Any) -> Any:
    """A str or a tuple of them as fixed-length bytes; numbers as int64."""
    if isinstance(value, str):
        encoded = value.encode()
        return np.array(encoded, dtype=f"S{max(1, len(encoded))}")
    if isinstance(value, tuple) and isinstance(value[0], str):
        return np.array([name.encode() for name in value])
    return np.array(value, dtype=np.int64)


def _same_kind(a: PoseSequence, b: PoseSequence) -> bool:
    names = ("unit", "time_source", "frame_size", "subject")
    return (
        a.skeleton.name == b.skeleton.name
        and a.skeleton.keypoints == b.skeleton.keypoints
        and a.keypoints.shape[2] == b.keypoints.shape[2]
        and all(getattr(a, name) == getattr(b, name) for name in names)
    )


def _update(digest: hashlib._Hash, block: PoseSequence) -> None:
    """Add each frame's bytes, whatever the blocks that the frames come in."""
    for frame in zip(*(getattr(block, name) for name in DTYPES), strict=True):
        for values in frame:
            digest.update(values.tobytes())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _header(attributes: dict[str, Any], data: dict[str, h5py.Dataset]) -> PoseHeader:
    values: dict[str, Any] = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    frames, points, dims = data["keypoints"].shape
    if len(values["keypoint_names"]) != points:
        raise ValueError(f"expected {points} names of keypoints, found another number")
    size = values.get("frame_size")
    return PoseHeader(
        frames=frames,
        keypoints=tuple(name.decode() for name in values["keypoint_names"]),
        dims=dims,
        skeleton=values["skeleton"],
        unit=values["unit"],
        time_source=values["time_source"],
        frame_size=None if size is None else (size[0], size[1]),
        subject=values.get("subject"),
        provenance=Provenance(**{field.name: values[field.name] for field in fields(Provenance)}),
    )


def _skeleton(header: PoseHeader) -> Skeleton:
    """The known skeleton of that name, or one made of the names alone."""
    known = SKELETONS.get(header.skeleton)
    if known is None:
        return Skeleton(name=header.skeleton, keypoints=header.keypoints)
    if known.keypoints != header.keypoints:
        raise ValueError(f"its keypoint names are not those of the layout {header.skeleton!r}")
    return known
