"""Makes clips out of real videos with the ffmpeg program, the same bytes every time."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SMALL = "scale=320:240"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "15", "-bf", "2", "-pix_fmt", "yuv420p")
MPEG4 = ("-c:v", "mpeg4", "-g", "15", "-b:v", "500k")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "15", "-b:v", "300k")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
HEVC += ("log-level=none:pools=none:frame-threads=1:keyint=15:bframes=2",)
MPEG2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-b:v", "800k")

# The sound clips of the containers that the damage is done to.
_WHOLE: dict[str, tuple[str, ...]] = {
    "h264.mp4": H264,
    "h264_index_first.mp4": (*H264, "-movflags", "+faststart"),
    "h264_fragments.mp4": (*H264, "-movflags", "+frag_keyframe+empty_moov"),
    "hevc.mp4": HEVC,
    "h264.mkv": H264,
    "mpeg4.mkv": MPEG4,
    "vp9.webm": VP9,
    "h264.ts": H264,
    "mpeg2.mpg": MPEG2,
    "mpeg4.avi": MPEG4,
    "h264.flv": H264,
    "h264.h264": H264,
}


@dataclass
class Studio:
    """Real videos, a folder for what is made on the way, and the seed of all chance.

    Args:
        sources: real videos, at least one.
        scratch: an existing folder.
        seed: other seeds damage other bytes.
        made: the sound clips so far, by name.
    """

    sources: list[Path]
    scratch: Path
    seed: int = 0
    made: dict[str, Path] = field(default_factory=dict)

    def source(self, name: str) -> Path:
        """A real video, always the same one for a name."""
        return self.sources[zlib.crc32(name.encode()) % len(self.sources)]

    def chance(self, name: str) -> np.random.Generator:
        """Random numbers that depend on the seed and the name alone."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def encode(self, out: Path, *options: str, filters: str = SMALL) -> Path:
        """A clip of a real video."""
        ffmpeg("-i", self.source(out.name), "-an", "-vf", filters, *options, out)
        return out

    def whole(self, name: str) -> Path:
        """A sound clip, one of the keys of ``_WHOLE``."""
        if name not in self.made:
            self.made[name] = self.encode(self.scratch / name, *_WHOLE[name])
        return self.made[name]

    def copy(self, out: Path, name: str, *options: str, before: tuple[str, ...] = ()) -> Path:
        """The packets of a sound clip in another container or at other times."""
        ffmpeg(*before, "-i", self.whole(name), "-c", "copy", *options, out)
        return out


@dataclass(frozen=True)
class Recipe:
    """One faulty or odd file.

    Args:
        name: of the file.
        what: is wrong or odd with it, in a few words.
        make: writes it.
        whole: the sound clip that bytes were lost of or changed in; "" for a sound file.
        refused: True for what is no video, though ffprobe may read it.
    """

    name: str
    what: str
    make: Callable[[Studio, Path], object]
    whole: str = ""
    refused: bool = False


def ffmpeg(*arguments: str | Path) -> None:
    """Run the ffmpeg program on one core, without time or version in what it writes.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    exact = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-filter_threads", "1"]
    *inputs, out = map(str, arguments)
    subprocess.run([*command, *inputs, *exact, out], check=True, capture_output=True)
