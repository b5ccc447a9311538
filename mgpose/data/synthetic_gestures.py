"""What the synthetic subjects do: a table of micro-gestures with the class names of iMiGUE.

A row says where the hands go, how they lie there and what they do; the head, the lips or the
shoulders may act instead. Directions are for the left hand, the right one mirrors them: pi points
inward, 3 pi / 2 up.
"""

from __future__ import annotations

from dataclasses import dataclass

from mgpose.data.synthetic_body import EFFECTORS


@dataclass(frozen=True)
class Reach:
    """A hand at a place.

    Args:
        target: landmark; ``own_`` and ``other_`` stand for the side of the hand and the opposite.
        effector: the part of the hand that meets it, a key of ``EFFECTORS``.
        angles: direction of the fingers, elevation, roll of the palm; radians.
        curl, spread: bend of each finger joint and fan of the fingers; radians.
        stroke: (x outward, y down) amplitude of the movement there, shoulder widths.
        frequency: of this movement, Hz.
        offset: (x outward, y down, z) from the landmark, shoulder widths.
    """

    target: str
    effector: str = "fingertips"
    angles: tuple[float, float, float] = (4.3, -0.5, 0.2)
    curl: float = 0.3
    spread: float = 0.2
    stroke: tuple[float, float] = (0.0, 0.0)
    frequency: float = 2.0
    offset: tuple[float, float, float] = (0.0, 0.0, 0.03)

    def __post_init__(self) -> None:
        if self.effector not in EFFECTORS:
            raise ValueError(f"unknown effector {self.effector!r}; known: {', '.join(EFFECTORS)}")


@dataclass(frozen=True)
class Gesture:
    """One class.

    Args:
        label: its name in iMiGUE.
        ways: ways of doing it; each subject prefers one. Empty when no hand takes part.
        hands: hands that take part, 0, 1 or 2.
        head_pitch: how far the head goes up, radians.
        shrug: height of the shoulders' movement, shoulder widths.
        press: how far the lips are pressed, 0 to 1.
        wander: the hand moves freely about its place (an illustrative gesture).
        valence: -1 when seen more in the videos labelled negative, +1 in the positive ones.
    """

    label: str
    ways: tuple[Reach, ...] = ()
    hands: int = 1
    head_pitch: float = 0.0
    shrug: float = 0.0
    press: float = 0.0
    wander: bool = False
    valence: int = 0


_GESTURES = (
    Gesture(
        "touching or scratching head",
        (
            Reach("own_crown", curl=0.35, stroke=(0.02, 0.03), frequency=3.5),
            Reach("own_crown", "pinch", curl=0.5, offset=(0.05, 0.08, 0.02)),
        ),
        valence=-1,
    ),
    Gesture(
        "touching or scratching forehead",
        (
            Reach("forehead", angles=(3.9, -0.5, 0.2), stroke=(0.05, 0.0), offset=(0.03, 0, 0.03)),
            Reach("own_brow_outer", angles=(4.1, -0.5, 0.1), curl=0.45, offset=(0.0, -0.04, 0.03)),
        ),
        valence=-1,
    ),
    Gesture(
        "rubbing eyes",
        (
            Reach("own_eye", "index_tip", curl=0.5, stroke=(0.025, 0.01), frequency=3.0),
            Reach("own_eye", "pinch", (4.2, -0.5, 0.3), 0.5, stroke=(0.02, 0.0), frequency=2.0),
        ),
        valence=-1,
    ),
    Gesture(
        "touching ears",
        (
            Reach("own_ear", "pinch", (4.6, -0.5, -0.5), 0.5, stroke=(0.0, 0.02)),
            Reach("own_ear", "index_tip", (4.5, -0.5, -0.3), 0.55, stroke=(0.01, 0.01)),
        ),
    ),
    Gesture(
        "touching jaw or chin",
        (
            Reach("chin", "pinch", (4.4, -0.5, 0.1), 0.6, stroke=(0.02, 0.01), frequency=1.2),
            Reach("own_jaw", "knuckles", (4.5, -0.5, 0.1), 1.0),
        ),
    ),
    Gesture(
        "touching or scratching neck",
        (
            Reach(
                "own_neck", angles=(4.0, -0.8, -0.3), curl=0.4, stroke=(0.01, 0.03), frequency=3.2
            ),
            Reach("other_neck", angles=(3.7, -0.8, 0.1), curl=0.3, stroke=(0.02, 0.0)),
        ),
        valence=-1,
    ),
    Gesture(
        "touching suprasternal notch or chest",
        (
            Reach("notch", angles=(3.5, -0.5, 0.2), stroke=(0.02, 0.01), frequency=1.5),
            Reach("notch", "palm", (3.5, -0.5, 0.1), 0.1, offset=(0.05, 0.14, 0.06)),
        ),
    ),
    Gesture(
        "folding arms",
        (
            Reach("other_side", "palm", (3.3, -0.1, 0.2), 0.5, offset=(0.06, 0.0, 0.0)),
            Reach("other_side", "palm", (3.0, -0.1, 0.4), 0.8, offset=(0.12, 0.06, 0.05)),
        ),
        hands=2,
    ),
    Gesture(
        "scratching or touching arms",
        (
            Reach("other_forearm", angles=(2.8, 0.0, 0.5), curl=0.4, stroke=(0.04, 0.02)),
            Reach("other_upper_arm", angles=(3.2, 0.0, 0.3), curl=0.3, stroke=(0.01, 0.05)),
        ),
        valence=-1,
    ),
    Gesture(
        "rubbing or holding hands",
        (
            Reach("front", "palm", (3.3, 0.3, -0.9), 0.6, stroke=(0.02, 0.04), frequency=1.8),
            Reach("front", "palm", (3.1, 0.2, -1.2), 0.8, stroke=(0.01, 0.01), frequency=1.0),
        ),
        hands=2,
    ),
    Gesture(
        "crossing fingers",
        (
            Reach("front", "knuckles", (3.6, 0.3, -0.7), 0.7, offset=(0.03, 0.0, 0.03)),
            Reach("front_high", "knuckles", (3.8, 0.3, -0.7), 0.8, offset=(0.03, 0.05, 0.0)),
        ),
        hands=2,
        valence=-1,
    ),
    Gesture(
        "minaret gesture (steepling)",
        (
            Reach("front_high", "fingertips", (4.1, 0.2, -1.0), 0.05, 0.35),
            Reach("front", "fingertips", (3.8, 0.3, -1.0), 0.15, 0.35),
        ),
        hands=2,
        valence=1,
    ),
    Gesture("head up", head_pitch=0.32, hands=0, valence=1),
    Gesture("pressing or biting lips", press=1.0, hands=0, valence=-1),
    Gesture("shaking shoulders", shrug=0.10, hands=0),
    Gesture(
        "illustrative gesture",
        (
            Reach("own_space", "palm", (4.0, 0.3, -0.9), 0.2, 0.4, (0.14, 0.12), 1.1),
            Reach("own_space", "palm", (3.6, 0.5, 1.0), 0.3, 0.3, (0.2, 0.08), 0.8),
        ),
        wander=True,
        valence=1,
    ),
)
GESTURES: dict[str, Gesture] = {gesture.label: gesture for gesture in _GESTURES}
