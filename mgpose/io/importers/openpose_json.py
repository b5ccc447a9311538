"""OpenPose's own output: one JSON file a frame, several people in it.

A file ``<video>_<12-digit frame>_keypoints.json`` holds ``people``, each with flat lists of x, y
and confidence: ``pose_keypoints_2d`` (BODY_25), ``face_keypoints_2d`` (70),
``hand_left_keypoints_2d`` and ``hand_right_keypoints_2d`` (21 each); versions 1.1 to 1.3 differ in
keys that are not read. A keypoint of confidence 0 was not found, wherever its coordinates lie.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.given_people import subject_sequence
from mgpose.io.importers.imigue_labels import with_labels
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    read_each,
    require_source,
    slug,
)
from mgpose.structures import InputError, skeleton_by_name

OPENPOSE_137 = skeleton_by_name("openpose_137")
# Lists of a person in the order of the skeleton: key, number of keypoints.
_PARTS = (
    ("pose_keypoints_2d", 25),
    ("face_keypoints_2d", 70),
    ("hand_left_keypoints_2d", 21),
    ("hand_right_keypoints_2d", 21),
)
_NAME = re.compile(r"(?:(.+)_)?(\d{12})_keypoints\.json")
_MAX_BYTES = 4 * 2**20  # a person takes about 5 kB
_MOST_PEOPLE = 8  # of a frame that are kept, the largest ones: a crowd must not fill the memory
_MAX_SPREAD = 100  # frame numbers for each file before the numbering is taken for a mistake
_OLD_BODIES = {18: "COCO", 15: "MPI"}

Floats = npt.NDArray[np.float32]


def read_openpose_json(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Videos of a folder of frame files, several in one folder or a folder each.

    The id is the video's name, after the folders above it inside ``source`` unless the last folder
    bears the same name: ``0001/0001_000000000000_keypoints.json`` is ``0001``. Frame k is row k of
    the sequence: numbers without a file are failed frames, from 0 on, never closed up. One person
    is followed, see :func:`~mgpose.io.importers.choose_person.choose_person`. Hands and face
    that OpenPose was not asked for are missing keypoints. ``options``: ``fps``,
    ``frame_size``, and ``labels`` in the format of iMiGUE.

    Raises:
        InputError: for a source without such files; a bad video alone becomes a failed import.
    """
    source = require_source(source)
    yield from with_labels(
        read_each(_videos(source), lambda video: _read_video(*video, options)), options
    )


def _videos(source: Path) -> Iterator[tuple[str, dict[int, Path]]]:
    """Id and numbered files of each video; one folder's names are held at a time."""
    found = False
    for folder, below, names in os.walk(source):
        below.sort()
        videos: dict[str, dict[int, Path]] = {}
        for name in sorted(names):
            match = _NAME.fullmatch(name)
            if match is not None:
                frames = videos.setdefault(match[1] or "", {})
                frames[int(match[2])] = Path(folder, name)
        parents = [slug(part) for part in Path(folder).relative_to(source).parts]
        for video, frames in sorted(videos.items()):
            found = True
            yield _video_id(source, parents, video), frames
    if not found:
        raise InputError(
            f"{source}: expected a folder of OpenPose files <video>_000000000000_keypoints.json, "
            "found none"
        )


def _video_id(source: Path, parents: list[str], video: str) -> str:
    if not video:  # OpenPose on a camera or on pictures: only the folder tells the video
        return "_".join(parents) or slug(source.resolve().name)
    if parents and parents[-1] == slug(video):
        parents = parents[:-1]
    return "_".join([*parents, slug(video)])


def _read_video(video_id: str, files: dict[int, Path], options: ImportOptions) -> ImportedPose:
    count = max(files) + 1
    if count > 1000 + _MAX_SPREAD * len(files):
        raise InputError(
            f"{files[max(files)]}: expected frames numbered one after the other, found "
            f"{len(files)} files up to number {max(files)}; correct the names"
        )
    digest = hashlib.sha256()
    frames: dict[int, Floats] = {}
    for number in sorted(files):
        content = _content(files[number])
        digest.update(f"{number}\n".encode() + content)
        frames[number] = _people(files[number], content)
    most = max(1, *(len(people) for people in frames.values()))
    people = np.zeros((count, most, len(OPENPOSE_137), 3), np.float32)
    for number in files:
        found = frames.pop(number)
        people[number, : len(found)] = found
    if 0 < people[..., :2].max() <= 1:
        raise InputError(
            f"{files[max(files)]}: expected pixels, found coordinates of at most 1 in all of the "
            "video; run OpenPose with --keypoint_scale 0"
        )
    sequence = subject_sequence(
        str(files[max(files)].parent),
        OPENPOSE_137,
        people[..., :2],
        people[..., 2],
        unit="pixel",
        fps=options.fps,
        frame_size=options.frame_size,
        failed=~np.isin(np.arange(count), list(files)),
    )
    return ImportedPose(video_id, sequence, (), digest.hexdigest())


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: expected one frame, found {path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _people(path: Path, content: bytes) -> Floats:
    """(M, 137, 3) x, y and confidence of the people of one frame; 0 where not found."""
    try:
        people = json.loads(content)["people"]
        if not isinstance(people, list) or not all(isinstance(p, dict) for p in people):
            raise TypeError("people is no list of objects")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: expected OpenPose JSON with people, found {error!r:.150}; without the file "
            "the frame counts as failed"
        ) from None
    found = np.zeros((len(people), len(OPENPOSE_137), 3), np.float32)
    for row, person in zip(found, people, strict=True):
        first = 0
        for key, points in _PARTS:
            row[first : first + points] = _part(path, key, points, person.get(key))
            first += points
    return found[np.argsort(-_extent(found), kind="stable")[:_MOST_PEOPLE]]


def _extent(people: Floats) -> Floats:
    """(M,) height plus width of the keypoints that were found of each person."""
    found = people[..., 2:] > 0
    high = np.where(found, people[..., :2], -np.inf).max(1, initial=-np.inf)
    low = np.where(found, people[..., :2], np.inf).min(1, initial=np.inf)
    return np.maximum(high - low, 0).sum(-1)  # type: ignore[no-any-return]


def _part(path: Path, key: str, points: int, numbers: object) -> Floats:
    """(points, 3) of one list; an absent or empty one was not asked for."""
    optional = key != "pose_keypoints_2d"
    if optional and (numbers is None or numbers == []):
        return np.zeros((points, 3), np.float32)
    try:
        values = np.asarray(numbers, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise InputError(f"{path}: expected numbers in {key}, found others") from None
    old = _OLD_BODIES.get(len(values) // 3) if values.ndim == 1 else None
    if not optional and old is not None:
        raise InputError(
            f"{path}: expected the body model BODY_25, found {old} with {len(values) // 3} "
            "keypoints; run OpenPose with --model_pose BODY_25"
        )
    if values.shape != (3 * points,) or not np.isfinite(values).all():
        raise InputError(
            f"{path}: expected {3 * points} finite numbers in {key}, found shape {values.shape}"
        )
    part = values.reshape(points, 3)
    if np.abs(part[:, :2]).max() > 1e6 or not ((part[:, 2] >= 0) & (part[:, 2] <= 10)).all():
        raise InputError(f"{path}: {key} holds coordinates or confidences out of range")
    return part.astype(np.float32)
