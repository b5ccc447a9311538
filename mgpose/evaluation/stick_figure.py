"""A clip of poses as pictures of a figure, without its video: which view, which close-ups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from mgpose.evaluation.stick_drawing import FAINT_SCORE, Head, Pen, Points, draw_edges, draw_person
from mgpose.structures import UPPER_BODY_HANDS_FACE, PoseSequence, convert
from mgpose.structures.canonical import canonicalise
from mgpose.structures.conversion import viewed_as

_MARGIN = 0.06  # of the picture, around the person
_OUTLIERS = 2.0  # per cent of a keypoint's places, at each end, that the view may lose
# A head seen from the front: half its width in half heights, and where its middle and half
# height lie in distances from the ears down to the chin.
_HEAD_WIDTH, _HEAD_MIDDLE, _HEAD_HALF = 0.7, 0.09, 1.09
# Sides of the close-ups, in half heights of the head and in lengths of the palm.
_FACE_VIEW, _HAND_VIEW = 2.9, 3.0
# A shoulder width in other lengths of the body, for people whose shoulders are not seen in full.
_IN_NECKS, _IN_HEADS, _IN_PALMS, _IN_VIEWS = 1.3, 3.0, 4.0, 0.25


class StickFigure:
    """One clip, to be drawn frame by frame in one fixed view of the person.

    Layouts that convert to ``UPPER_BODY_HANDS_FACE`` are drawn with head, face and fingers; others
    as the edges of their skeleton, bodies in metres from the front. Sides keep their colours: the
    person's left is blue, the right orange. What was not detected is not drawn, what scores below
    0.3 is faint. The view ignores outliers; they are drawn where they are.

    Args:
        sequence: the clip.

    Attributes:
        has_face_and_hands: whether the layout has them, and :meth:`close_ups` something to show.

    Raises:
        ValueError: when nobody is to be seen, or origin and scale of a body in metres never are.
    """

    def __init__(self, sequence: PoseSequence) -> None:
        sequence = convert(sequence, viewed_as(sequence.skeleton))
        self._skeleton = sequence.skeleton
        self._points, self._scores = _in_picture(sequence), sequence.scores
        self.has_face_and_hands = self._skeleton == UPPER_BODY_HANDS_FACE
        if self.has_face_and_hands:
            self._half_width, self._half_height = self._head_size()
            self._up = self._upward()
            self._centre = self._head_centre()
            left, right = (
                self._length(f"{side}_hand_root", f"{side}_middle_mcp")
                for side in ("left", "right")
            )
            self._palm = float(np.fmax(left, right))
        limits = list(self._limits())
        if not limits:
            raise ValueError("no frame shows a pose")
        self._low, self._high = np.min(limits, axis=(0, 1)), np.max(limits, axis=(0, 1))
        self._unit = self._body_unit()

    @property
    def seen(self) -> float:
        """Share of the keypoints that score at least 0.3."""
        return float((self._scores >= FAINT_SCORE).mean())

    def __len__(self) -> int:
        return len(self._points)

    def draw(self, frame: int, size: tuple[int, int]) -> Image.Image:
        """One frame as an RGB picture.

        Args:
            frame: its number in the clip.
            size: width and height in pixels.
        """
        room = np.array(size) * (1 - 2 * _MARGIN)
        scale = float((room / np.maximum(self._high - self._low, 1e-6)).min())
        return self._picture(frame, size, (self._low + self._high) / 2, scale)

    def close_ups(self, frame: int, size: int) -> dict[str, Image.Image]:
        """Squares of ``face``, in a fixed view, and of each hand, which the view follows.

        Blank where the part is not seen. Only for a figure that has face and hands.

        Args:
            frame: its number in the clip.
            size: of each square in pixels.
        """
        below = self._centre - 0.1 * self._half_height * self._up
        views = {"face": (_median(below), _FACE_VIEW * self._half_height)}
        for part in ("left_hand", "right_hand"):
            hand = self._points[frame, self._skeleton.indices(self._skeleton.parts[part])]
            views[part] = (_median(hand), _HAND_VIEW * self._palm)
        return {
            part: self._picture(frame, (size, size), middle, size / side)
            for part, (middle, side) in views.items()
        }

    def _picture(
        self, frame: int, size: tuple[int, int], middle: Points, scale: float
    ) -> Image.Image:
        shift = np.array(size) / 2 - middle * scale
        points = self._points[frame] * scale + shift
        pen = Pen(size, self._skeleton, points, self._scores[frame], self._unit * scale)
        if not np.isfinite(points).any():
            return pen.picture()
        if not self.has_face_and_hands:
            draw_edges(pen, self._skeleton)
            return pen.picture()
        centre = self._centre[frame] * scale + shift
        size_of_head = self._half_width * scale, self._half_height * scale
        draw_person(pen, Head(centre, self._up[frame], *size_of_head), self._palm * scale)
        return pen.picture()

    def _at(self, *names: str) -> Points:
        """(T, 2) the mean place of keypoints; NaN where one is missing."""
        mean: Points = self._points[:, self._skeleton.indices(names)].mean(1)
        return mean

    def _length(self, a: str, b: str) -> float:
        return _unforeshortened(self._at(a) - self._at(b))

    def _head_size(self) -> tuple[float, float]:
        """Half width and half height, as from the front; NaN where no frame tells.

        One size a clip: features move inside the head as it turns.
        """
        across = self._length("left_ear", "right_ear") / 2
        if np.isnan(across):
            across = 1.2 * self._length("left_eye", "right_eye")
        down = _unforeshortened(self._at("left_ear", "right_ear") - self._at("chin"))
        if np.isnan(down):
            down = _unforeshortened(self._at("left_eye", "right_eye") - self._at("chin"))
        half = across / _HEAD_WIDTH if np.isnan(down) else _HEAD_HALF * down
        return float(np.fmax(across, _HEAD_WIDTH * half)), half

    def _upward(self) -> Points:
        """(T, 2) unit vectors from chin to eyes; straight up where one is missing."""
        up = self._at("left_eye", "right_eye") - self._at("chin")
        length = np.linalg.norm(up, axis=-1, keepdims=True)
        known = np.isfinite(length) & (length > 0)
        return np.where(known, up / np.where(known, length, 1), (0, -1))

    def _head_centre(self) -> Points:
        """(T, 2) by the ears; where one is missing by the eyes and their usual place."""
        ears, eyes = self._at("left_ear", "right_ear"), self._at("left_eye", "right_eye")
        middle = np.where(np.isfinite(ears), ears, eyes + np.nan_to_num(_median(ears - eyes)))
        return middle + _HEAD_MIDDLE / _HEAD_HALF * self._half_height * self._up

    def _limits(self) -> Iterator[Points]:
        """(2, 2) lowest and highest coordinates of each keypoint, and of the top of the head."""
        for v, name in enumerate(self._skeleton.keypoints):
            # Nobody needs to see the hips of someone who sits.
            if name != "mid_hip" or not self.has_face_and_hands:
                sure = self._scores[:, v] >= FAINT_SCORE
                places = _steady(self._points[:, v])
                yield from _range(places[sure] if sure.any() else places)
        if self.has_face_and_hands:
            yield from _range(_steady(self._centre + self._half_height * self._up))

    def _body_unit(self) -> float:
        if not self.has_face_and_hands:
            return _IN_VIEWS * float((self._high - self._low).max())
        body = np.fmax(
            self._length("left_shoulder", "right_shoulder"),
            _IN_NECKS * self._length("nose", "neck"),
        )
        parts = np.fmax(_IN_HEADS * self._half_width, _IN_PALMS * self._palm)
        known = body if np.isfinite(body) else parts
        return float(known) if np.isfinite(known) else float((self._high - self._low).max())


def _in_picture(sequence: PoseSequence) -> Points:
    """(T, V, 2) as seen by a viewer: x right, y down, the same length for both."""
    skeleton, points = sequence.skeleton, sequence.keypoints
    turns = skeleton.canonical is not None and bool(skeleton.canonical.facing)
    if turns and sequence.unit == "metre" and points.shape[-1] == 3:
        # The canonical x runs to the person's right and y up: from the front, both turn round.
        return -canonicalise(points, skeleton)[..., :2].astype(np.float64)
    seen = points[..., :2].astype(np.float64)
    if sequence.unit == "normalised" and sequence.frame_size is not None:
        seen *= sequence.frame_size
    return seen * (1, -1) if sequence.unit == "metre" else seen


def _finite(values: Points) -> Points:
    """Those of (T, 2) places or vectors that are known."""
    return values[np.isfinite(values).all(-1)]


def _median(places: Points) -> Points:
    """(2,) by coordinate; NaN where no place is known."""
    known = _finite(places)
    return np.median(known, axis=0) if len(known) else np.full(2, np.nan)


def _unforeshortened(vectors: Points) -> float:
    """The 75th percentile of their lengths over time; NaN where none is known."""
    lengths = np.linalg.norm(_finite(vectors), axis=-1)
    return float(np.percentile(lengths, 75)) if len(lengths) else np.nan


def _steady(places: Points) -> Points:
    """(T, 2) the middle of each three frames, by coordinate: jumps of one frame are gone."""
    if len(places) < 3:
        return places
    before, here, after = places[:-2], places[1:-1], places[2:]
    middle = np.maximum(np.minimum(before, here), np.minimum(np.maximum(before, here), after))
    steady = np.concatenate((places[:1], middle, places[-1:]))
    return np.where(np.isfinite(steady), steady, places)


def _range(places: Points) -> Iterator[Points]:
    """(2, 2) the usual lowest and highest coordinates; nothing where no place is known."""
    known = _finite(places)
    if len(known):
        yield np.percentile(known, (_OUTLIERS, 100 - _OUTLIERS), axis=0)
