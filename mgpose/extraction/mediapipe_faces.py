"""A people detector that MediaPipe's wheel carries: faces, widened to upper bodies."""

from __future__ import annotations

from typing import Any

import numpy as np

from mgpose.extraction.roles import Box, Image


class MediaPipeFaceDetector:
    """People by their faces, BlazeFace full range (Bazarevsky et al., 2019), up to about 5 m.

    The image is continued beyond its left and right edge by its mirror image, which makes whole a
    face that the edge cuts: in the clip ``bird`` of Intel's sign videos the half face at the edge
    is found in every frame so and in none without. A mirror image lies outside of the frame and is
    dropped. Faces seen from behind or in profile may be missed.

    Each box holds an upper body: 4 face widths wide, from the top of the head 6 face heights down.
    """

    def __init__(self) -> None:
        from mediapipe.python.solutions.face_detection import FaceDetection

        self._model: Any = FaceDetection(model_selection=1, min_detection_confidence=0.6)

    def detect(self, image: Image) -> list[Box]:
        """See :class:`mgpose.extraction.roles.Detector`."""
        width = image.shape[1]
        margin = width // 4
        wide = np.pad(image, ((0, 0), (margin, margin), (0, 0)), mode="symmetric")
        boxes = []
        for found in self._model.process(np.ascontiguousarray(wide)).detections or []:
            face = found.location_data.relative_bounding_box
            x = (face.xmin + face.width / 2) * wide.shape[1] - margin
            reach = face.width * wide.shape[1]
            # A cut face and its mirror image make one face whose middle is the edge itself.
            if -0.25 * reach <= x <= width + 0.25 * reach:
                boxes.append(_upper_body(x, face, reach, image))
        return boxes

    def close(self) -> None:
        """See :class:`mgpose.extraction.roles.Detector`."""
        self._model.close()


def _upper_body(x: float, face: Any, face_width: float, image: Image) -> Box:
    height, width = image.shape[:2]
    top, face_height = face.ymin * height, face.height * height
    return Box(
        x0=max(0.0, min(x - 2 * face_width, width - 1.0)),
        y0=max(0.0, min(top - 0.5 * face_height, height - 1.0)),
        x1=min(float(width), max(x + 2 * face_width, 1.0)),
        y1=min(float(height), max(top + 6 * face_height, 1.0)),
    )
