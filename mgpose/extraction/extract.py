"""One video becomes one pose file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.extraction.roles import Detector, Method, PoseEstimator, Sight, Tracker, View
from mgpose.extraction.subject import SubjectFinder
from mgpose.io.pose_file import PoseFileWriter, Provenance
from mgpose.io.video import VideoFrame, VideoReader
from mgpose.structures import FrameFlag, InputError, PoseSequence, Skeleton

_BLOCK_FRAMES = 256
_NOMINAL_RATE = 25.0  # spaces the looks where the container gives no time stamps
_JUMP = 1.5  # shoulder widths that no nose travels from one frame to the next

Float32Array = npt.NDArray[np.float32]
Found = tuple[Float32Array, Float32Array, FrameFlag]


@dataclass(frozen=True)
class Extracted:
    """What came of one video.

    Args:
        frames: in the pose file.
        frames_with_person: those with a person in them.
        frames_failed: those that could not be decoded.
        seconds: by the video's time stamps.
        frames_unyielded: announced by the container and never yielded.
    """

    frames: int
    frames_with_person: int
    frames_failed: int
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
        with_person = failed = frames = 0
        first = last = 0.0

        def write() -> None:
            writer.append(rows.sequence(estimator.skeleton, reader, subject))
            rows.clear()

        for block in _blocks(reader, estimator.batch):
            tick = 1.0 if reader.time_source == "container" else 1 / _NOMINAL_RATE
            for frame, (keypoints, scores, flags) in zip(block, find(block, tick), strict=True):
                rows.append(keypoints, scores, frame.time, flags)
                first, last = (first if frames else frame.time), frame.time
                frames += 1
                failed += bool(flags & FrameFlag.FAILED)
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
        return Extracted(frames, with_person, failed, seconds, reader.frames_unyielded)


class FrameExtractor:
    """Detector, tracker and estimator at work on the frames of one video, in order.

    Every pose is the subject's, or there is none. A pose that lies far from the last one, with
    nobody seen to tie them together, is flagged as a switch.

    Args:
        detector, tracker, estimator: fresh ones.
    """

    def __init__(self, detector: Detector, tracker: Tracker, estimator: PoseEstimator) -> None:
        self._finder, self._estimator = SubjectFinder(detector, tracker), estimator
        self._anchors = estimator.skeleton.indices(("nose", "left_shoulder", "right_shoulder"))
        self._anchor: tuple[Float32Array, float] | None = None
        self._gap = False

    def __call__(self, frames: Sequence[VideoFrame], tick: float = 1.0) -> list[Found]:
        """Keypoints (V, 2), scores (V,) and flags of each frame.

        Args:
            frames: the next ones.
            tick: seconds in a unit of their time, which counts frames where there are no stamps.
        """
        sights: dict[int, Sight] = {}
        views: dict[int, View] = {}
        for i, frame in enumerate(frames):
            if frame.image is not None:
                sight = sights[i] = self._finder.find(frame.image, frame.time * tick)
                # Where others are in sight and the subject is not, there is nothing to estimate.
                if sight.subject or not sight.others:
                    views[i] = View(frame.image, sight.subject, sight.others)
        found = zip(*self._estimator.estimate(list(views.values())), strict=True) if views else ()
        estimates = dict(zip(views, found, strict=True))
        results = []
        for i, frame in enumerate(frames):
            flags = frame.flags | (sights[i].flags if i in sights else FrameFlag(0))
            if i in estimates:
                keypoints, scores, more = self._settle(*estimates[i], views[i])
                if self._estimator.finds_people:
                    x, y = keypoints[self._anchors[0]]
                    self._finder.note_nose(float(x), float(y), frame.time * tick)
                results.append((keypoints, scores, flags | more))
            else:
                self._gap = True
                nobody = FrameFlag.NO_PERSON if frame.image is not None else FrameFlag(0)
                results.append((*self._nobody(), flags | nobody))
        return results

    def _settle(self, keypoints: Float32Array, scores: Float32Array, view: View) -> Found:
        nose, left, right = keypoints[self._anchors]
        if np.isnan(keypoints).all() or not view.shows_subject(nose, (left + right) / 2):
            self._gap = True
            return (*self._nobody(), FrameFlag.NO_PERSON)
        flags = FrameFlag(0)
        width = float(np.linalg.norm(left - right))
        if np.isfinite([*nose, width]).all():
            # After a gap the subject may be elsewhere; so the tracker must say.
            if self._anchor and not (self._gap and view.subject):
                travelled = float(np.linalg.norm(nose - self._anchor[0]))
                if travelled > _JUMP * max(width, self._anchor[1]):
                    flags = FrameFlag.SUBJECT_SWITCHED
            self._anchor, self._gap = (nose, width), False
        return keypoints, scores, flags

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
