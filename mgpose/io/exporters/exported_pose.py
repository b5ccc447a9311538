"""What every exporter gets: one video of a store, its facts at once and its frames in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mgpose.io.pose_file import PoseHeader
from mgpose.io.store import PoseStore
from mgpose.structures import (
    UPPER_BODY_HANDS_FACE,
    Annotation,
    FrameFlag,
    InputError,
    PoseSequence,
    Skeleton,
    convert,
)

BLOCK_FRAMES = 1024
MOST_RATE_ERROR = 1.0  # frames; beyond it no single rate is true of the video

_PART_OF = {k: part for part, names in UPPER_BODY_HANDS_FACE.parts.items() for k in names}
# Source layouts without a neck would fall into two pieces.
_TORSO = (
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
)
_FACE_PREFIXES = ("face_", "left_face_", "right_face_", "left_pupil", "right_pupil")


@dataclass(frozen=True)
class FrameRate:
    """The constant rate from the first to the last frame, and how far the video is from having it.

    Args:
        fps: mean rate, frames a second.
        error: largest distance of a frame from its place at that rate, in frames.
    """

    fps: float
    error: float


@dataclass(frozen=True, eq=False)
class ExportedPose:
    """One video of a store on its way out, in the layout that was asked for.

    Args:
        store: the store.
        video_id: the video.
        target: layout to convert to, None to keep the video's own.
        annotations: its labelled spans.
        dims: coordinates of the tables of this export, 2 or 3; at least the video's own.
    """

    store: PoseStore
    video_id: str
    target: Skeleton | None = None
    annotations: tuple[Annotation, ...] = ()
    dims: int = 2

    @property
    def header(self) -> PoseHeader:
        """What the file says of itself; its keypoints and layout are those before conversion."""
        return self.store.header(self.video_id)

    @cached_property
    def first(self) -> PoseSequence:
        """The first frame, for what all frames share: skeleton, unit, frame size, subject.

        Raises:
            InputError: when the layout cannot be converted or the file is damaged.
        """
        return self._read(0, 1)

    @cached_property
    def time(self) -> npt.NDArray[np.float64]:
        """(T,) time stamps as in :class:`PoseSequence`."""
        return self.store.time(self.video_id)

    @cached_property
    def rate(self) -> FrameRate | None:
        """The frame rate; None where it is unknown or there is one frame only."""
        time = self.time
        if self.header.time_source == "index" or len(time) < 2:
            return None
        fps = (len(time) - 1) / (time[-1] - time[0])
        places = (time - time[0]) * fps
        return FrameRate(float(fps), float(np.abs(places - np.arange(len(time))).max()))

    def blocks(self) -> Iterator[tuple[int, PoseSequence]]:
        """Number of the first frame and the frames, at most 1024 at a time: constant memory."""
        frames = self.header.frames
        for start in range(0, frames, BLOCK_FRAMES):
            yield start, self._read(start, min(start + BLOCK_FRAMES, frames))

    def _read(self, start: int, stop: int) -> PoseSequence:
        window = self.store.read_window(self.video_id, start, stop)
        if self.target is None:
            return window
        try:
            return convert(window, self.target)
        except ValueError as error:
            raise InputError(f"{self.video_id}: {error}") from None


def keypoint_parts(skeleton: Skeleton) -> tuple[str, ...]:
    """(V,) the part of each keypoint.

    A source layout has no parts of its own; its keypoints are told apart by name into those of
    the model layout: ``body``, ``left_hand``, ``right_hand``, ``face``.
    """
    own = {k: part for part, names in skeleton.parts.items() for k in names}
    return tuple(own[k] if own else _part_by_name(k) for k in skeleton.keypoints)


def _part_by_name(keypoint: str) -> str:
    if keypoint.startswith(_FACE_PREFIXES):
        return "face"
    return _PART_OF.get(keypoint, "body")


def drawn_edges(skeleton: Skeleton) -> tuple[tuple[str, str], ...]:
    """The skeleton's edges; for a source layout those of the model layout and of the torso.

    Of these only the ones whose both keypoints it holds: a graph to look at, not to learn from.
    """
    held = set(skeleton.keypoints)
    known = (*UPPER_BODY_HANDS_FACE.edges, *_TORSO)
    return skeleton.edges or tuple(edge for edge in known if held.issuperset(edge))


def flag_names(flags: int) -> str:
    """The bits of a ledger entry in words.

    >>> flag_names(17)
    'decoded;several_people'
    """
    return ";".join(str(flag.name).lower() for flag in FrameFlag if flags & flag)
