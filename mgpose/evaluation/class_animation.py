"""A labelled clip as a figure over time, and an animation of it at true speed.

Time comes from the time stamps; where the rate of a video is unknown, 12.5 frames count as a second
and no more than that is claimed. Pillow comes with matplotlib.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mgpose.data.clips import Span
from mgpose.evaluation.stick_drawing import BACKGROUND, COLOURS, HAND_COLOURS, Colour
from mgpose.evaluation.stick_figure import StickFigure
from mgpose.io.store import PoseStore

PICTURE_RATE = 12.5  # a second: GIF counts in 10 ms, and video has often 25 frames a second
CONTEXT = 0.5  # seconds before and after the labelled span
LONGEST = 6.0  # seconds of a labelled span that are shown
INSIDE: Colour = (32, 150, 84)
OUTSIDE: Colour = (206, 209, 214)
ANIMATION_SIZE = 400
_BORDER, _BAR, _CLOSE_UP, _GAP = 4, 10, 124, 3
_CLOSE_UPS = {
    "face": OUTSIDE,
    "right_hand": HAND_COLOURS["right"],
    "left_hand": HAND_COLOURS["left"],
}


@dataclass(frozen=True)
class LabelledClip:
    """A span with its context, as a figure.

    Args:
        span: the labelled frames.
        figure: of the frames from half a second before the span until half a second after it.
        first: number in the video of the figure's first frame.
        seconds: (T,) time of each of the figure's frames; 0 is the start of the span.
        step: seconds from a frame to the next.
        timed: whether the rate of the video is known.
    """

    span: Span
    figure: StickFigure
    first: int
    seconds: npt.NDArray[np.float64]
    step: float
    timed: bool

    def inside(self, frame: int) -> bool:
        """Whether a frame of the figure belongs to the span."""
        return self.span.start <= self.first + frame < self.span.stop

    def spread(self, count: int) -> list[int]:
        """Numbers of ``count`` frames of the figure, evenly spaced in time, context included."""
        return self._nearest(np.linspace(self.seconds[0], self.seconds[-1], count))

    def played(self) -> list[int]:
        """Numbers of the figure's frames that play at true speed, 12.5 a second."""
        length = self.seconds[-1] + self.step - self.seconds[0]
        count = max(1, round(length * PICTURE_RATE))
        return self._nearest(self.seconds[0] + np.arange(count) / PICTURE_RATE)

    def _nearest(self, times: npt.NDArray[np.float64]) -> list[int]:
        middles = (self.seconds[1:] + self.seconds[:-1]) / 2
        return [int(i) for i in np.searchsorted(middles, times)]


def frame_seconds(store: PoseStore, video: str) -> npt.NDArray[np.float64]:
    """(T + 1,) time of each frame of a video and of its end; 12.5 frames a second if unknown."""
    time = store.time(video)
    if store.header(video).time_source == "index":
        time = time / PICTURE_RATE
    step = np.median(np.diff(time)) if len(time) > 1 else 1 / PICTURE_RATE
    return np.append(time, time[-1] + step)


def labelled_clip(store: PoseStore, span: Span) -> LabelledClip:
    """Read a span with its context; of a span beyond 6 seconds the first 6.5 are read.

    Raises:
        ValueError: when there is nobody to be drawn.
    """
    time = frame_seconds(store, span.video)
    start, stop = time[span.start], min(time[span.stop], time[span.start] + LONGEST)
    # Half a frame of tolerance: stamps are rounded.
    step = float(time[-1] - time[-2])
    window = (start - CONTEXT - step / 2, stop + CONTEXT - step / 2)
    first, end = (int(i) for i in np.searchsorted(time[:-1], window))
    return LabelledClip(
        span=span,
        figure=StickFigure(store.read_window(span.video, first, max(end, first + 1))),
        first=first,
        seconds=time[first : max(end, first + 1)] - start,
        step=step,
        timed=store.header(span.video).time_source != "index",
    )


def write_animation(clip: LabelledClip, path: Path) -> None:
    """Write a GIF that repeats without end: the person, close-ups of face and hands, a time bar.

    The border is green inside the labelled span, the bar shows where the span lies. No text: what
    is shown must be read off the movement.
    """
    palette = _palette()
    pictures = [
        picture.quantize(palette=palette, dither=Image.Dither.NONE)
        for picture in _pictures(clip, clip.played())
    ]
    duration = round(1000 / PICTURE_RATE)
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=duration, loop=0, optimize=True
    )


def _pictures(clip: LabelledClip, frames: list[int]) -> list[Image.Image]:
    inner = ANIMATION_SIZE - 2 * _BORDER
    height = inner - _BAR - _GAP - 1
    figure, pictures, shown = clip.figure, [], {}
    for number, frame in enumerate(frames):
        if frame not in shown:
            picture = Image.new("RGB", (ANIMATION_SIZE, ANIMATION_SIZE), BACKGROUND)
            draw = ImageDraw.Draw(picture)
            colour = INSIDE if clip.inside(frame) else OUTSIDE
            draw.rectangle((0, 0, ANIMATION_SIZE - 1, ANIMATION_SIZE - 1), None, colour, _BORDER)
            width = inner - (_CLOSE_UP + _GAP if figure.has_face_and_hands else 0)
            picture.paste(figure.draw(frame, (width, height)), (_BORDER, _BORDER))
            if figure.has_face_and_hands:
                _paste_close_ups(picture, figure.close_ups(frame, _CLOSE_UP))
            shown = {frame: picture}
        pictures.append(shown[frame].copy())
        _draw_bar(pictures[-1], clip, frames, number)
    return pictures


def _paste_close_ups(picture: Image.Image, close_ups: dict[str, Image.Image]) -> None:
    x, y = ANIMATION_SIZE - _BORDER - _CLOSE_UP, _BORDER
    for part, colour in _CLOSE_UPS.items():
        square = close_ups[part]
        ImageDraw.Draw(square).rectangle((0, 0, _CLOSE_UP - 1, _CLOSE_UP - 1), None, colour, 2)
        picture.paste(square, (x, y))
        y += _CLOSE_UP + _GAP


def _draw_bar(picture: Image.Image, clip: LabelledClip, frames: list[int], number: int) -> None:
    left, right = _BORDER + 2, ANIMATION_SIZE - _BORDER - 3
    top, bottom = ANIMATION_SIZE - _BORDER - _BAR, ANIMATION_SIZE - _BORDER - 1
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top + 3, right, bottom - 3), OUTSIDE)
    each = (right - left) / len(frames)
    inside = [i for i, frame in enumerate(frames) if clip.inside(frame)]
    if inside:
        ends = left + each * inside[0], left + each * (inside[-1] + 1)
        draw.rectangle((ends[0], top + 3, ends[1], bottom - 3), INSIDE)
    here = left + each * (number + 0.5)
    draw.rectangle((here - 3, top, here + 3, bottom), (40, 44, 52))


def _palette() -> Image.Image:
    """The colours of the drawing and the mixtures of each two of them at smooth edges."""
    pure = np.array((*COLOURS, INSIDE, OUTSIDE), dtype=float)
    mixed = [(a * w + b * (3 - w)) / 3 for a, b in combinations(pure, 2) for w in (1, 2)]
    image = Image.new("P", (1, 1))
    image.putpalette(np.concatenate((pure, mixed)).round().astype(np.uint8).tobytes())
    return image
