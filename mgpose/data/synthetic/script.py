"""What happens in a video: which gestures, when, by which hand, and how each one turns out.

The emotion of a video acts through one hidden number, its *state*: normally distributed with unit
variance about ``EFFECT`` for the videos labelled positive and about ``-EFFECT`` for the negative
ones. The state shifts the mix, the rate and the tempo of gestures and the height of the head by the
amounts below, and nothing else knows the label. So nobody can guess the emotion better than by the
sign of the state, which is right in Phi(``EFFECT``) = 75 % of the videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mgpose.data.synthetic.body import HEAD_PLACES, ROOM_PLACES, outward
from mgpose.data.synthetic.gesture_model import Gesture, Move, Reach, Way
from mgpose.data.synthetic.gestures import GESTURES
from mgpose.data.synthetic.hand import SHAPES, SIDES, Floats
from mgpose.data.synthetic.subject import Subject

FPS = 25.0
EFFECT = 0.6745  # the 75 % point of the normal distribution
# What one unit of the state does.
MIX_SHIFT = 0.40  # times the gesture's valence, on the log weight in the mix
RATE_SHIFT = -0.15  # on the log number of gestures a minute
TEMPO_SHIFT = 0.08  # on the log tempo
HEAD_SHIFT = 0.03  # radians of pitch

# Lengths are log-normal about 44 frames; measured: mean 71, 90 % below 145, 99 % below 439.
MEDIAN_LENGTH, LENGTH_SPREAD = 42.0, 0.92
SHORTEST, LONGEST = 10, 750
REACH_FRAMES, QUICKEST_REACH = 12.0, 10.0  # of an average person, from rest to the goal
# Measured: 12 % of clips overlap another one. An overlap takes two, and only gestures that occupy
# other parts of the body can be added, which some of the drawn ones do not.
OVERLAP = 0.08
UNUSUAL = 0.25  # share of gestures that are not made in the subject's preferred way
_MOST_TRIES = 4
# How far a place differs from time to time, standard deviation in shoulder widths: at the head and
# between two hands, on trunk and arms, in the room before the body.
_FINE_SCATTER, _COARSE_SCATTER, _ROOM_SCATTER = 0.03, 0.05, (0.10, 0.14, 0.05)
_IN_THE_ROOM = frozenset(name.removeprefix("left_") for name in ROOM_PLACES)


@dataclass(frozen=True, eq=False)
class HandAct:
    """How one hand's part in one gesture turns out; fields as in ``Reach``, sizes final."""

    reach: Reach
    side: str
    offset: Floats
    angles: Floats
    shape: Floats
    stroke: Floats
    frequency: float
    phase: float
    flex: float
    turn: float


@dataclass(frozen=True, eq=False)
class Event:
    """One gesture in a video.

    Args:
        label: its class.
        start, stop: frames that an exact annotator would mark, stop exclusive.
        first, last: frames in which anything of it moves, last exclusive.
        rise, fall: frames from rest to the goal, and back.
        hands: what the hands do, none to two of them.
        moves: what trunk, head and face do, sizes and frequencies final, no stand-in names.
        channels: the parts of the body that it occupies.
    """

    label: str
    start: int
    stop: int
    first: int
    last: int
    rise: float
    fall: float
    hands: tuple[HandAct, ...]
    moves: tuple[Move, ...]
    channels: frozenset[str]


@dataclass(frozen=True, eq=False)
class Script:
    """The events of one video of ``frames`` frames, in order of their first frames."""

    frames: int
    emotion: str
    state: float
    events: tuple[Event, ...]


def write_script(
    rng: np.random.Generator,
    subject: Subject,
    mix: Mapping[str, float],
    frames: int,
    gestures_per_minute: float,
    emotion: str,
) -> Script:
    """Draw a video's script.

    Args:
        rng: of everything random in it.
        subject: who acts.
        mix: label -> weight of the class in the corpus, > 0.
        frames: length of the video.
        gestures_per_minute: of an average person in a neutral state.
        emotion: ``"positive"`` or ``"negative"``.
    """
    state = float(rng.standard_normal()) + (EFFECT if emotion == "positive" else -EFFECT)
    rate = gestures_per_minute * subject.rate * np.exp(RATE_SHIFT * state)
    tempo = subject.tempo * np.exp(TEMPO_SHIFT * state)
    labels = tuple(mix)
    log_weight = [
        np.log(mix[k]) + subject.liking[k] + MIX_SHIFT * state * GESTURES[k].valence for k in labels
    ]
    weight = np.exp(np.array(log_weight) - max(log_weight))
    draws = _gestures(rng, subject, labels, weight / weight.sum())
    # A gesture takes some 85 frames of the cycle, its way there and back included.
    pause = max(8.0, 60 * FPS / rate - 85)
    events: list[Event] = []
    free = int(rng.exponential(pause)) + 5
    while True:
        event = _event(rng, subject, *next(draws), free, tempo)
        if max(event.last, event.stop) >= frames - 2:
            break
        events.append(event)
        free = max(event.last, event.stop)
        if rng.random() < OVERLAP:
            joined = _overlapping(rng, subject, draws, event, tempo)
            if joined is not None and max(joined.last, joined.stop) < frames - 2:
                events.append(joined)
                free = max(free, joined.last, joined.stop)
        free += int(rng.exponential(pause)) + 6
    return Script(frames, emotion, state, tuple(sorted(events, key=lambda e: e.first)))


def _gestures(
    rng: np.random.Generator, subject: Subject, labels: tuple[str, ...], mix: Floats
) -> Iterator[tuple[str, Way]]:
    """Endless draws of a gesture and of how it is done."""
    while True:
        label = labels[int(rng.choice(len(labels), p=mix))]
        ways = GESTURES[label].ways
        unusual = rng.random() < UNUSUAL
        yield label, ways[int(rng.integers(len(ways))) if unusual else subject.way[label]]


def _overlapping(
    rng: np.random.Generator,
    subject: Subject,
    draws: Iterator[tuple[str, Way]],
    event: Event,
    tempo: float,
) -> Event | None:
    """Another gesture that begins during this one with other parts of the body."""
    for _ in range(_MOST_TRIES):
        label, way = next(draws)
        if label != event.label and not event.channels & way.channels:
            begin = int(rng.integers(event.start, event.stop))
            return _event(rng, subject, label, way, begin, tempo)
    return None


def _event(
    rng: np.random.Generator, subject: Subject, label: str, way: Way, free: int, tempo: float
) -> Event:
    """A gesture that neither moves nor is labelled before frame ``free``."""
    gesture = GESTURES[label]
    length = _length(rng, gesture, tempo)
    ways = REACH_FRAMES / tempo * np.exp(0.2 * rng.standard_normal(2))
    rise, fall = np.maximum(ways, QUICKEST_REACH)
    # Annotators let a gesture begin a moment before it moves or on the way to its goal, and end on
    # the way back or a moment after.
    before, after = rng.uniform(-1.4, 0.2, 2)
    lead, moving = before * rise, length + before * rise + after * fall
    if moving < rise + fall + 3:  # a short label lies on the middle of its gesture
        moving = rise + fall + 3
        lead = (moving - length) / 2
    first = free + int(max(0, -lead))
    start = first + int(lead)
    first_hand = SIDES[int(rng.random() >= subject.left_handed)]
    sides = (first_hand, SIDES[1 - SIDES.index(first_hand)])
    size = float(subject.amplitude * np.exp(0.2 * rng.standard_normal()))
    phase = float(rng.uniform(0, 2 * np.pi))
    # Where in front of the body it happens differs, for both hands alike.
    room = rng.standard_normal(3) * _ROOM_SCATTER
    hands = tuple(
        # Two hands that do the same stroke against each other.
        _hand_act(rng, subject, label, reach, side, size, tempo, phase + i * np.pi, room)
        for i, (reach, side) in enumerate(zip((way.hand, way.other), sides, strict=True))
        if reach is not None
    )
    return Event(
        label=label,
        start=start,
        stop=start + length,
        first=first,
        last=first + int(moving) + 1,
        rise=float(rise),
        fall=float(fall),
        hands=hands,
        moves=tuple(final for move in way.moves for final in _moves(rng, move, sides, size, tempo)),
        channels=way.channels,
    )


def _length(rng: np.random.Generator, gesture: Gesture, tempo: float) -> int:
    length = MEDIAN_LENGTH * gesture.length / tempo * np.exp(LENGTH_SPREAD * rng.standard_normal())
    return int(np.clip(length, SHORTEST, LONGEST))


def _hand_act(
    rng: np.random.Generator,
    subject: Subject,
    label: str,
    reach: Reach,
    side: str,
    size: float,
    tempo: float,
    phase: float,
    room: Floats,
) -> HandAct:
    shape = np.array(SHAPES[reach.shape])
    offset = reach.offset + subject.bias[label]
    if reach.target.removeprefix("own_") in _IN_THE_ROOM:
        offset = offset + room * outward(side) + _FINE_SCATTER * rng.standard_normal(3)
    else:
        at_head = reach.target.replace("own_", "left_") in HEAD_PLACES
        scatter = _FINE_SCATTER if at_head else _COARSE_SCATTER
        offset = offset + scatter * rng.standard_normal(3)
    shape[:5] *= rng.uniform(0.8, 1.2)
    return HandAct(
        reach=reach,
        side=side,
        offset=offset,
        angles=reach.angles + subject.turn[label] + 0.20 * rng.standard_normal(3),
        shape=shape + 0.04 * rng.standard_normal(6),
        stroke=np.array(reach.stroke) * size,
        frequency=float(reach.frequency * tempo * np.exp(0.15 * rng.standard_normal())),
        phase=phase,
        flex=reach.flex * size,
        turn=reach.turn * size,
    )


def _moves(
    rng: np.random.Generator, move: Move, sides: tuple[str, str], size: float, tempo: float
) -> Iterator[Move]:
    """The move with its final size, one for each track that its name stands for."""
    scale = size * float(np.exp(0.15 * rng.standard_normal()))
    scale = float(np.clip(scale, 0.65, 1.2 if move.track in ("press", "bite", "puff") else 1.6))
    # The trunk sways and twists to either side.
    if move.track in ("torso_roll", "torso_yaw", "torso_shift", "head_roll"):
        scale *= 1 if sides[0] == "left" else -1
    stand_ins = {
        "shoulders": ("left_shoulder", "right_shoulder"),
        "own_shoulder": (f"{sides[0]}_shoulder",),
        "other_shoulder": (f"{sides[1]}_shoulder",),
    }
    for track in stand_ins.get(move.track, (move.track,)):
        yield Move(track, scale * move.size, move.form, move.frequency * tempo)
