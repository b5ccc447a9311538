"""Poses that MediaPipe Holistic gave, held as NumPy arrays.

Two formats are read. Both write a part that was not seen as zeros, which becomes NaN here; both
lack the frame rate, so time counts frames. Of the three coordinates only x and y are kept: z has a
different origin in the pose, in the face and in each hand.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from mgpose.io.imported_pose import (
    NO_OPTIONS,
    ImportedPose,
    ImportOptions,
    imported_ledger,
    require_source,
    sha256_of,
    slug,
)
from mgpose.structures import (
    Annotation,
    FrameFlag,
    InputError,
    PoseSequence,
    Skeleton,
    skeleton_by_name,
)

_SET_SKELETONS = {
    203: skeleton_by_name("mediapipe_contours_203"),
    75: skeleton_by_name("mediapipe_body_hands_75"),
}
_SET_NAME = re.compile(r"(p\d+|session\d+)(?![a-z0-9])")
_FRAME_NUMBERS = 1662
_HOLISTIC = skeleton_by_name("mediapipe_543")
# Keypoints of the three parts besides the pose, which carry no confidence of their own.
_PARTS_WITHOUT_SCORE = (slice(33, 501), slice(501, 522), slice(522, 543))


def read_npz_sets(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[ImportedPose]:
    """Sequences of an ``.npz`` file, or of all of them in a folder; one file a person or session.

    A file holds ``kp (N, T, 203 or 75, 3)``, ``score (N, T, V)``, ``label (N,)`` and ``seq (N,)``,
    and its name starts with the person (``p01``) or the session (``session0``). Nothing else of the
    name goes into ids or subjects. Where only the session is known it stands for the subject too,
    so that a split by subject cannot put one unknown signer on both sides.

    Raises:
        InputError: for a missing, damaged or misnamed file, or arrays of other shapes.
    """
    source = require_source(source)
    files = sorted(source.glob("*.npz")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: expected .npz files with arrays kp, score, label, seq; none")
    for path in files:
        yield from _read_npz_set(path)


def _read_npz_set(path: Path) -> Iterator[ImportedPose]:
    name = _SET_NAME.match(path.stem)
    if name is None:
        raise InputError(
            f"{path}: expected a name that starts with the person (p01...) or session "
            "(session0...); rename the file"
        )
    subject = name[1]
    groups = {"session": subject} if subject.startswith("session") else {}
    keypoints, scores, labels, numbers = _load_set(path)
    skeleton = _SET_SKELETONS[keypoints.shape[2]]
    digest = sha256_of(path)
    for kp, score, label, number in zip(keypoints, scores, labels, numbers, strict=True):
        sequence = _sequence(
            skeleton, kp, score, np.arange(len(kp), dtype=np.float64), subject=subject
        )
        video = f"{subject}_{slug(str(label))}_{int(number):03d}"
        yield ImportedPose(video, sequence, (_whole(video, sequence, str(label), groups),), digest)


def _load_set(path: Path) -> tuple[npt.NDArray[np.generic], ...]:
    """``kp``, ``score``, ``label`` and ``seq`` of one file, their shapes checked."""
    try:
        # NumPy leaves a file that is not an archive open; here it is closed in any case.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = sorted({"kp", "score", "label", "seq"} - set(arrays.files))
            if missing:
                raise InputError(f"{path}: expected arrays kp, score, label, seq; lacks {missing}")
            kp, score, label, seq = (arrays[k] for k in ("kp", "score", "label", "seq"))
    except (BadZipFile, zlib.error, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected a plain .npz file; {error}") from error
    shaped = kp.ndim == 4 and kp.shape[2] in _SET_SKELETONS and kp.shape[3] == 3
    if not shaped or score.shape != kp.shape[:3] or not len(kp) == len(label) == len(seq):
        raise InputError(
            f"{path}: expected kp (N, T, 203 or 75, 3) and matching score, label, seq; "
            f"got {kp.shape}, {score.shape}, {label.shape}, {seq.shape}"
        )
    return kp, score, label, seq


def _sequence(
    skeleton: Skeleton,
    keypoints: npt.NDArray[np.generic],
    scores: npt.NDArray[np.generic],
    time: npt.NDArray[np.float64],
    subject: str | None,
    failed: npt.NDArray[np.bool_] | None = None,
) -> PoseSequence:
    """Normalised 2-D poses; score 0 means not seen; ``failed`` (T,) marks frames without a file."""
    score = np.clip(np.asarray(scores, np.float32), 0, 1)
    xy = np.where((score > 0)[..., None], np.asarray(keypoints, np.float32)[..., :2], np.nan)
    ledger = imported_ledger(score > 0)
    if failed is not None:
        ledger[failed] = FrameFlag.FAILED
    return PoseSequence(
        skeleton=skeleton,
        keypoints=xy.astype(np.float32),
        scores=score,
        time=time,
        unit="normalised",
        time_source="index",
        ledger=ledger,
        subject=subject,
    )


def _whole(video: str, sequence: PoseSequence, label: str, groups: dict[str, str]) -> Annotation:
    """One gesture that fills the sequence."""
    return Annotation(
        video=video,
        subject=sequence.subject or "unknown",
        start=0,
        stop=len(sequence),
        label=label,
        unit="frame",
        groups=groups,
    )


def read_frame_folders(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[ImportedPose]:
    """Sequences of ``<label>/<sequence>/<frame>.npy`` files, optionally below a subject's folder.

    A frame holds 1,662 numbers: pose 33 x (x, y, z, visibility), face 468 x 3, left hand 21 x 3,
    right hand 21 x 3. A number missing between the first and the last frame is a failed frame: NaN,
    flagged in the ledger, never closed up. Face and hands have score 1 where they were seen.
    Without subjects' folders the subject is ``"unknown"``, so that no split can tell people apart.

    Raises:
        InputError: for a missing or empty folder, other depths, or a frame of another size.
    """
    source = require_source(source)
    frames: dict[tuple[str, ...], list[Path]] = {}
    for path in sorted(source.rglob("*.npy")):
        frames.setdefault(path.relative_to(source).parent.parts, []).append(path)
    if not frames:
        raise InputError(f"{source}: expected <label>/<sequence>/<frame>.npy files, found none")
    depths = {len(parts) for parts in frames}
    if len(depths) != 1 or not depths <= {2, 3}:
        raise InputError(
            f"{source}: expected <label>/<sequence>/<frame>.npy, or the same below one folder a "
            f"subject; found frames {', '.join(map(str, sorted(depths)))} folders deep"
        )
    for parts, paths in sorted(frames.items()):
        yield _read_frame_folder(parts, paths)


def _read_frame_folder(parts: tuple[str, ...], paths: list[Path]) -> ImportedPose:
    *subject, label, number = parts
    numbered = {_frame_number(path): path for path in paths}
    first, last = min(numbered), max(numbered)
    vectors = np.zeros((last - first + 1, _FRAME_NUMBERS), np.float32)
    for frame, path in numbered.items():
        vectors[frame - first] = _load_frame(path)
    missing = np.array([frame not in numbered for frame in range(first, last + 1)])
    keypoints, scores = split_frames(vectors)
    sequence = _sequence(
        _HOLISTIC,
        keypoints,
        scores,
        np.arange(first, last + 1, dtype=np.float64),
        subject=subject[0] if subject else None,
        failed=missing,
    )
    video = "_".join(slug(part) for part in (*subject, label, number))
    digest = sha256_of(*(numbered[frame] for frame in sorted(numbered)))
    return ImportedPose(video, sequence, (_whole(video, sequence, label, {}),), digest)


def _frame_number(path: Path) -> int:
    if not path.stem.isdecimal():
        raise InputError(f"{path}: expected a frame number as the file's name, such as 17.npy")
    return int(path.stem)


def _load_frame(path: Path) -> npt.NDArray[np.generic]:
    try:
        frame: npt.NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: expected a plain .npy file; {error}") from error
    if frame.shape != (_FRAME_NUMBERS,) or frame.dtype.kind != "f" or not np.isfinite(frame).all():
        raise InputError(
            f"{path}: expected {_FRAME_NUMBERS} finite numbers, got {frame.dtype} {frame.shape}"
        )
    return frame


def split_frames(
    vectors: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(T, 1662) frames as keypoints (T, 543, 3) and scores (T, 543) in [0, 1].

    The pose's score is its visibility; a part whose numbers are all zero was not seen: score 0.
    """
    pose = vectors[:, :132].reshape(-1, 33, 4)
    rest = vectors[:, 132:].reshape(-1, 510, 3)
    keypoints = np.concatenate([pose[..., :3], rest], axis=1)
    scores = np.concatenate([pose[..., 3], np.ones(rest.shape[:2], np.float32)], axis=1)
    # A seen keypoint may be invisible: keep it apart from an unseen one, whose score is 0.
    scores[:, :33] = np.clip(scores[:, :33], np.finfo(np.float32).tiny, 1)
    for part in (slice(0, 33), *_PARTS_WITHOUT_SCORE):
        unseen = (keypoints[:, part] == 0).all((1, 2))
        scores[unseen, part] = 0
    return keypoints, scores
