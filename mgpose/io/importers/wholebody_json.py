"""Keypoints in the JSON of MMPose, COCO-WholeBody, Halpe and AlphaPose.

Four forms are told apart by what they hold:

* MMPose's video predictions: ``{"meta_info": .., "instance_info": [frame, ..]}``, or the bare list
  of frames; a frame is ``{"frame_id": 0, "instances": [{"keypoints": [[x, y], ..],
  "keypoint_scores": [..]}, ..]}``. One file is one video; frames count from 0, or from 1 where the
  first is 1.
* MMPose's predictions for a picture: the list of its instances. One sequence of one frame.
* AlphaPose's results: ``[{"image_id": "12.jpg", "keypoints": [x, y, score, ..]}, ..]``: one video,
  whose frames are the numbers of the pictures; a frame without people stands nowhere in it, so
  nothing is known of what came after the last. Numbers for ``image_id``, as COCO's results have
  them, are pictures.
* COCO's annotations: ``images`` and ``annotations``, with 17, 133 (``keypoints``, ``foot_kpts``,
  ``face_kpts``, ``lefthand_kpts``, ``righthand_kpts``) or 136 keypoints of x, y and a flag: 0 not
  labelled, 1 hidden, 2 visible. Images that tell ``video_id`` (or ``vid_id``) and ``frame_id``
  become videos; any other image becomes a sequence of one frame, as pictures are no film.

Reference: Jin et al., Whole-body human pose estimation in the wild, ECCV 2020; MMPose's
``MMPoseInferencer``; https://github.com/Fang-Haoshu/Halpe-FullBody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.given_people import (
    IMAGE_LAYOUTS,
    agreed_size,
    digest_of,
    layout_of,
    subject_sequence,
    without_origin,
)
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    FailedImport,
    Imported,
    ImportedPose,
    ImportOptions,
    read_each,
    require_source,
    slug,
)
from mgpose.structures import InputError, Skeleton

Person = npt.NDArray[np.float32]  # (V, 3) x, y, score
_COCO_LISTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
_MAX_BYTES = 4 * 2**30
_FRAME_NAME = re.compile(r"(\d{1,9})\.\w+")
_MOST_PEOPLE = 8  # of a frame that are kept: a crowd must not fill the memory
_MAX_SPREAD = 100  # frame numbers for each frame before the numbering is taken for a mistake


@dataclass(frozen=True)
class _Video:
    """A video on its way: numbered frames with the people in each.

    Args:
        where: file, for messages.
        name: what its id is made of.
        frames: frame number -> the JSON objects of its people.
        size: width and height, where the file tells.
        names: keypoint number -> name, where the file tells.
        whole: True where the file lists every frame that was read, with people or without.
    """

    where: str
    name: str
    frames: dict[int, list[Any]]
    size: tuple[int, int] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    whole: bool = True


def read_wholebody_json(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Videos and pictures of one JSON file, or of all JSON files below a folder.

    The id is the path below ``source``, for pictures of COCO followed by the picture's id. The
    layout follows from the number of keypoints, or from ``options.skeleton``.

    Raises:
        InputError: for a source without JSON files; a bad file or video alone becomes a failed
            import.
    """
    source = require_source(source)
    files = sorted(source.rglob("*.json")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source}: expected JSON files of keypoints, found none")
    for path in files:
        parts = path.relative_to(source).with_suffix("").parts if source.is_dir() else (path.stem,)
        try:
            videos = _videos(path, "_".join(map(slug, parts)))
        except InputError as error:
            yield FailedImport(str(error))
            continue
        yield from read_each(videos, lambda video: _read_video(video, options))


def _read_video(video: _Video, options: ImportOptions) -> ImportedPose:
    numbers = video.frames
    base = 1 if min(numbers) == 1 else 0
    count = max(numbers) + 1 - base
    if min(numbers) < 0 or count > 1000 + _MAX_SPREAD * len(numbers):
        raise InputError(
            f"{video.where}: expected frames numbered one after the other, found {len(numbers)} "
            f"numbers up to {max(numbers)}"
        )
    people = {n - base: [_person(video.where, p) for p in numbers[n]] for n in numbers}
    found = {len(person) for persons in people.values() for person in persons}
    if len(found) != 1:
        raise InputError(
            f"{video.where}: expected people of one layout, found {sorted(found) or 'nobody'}"
        )
    skeleton = layout_of(video.where, found.pop(), IMAGE_LAYOUTS, options.skeleton)
    _check_names(video, skeleton)
    array = _stacked(people, count, len(skeleton))
    sequence = subject_sequence(
        video.where,
        skeleton,
        array[..., :2],
        without_origin(array[..., :2], array[..., 2]),
        unit="pixel",
        fps=options.fps,
        frame_size=agreed_size(video.where, video.size, options.frame_size),
        failed=np.array([video.whole and n not in people for n in range(count)]),
    )
    return ImportedPose(video.name, sequence, (), digest_of(array))


def _stacked(people: Mapping[int, list[Person]], count: int, points: int) -> Person:
    """(T, M, V, 3); of a crowd the largest people are kept."""
    most = min(_MOST_PEOPLE, max(len(persons) for persons in people.values()))
    array = np.zeros((count, most, points, 3), np.float32)
    for number, persons in people.items():
        for place, person in enumerate(sorted(persons, key=_extent, reverse=True)[:most]):
            array[number, place] = person
    return array


def _extent(person: Person) -> float:
    seen = person[person[:, 2] > 0, :2]
    return float(np.ptp(seen, axis=0).sum()) if len(seen) else 0.0


def _person(where: str, record: Any) -> Person:
    """(V, 3) x, y and score of one person; flags of visibility count as score 1."""
    try:
        if "foot_kpts" in record:
            flat = [number for key in _COCO_LISTS for number in record[key]]
        else:
            flat = record["keypoints"]
        values = np.asarray(flat, dtype=np.float32)
        if values.ndim == 2:  # MMPose: points, and their scores apart
            scores = np.asarray(record.get("keypoint_scores", [1.0] * len(values)), np.float32)
            values = np.column_stack([values[:, :2], scores])
        values = values.reshape(-1, 3)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{where}: expected people with keypoints of x, y and score; {error!r:.200}"
        ) from None
    values[:, 2] = np.minimum(values[:, 2], 1)
    return values


def _check_names(video: _Video, skeleton: Skeleton) -> None:
    """Names that the file gives to keypoints must stand where the layout has them.

    Raises:
        InputError: when one does not.
    """
    for number, name in video.names.items():
        if name in skeleton.keypoints and skeleton.index(name) != number:
            raise InputError(
                f"{video.where}: keypoint {number} is called {name!r}, which layout "
                f"{skeleton.name} has at {skeleton.index(name)}; name the layout with --skeleton"
            )


def _videos(path: Path, name: str) -> list[_Video]:
    """What one file holds.

    Raises:
        InputError: for a file of none of the forms.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: expected at most {_MAX_BYTES} bytes")
        content = json.loads(path.read_bytes())
        videos = _of_form(path, name, content)
    except (OSError, ArithmeticError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected JSON of keypoints; {error!r:.200}") from None
    if not any(video.frames for video in videos):
        raise InputError(
            f"{path}: expected predictions of MMPose or AlphaPose, or annotations of COCO, found "
            "none of them"
        )
    return videos


def _of_form(path: Path, name: str, content: Any) -> list[_Video]:
    where = str(path)
    if isinstance(content, dict) and "instance_info" in content:
        frames = _frames(content["instance_info"])
        return [_Video(where, name, frames, names=_names(content.get("meta_info")))]
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return _coco_videos(path, name, content)
    if not isinstance(content, list) or not content:
        return []
    if all("instances" in entry for entry in content):
        return [_Video(where, name, _frames(content))]
    if all("image_id" in entry for entry in content):
        return _result_videos(path, name, content)
    if all("keypoints" in entry for entry in content):
        return [_Video(where, name, {0: content})]
    return []


def _frames(entries: list[Any]) -> dict[int, list[Any]]:
    frames = {int(entry["frame_id"]): list(entry["instances"]) for entry in entries}
    if len(frames) != len(entries):
        raise ValueError("two frames have the same frame_id")
    return frames


def _names(meta: Any) -> dict[int, str]:
    names = meta.get("keypoint_id2name") or {} if isinstance(meta, Mapping) else {}
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    return {int(number): str(name) for number, name in pairs}


def _result_videos(path: Path, name: str, results: list[Any]) -> list[_Video]:
    """AlphaPose names numbered pictures, COCO's results give ids of pictures."""
    people: dict[Any, list[Any]] = {}
    for result in results:
        people.setdefault(result["image_id"], []).append(result)
    numbered = {key: _FRAME_NAME.fullmatch(str(key)) for key in people}
    if all(numbered.values()):
        frames = {int(match[1]): people[key] for key, match in numbered.items() if match}
        # Frames without people are left out of the results, so none of them counts as failed.
        return [_Video(str(path), name, frames, whole=False)]
    return [
        _Video(f"{path}: image {key}", f"{name}_{slug(str(key))}", {0: people[key]})
        for key in people
    ]


def _coco_videos(path: Path, name: str, content: Mapping[str, Any]) -> list[_Video]:
    """Videos where the images tell them, else one of a single frame for each image."""
    people: dict[Any, list[Any]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        people[annotation["image_id"]].append(annotation)
    videos: dict[str, _Video] = {}
    for image in content["images"]:
        size = (int(image["width"]), int(image["height"]))
        video = image.get("video_id", image.get("vid_id"))
        film = video is not None and "frame_id" in image
        key = f"{name}_{slug(str(video if film else image['id']))}"
        number = int(image["frame_id"]) if film else 0
        made = videos.setdefault(key, _Video(f"{path}: {key}", key, {}, size))
        if number in made.frames or made.size != size:
            raise ValueError(f"{key} has two images of one number, or of two sizes")
        made.frames[number] = people[image["id"]]
    return list(videos.values())
