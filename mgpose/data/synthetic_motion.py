"""From a timetable of gestures to the motion of one subject, without any measuring noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mgpose.data.synthetic_body import (
    EFFECTORS,
    SIDES,
    BodyMotion,
    Floats,
    HandMotion,
    Proportions,
    arm,
    landmarks,
    render,
)
from mgpose.data.synthetic_gestures import GESTURES, Reach

FPS = 25.0
# Fingers point inward, palm down, as hands lie on a table.
_REST_ANGLES = np.array([2.9, 0.1, -1.0])
_REST_CURL, _REST_SPREAD = 0.45, 0.15


@dataclass(frozen=True, eq=False)
class Style:
    """What stays the same over all videos of a subject.

    Args:
        body: proportions.
        tempo: speed relative to an average person.
        amplitude: size of movements relative to an average person.
        left_handed: probability that the left hand acts.
        restlessness: size of idle movements, about 1.
        rest: (2, 3) resting place of the left and right wrist, x outward.
        way: label -> preferred way of the gesture.
        bias: label -> (3,) habitual displacement from the target, shoulder widths.
        turn: label -> (3,) habitual change of the hand's angles.
        liking: label -> log weight in the subject's mix of gestures.
    """

    body: Proportions
    tempo: float
    amplitude: float
    left_handed: float
    restlessness: float
    rest: Floats
    way: Mapping[str, int]
    bias: Mapping[str, Floats]
    turn: Mapping[str, Floats]
    liking: Mapping[str, float]


@dataclass(frozen=True)
class Event:
    """One gesture in a video: frames ``start`` to ``stop`` (exclusive), by the given sides."""

    label: str
    start: int
    stop: int
    sides: tuple[str, ...]
    way: int


def sample_style(rng: np.random.Generator) -> Style:
    """A new subject."""

    def about(mean: float, spread: float) -> float:
        return float(mean * np.exp(spread * rng.standard_normal()))

    usual = Proportions()
    outward, down = rng.uniform(0.24, 0.5), rng.uniform(0.95, 1.2)
    rest = np.array([outward, down, 0.55]) + 0.04 * rng.standard_normal((2, 3))
    return Style(
        body=Proportions(
            head=about(usual.head, 0.06),
            neck=about(usual.neck, 0.06),
            upper_arm=about(usual.upper_arm, 0.05),
            forearm=about(usual.forearm, 0.05),
            hand=about(usual.hand, 0.07),
            trunk=about(usual.trunk, 0.05),
        ),
        tempo=about(1, 0.18),
        amplitude=about(1, 0.3),
        left_handed=float(rng.choice([0.15, 0.85], p=[0.75, 0.25])),
        restlessness=about(1, 0.3),
        rest=rest,
        way={label: int(rng.integers(max(1, len(g.ways)))) for label, g in GESTURES.items()},
        bias={label: 0.02 * rng.standard_normal(3) for label in GESTURES},
        turn={label: 0.15 * rng.standard_normal(3) for label in GESTURES},
        liking={label: 0.35 * float(rng.standard_normal()) for label in GESTURES},
    )


def minimum_jerk(phase: Floats) -> Floats:
    """The smoothest rise from 0 to 1 as ``phase`` goes from 0 to 1, constant outside.

    Reference: Flash and Hogan, The coordination of arm movements, J. Neuroscience 5, 1985.

    >>> minimum_jerk(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    t = np.clip(phase, 0, 1)
    return np.asarray(t**3 * (10 - 15 * t + 6 * t**2))


def drift(
    rng: np.random.Generator, frames: int, shape: tuple[int, ...], slow: float, fast: float
) -> Floats:
    """(frames, *shape) smooth idle movement of unit size, periods ``fast`` to ``slow`` seconds."""
    waves = 4
    period = np.exp(rng.uniform(np.log(fast), np.log(slow), (waves, *shape)))
    phase = rng.uniform(0, 2 * np.pi, (waves, *shape))
    time = (np.arange(frames) / FPS).reshape(-1, 1, *(1 for _ in shape))
    return np.asarray(np.sin(2 * np.pi * time / period + phase).sum(1) / np.sqrt(waves / 2))


def perform(
    rng: np.random.Generator, style: Style, events: Sequence[Event], frames: int, mood: float
) -> Floats:
    """(frames, 70, 3) keypoints, in shoulder widths, of a subject who makes these gestures.

    Args:
        rng: source of the idle movements and of how each gesture turns out.
        style: the subject.
        events: the gestures, which do not overlap.
        frames: length of the video.
        mood: -1 for the videos labelled negative to 1: the head sinks or rises a little.
    """
    envelopes = [_envelope(rng, event) for event in events]
    body = _body(rng, style, events, envelopes, frames, mood)
    points = landmarks(style.body, body)
    hands = {side: _resting(rng, style, side, frames) for side in SIDES}
    places = points | _arm_places(style, points, hands)
    for event, envelope in zip(events, envelopes, strict=True):
        ways = GESTURES[event.label].ways
        for side in event.sides:
            window = slice(event.start, event.stop)
            _act(rng, style, event, ways[event.way], side, envelope, places, hands[side], window)
    return render(style.body, points, hands)


def _envelope(rng: np.random.Generator, event: Event) -> Floats:
    """(frames of the event,) rise to 1, hold, fall."""
    length = event.stop - event.start
    phase = np.arange(length) / (length - 1)
    # A hand needs nine frames for its way, about a third of a second.
    rise, fall = np.maximum(rng.uniform(0.2, 0.36, 2), 9 / length)
    return minimum_jerk(phase / rise) * minimum_jerk((1 - phase) / fall)


def _body(
    rng: np.random.Generator,
    style: Style,
    events: Sequence[Event],
    envelopes: Sequence[Floats],
    frames: int,
    mood: float,
) -> BodyMotion:
    restless = style.restlessness
    talk = np.clip(drift(rng, frames, (), 6, 2), 0, 1)
    head = restless * drift(rng, frames, (3,), 9, 1.2) * (0.14, 0.06, 0.05)
    head[:, 1] += 0.05 * mood
    shrug = 0.012 * restless * drift(rng, frames, (2,), 8, 1)
    press = np.zeros(frames)
    for event, envelope in zip(events, envelopes, strict=True):
        gesture, window = GESTURES[event.label], slice(event.start, event.stop)
        size = style.amplitude * rng.uniform(0.8, 1.25)
        head[window, 1] += size * gesture.head_pitch * envelope
        # In every gesture the head goes along a little, in its own way.
        head[window] += envelope[:, None] * rng.standard_normal(3) * (0.08, 0.05, 0.04)
        bumps = np.abs(np.sin(np.pi * rng.integers(1, 4) * np.linspace(0, 1, len(envelope))))
        shrug[window] += size * gesture.shrug * (bumps * envelope)[:, None]
        press[window] = gesture.press * envelope
    return BodyMotion(
        shift=restless * drift(rng, frames, (3,), 12, 2) * (0.035, 0.012, 0.0),
        lean=0.03 * restless * drift(rng, frames, (), 12, 3),
        shrug=shrug,
        head=head,
        mouth=talk * (0.5 + 0.5 * drift(rng, frames, (), 0.4, 0.2)) * (1 - press),
        press=press,
    )


def _resting(rng: np.random.Generator, style: Style, side: str, frames: int) -> HandMotion:
    """A hand that lies where it rests and moves a little."""
    idle = style.restlessness * drift(rng, frames, (3,), 10, 2)
    angles = _REST_ANGLES + 0.2 * rng.standard_normal(3) + 0.08 * idle
    effector = np.zeros((frames, 21))
    effector[:, 0] = 1
    return HandMotion(
        rest=style.rest[SIDES.index(side)] + 0.05 * rng.standard_normal(3) + 0.03 * idle,
        goal=np.zeros((frames, 3)),
        weight=np.zeros(frames),
        angles=angles,
        curl=_REST_CURL + 0.08 * drift(rng, frames, (), 8, 1.5),
        spread=np.full(frames, _REST_SPREAD),
        effector=effector,
    )


def _arm_places(
    style: Style, points: Mapping[str, Floats], hands: Mapping[str, HandMotion]
) -> dict[str, Floats]:
    """Places on the resting arms, for the other hand to go to."""
    places = {}
    for side in SIDES:
        shoulder = points[f"{side}_shoulder"]
        elbow, wrist, _ = arm(style.body, side, shoulder, hands[side])
        places[f"{side}_forearm"] = 0.6 * elbow + 0.4 * wrist
        places[f"{side}_upper_arm"] = 0.4 * shoulder + 0.6 * elbow
    return places


def _act(
    rng: np.random.Generator,
    style: Style,
    event: Event,
    reach: Reach,
    side: str,
    envelope: Floats,
    places: Mapping[str, Floats],
    hand: HandMotion,
    window: slice,
) -> None:
    """Write one hand's part in one event into its motion."""
    length = len(envelope)
    other = SIDES[1 - SIDES.index(side)]
    target = reach.target.replace("own_", f"{side}_").replace("other_", f"{other}_")
    outward = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    size = style.amplitude * rng.uniform(0.7, 1.3)
    stroke = size * np.array([*reach.stroke, 0.0])
    if GESTURES[event.label].wander:
        path = drift(rng, length, (3,), 1.6 / reach.frequency, 0.7 / reach.frequency) * stroke
        path += 0.15 * size * rng.standard_normal(3)
    else:
        beat = 2 * np.pi * reach.frequency * style.tempo * np.arange(length) / FPS
        path = np.sin(beat + rng.uniform(0, 2 * np.pi))[:, None] * stroke
    miss = reach.offset + style.bias[event.label] + 0.02 * rng.standard_normal(3)
    turn = style.turn[event.label] + 0.12 * rng.standard_normal(3)
    curl = reach.curl * rng.uniform(0.75, 1.25)
    hand.goal[window] = places[target][window] + (path + miss) * outward
    hand.weight[window] = envelope
    for track, value in (
        (hand.angles, reach.angles + turn),
        (hand.curl[:, None], np.array([curl])),
        (hand.spread[:, None], np.array([reach.spread])),
    ):
        track[window] += envelope[:, None] * (value - track[window])
    hand.effector[window] = 0
    points = EFFECTORS[reach.effector]
    hand.effector[window, points] = 1 / len(points)


def timetable(
    rng: np.random.Generator,
    style: Style,
    classes: Sequence[str],
    gestures: int,
    mood: float,
) -> tuple[list[Event], int]:
    """Gestures one after the other with pauses between, and the length of the video in frames.

    Args:
        rng: source of the choice.
        style: the subject, who likes some gestures more and is fast or slow.
        classes: labels to choose from.
        gestures: number of gestures.
        mood: -1 to 1; shifts the mix by the gestures' valence and the tempo.
    """
    liking = np.array([style.liking[c] + 0.45 * mood * GESTURES[c].valence for c in classes])
    mix = np.exp(liking) / np.exp(liking).sum()
    pace = style.tempo * (1 + 0.12 * mood)
    lengths = np.clip(44 / pace * np.exp(0.35 * rng.standard_normal(gestures)), 28, 120).astype(int)
    pauses = (rng.uniform(12, 45, gestures + 1) / pace).astype(int) + 1
    edges = np.cumsum(np.concatenate([[0], np.stack([pauses[:-1], lengths], 1).ravel()]))
    events = []
    for start, stop in list(pairwise(edges))[1::2]:
        label = str(rng.choice(classes, p=mix))
        gesture = GESTURES[label]
        one = ("left",) if rng.random() < style.left_handed else ("right",)
        # Now and then a gesture is made in an unusual way.
        unusual = rng.random() < 0.1 and len(gesture.ways) > 1
        way = int(rng.integers(len(gesture.ways))) if unusual else style.way[label]
        sides = ((), one, SIDES)[gesture.hands]
        events.append(Event(label, int(start), int(stop), sides, way))
    return events, int(edges[-1] + pauses[-1])
