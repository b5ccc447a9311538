"""A people detector that MediaPipe's wheel carries: faces, widened to upper bodies."""

from __future__ import annotations

from typing import Any

import numpy as np

from mgpose.extraction.roles import Box, Image

_LEAST_SCORE = 0.6
_SAME_FACE = 0.3  # overlap of two finds of one face


class MediaPipeFaceDetector:
    """People by their faces, BlazeFace full range (Bazarevsky et al., 2019).

    The model sees a square of 192 pixels, so it is shown the frame whole and in overlapping squares
    of its height; a face of about a twelfth of the height is found. The frame is continued beyond
    its left and right edge by its mirror image, which makes whole a face that the edge cuts: in the
    clip ``bird`` of Intel's sign videos the half face at the edge is found so, and not without. A
    face's own mirror image lies outside of the frame and is dropped. People seen from behind or in
    profile may be missed.

    Each box holds an upper body: 4 face widths wide, from the top of the head 6 face heights down.
    """

    def __init__(self) -> None:
        from mediapipe.python.solutions.face_detection import FaceDetection

        self._model: Any = FaceDetection(model_selection=1, min_detection_confidence=_LEAST_SCORE)

    def detect(self, image: Image) -> list[Box]:
        """See :class:`mgpose.extraction.roles.Detector`."""
        height, width = image.shape[:2]
        margin = width // 4
        wide = np.pad(image, ((0, 0), (margin, margin), (0, 0)), mode="symmetric")
        faces = [
            face
            for start, stop in [(0, wide.shape[1]), *_squares(wide.shape[1], height)]
            for face in self._faces(wide[:, start:stop], start - margin)
            # A cut face and its mirror image make one face whose middle is the edge itself.
            if -0.25 <= face.centre[0] / (face.x1 - face.x0) <= width / (face.x1 - face.x0) + 0.25
        ]
        return [_upper_body(face, width, height) for face in _distinct(faces)]

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


def _squares(width: int, side: int) -> list[tuple[int, int]]:
    """(start, stop) of half-overlapping squares that cover a picture wider than high."""
    count = -(-2 * (width - side) // side) + 1 if width > side else 0
    return [(start, start + side) for start in np.linspace(0, width - side, count).astype(int)]


def _distinct(faces: list[Box]) -> list[Box]:
    """Of several finds of one face the surest."""
    kept: list[Box] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if all(face.overlap(other) < _SAME_FACE for other in kept):
            kept.append(face)
    return kept


def _upper_body(face: Box, width: int, height: int) -> Box:
    face_width, face_height = face.x1 - face.x0, face.y1 - face.y0
    x = face.centre[0]
    return Box(
        x0=max(0.0, min(x - 2 * face_width, width - 1.0)),
        y0=max(0.0, min(face.y0 - 0.5 * face_height, height - 1.0)),
        x1=min(float(width), max(x + 2 * face_width, 1.0)),
        y1=min(float(height), max(face.y0 + 6 * face_height, 1.0)),
        score=face.score,
    )
