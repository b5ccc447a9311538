"""Northwestern-UCLA: Kinect v1 skeletons of ten actions, ten subjects, three cameras.

Reference: Wang et al., Cross-view action modeling, learning and recognition, CVPR 2014. The set is
for research only and may not be redistributed.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    frame_times,
    imported_ledger,
    read_each,
    require_source,
)
from mgpose.structures import KINECT_20, Annotation, InputError, PoseSequence

# Labels 1 to 10; the file names number the same actions 1 2 3 4 5 6 8 9 11 12.
ACTIONS = (
    "pick up with one hand",
    "pick up with two hands",
    "drop trash",
    "walk around",
    "sit down",
    "stand up",
    "donning",
    "doffing",
    "throw",
    "carry",
)
_NAME = re.compile(r"(a\d\d_(s\d\d)_e\d\d)_(v\d\d)")
_ARCHIVE = "all_sqe.zip"
_MAX_BYTES = 16 * 2**20  # the longest real file has 0.3 MB; more is not a sequence of this set


def read_nw_ucla(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Sequences of ``all_sqe.zip``, of a folder that holds it, or of a folder of its JSON files.

    A file holds ``file_name`` (``a01_s01_e00_v01``), ``skeletons (T, 20, 3)`` in metres, y up and
    z away from the camera as Kinect gives them, and ``label`` 1 to 10. A joint at the exact origin,
    which is the camera itself, was not tracked and becomes NaN. Groups: ``performance``
    (``a01_s01_e00``, one performance stands before three cameras) and ``camera`` (``v01``). The
    frame rate is not told; ``options``: ``fps``.

    Raises:
        InputError: for a source without such files, or a file that breaks the format.
    """
    source = require_source(source)
    if (source / _ARCHIVE).is_file():
        source = source / _ARCHIVE
    contents = _contents(source)
    first = next(contents, None)
    if first is None:
        raise InputError(
            f"{source}: expected {_ARCHIVE} or JSON files a01_s01_e00_v01.json, found none"
        )
    yield from read_each(chain([first], contents), lambda item: _read_sequence(*item, options))


def _contents(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names of the JSON files below ``source``, and what reads the bytes of each."""
    if source.is_dir():
        for path in sorted(source.rglob("a*_s*_e*_v*.json")):
            yield str(path), path.read_bytes
        return
    try:
        with ZipFile(source) as archive:
            for member in sorted(archive.infolist(), key=lambda m: m.filename):
                if not member.filename.endswith(".json"):
                    continue
                if member.file_size > _MAX_BYTES:
                    raise InputError(f"{source}: {member.filename} unpacks to {member.file_size} B")
                yield f"{source}: {member.filename}", partial(archive.read, member)
    except (BadZipFile, OSError) as error:
        raise InputError(f"{source}: expected a ZIP archive of JSON files; {error}") from error


def _read_sequence(name: str, read: Callable[[], bytes], options: ImportOptions) -> ImportedPose:
    try:
        content = read()
        record = json.loads(content)
        file_name, label = str(record["file_name"]), int(record["label"])
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            skeletons = np.array(record["skeletons"], dtype=np.float32)
    except (
        BadZipFile,
        zlib.error,
        ArithmeticError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise InputError(
            f"{name}: expected JSON with file_name, skeletons, label; {error!r}"
        ) from error
    match = _NAME.fullmatch(file_name)
    if match is None or not 1 <= label <= len(ACTIONS):
        raise InputError(
            f"{name}: expected file_name a01_s01_e00_v01 and label 1..{len(ACTIONS)}, "
            f"got {file_name!r} and {label}"
        )
    if skeletons.ndim != 3 or skeletons.shape[1:] != (20, 3) or not np.isfinite(skeletons).all():
        raise InputError(f"{name}: expected finite skeletons (T, 20, 3), got {skeletons.shape}")
    performance, subject, camera = match.groups()
    detected = (skeletons != 0).any(-1)
    time, time_source = frame_times(np.arange(len(skeletons)), options.fps)
    sequence = PoseSequence(
        skeleton=KINECT_20,
        keypoints=np.where(detected[..., None], skeletons, np.float32(np.nan)),
        scores=detected.astype(np.float32),
        time=time,
        unit="metre",
        time_source=time_source,
        ledger=imported_ledger(detected),
        subject=subject,
    )
    annotation = Annotation(
        video=file_name,
        subject=subject,
        start=0,
        stop=len(sequence),
        label=ACTIONS[label - 1],
        unit="frame",
        groups={"performance": performance, "camera": camera},
    )
    return ImportedPose(file_name, sequence, (annotation,), hashlib.sha256(content).hexdigest())
