"""What a seated, talking person does all the time: rest, breathe, speak, nod, shift."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mgpose.data.synthetic.body import ELBOW_POLE, TRACKS, HandTracks, Posture
from mgpose.data.synthetic.hand import SHAPES, SIDES, Floats
from mgpose.data.synthetic.script import FPS, HEAD_SHIFT, Script
from mgpose.data.synthetic.subject import REST_KINDS, Subject

# Resting wrist (x outward), angles of the hand, and how far a table hides it.
_RESTS = {
    "apart": ((0.42, 1.00, 0.55), (3.4, 0.05, -1.2), 0.0),
    "together": ((0.26, 0.98, 0.60), (3.3, 0.05, -1.1), 0.0),
    "lap": ((0.28, 1.28, 0.34), (2.9, 0.0, -1.3), 0.8),
    "crossed": ((-0.10, 0.98, 0.46), (3.2, 0.05, -1.0), 0.0),
    "raised": ((0.20, 0.62, 0.60), (4.0, 0.1, -0.8), 0.0),
    "propped": ((0.34, 0.64, 0.58), (3.5, 0.0, -0.8), 0.0),
}
# Track: how far one way of sitting and looking differs from the next, and how far it sways.
_SEAT = {
    "torso_pitch": (0.09, 0.030),
    "torso_yaw": (0.12, 0.050),
    "torso_roll": (0.05, 0.020),
    "torso_shift": (0.08, 0.045),
    "torso_rise": (0.03, 0.010),
    "left_shoulder": (0.045, 0.012),
    "right_shoulder": (0.045, 0.012),
    "head_sink": (0.045, 0.015),
    "head_forward": (0.05, 0.020),
    "head_pitch": (0.08, 0.0),
    "head_yaw": (0.14, 0.0),
    "head_roll": (0.04, 0.0),
    "press": (0.18, 0.06),
    "puff": (0.15, 0.05),
}
_REST_SECONDS = 35.0  # mean time between two changes of seat or resting place
_CHANGE_FRAMES = 22
_ANSWER_SECONDS, _QUESTION_SECONDS = 22.0, 11.0
_BREATHS_PER_SECOND = 0.27
_WAVES = 4


def minimum_jerk(phase: Floats) -> Floats:
    """The smoothest rise from 0 to 1 as ``phase`` goes from 0 to 1, constant outside.

    Reference: Flash and Hogan, The coordination of arm movements, J. Neuroscience 5, 1985.

    >>> minimum_jerk(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    t = np.clip(phase, 0, 1)
    return np.asarray(t**3 * (10 - 15 * t + 6 * t**2))


def drift(rng: np.random.Generator, frames: int, tracks: int, slow: float, fast: float) -> Floats:
    """(frames, tracks) smooth idle movement of unit variance, periods ``fast`` to ``slow`` s.

    Slow waves are larger than fast ones, in proportion to the square root of the period.
    """
    period = np.exp(rng.uniform(np.log(fast), np.log(slow), (_WAVES, tracks)))
    phase = rng.uniform(0, 2 * np.pi, (_WAVES, tracks))
    size = np.sqrt(period / period.sum(0))
    time = np.arange(frames)[:, None] * (2 * np.pi / FPS)
    waves = np.zeros((frames, tracks))
    for p, start, amplitude in zip(period, phase, size, strict=True):
        waves += amplitude * np.sin(time / p + start)
    return np.asarray(np.sqrt(2) * waves)


def shifts(rng: np.random.Generator, frames: int, tracks: int, seconds: float) -> Floats:
    """(frames, tracks) of unit variance that stay for about ``seconds`` and then change at once."""
    values = np.empty((frames, tracks))
    before, start = rng.standard_normal(tracks), 0
    values[:] = before
    while True:
        start += int(FPS * (3 + rng.exponential(seconds)))
        if start >= frames:
            return values
        after = rng.standard_normal(tracks)
        share = minimum_jerk(np.arange(frames - start) / _CHANGE_FRAMES)[:, None]
        values[start:] = before + share * (after - before)
        before = after


def idle_posture(rng: np.random.Generator, subject: Subject, script: Script) -> Posture:
    """Track -> (frames,) of a person who sits and talks, before any gesture."""
    frames, restless = script.frames, subject.restlessness
    slow = 12 * subject.pace
    posture = {track: np.zeros(frames) for track in TRACKS}
    breath = drift(rng, frames, 1, 1.15 / _BREATHS_PER_SECOND, 0.9 / _BREATHS_PER_SECOND)[:, 0]
    habits = (*subject.posture, 0, -0.03, *subject.hunch[[0, 0, 1, 2]], *subject.head, 0, 0)
    seats = shifts(rng, frames, len(_SEAT), _REST_SECONDS)
    sway = restless * drift(rng, frames, len(_SEAT), slow, 2.5 * subject.pace)
    for i, (track, (seat, swing)) in enumerate(_SEAT.items()):
        posture[track] = habits[i] + seat * seats[:, i] + swing * sway[:, i]
    posture["torso_pitch"] -= 0.004 * breath
    for side in SIDES:
        posture[f"{side}_shoulder"] += 0.008 * breath
    _speak(rng, subject, script, posture)
    return posture


def _speak(rng: np.random.Generator, subject: Subject, script: Script, posture: Posture) -> None:
    """Head and mouth of somebody who listens and answers."""
    frames, restless, pace = script.frames, subject.restlessness, subject.pace
    talks = _talking(rng, script)
    look = restless * drift(rng, frames, 3, 9 * pace, 1.6 * pace)
    beat = drift(rng, frames, 3, 1.1 * pace, 0.45 * pace) * (0.2 + 0.8 * talks)[:, None]
    # Whoever reads the head's height can tell as much as the state says, no more.
    posture["head_pitch"] += HEAD_SHIFT * np.clip(script.state, -3, 3)
    posture["head_pitch"] += 0.050 * look[:, 0] + 0.014 * beat[:, 0]
    posture["head_yaw"] += 0.110 * look[:, 1] + 0.010 * beat[:, 1]
    posture["head_roll"] += 0.035 * look[:, 2] + 0.008 * beat[:, 2]
    syllables = 0.5 + 0.5 * drift(rng, frames, 1, 0.45, 0.2)[:, 0]
    posture["mouth"] = np.clip(talks * syllables * 0.75, 0, 1)
    posture["brow"] = 0.25 * np.clip(drift(rng, frames, 1, 7, 1)[:, 0], 0, 2)


def _talking(rng: np.random.Generator, script: Script) -> Floats:
    """(frames,) 1 while the subject talks, also during illustrators, smooth at the edges."""
    means = FPS * np.array([_QUESTION_SECONDS, _ANSWER_SECONDS])
    count = 2 + int(2 * script.frames / means.sum())
    lengths = rng.exponential(means, (count, 2)).astype(int) + 12
    flags = np.repeat(np.tile([0.0, 1.0], count), lengths.ravel())
    flags = np.roll(flags, int(rng.integers(len(flags))))
    talks = np.resize(flags, script.frames)
    for event in script.events:
        if event.label == "illustrative gesture":
            talks[event.first : event.last] = 1
    return np.convolve(np.pad(talks, 4, "edge"), np.full(9, 1 / 9), "valid")


@dataclass(frozen=True, eq=False)
class _Rest:
    """Both hands' resting places from frame ``start`` on: wrists, angles (2, 3), hidden (2,)."""

    start: int
    wrist: Floats
    angles: Floats
    hidden: Floats


def idle_hands(rng: np.random.Generator, subject: Subject, script: Script) -> dict[str, HandTracks]:
    """Side -> a hand that lies where it rests, changes place now and then, and moves a little."""
    rests = _rests(rng, subject, script.frames)
    hands = {}
    for i, side in enumerate(SIDES):
        idle = subject.restlessness * drift(rng, script.frames, 6, 10 * subject.pace, 2)
        wrist = np.empty((script.frames, 3))
        angles, hidden = np.empty_like(wrist), np.empty(script.frames)
        wrist[:], angles[:], hidden[:] = rests[0].wrist[i], rests[0].angles[i], rests[0].hidden[i]
        for before, rest in pairwise(rests):
            share = minimum_jerk(np.arange(script.frames - rest.start) / _CHANGE_FRAMES)[:, None]
            tail = slice(rest.start, None)
            wrist[tail] = before.wrist[i] + share * (rest.wrist[i] - before.wrist[i])
            wrist[tail, 1] -= 0.5 * (share * (1 - share))[:, 0]  # lifted over the table's edge
            angles[tail] = before.angles[i] + share * (rest.angles[i] - before.angles[i])
            hidden[tail] = before.hidden[i] + share[:, 0] * (rest.hidden[i] - before.hidden[i])
        shape = np.tile(SHAPES["relaxed"], (script.frames, 1)) * rng.uniform(0.5, 1.3)
        shape[:, 1:5] += 0.05 * idle[:, :1]
        hands[side] = HandTracks(
            wrist=wrist + 0.018 * idle[:, :3],
            angles=angles + 0.06 * idle[:, 3:],
            shape=shape,
            pole=np.tile(ELBOW_POLE, (script.frames, 1)),
            hidden=hidden,
        )
    return hands


def _rests(rng: np.random.Generator, subject: Subject, frames: int) -> list[_Rest]:
    """Where the hands rest, changing now and then; the first from frame 0 on."""
    rests, start = [], 0
    while start < frames:
        kinds = [REST_KINDS[int(rng.choice(len(REST_KINDS), p=subject.rests))]] * 2
        if "propped" in kinds:  # one arm is; the other lies
            kinds[int(rng.integers(2))] = "apart"
        wrist, angles, hidden = (
            np.array(value) for value in zip(*(_RESTS[kind] for kind in kinds), strict=True)
        )
        rests.append(
            _Rest(
                start,
                wrist + subject.rest_shift + rng.standard_normal((2, 3)) * (0.10, 0.09, 0.08),
                angles + 0.25 * rng.standard_normal((2, 3)),
                hidden,
            )
        )
        start += int(FPS * (3 + rng.exponential(_REST_SECONDS)))
    return rests
