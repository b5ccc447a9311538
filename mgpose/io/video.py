"""Video reading: every frame that a container yields or announces, with the container's time."""

from __future__ import annotations

import hashlib
import heapq
import logging
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.io.video_time import Clock, Spacing, with_next
from mgpose.structures import FrameFlag, InputError

# Containers of video and nothing else: FFmpeg would also read text, pictures, and play lists that
# name other files or hosts.
_CONTAINERS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,h264,hevc,m4v,mpegvideo,"
    "yuv4mpegpipe,nut,dv,ivf"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
_NOMINAL_RATE = 25.0  # spaces frames whose container gives neither time stamps nor a rate
_CLOCK_RATE = 1000.0  # a rate that is given as such or higher is that of the clock, as in WebM
_ODDEST_PIXEL = 10.0  # width to height, or height to width; what is odder is a damaged header

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
    itself breaks off, the good frames stay. What edit lists hide is neither yielded nor missed.

    Args:
        path: the file.

    Attributes:
        announced: frames that the container lists, else an estimate from its length; 0 where it
            does not say.
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
        _check_plain(path)
        try:
            # An absolute path, for FFmpeg would take "10:30.mp4" for a protocol named 10.
            self._container = av.open(
                str(path.absolute()), metadata_errors="ignore", options=dict(_OPTIONS)
            )
        except (self._errors, OSError) as error:
            logger.debug("%s: %s", path, error)
            raise InputError(
                f"{path}: expected a video file, found no container of video that can be read: "
                "cut short, damaged, or something else"
            ) from None
        cover = av.stream.Disposition.attached_pic
        streams = [s for s in self._container.streams.video if not s.disposition & cover]
        if not streams:
            self.close()
            raise InputError(f"{path}: expected a video file, found no video stream in it")
        self._stream = stream = streams[0]
        stream.codec_context.thread_count = 1  # so damage is concealed alike on every machine
        self._upright = _Upright(stream)
        self._rate = _step_rate(stream)
        leaps = bool(self._container.format.flags & av.format.Flags.ts_discont.value)
        self._spacing = Spacing(self._rate, leaps)
        self._yielded = self._packets_read = 0
        self._interlaced = False
        self.time_source = "container"
        self._end = _stated_end(self._container, stream)
        self.seconds = max(0.0, self._end - _start(stream))
        mean_rate = min(self._rate, float(stream.average_rate or self._rate))
        self._listed = _listed_frames(self._container, stream)
        self.announced = self._listed or round(self.seconds * mean_rate)

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
        return self._upright.size

    @property
    def frames_unyielded(self) -> int:
        """Frames announced and not yielded, once the iteration has ended.

        A frame is announced by the container's list, by a packet, or, where there is no list and
        the frames are evenly spaced, by a place in time that no frame fills.
        """
        # Two packets may hold the two fields of one interlaced picture.
        announced = 0 if self._interlaced else self._packets_read
        missing = max(0, announced - self._yielded)
        if self._listed:
            return max(missing, self._listed - self._yielded)
        if self.time_source == "index":
            return missing
        return max(missing, self._spacing.missing(self._end))

    def __iter__(self) -> Iterator[VideoFrame]:
        last = -np.inf
        for stamp, picture, following in with_next(self._in_order()):
            if not self._yielded and stamp is None:
                self.time_source = "index"
            image = None if picture is None else self._image(picture)
            flags = FrameFlag.FAILED
            if image is not None:
                flags = FrameFlag.DECODED
                flags |= FrameFlag.REPAIRED if picture.is_corrupt else FrameFlag(0)
            if self.time_source == "index":
                time = float(self._yielded)
            else:
                time = self._placed(stamp, last, following)
            if time != stamp:
                flags |= FrameFlag.TIME_REPAIRED
            self._spacing.add(time)
            self._yielded += 1
            last = time
            yield VideoFrame(image, time, flags)
        # Fragments bring lists of their own.
        self._listed = max(self._listed, _listed_frames(self._container, self._stream))

    def _placed(self, stamp: float | None, last: float, following: float | None) -> float:
        """The frame's time stamp, or a time between its neighbours when it lacks, does not follow
        the last one, or leaps ahead of the next one (which then shows that it is wrong).
        """
        step = 1 / self._rate
        leaps = stamp is not None and following is not None and last < following < stamp
        if stamp is not None and stamp > last and not leaps:
            return stamp
        if following is None or following <= last:
            return last + step
        return following - step if last == -np.inf else min(last + step, (last + following) / 2)

    def _image(self, picture: Any) -> npt.NDArray[np.uint8] | None:
        try:
            return self._upright(picture)
        except self._errors as error:
            logger.debug("%s: %s", self.path, error)
            return None

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
        clock = Clock()
        for packet in self._packets():
            announces = _announces(packet, self._stream)
            self._packets_read += announces
            try:
                pictures = packet.decode()
            except self._errors as error:
                logger.debug("%s: %s", self.path, error)
                if announces:
                    yield _seconds(packet, packet.dts if packet.pts is None else packet.pts), None
                continue
            for picture in pictures:
                self._interlaced |= picture.interlaced_frame
                yield _seconds(picture, clock.stamp(picture)), picture

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


class _Upright:
    """Pictures as a viewer would see them, through FFmpeg's filters: they turn and convert at once,
    and use the memory of images that nobody holds any more (for large pictures, fresh memory costs
    as much as their conversion).

    Args:
        stream: of the pictures.

    Attributes:
        size: (width, height) of the images, which the first picture settles.
    """

    def __init__(self, stream: Any) -> None:
        ratio = float(stream.sample_aspect_ratio or 1)
        self._ratio = ratio if 1 / _ODDEST_PIXEL <= ratio <= _ODDEST_PIXEL else 1.0
        self._turns: list[tuple[str, str]] | None = None
        self._graph: Any = None
        self._kind: tuple[str, int, int] | None = None
        self.size = self._square(stream.codec_context.width, stream.codec_context.height)

    def __call__(self, picture: Any) -> npt.NDArray[np.uint8]:
        """The (H, W, 3) image.

        Raises:
            av.error.FFmpegError: when it cannot be converted.
        """
        if self._turns is None:
            self._turns = _turns(picture)
            self.size = self._square(picture.width, picture.height)
            if ("transpose", "cclock_flip") in self._turns:
                self.size = self.size[::-1]
        kind = (picture.format.name, picture.width, picture.height)
        if kind != self._kind:  # at the first picture, and when a stream changes its size
            self._graph, self._kind = self._build(picture, self._turns), kind
        self._graph.push(picture)
        return np.ascontiguousarray(self._graph.pull().to_ndarray())

    def _build(self, picture: Any, turns: list[tuple[str, str]]) -> Any:
        import av.filter

        graph = av.filter.Graph()
        graph.threads = 1  # videos run side by side; two threads a picture cost more than they save
        width, height = self.size
        ends = [graph.add_buffer(template=picture)]
        for name, arguments in (
            *turns,
            ("scale", f"w={width}:h={height}:flags=bilinear"),
            ("format", "rgb24"),
            ("buffersink", ""),
        ):
            ends.append(graph.add(name, arguments))
            ends[-2].link_to(ends[-1])
        graph.configure()
        return graph

    def _square(self, width: int, height: int) -> tuple[int, int]:
        return max(1, round(width * self._ratio)), height


def source_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_plain(path: Path) -> None:
    """Refuse what cannot be opened, and what is no plain file: a pipe could be waited for for ever.

    Raises:
        InputError: naming what was found.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
            return
    except FileNotFoundError:
        raise InputError(f"{path}: expected a video file, found nothing") from None
    except OSError as error:
        raise InputError(f"{path}: expected a video file, found: {error.strerror}") from None
    kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
    raise InputError(f"{path}: expected a video file, found {kind}")


def _turns(picture: Any) -> list[tuple[str, str]]:
    """The filters that undo how a camera was held, by the display matrix (a b u, c d v, x y w) of
    ISO/IEC 14496-12: a point (p, q) is shown at (a p + c q, b p + d q).
    """
    from av.sidedata.sidedata import Type

    matrix = picture.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return []
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    turns = []
    if abs(b) > abs(a):
        turns.append(("transpose", "cclock_flip"))  # rows become columns; x is q, y is p
        a, d = c, b
    return turns + [(name, "") for name, sign in (("hflip", a), ("vflip", d)) if sign < 0]


def _announces(packet: Any, stream: Any) -> bool:
    """True when a picture should come of a packet: not of an empty one, which drains the decoder,
    nor of one that an edit list hides, nor of a VP8 frame that serves others only (RFC 6386, 9.1).
    """
    if not packet.size or packet.is_discard:
        return False
    return stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] >> 4 & 1)


def _seconds(item: Any, stamp: int | None) -> float | None:
    """A time stamp of a packet or picture in seconds."""
    return None if stamp is None else float(stamp * item.time_base)


def _listed_frames(container: Any, stream: Any) -> int:
    """Frames in the container's own list, without those that an edit list hides; 0 if none."""
    entries, frames = stream.index_entries, int(stream.frames)
    if "mp4" in container.format.name.split(","):
        return sum(not entry.is_discard for entry in entries)
    # AVI counts empty places too, which its index leaves out; but the index may be cut off.
    return len(entries) if len(entries) > frames // 2 > 0 else frames


def _step_rate(stream: Any) -> float:
    """Frames a second from one frame to the next."""
    rate = float(stream.guessed_rate or stream.average_rate or _NOMINAL_RATE)
    return rate if rate < _CLOCK_RATE else _NOMINAL_RATE


def _start(stream: Any) -> float:
    return float((stream.start_time or 0) * stream.time_base)


def _stated_end(container: Any, stream: Any) -> float:
    """Second at which a stream ends by its own header, or by the tag that Matroska files carry, or,
    of a stream that is alone, by the header of the file; 0 where none says.
    """
    if stream.duration is not None:
        return _start(stream) + float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is not None:
        return 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
    alone = len(container.streams) == 1
    return container.duration / 1e6 if alone and container.duration is not None else 0.0
