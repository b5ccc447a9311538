"""Files whose time stamps are odd, wrong or missing."""

from __future__ import annotations

from pathlib import Path

from faulty.studio import H264, HEVC, MPEG2, MPEG4, SMALL, VP9, Recipe, Studio

# Frames dropped by a rhythm and moved by a few milliseconds, as by a phone in the dark.
_UNEVEN = f"{SMALL},select='not(eq(mod(n,7),3))*not(between(n,20,26))',settb=1/1000,"
_UNEVEN += "setpts='PTS+6*mod(N*7,5)'"
_VARIABLE = ("-vsync", "vfr")


def recipes() -> list[Recipe]:
    """All of this kind."""
    return [*_uneven(), *_shifted(), *_wrong(), *_missing(), *_rates()]


def _uneven() -> list[Recipe]:
    return [
        _encoded("vfr.mp4", "variable frame rate", *H264, *_VARIABLE, filters=_UNEVEN),
        _encoded("vfr.mkv", "variable frame rate", *H264, *_VARIABLE, filters=_UNEVEN),
        _encoded("vfr.webm", "variable frame rate", *VP9, *_VARIABLE, filters=_UNEVEN),
        _encoded("vfr.ts", "variable frame rate", *H264, *_VARIABLE, filters=_UNEVEN),
        _encoded(
            "hour_gap.mkv",
            "an hour passes between two frames, 108,000 empty places",
            *(*H264, *_VARIABLE),
            filters=f"{SMALL},setpts='PTS+gte(N,20)*3600/TB'",
        ),
        _encoded("slow_down.mp4", "30 frames/s, then 5", *H264, *_VARIABLE,
                 filters=f"{SMALL},setpts='if(lt(N,25),N,25+6*(N-25))/30/TB'"),
    ]  # fmt: skip


def _shifted() -> list[Recipe]:
    return [
        _copied("edit_cut.mp4", "edit list: cut at .7 s without encoding anew", "h264.mp4",
                before=("-ss", "0.7")),
        _copied("edit_cut.mov", "edit list: cut at .4 s, QuickTime", "h264.mp4",
                before=("-ss", "0.4")),
        _copied("edit_cut.mkv", "cut at .7 s without encoding anew", "h264.mkv",
                before=("-ss", "0.7")),
        _copied("edit_delay.mp4", "edit list: starts 3 s late", "h264.mp4",
                before=("-itsoffset", "3")),
        _copied("no_edit.mp4", "B-frames without an edit list: the first time is not 0",
                "h264.mp4", "-use_editlist", "0"),
        _copied("negative.mp4", "B-frames shown by negative offsets", "h264.mp4",
                "-movflags", "+negative_cts_offsets"),
        _copied("negative_start.mp4", "starts before time 0", "h264.mp4",
                "-avoid_negative_ts", "disabled", before=("-itsoffset", "-0.5")),
        _copied("late.mkv", "starts at 5 s", "h264.mkv", "-output_ts_offset", "5"),
        _copied("late.ts", "starts at 20 hours", "h264.ts", "-output_ts_offset", "72000"),
        Recipe("edits_two.mp4", "edit list of two pieces", _two_edits),
    ]  # fmt: skip


def _wrong() -> list[Recipe]:
    stamps = "setts=pts={0}:dts={0}"  # codespell:ignore setts
    leap = "setts=pts='PTS+60000*eq(N,20)':dts=DTS"  # codespell:ignore setts
    return [
        _copied("wrap.ts", "its 33-bit clock wraps", "h264.ts", "-output_ts_offset", "95442.3"),
        Recipe("jump.ts", "its clock leaps ahead 1,000 s", lambda s, out: _joined(s, out, 1000)),
        Recipe("back.ts", "its clock falls back", lambda s, out: _joined(s, out, 0, first=100)),
        _copied("duplicates.mkv", "every third time stamp is that of the frame before",
                "mpeg4.mkv", "-bsf:v", stamps.format("'PTS-33*eq(mod(N,3),2)'")),
        _copied("backwards.mkv", "one time stamp in ten runs backwards", "mpeg4.mkv",
                "-bsf:v", stamps.format("'PTS-100*eq(mod(N,10),9)'")),
        _copied("all_zero.mkv", "every time stamp is 0", "mpeg4.mkv",
                "-bsf:v", stamps.format("0")),
        _copied("one_leap.mkv", "one time stamp is a minute ahead, so the header's length too",
                "mpeg4.mkv", "-bsf:v", leap),
    ]  # fmt: skip


def _missing() -> list[Recipe]:
    what = "no container, no time stamps"
    return [
        _encoded("bare.h264", what, *H264),
        _encoded("bare.hevc", what, *HEVC),
        _encoded("bare.m4v", what, *MPEG4, "-f", "m4v"),
        _encoded("bare.m2v", what, *MPEG2, "-f", "mpeg2video"),
        _encoded("bare.ivf", "almost no container", *VP9),
        _encoded("bare.y4m", "bare pictures", "-pix_fmt", "yuv420p", "-frames:v", "20"),
        _encoded("b_frames.avi", "B-frames in a container without time stamps", *H264),
        _encoded("b_frames_mpeg4.avi", "B-frames in a container without time stamps", *MPEG4,
                 "-bf", "2"),
    ]  # fmt: skip


def _rates() -> list[Recipe]:
    return [
        _encoded("fps_1.mp4", "1 frame/s", *H264, filters=f"{SMALL},setpts=N/TB", rate="1"),
        _encoded("fps_ntsc.mp4", "30000/1001 frames/s", *H264, rate="30000/1001"),
        _encoded("fps_ntsc_film.mkv", "24000/1001 frames/s", *H264, rate="24000/1001"),
        _encoded("fps_1000.mp4", "1000 frames/s", *H264, rate="1000",
                 filters=f"{SMALL},setpts=N/1000/TB"),
        _encoded("fps_240.mkv", "240 frames/s, time stamps in milliseconds", *H264, rate="240",
                 filters=f"{SMALL},setpts=N/240/TB"),
        _encoded("nanoseconds.mp4", "a clock of 10^9 ticks a second", *H264,
                 "-video_track_timescale", "1000000000"),
        _encoded("coarse.mp4", "a clock of 30 ticks a second", *H264,
                 "-video_track_timescale", "30"),
        _encoded("one_frame.mp4", "a single frame", *H264, "-frames:v", "1"),
        _encoded("one_frame.mkv", "a single frame", *H264, "-frames:v", "1"),
        _encoded("two_frames.webm", "two frames", *VP9, "-frames:v", "2"),
    ]  # fmt: skip


def _encoded(
    name: str, what: str, *options: str, filters: str = SMALL, rate: str | None = None
) -> Recipe:
    rates = ("-r", rate) if rate else ()
    return Recipe(name, what, lambda s, out: s.encode(out, *options, *rates, filters=filters))


def _copied(
    name: str, what: str, whole: str, *options: str, before: tuple[str, ...] = ()
) -> Recipe:
    return Recipe(name, what, lambda s, out: s.copy(out, whole, *options, before=before))


def _joined(studio: Studio, out: Path, second: int, first: int = 0) -> None:
    """Two transport streams one behind the other, each by its own clock."""
    parts = []
    for number, offset in enumerate((first, second)):
        part = studio.scratch / f"{out.stem}_{number}.ts"
        parts.append(studio.copy(part, "h264.ts", "-output_ts_offset", str(offset)))
    out.write_bytes(b"".join(part.read_bytes() for part in parts))


def _two_edits(studio: Studio, out: Path) -> None:
    """The piece from .2 to .5 s, then that from 1 s on, named by a hand-made edit list."""
    content = studio.copy(out, "h264.mp4", "-movflags", "+faststart").read_bytes()
    at = content.index(b"elst") - 4
    size = int.from_bytes(content[at : at + 4], "big")
    scale_at = content.index(b"mdhd") + 16
    ticks = int.from_bytes(content[scale_at : scale_at + 4], "big")
    pieces = b"".join(
        length.to_bytes(4, "big") + (start * ticks // 1000).to_bytes(4, "big") + b"\0\1\0\0"
        for length, start in ((300, 200), (500, 1000))
    )
    table = (16 + len(pieces)).to_bytes(4, "big") + b"elst" + bytes(4) + b"\0\0\0\2" + pieces
    _splice(out, content, at, size, table)


def _splice(out: Path, content: bytes, at: int, size: int, box: bytes) -> None:
    """Replace a box of an MP4 file whose index comes first: all boxes around it grow with it, and
    the packets' places move.
    """
    grown = len(box) - size
    changed = bytearray(content)
    for name in (b"moov", b"trak", b"edts"):
        head = content.index(name) - 4
        length = int.from_bytes(content[head : head + 4], "big") + grown
        changed[head : head + 4] = length.to_bytes(4, "big")
    places = content.index(b"stco") + 8
    for i in range(int.from_bytes(content[places : places + 4], "big")):
        entry = places + 4 + 4 * i
        moved = int.from_bytes(content[entry : entry + 4], "big") + grown
        changed[entry : entry + 4] = moved.to_bytes(4, "big")
    out.write_bytes(changed[:at] + box + changed[at + size :])
