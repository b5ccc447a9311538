"""``.pose`` files, read through the library pose-format (``pip install 'mgpose[formats]'``).

A header names components (body, face, hands) and their points; the body holds people over time
with a confidence a point, 0 for what was not seen, in pixels of the header's frame. The points of
MediaPipe Holistic and of OpenPose become a source layout by their names, so that files with only
some of the points are read as well; what a file lacks is missing. Of the coordinates x and y are
kept: MediaPipe's z has a different origin in each component.

Reference: https://github.com/sign-language-processing/pose, docs/specs (versions 0.0 to 0.2).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.given_people import agreed_fps, agreed_size, subject_sequence
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
from mgpose.structures import InputError, Skeleton, skeleton_by_name

_SIDES = ("left", "right")
_OPENPOSE = {
    "pose_keypoints_2d": (0, 25),
    "face_keypoints_2d": (25, 70),
    "hand_left_keypoints_2d": (95, 21),
    "hand_right_keypoints_2d": (116, 21),
}
# The smallest of them that has every point of a file is its layout.
_MEDIAPIPE = (
    "mediapipe_body_hands_75",
    "mediapipe_contours_203",
    "mediapipe_543",
    "mediapipe_553",
)
_WORLD = "POSE_WORLD_LANDMARKS"  # the body once more in metres about the hips
_MAX_BYTES = 4 * 2**30


def read_dot_pose(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Sequences of one ``.pose`` file, or of all of them below a folder.

    The id is the path below ``source``; time runs by the header's frame rate. Of several people
    the subject is followed, see :func:`~mgpose.io.importers.choose_person.choose_person`.

    Raises:
        InputError: for a source without such files, or without the library; a bad file alone
            becomes a failed import.
    """
    try:
        import pose_format  # noqa: F401  asked for here, once, rather than at every file
    except ModuleNotFoundError:
        raise InputError(
            f"{source}: .pose files need the library pose-format; pip install 'mgpose[formats]'"
        ) from None
    source = require_source(source)
    files = sorted(source.rglob("*.pose")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: expected .pose files, found none")

    def read(path: Path) -> ImportedPose:
        parts = path.relative_to(source).with_suffix("").parts if source.is_dir() else (path.stem,)
        return _read_file(path, "_".join(map(slug, parts)), options)

    yield from read_each(files, read)


def _read_file(path: Path, video: str, options: ImportOptions) -> ImportedPose:
    header, body = _load(path)
    skeleton, places = _layout(path, header)
    given = np.asarray(body.confidence, np.float32)
    frames, people, _ = given.shape
    keypoints = np.full((frames, people, len(skeleton), 2), np.nan, np.float32)
    scores = np.zeros((frames, people, len(skeleton)), np.float32)
    columns = np.flatnonzero(places >= 0)
    keypoints[:, :, places[columns]] = np.ma.getdata(body.data)[:, :, columns, :2]
    scores[:, :, places[columns]] = given[:, :, columns]
    size = (int(header.dimensions.width), int(header.dimensions.height))
    sequence = subject_sequence(
        str(path),
        skeleton,
        keypoints,
        scores,
        unit="pixel",
        fps=agreed_fps(str(path), float(body.fps) or None, options.fps),
        frame_size=agreed_size(str(path), size if min(size) > 0 else None, options.frame_size),
    )
    return ImportedPose(video, sequence, (), sha256_of(path))


def _load(path: Path) -> tuple[Any, Any]:
    """Header and body of a file that is as long as its header says."""
    from pose_format import Pose

    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise InputError(f"{path}: expected at most {_MAX_BYTES} bytes, found {size}")
        content = path.read_bytes()
        _check_length(content)
        pose = Pose.read(content)
    except (
        NotImplementedError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        MemoryError,
        struct.error,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected a whole .pose file; {error}") from error
    return pose.header, pose.body


def _check_length(content: bytes) -> None:
    """Compare the length with what the header announces: the library does not.

    Version 0.1 keeps the number of frames modulo 65,536 and is read by its length, so that a file
    cut short would lose frames and shift all confidences without a word.

    Raises:
        ValueError: when the two differ.
    """
    from pose_format.pose_header import PoseHeader
    from pose_format.utils.reader import BufferReader

    reader = BufferReader(content)
    header = PoseHeader.read(reader)
    version = round(header.version, 1)
    if version == 0:  # each frame says how many people it has
        return
    numbers = struct.Struct("<HHH" if version == 0.1 else "<fIH")
    fps, announced, people = numbers.unpack_from(content, reader.read_offset)
    points = sum(len(component.points) for component in header.components)
    frame = 4 * people * points * (header.num_dims() + 1)
    held = len(content) - reader.read_offset - numbers.size
    count = held // frame if frame else 0
    known = count % 2**16 if version == 0.1 else count
    if not frame or held % frame or known != announced or not math.isfinite(fps):
        raise ValueError(f"its header announces {announced} frames, its length {held / frame:g}")


def _layout(path: Path, header: Any) -> tuple[Skeleton, npt.NDArray[np.int64]]:
    """The layout, and for each point of the file its place there, -1 for none."""
    components = [(c.name, list(c.points)) for c in header.components]
    sizes = {name: len(points) for name, points in components}
    if {name: size for name, (_, size) in _OPENPOSE.items()} == sizes:
        places = [range(_OPENPOSE[name][0], sum(_OPENPOSE[name])) for name, _ in components]
        return skeleton_by_name("openpose_137"), np.concatenate(places).astype(np.int64)
    names = [_mediapipe_name(name, point) for name, points in components for point in points]
    wanted = {name for name in names if name}
    for layout in _MEDIAPIPE:
        skeleton = skeleton_by_name(layout)
        if wanted and wanted <= set(skeleton.keypoints):
            place = [skeleton.index(name) if name else -1 for name in names]
            return skeleton, np.array(place, dtype=np.int64)
    raise InputError(
        f"{path}: expected components of MediaPipe Holistic or OpenPose with their points, found "
        f"{', '.join(f'{name} ({size})' for name, size in sizes.items())!r:.200}"
    )


def _mediapipe_name(component: str, point: str) -> str:
    """Our name of MediaPipe's point; empty for one that is left out, or of another origin."""
    if component == _WORLD:
        return ""
    if component == "FACE_LANDMARKS" and point.isdecimal():
        faces = skeleton_by_name("mediapipe_553").keypoints[33:511]
        return faces[int(point)] if int(point) < len(faces) else f"face mesh {point}"
    name = point.lower()
    if component == "POSE_LANDMARKS":
        mouth = {"mouth_left": "left_mouth", "mouth_right": "right_mouth"}
        return mouth.get(name, name)
    for side in _SIDES:
        if component == f"{side.upper()}_HAND_LANDMARKS":
            joint = "hand_root" if name == "wrist" else name.replace("_finger", "")
            return f"{side}_{joint}"
    return f"{component} {point}"
