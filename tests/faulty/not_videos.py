"""What lies in a folder of videos and is none, or goes by a wrong name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from faulty.studio import Recipe, Studio, ffmpeg

FORBIDDEN = "forbidden.mp4"
_PLAY_LIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nnear.ts\n#EXT-X-ENDLIST\n"
_CONCATENATION = "ffconcat version 1.0\nfile near.ts\n"
_PAGE = "<!doctype html><title>Please log in</title><p>to download your video\n"


def recipes() -> list[Recipe]:
    """All of this kind."""
    return [*_misnamed(), *(replace(recipe, refused=True) for recipe in _refused())]


def _misnamed() -> list[Recipe]:
    return [
        *(
            Recipe(name, what, lambda studio, out, whole=whole: _renamed(studio, out, whole))
            for name, what, whole in (
                ("mp4_named.avi", "MP4 named .avi", "h264.mp4"),
                ("mkv_named.mp4", "Matroska named .mp4", "h264.mkv"),
                ("avi_named.mkv", "AVI named .mkv", "mpeg4.avi"),
                ("ts_named.mp4", "a transport stream named .mp4", "h264.ts"),
            )
        ),
        Recipe("link_good.mp4", "a link to a sound video", _linked),
        Recipe("café 10:30 'a' %d.mp4", "a sound video with an odd name", _odd_name),
    ]


def _refused() -> list[Recipe]:
    return [
        _written("empty.mp4", "an empty file", b""),
        _written("text.mp4", "text named .mp4", b"nothing to see here\n" * 50),
        _written("page.mp4", "a web page named .mp4", _PAGE.encode() * 20),
        _written("zeros.mp4", "a million zeros", bytes(1_000_000)),
        Recipe("noise.mp4", "100,000 random bytes", _noise),
        Recipe("photo.mp4", "a JPEG picture named .mp4", _photo),
        Recipe("photo_png.mp4", "a PNG picture named .mp4", _photo),
        Recipe("list.m3u8", "a play list that names another file", _list),
        Recipe("list.mp4", "a play list named .mp4", _list),
        Recipe("join.ffconcat", "a list of files to join", _list),
        Recipe("join.mp4", "a list of files to join, named .mp4", _list),
        Recipe("folder.mp4", "a folder", lambda studio, out: out.mkdir()),
        Recipe("pipe.mp4", "a named pipe that nobody writes to", lambda s, out: os.mkfifo(out)),
        Recipe("link_broken.mp4", "a link to nothing", lambda s, out: out.symlink_to("gone.mp4")),
        Recipe("link_loop.mp4", "a link to itself", lambda s, out: out.symlink_to(out.name)),
        Recipe("link_device.mp4", "a link to a device that never ends",
               lambda s, out: out.symlink_to("/dev/zero")),
        Recipe(FORBIDDEN, "nobody may read it", _forbidden),
    ]  # fmt: skip


def _written(name: str, what: str, content: bytes) -> Recipe:
    return Recipe(name, what, lambda studio, out: out.write_bytes(content))


def _renamed(studio: Studio, out: Path, whole: str) -> None:
    out.write_bytes(studio.whole(whole).read_bytes())


def _odd_name(studio: Studio, out: Path) -> None:
    _renamed(studio, out, "h264.mp4")


def _linked(studio: Studio, out: Path) -> None:
    """To a hidden file beside it, so that the folder can be moved."""
    hidden = out.with_name(".linked.mp4")
    _renamed(studio, hidden, "h264.mp4")
    out.symlink_to(hidden.name)


def _noise(studio: Studio, out: Path) -> None:
    out.write_bytes(studio.chance(out.name).bytes(100_000))


def _photo(studio: Studio, out: Path) -> None:
    picture = studio.scratch / ("photo.png" if "png" in out.name else "photo.jpg")
    ffmpeg("-i", studio.source(out.name), "-frames:v", "1", "-update", "1", picture)
    out.write_bytes(picture.read_bytes())


def _list(studio: Studio, out: Path) -> None:
    _renamed(studio, out.with_name("near.ts"), "h264.ts")
    out.write_text(_PLAY_LIST if out.name.startswith("list") else _CONCATENATION)


def _forbidden(studio: Studio, out: Path) -> None:
    _renamed(studio, out, "h264.mp4")
    out.chmod(0)
