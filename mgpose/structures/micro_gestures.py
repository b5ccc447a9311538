"""The 32 classes of iMiGUE: the one home of their names, and a description of each.

``micro_gestures.json`` beside this module holds them, for readers in any language. Names and ids
are those of iMiGUE; the rest is our own, and its notes say what was measured and what was chosen.

Reference: Liu et al., iMiGUE: An identity-free video dataset for micro-gesture understanding and
emotion analysis, CVPR 2021.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.resources import files
from types import MappingProxyType
from typing import Any

GROUPS = ("head", "head-hand", "body-hand", "body", "hand")
_IDS = (*range(1, 32), 99)
_NO_MICRO_GESTURE = 99


@dataclass(frozen=True)
class MicroGesture:
    """One class.

    Args:
        id: number that iMiGUE's label files give it, 1..31 or 99.
        name: its name in iMiGUE.
        group: body-part group, one of :data:`GROUPS`.
        body_parts: what moves, and where.
        motion: what a frontal video of a seated person shows.
        look_alikes: names of the 1 to 4 classes that it is easily mistaken for.
        told_apart_by: what distinguishes it from those.
        often_read_as: what observers tend to read into it: an attribution, no evidence of a felt
            emotion.
        micro_gesture: whether it is one; the illustrative gesture (99) is not.
        share: percentage of all clips, in (0, 100).

    Raises:
        ValueError: for an unknown group, a missing text, no or too many look-alikes, a share out
            of range, or a ``micro_gesture`` that contradicts the id.
    """

    id: int
    name: str
    group: str
    body_parts: tuple[str, ...]
    motion: str
    look_alikes: tuple[str, ...]
    told_apart_by: str
    often_read_as: str
    micro_gesture: bool
    share: float

    def __post_init__(self) -> None:
        who = f"class {self.id} ({self.name!r})"
        if self.group not in GROUPS:
            raise ValueError(f"{who}: expected a group of {GROUPS}, got {self.group!r}")
        for field in ("name", "motion", "told_apart_by", "often_read_as", "body_parts"):
            if not getattr(self, field):
                raise ValueError(f"{who}: {field} is empty")
        if not 1 <= len(self.look_alikes) <= 4:
            raise ValueError(f"{who}: expected 1 to 4 look-alikes, got {len(self.look_alikes)}")
        if not 0 < self.share < 100:
            raise ValueError(f"{who}: expected a share in (0, 100), got {self.share}")
        if self.micro_gesture != (self.id != _NO_MICRO_GESTURE):
            raise ValueError(f"{who}: only {_NO_MICRO_GESTURE} is no micro-gesture")


def parse_micro_gestures(text: str) -> tuple[MicroGesture, ...]:
    """The classes in a text such as ``micro_gestures.json``.

    Raises:
        ValueError: for fields, ids or values other than expected, a name twice, look-alikes that
            are no other class or that do not name each other, or shares that do not sum to 100.
    """
    gestures = tuple(_micro_gesture(entry) for entry in json.loads(text)["classes"])
    ids = tuple(gesture.id for gesture in gestures)
    if ids != _IDS:
        raise ValueError(f"expected the ids 1..31 and 99 in this order, got {ids}")
    _check_names(gestures)
    total = sum(gesture.share for gesture in gestures)
    if abs(total - 100) > 0.01:
        raise ValueError(f"expected shares that sum to 100, got {total:g}")
    return gestures


def _micro_gesture(entry: Mapping[str, Any]) -> MicroGesture:
    expected = {field.name for field in fields(MicroGesture)}
    if set(entry) != expected:
        raise ValueError(
            f"class {entry.get('id')}: missing fields {sorted(expected - set(entry))}, "
            f"unknown fields {sorted(set(entry) - expected)}"
        )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return MicroGesture(**values)


def _check_names(gestures: Sequence[MicroGesture]) -> None:
    twice = [name for name, count in Counter(g.name for g in gestures).items() if count > 1]
    if twice:
        raise ValueError(f"expected unique names, got twice {twice}")
    like = {gesture.name: gesture.look_alikes for gesture in gestures}
    for name, others in like.items():
        for other in others:
            if other not in like or other == name:
                raise ValueError(f"look-alike {other!r} of {name!r} is no other class")
            if name not in like[other]:
                raise ValueError(f"{name!r} looks like {other!r}, which does not name it in turn")


MICRO_GESTURES = parse_micro_gestures(
    files("mgpose.structures").joinpath("micro_gestures.json").read_text(encoding="utf-8")
)
"""The 32 classes by id."""

IMIGUE_CLASSES: Mapping[int, str] = MappingProxyType({g.id: g.name for g in MICRO_GESTURES})
"""Name of each class by the number that iMiGUE's label files give it."""
