"""What was drawn for each gesture, without noise, as named numbers: what an oracle may see.

Places are those on an average body at rest, in shoulder widths from the mid-shoulder, x outward on
the side of the acting hand; so a left and a right hand read alike.
"""

from __future__ import annotations

import numpy as np

from mgpose.data.synthetic.body import (
    HEAD_CENTRE,
    HEAD_PLACES,
    ROOM_PLACES,
    TRACKS,
    TRUNK_PLACES,
    place_of,
)
from mgpose.data.synthetic.hand import Floats
from mgpose.data.synthetic.script import Event, HandAct

# On the other arm, where it rests on a table; seen from a left hand.
_ARM_PLACES = {
    "forearm": (-0.50, 0.85, 0.40),
    "upper_arm": (-0.58, 0.45, 0.08),
    "cuff": (-0.44, 0.98, 0.52),
}
_OF_A_HAND = (
    *("x", "y", "z"),
    *("direction", "elevation", "roll"),
    *("thumb", "index", "middle", "ring", "little", "spread"),
    *("stroke_x", "stroke_y", "stroke_z"),
    *("hertz", "flex", "turn", "hidden"),
)
# Sides of the moving body differ by the acting hand; their sizes do not.
_OF_THE_BODY = tuple(f"{track}{what}" for track in TRACKS for what in ("", "_hertz"))
COLUMNS = (
    "hands",
    *(f"hand{number}_{name}" for number in (1, 2) for name in _OF_A_HAND),
    *_OF_THE_BODY,
)


def event_parameters(event: Event) -> dict[str, float]:
    """Those of ``COLUMNS`` that apply to an event."""
    values = {"hands": float(len(event.hands))}
    for number, act in enumerate(event.hands, start=1):
        drawn = (
            *(_neutral_place(act) + act.offset),
            *act.angles,
            *act.shape,
            *act.stroke,
            *(act.frequency, act.flex, act.turn, act.reach.hidden),
        )
        names = (f"hand{number}_{name}" for name in _OF_A_HAND)
        values |= {name: float(v) for name, v in zip(names, drawn, strict=True)}
    for move in event.moves:
        values[move.track] = move.size
        if move.form in ("shake", "pulse"):
            values[f"{move.track}_hertz"] = move.frequency
    return values


def _neutral_place(act: HandAct) -> Floats:
    name = act.reach.target.replace("own_", "left_").replace("other_", "right_")
    place = place_of(name, HEAD_PLACES)
    if place is not None:
        return np.asarray(place + HEAD_CENTRE)
    for places in (TRUNK_PLACES, ROOM_PLACES):
        place = place_of(name, places)
        if place is not None:
            return place
    return np.array(_ARM_PLACES[act.reach.target.removeprefix("other_")])
