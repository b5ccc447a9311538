"""Video reading: every frame that a container yields or announces, with the container's time."""

from __future__ import annotations

import hashlib
import heapq
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.structures import FrameFlag, InputError

# Containers of video and nothing else: FFmpeg would also read text, pictures, and play lists that
# name other files or hosts.
_CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,h264,hevc,m4v,mpegvideo,"
    "yuv4mpegpipe,nut,dv,ivf"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
_NOMINAL_RATE = 25.0  # spaces frames whose container gives neither time stamps nor a rate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame as a viewer would see it.

    Args:
        image: (H, W, 3) uint8 RGB, turned upright, with square pixels; None when it failed.
        time: seconds (or the frame's number, see :class:`VideoReader`), strictly increasing.
        flags: ``DECODED`` or ``FAILED``, with ``REPAIRED`` and ``TIME_REPAIRED`` where they apply.
    """

    image: npt.NDArray[np.uint8] | None
    time: float
    flags: FrameFlag


class VideoReader:
    """Iterates once over the frames of a video file, in constant memory.

    A frame that cannot be decoded is yielded as failed, and reading goes on; when the container
    itself breaks off, the good frames stay and ``frames_unyielded`` says how many were promised.

    Args:
        path: the file.

    Attributes:
        announced: frames that the container promises, 0 where it does not say.
        frame_size: (width, height) in pixels of every image.
        seconds: the length that the container states, 0 where it does not say.
        time_source: ``"container"``, or ``"index"`` (times are frame numbers) once the first frame
            came without a time stamp.

    Raises:
        InputError: when the file is missing, is no video, or holds no video stream.
    """

    def __init__(self, path: Path) -> None:
        import av

        self.path = path
        self._errors = av.error.FFmpegError
        try:
            self._container = av.open(str(path), metadata_errors="ignore", options=dict(_OPTIONS))
        except FileNotFoundError:
            raise InputError(f"{path}: expected a video file, found nothing") from None
        except (self._errors, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"{path}: expected a video file, found: {reason}") from None
        if not self._container.streams.video:
            self.close()
            raise InputError(f"{path}: expected a video file, found no video stream in it")
        stream = self._container.streams.video[0]
        codec, ratio = stream.codec_context, float(stream.sample_aspect_ratio or 1)
        self._stream = stream
        self._rate = float(stream.average_rate or _NOMINAL_RATE)
        self._size = (max(1, round(codec.width * ratio)), codec.height)
        self._rotation: int | None = None
        self._yielded = 0
        self.time_source = "container"
        # A length in seconds announces frames only to the nearest one.
        self._tolerance = 0 if stream.frames else 1
        self.seconds = _stated_seconds(stream)
        self.announced = int(stream.frames or round(self.seconds * self._rate))

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @property
    def frame_size(self) -> tuple[int, int]:
        """(width, height) in pixels of every image; turned once the first frame was seen."""
        width, height = self._size
        return (height, width) if (self._rotation or 0) % 180 else (width, height)

    @property
    def frames_unyielded(self) -> int:
        """Frames announced and not yielded, once the iteration has ended."""
        missing = self.announced - self._yielded
        return missing if missing > self._tolerance else 0

    def __iter__(self) -> Iterator[VideoFrame]:
        last = -np.inf
        for stamp, picture in self._in_order():
            if not self._yielded and stamp is None:
                self.time_source = "index"
            flags = FrameFlag.FAILED
            image = None
            if picture is not None:
                flags = FrameFlag.DECODED
                flags |= FrameFlag.REPAIRED if picture.is_corrupt else FrameFlag(0)
                image = self._upright(picture)
            if self.time_source == "index":
                stamp, flags = float(self._yielded), flags | FrameFlag.TIME_REPAIRED
            elif stamp is None or stamp <= last:
                stamp, flags = last + 1 / self._rate, flags | FrameFlag.TIME_REPAIRED
            self._yielded += 1
            last = stamp
            yield VideoFrame(image, stamp, flags)

    def _in_order(self) -> Iterator[tuple[float | None, Any]]:
        """(time stamp, picture) by time: a decoder reports a failure before it shows the pictures
        that precede the lost one, so failures wait for their place.
        """
        failures: list[float] = []
        for stamp, picture in self._decoded():
            if picture is None and stamp is not None:
                heapq.heappush(failures, stamp)
                continue
            while failures and stamp is not None and failures[0] < stamp:
                yield heapq.heappop(failures), None
            yield stamp, picture
        for stamp in sorted(failures):
            yield stamp, None

    def _decoded(self) -> Iterator[tuple[float | None, Any]]:
        """(time stamp, picture) in the decoder's order; None for a packet that gives no picture."""
        for packet in self._packets():
            try:
                pictures = packet.decode()
            except self._errors as error:
                logger.debug("%s: %s", self.path, error)
                if packet.size:  # the empty packet that drains the decoder announces no frame
                    yield _seconds(packet), None
                continue
            for picture in pictures:
                yield _seconds(picture), picture

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except self._errors as error:
                logger.debug("%s breaks off: %s", self.path, error)
                return

    def _upright(self, picture: Any) -> npt.NDArray[np.uint8]:
        if self._rotation is None:
            self._rotation = round(picture.rotation / 90) * 90
        width, height = self._size
        image = picture.to_ndarray(format="rgb24", width=width, height=height)
        return np.ascontiguousarray(np.rot90(image, self._rotation // 90))


def source_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _seconds(item: Any) -> float | None:
    """Time stamp of a packet or picture."""
    return None if item.pts is None else float(item.pts * item.time_base)


def _stated_seconds(stream: Any) -> float:
    """Length of a stream by its own header, or by the tag that Matroska files carry, or 0.

    Matroska's tag holds the time of the end, not the length.
    """
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return 0.0
    end = 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
    return end - float((stream.start_time or 0) * stream.time_base)
