"""A people detector that MediaPipe's wheel carries: faces, widened to upper bodies."""

from __future__ import annotations

from typing import Any

import numpy as np

from mgpose.extraction.roles import Box, Image

_LEAST_SCORE = 0.6
_SIDE = 384  # pixels: twice the side of the model's square; less loses small faces
_CLOSE_LOOK_EVERY = 6  # looks
_MORE_CLOSE_LOOKS = 3  # after one that showed more


class MediaPipeFaceDetector:
    """People by their faces, BlazeFace full range (Bazarevsky et al., 2019).

    The model sees a square of 192 pixels and takes nearly all of the time. So it is shown the frame
    whole, which finds faces of a tenth of the height and more; and in every sixth look, or where
    the whole shows nobody, also in overlapping squares of the frame's height, which find faces half
    as large in frames wider than high. When the squares show somebody whom the whole does not, they
    are part of the next three looks too.

    The frame is continued beyond its left and right edge by its mirror image, which makes whole a
    face that the edge cuts: in the clip ``bird`` of Intel's sign videos the half face at the edge
    is found so, and not without. A face's own mirror image lies outside of the frame and is
    dropped. People seen from behind or in profile may be missed.

    Each box holds an upper body: 4 face widths wide, from the top of the head 6 face heights down.
    """

    def __init__(self) -> None:
        from mediapipe.python.solutions.face_detection import FaceDetection

        self._model: Any = FaceDetection(model_selection=1, min_detection_confidence=_LEAST_SCORE)
        self._looks = self._close_looks = 0

    def detect(self, image: Image) -> list[Box]:
        """See :class:`mgpose.extraction.roles.Detector`."""
        height, width = image.shape[:2]
        scale = min(1.0, _SIDE / min(height, width))
        wide, margin = _mirrored(image, scale)
        narrow = margin * 3 // 5
        faces = _distinct(self._faces(wide[:, narrow : wide.shape[1] - narrow], narrow))
        squares = _squares(wide.shape[1], wide.shape[0])
        due = self._looks % _CLOSE_LOOK_EVERY == 0 or self._close_looks > 0
        self._looks += 1
        if squares and (due or not faces):
            closer = [
                face for start, stop in squares for face in self._faces(wide[:, start:stop], start)
            ]
            seen = len(_inside(faces, margin, wide.shape[1]))
            faces = _distinct(faces + closer)
            more = len(_inside(faces, margin, wide.shape[1])) > seen
            self._close_looks = _MORE_CLOSE_LOOKS if more else max(0, self._close_looks - 1)
        return [
            _upper_body(face, margin, scale, width, height)
            for face in _inside(faces, margin, wide.shape[1])
        ]

    def close(self) -> None:
        """See :class:`mgpose.extraction.roles.Detector`."""
        self._model.close()

    def _faces(self, image: Image, offset: int) -> list[Box]:
        """Boxes of faces, moved right by ``offset``; those that the sides cut are left out."""
        height, width = image.shape[:2]
        boxes = []
        for found in self._model.process(np.ascontiguousarray(image)).detections or []:
            face = found.location_data.relative_bounding_box
            if face.xmin >= 0 and face.xmin + face.width <= 1 and face.width > 0 < face.height:
                x, y = face.xmin * width + offset, face.ymin * height
                size = face.width * width, face.height * height
                boxes.append(Box(x, y, x + size[0], y + size[1], float(found.score[0])))
        return boxes


def _mirrored(image: Image, scale: float) -> tuple[Image, int]:
    """The picture shrunk and continued to the left and right by a quarter, and the continuation."""
    import cv2

    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    margin = small.shape[1] // 4
    wide = cv2.copyMakeBorder(small, 0, 0, margin, margin, cv2.BORDER_REFLECT)
    return np.asarray(wide, dtype=np.uint8), margin


def _squares(width: int, side: int) -> list[tuple[int, int]]:
    """(start, stop) of half-overlapping squares that cover a picture wider than high."""
    count = -(-2 * (width - side) // side) + 1 if width > side else 0
    return [(start, start + side) for start in np.linspace(0, width - side, count).astype(int)]


def _distinct(faces: list[Box]) -> list[Box]:
    """Of several finds of one face the surest. Small faces are found larger by the whole than by
    the squares, so that it is the middle of one that tells: it lies in the other.
    """
    kept: list[Box] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if not any(face.contains(*other.centre) or other.contains(*face.centre) for other in kept):
            kept.append(face)
    return kept


def _inside(faces: list[Box], margin: int, width: int) -> list[Box]:
    """The faces that are no mirror images. A cut face and its mirror image make one face whose
    middle is the edge itself.
    """
    return [
        face
        for face in faces
        if margin <= face.centre[0] + (face.x1 - face.x0) / 4
        and face.centre[0] - (face.x1 - face.x0) / 4 <= width - margin
    ]


def _upper_body(face: Box, margin: int, scale: float, width: int, height: int) -> Box:
    """The person around a face of the shrunken, continued picture, in pixels of the frame."""
    face_width, face_height = (face.x1 - face.x0) / scale, (face.y1 - face.y0) / scale
    x, y = (face.centre[0] - margin) / scale, face.y0 / scale
    return Box(
        x0=max(0.0, min(x - 2 * face_width, width - 1.0)),
        y0=max(0.0, min(y - 0.5 * face_height, height - 1.0)),
        x1=min(float(width), max(x + 2 * face_width, 1.0)),
        y1=min(float(height), max(y + 6 * face_height, 1.0)),
        score=face.score,
    )
