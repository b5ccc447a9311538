"""Two and more real people in one video: whose keypoints are they?

A person is cut out of one of Intel's sign videos by MediaPipe's selfie segmentation, and laid,
moved and scaled, over the room that they share. The poses of each clip on its own, moved and scaled
alike, are the truth. ``python tests/test_two_people.py DATA [SCENE...]`` prints the table.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mgpose.structures import FrameFlag

RATE, FRAMES = 30, 180
WIDTH, HEIGHT = 848, 480
ANNA, BERT, CARL, DORA, EMIL = "walk", "again", "sister", "hungry", "thanks"  # five people
NOSE, SHOULDERS, HAND_ROOTS, WRISTS = 0, [11, 12], [501, 522], [15, 16]
NEAR = 0.5  # shoulder widths between a pose and the truth


@dataclass(frozen=True)
class Place:
    """Where the 640 x 480 pixels of a clip lie: middle of the upper edge, and size."""

    x: float
    scale: float = 1.0


Layer = tuple[str, Callable[[int], Place | None]]


@dataclass(frozen=True)
class Scene:
    """Layers from back to front, the clip of the first subject, and the people who take over."""

    layers: tuple[Layer, ...]
    subject: str
    then: tuple[str, ...] = ()


def still(x: float, scale: float = 1.0, start: int = 0, stop: int = FRAMES):
    return lambda i: Place(x, scale) if start <= i < stop else None


def slide(x0: float, x1: float, start: int, stop: int, scale: float = 1.0):
    return lambda i: Place(float(np.interp(i, (start, stop), (x0, x1))), scale)


def both(first, second, cut: int):
    return lambda i: (first if i < cut else second)(i)


OUT = 1100.0  # beyond the right edge
LEFT, RIGHT = 220.0, 620.0
SCENES = {
    "side by side": Scene(((BERT, still(LEFT)), (ANNA, still(RIGHT, 0.8))), BERT),
    "the other leaves": Scene(((BERT, still(LEFT)), (ANNA, slide(RIGHT, OUT, 40, 80))), BERT),
    "the other enters, larger": Scene(
        ((BERT, still(LEFT)), (ANNA, slide(OUT, 640, 30, 80, 1.25))), BERT
    ),
    "the subject leaves": Scene(
        ((ANNA, still(LEFT, 0.8)), (BERT, slide(560, OUT, 40, 80))), BERT, (ANNA,)
    ),
    "the subject is cut out and in": Scene(
        ((ANNA, still(LEFT, 0.8)), (BERT, both(still(560), still(560, start=90), 60))),
        BERT,
        (ANNA,),
    ),
    "the subject walks out and in": Scene(
        (
            (ANNA, still(LEFT, 0.8)),
            (BERT, both(slide(560, OUT, 40, 75), slide(OUT, 560, 90, 125), 82)),
        ),
        BERT,
    ),
    "the other crosses in front": Scene(
        ((BERT, still(424)), (ANNA, slide(OUT, -250, 20, 140))), BERT
    ),
    "the other crosses behind": Scene(
        ((ANNA, slide(OUT, -250, 20, 140, 0.9)), (BERT, still(424))), BERT
    ),
    "the subject crosses behind": Scene(
        ((BERT, slide(300, 800, 40, 100)), (ANNA, still(560, 0.8))), BERT
    ),
    "both cross": Scene(
        ((CARL, slide(640, 200, 50, 110, 0.9)), (BERT, slide(240, 640, 50, 110))), BERT
    ),
    "seats swapped by a cut": Scene(
        (
            (ANNA, both(still(RIGHT), still(LEFT), 90)),
            (BERT, both(still(LEFT), still(RIGHT), 90)),
        ),
        BERT,
        (ANNA,),
    ),
    "another one in the seat by a cut": Scene(
        ((DORA, still(424, start=90)), (BERT, still(424, stop=90))), BERT, (DORA,)
    ),
    "somebody else opens": Scene(
        ((CARL, still(300, stop=30)), (BERT, still(500, start=30))), CARL, (BERT,)
    ),
    "a small one in the background": Scene(
        ((CARL, slide(250, 600, 20, 160, 0.45)), (BERT, still(424))), BERT
    ),
    "three people": Scene(
        ((CARL, still(140, 0.7)), (DORA, slide(OUT, 690, 40, 90, 0.8)), (BERT, still(424))), BERT
    ),
}


# Composition.


@cache
def clip(data: Path, name: str) -> list[np.ndarray]:
    from mgpose.io.video import VideoReader

    with VideoReader(data / f"videos/intel-asl/{name}.mkv") as reader:
        return [frame.image for frame in reader if frame.image is not None]


def turn(i: int, count: int) -> int:
    """The clip's frame at frame ``i``: to and fro, so that nothing jumps."""
    return count - 1 - abs(i % (2 * count - 2) - count + 1)


@cache
def cutouts(data: Path, name: str) -> list[np.ndarray]:
    """(480, 640) opacity of the person in each frame, in [0, 1]."""
    import cv2
    from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

    with SelfieSegmentation(model_selection=0) as model:
        masks = [model.process(image).segmentation_mask for image in clip(data, name)]
    return [
        cv2.GaussianBlur(np.clip(2 * m - 0.5, 0, 1).astype(np.float32), (5, 5), 0) for m in masks
    ]


@cache
def room(data: Path) -> np.ndarray:
    """The room without people: the median of four clips where nobody stands."""
    import cv2

    pictures = []
    for name in (ANNA, BERT, CARL, EMIL):
        image = clip(data, name)[0].astype(np.float32)
        person = cv2.dilate(cutouts(data, name)[0], np.ones((41, 41))) > 0.2
        image[person] = np.nan
        pictures.append(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        empty = np.nanmedian(pictures, axis=0)
    hidden = np.isnan(empty[..., 0]).astype(np.uint8)
    empty = np.nan_to_num(empty).astype(np.uint8)
    return cv2.resize(cv2.inpaint(empty, hidden, 9, cv2.INPAINT_TELEA), (WIDTH, HEIGHT))


def placed(place: Place) -> np.ndarray:
    """(2, 3) matrix from the pixels of a clip to those of the scene; feet stay on the floor."""
    return np.array(
        [[place.scale, 0, place.x - 320 * place.scale], [0, place.scale, 480 * (1 - place.scale)]]
    )


def compose(data: Path, scene: Scene) -> Iterator[np.ndarray]:
    import cv2

    for i in range(FRAMES):
        picture = room(data).astype(np.float32)
        for name, place in scene.layers:
            if (at := place(i)) is None:
                continue
            images, masks = clip(data, name), cutouts(data, name)
            k, matrix = turn(i, len(images)), placed(at)
            image, mask = (
                cv2.warpAffine(a.astype(np.float32), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
                for a in (images[k], masks[k])
            )
            picture += mask[..., None] * (image - picture)
        yield np.clip(picture, 0, 255).astype(np.uint8)


# Truth and measurement.


@cache
def solo(data: Path, name: str) -> np.ndarray:
    """(T, 543, 2) keypoints of a clip on its own."""
    from mgpose.extraction.estimators.mediapipe_holistic import MediaPipeHolistic
    from mgpose.extraction.roles import View

    model = MediaPipeHolistic()
    found = np.concatenate([model.estimate([View(image)])[0] for image in clip(data, name)])
    model.close()
    return found


def truth(data: Path, scene: Scene) -> dict[str, np.ndarray]:
    """Keypoints (T, 543, 2) of each person in the scene, NaN where they are not in the picture."""
    people = {}
    for name, place in scene.layers:
        poses = solo(data, name)
        people[name] = np.full((FRAMES, 543, 2), np.nan)
        for i in range(FRAMES):
            at = place(i)
            if at is not None and -60 < at.x < WIDTH + 60:
                matrix = placed(at)
                people[name][i] = poses[turn(i, len(poses))] @ matrix[:, :2].T + matrix[:, 2]
    return people


def whose(keypoints: np.ndarray, people: dict[str, np.ndarray]) -> list[str | None]:
    """For each frame the person whose pose it is; "?" for nobody's, None without keypoints."""
    owners: list[str | None] = []
    for i, pose in enumerate(keypoints):
        if np.isnan(pose[NOSE]).any():
            owners.append(None)
            continue
        distance = {n: apart(pose, true[i]) for n, true in people.items()}
        nearest = min(distance, key=lambda name: distance[name])
        owners.append(nearest if distance[nearest] < NEAR else "?")
    return owners


def apart(pose: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of nose and shoulders in shoulder widths, infinite without a truth."""
    points = [NOSE, *SHOULDERS]
    width = np.linalg.norm(true[SHOULDERS[0]] - true[SHOULDERS[1]])
    distance = np.linalg.norm(pose[points] - true[points], axis=1).mean() / width
    return float(distance) if np.isfinite(distance) else np.inf


@dataclass(frozen=True)
class Verdict:
    """Frames on the subject, on another after a flag, on another without one, without keypoints,
    and with another's hands; flags at changes of person, and others.
    """

    subject: int
    flagged: int
    unflagged: int
    nobody: int
    foreign_hands: int
    switches: int
    alarms: int


def judge(
    keypoints: np.ndarray, ledger: np.ndarray, people: dict[str, np.ndarray], scene: Scene
) -> Verdict:
    """A frame is flagged when a flag stands between it and the last frame on the person before."""
    owners = whose(keypoints, people)
    flags = (ledger & FrameFlag.SUBJECT_SWITCHED) != 0
    current, fresh = scene.subject, False
    counts = dict.fromkeys(("subject", "flagged", "unflagged", "nobody"), 0)
    alarms = switches = 0
    for owner, flag in zip(owners, flags, strict=True):
        alarms += flag
        fresh |= flag
        if owner is None:
            counts["nobody"] += 1
            continue
        if owner != current and owner != "?" and fresh:
            current, switches = owner, switches + 1
        right = "subject" if current == scene.subject else "flagged"
        counts[right if owner == current else "unflagged"] += 1
        fresh = False
    return Verdict(
        **counts,
        foreign_hands=sum(foreign_hands(keypoints, people, owners)),
        switches=switches,
        alarms=int(alarms) - switches,
    )


def foreign_hands(keypoints, people, owners) -> Iterator[bool]:
    """Whether a hand lies nearer to another person's wrists than to the owner's."""
    for i, owner in enumerate(owners):
        if owner in people:
            hands = keypoints[i, HAND_ROOTS]
            hands = hands[np.isfinite(hands[:, 0])]
            reach = {
                name: np.linalg.norm(hands[:, None] - true[i, WRISTS], axis=2).min(axis=1)
                for name, true in people.items()
                if np.isfinite(true[i, NOSE]).all()
            }
            others = [r for name, r in reach.items() if name != owner]
            if others and owner in reach:
                yield bool((np.min(others, axis=0) < reach[owner] / 2).any())


def extract(video: Path, folder: Path, name: str):
    from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
    from mgpose.extraction.estimators.mediapipe_holistic import mediapipe_method
    from mgpose.extraction.extract import extract_video
    from mgpose.io.pose_file import PoseFile

    folder.mkdir(exist_ok=True)
    extract_video(video, folder, name, mediapipe_method(EstimatorSettings()), "0" * 64)
    with PoseFile(folder / f"{name}.h5") as file:
        return file.read()


def measure(data: Path, folder: Path, title: str) -> Verdict:
    scene, name = SCENES[title], file_name(title)
    video = encode(folder / f"{name}.mp4", compose(data, scene))
    sequence = extract(video, folder / "store", name)
    return judge(sequence.keypoints, sequence.ledger, truth(data, scene), scene)


def file_name(title: str) -> str:
    return title.replace(" ", "-").replace(",", "")


def encode(path: Path, images: Iterator[np.ndarray]) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=RATE, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


# Tests.


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("title", SCENES)
def test_every_pose_is_the_subjects_or_flagged(real_data, tmp_path, title):
    pytest.importorskip("mediapipe")
    verdict, scene = measure(real_data, tmp_path, title), SCENES[title]
    assert verdict.unflagged == 0
    assert verdict.switches >= len(scene.then)
    assert bool(verdict.flagged) == bool(scene.then)
    if not scene.then:
        assert verdict.alarms == 0
        assert verdict.subject >= 0.7 * FRAMES
    assert verdict.foreign_hands <= 0.05 * FRAMES


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", ["bird", "student"])
def test_people_at_the_edge_change_nothing(real_data, tmp_path, name):
    pytest.importorskip("mediapipe")
    sequence = extract(real_data / f"videos/intel-asl/{name}.mkv", tmp_path / "store", name)
    np.testing.assert_array_equal(sequence.keypoints, solo(real_data, name).astype(np.float32))
    several = (sequence.ledger & FrameFlag.SEVERAL_PEOPLE) != 0
    assert several.mean() > 0.6
    assert not (sequence.ledger & FrameFlag.SUBJECT_SWITCHED).any()


def test_the_judge_sees_each_kind_of_frame():
    """Two people who stand apart, and poses of the one, the other, nobody, and none."""
    person = np.zeros((543, 2))
    person[[NOSE, *SHOULDERS]] = (0, 0), (50, 60), (-50, 60)
    people = {name: person + np.array([[[x, 0]]] * 6) for name, x in (("a", 0), ("b", 400))}
    shown = person + np.array([[[x, 0]] for x in (0, 10, 200, 400, 0, 10)])
    shown[4] = np.nan
    ledger = np.ones(6, np.uint16)
    assert whose(shown, people) == ["a", "a", "?", "b", None, "a"]
    scene = Scene((), "a")
    verdict = judge(shown, ledger, people, scene)
    assert (verdict.subject, verdict.unflagged, verdict.nobody) == (3, 2, 1)
    ledger[3] |= FrameFlag.SUBJECT_SWITCHED
    verdict = judge(shown, ledger, people, scene)
    assert (verdict.flagged, verdict.unflagged, verdict.switches, verdict.alarms) == (1, 2, 1, 0)
    ledger[1] |= FrameFlag.SUBJECT_SWITCHED
    assert judge(shown, ledger, people, scene).alarms == 1


def main() -> None:
    from mgpose.extraction.overlay import write_contact_sheet

    data = Path(sys.argv[1])
    folder = Path(tempfile.mkdtemp(prefix="two-people-"))
    print(f"{'scene':38s}  subject flagged unflagged nobody hands switches alarms  ({folder})")
    for title in sys.argv[2:] or SCENES:
        counts = astuple(measure(data, folder, title))
        print(f"{title:38s}  " + " ".join(f"{count:7d}" for count in counts), flush=True)
        video = folder / f"{file_name(title)}.mp4"
        poses = folder / "store" / f"{video.stem}.h5"
        write_contact_sheet(video, poses, video.with_suffix(".png"), 24, 6)


if __name__ == "__main__":
    main()
