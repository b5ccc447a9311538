"""Files that lost bytes, or hold wrong ones."""

from __future__ import annotations

from faulty.studio import Recipe, Studio


def recipes() -> list[Recipe]:
    """All of this kind."""
    return [*_truncated(), *_beheaded(), *_flipped(), *_holed()]


def _truncated() -> list[Recipe]:
    places = {
        "h264.mp4": (50, 99),
        "h264_index_first.mp4": (10, 50, 90),
        "h264_fragments.mp4": (50,),
        "hevc.mp4": (50,),
        "h264.mkv": (1, 30, 60, 95),
        "vp9.webm": (50,),
        "h264.ts": (33, 66),
        "mpeg2.mpg": (50,),
        "mpeg4.avi": (50, 98),
        "h264.flv": (50,),
        "h264.h264": (50,),
    }
    return [
        _recipe("cut", whole, percent, f"ends after {percent} % of its bytes", _keep_first)
        for whole, percents in places.items()
        for percent in percents
    ]


def _beheaded() -> list[Recipe]:
    return [
        _recipe("headless", whole, percent, f"lacks its first {percent} %", _drop_first)
        for whole, percent in (
            ("h264.ts", 40),
            ("mpeg2.mpg", 40),
            ("h264.h264", 40),
            ("h264.mkv", 20),
            ("h264.mp4", 20),
        )
    ]


def _flipped() -> list[Recipe]:
    places = {
        "h264.mp4": ("payload", "sparse", "index"),
        "h264_index_first.mp4": ("header", "index"),
        "hevc.mp4": ("payload",),
        "h264.mkv": ("header", "payload", "sparse", "dense"),
        "mpeg4.mkv": ("payload", "dense"),
        "vp9.webm": ("payload", "dense"),
        "h264.ts": ("payload", "dense"),
        "mpeg2.mpg": ("payload", "dense"),
        "mpeg4.avi": ("header", "payload", "index"),
        "h264.flv": ("payload", "dense"),
        "h264.h264": ("payload",),
    }
    what = {
        "header": "5 bytes flipped in the first 200",
        "index": "20 bytes flipped where the index lies",
        "payload": "20 bytes flipped in the pictures",
        "sparse": "one byte flipped in the pictures",
        "dense": "300 bytes flipped all over",
    }
    return [
        _recipe("flip", whole, place, what[place], _flip)
        for whole, chosen in places.items()
        for place in chosen
    ]


def _holed() -> list[Recipe]:
    holes = [
        _recipe("zeroed", whole, 4096, "a block of 4096 bytes is zero", _zero)
        for whole in ("h264.mp4", "h264.mkv", "vp9.webm", "h264.ts", "mpeg4.avi")
    ]
    unwritten = [
        _recipe("unwritten", whole, 50, "zeros from its middle on, as downloads leave it", _blank)
        for whole in ("h264_index_first.mp4", "h264.mkv", "h264.ts")
    ]
    lacking = [
        _recipe("lacking", whole, 5000, "5000 bytes are missing in its middle", _remove)
        for whole in ("h264.mp4", "h264.mkv", "vp9.webm", "h264.ts", "mpeg4.avi")
    ]
    return holes + unwritten + lacking


def _recipe(verb, whole, how, what, change) -> Recipe:
    stem, suffix = whole.split(".")
    name = f"{verb}_{stem}_{how}.{suffix}"

    def make(studio: Studio, out) -> None:
        content = bytearray(studio.whole(whole).read_bytes())
        out.write_bytes(change(content, how, studio.chance(name)))

    return Recipe(name, f"{suffix}: {what}", make, whole)


def _keep_first(content, percent, _):
    return content[: len(content) * percent // 100]


def _drop_first(content, percent, _):
    return content[len(content) * percent // 100 :]


def _flip(content, place, chance):
    length, index = len(content), content.find(b"moov")
    tail = index if index > 0 else max(content.find(b"idx1"), 0)
    low, high, count = {
        "header": (4, 200, 5),
        "index": (tail + 8, min(length, tail + 2000), 20),
        "payload": (length // 10, length * 9 // 10, 20),
        "sparse": (length // 3, length * 2 // 3, 1),
        "dense": (length // 10, length * 9 // 10, 300),
    }[place]
    for at in chance.integers(low, high, count):
        content[at] ^= int(chance.integers(1, 256))
    return content


def _zero(content, size, chance):
    at = int(chance.integers(len(content) // 3, len(content) * 2 // 3))
    content[at : at + size] = bytes(len(content[at : at + size]))
    return content


def _blank(content, percent, _):
    at = len(content) * percent // 100
    return content[:at] + bytes(len(content) - at)


def _remove(content, size, chance):
    at = int(chance.integers(len(content) // 3, len(content) // 2))
    return content[:at] + content[at + size :]
