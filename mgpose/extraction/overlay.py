"""Keypoints drawn onto the frames, so that people can judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mgpose.extraction.roles import Image
from mgpose.io.pose_file import PoseFile
from mgpose.io.video import VideoReader
from mgpose.structures import UPPER_BODY_HANDS_FACE, FrameFlag, convert

# Blue, green, red.
PART_COLOURS = {
    "body": (255, 255, 255),
    "left_hand": (80, 220, 0),
    "right_hand": (0, 0, 255),
    "face": (255, 200, 0),
}
_FLAG_LETTERS = {
    FrameFlag.NO_PERSON: "no person",
    FrameFlag.SEVERAL_PEOPLE: "several",
    FrameFlag.SUBJECT_SWITCHED: "switched",
    FrameFlag.REPAIRED: "repaired",
}


def draw_keypoints(image: Any, keypoints: Any, scores: Any) -> None:
    """Draw onto a BGR image: body white, left hand green, right hand red, face blue.

    Args:
        image: (H, W, 3) uint8, changed.
        keypoints: (68, 2) pixels in ``UPPER_BODY_HANDS_FACE``, NaN where not found.
        scores: (68,); below 0.5 a keypoint and its edges are drawn thin.
    """
    import cv2

    skeleton = UPPER_BODY_HANDS_FACE
    colours = [PART_COLOURS[part] for part in skeleton.parts]
    for a, b in skeleton.edge_indices:
        if np.isfinite(keypoints[[a, b]]).all():
            start, stop = (tuple(int(x) for x in np.rint(keypoints[v])) for v in (a, b))
            sure = min(scores[a], scores[b]) >= 0.5
            colour = colours[skeleton.part_of[b]]
            cv2.line(image, start, stop, colour, 2 if sure else 1, cv2.LINE_AA)
    for v in np.flatnonzero(np.isfinite(keypoints[:, 0])):
        point = tuple(int(x) for x in np.rint(keypoints[v]))
        cv2.circle(image, point, 2, colours[skeleton.part_of[v]], -1, cv2.LINE_AA)


def write_contact_sheet(
    video: Path, pose_file: Path, picture: Path, count: int = 12, columns: int = 4
) -> None:
    """A PNG of evenly spaced frames with their keypoints, numbers and flags.

    Args:
        video: the video.
        pose_file: its poses, in a layout that converts to ``UPPER_BODY_HANDS_FACE``.
        picture: where to write.
        count: number of frames.
        columns: frames in a row.
    """
    import cv2

    tiles: list[Image] = []
    with PoseFile(pose_file) as poses, VideoReader(video) as reader:
        frames = poses.header.frames
        wanted = set(np.linspace(0, frames - 1, min(count, frames)).astype(int).tolist())
        for number, frame in enumerate(reader):
            if number in wanted and frame.image is not None:
                pose = convert(poses.read(number, number + 1), UPPER_BODY_HANDS_FACE)
                image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
                draw_keypoints(image, pose.keypoints[0], pose.scores[0])
                tiles.append(_tile(image, number, frame.time, int(pose.ledger[0])))
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    blank = np.zeros_like(tiles[0])
    sheet = np.vstack([np.hstack(row + [blank] * (columns - len(row))) for row in rows])
    picture.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", sheet)
    if not done:
        raise OSError(f"{picture}: the picture cannot be encoded")
    picture.write_bytes(data.tobytes())


def _tile(image: Any, number: int, seconds: float, ledger: int) -> Image:
    import cv2

    height, width = image.shape[:2]
    tile = cv2.resize(image, (400, round(400 * height / width)))
    notes = ", ".join(text for flag, text in _FLAG_LETTERS.items() if ledger & flag)
    text = f"{number}  {seconds:.2f} s  {notes}"
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(tile, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness)
    return np.asarray(tile, dtype=np.uint8)
