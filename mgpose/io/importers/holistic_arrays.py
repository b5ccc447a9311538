"""Poses that MediaPipe Holistic gave, held as NumPy arrays.

Two formats are read. Both write a part that was not seen as zeros, which becomes NaN here; both
lack the frame rate, so time counts frames unless the user tells it. Of the three coordinates only x
and y are kept: z has a different origin in the pose, in the face and in each hand.

In the one, a frame is a row of numbers, part after part. The length tells the parts:

* 1,662: pose 33 x (x, y, z, visibility), face 468 x 3, left hand 21 x 3, right hand 21 x 3;
* 1,692: the same with the refined face of 478 points;
* 258: pose 33 x 4, left hand, right hand;
* 225: pose 33 x 3, left hand, right hand.

Other lengths are refused: 1,530 (no pose), 1,629 and 126 stand for several orders. The two short
forms are checked, since any order of three parts has their length: hands must begin at wrists.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    FailedImport,
    Imported,
    ImportedPose,
    ImportOptions,
    frame_times,
    imported_ledger,
    read_each,
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
_MAX_SPREAD = 100  # frame numbers for each file before the numbering is taken for a mistake
_SET_NAME = re.compile(r"(p\d+|session\d+)(?![a-z0-9])")


@dataclass(frozen=True)
class _Row:
    """How the numbers of a frame are laid out.

    Args:
        skeleton: the layout they fill.
        pose: numbers of a keypoint of the pose; the fourth is its visibility.
        checked: True where other orders of the parts have the same length.
    """

    skeleton: Skeleton
    pose: int
    checked: bool = False

    @property
    def parts(self) -> tuple[slice, ...]:
        """Pose, face where there is one, left hand, right hand."""
        points = len(self.skeleton)
        bounds = sorted({0, _POSE, points - 42, points - 21, points})
        return tuple(slice(a, b) for a, b in pairwise(bounds))


_POSE = 33
_FLOAT32_MAX = np.finfo(np.float32).max
_WRISTS, _SHOULDERS = (15, 16), (11, 12)
_ROWS = {
    1662: _Row(skeleton_by_name("mediapipe_543"), 4),
    1692: _Row(skeleton_by_name("mediapipe_553"), 4),
    258: _Row(skeleton_by_name("mediapipe_body_hands_75"), 4, checked=True),
    225: _Row(skeleton_by_name("mediapipe_body_hands_75"), 3, checked=True),
}


def read_npz_sets(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Sequences of an ``.npz`` file, or of all of them in a folder; one file a person or session.

    A file holds ``kp (N, T, 203 or 75, 3)``, ``score (N, T, V)``, ``label (N,)`` and ``seq (N,)``,
    and its name starts with the person (``p01``) or the session (``session0``). Nothing else of the
    name goes into ids or subjects. Where only the session is known it stands for the subject too,
    so that a split by subject cannot put one unknown signer on both sides.

    Raises:
        InputError: for a missing source; a damaged or misnamed file, or one with arrays of other
            shapes, alone becomes a failed import.
    """
    source = require_source(source)
    files = sorted(source.glob("*.npz")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: expected .npz files with arrays kp, score, label, seq; none")
    for path in files:
        try:
            name, arrays = _set_name(path), _load_set(path)
        except (InputError, OSError) as error:
            yield FailedImport(str(error))
        else:
            yield from _read_npz_set(path, name, arrays, options)


def _set_name(path: Path) -> str:
    """The person or session that a file's name starts with."""
    name = _SET_NAME.match(path.stem)
    if name is None:
        raise InputError(
            f"{path}: expected a name that starts with the person (p01...) or session "
            "(session0...); rename the file"
        )
    return name[1]


def _read_npz_set(
    path: Path, subject: str, arrays: tuple[npt.NDArray[np.generic], ...], options: ImportOptions
) -> Iterator[Imported]:
    groups = {"session": subject} if subject.startswith("session") else {}
    keypoints, scores, labels, numbers = arrays
    skeleton = _SET_SKELETONS[keypoints.shape[2]]
    digest = sha256_of(path)

    def read(row: int) -> ImportedPose:
        kp, score, label = keypoints[row], scores[row], str(labels[row])
        if not np.isfinite(score).all() or not np.isfinite(kp[score > 0]).all():
            raise InputError(f"{path}: sequence {row}: expected finite kp and score, found others")
        sequence = _sequence(skeleton, kp, score, np.arange(len(kp)), options.fps, subject)
        video = f"{subject}_{slug(label)}_{int(numbers[row]):03d}"
        return ImportedPose(video, sequence, (_whole(video, sequence, label, groups),), digest)

    yield from read_each(range(len(keypoints)), read)


def _load_set(path: Path) -> tuple[npt.NDArray[np.generic], ...]:
    """``kp``, ``score``, ``label`` and ``seq`` of one file, their shapes checked."""
    try:
        # NumPy leaves a file that is not an archive open; here it is closed in any case.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            missing = sorted({"kp", "score", "label", "seq"} - set(arrays.files))
            if missing:
                raise InputError(f"{path}: expected arrays kp, score, label, seq; lacks {missing}")
            kp, score, label, seq = (arrays[k] for k in ("kp", "score", "label", "seq"))
    except (BadZipFile, zlib.error, OSError, EOFError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected a plain .npz file; {error}") from error
    shaped = kp.ndim == 4 and kp.shape[2] in _SET_SKELETONS and kp.shape[3] == 3 and kp.size > 0
    if not shaped or score.shape != kp.shape[:3] or not label.shape == seq.shape == kp.shape[:1]:
        raise InputError(
            f"{path}: expected kp (N, T, 203 or 75, 3) and matching score, label, seq; "
            f"got {kp.shape}, {score.shape}, {label.shape}, {seq.shape}"
        )
    kinds = "".join(array.dtype.kind for array in (kp, score, seq))
    if not set(kinds) <= set("fiu") or kinds[2] == "f" or (label == "").any():
        raise InputError(
            f"{path}: expected numbers in kp and score, whole ones in seq, and labels that are not "
            f"empty; got {kp.dtype}, {score.dtype}, {seq.dtype}, {label.dtype}"
        )
    return kp, score, label, seq


def _sequence(
    skeleton: Skeleton,
    keypoints: npt.NDArray[np.generic],
    scores: npt.NDArray[np.generic],
    numbers: npt.NDArray[np.int64],
    fps: float | None,
    subject: str | None,
    failed: npt.NDArray[np.bool_] | None = None,
) -> PoseSequence:
    """Normalised 2-D poses of numbered frames; score 0 means not seen; ``failed`` (T,) marks frames
    without a file.
    """
    score = np.clip(np.asarray(scores, np.float32), 0, 1)
    xy = np.where((score > 0)[..., None], np.asarray(keypoints, np.float32)[..., :2], np.nan)
    ledger = imported_ledger(score > 0)
    if failed is not None:
        ledger[failed] = FrameFlag.FAILED
    time, time_source = frame_times(numbers, fps)
    return PoseSequence(
        skeleton=skeleton,
        keypoints=xy.astype(np.float32),
        scores=score,
        time=time,
        unit="normalised",
        time_source=time_source,
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


def read_frame_folders(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Sequences of ``<label>/<sequence>/<frame>.npy`` files of one frame each, or of
    ``<label>/<sequence>.npy`` files of all frames, optionally below a subject's folder.

    A number missing between the first and the last frame's file is a failed frame: NaN, flagged in
    the ledger, never closed up. The pose's score is its visibility where there is one; all else has
    score 1 where it was seen. Without subjects' folders the subject is ``"unknown"``, so that no
    split can tell people apart.

    Raises:
        InputError: for a missing or empty folder, or other depths; a bad sequence alone becomes a
            failed import.
    """
    source = require_source(source)
    sequences: dict[tuple[str, ...], list[Path]] = {}
    whole: dict[Path, bool] = {}  # folder -> its files hold a sequence each; the first one tells
    for path in sorted(source.rglob("*.npy")):
        if path.parent not in whole:
            whole[path.parent] = _holds_sequence(path)
        parts = path.relative_to(source).with_suffix("").parts
        sequences.setdefault(parts if whole[path.parent] else parts[:-1], []).append(path)
    if not sequences:
        raise InputError(f"{source}: expected <label>/<sequence>/<frame>.npy files, found none")
    depths = {len(parts) for parts in sequences}
    if len(depths) != 1 or not depths <= {2, 3}:
        raise InputError(
            f"{source}: expected <label>/<sequence>/<frame>.npy or <label>/<sequence>.npy, or the "
            "same below one folder a subject; found sequences "
            f"{', '.join(map(str, sorted(depths)))} names deep"
        )
    yield from read_each(sorted(sequences.items()), lambda item: _read_sequence(*item, options))


def _holds_sequence(path: Path) -> bool:
    """True for an array of frames; one frame, and what cannot be read, is False."""
    try:
        return bool(np.lib.format.open_memmap(path, mode="r").ndim == 2)
    except (OSError, ValueError):
        return False


def _read_sequence(
    parts: tuple[str, ...], paths: list[Path], options: ImportOptions
) -> ImportedPose:
    *subject, label, number = parts
    arrays = [_load_array(path) for path in paths]
    if arrays[0].ndim == 2:
        vectors, missing = arrays[0].astype(np.float32), None
        numbers = np.arange(len(vectors))
    else:
        numbered = dict(zip(map(_frame_number, paths), arrays, strict=True))
        if max(numbered) - min(numbered) > 1000 + _MAX_SPREAD * len(numbered):
            raise InputError(
                f"{paths[0].parent}: expected frames numbered one after the other, found "
                f"{len(paths)} files from {min(numbered)} to {max(numbered)}; correct the names"
            )
        numbers = np.arange(min(numbered), max(numbered) + 1)
        vectors = np.zeros((len(numbers), len(arrays[0])), np.float32)
        for frame, array in numbered.items():
            if array.shape != vectors[0].shape:
                raise InputError(
                    f"{paths[0].parent}: expected frames of one length, found {len(vectors[0])} "
                    f"and {len(array)} numbers"
                )
            vectors[frame - numbers[0]] = array
        missing = ~np.isin(numbers, list(numbered))
        paths = [path for _, path in sorted(zip(map(_frame_number, paths), paths, strict=True))]
    row = _ROWS[vectors.shape[1]]
    keypoints, scores = _split(paths[0], row, vectors)
    if row.checked:
        _check_hands(paths[0], keypoints, scores)
    who = subject[0] if subject else None
    sequence = _sequence(row.skeleton, keypoints, scores, numbers, options.fps, who, missing)
    video = "_".join(slug(part) for part in (*subject, label, number))
    return ImportedPose(video, sequence, (_whole(video, sequence, label, {}),), sha256_of(*paths))


def _frame_number(path: Path) -> int:
    if not path.stem.isdecimal():
        raise InputError(f"{path}: expected a frame number as the file's name, such as 17.npy")
    return int(path.stem)


def _load_array(path: Path) -> npt.NDArray[np.generic]:
    """One frame (N,) or several (T, N), where N is a known number."""
    try:
        # Mapped, since np.load would take an archive for an array of no shape.
        array = np.array(np.lib.format.open_memmap(path, mode="r"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a plain .npy file; {error}") from error
    known = array.ndim in (1, 2) and array.shape[-1] in _ROWS and array.size > 0
    if not known or array.dtype.kind != "f" or not (np.abs(array) < _FLOAT32_MAX).all():
        raise InputError(
            f"{path}: expected frames of {', '.join(map(str, _ROWS))} finite numbers, got "
            f"{array.dtype} {array.shape}"
        )
    return array


def _split(
    where: Path, row: _Row, vectors: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(T, N) frames as keypoints (T, V, 3) and scores (T, V) in [0, 1].

    A part whose numbers are all zero was not seen: score 0.

    Raises:
        InputError: when the visibilities are none.
    """
    frames, pose_numbers = len(vectors), _POSE * row.pose
    pose = vectors[:, :pose_numbers].reshape(frames, _POSE, row.pose)
    rest = vectors[:, pose_numbers:].reshape(frames, -1, 3)
    keypoints = np.concatenate([pose[..., :3], rest], axis=1)
    scores = np.ones(keypoints.shape[:2], np.float32)
    if row.pose == 4:
        if pose[..., 3].min() < 0 or pose[..., 3].max() > 1.001:
            raise InputError(
                f"{where}: expected visibilities in 0..1 as every fourth number of the pose, found "
                f"{pose[..., 3].min():.3g}..{pose[..., 3].max():.3g}; other orders are not read"
            )
        # A seen keypoint may be invisible: keep it apart from an unseen one, whose score is 0.
        scores[:, :_POSE] = np.clip(pose[..., 3], np.finfo(np.float32).tiny, 1)
    for part in row.parts:
        unseen = (keypoints[:, part] == 0).all((1, 2))
        scores[unseen, part] = 0
    return keypoints, scores


def _check_hands(
    path: Path, keypoints: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
) -> None:
    """Hands must begin near wrists, and not both at the other one, or the order is another.

    The bounds hold for all of 3,712 real sequences, of which 1,537 show both hands; a single hand
    is now and then taken for the other and proves nothing.

    Raises:
        InputError: when they do not.
    """
    xy = np.where((scores > 0)[..., None], keypoints[..., :2], np.nan)
    width = _median(np.linalg.norm(xy[:, _SHOULDERS[0]] - xy[:, _SHOULDERS[1]], axis=-1))
    gaps = []  # of each hand that is seen: to its own and to the other wrist
    for root, wrists in ((xy[:, -42], _WRISTS), (xy[:, -21], _WRISTS[::-1])):
        if np.isfinite(root).any():
            gaps.append([_median(np.linalg.norm(xy[:, w] - root, axis=-1)) for w in wrists])
    away = any(not min(gap) < width for gap in gaps)
    swapped = len(gaps) == 2 and all(2 * other < own for own, other in gaps)
    if away or swapped:
        raise InputError(
            f"{path}: expected pose, left hand, right hand; the hands do not begin at their "
            "wrists, so the parts stand in another order, which is not read"
        )


def _median(values: npt.NDArray[np.float32]) -> float:
    """Median of what is finite; NaN of nothing."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else np.nan
