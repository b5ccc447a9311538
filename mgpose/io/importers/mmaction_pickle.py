"""Pickles of skeletons in the format of PYSKL and MMAction2.

One pickle holds ``split``, a dictionary from the name of a part to names of clips, and
``annotations``, a list with one dictionary a clip::

    frame_dir        name of the clip
    label            number of its class, absent or -1 where it is not known
    img_shape        (height, width) in pixels of the frame that the keypoints lie in
    total_frames     T
    keypoint         (M, T, V, 2) pixels, or (M, T, V, 3) metres of a depth camera
    keypoint_score   (M, T, V); depth cameras give none

Older files are the bare list. What was not seen is zeros. The M people of a frame may stand in any
order, so the subject is chosen anew (:mod:`mgpose.io.importers.choose_person`).

Reference: https://github.com/kennymckormick/pyskl, the section on data formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mgpose.io.importers.given_people import (
    IMAGE_LAYOUTS,
    Array,
    agreed_size,
    digest_of,
    foreign_values,
    layout_of,
    subject_sequence,
    whole_clip,
    without_origin,
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
from mgpose.structures import Annotation, InputError, PoseSequence, Skeleton

_DEPTH_LAYOUTS = {20: "kinect_20", 25: "kinect_25"}
_PART = re.compile(r"(.*?)_?(train|val|test)(\d*)")
# NTU RGB+D names its clips by setup, camera, performer, repetition and action.
_NTU = re.compile(r"(S\d{3})(C\d{3})(P\d{3})(R\d{3})(A\d{3})")


@dataclass(frozen=True)
class Clip:
    """One entry of ``annotations``, its keys checked.

    Args:
        where: pickle and clip, for messages.
        name: the clip's ``frame_dir``.
        label: number of its class, None where it is not known.
        parts: split name -> part, such as ``{"xsub": "train"}``.
        entry: the dictionary itself.
    """

    where: str
    name: str
    label: int | None
    parts: Mapping[str, str]
    entry: Mapping[str, Any]


def read_mmaction_pickle(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Clips of a pickle, or of all ``.pkl`` and ``.pickle`` files in a folder.

    A label is the class's number, or its name where ``options.labels`` is a text file with one
    name a line. Each part of ``split`` becomes a group of the annotations: ``xsub_train`` and
    ``xsub_val`` the group ``xsub`` with the values ``train`` and ``val``; ``train`` alone the group
    ``split``. NTU's names also tell performer, camera and performance.

    Raises:
        InputError: for a source without clips or of another structure; a bad clip alone becomes a
            failed import.
    """
    names = None if options.labels is None else _class_names(options.labels)

    def read(clip: Clip) -> ImportedPose:
        sequence, digest = clip_sequence(clip, options)
        return ImportedPose(slug(clip.name), sequence, _annotations(clip, sequence, names), digest)

    for path in pickles(source):
        yield from read_each(clips(path), read)


def pickles(source: Path) -> list[Path]:
    """The pickles of a source.

    Raises:
        InputError: when there is none.
    """
    source = require_source(source)
    if source.is_file():
        return [source]
    found = sorted(p for p in source.iterdir() if p.suffix in (".pkl", ".pickle") and p.is_file())
    if not found:
        raise InputError(f"{source}: expected a pickle of skeletons or a folder of them, none")
    return found


def clips(path: Path) -> Iterator[Clip]:
    """The clips of one pickle; each leaves the memory when the next is asked for.

    Raises:
        InputError: when the pickle has another structure.
    """
    content = load_pickle(path)
    entries = content.get("annotations") if isinstance(content, dict) else content
    split = content.get("split", {}) if isinstance(content, dict) else {}
    if not isinstance(entries, list) or not entries or not isinstance(split, dict):
        raise InputError(
            f"{path}: expected a pickle with split and annotations, found {_described(content)}"
        )
    if not any(isinstance(entry, dict) and "keypoint" in entry for entry in entries):
        raise InputError(
            f"{path}: its {len(entries)} annotations hold no keypoint arrays, as lists "
            "whose keypoints lie in files of their own; give a pickle that holds them"
        )
    with foreign_values(str(path)):
        parts = _parts_of(path, split)
    for number in range(len(entries)):
        entry, entries[number] = entries[number], None
        yield _clip(path, number, entry, parts)


def _described(content: object) -> str:
    if isinstance(content, dict):
        return f"the keys {sorted(map(str, content))[:8]}"
    return type(content).__name__


def _clip(path: Path, number: int, entry: Any, parts: Mapping[str, Mapping[str, str]]) -> Clip:
    known = isinstance(entry, dict) and isinstance(entry.get("frame_dir"), str)
    name = Path(entry["frame_dir"]).name if known else f"annotation {number}"
    label = entry.get("label") if known else None
    # A label of -1 marks the clips of a test part whose classes are not published.
    whole = isinstance(label, (int, np.integer)) and label >= 0
    return Clip(
        where=f"{path}: {name}",
        name=name,
        label=int(label) if whole and label is not None else None,
        parts=parts.get(entry["frame_dir"], {}) if known else {},
        entry=entry if known else {},
    )


def _parts_of(path: Path, split: Mapping[Any, Any]) -> dict[str, dict[str, str]]:
    """Clip -> split name -> part.

    Raises:
        InputError: when a clip stands in two parts of one split: no test may rest on that.
    """
    parts: dict[str, dict[str, str]] = {}
    for name, clips_of_part in split.items():
        match = _PART.fullmatch(str(name))
        group, part = ("split", str(name)) if match is None else (match[1] + match[3], match[2])
        for clip in clips_of_part:
            before = parts.setdefault(str(clip), {}).setdefault(group or "split", part)
            if before != part:
                raise InputError(
                    f"{path}: the clip {clip!r} stands both in {before} and in {part} of the split "
                    f"{group or 'split'!r}; correct the split"
                )
    return parts


def clip_sequence(clip: Clip, options: ImportOptions) -> tuple[PoseSequence, str]:
    """The subject's sequence of one clip, and the SHA-256 of its arrays.

    Raises:
        InputError: for missing keys, other shapes, or a layout that must be told.
    """
    with foreign_values(clip.where):
        return _clip_sequence(clip, options)


def _clip_sequence(clip: Clip, options: ImportOptions) -> tuple[PoseSequence, str]:
    label = clip.entry.get("label")
    if label is not None and not isinstance(label, (int, np.integer)):
        raise InputError(
            f"{clip.where}: expected the number of its class as label, found {label!r:.100}"
        )
    keypoints = _array(clip, "keypoint", 4)
    scores = None if "keypoint_score" not in clip.entry else _array(clip, "keypoint_score", 3)
    people, frames, points, dims = keypoints.shape
    if frames != int(clip.entry.get("total_frames", frames)):
        raise InputError(
            f"{clip.where}: expected {clip.entry['total_frames']} frames as total_frames says, "
            f"found {frames}"
        )
    skeleton = _skeleton(clip, options, points, dims)
    digest = digest_of(*(a for a in (keypoints, scores) if a is not None))
    if dims == 3 and skeleton.dims == 2:
        raise InputError(
            f"{clip.where}: expected (M, T, {points}, 2) for the image layout {skeleton.name}, "
            f"found 3 coordinates"
        )
    if scores is None:
        scores = np.ones((people, frames, points), np.float32)
    scores = without_origin(keypoints, scores)
    size = None if dims == 3 else agreed_size(clip.where, _img_shape(clip), options.frame_size)
    ntu = _NTU.match(clip.name)
    sequence = subject_sequence(
        clip.where,
        skeleton,
        keypoints.swapaxes(0, 1),
        scores.swapaxes(0, 1),
        unit="metre" if dims == 3 else "pixel",
        fps=options.fps,
        frame_size=size,
        subject=ntu[3].lower() if ntu else None,
    )
    return sequence, digest


def _array(clip: Clip, key: str, ndim: int) -> Array:
    array = clip.entry.get(key)
    if not isinstance(array, np.ndarray) or array.ndim != ndim or array.dtype.kind not in "fiu":
        found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else repr(array)
        raise InputError(
            f"{clip.where}: expected an array {key} of {ndim} dimensions, found {found:.100}"
        )
    return np.asarray(array, np.float32)


def _skeleton(clip: Clip, options: ImportOptions, points: int, dims: int) -> Skeleton:
    known = _DEPTH_LAYOUTS if dims == 3 else IMAGE_LAYOUTS
    return layout_of(clip.where, points, known, options.skeleton)


def _img_shape(clip: Clip) -> tuple[int, int] | None:
    shape = clip.entry.get("img_shape", clip.entry.get("original_shape"))
    if shape is None:
        return None
    height, width = (int(side) for side in shape)
    return width, height


def _class_names(path: Path) -> list[str]:
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected a text file with one class name a line; {error}"
        ) from None
    if not names or not all(names):
        raise InputError(f"{path}: expected one class name a line, found none or an empty line")
    return names


def _annotations(
    clip: Clip, sequence: PoseSequence, names: list[str] | None
) -> tuple[Annotation, ...]:
    """One gesture that fills the clip, where its class is known."""
    if clip.label is None:
        return ()
    if names is not None and clip.label >= len(names):
        raise InputError(f"{clip.where}: class {clip.label}, but only {len(names)} names are given")
    label = str(clip.label) if names is None else names[clip.label]
    groups = dict(clip.parts)
    ntu = _NTU.match(clip.name)
    if ntu:
        setup, camera, performer, repetition, action = (part.lower() for part in ntu.groups())
        groups |= {"camera": camera, "setup": setup}
        groups["performance"] = setup + performer + repetition + action
    return (whole_clip(slug(clip.name), sequence, label, groups),)
