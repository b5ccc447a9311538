"""From a script to the motion of one subject in space, without any measuring noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mgpose.data.synthetic.body import (
    HEAD_PLACES,
    ROOM_PLACES,
    TRUNK_PLACES,
    Frame,
    HandTracks,
    Posture,
    approach,
    bend_arm,
    effector_offset,
    elbow_pole,
    head_frame,
    head_place,
    keypoints,
    outward,
    place_of,
    shoulder,
    trunk_frame,
)
from mgpose.data.synthetic.gesture_model import Move
from mgpose.data.synthetic.hand import SIDES, Floats
from mgpose.data.synthetic.idle import drift, idle_hands, idle_posture, minimum_jerk
from mgpose.data.synthetic.script import FPS, Event, HandAct, Script
from mgpose.data.synthetic.subject import Subject

# How far the body goes along with a gesture, standard deviation.
_ALONG = {
    "head_pitch": 0.07,
    "head_yaw": 0.14,
    "head_roll": 0.05,
    "torso_pitch": 0.04,
    "torso_yaw": 0.07,
    "torso_roll": 0.02,
    "torso_shift": 0.04,
}
_STEP_BACK = 4.0  # seconds in which a step of posture fades
# Where on the other arm a hand goes: share of the way from shoulder to elbow, elbow to wrist.
_ARM_SHARES = {"upper_arm": (0.6, 0.0), "forearm": (1.0, 0.45), "cuff": (1.0, 0.9)}


@dataclass(frozen=True, eq=False)
class Performance:
    """The motion of one subject over a video, from which keypoints are made block by block."""

    subject: Subject
    posture: Posture
    trunk: Frame
    head: Frame
    hands: Mapping[str, HandTracks]

    def blocks(self, size: int) -> Iterator[tuple[slice, Floats]]:
        """Frames and their (t, 70, 3) keypoints in shoulder widths, ``size`` frames at a time."""
        frames = len(self.trunk.origin)
        for start in range(0, frames, size):
            window = slice(start, min(start + size, frames))
            posture = {name: track[window] for name, track in self.posture.items()}
            trunk, head = self.trunk.window(window), self.head.window(window)
            hands = {side: self.hands[side].window(window) for side in SIDES}
            yield window, keypoints(self.subject.body, posture, trunk, head, hands)


def perform(rng: np.random.Generator, subject: Subject, script: Script) -> Performance:
    """Act out a script.

    Args:
        rng: source of the idle movements and of how paths turn out in detail.
        subject: who acts.
        script: what to do.
    """
    posture = idle_posture(rng, subject, script)
    hands = idle_hands(rng, subject, script)
    for event in script.events:
        _move_body(rng, subject, event, posture)
    trunk = trunk_frame(subject.body, posture)
    head = head_frame(subject.body, posture, trunk)
    performance = Performance(subject, posture, trunk, head, hands)
    for event in script.events:
        # The second hand goes first: the first one may go to the arm of the second.
        for act in reversed(event.hands):
            _act(rng, performance, event, act)
    return performance


def _envelope(event: Event, start: int, stop: int) -> Floats:
    """(stop - start,) 0 before the event, rise to 1, hold, fall to 0."""
    frame = np.arange(start, stop)
    rise = minimum_jerk((frame - event.first) / event.rise)
    return rise * minimum_jerk((event.last - 1 - frame) / event.fall)


def _move_body(rng: np.random.Generator, subject: Subject, event: Event, posture: Posture) -> None:
    window = slice(event.first, event.last)
    envelope = _envelope(event, event.first, event.last)
    for move in event.moves:
        if move.form == "step":
            _step(event, move, posture[move.track])
        else:
            posture[move.track][window] += move.size * _form(move, envelope)
    # In every gesture head and trunk go along a little, in their own way.
    for track, usual in _ALONG.items():
        posture[track][window] += usual * subject.restlessness * rng.standard_normal() * envelope
    if any(move.track in ("press", "bite", "puff") for move in event.moves):
        posture["mouth"][window] *= 1 - envelope


def _form(move: Move, envelope: Floats) -> Floats:
    """(T,) course of a move of size 1."""
    frames = len(envelope)
    if move.form == "hold":
        return envelope
    if move.form == "breath":
        phase = np.arange(frames) / max(frames - 1, 1)
        return minimum_jerk(phase / 0.55) * minimum_jerk((1 - phase) / 0.45)
    waves = max(1.0, round(move.frequency * frames / FPS))
    angle = np.linspace(0, 2 * np.pi * waves, frames)
    if move.form == "pulse":
        return np.asarray(envelope * (0.5 - 0.5 * np.cos(angle)))
    return np.asarray(envelope * np.sin(angle))


def _step(event: Event, move: Move, track: Floats) -> None:
    """A change of posture that stays for a while and fades slowly."""
    frame = np.arange(event.first, len(track))
    rise = minimum_jerk((frame - event.first) / (1.5 * event.rise))
    fade = minimum_jerk((frame - event.last) / (_STEP_BACK * FPS))
    track[event.first :] += move.size * rise * (1 - fade)


def _act(rng: np.random.Generator, performance: Performance, event: Event, act: HandAct) -> None:
    """Write one hand's part in one event into its tracks."""
    window = slice(event.first, event.last)
    hand = performance.hands[act.side].window(window)
    weight = _envelope(event, event.first, event.last)
    frames = len(weight)
    seconds = np.arange(frames) / FPS
    beat = np.asarray(act.phase + 2 * np.pi * act.frequency * seconds, np.float64)
    angles = np.tile(act.angles, (frames, 1))
    angles[:, 2] += act.turn * np.sin(beat / 2)
    shape = np.tile(act.shape, (frames, 1))
    shape[:, 1:5] += act.flex * np.sin(beat)[:, None]
    share = weight[:, None]
    for track, value in ((hand.angles, angles), (hand.shape, shape)):
        track += share * (value - track)
    pole = np.array(act.reach.pole or elbow_pole(act.reach.target))
    hand.pole[:] += share * (pole - hand.pole)
    hand.hidden[:] += weight * (act.reach.hidden - hand.hidden)
    flip = outward(act.side)
    place = _target(performance, act, window) * flip + act.offset + _path(rng, act, beat)
    body = performance.subject.body
    approach(hand, place - effector_offset(body, hand, act.reach.effector), weight)
    hand.wrist[:, 0] += act.reach.detour * 4 * weight * (1 - weight)


def _path(rng: np.random.Generator, act: HandAct, beat: Floats) -> Floats:
    """(T, 3) what the hand does at its place."""
    kind = act.reach.path
    if kind == "wander":
        pace = 1 / act.frequency
        return act.stroke * drift(rng, len(beat), 3, 2.4 * pace, 0.7 * pace)
    if kind == "circle":
        return np.asarray(act.stroke * np.stack([np.sin(beat), np.cos(beat), np.sin(beat)], -1))
    if kind == "sweep":
        # Over hair or cloth, and off it on the way back.
        way = 0.5 - 0.5 * np.cos(beat)
        path: Floats = act.stroke * way[:, None]
        path[:, [0, 2]] += 0.07 * np.clip(-np.sin(beat), 0, 1)[:, None]
        return path
    return np.asarray(act.stroke * np.sin(beat)[:, None])


def _target(performance: Performance, act: HandAct, window: slice) -> Floats:
    """(T, 3) where in the room the place is that the act goes to."""
    other = SIDES[1 - SIDES.index(act.side)]
    name = act.reach.target.replace("own_", f"{act.side}_").replace("other_", f"{other}_")
    body = performance.subject.body
    place = place_of(name, HEAD_PLACES)
    if place is not None:
        return performance.head.window(window).at(head_place(body, place))
    place = place_of(name, TRUNK_PLACES)
    if place is not None:
        return performance.trunk.window(window).at(place)
    place = place_of(name, ROOM_PLACES)
    if place is None:
        return _on_arm(performance, other, act.reach.target.removeprefix("other_"), window)
    # Whoever leans over the table gesticulates further ahead.
    ahead = np.maximum(0, performance.trunk.origin[window, 2:]) * np.array([0.0, 0.0, 0.8])
    return np.asarray(place + ahead)


def _on_arm(performance: Performance, side: str, place: str, window: slice) -> Floats:
    """(T, 3) a place on the arm of one side, where that arm is at the time."""
    body, flip = performance.subject.body, outward(side)
    hand = performance.hands[side].window(window)
    posture = {name: track[window] for name, track in performance.posture.items()}
    joint = shoulder(body, posture, performance.trunk.window(window), side)
    elbow, wrist = bend_arm(joint * flip, hand.wrist, hand.pole, body.upper_arm, body.forearm)
    upper, fore = _ARM_SHARES[place]
    return (joint * flip + upper * (elbow - joint * flip) + fore * (wrist - elbow)) * flip
