"""A skeleton: named keypoints, the graph between them, left and right, parts, canonical frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Canonical:
    """How a clip's keypoints are brought to a common place and size.

    Args:
        root: keypoints whose mean is the origin.
        scale: two groups of keypoints; the distance of their means is the unit of length.
        over: ``"clip_median"`` takes origin and unit as medians over the clip, so that motion of
            the torso stays visible; ``"first_frame"`` takes the origin of the first valid frame.
        facing: for metric 3-D skeletons, two keypoints (left, right) whose line in the first
            valid frame is turned onto the x axis about the vertical; empty for none.
    """

    root: tuple[str, ...]
    scale: tuple[tuple[str, ...], tuple[str, ...]]
    over: str = "clip_median"
    facing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.over not in ("clip_median", "first_frame"):
            raise ValueError(f"over must be 'clip_median' or 'first_frame', got {self.over!r}")
        if len(self.facing) not in (0, 2):
            raise ValueError(f"facing must name 0 or 2 keypoints, got {self.facing}")


@dataclass(frozen=True)
class Skeleton:
    """Keypoints of one layout and the graph that a model reads.

    Args:
        name: name of the layout, stored in every pose file.
        keypoints: V unique names; a left keypoint is called ``left_x`` and its mirror ``right_x``.
        edges: pairs of keypoint names, undirected.
        parts: part name -> keypoint names; parts are disjoint and cover every keypoint, or empty
            for a source layout that no model reads.
        canonical: the common frame, None for a source layout.
        dims: coordinates that a model reads, 2 or 3.
        unpaired: keypoints whose mirror image is not recorded; a mirror masks them.

    Raises:
        ValueError: on duplicate names, unknown names, or parts that do not partition the keypoints.
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[tuple[str, str], ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    canonical: Canonical | None = None
    dims: int = 2
    unpaired: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.keypoints)) != len(self.keypoints):
            seen = sorted({k for k in self.keypoints if self.keypoints.count(k) > 1})
            raise ValueError(f"keypoint names must be unique, got duplicates {seen}")
        if self.dims not in (2, 3):
            raise ValueError(f"dims must be 2 or 3, got {self.dims}")
        named = [k for edge in self.edges for k in edge]
        named += [k for part in self.parts.values() for k in part]
        if self.canonical is not None:
            named += [*self.canonical.root, *self.canonical.facing]
            named += [k for group in self.canonical.scale for k in group]
        unknown = sorted(set(named) - set(self.keypoints))
        if unknown:
            raise ValueError(f"skeleton {self.name!r} has no keypoints {unknown}")
        in_parts = [k for part in self.parts.values() for k in part]
        if self.parts and sorted(in_parts) != sorted(self.keypoints):
            raise ValueError(f"parts of {self.name!r} must hold each keypoint exactly once")
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))

    def __len__(self) -> int:
        return len(self.keypoints)

    def __hash__(self) -> int:
        return hash((self.name, self.keypoints, self.edges))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, and skeletons travel to spawned workers.
        graph = (self.name, self.keypoints, self.edges, dict(self.parts))
        return (Skeleton, (*graph, self.canonical, self.dims, self.unpaired))

    def __deepcopy__(self, memo: object) -> Skeleton:
        return self

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.keypoints)}

    def index(self, name: str) -> int:
        """Position of a keypoint.

        Raises:
            KeyError: when the skeleton has no such keypoint.
        """
        if name not in self._index:
            raise KeyError(f"skeleton {self.name!r} has no keypoint {name!r}")
        return self._index[name]

    def indices(self, names: tuple[str, ...]) -> IntArray:
        """Positions of several keypoints."""
        return np.array([self.index(name) for name in names], dtype=np.int64)

    @cached_property
    def mirror_permutation(self) -> IntArray:
        """(V,) for each keypoint the index of its mirror image; an involution."""
        return np.array([self._index[mirror_name(k)] for k in self.keypoints], dtype=np.int64)

    @cached_property
    def edge_indices(self) -> IntArray:
        """(E, 2) edges as keypoint indices."""
        pairs = [(self._index[a], self._index[b]) for a, b in self.edges]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    @cached_property
    def part_of(self) -> IntArray:
        """(V,) index of each keypoint's part, in the order of ``parts``."""
        part = np.zeros(len(self), dtype=np.int64)
        for i, names in enumerate(self.parts.values()):
            part[self.indices(names)] = i
        return part

    @cached_property
    def hop_distances(self) -> IntArray:
        """(V, V) shortest path lengths in edges; V where no path exists."""
        neighbours: list[list[int]] = [[] for _ in self.keypoints]
        for a, b in self.edge_indices:
            neighbours[a].append(int(b))
            neighbours[b].append(int(a))
        hops = np.full((len(self), len(self)), len(self), dtype=np.int64)
        for start in range(len(self)):
            hops[start, start] = 0
            queue = deque([start])
            while queue:
                here = queue.popleft()
                for there in neighbours[here]:
                    if hops[start, there] > hops[start, here] + 1:
                        hops[start, there] = hops[start, here] + 1
                        queue.append(there)
        return hops

    @cached_property
    def parents(self) -> IntArray:
        """(V,) the neighbour one hop nearer to the first root keypoint; a root is its own parent.

        A keypoint on the midline takes its nearest ancestor on the midline, so that parents, like
        keypoints, have mirror images. The bone vector of a keypoint is its position minus that of
        its parent.
        """
        root = self._index[self.canonical.root[0]] if self.canonical else 0
        parents = np.arange(len(self), dtype=np.int64)
        hops, mirrored = self.hop_distances, self.mirror_permutation
        for v in np.argsort(hops[root], kind="stable"):
            nearer = np.flatnonzero((hops[v] == 1) & (hops[root] == hops[root, v] - 1))
            if nearer.size:
                parents[v] = nearer[0]
                while mirrored[v] == v and mirrored[parents[v]] != parents[v]:
                    parents[v] = parents[parents[v]]
        return parents


def mirror_name(name: str) -> str:
    """The name of the mirror image: ``left_`` and ``right_`` change places."""
    if name.startswith("left_"):
        return "right_" + name[5:]
    if name.startswith("right_"):
        return "left_" + name[6:]
    return name
