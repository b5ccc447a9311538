"""SYNTHETIC data sets in the file layouts of the releases, with official ids; nobody was filmed.

Poses are a fixed person whose left wrist circles at a pace of the class, so that files hold
numbers of the right shape and order, and nothing more.
"""

import csv
import json
import pickle
from pathlib import Path

import numpy as np

from mgpose.data.imigue_protocols import (
    EMOTION_TEST_VIDEOS,
    EMOTION_TRAIN_VIDEOS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    VALIDATION_VIDEOS,
)
from mgpose.io.importers.ma52 import body_part

IMIGUE_FILE_IDS = (7, 11, 12, 23, 24, 31, 99)
LABEL_COLUMNS = (
    "video_id", "label_id", "start_time", "start_frame", "end_time", "end_frame", "class",
    "subject_id", "subject_gender", "subject_nationality", "win_or_lose",
)  # fmt: skip
SMG_SUBJECTS = (1, 2, 3, 34, 35, 36, 38, 40)
SMG_CLASSES = (1, 2, 5, 8, 11, 16, 17)
MA52_ACTIONS = (0, 9, 13, 26, 36, 41, 50)
GESTURE_FRAMES, IMIGUE_FRAMES = 8, 4
FPS = 25


def imigue_videos() -> list[tuple[int, int, str]]:
    """Number, subject and outcome of every video that an official list names, 206 in all.

    Numbers of videos and subjects are the official ones; who is in which video is made up, so that
    each subject has a video, those of the validation videos train, and 8 and 49 are one person's.
    """
    videos = sorted({*VALIDATION_VIDEOS, *EMOTION_TRAIN_VIDEOS, *EMOTION_TEST_VIDEOS})
    rest = [video for video in videos if video not in (*VALIDATION_VIDEOS, 49)]
    people = (*TRAIN_SUBJECTS, *TEST_SUBJECTS)
    subject = {video: people[k % len(people)] for k, video in enumerate(rest)}
    subject |= {video: TRAIN_SUBJECTS[k] for k, video in enumerate(VALIDATION_VIDEOS)}
    subject[49] = subject[8]
    outcome = {video: ("win", "lose")[k // 3 % 2] for k, video in enumerate(videos)}
    outcome |= {8: "win", 49: "lose"}
    return [(video, subject[video], outcome[video]) for video in videos]


def poses(keypoints: int, dims: int, classes: list[int], seed: int, frames: int) -> np.ndarray:
    """(T, V, D): one gesture of so many frames after the other, and this video's own sway."""
    person = np.random.default_rng(4).uniform(0.2, 0.8, (keypoints, dims))
    rng = np.random.default_rng(seed)
    time = np.arange(frames * len(classes))[:, None, None]
    pace, phase = rng.uniform(0.1, 0.5, (keypoints, dims)), rng.uniform(0, 6, (keypoints, dims))
    points = person + 0.03 * np.sin(pace * time + phase)
    for number, kind in enumerate(classes):
        span = slice(frames * number, frames * (number + 1))
        turn = np.arange(frames) * (kind + 1) / 7
        points[span, 7, 0] += 0.2 * np.cos(turn)
        points[span, 7, 1] += 0.2 * np.sin(turn)
    return points + rng.normal(0, 0.004, points.shape)


def gestures(number: int, count: int = 7) -> list[int]:
    """Places of a video's classes in the list of seven, in a turned order."""
    return [(number + k) % 7 for k in range(count)]


def imigue_gestures(video: int) -> list[tuple[int, int, int]]:
    """File id, first and last frame of a video's two gestures, frames from 0."""
    size = IMIGUE_FRAMES
    return [
        (IMIGUE_FILE_IDS[place], size * k, size * (k + 1) - 1)
        for k, place in enumerate(gestures(video, 2))
    ]


def openpose_rows(video: int) -> np.ndarray:
    """(T, 411) x, y in pixels and confidence."""
    points = 1000 * poses(137, 2, gestures(video, 2), video, IMIGUE_FRAMES)
    scores = np.full((*points.shape[:2], 1), 0.8)
    return np.concatenate([points, scores], axis=2).round(2).reshape(len(points), -1)


def write_imigue_labels(path: Path) -> Path:
    """The label file of iMiGUE: frames from 0, both inclusive, times finer than a second."""
    rows = []
    for video, subject, outcome in imigue_videos():
        for number, (kind, first, last) in enumerate(imigue_gestures(video), start=1):
            times = [f"00:{frame / FPS:05.2f}" for frame in (first, last)]
            rows.append([video, number, times[0], first, times[1], last, kind, subject, "F", "X",
                         outcome])  # fmt: skip
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([LABEL_COLUMNS, *rows])
    return path


def write_openpose_json(folder: Path) -> Path:
    """One JSON file a frame, a folder a video."""
    for video, _, _ in imigue_videos():
        place = folder / f"{video:04d}"
        place.mkdir(parents=True)
        for frame, row in enumerate(openpose_rows(video)):
            body, face, left, right = np.split(row, [75, 285, 348])
            person = {
                "person_id": [-1],
                "pose_keypoints_2d": body.tolist(),
                "face_keypoints_2d": face.tolist(),
                "hand_left_keypoints_2d": left.tolist(),
                "hand_right_keypoints_2d": right.tolist(),
            }
            name = f"{video:04d}_{frame:012d}_keypoints.json"
            (place / name).write_text(json.dumps({"version": 1.3, "people": [person]}))
    return folder


def write_miga(folder: Path, videos: tuple[int, ...]) -> Path:
    """A folder a video with an Excel table, the light hand and the labels; 347, 348 are empty."""
    import openpyxl

    for video in videos:
        place = folder / f"{video:04d}"
        place.mkdir(parents=True)
        rows = openpose_rows(video)
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row.tolist())
        book.save(place / f"{video:04d}_openpose.xlsx")
        light = np.concatenate([np.arange(len(rows))[:, None], rows[:, :105]], axis=1)
        np.savetxt(place / f"{video:04d}_light_hand.csv", light, fmt="%g", delimiter=",")
        labels = [f"{kind},{first},{last}\n" for kind, first, last in imigue_gestures(video)]
        (place / f"{video:04d}_label.csv").write_text("".join(labels))
    for video in ("0347", "0348"):
        (folder / video).mkdir()
        for name in ("openpose.xlsx", "light_hand.csv", "label.csv"):
            (folder / video / f"{video}_{name}").touch()
    return folder


def write_smg(folder: Path) -> Path:
    """Samples of 25 joints x 11 numbers a frame in metres, labels counted from 1."""
    for subject in SMG_SUBJECTS:
        name = f"Sample{subject:04d}"
        place = folder / name
        place.mkdir(parents=True)
        points = poses(25, 3, gestures(subject), subject, GESTURE_FRAMES) + np.array([0, 0, 2])
        rest = np.ones((*points.shape[:2], 8))
        rows = np.concatenate([points, rest], axis=2).reshape(len(points), -1)
        np.savetxt(place / f"{name}_skeleton.csv", rows, fmt="%.5f", delimiter=",")
        labels = [
            f"{SMG_CLASSES[k]},{GESTURE_FRAMES * i + 1},{GESTURE_FRAMES * (i + 1)}\n"
            for i, k in enumerate(gestures(subject))
        ]
        (place / f"{name}_finelabels.csv").write_text("".join(labels))
        (place / f"{name}_data.csv").write_text(f"{len(points)},28,8000\n")
    return folder


def ma52_clips() -> dict[str, list[tuple[str, int]]]:
    """Part -> clip and place of its class; names of the test part tell nobody."""
    train = [(f"{person:04d}_01_{k:04d}", k) for person in (3, 10, 30) for k in range(7)]
    val = [(f"{person:04d}_02_{k:04d}", k) for person in (10, 35) for k in range(7)]
    return {"train": train, "val": val, "test": [(f"test{k:04d}", k) for k in range(7)]}


def write_ma52(folder: Path, test_labels: bool = False) -> Path:
    """Lists, and a pickle of whole-body poses; the public test list gives every clip a 0."""
    folder.mkdir(parents=True)
    entries = []
    for part, clips in ma52_clips().items():
        hidden = part == "test" and not test_labels
        lines = [f"{name}.mp4 {0 if hidden else MA52_ACTIONS[k]}\n" for name, k in clips]
        (folder / f"{part}_list_videos.txt").write_text("".join(lines))
        for name, k in clips:
            points = 500 * poses(133, 2, [k], len(entries), GESTURE_FRAMES)
            entries.append(
                {
                    "frame_dir": name,
                    "img_shape": (500, 500),
                    "total_frames": len(points),
                    "keypoint": points[None].astype(np.float32),
                    "keypoint_score": np.full((1, *points.shape[:2]), 0.8, np.float32),
                }
            )
    assert len({body_part(action) for action in MA52_ACTIONS}) == 7
    (folder / "poses.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": entries}))
    return folder
