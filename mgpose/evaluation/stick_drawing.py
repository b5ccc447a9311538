"""One pose drawn as a figure of lines on a plain background.

Drawn with Pillow, which comes with matplotlib: OpenCV comes with MediaPipe only, and looking at a
store needs no estimator. Depth is unknown, so the order is fixed: torso, head, arms, face, hands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from mgpose.structures import Skeleton

Points = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

BACKGROUND: Colour = (251, 251, 249)
HAND_COLOURS: dict[str, Colour] = {"left": (24, 92, 201), "right": (214, 84, 0)}
_ARM_COLOURS: dict[str, Colour] = {"left": (146, 172, 214), "right": (226, 172, 130)}
_PALM_COLOURS: dict[str, Colour] = {"left": (196, 214, 243), "right": (249, 213, 184)}
_LINE: Colour = (92, 100, 112)
_TORSO: Colour = (228, 231, 236)
_HEAD: Colour = (241, 237, 230)
_FEATURE: Colour = (40, 44, 52)
_LIPS: Colour = (205, 108, 110)
_LIP_LINE: Colour = (142, 48, 56)
COLOURS = (
    BACKGROUND,
    *HAND_COLOURS.values(),
    *_ARM_COLOURS.values(),
    *_PALM_COLOURS.values(),
    *(_LINE, _TORSO, _HEAD, _FEATURE, _LIPS, _LIP_LINE),
)

FAINT_SCORE = 0.3  # below it a keypoint counts as hardly seen
_FAINT = 0.3  # how much of its colour is left then
_SUPERSAMPLE = 3
# Parts of the body that the layout lacks, in shoulder widths.
_HIPS, _NECK = 0.35, 0.27
_FINGER, _THINNEST_FINGER = 0.105, 1.6  # in lengths of the palm, in pixels
_SIDES = ("left", "right")
_FINGERS = ("pinky", "ring", "middle", "index", "thumb")
_PALM = ("hand_root", "thumb_cmc", "index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")


@dataclass(frozen=True)
class Head:
    """An ellipse that stands for a head: (2,) its middle, (2,) its upward direction, half sizes."""

    centre: Points
    up: Points
    half_width: float
    half_height: float


class Pen:
    """Draws what is there of one pose, by the names of keypoints.

    Args:
        size: of the picture, width and height.
        skeleton: the layout.
        points: (V, 2) pixels, NaN where missing.
        scores: (V,)
        unit: the person's size in pixels, about a shoulder width; widths of lines are parts of it.
    """

    def __init__(
        self,
        size: tuple[int, int],
        skeleton: Skeleton,
        points: Points,
        scores: npt.NDArray[np.float32],
        unit: float,
    ) -> None:
        full = (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE)
        self._image = Image.new("RGB", full, BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)
        self._skeleton, self._points, self._scores = skeleton, points, scores
        self.unit = unit
        # An outlier far away costs no huge polygon.
        self._far = 20 * max(size)

    def at(self, *names: str) -> Points:
        """(2,) the mean place of keypoints; NaN where one is missing."""
        place: Points = sum(self._points[self._skeleton.index(n)] for n in names) / len(names)
        return place

    def sure(self, *names: str) -> bool:
        """True when every keypoint is seen well enough to be drawn in full colour."""
        return all(self._scores[self._skeleton.index(name)] >= FAINT_SCORE for name in names)

    def line(self, names: Sequence[str], colour: Colour, width: float, seam: float = 0) -> None:
        """A line from keypoint to keypoint with round joints, in pieces where one is missing.

        Args:
            names: of the keypoints.
            colour: where they are seen well.
            width: of the line, in units.
            seam: of background around the line, in units: parts lines that cross or touch.
        """
        pieces = list(pairwise(names))
        for a, b in pieces if seam else ():
            self.stroke((self.at(a), self.at(b)), BACKGROUND, width + 2 * seam)
        for a, b in pieces:
            self.stroke((self.at(a), self.at(b)), self._shade(colour, a, b), width)

    def dot(self, name: str, colour: Colour, width: float) -> None:
        """A disc on a keypoint."""
        self.stroke((self.at(name), self.at(name)), self._shade(colour, name), width)

    def stroke(self, places: Sequence[Points] | Points, colour: Colour, width: float) -> None:
        """A line through places with round joints; nothing where one is missing."""
        corners = self._corners(places)
        if not corners:
            return
        thick = round(max(width * self.unit, 1.0) * _SUPERSAMPLE)
        self._draw.line(corners, colour, thick, joint="curve")
        for x, y in (*corners[:1], *corners[-1:]):
            box = (x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2)
            self._draw.ellipse(box, colour)

    def area(self, outline: Sequence[Points] | Points, colour: Colour) -> None:
        """A filled polygon; nothing where a corner is missing."""
        corners = self._corners(outline)
        if corners:
            self._draw.polygon(corners, colour)

    def picture(self) -> Image.Image:
        """What was drawn, edges smoothed."""
        return self._image.reduce(_SUPERSAMPLE)

    def _corners(self, places: Sequence[Points] | Points) -> list[tuple[float, float]]:
        if not np.isfinite(places).all():
            return []
        inside = np.clip(places, -self._far, self._far) * _SUPERSAMPLE
        return [(x, y) for x, y in inside.tolist()]

    def _shade(self, colour: Colour, *names: str) -> Colour:
        if self.sure(*names):
            return colour
        mixed = _FAINT * np.array(colour) + (1 - _FAINT) * np.array(BACKGROUND)
        r, g, b = mixed.round().astype(int).tolist()
        return r, g, b


def draw_edges(pen: Pen, skeleton: Skeleton) -> None:
    """Any skeleton: its edges by side, and a round head; loose dots where it has no edges."""
    for edge in skeleton.edges:
        sides = {name.split("_")[0] for name in edge} & set(_SIDES)
        pen.line(edge, HAND_COLOURS[sides.pop()] if len(sides) == 1 else _LINE, 0.07)
    if "head" in skeleton.keypoints:
        pen.dot("head", _LINE, 0.42)
    for name in () if skeleton.edges else skeleton.keypoints:
        pen.dot(name, HAND_COLOURS.get(name.split("_")[0], _LINE), 0.04)


def draw_person(pen: Pen, head: Head, palm: float) -> None:
    """A pose of ``UPPER_BODY_HANDS_FACE``; the hips' and the neck's width are a guess.

    Args:
        pen: on the pose.
        head: of the pose.
        palm: length of the palm in pixels, which fingers are as thick as a part of.
    """
    shoulders = pen.at("left_shoulder"), pen.at("right_shoulder")
    across, hips = shoulders[0] - shoulders[1], pen.at("mid_hip")
    throat = head.centre - pen.at("neck")
    length = max(float(np.linalg.norm(throat)), 1e-6)
    aside = _NECK / 2 * pen.unit / length * np.array([-throat[1], throat[0]])
    pen.area(
        [pen.at("neck") - aside, head.centre - aside, head.centre + aside, pen.at("neck") + aside],
        _TORSO,
    )
    if pen.sure("mid_hip"):
        pen.area([*shoulders, hips - _HIPS * across, hips + _HIPS * across], _TORSO)
    pen.line(("left_shoulder", "neck", "right_shoulder"), _LINE, 0.06)
    _draw_head(pen, head)
    for side in _SIDES:
        arm = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist")]
        pen.line(arm, _ARM_COLOURS[side], 0.085)
        pen.line((arm[-1], f"{side}_hand_root"), _ARM_COLOURS[side], 0.06)
    # Features are as thick as the head is wide: usually a fifth of the shoulders, half of it.
    _draw_face(pen, 5 * head.half_width / pen.unit if np.isfinite(head.half_width) else 1.0)
    for side in _SIDES:
        _draw_hand(pen, side, max(_FINGER * palm, _THINNEST_FINGER) / pen.unit)


def _draw_head(pen: Pen, head: Head) -> None:
    for side in _SIDES:
        pen.dot(f"{side}_ear", _LINE, 0.45 * head.half_width / pen.unit)
    angle = np.linspace(0, 2 * np.pi, 48)[:, None]
    aside = np.array([-head.up[1], head.up[0]])
    outline = head.centre + head.half_width * np.cos(angle) * aside
    outline = outline + head.half_height * np.sin(angle) * head.up
    pen.area(outline, _HEAD)
    pen.stroke(outline, _LINE, 0.018)


def _draw_face(pen: Pen, thick: float) -> None:
    for side in _SIDES:
        pen.line((f"{side}_brow_outer", f"{side}_brow_inner"), _FEATURE, 0.03 * thick)
        pen.line((f"{side}_eye_corner_outer", f"{side}_eye_corner_inner"), _FEATURE, 0.016 * thick)
        pen.dot(f"{side}_eye", _FEATURE, 0.045 * thick)
    bridge = pen.at("left_eye_corner_inner", "right_eye_corner_inner")
    tip = pen.at("nose_tip")
    pen.stroke(((bridge + tip) / 2, tip), _LINE, 0.016 * thick)
    pen.line(("nose_tip", "nose_base"), _LINE, 0.016 * thick)
    pen.dot("nose_tip" if np.isfinite(tip).all() else "nose", _LINE, 0.035 * thick)
    corners = pen.at("left_mouth_corner"), pen.at("right_mouth_corner")
    lips = [
        *_bow(corners[0], pen.at("upper_lip"), corners[1]),
        *_bow(corners[1], pen.at("lower_lip"), corners[0]),
    ]
    pen.area(lips, _LIPS)
    pen.stroke(lips, _LIP_LINE, 0.014 * thick)
    # The chin is one keypoint: an arc as wide as two thirds of the mouth, hollow to the face.
    chin, aside = pen.at("chin"), (corners[0] - corners[1]) / 3
    rise = (pen.at("lower_lip") - chin) / 5
    pen.stroke(_bow(chin + rise - aside, chin, chin + rise + aside), _LINE, 0.018 * thick)


def _bow(start: Points, through: Points, end: Points) -> list[Points]:
    """A smooth curve through three places."""
    handle = 2 * through - (start + end) / 2
    steps = np.linspace(0, 1, 9)
    return [(1 - s) ** 2 * start + 2 * s * (1 - s) * handle + s**2 * end for s in steps]


def _draw_hand(pen: Pen, side: str, thick: float) -> None:
    palm = [f"{side}_{name}" for name in _PALM]
    if pen.sure(*palm):
        pen.area([pen.at(name) for name in palm], _PALM_COLOURS[side])
    pen.line((*palm, palm[0]), HAND_COLOURS[side], thick / 2)
    for finger in _FINGERS:
        joints = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
        names = [f"{side}_{finger}_{joint}" for joint in joints]
        pen.line(names, HAND_COLOURS[side], thick, seam=thick / 3)
