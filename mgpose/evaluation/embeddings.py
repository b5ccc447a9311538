"""Frozen embeddings of clips, with what is known about each clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """One row for each clip; the encoder that made it is out of sight.

    Args:
        embeddings: (N, D) float32, finite.
        labels: (N,) int64 class numbers >= 0; -1 for an unlabelled clip.
        subjects: N subject ids.
        videos: N video ids.
        starts, stops: (N,) float64 span of the clip in its video, ``stop`` exclusive, in seconds,
            or in frames where no rate is known.

    Raises:
        ValueError: on lengths that differ, a wrong number of axes, values that are not finite,
            labels below -1, or an empty span.
    """

    embeddings: npt.NDArray[np.float32]
    labels: IntArray
    subjects: tuple[str, ...]
    videos: tuple[str, ...]
    starts: npt.NDArray[np.float64]
    stops: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, dtype in (
            ("embeddings", np.float32),
            ("labels", np.int64),
            ("starts", np.float64),
            ("stops", np.float64),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        object.__setattr__(self, "subjects", tuple(self.subjects))
        object.__setattr__(self, "videos", tuple(self.videos))
        if self.embeddings.ndim != 2:
            raise ValueError(f"embeddings must have shape (N, D), got {self.embeddings.shape}")
        rows = len(self.embeddings)
        for name in ("labels", "starts", "stops"):
            if getattr(self, name).shape != (rows,):
                raise ValueError(
                    f"{name} must have shape ({rows},), got {getattr(self, name).shape}"
                )
        for name in ("subjects", "videos"):
            if len(getattr(self, name)) != rows:
                raise ValueError(f"expected {rows} {name}, got {len(getattr(self, name))}")
        require_finite(self.embeddings, "embeddings")
        if rows and self.labels.min() < -1:
            raise ValueError(f"labels must be >= -1, got {self.labels.min()}")
        if not np.all(self.starts < self.stops):
            raise ValueError("every clip must have start < stop")

    def __len__(self) -> int:
        return len(self.embeddings)

    def subset(self, index: npt.ArrayLike) -> EmbeddingTable:
        """The rows of ``index``: integer positions, in their order, or an (N,) boolean mask."""
        rows = np.arange(len(self))[np.asarray(index)]
        return EmbeddingTable(
            embeddings=self.embeddings[rows],
            labels=self.labels[rows],
            subjects=tuple(self.subjects[i] for i in rows),
            videos=tuple(self.videos[i] for i in rows),
            starts=self.starts[rows],
            stops=self.stops[rows],
        )


def require_finite(values: FloatArray, name: str) -> None:
    """Refuse NaN and infinity: a broken encoder must not become a number in a table.

    Raises:
        ValueError: naming the array and how many of its rows are broken.
    """
    broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if broken.any():
        raise ValueError(
            f"{name} must be finite, got NaN or infinity in {int(broken.sum())} of "
            f"{len(values)} rows, first in row {int(np.argmax(broken))}"
        )


def require_labels(labels: IntArray, rows: int, classes: int) -> None:
    """Check that there is one label in [0, classes) for each of the rows, and at least one row.

    Raises:
        ValueError: when there is not.
    """
    if labels.shape != (rows,):
        raise ValueError(f"labels must have shape ({rows},), got {labels.shape}")
    if rows == 0:
        raise ValueError("expected at least one labelled row, got none")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must lie in [0, {classes}), got {labels.min()} to {labels.max()}")
