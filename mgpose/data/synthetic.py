"""A synthetic corpus of press-interview-like poses, labelled with micro-gestures and emotions.

It stands in for data that may not be shipped: for the demo, for tests and for measuring speed. The
labels follow from the generator's own rules, the emotion labels from a stated shift of the mix, the
tempo and the head's height; results on it say nothing about people and are never a headline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.data.synthetic_body import Floats
from mgpose.data.synthetic_gestures import GESTURES
from mgpose.data.synthetic_motion import FPS, Event, perform, sample_style, timetable
from mgpose.io.importers.import_pose import write_store
from mgpose.io.importers.imported_pose import ImportedPose
from mgpose.structures import UPPER_BODY_HANDS_FACE, Annotation, InputError, PoseSequence

FRAME_SIZE = (1280, 720)
EMOTIONS = ("negative", "positive")
_VERSION = "1"  # raise it when the same seed gives other poses


@dataclass(frozen=True)
class Noise:
    """What measuring does to the poses; figures of a real press conference guide the defaults.

    Args:
        jitter: standard deviation of each coordinate at full confidence, shoulder widths.
        hand_missing: share of the frames in which a hand is not detected.
        jump: probability, per hand and frame, that the whole hand is misplaced.
        label_shift: standard deviation of an annotator's start and stop, frames.
    """

    jitter: float = 0.003
    hand_missing: float = 0.3
    jump: float = 0.002
    label_shift: float = 2.0

    def __post_init__(self) -> None:
        if min(self.jitter, self.jump, self.label_shift) < 0 or not 0 <= self.hand_missing < 1:
            raise ValueError(f"noise must not be negative and hand_missing below 1, got {self}")


NO_NOISE = Noise(jitter=0, hand_missing=0, jump=0, label_shift=0)


@dataclass(frozen=True)
class SyntheticCorpus:
    """Videos of subjects who sit, talk and make micro-gestures; iterating makes them anew.

    The same arguments give the same videos, and a subject's videos do not depend on how many
    other subjects there are.

    Args:
        subjects: number of people, each with own proportions, tempo, amplitude and habits.
        videos_per_subject: at least 1; the emotion label alternates.
        gestures_per_video: at least 1.
        classes: labels to choose from, keys of ``GESTURES``.
        seed: of everything random.
        noise: what measuring adds.

    Raises:
        InputError: for an unknown class or a number below 1.
    """

    subjects: int = 12
    videos_per_subject: int = 4
    gestures_per_video: int = 12
    classes: tuple[str, ...] = tuple(GESTURES)
    seed: int = 0
    noise: Noise = field(default_factory=Noise)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.classes) - set(GESTURES))
        if unknown or not self.classes:
            raise InputError(f"synthetic classes {unknown} unknown; known: {', '.join(GESTURES)}")
        if min(self.subjects, self.videos_per_subject, self.gestures_per_video) < 1:
            raise InputError(f"a synthetic corpus needs at least one of each, got {self}")

    def __len__(self) -> int:
        return self.subjects * self.videos_per_subject

    def __iter__(self) -> Iterator[ImportedPose]:
        for subject in range(self.subjects):
            for video in range(self.videos_per_subject):
                yield self._video(subject, video)

    def _video(self, subject: int, video: int) -> ImportedPose:
        style = sample_style(np.random.default_rng([self.seed, subject]))
        rng = np.random.default_rng([self.seed, subject, video])
        # Alternating labels, so that each subject shows both and neither is guessed by counting.
        emotion = EMOTIONS[(subject + video) % 2]
        mood = 1.0 if emotion == "positive" else -1.0
        events, frames = timetable(rng, style, self.classes, self.gestures_per_video, mood)
        view = _View(
            yaw=0.25 * float(rng.standard_normal()),
            scale=float(rng.uniform(140, 190)),
            place=(640 + 110 * float(rng.standard_normal()), float(rng.uniform(290, 340))),
        )
        points = view.project(perform(rng, style, events, frames, mood))
        keypoints, scores = _measure(rng, points, view.scale, self.noise)
        name = f"synthetic_s{subject + 1:03d}"
        video_id = f"{name}_v{video + 1:02d}"
        sequence = PoseSequence(
            skeleton=UPPER_BODY_HANDS_FACE,
            keypoints=keypoints,
            scores=scores,
            time=np.arange(frames) / FPS,
            unit="pixel",
            time_source="rate",
            frame_size=FRAME_SIZE,
            subject=name,
        )
        shifts = self.noise.label_shift * rng.standard_normal((len(events), 2))
        labels = [
            _annotation(video_id, name, event, shift, frames)
            for event, shift in zip(events, shifts, strict=True)
        ]
        labels.append(Annotation(video_id, name, 0, frames / FPS, emotion, tier="emotion"))
        return ImportedPose(video_id, sequence, tuple(labels), self._recipe(subject, video))

    def _recipe(self, subject: int, video: int) -> str:
        """Hash of all that the video depends on; it stands for the source that does not exist."""
        recipe = (_VERSION, subject, video, self.gestures_per_video, self.classes, self.seed)
        return hashlib.sha256(repr((*recipe, self.noise)).encode()).hexdigest()


@dataclass(frozen=True)
class _View:
    """A camera: turned by ``yaw``, ``scale`` pixels a shoulder width, mid-shoulder at ``place``."""

    yaw: float
    scale: float
    place: tuple[float, float]

    def project(self, points: Floats) -> Floats:
        """(T, V, 3) in shoulder widths -> (T, V, 2) pixels, without perspective."""
        x = np.cos(self.yaw) * points[..., 0] + np.sin(self.yaw) * points[..., 2]
        return self.scale * np.stack([x, points[..., 1]], -1) + self.place


def _annotation(
    video: str, subject: str, event: Event, shift: npt.NDArray[np.float64], frames: int
) -> Annotation:
    """An event as an annotator would mark it, off by ``shift`` frames at start and stop."""
    start = int(np.clip(round(event.start + shift[0]), 0, frames - 2))
    stop = int(np.clip(round(event.stop + shift[1]), start + 1, frames))
    return Annotation(video, subject, start / FPS, stop / FPS, event.label, annotator="synthetic")


def _measure(
    rng: np.random.Generator, points: Floats, scale: float, noise: Noise
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What an estimator would give: (T, V, 2) keypoints with gaps and errors, (T, V) scores."""
    layout, frames = UPPER_BODY_HANDS_FACE, len(points)
    keypoints = points.copy()
    scores = np.clip(rng.beta(18, 1.5, points.shape[:2]), 0.05, 1)
    # In most videos a table hides the hips; elsewhere they are a guess.
    hip = layout.index("mid_hip")
    scores[:, hip] *= 0.5
    hidden = np.zeros(scores.shape, bool)
    hidden[:, hip] = noise.hand_missing > 0 and rng.random() < 0.6
    video_missing = np.clip(noise.hand_missing * rng.uniform(0.5, 1.5), 0, 0.9)
    for side in ("left", "right"):
        hand = layout.indices(layout.parts[f"{side}_hand"])
        missing = _runs(rng, frames, video_missing)
        hidden[np.ix_(missing, hand)] = True
        scores[:, hand] *= rng.uniform(0.6, 1, (frames, 1))
        scores[missing, layout.index(f"{side}_wrist")] *= 0.6
        jumps = np.flatnonzero(rng.random(frames) < noise.jump)
        keypoints[np.ix_(jumps, hand)] += 0.4 * scale * rng.standard_normal((len(jumps), 1, 2))
        # An estimator often, not always, doubts what it misplaces.
        scores[np.ix_(jumps, hand)] *= rng.uniform(0.2, 1, (len(jumps), 1))
    spread = noise.jitter * scale * (1 + 2 * (1 - scores))
    keypoints += spread[..., None] * rng.standard_normal(keypoints.shape)
    keypoints[hidden], scores[hidden] = np.nan, 0
    return keypoints.astype(np.float32), scores.astype(np.float32)


def _runs(rng: np.random.Generator, frames: int, share: float) -> npt.NDArray[np.bool_]:
    """(frames,) True in runs of about ten frames that fill about ``share`` of the time."""
    if share == 0:
        return np.zeros(frames, bool)
    gone, seen = 10.0, 10.0 * (1 - share) / share
    count = 2 + int(2 * frames / (gone + seen))
    lengths = rng.exponential((gone, seen), (count, 2)).astype(int) + 1
    flags = np.repeat(np.tile([True, False], count), lengths.ravel())
    # Start somewhere inside, so that videos do not all begin with a gap.
    flags = np.roll(flags, int(rng.integers(len(flags))))
    return np.resize(flags, frames)


def write_synthetic(corpus: SyntheticCorpus, out: str | Path) -> int:
    """Write a corpus as a store with ``annotations.csv``: tiers ``gesture`` and ``emotion``.

    Returns:
        Number of videos.

    Raises:
        InputError: when the store holds other poses under the same ids.
    """
    return write_store(
        corpus,
        Path(out),
        estimator="synthetic",
        estimator_version=_VERSION,
        total=len(corpus),
    )
