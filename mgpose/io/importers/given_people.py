"""From arrays of the people that a file holds to the sequence of its one subject."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.choose_person import choose_person
from mgpose.io.importers.imported_pose import frame_times, imported_ledger
from mgpose.structures import (
    SKELETONS,
    Annotation,
    FrameFlag,
    InputError,
    PoseSequence,
    Skeleton,
)

Array = npt.NDArray[Any]

# Layout that is meant when a format tells only how many keypoints there are in an image.
IMAGE_LAYOUTS = {
    17: "coco_17",
    18: "openpose_18",
    133: "wholebody_133",
    136: "halpe_136",
    137: "openpose_137",
}


@contextmanager
def foreign_values(where: str) -> Iterator[None]:
    """Turns what values of a stranger's file can break into one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{where}: a value is not what the format has; {error!r:.200}") from error


def subject_sequence(
    where: str,
    skeleton: Skeleton,
    keypoints: Array,
    scores: Array,
    *,
    unit: str,
    fps: float | None,
    frame_size: tuple[int, int] | None = None,
    subject: str | None = None,
    failed: npt.NDArray[np.bool_] | None = None,
) -> PoseSequence:
    """The subject's sequence out of everybody's keypoints.

    Args:
        where: what the arrays were read from, for messages.
        skeleton: layout of the V keypoints.
        keypoints: (T, M, V, 2 or 3); anything where the score is 0.
        scores: (T, M, V), 0 where a keypoint or a person is missing; above 1 counts as 1, which
            heat maps and OpenPose's hands now and then exceed.
        unit: unit of the keypoints.
        fps: frames a second, None where unknown.
        frame_size: width and height in pixels.
        subject: the subject's id.
        failed: (T,) frames that the file lacks.

    Raises:
        InputError: for arrays of other shapes, or values that are no keypoints.
    """
    if keypoints.ndim != 4 or keypoints.shape[2] != len(skeleton) or len(keypoints) == 0:
        raise InputError(
            f"{where}: expected keypoints (T, M, {len(skeleton)}, 2 or 3) of layout "
            f"{skeleton.name}, found shape {keypoints.shape}"
        )
    if scores.shape != keypoints.shape[:3]:
        raise InputError(
            f"{where}: expected scores {keypoints.shape[:3]}, found shape {scores.shape}"
        )
    seen = np.nan_to_num(scores, nan=0.0) > 0
    values = keypoints[seen]
    if not np.isfinite(values).all() or not np.isfinite(scores[seen]).all() or (scores < 0).any():
        raise InputError(f"{where}: expected finite keypoints and scores of at least 0")
    sides = {"pixel": frame_size, "normalised": (1, 1)}.get(unit)
    chosen = choose_person(keypoints, np.clip(np.where(seen, scores, 0), 0, 1), sides)
    ledger = imported_ledger(chosen.scores > 0) | chosen.flags
    if failed is not None:
        ledger[failed] = FrameFlag.FAILED
    time, time_source = frame_times(np.arange(len(keypoints)), fps)
    return PoseSequence(
        skeleton=skeleton,
        keypoints=chosen.keypoints,
        scores=chosen.scores,
        time=time,
        unit=unit,
        time_source=time_source,
        frame_size=frame_size,
        ledger=ledger,
        subject=subject,
    )


def without_origin(keypoints: Array, scores: Array) -> Array:
    """The scores, 0 for every keypoint at the exact origin: there files write what they lack."""
    found: Array = np.where((keypoints != 0).any(-1), scores, 0)
    return found


def layout_of(where: str, points: int, known: Mapping[int, str], told: str | None) -> Skeleton:
    """The layout that the user tells, or else the known one of so many keypoints.

    Raises:
        InputError: when there is none, or the one told does not exist.
    """
    name = told or known.get(points)
    if name is None or name not in SKELETONS:
        problem = f"{told!r} is no layout" if told else f"{points} keypoints are of no known layout"
        raise InputError(f"{where}: {problem}; give --skeleton, one of {', '.join(SKELETONS)}")
    return SKELETONS[name]


def whole_clip(
    video: str, sequence: PoseSequence, label: str, groups: Mapping[str, str], tier: str = "gesture"
) -> Annotation:
    """A label that holds for all frames of a sequence."""
    return Annotation(
        video=video,
        subject=sequence.subject or "unknown",
        start=0,
        stop=len(sequence),
        label=label,
        tier=tier,
        unit="frame",
        groups=groups,
    )


def agreed_size(
    where: str, found: tuple[int, int] | None, told: tuple[int, int] | None
) -> tuple[int, int] | None:
    """The frame size of a file or else the user's.

    Raises:
        InputError: when the two differ, or the file's is no size.
    """
    if found is not None and min(found) < 1:
        raise InputError(f"{where}: expected a frame's width and height, found {found}")
    if found is not None and told is not None and found != told:
        raise InputError(
            f"{where}: the file says a frame size of {found}, --frame-size says {told}"
        )
    return found or told


def agreed_fps(where: str, found: float | None, told: float | None) -> float | None:
    """The frame rate of a file or else the user's.

    Raises:
        InputError: when the two differ by more than a hundredth.
    """
    if found and told and abs(found - told) > 0.01 * found:
        raise InputError(f"{where}: the file says {found:g} frames a second, --fps says {told:g}")
    return found or told


def digest_of(*arrays: Array) -> str:
    """SHA-256 of arrays' shapes, types and values, in hexadecimal.

    For sequences that lie together in a file which is too large to hash once for each of them.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
