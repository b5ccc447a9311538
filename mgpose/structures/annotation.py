"""A labelled span of a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Annotation:
    """One labelled span.

    Args:
        video: id of the video in its store.
        subject: subject id.
        start, stop: span, ``stop`` exclusive, in ``unit``.
        label: class name.
        tier: ``"gesture"`` or ``"emotion"`` (any other tier name is kept as it is).
        unit: ``"second"``, or ``"frame"`` where no rate is known.
        annotator: who labelled it, empty when not recorded.
        confidence: in [0, 1].
        groups: further groups that a protocol may keep apart, such as ``session``, ``camera`` or
            ``performance`` (one performance filmed by several cameras).

    Raises:
        ValueError: on an empty span, an unknown unit or a confidence outside [0, 1].
    """

    video: str
    subject: str
    start: float
    stop: float
    label: str
    tier: str = "gesture"
    unit: str = "second"
    annotator: str = ""
    confidence: float = 1.0
    groups: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(
                f"annotation of {self.video!r}: expected 0 <= start < stop, got "
                f"{self.start} and {self.stop}"
            )
        if self.unit not in ("second", "frame"):
            raise ValueError(f"unit must be 'second' or 'frame', got {self.unit!r}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence must lie in [0, 1], got {self.confidence}")
        if not self.label:
            raise ValueError(f"annotation of {self.video!r} has an empty label")

    def group(self, name: str) -> str:
        """Value of a group: ``video``, ``subject`` or a key of ``groups``.

        Raises:
            KeyError: when the annotation does not carry the group.
        """
        if name == "video":
            return self.video
        if name == "subject":
            return self.subject
        if name not in self.groups:
            raise KeyError(f"annotation of {self.video!r} has no group {name!r}")
        return self.groups[name]
