"""What a micro-gesture consists of: ways of doing it, made of reaches of hands and of moves.

Directions are those of the left hand, the right one mirrors them.
"""

from __future__ import annotations

from dataclasses import dataclass

from mgpose.data.synthetic.body import HEAD_PLACES, ROOM_PLACES, TRACKS, TRUNK_PLACES, place_of
from mgpose.data.synthetic.hand import EFFECTORS, SHAPES

ARM_PLACES = ("forearm", "upper_arm", "cuff")  # of the other arm
FORMS = ("hold", "shake", "pulse", "breath", "step")
PATHS = ("beat", "circle", "sweep", "wander")
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Reach:
    """A hand at a place.

    Args:
        target: place; ``own_`` and ``other_`` stand for the side of the hand and the opposite.
        effector: the part of the hand that meets it, a key of ``EFFECTORS``.
        angles: direction of the fingers, elevation, roll of the palm, as in ``hand_points``.
        shape: of the hand, a key of ``SHAPES``.
        stroke: (x outward, y down, z) amplitude of the movement there, shoulder widths.
        frequency: of this movement, Hz.
        path: ``beat`` to and fro, ``circle``, ``sweep`` (out slowly, back off the body) or
            ``wander`` (fluent, never twice the same).
        flex: amplitude of the bending fingers, radians, at the same frequency.
        turn: amplitude of the rolling palm, radians, at half the frequency.
        offset: (x outward, y down, z) from the place, shoulder widths.
        pole: where the elbow points, None as usual.
        detour: how far outward the hand swings on its way, shoulder widths.
        hidden: how far the body hides the hand, 0 to 1.
    """

    target: str
    effector: str = "fingertips"
    angles: Triple = (4.3, -0.4, 0.2)
    shape: str = "relaxed"
    stroke: Triple = (0.0, 0.0, 0.0)
    frequency: float = 2.0
    path: str = "beat"
    flex: float = 0.0
    turn: float = 0.0
    offset: Triple = (0.0, 0.0, 0.03)
    pole: Triple | None = None
    detour: float = 0.0
    hidden: float = 0.0

    def __post_init__(self) -> None:
        place = self.target.replace("own_", "left_").replace("other_", "right_")
        known = any(
            place_of(place, places) is not None
            for places in (HEAD_PLACES, TRUNK_PLACES, ROOM_PLACES)
        )
        if not known and self.target.removeprefix("other_") not in ARM_PLACES:
            raise ValueError(f"unknown place {self.target!r}")
        for kind, value, allowed in (
            ("effector", self.effector, EFFECTORS),
            ("shape", self.shape, SHAPES),
            ("path", self.path, PATHS),
        ):
            if value not in allowed:
                raise ValueError(f"unknown {kind} {value!r}; known: {', '.join(allowed)}")


@dataclass(frozen=True)
class Move:
    """One track of posture during a gesture.

    Args:
        track: one of ``TRACKS``; ``shoulders`` stands for both, ``own_shoulder`` for one.
        size: radians, shoulder widths or, in the face, 0 to 1.
        form: ``hold``, ``shake`` (about zero), ``pulse`` (one-sided), ``breath`` (slowly in and
            out) or ``step`` (it stays for some seconds afterwards).
        frequency: of shake and pulse, Hz.
    """

    track: str
    size: float
    form: str = "hold"
    frequency: float = 1.0

    def __post_init__(self) -> None:
        if self.track not in (*TRACKS, "shoulders", "own_shoulder", "other_shoulder"):
            raise ValueError(f"unknown track {self.track!r}")
        if self.form not in FORMS:
            raise ValueError(f"unknown form {self.form!r}; known: {', '.join(FORMS)}")


@dataclass(frozen=True)
class Way:
    """One way of doing a gesture: what the acting hand, the other hand and the body do."""

    hand: Reach | None = None
    other: Reach | None = None
    moves: tuple[Move, ...] = ()

    @property
    def channels(self) -> frozenset[str]:
        """What the way occupies: two gestures overlap in time only where these differ."""
        parts = {_channel(move.track) for move in self.moves if abs(move.size) >= _NOTABLE}
        return frozenset(parts | ({"hand"} if self.hand is not None else set()))


_NOTABLE = 0.05


def _channel(track: str) -> str:
    for part in ("torso", "shoulder", "head"):
        if part in track:
            return "torso" if part == "shoulder" else part
    return "face"


@dataclass(frozen=True)
class Gesture:
    """One class.

    Args:
        ways: of doing it; each subject prefers one.
        length: median length relative to the median of all gestures.
        valence: -1 when seen more in the videos labelled negative, +1 in the positive ones.
    """

    ways: tuple[Way, ...]
    length: float = 1.0
    valence: float = 0.0


def one_hand(*reaches: Reach, moves: tuple[Move, ...] = ()) -> tuple[Way, ...]:
    """A way for each reach, by one hand."""
    return tuple(Way(reach, moves=moves) for reach in reaches)


def both_hands(*reaches: Reach, moves: tuple[Move, ...] = ()) -> tuple[Way, ...]:
    """A way for each reach, by both hands alike."""
    return tuple(Way(reach, reach, moves) for reach in reaches)
