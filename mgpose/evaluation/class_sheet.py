"""Contact sheets: one labelled clip a class, its frames in a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from mgpose.evaluation.class_animation import INSIDE, OUTSIDE, LabelledClip
from mgpose.evaluation.stick_drawing import BACKGROUND, Colour

_INK: Colour = (32, 36, 42)
_MUTED: Colour = (92, 99, 110)
_WARNING: Colour = (168, 35, 28)
_WIDTH, _LABELS, _TOP, _EDGE = 1980, 268, 74, 16
_TALL, _TIME, _STRIP, _GAP = 224, 18, 5, 8
_ROWS = 9  # keeps a sheet below 2400 pixels


def write_sheets(
    clips: Sequence[LabelledClip], out: Path, frames: int, synthetic: bool
) -> list[Path]:
    """Write ``classes.png``, and ``classes_2.png`` and so on for each nine classes more.

    Args:
        clips: one a class.
        out: an existing folder.
        frames: pictures in a row, evenly spaced from before the labelled span until after it.
        synthetic: whether the sheet has to say so.

    Returns:
        The files.
    """
    written = []
    for number, start in enumerate(range(0, len(clips), _ROWS), 1):
        rows = clips[start : start + _ROWS]
        title = f"Classes {start + 1} to {start + len(rows)} of {len(clips)}"
        path = out / ("classes.png" if number == 1 else f"classes_{number}.png")
        _sheet(rows, title, frames, synthetic).save(path, optimize=True)
        written.append(path)
    return written


def _sheet(clips: Sequence[LabelledClip], title: str, frames: int, synthetic: bool) -> Image.Image:
    pitch = _TALL + _TIME + _STRIP + _GAP
    sheet = Image.new("RGB", (_WIDTH, _TOP + pitch * len(clips)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    words = title + ".  Green: inside the labelled span.  Left hand blue, right hand orange."
    draw.text((_EDGE, 22), words, _INK, _font(24))
    if synthetic:
        end = draw.textlength(words, _font(24))
        draw.text((_EDGE + end + 24, 22), "Synthetic data", _WARNING, _font(24, bold=True))
    for row, clip in enumerate(clips):
        top = _TOP + row * pitch
        draw.line((_EDGE, top - 6, _WIDTH - _EDGE, top - 6), OUTSIDE)
        _label(draw, clip, top)
        _frames(sheet, clip, top, frames)
    return sheet


def _label(draw: ImageDraw.ImageDraw, clip: LabelledClip, top: int) -> None:
    room = _LABELS - _EDGE - 12
    annotation = clip.span.annotation
    name = annotation.label if annotation else ""
    who = [clip.span.video, annotation.subject if annotation else ""]
    for text, colour, font, leading in (
        (name, _INK, _font(27, bold=True), 33),
        *((text, _MUTED, _font(16), 21) for text in who),
    ):
        for line in _wrapped(draw, text, font, room):
            draw.text((_EDGE, top + 8), line, colour, font)
            top += leading


def _frames(sheet: Image.Image, clip: LabelledClip, top: int, count: int) -> None:
    draw = ImageDraw.Draw(sheet)
    wide = (_WIDTH - _LABELS - _EDGE) // count
    for place, frame in enumerate(clip.spread(count)):
        left = _LABELS + place * wide
        sheet.paste(clip.figure.draw(frame, (wide - 4, _TALL)), (left, top))
        colour = INSIDE if clip.inside(frame) else OUTSIDE
        strip = top + _TALL + _TIME
        draw.rectangle((left, strip, left + wide - 5, strip + _STRIP - 1), colour)
        seconds = round(clip.seconds[frame], 1) + 0.0  # no "-0.0"
        text = f"{seconds:.1f} s" if clip.timed else f"frame {clip.first + frame}"
        draw.text((left + 3, top + _TALL - 1), text, _MUTED, _font(15))


def _wrapped(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room: int
) -> list[str]:
    """Lines that fit, broken at spaces and, where a word is longer than a line, inside it."""
    lines: list[str] = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if draw.textlength(joined, font) <= room:
            lines[-1] = joined
            continue
        lines.append("")
        for letter in word:
            if draw.textlength(lines[-1] + letter, font) > room:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Matplotlib's own font, the same on every machine."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)
