"""The synthetic corpus: videos of subjects who sit, talk and make micro-gestures.

It stands in for data that may not be shipped: for the demo, for tests and for measuring speed. It
stands in for structure, never for results: what comes from it says nothing about people.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mgpose.data.synthetic.camera import FRAME_SIZE, sample_camera
from mgpose.data.synthetic.gestures import GESTURES
from mgpose.data.synthetic.hand import SIDES
from mgpose.data.synthetic.measure import measure, sample_sensor
from mgpose.data.synthetic.noise import LEVELS, Noise
from mgpose.data.synthetic.perform import perform
from mgpose.data.synthetic.script import FPS, Event, Script, write_script
from mgpose.data.synthetic.subject import Subject, sample_subject
from mgpose.structures import (
    UPPER_BODY_HANDS_FACE,
    Annotation,
    FrameFlag,
    InputError,
    PoseSequence,
)
from mgpose.structures.micro_gestures import MICRO_GESTURES

VERSION = "2"  # raise it when the same seed gives other poses
EMOTIONS = ("negative", "positive")
MIXES = ("long-tail", "uniform")
_BLOCK = 256  # frames made at a time; the noise depends on it
# Numbers of the random streams of a video, so that each can be drawn without the others.
_SCRIPT, _LABELS, _MOTION, _CAMERA, _NOISE = range(1, 6)


@dataclass(frozen=True)
class SyntheticCorpus:
    """What to make. The same arguments give the same videos, on any machine.

    A video does not depend on how many others there are, so a corpus can be made larger.

    Args:
        subjects: number of people, each with own proportions, tempo, amplitude and habits.
        videos_per_subject: at least 1; the emotion label alternates.
        seconds: length of a video.
        gestures_per_minute: of an average person; each takes its time, so that no more than some
            17 fit in.
        mix: ``long-tail``, class frequencies as in iMiGUE, or ``uniform``.
        classes: labels to choose from, keys of ``GESTURES``.
        level: of the noise, a key of ``LEVELS``.
        seed: of everything random.

    Raises:
        InputError: for an unknown class, mix or level, or a number that is too small.
    """

    subjects: int = 24
    videos_per_subject: int = 4
    seconds: float = 180.0
    gestures_per_minute: float = 9.0
    mix: str = "long-tail"
    classes: tuple[str, ...] = tuple(GESTURES)
    level: str = "measured"
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.classes) - set(GESTURES))
        if unknown or not self.classes:
            raise InputError(f"synthetic classes {unknown} unknown; known: {', '.join(GESTURES)}")
        for name, value, known in (("mix", self.mix, MIXES), ("level", self.level, LEVELS)):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}; known: {', '.join(known)}")
        if min(self.subjects, self.videos_per_subject) < 1 or self.seed < 0:
            raise InputError(f"expected subjects and videos >= 1 and a seed >= 0, got {self}")
        if not 4 <= self.seconds <= 86400 or not 0 < self.gestures_per_minute <= 60:
            raise InputError(
                "expected 4 to 86400 seconds a video and up to 60 gestures a minute, got "
                f"{self.seconds} and {self.gestures_per_minute}"
            )

    def __len__(self) -> int:
        return self.subjects * self.videos_per_subject

    @property
    def noise(self) -> Noise:
        """What measuring adds."""
        return LEVELS[self.level]

    @property
    def frames(self) -> int:
        """Of a video."""
        return round(self.seconds * FPS)

    def weights(self) -> dict[str, float]:
        """Label -> its weight in the mix, before habits and emotion."""
        if self.mix == "uniform":
            return dict.fromkeys(self.classes, 1.0)
        share = {gesture.name: gesture.share for gesture in MICRO_GESTURES}
        return {label: share[label] for label in self.classes}

    def video(self, number: int) -> SyntheticVideo:
        """One of the videos, by its number from 0; it costs little until it is acted out.

        Raises:
            IndexError: when there is no such video.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"expected a video below {len(self)}, got {number}")
        return SyntheticVideo(self, *divmod(number, self.videos_per_subject))


@lru_cache(maxsize=64)
def _subject(seed: int, number: int) -> Subject:
    return sample_subject(np.random.default_rng([seed, number]))


@dataclass(frozen=True)
class SyntheticVideo:
    """A video of a corpus: number ``take`` of subject ``person``, both from 0."""

    corpus: SyntheticCorpus
    person: int
    take: int

    @property
    def subject_id(self) -> str:
        """As ``synthetic_s001``."""
        return f"synthetic_s{self.person + 1:03d}"

    @property
    def video_id(self) -> str:
        """As ``synthetic_s001_v01``."""
        return f"{self.subject_id}_v{self.take + 1:02d}"

    @property
    def subject(self) -> Subject:
        """Who acts."""
        return _subject(self.corpus.seed, self.person)

    @property
    def recipe(self) -> str:
        """Hash of all that the poses depend on; it stands for the source that does not exist."""
        corpus = self.corpus
        recipe = (
            *(VERSION, corpus.seed, self.person, self.take, corpus.frames, corpus.mix),
            *(float(corpus.gestures_per_minute), tuple(corpus.classes), corpus.noise),
        )
        return hashlib.sha256(repr(recipe).encode()).hexdigest()

    def script(self) -> Script:
        """What happens in the video."""
        # Labels alternate, so that each subject shows both and neither is guessed by counting.
        return write_script(
            self._rng(_SCRIPT),
            self.subject,
            self.corpus.weights(),
            self.corpus.frames,
            self.corpus.gestures_per_minute,
            EMOTIONS[(self.person + self.take) % 2],
        )

    def annotations(self, script: Script) -> tuple[Annotation, ...]:
        """The events as an annotator would mark them, in the script's order, and the emotion."""
        rng, frames = self._rng(_LABELS), script.frames
        shifts = self.corpus.noise.label_shift * rng.standard_normal((len(script.events), 2))
        labels = [
            self._annotation(event, shift, frames)
            for event, shift in zip(script.events, shifts, strict=True)
        ]
        whole = Annotation(
            self.video_id,
            self.subject_id,
            0,
            frames / FPS,
            script.emotion,
            tier="emotion",
            annotator="synthetic",
        )
        return (*labels, whole)

    def _annotation(self, event: Event, shift: np.ndarray, frames: int) -> Annotation:
        start = int(np.clip(round(event.start + shift[0]), 0, frames - 2))
        stop = int(np.clip(round(event.stop + shift[1]), start + 1, frames))
        return Annotation(
            self.video_id,
            self.subject_id,
            start / FPS,
            stop / FPS,
            event.label,
            annotator="synthetic",
        )

    def sequence(self, script: Script) -> PoseSequence:
        """The script acted out, filmed and measured: ``UPPER_BODY_HANDS_FACE`` in pixels."""
        performance = perform(self._rng(_MOTION), self.subject, script)
        camera = sample_camera(self._rng(_CAMERA), self.subject, script.frames)
        rng = self._rng(_NOISE)
        sensor = sample_sensor(rng, self.corpus.noise, script.frames)
        keypoints = np.empty((script.frames, len(UPPER_BODY_HANDS_FACE), 2), np.float32)
        scores = np.empty(keypoints.shape[:2], np.float32)
        for window, points in performance.blocks(_BLOCK):
            hidden = {side: performance.hands[side].hidden[window] for side in SIDES}
            keypoints[window], scores[window] = measure(
                rng,
                sensor,
                window,
                camera.project(points, window),
                points,
                camera.scale[window],
                hidden,
            )
        nobody = np.where((scores > 0).any(-1), 0, int(FrameFlag.NO_PERSON))
        return PoseSequence(
            skeleton=UPPER_BODY_HANDS_FACE,
            keypoints=keypoints,
            scores=scores,
            time=np.arange(script.frames) / FPS,
            unit="pixel",
            time_source="rate",
            frame_size=FRAME_SIZE,
            ledger=(int(FrameFlag.IMPORTED) | nobody).astype(np.uint16),
            subject=self.subject_id,
        )

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.corpus.seed, self.person, self.take, stream])
