"""What stays the same over all videos of a subject: body, tempo, amplitude, hands, habits, camera.

A person can be told from another both by proportions and by kinematics, so that privacy can be
studied on the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mgpose.data.synthetic.body import Proportions
from mgpose.data.synthetic.gestures import GESTURES
from mgpose.data.synthetic.hand import Floats

REST_KINDS = ("apart", "together", "lap", "propped", "crossed", "raised")


@dataclass(frozen=True, eq=False)
class Subject:
    """One person.

    Args:
        body: proportions.
        tempo: speed relative to an average person.
        amplitude: size of movements relative to an average person.
        left_handed: probability that the left hand acts.
        restlessness: size of idle movements, about 1.
        pace: how slowly idle movements go, about 1.
        rate: gestures a minute relative to an average person.
        posture: (3,) habitual pitch, yaw and roll of the trunk, radians.
        hunch: (3,) habitual rise of the shoulders, sinking and advance of the head.
        head: (3,) habitual pitch, yaw and roll of the head, radians.
        rests: probabilities of the resting places ``REST_KINDS``.
        rest_shift: (2, 3) habitual displacement of the left and right resting hand, x outward.
        way: label -> preferred way of the gesture.
        bias: label -> (3,) habitual displacement from the target, shoulder widths.
        turn: label -> (3,) habitual change of the hand's angles, radians.
        liking: label -> log weight in the subject's mix of gestures.
        camera: (4,) usual yaw and pitch (radians), distance (shoulder widths), pixels a shoulder
            width.
    """

    body: Proportions
    tempo: float
    amplitude: float
    left_handed: float
    restlessness: float
    pace: float
    rate: float
    posture: Floats
    hunch: Floats
    head: Floats
    rests: Floats
    rest_shift: Floats
    way: Mapping[str, int]
    bias: Mapping[str, Floats]
    turn: Mapping[str, Floats]
    liking: Mapping[str, float]
    camera: Floats


def sample_subject(rng: np.random.Generator) -> Subject:
    """A new person."""

    def about(mean: float, spread: float) -> float:
        return float(mean * np.exp(spread * rng.standard_normal()))

    usual = Proportions()
    return Subject(
        body=Proportions(
            head=about(usual.head, 0.08),
            neck=about(usual.neck, 0.08),
            face_width=about(usual.face_width, 0.05),
            face_height=about(usual.face_height, 0.05),
            eyes=about(usual.eyes, 0.06),
            mouth=about(usual.mouth, 0.09),
            lips=about(usual.lips, 0.3),
            upper_arm=about(usual.upper_arm, 0.07),
            forearm=about(usual.forearm, 0.07),
            hand=about(usual.hand, 0.08),
            trunk=about(usual.trunk, 0.07),
            slope=float(rng.uniform(0, 0.06)),
        ),
        tempo=about(1, 0.18),
        amplitude=about(1, 0.25),
        left_handed=float(rng.choice([0.15, 0.85], p=[0.75, 0.25])),
        restlessness=about(1, 0.35),
        pace=about(1, 0.2),
        rate=about(1, 0.25),
        posture=rng.standard_normal(3) * (0.10, 0.10, 0.03),
        hunch=rng.standard_normal(3) * (0.03, 0.03, 0.04),
        head=rng.standard_normal(3) * (0.07, 0.10, 0.04),
        rests=rng.dirichlet((2.0, 1.5, 0.8, 1.2, 0.9, 0.9)),
        rest_shift=rng.standard_normal((2, 3)) * (0.06, 0.06, 0.05),
        way={label: int(rng.integers(len(g.ways))) for label, g in GESTURES.items()},
        bias={label: 0.02 * rng.standard_normal(3) for label in GESTURES},
        turn={label: 0.15 * rng.standard_normal(3) for label in GESTURES},
        liking={label: 0.6 * float(rng.standard_normal()) for label in GESTURES},
        camera=np.array(
            [
                rng.uniform(-0.65, 0.65),
                rng.uniform(-0.12, 0.38),
                rng.uniform(3.8, 9),
                rng.uniform(130, 190),
            ]
        ),
    )
