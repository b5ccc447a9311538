"""One video becomes one pose file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.extraction.roles import Box, Detector, Image, Method, PoseEstimator, Tracker, View
from mgpose.io.pose_file import PoseFileWriter, Provenance
from mgpose.io.video import VideoFrame, VideoReader
from mgpose.structures import FrameFlag, InputError, PoseSequence, Skeleton

_BLOCK_FRAMES = 256
_LOOK_EVERY = 5  # frames; how many people there are changes slowly
_JUMP = 1.5  # shoulder widths that no nose travels from one frame to the next

Float32Array = npt.NDArray[np.float32]
Found = tuple[Float32Array, Float32Array, FrameFlag]


@dataclass(frozen=True)
class Extracted:
    """What came of one video.

    Args:
        frames: in the pose file.
        frames_with_person: those with a person in them.
        seconds: by the video's time stamps.
        frames_unyielded: announced by the container and never yielded.
    """

    frames: int
    frames_with_person: int
    seconds: float
    frames_unyielded: int


def extract_video(
    path: Path,
    folder: Path,
    video_id: str,
    method: Method,
    source_sha256: str,
    subject: str | None = None,
    progress: Callable[[int], None] = lambda frames: None,
) -> Extracted:
    """Write the pose file of one video, in constant memory.

    Args:
        path: the video.
        folder: an existing folder for the pose file.
        video_id: its id there.
        method: how poses are found.
        source_sha256: hash of the video file.
        subject: subject id to record.
        progress: called with the number of further frames done.

    Raises:
        InputError: when the video cannot be read or shows nobody; nothing is written then.
    """
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(VideoReader(path))
        detector, estimator = method.detector(), method.estimator()
        stack.callback(detector.close)
        stack.callback(estimator.close)
        find = FrameExtractor(detector, method.tracker(), estimator)
        writer = stack.enter_context(PoseFileWriter(folder, video_id))
        rows = _Rows()
        with_person = frames = 0
        first = last = 0.0

        def write() -> None:
            writer.append(rows.sequence(estimator.skeleton, reader, subject))
            rows.clear()

        for block in _blocks(reader, estimator.batch):
            for frame, (keypoints, scores, flags) in zip(block, find(block), strict=True):
                rows.append(keypoints, scores, frame.time, flags)
                first, last = (first if frames else frame.time), frame.time
                frames += 1
                with_person += not flags & (FrameFlag.FAILED | FrameFlag.NO_PERSON)
            progress(len(block))
            if len(rows.time) >= _BLOCK_FRAMES:
                write()
        if rows.time:
            write()
        if not frames:
            raise InputError(f"{path}: expected a video file, found no frame in it")
        if not with_person:
            raise InputError(f"{path}: no person found in {frames} frames")
        writer.publish(
            Provenance(
                estimator=method.name,
                estimator_version=method.version,
                weights_sha256=method.weights_sha256,
                source_sha256=source_sha256,
                frames_unyielded=reader.frames_unyielded,
            )
        )
        seconds = last - first if reader.time_source == "container" else 0.0
        return Extracted(frames, with_person, seconds, reader.frames_unyielded)


class FrameExtractor:
    """Detector, tracker and estimator at work on the frames of one video, in order.

    Args:
        detector, tracker, estimator: fresh ones.
    """

    def __init__(self, detector: Detector, tracker: Tracker, estimator: PoseEstimator) -> None:
        self._detector, self._tracker, self._estimator = detector, tracker, estimator
        self._pictures = 0
        self._subject: Box | None = None
        self._several = FrameFlag(0)
        self._anchor: tuple[Float32Array, float] | None = None

    def __call__(self, frames: Sequence[VideoFrame]) -> list[Found]:
        """Keypoints (V, 2), scores (V,) and flags of each frame."""
        views: list[View] = []
        flags = [frame.flags for frame in frames]
        for i, frame in enumerate(frames):
            if frame.image is not None:
                flags[i] |= self._look(frame.image, frame.time)
                views.append(View(frame.image, self._subject, bool(self._several)))
        estimates = zip(*self._estimator.estimate(views), strict=True) if views else iter(())
        return [
            (*self._nobody(), flag) if frame.image is None else self._settle(*next(estimates), flag)
            for frame, flag in zip(frames, flags, strict=True)
        ]

    def _settle(self, keypoints: Float32Array, scores: Float32Array, flags: FrameFlag) -> Found:
        before, self._anchor = self._anchor, _anchor(keypoints, self._estimator.skeleton)
        if np.isnan(keypoints).all():
            return (*self._nobody(), flags | FrameFlag.NO_PERSON)
        return keypoints, scores, flags | _jump(before, self._anchor)

    def _look(self, image: Image, seconds: float) -> FrameFlag:
        """Look for people in every fifth frame; in between, what was seen last holds."""
        flags = FrameFlag(0)
        if self._pictures % _LOOK_EVERY == 0:
            people = self._detector.detect(image)
            size = (image.shape[1], image.shape[0])
            self._subject, flags = self._tracker.follow(people, seconds, size)
            self._several = flags & FrameFlag.SEVERAL_PEOPLE
        self._pictures += 1
        return flags | self._several

    def _nobody(self) -> tuple[Float32Array, Float32Array]:
        points = len(self._estimator.skeleton)
        return np.full((points, 2), np.nan, np.float32), np.zeros(points, np.float32)


def _blocks(frames: Iterable[VideoFrame], size: int) -> Iterator[list[VideoFrame]]:
    rest = iter(frames)
    while block := list(islice(rest, size)):
        yield block


@dataclass
class _Rows:
    """Frames that wait to be written."""

    keypoints: list[Float32Array] = field(default_factory=list)
    scores: list[Float32Array] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    ledger: list[int] = field(default_factory=list)

    def append(
        self, keypoints: Float32Array, scores: Float32Array, time: float, flags: FrameFlag
    ) -> None:
        self.keypoints.append(keypoints)
        self.scores.append(scores)
        self.time.append(time)
        self.ledger.append(int(flags))

    def clear(self) -> None:
        for rows in (self.keypoints, self.scores, self.time, self.ledger):
            rows.clear()

    def sequence(
        self, skeleton: Skeleton, reader: VideoReader, subject: str | None
    ) -> PoseSequence:
        return PoseSequence(
            skeleton=skeleton,
            keypoints=np.stack(self.keypoints),
            scores=np.stack(self.scores),
            time=np.array(self.time),
            unit="pixel",
            time_source=reader.time_source,
            frame_size=reader.frame_size,
            ledger=np.array(self.ledger, dtype=np.uint16),
            subject=subject,
        )


def _anchor(keypoints: Float32Array, skeleton: Skeleton) -> tuple[Float32Array, float] | None:
    """Nose and shoulder width, None where they were not found."""
    nose, left, right = keypoints[skeleton.indices(("nose", "left_shoulder", "right_shoulder"))]
    width = float(np.linalg.norm(left - right))
    return (nose, width) if np.isfinite([*nose, width]).all() else None


def _jump(
    before: tuple[Float32Array, float] | None, now: tuple[Float32Array, float] | None
) -> FrameFlag:
    if before is None or now is None:
        return FrameFlag(0)
    travelled = float(np.linalg.norm(now[0] - before[0]))
    return (
        FrameFlag.SUBJECT_SWITCHED if travelled > _JUMP * max(before[1], now[1]) else FrameFlag(0)
    )
