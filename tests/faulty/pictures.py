"""Sound files whose pictures or streams are unlike those of most videos."""

from __future__ import annotations

import struct
from pathlib import Path

from faulty.studio import H264, HEVC, MPEG2, MPEG4, SMALL, VP9, Recipe, Studio, ffmpeg

_AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-frames:v", "20")
_TONE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=2")
_ONE = 0x10000
_MATRICES = {  # of a track header: a b u, c d v, as in ISO/IEC 14496-12
    "rotated_90.mp4": (0, _ONE, 0, -_ONE, 0, 0),
    "rotated_180.mp4": (-_ONE, 0, 0, 0, -_ONE, 0),
    "rotated_270.mp4": (0, -_ONE, 0, _ONE, 0, 0),
    "mirrored.mp4": (-_ONE, 0, 0, 0, _ONE, 0),
}


def recipes() -> list[Recipe]:
    """All of this kind."""
    return [*_turned(), *_sizes(), *_pixels(), *_codecs(), *_streams()]


def _turned() -> list[Recipe]:
    def what(name: str) -> str:
        degrees = name.removesuffix(".mp4").rpartition("_")[2]
        return f"to be turned by {degrees} degrees" if degrees.isdigit() else "to be mirrored"

    return [Recipe(name, what(name), _turn) for name in _MATRICES]


def _turn(studio: Studio, out: Path) -> None:
    content = studio.whole("h264.mp4").read_bytes()
    plain = struct.pack(">9i", _ONE, 0, 0, 0, _ONE, 0, 0, 0, 0x40000000)
    turned = struct.pack(">9i", *_MATRICES[out.name], 0, 0, 0x40000000)
    at = content.index(plain, content.index(b"tkhd"))
    out.write_bytes(content[:at] + turned + content[at + len(plain) :])


def _sizes() -> list[Recipe]:
    full = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv444p", "-frames:v", "20")
    return [
        _encoded("odd.mkv", "541 x 317 pixels", *full, filters="scale=541:317"),
        _encoded("tiny.mkv", "2 x 2 pixels", "-c:v", "ffv1", "-frames:v", "20",
                 filters="scale=2:2"),
        _encoded("narrow.mp4", "16 x 4096 pixels", *full, filters="scale=16:4096"),
        _encoded("wide_pixels.mp4", "pixels twice as wide as high", *H264,
                 filters="scale=160:240,setsar=2"),
        _encoded("high_pixels.mkv", "pixels of ratio 8:9", *H264,
                 filters="scale=360:240,setsar=8/9"),
        Recipe("grows.ts", "pictures become larger half way, after a gap", _two_sizes),
        Recipe("grows.h264", "pictures become larger half way", _two_sizes),
    ]  # fmt: skip


def _two_sizes(studio: Studio, out: Path) -> None:
    parts = []
    for number, size in enumerate(("scale=320:240", "scale=480:360")):
        part = studio.scratch / f"{out.stem}_{number}{out.suffix}"
        moved = ("-output_ts_offset", str(1.2 * number)) if out.suffix == ".ts" else ()
        parts.append(studio.encode(part, *H264, "-frames:v", "30", *moved, filters=size))
    out.write_bytes(b"".join(part.read_bytes() for part in parts))


def _pixels() -> list[Recipe]:
    lossless = ("-c:v", "ffv1", "-frames:v", "20", "-pix_fmt")
    return [
        _encoded("ten_bit.mkv", "10 bits a colour, HEVC", *HEVC, "-pix_fmt", "yuv420p10le"),
        _encoded("ten_bit.mp4", "10 bits a colour, H.264", *H264[:-2], "-pix_fmt", "yuv420p10le"),
        _encoded("full_colour.mp4", "4:4:4", *H264[:-2], "-pix_fmt", "yuv444p"),
        _encoded("half_colour.mkv", "4:2:2, 16 bits", *lossless, "yuv422p16le"),
        _encoded("grey.mp4", "grey", *H264[:-2], "-pix_fmt", "gray"),
        _encoded("grey_16.mkv", "grey, 16 bits", *lossless, "gray16le"),
        _encoded("rgb.mp4", "RGB without loss", "-c:v", "libx264rgb", "-qp", "0",
                 "-preset", "ultrafast"),
        _encoded("alpha.webm", "transparent, VP9", *VP9, "-pix_fmt", "yuva420p"),
        _encoded("alpha.mov", "transparent, ProRes 4444", "-c:v", "prores_ks", "-profile:v",
                 "4444", "-pix_fmt", "yuva444p10le", "-frames:v", "20"),
        _encoded("palette.avi", "a palette of 8 bits", "-c:v", "msvideo1", "-pix_fmt", "rgb555le"),
        _encoded("interlaced.mp4", "interlaced H.264", *H264, "-x264opts", "tff=1",
                 filters=f"{SMALL},interlace"),
        _encoded("interlaced.mpg", "interlaced MPEG-2", *MPEG2, "-flags", "+ilme+ildct",
                 filters=f"{SMALL},interlace"),
        _encoded("full_range.mp4", "full-range colours", *H264, "-color_range", "pc",
                 filters=f"{SMALL}:out_range=full"),
    ]  # fmt: skip


def _codecs() -> list[Recipe]:
    open_gop = "keyint=15:bframes=3:open_gop=1:b_pyramid=normal:ref=4:b_adapt=0"
    return [
        _encoded("open_gop.mkv", "B-frames of B-frames, open groups", *H264[:-6], "-x264opts",
                 open_gop),
        _encoded("refresh.ts", "no key frame but the first", *H264, "-x264opts",
                 "intra-refresh=1:keyint=15"),
        Recipe("vp8.webm", "VP8 with hidden frames", _hidden_frames),
        _encoded("vp9_hidden.webm", "VP9 with hidden frames", "-c:v", "libvpx-vp9", "-cpu-used",
                 "5", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-b:v", "200k"),
        _encoded("av1.mkv", "AV1", *_AV1),
        _encoded("av1.mp4", "AV1", *_AV1),
        _encoded("theora.ogv", "Theora", "-c:v", "libtheora", "-b:v", "500k"),
        _encoded("jpeg.avi", "JPEG pictures", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
        _encoded("jpeg.mov", "JPEG pictures", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
        _encoded("png.mov", "PNG pictures", "-c:v", "png", "-frames:v", "20"),
        _encoded("raw.avi", "bare pictures", "-c:v", "rawvideo", "-pix_fmt", "yuv420p",
                 "-frames:v", "20"),
        _encoded("wmv.wmv", "Windows Media", "-c:v", "wmv2", "-b:v", "500k"),
        _encoded("h263.3gp", "H.263, as old phones", "-c:v", "h263", filters="scale=352:288"),
        _encoded("dv.dv", "DV, as old cameras", "-c:v", "dvvideo", "-pix_fmt", "yuv420p",
                 "-r", "25", "-frames:v", "20", filters="scale=720:576"),
        _encoded("mpeg2.mxf", "MXF, as studios", *MPEG2, "-r", "25"),
        _encoded("moving.gif", "a GIF", filters="scale=160:120"),
        _encoded("packed.avi", "B-frames packed with their neighbours", "-c:v", "libxvid", "-bf",
                 "2", "-b:v", "500k"),
    ]  # fmt: skip


def _hidden_frames(studio: Studio, out: Path) -> None:
    """VP8 looks ahead, for frames that are only there for others, when it comes a second time."""
    log = studio.scratch / out.stem
    options = ("-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "25", "-b:v", "300k")
    for number in ("1", "2"):
        studio.encode(out, *options, "-pass", number, "-passlogfile", str(log))


def _streams() -> list[Recipe]:
    return [
        Recipe("with_sound.mp4", "sound and pictures", _with_sound),
        Recipe("with_sound.ts", "sound and pictures", _with_sound),
        Recipe("with_sound.webm", "sound and pictures", _with_sound),
        Recipe("two_views.mkv", "two video streams", _two_views),
        Recipe("cover_last.mp4", "a cover picture beside the video", _cover),
        Recipe("cover_first.mp4", "a cover picture before the video", _cover),
        Recipe("cover_only.mp4", "sound and a cover picture, no video", _cover, refused=True),
        Recipe("sound_only.mp4", "sound alone", _sound, refused=True),
        Recipe("sound_only.mkv", "sound alone", _sound, refused=True),
        Recipe("no_packets.mp4", "a header and no frame", _no_packets, refused=True),
        Recipe("no_packets.mkv", "a header and no frame", _no_packets, refused=True),
        Recipe("no_packets.avi", "a header and no frame", _no_packets, refused=True),
    ]


def _with_sound(studio: Studio, out: Path) -> None:
    codec = ("libopus", "vp9.webm") if out.suffix == ".webm" else ("aac", "h264.mp4")
    ffmpeg("-i", studio.whole(codec[1]), *_TONE, "-c:v", "copy", "-c:a", codec[0], out)


def _two_views(studio: Studio, out: Path) -> None:
    other = studio.encode(studio.scratch / "view.mkv", *MPEG4, filters="scale=160:120")
    ffmpeg("-i", studio.whole("h264.mkv"), "-i", other, "-map", "0:v", "-map", "1:v",
           "-c", "copy", out)  # fmt: skip


def _cover(studio: Studio, out: Path) -> None:
    film, cover = studio.whole("h264.mp4"), studio.scratch / "cover.jpg"
    ffmpeg("-i", film, "-frames:v", "1", "-update", "1", cover)
    if out.name == "cover_only.mp4":
        ffmpeg(*_TONE, "-i", cover, "-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "copy",
               "-disposition:v", "attached_pic", out)  # fmt: skip
        return
    first = out.name == "cover_first.mp4"
    order = ("-map", "1", "-map", "0") if first else ("-map", "0", "-map", "1")
    ffmpeg("-i", film, "-i", cover, *order, "-c", "copy", f"-disposition:v:{int(not first)}",
           "attached_pic", out)  # fmt: skip


def _sound(studio: Studio, out: Path) -> None:
    ffmpeg(*_TONE, "-c:a", "aac", out)


def _no_packets(studio: Studio, out: Path) -> None:
    studio.encode(out, *(MPEG4 if out.suffix == ".avi" else H264), "-frames:v", "0")


def _encoded(name: str, what: str, *options: str, filters: str = SMALL) -> Recipe:
    return Recipe(name, what, lambda studio, out: studio.encode(out, *options, filters=filters))
