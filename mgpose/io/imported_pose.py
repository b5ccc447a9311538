"""What every importer yields, and the few things that importers share."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.structures import Annotation, FrameFlag, InputError, PoseSequence


@dataclass(frozen=True)
class ImportOptions:
    """What a user can tell about poses whose format does not say it.

    A reader uses what its format lacks and refuses what contradicts the files.

    Args:
        fps: frames a second; None where unknown: time then counts frames.
        frame_size: (width, height) in pixels of the video.
        labels: a file of labels that lies apart from the poses.
        skeleton: name of the layout.
    """

    fps: float | None = None
    frame_size: tuple[int, int] | None = None
    labels: Path | None = None
    skeleton: str | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise InputError(f"fps: expected frames a second in (0, 1000], found {self.fps}")


NO_OPTIONS = ImportOptions()


@dataclass(frozen=True, eq=False)
class ImportedPose:
    """One pose sequence that somebody else extracted, on its way into a store.

    Args:
        video_id: id in the store, lower case letters, digits and underscores.
        sequence: the poses; a part that the source did not see is NaN.
        annotations: labelled spans of this video.
        source_sha256: SHA-256, in hexadecimal, of the bytes that the sequence was read from.
    """

    video_id: str
    sequence: PoseSequence
    annotations: tuple[Annotation, ...]
    source_sha256: str

    def __post_init__(self) -> None:
        strangers = sorted({a.video for a in self.annotations} - {self.video_id})
        if strangers:
            raise ValueError(f"annotations of {self.video_id!r} name other videos: {strangers}")


def slug(text: str) -> str:
    """A label as a piece of an id: lower case, runs of other characters become one underscore.

    >>> slug("Tu Tum Aap"), slug("don't")
    ('tu_tum_aap', 'dont')
    """
    words = re.sub(r"[^a-z0-9]+", "_", text.lower().replace("'", ""))
    return words.strip("_") or "unnamed"


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


def require_source(source: Path) -> Path:
    """The source itself.

    Raises:
        InputError: when nothing lies there.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; give the poses to import")
    return source
