"""The label file of iMiGUE, for poses that lie elsewhere.

A row names a video, a gesture with its first and last frame (both inclusive) and their times, the
subject, and the outcome of the match: the gesture tier and, once a video, the emotion tier, whose
labels ``win`` and ``lose`` are an outcome and not a felt emotion. Gender and nationality are not
read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.io.importers.imported_pose import (
    FailedImport,
    Imported,
    ImportedPose,
    ImportOptions,
    add_annotations,
    csv_rows,
    read_each,
    require_source,
    source_stems,
)
from mgpose.io.store import PoseStore
from mgpose.structures import Annotation, InputError
from mgpose.structures.micro_gestures import IMIGUE_CLASSES

_COLUMNS = (
    "video_id",
    "start_time",
    "start_frame",
    "end_time",
    "end_frame",
    "class",
    "subject_id",
    "win_or_lose",
)
_TIME = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d{1,9})?)")
_WHOLE_SECOND = 1.0
_MAX_FRAMES = 10**9

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Gesture:
    """A row of the file; frames as it numbers them, both inclusive, and seconds."""

    label: str
    frames: tuple[int, int]
    seconds: tuple[float, float]


@dataclass(frozen=True)
class _Video:
    """What the file says of one video."""

    subject: str
    outcome: str
    gestures: tuple[_Gesture, ...]


@dataclass(frozen=True)
class ImigueLabels:
    """The whole file.

    Args:
        path: the file, for messages.
        videos: what it says, by the number of the video.
        frame_base: number of the first frame, as the user told it.
        precise: whether times are given finer than whole seconds.
    """

    path: Path
    videos: Mapping[int, _Video]
    frame_base: int | None
    precise: bool

    @cached_property
    def first_frame(self) -> int:
        """Number that the file gives to the first frame.

        Raises:
            InputError: when neither the file nor the user tells it.
        """
        starts = (g.frames[0] for v in self.videos.values() for g in v.gestures)
        return known_frame_base(self.path, starts, self.frame_base)

    def annotations(
        self, number: int, video_id: str, time: npt.NDArray[np.float64], time_source: str
    ) -> tuple[Annotation, ...]:
        """The gestures of a video and its outcome.

        Where the poses carry time stamps and the file gives fractions of seconds, gestures are
        spans of seconds, which the stamps turn into frames; else they are spans of frames, checked
        against the stamps where there are any.

        Args:
            number: the video's number in the file.
            video_id: its id in the store.
            time: (T,) time of the poses, as in :class:`~mgpose.structures.PoseSequence`.
            time_source: where ``time`` comes from.

        Raises:
            InputError: for a gesture after the end of the poses, frames that lie elsewhere in time
                than in the poses, or frames of an unknown first number.
        """
        video = self.videos[number]
        stamps = None if time_source == "index" else time
        in_seconds = stamps is not None and self.precise
        end, unit = (time[-1], "second") if in_seconds else (len(time) - 1, "frame")
        found = []
        for gesture in video.gestures:
            if in_seconds:
                start, stop = _span_of_seconds(gesture.seconds, time)
            else:
                start, stop = self._span_of_frames(gesture, stamps)
            if start > end:
                raise InputError(
                    f"{self.path}: {gesture.label!r} of video {number} starts at {unit} {start:g}, "
                    f"after the poses of {video_id!r} end; give the poses of the whole video"
                )
            found.append(Annotation(video_id, video.subject, start, stop, gesture.label, unit=unit))
        if video.outcome:
            found.append(
                Annotation(
                    video_id,
                    video.subject,
                    0,
                    len(time),
                    video.outcome,
                    tier="emotion",
                    unit="frame",
                )
            )
        return tuple(found)

    def _span_of_frames(
        self, gesture: _Gesture, stamps: npt.NDArray[np.float64] | None
    ) -> tuple[int, int]:
        start, last = (frame - self.first_frame for frame in gesture.frames)
        if stamps is not None and start < len(stamps):
            off = abs(stamps[start] - gesture.seconds[0])
            if off > _WHOLE_SECOND:
                raise InputError(
                    f"{self.path}: frame {gesture.frames[0]} lies at {gesture.seconds[0]:g} s, in "
                    f"the poses at {stamps[start]:.2f} s; they come from a video of another rate"
                )
        return start, last + 1


def read_imigue_labels(path: Path, frame_base: int | None = None) -> ImigueLabels:
    """Read and check the whole label file.

    Raises:
        InputError: naming the line, for missing columns, unknown classes or outcomes, times or
            frames that run backwards, or a video of two subjects or two outcomes.
    """
    gestures: dict[int, list[_Gesture]] = {}
    people: dict[int, tuple[str, str]] = {}
    for line, row in csv_rows(require_source(path), _COLUMNS):
        try:
            number, gesture = _whole(row, "video_id"), _gesture(row)
            person = str(_whole(row, "subject_id")), row["win_or_lose"].strip().lower()
            if person[1] not in ("win", "lose", ""):
                raise ValueError(f"expected win or lose, found {person[1]!r}")
            if people.setdefault(number, person) != person:
                raise ValueError(
                    f"video {number} has subject and outcome {person}, before {people[number]}"
                )
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
        gestures.setdefault(number, []).append(gesture)
    if not gestures:
        raise InputError(f"{path}: expected labels, found a header only")
    videos = {n: _Video(*people[n], tuple(found)) for n, found in gestures.items()}
    precise = any(g.seconds[0] % 1 for v in videos.values() for g in v.gestures)
    return ImigueLabels(path, videos, frame_base, precise)


def _gesture(row: Mapping[str, str]) -> _Gesture:
    label = class_name(row["class"])
    frames = _whole(row, "start_frame"), _whole(row, "end_frame")
    seconds = _seconds(row["start_time"]), _seconds(row["end_time"])
    if not 0 <= frames[0] <= frames[1] < _MAX_FRAMES or seconds[0] > seconds[1]:
        raise ValueError(f"expected a start before its end, found frames {frames}, times {seconds}")
    return _Gesture(label, frames, seconds)


def _whole(row: Mapping[str, str], column: str) -> int:
    if not row[column].strip().isdecimal():
        raise ValueError(f"expected a whole number as {column}, found {row[column]!r}")
    return int(row[column])


def class_name(number: str) -> str:
    """Name of a class by its number in the file.

    Raises:
        ValueError: for a number that is no class.
    """
    if not number.strip().isdecimal() or int(number) not in IMIGUE_CLASSES:
        raise ValueError(f"expected a class 1..31 or 99, found {number!r}")
    return IMIGUE_CLASSES[int(number)]


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a time in seconds or as [h:]m:s, found {text!r}")
    hours, minutes, seconds = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def _span_of_seconds(
    seconds: tuple[float, float], time: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Start and exclusive stop: the stop is the stamp of the first frame after the last one."""
    after = int(np.searchsorted(time, seconds[1], side="right"))
    stop = float(time[after]) if after < len(time) else float(np.nextafter(seconds[1], np.inf))
    return seconds[0], stop


def known_frame_base(path: Path, starts: Iterable[int], told: int | None) -> int:
    """Number of the first frame: as told, or 0 where a label starts at 0.

    Raises:
        InputError: where neither tells it, or both contradict each other.
    """
    zero = any(start == 0 for start in starts)
    if told == 1 and zero:
        raise InputError(f"{path}: frames were said to start at 1, found a label that starts at 0")
    if told is None and not zero:
        raise InputError(
            f"{path}: labels number frames from 0 or from 1, and these do not show which; say it "
            "with --frame-base 0 or --frame-base 1"
        )
    return told or 0


def with_labels(poses: Iterator[Imported], options: ImportOptions) -> Iterator[Imported]:
    """Imported videos with subject and annotations of the label file that the options name.

    The id of a video must be its number, leading zeros or not; a video that the file does not know
    passes unlabelled. Without a label file everything passes as it is.
    """
    if options.labels is None:
        yield from poses
        return
    labels = read_imigue_labels(options.labels, options.frame_base)
    if options.fps is None or not labels.precise:
        _ = labels.first_frame  # when it is unknown that is told now, not once a video
    for pose in poses:
        if isinstance(pose, FailedImport):
            yield pose
        else:
            yield from read_each([pose], lambda pose: _labelled(pose, labels))


def _labelled(pose: ImportedPose, labels: ImigueLabels) -> ImportedPose:
    number = _number(pose.video_id)
    if number is None or number not in labels.videos:
        return pose
    sequence = pose.sequence.replace(subject=labels.videos[number].subject)
    found = labels.annotations(number, pose.video_id, sequence.time, sequence.time_source)
    return ImportedPose(pose.video_id, sequence, found, pose.source_sha256)


def annotate_store(path: Path, out: Path, options: ImportOptions) -> int:
    """Write the labels of a file into the annotations of a store that already holds the poses.

    A video belongs to a number when its id is that number, or when the private ``sources.csv``
    beside the store says that it was made from a file of that name (``0001.mp4``). Annotations of
    other videos and of other tiers stay.

    Returns:
        Number of videos that were labelled.

    Raises:
        InputError: for a bad file or store, or when no video of the store stands in the file.
    """
    labels = read_imigue_labels(path, options.frame_base)
    store = PoseStore(out)
    numbers = {video: _number(video) for video in store}
    stems = {video: _number(stem) for video, stem in source_stems(out).items()}
    numbers |= {video: number for video, number in stems.items() if number is not None}
    added: dict[str, tuple[Annotation, ...]] = {}
    for video, number in numbers.items():
        if number is not None and number in labels.videos and video in store:
            source = store.header(video).time_source
            added[video] = labels.annotations(number, video, store.time(video), source)
    store.close()
    if not added:
        raise InputError(
            f"{path}: expected videos of the store {out}, found none; ids must be numbers such as "
            "0001, or sources.csv must lie beside the store"
        )
    logger.info("%d of %d videos of %s lie in the store", len(added), len(labels.videos), path)
    add_annotations(out, added)
    return len(added)


def _number(name: str) -> int | None:
    return int(name) if name.isdecimal() and len(name) < 10 else None
