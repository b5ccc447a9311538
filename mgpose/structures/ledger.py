"""What happened to every frame of a video: bit flags and the balance of their totals."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

LEDGER_DTYPE = np.uint16


class FrameFlag(enum.IntFlag):
    """One bit a fact; a frame may carry several.

    Every row of a ledger carries exactly one of ``DECODED`` and ``FAILED``.
    """

    DECODED = 1  # the container yielded a picture
    REPAIRED = 2  # the decoder concealed damage in it
    FAILED = 4  # announced at this place, no picture came; keypoints are NaN
    NO_PERSON = 8  # decoded, nobody found; keypoints are NaN
    SEVERAL_PEOPLE = 16  # more than one person was seen
    SUBJECT_SWITCHED = 32  # the tracked person may have changed at this frame
    TIME_REPAIRED = 64  # the container's time stamp was missing or ran backwards
    IMPORTED = 128  # the pose came from a file of poses; no picture was seen here


def validate_ledger(ledger: npt.NDArray[np.uint16], frames: int) -> None:
    """Check the shape and that each frame is decoded, failed or imported, and only one of them.

    Raises:
        ValueError: naming the first row that breaks the rule.
    """
    if ledger.shape != (frames,) or ledger.dtype != LEDGER_DTYPE:
        raise ValueError(
            f"ledger must be uint16 of shape ({frames},), got {ledger.dtype} {ledger.shape}"
        )
    origins = (FrameFlag.DECODED, FrameFlag.FAILED, FrameFlag.IMPORTED)
    count = sum(((ledger & flag) != 0).astype(int) for flag in origins)
    wrong = np.flatnonzero(count != 1)
    if wrong.size:
        raise ValueError(
            f"each frame must be exactly one of decoded, failed, imported; frame {wrong[0]} "
            f"has {FrameFlag(int(ledger[wrong[0]]))!r} ({wrong.size} such frames)"
        )


def ledger_totals(ledger: npt.NDArray[np.uint16]) -> dict[str, int]:
    """Number of frames carrying each flag, by lower-case flag name."""
    return {
        str(flag.name).lower(): int(np.count_nonzero(ledger & np.uint16(flag)))
        for flag in FrameFlag
    }
