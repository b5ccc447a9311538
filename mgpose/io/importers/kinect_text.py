"""Public Kinect sets that come as text: NTU RGB+D, MSR-Action3D, Florence 3D Actions.

====================  =====================================  =========================  ===========
set                   file                                   numbers of a joint         skeleton
====================  =====================================  =========================  ===========
NTU RGB+D             ``S001C001P001R001A001.skeleton``      12: x y z, depth and       kinect_25
                                                             colour pixels, quaternion,
                                                             tracking state
MSR-Action3D          ``a01_s01_e01_skeleton3D.txt``         4: x y z, confidence       kinect_20
MSR-Action3D, screen  ``a01_s01_e01_skeleton.txt``           4: x y pixels, raw depth,  kinect_20
                                                             confidence
Florence 3D Actions   ``Florence_dataset_WorldCoordinates``  3: x y z, after video,     florence_15
                      ``.txt``                               actor and category
====================  =====================================  =========================  ===========

Coordinates are metres as Kinect gives them, y up and z away from the camera; Florence's are
millimetres. A joint at the exact origin, which is the camera itself, was not tracked. None of the
files tells its frame rate.

References: Shahroudy et al., CVPR 2016; Li et al., CVPR Workshops 2010; Seidenari et al., CVPR
Workshops 2013.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.given_people import subject_sequence, whole_clip, without_origin
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    read_each,
    require_source,
)
from mgpose.structures import KINECT_20, InputError, Skeleton
from mgpose.structures.kinect import FLORENCE_15, KINECT_25

Floats = npt.NDArray[np.floating]

_NTU_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton", re.IGNORECASE)
_MSR_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_skeleton(3D)?\.txt", re.IGNORECASE)
_FLORENCE_NAME = re.compile(r"Florence_dataset_WorldCoordinates\.txt", re.IGNORECASE)

# MSR-Action3D counts its joints otherwise than Kinect's software kit: right before left.
MSR_JOINTS = (
    "right_shoulder", "left_shoulder", "shoulder_centre", "spine",
    "right_hip", "left_hip", "hip_centre",
    "right_elbow", "left_elbow", "right_wrist", "left_wrist", "right_hand", "left_hand",
    "right_knee", "left_knee", "right_ankle", "left_ankle", "right_foot", "left_foot",
    "head",
)  # fmt: skip
MSR_ACTIONS = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw",
    "draw x", "draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend",
    "forward kick", "side kick", "jogging", "tennis swing", "tennis serve", "golf swing",
    "pick up and throw",
)  # fmt: skip
FLORENCE_ACTIONS = (
    "wave", "drink from a bottle", "answer phone", "clap", "tight lace", "sit down", "stand up",
    "read watch", "bow",
)  # fmt: skip
_TRACKING_SCORE = np.array([0, 0.5, 1])  # of NTU's states: not tracked, inferred, tracked
_MOST_BODIES = 6  # that Kinect v2 tracks at a time
_MAX_BYTES = 256 * 2**20
_FARTHEST = {"metre": 100.0, "pixel": 1e5}


@dataclass(frozen=True)
class _Clip:
    """What a file says of one sequence: (T, M, V, 2 or 3) joints of M bodies and (T, M, V) scores,
    V in the order of the skeleton.
    """

    path: Path
    video_id: str
    skeleton: Skeleton
    joints: Floats
    scores: Floats
    unit: str
    subject: str
    label: str
    groups: dict[str, str]
    sha256: str


def read_kinect_text(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Sequences of a file, or of all files below a folder whose names tell one of the sets.

    Each is one action of one subject. NTU names its 120 classes by number, so its label is that
    number (``a001``); of several bodies the most prominent is followed. NTU's groups are
    ``performance`` (three cameras film it), ``camera`` and ``setup``. ``options``: ``fps``,
    ``frame_size`` (screen coordinates only).

    Raises:
        InputError: for a source without such files; a bad file alone becomes a failed import.
    """
    source = require_source(source)
    found = False
    for path in (
        sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source]
    ):
        if _FLORENCE_NAME.fullmatch(path.name):
            found = True
            yield from _read_florence(path, options)
        elif _NTU_NAME.fullmatch(path.name):
            found = True
            yield from read_each([path], lambda path: _imported(_read_ntu(path), options))
        elif _MSR_NAME.fullmatch(path.name):
            found = True
            yield from read_each([path], lambda path: _imported(_read_msr(path), options))
    if not found:
        raise InputError(
            f"{source}: expected S001C001P001R001A001.skeleton, a01_s01_e01_skeleton3D.txt or "
            "Florence_dataset_WorldCoordinates.txt files, found none"
        )


def _read_ntu(path: Path) -> _Clip:
    """A frame count; a frame: a body count; a body: 10 numbers, a joint count, 25 x 12 numbers."""
    numbers, digest = _numbers(path)
    frames: list[list[Floats]] = []
    at = 1
    for _ in range(_count(path, numbers, 0, 1, len(numbers))):
        bodies = _count(path, numbers, at, 0, _MOST_BODIES)
        at += 1
        frames.append([])
        for _ in range(bodies):
            _count(path, numbers, at + 10, len(KINECT_25), len(KINECT_25))
            body = numbers[at + 11 : at + 311]
            if len(body) < 300:
                raise InputError(f"{path}: expected 25 joints of 12 numbers, found the file's end")
            frames[-1].append(body.reshape(25, 12))
            at += 311
    if at != len(numbers):
        raise InputError(
            f"{path}: expected {len(frames)} frames as its first line says, found more numbers"
        )
    most = max(1, *map(len, frames), 0)
    values = np.zeros((len(frames), most, 25, 12))
    for row, found in zip(values, frames, strict=True):
        row[: len(found)] = found
    state = values[..., 11]
    if not np.isin(state, (0, 1, 2)).all():
        raise InputError(f"{path}: expected tracking states 0, 1 or 2, found {np.max(state):g}")
    match = _NTU_NAME.fullmatch(path.name)
    assert match is not None  # the caller found the file by its name
    setup, camera, subject, repetition, action = match.groups()
    groups = {
        "performance": f"s{setup}p{subject}r{repetition}a{action}",
        "camera": f"c{camera}",
        "setup": f"s{setup}",
    }
    name = path.name.lower().removesuffix(".skeleton")
    scores = _TRACKING_SCORE[state.astype(int)]
    joints = _metres(path, values[..., :3])
    return _Clip(
        path, name, KINECT_25, joints, scores, "metre", f"p{subject}", f"a{action}", groups, digest
    )


def _read_msr(path: Path) -> _Clip:
    match = _MSR_NAME.fullmatch(path.name)
    assert match is not None  # the caller found the file by its name
    action, subject, _, metric = match.groups()
    numbers, digest = _numbers(path)
    if not 1 <= int(action) <= len(MSR_ACTIONS) or len(numbers) % 80 or not len(numbers):
        raise InputError(
            f"{path}: expected an action a01..a{len(MSR_ACTIONS)} and frames of 20 joints of "
            f"4 numbers, found {len(numbers)} numbers"
        )
    order = [MSR_JOINTS.index(name) for name in KINECT_20.keypoints]
    values = numbers.reshape(-1, 1, 20, 4)[:, :, order]
    return _Clip(
        path,
        path.name.lower().rpartition("_")[0],
        KINECT_20,
        _metres(path, values[..., :3]) if metric else values[..., :2],
        np.clip(values[..., 3], np.finfo(np.float32).tiny, 1),
        "metre" if metric else "pixel",
        f"s{subject}",
        MSR_ACTIONS[int(action) - 1],
        {},
        digest,
    )


def _read_florence(path: Path, options: ImportOptions) -> Iterator[Imported]:
    """Rows of video, actor, category and 45 coordinates, a row a frame."""
    numbers, _ = _numbers(path)
    if len(numbers) % 48 or not len(numbers) or not np.isfinite(numbers).all():
        raise InputError(
            f"{path}: expected rows of 48 finite numbers, found {len(numbers)} numbers"
        )
    rows = numbers.reshape(-1, 48)
    videos = list(dict.fromkeys(rows[:, 0]))

    def read(video: float) -> ImportedPose:
        own = rows[rows[:, 0] == video]
        subject, category = own[0, 1:3]
        known = subject % 1 == 0 and category in range(1, 1 + len(FLORENCE_ACTIONS))
        if video % 1 or not known or (own[:, 1:3] != own[0, 1:3]).any():
            raise InputError(
                f"{path}: expected one actor and one category 1..{len(FLORENCE_ACTIONS)} a video, "
                f"found others in video {video:g}"
            )
        joints = _metres(path, own[:, 3:].reshape(-1, 1, 15, 3))
        label = FLORENCE_ACTIONS[int(category) - 1]
        digest = hashlib.sha256(own.tobytes()).hexdigest()
        clip = _Clip(
            path, f"florence_{int(video):03d}", FLORENCE_15, joints,
            np.ones(joints.shape[:3]), "metre", f"s{int(subject):02d}", label, {}, digest,
        )  # fmt: skip
        return _imported(clip, options)

    yield from read_each(videos, read)


def _imported(clip: _Clip, options: ImportOptions) -> ImportedPose:
    """One body of a clip, which is one action from its first frame to its last."""
    farthest = np.abs(clip.joints).max()
    if not farthest <= _FARTHEST[clip.unit]:
        raise InputError(
            f"{clip.path}: expected joints within {_FARTHEST[clip.unit]:g} {clip.unit}s of the "
            f"origin, found {farthest:g}"
        )
    sequence = subject_sequence(
        str(clip.path),
        clip.skeleton,
        clip.joints,
        without_origin(clip.joints, clip.scores),
        unit=clip.unit,
        fps=options.fps,
        frame_size=options.frame_size if clip.unit == "pixel" else None,
        subject=clip.subject,
    )
    whole = whole_clip(clip.video_id, sequence, clip.label, clip.groups)
    return ImportedPose(clip.video_id, sequence, (whole,), clip.sha256)


def _numbers(path: Path) -> tuple[npt.NDArray[np.float64], str]:
    """All numbers of a text file, and the SHA-256 of its bytes."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: expected a text file of numbers, found more than 256 MiB")
        content = path.read_bytes()
        numbers = np.array(content.split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected a text file of numbers; {error}") from None
    return numbers, hashlib.sha256(content).hexdigest()


def _count(path: Path, numbers: Floats, at: int, least: int, most: int) -> int:
    """The whole number at a place, checked."""
    if at >= len(numbers):
        raise InputError(f"{path}: expected more numbers, found the file's end; copy it anew")
    value = numbers[at]
    if not least <= value <= most or value % 1:
        raise InputError(
            f"{path}: expected a count of {least} to {most} as number {at + 1}, found {value:g}"
        )
    return int(value)


def _metres(path: Path, joints: Floats) -> Floats:
    """The coordinates in metres: Kinect sees 0.4 to 10 metres far, so the depth tells the unit."""
    depth = np.abs(joints[..., 2])
    if not np.isfinite(joints).all():
        raise InputError(f"{path}: expected finite coordinates, found others")
    typical = np.median(depth[depth > 0]) if depth.any() else 1.0
    if typical <= 20:
        return joints
    if not 200 <= typical <= 20_000:
        raise InputError(
            f"{path}: expected metres or millimetres from the camera, found a depth of {typical:g}"
        )
    return joints / 1000
