"""Arrays of skeletons in the format of ST-GCN: ``*_data.npy`` beside ``*_label.pkl``.

The array is float32 ``(N, 3, T, V, M)``; a shorter clip is filled up with zero frames, an absent
person is zeros. The pickle holds two lists, the clips' names and their classes. V tells the rest,
and the numbers must bear it out:

* V = 18, Kinetics skeletons by OpenPose: x and y less 1/2, as fractions of the frame's width and
  height, and the score. A keypoint of score 0 was not found, whatever x and y became.
* V = 25, NTU RGB+D by Kinect v2: x, y, z in metres. Kinect gives all joints or no person, so only
  a person of nothing but zeros is absent: in centred copies of the set the origin is a joint.

Reference: Yan et al., Spatial temporal graph convolutional networks, AAAI 2018.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mgpose.io.importers.given_people import (
    Array,
    digest_of,
    foreign_values,
    subject_sequence,
    whole_clip,
)
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    read_each,
    require_source,
    slug,
)
from mgpose.io.importers.restricted_pickle import load_pickle
from mgpose.structures import InputError, PoseSequence, skeleton_by_name

_DATA = "_data.npy"
_PERFORMER = re.compile(r"S\d{3}C\d{3}(P\d{3})R\d{3}A\d{3}")
_SPINE = (0.2, 1.0)  # metres between base of the spine and shoulders, child to tall adult
_SPINE_ENDS = (0, 20)


@dataclass(frozen=True)
class _Row:
    """One clip of an array: its number, name, class and part of the split."""

    data: Path
    number: int
    name: str
    label: int
    part: str

    @property
    def where(self) -> str:
        return f"{self.data}: {self.name}"


def read_stgcn_arrays(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Clips of one ``*_data.npy``, or of all of them in a folder.

    The array is mapped, one clip is in memory at a time. Labels are the classes' numbers; the
    file's part, ``train`` or ``val``, becomes the group ``split``. NTU's names tell the performer.

    Raises:
        InputError: for a source without such files, other shapes, or labels that do not belong to
            the data; a bad clip alone becomes a failed import.
    """
    source = require_source(source)
    files = sorted(source.rglob(f"*{_DATA}")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: expected ST-GCN arrays, such as train{_DATA}, found none")
    for path in files:
        data = _mapped(path)

        def read(row: _Row, data: Array = data) -> ImportedPose:
            return _read_clip(row, np.array(data[row.number], np.float32), options)

        yield from read_each(_rows(path, len(data)), read)


def _mapped(path: Path) -> Array:
    try:
        data: Array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a plain .npy file; {error}") from error
    if data.ndim != 5 or data.shape[1] != 3 or data.shape[3] not in (18, 25):
        raise InputError(f"{path}: expected (N, 3, T, 18 or 25, M), found shape {data.shape}")
    if data.dtype.kind != "f" or 0 in data.shape:
        raise InputError(f"{path}: expected numbers, found {data.dtype} {data.shape}")
    return data


def _rows(path: Path, count: int) -> Iterator[_Row]:
    stem = path.name.removesuffix(_DATA)
    labels = path.with_name(f"{stem}_label.pkl")
    if not path.name.endswith(_DATA) or not labels.exists():
        raise InputError(f"{path}: expected x{_DATA} beside its x_label.pkl, found no labels")
    content = load_pickle(labels)
    pair = content if isinstance(content, (list, tuple)) and len(content) == 2 else ((), ())
    names, classes = (list(p) if isinstance(p, (list, tuple, np.ndarray)) else [] for p in pair)
    if not len(names) == len(classes) == count:
        raise InputError(
            f"{labels}: expected two lists of {count} names and classes as {path.name} has clips, "
            f"found {len(names)} and {len(classes)}"
        )
    with foreign_values(str(labels)):
        rows = [
            _Row(path, number, Path(str(name)).stem, int(label), stem)
            for number, (name, label) in enumerate(zip(names, classes, strict=True))
        ]
    yield from rows


def _read_clip(row: _Row, clip: Array, options: ImportOptions) -> ImportedPose:
    """``clip`` is (3, T, V, M)."""
    present = np.flatnonzero((clip != 0).any((0, 2, 3)))
    if not present.size:
        raise InputError(f"{row.where}: nobody is seen in any frame; leave the clip out")
    # Only the end is padding: zero frames before it are frames in which nobody was found.
    people = clip[:, : present[-1] + 1].transpose(1, 3, 2, 0)
    if not np.isfinite(people).all():
        raise InputError(f"{row.where}: expected finite numbers, found others")
    read = _image_people if people.shape[2] == 18 else _depth_people
    sequence = read(row, people, options)
    video = slug(row.name)
    label = whole_clip(video, sequence, str(row.label), {"split": row.part})
    return ImportedPose(video, sequence, (label,), digest_of(clip))


def _image_people(row: _Row, people: Array, options: ImportOptions) -> PoseSequence:
    xy, scores = people[..., :2], people[..., 2]
    if scores.min() < 0 or scores.max() > 1 or np.abs(xy).max() > 0.6:
        raise InputError(
            f"{row.where}: expected x and y in -0.5..0.5 and scores in 0..1 for 18 keypoints, "
            f"found {xy.min():.3g}..{xy.max():.3g} and {scores.min():.3g}..{scores.max():.3g}"
        )
    return subject_sequence(
        row.where,
        skeleton_by_name("openpose_18"),
        xy + np.float32(0.5),
        scores,
        unit="normalised",
        fps=options.fps,
        frame_size=options.frame_size,
    )


def _depth_people(row: _Row, people: Array, options: ImportOptions) -> PoseSequence:
    present = (people != 0).any((2, 3))
    first, last = (people[present][:, joint] for joint in _SPINE_ENDS)
    spine = float(np.median(np.linalg.norm(first - last, axis=-1)))
    depth = people[present][..., 2]
    if not _SPINE[0] < spine < _SPINE[1] or (depth.min() >= 0 and depth.max() <= 1):
        raise InputError(
            f"{row.where}: expected x, y, z of Kinect's 25 joints in metres, found a spine of "
            f"{spine:.3g} and third numbers {depth.min():.3g}..{depth.max():.3g}; other layouts of "
            "25 keypoints are not read"
        )
    performer = _PERFORMER.match(row.name)
    return subject_sequence(
        row.where,
        skeleton_by_name("kinect_25"),
        people,
        np.broadcast_to(present[..., None], people.shape[:3]).astype(np.float32),
        unit="metre",
        fps=options.fps,
        subject=performer[1].lower() if performer else None,
    )
