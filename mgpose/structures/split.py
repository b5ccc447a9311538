"""Train, validation and test parts that share no group unless the protocol declares it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from mgpose.structures.annotation import Annotation


@dataclass(frozen=True)
class Split:
    """One fold of a protocol.

    Args:
        protocol: name of the protocol.
        fold: name of the fold, ``"only"`` for a protocol with one.
        train, val, test: video ids. ``val`` is held out inside train for tuning and monitoring;
            an empty ``test`` means that the split serves pre-training only.
        groups: group name -> video id -> value, for every group that must not be shared.
        exceptions: group name -> reason, for groups that the protocol itself shares between
            train and test; every report prints them.

    Raises:
        ValueError: when two parts share a video, or a group without a declared exception.
    """

    protocol: str
    fold: str
    train: tuple[str, ...]
    test: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exceptions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = {"train": self.train, "val": self.val, "test": self.test}
        if not self.train:
            raise ValueError(f"{self.protocol}/{self.fold}: the train part is empty")
        for (a, videos_a), (b, videos_b) in combinations(parts.items(), 2):
            shared = sorted(set(videos_a) & set(videos_b))
            if shared:
                raise ValueError(
                    f"{self.protocol}/{self.fold}: {a} and {b} share {len(shared)} videos, "
                    f"such as {shared[0]!r}"
                )
        for group, values in self.groups.items():
            if group not in self.exceptions:
                self._check_group(group, values, parts)

    def _check_group(
        self, group: str, values: Mapping[str, str], parts: Mapping[str, tuple[str, ...]]
    ) -> None:
        for a, b in (("train", "test"), ("val", "test")):
            shared = sorted({values[v] for v in parts[a]} & {values[v] for v in parts[b]})
            if shared:
                raise ValueError(
                    f"{self.protocol}/{self.fold}: {a} and {b} share the {group} "
                    f"{', '.join(shared[:3])} ({len(shared)} in all); declare the exception in "
                    "the protocol or split by this group"
                )


def groups_of(annotations: Sequence[Annotation], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Group name -> video id -> value, read off the annotations."""
    return {name: {a.video: a.group(name) for a in annotations} for name in names}
