"""Gestures of the synthetic generator acted out one by one, for laws about what they do."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from mgpose.data.synthetic import SyntheticCorpus
from mgpose.data.synthetic.perform import perform
from mgpose.data.synthetic.script import FPS, Event
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT

SEED, PEOPLE, SECONDS = 8, 8, 40
APART = 5  # seconds between two gestures, in which a new way of sitting fades

# Keypoints whose mean is the start, and steps outward, up and ahead in shoulder widths.
BROWS = "left_brow_inner right_brow_inner left_brow_outer right_brow_outer"
LANDMARKS = {
    "ear": ("own_ear", 0, 0, 0),
    "eye": ("own_eye", 0, 0, 0),
    "nose": ("nose_tip", 0, 0, 0),
    "cheek": ("own_eye_corner_outer own_mouth_corner own_ear nose_base", 0, 0, 0.05),
    "mouth corner": ("own_mouth_corner", 0.03, 0, 0.02),
    "mouth": ("upper_lip lower_lip", 0, 0, 0),
    "chin": ("chin", 0, 0, 0),
    "jaw": ("chin own_ear", 0, -0.08, 0),
    "forehead": (BROWS, 0, 0.08, 0.02),
    "brow": ("own_brow_outer", 0, 0.06, 0.02),
    "brim": (BROWS, 0, 0.19, 0.11),
    "side of the brim": (BROWS, 0.17, 0.18, 0.04),
    "crown": ("left_ear right_ear", 0.10, 0.35, 0.02),
    "back of the head": ("own_ear", -0.04, 0.13, -0.10),
    "temple": ("own_ear", -0.03, 0.24, 0.12),
    "hair": ("own_ear", 0, 0.20, -0.05),
    "lock": ("own_ear", 0.02, -0.13, 0.0),
    "throat": ("neck", 0.14, 0.17, 0.07),
    "other side of the throat": ("neck", -0.12, 0.17, 0.07),
    "nape": ("left_ear right_ear", 0.13, -0.23, -0.12),
    "collar": ("neck", 0.09, 0.04, 0.13),
    "tie": ("neck", 0, -0.16, 0.17),
    "notch": ("neck", 0, -0.03, 0.12),
    "chest": ("neck", 0, -0.28, 0.22),
    "other breast": ("neck", -0.24, -0.38, 0.22),
    "buckle": ("neck", 0, -1.12, 0.26),
    "lap": ("mid_hip", 0.25, 0.30, 0.40),
}


@dataclass(frozen=True)
class Clip:
    """One acted gesture.

    Args:
        event: as written in the script.
        points: (t, 70, 3) from its first frame to its last, shoulder widths.
        idle: (t, 70, 3) the same frames of the same video without any gesture.
        after: (k, 70, 3) what is left of it in the second after its end.
        hidden: side -> (t,) how far the hand is out of sight.
    """

    event: Event
    points: np.ndarray
    idle: np.ndarray
    after: np.ndarray
    hidden: dict[str, np.ndarray]

    @cached_property
    def held(self) -> slice:
        """Frames between the ways there and back."""
        return slice(
            int(np.ceil(self.event.rise)), len(self.points) - int(np.ceil(self.event.fall)) - 1
        )

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(act.side for act in self.event.hands)

    def at(self, *names: str) -> np.ndarray:
        """(t, 3) mean of some keypoints while the gesture is held."""
        return self.points[self.held][:, LAYOUT.indices(names)].mean(1)

    def idle_at(self, *names: str) -> np.ndarray:
        """(t, 3) the same without the gesture."""
        return self.idle[self.held][:, LAYOUT.indices(names)].mean(1)

    def hand(self, side: str, *names: str) -> np.ndarray:
        """(t, 3) mean of some points of one hand."""
        return self.at(*(f"{side}_{name}" for name in names))

    @cached_property
    def head(self) -> tuple[np.ndarray, ...]:
        """(t, 3) unit vectors of the head: to its left, up and ahead."""
        brows, chin = self.at("left_brow_inner", "right_brow_inner"), self.at("chin")
        return axes(self.at("left_ear") - self.at("right_ear"), brows - chin)

    @cached_property
    def trunk(self) -> tuple[np.ndarray, ...]:
        """(t, 3) unit vectors of the trunk: to its left, up and ahead."""
        left = self.at("left_shoulder") - self.at("right_shoulder")
        return axes(left, self.at("neck") - self.at("mid_hip"))

    def landmark(self, name: str, side: str) -> np.ndarray:
        """(t, 3) a place on the body."""
        keypoints, *steps = LANDMARKS[name]
        start = self.at(*(k.replace("own_", f"{side}_") for k in keypoints.split()))
        frame = self.trunk if keypoints in ("neck", "mid_hip") else self.head
        signs = (1 if side == "left" else -1, 1, 1)
        return start + sum(s * f * a for s, f, a in zip(steps, signs, frame, strict=True))

    def on_trunk(self, point: np.ndarray) -> np.ndarray:
        """(t, 3) left, up and ahead of the mid-shoulder."""
        return np.stack([((point - self.at("neck")) * a).sum(-1) for a in self.trunk], -1)


def axes(left: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, ...]:
    left = left / size(left)[:, None]
    up = up - (up * left).sum(-1, keepdims=True) * left
    up = up / size(up)[:, None]
    return left, up, np.cross(up, left)


def size(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def to_bone(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(t,) distance of a point from the line between two joints."""
    share = ((point - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1)
    return size(point - a - np.clip(share, 0, 1)[:, None] * (b - a))


def acted_points(label, number, events=None, seed=SEED):
    """(T, 70, 3) a person's video, and how far each hand is hidden; other events if given."""
    video = corpus_of(label, seed).video(number)
    script = video.script()
    if events is not None:
        script = dataclasses.replace(script, events=tuple(events))
    performance = perform(np.random.default_rng([seed, number]), video.subject, script)
    points = np.concatenate([block for _, block in performance.blocks(512)])
    return points, {side: hand.hidden for side, hand in performance.hands.items()}


@cache
def idle_points(number):
    """Idle movements are the same whatever the classes are."""
    return acted_points("head up", number, ())[0]


def corpus_of(label: str, seed: int = SEED) -> SyntheticCorpus:
    return SyntheticCorpus(
        PEOPLE, 1, SECONDS, gestures_per_minute=30, classes=(label,), level="clean", seed=seed
    )


def act_out(label: str, people: int = PEOPLE, change: Callable[[Event], Event] = lambda e: e):
    """The clips of a class, acted out by some people, each event changed."""
    corpus, clips = corpus_of(label), []
    for number in range(people):
        events: list[Event] = []
        for event in corpus.video(number).script().events:
            if not events or event.first > events[-1].last + APART * FPS:
                events.append(change(event))
        points, hidden = acted_points(label, number, events)
        idle = idle_points(number)
        for e in events:
            span, after = slice(e.first, e.last), slice(e.last, e.last + int(FPS))
            out = {side: track[span] for side, track in hidden.items()}
            clip = Clip(e, points[span], idle[span], points[after] - idle[after], out)
            if len(clip.points[clip.held]) >= 4:
                clips.append(clip)
    return clips


acted = cache(act_out)
