"""A short video of a real face for machines without any video: an animated portrait photograph."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write_portrait_video(path: Path, frames: int = 75, rate: int = 25) -> Path:
    """Pan, turn and zoom scikit-image's ``astronaut`` (NASA, public domain) into a video.

    Pose and face are found in it; the hands are not in the picture.

    Args:
        path: of the MP4 file, made anew.
        frames: length.
        rate: frames a second.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, rate)
        for picture in _pictures(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _pictures(frames: int) -> list[npt.NDArray[np.uint8]]:
    import cv2
    from skimage.data import astronaut

    photograph = astronaut()
    height, width = photograph.shape[:2]
    pictures = []
    for i in range(frames):
        phase = 2 * math.pi * i / frames
        turn = cv2.getRotationMatrix2D(
            (width / 2, height / 2), 3 * math.sin(phase), 1.05 + 0.04 * math.sin(2 * phase)
        )
        turn[:, 2] += (8 * math.sin(phase), 5 * math.sin(2 * phase))
        moved = cv2.warpAffine(photograph, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        pictures.append(np.asarray(moved, dtype=np.uint8))
    return pictures
