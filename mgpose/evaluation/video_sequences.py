"""Frozen embeddings of the windows of whole videos, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import IntArray, require_finite

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
_OCTAVES = (1, 2, 4)  # half turns of the relative time over a video
_QUARTERS = (1, 4, 16)  # half turns of the absolute time over the longest training video
TIME_CHANNELS = 2 * (len(_OCTAVES) + len(_QUARTERS))


@dataclass(frozen=True, eq=False)
class VideoSequences:
    """N videos, each a sequence of at least one window; those without a usable pose are left out.

    Args:
        values: (M, D) float32 embeddings of all windows, video by video.
        video: (M,) number of the video of each window, ascending from 0 to N - 1.
        time: (M,) middle of each window since its video began: seconds, or frames where no rate
            is known.
        length: (N,) length of each video in the same unit, > 0.

    Raises:
        ValueError: on shapes that differ, a video without a window, values that are not finite.
    """

    values: Float32Array
    video: IntArray
    time: Float64Array
    length: Float64Array

    def __post_init__(self) -> None:
        for name, dtype in (
            ("values", np.float32),
            ("video", np.int64),
            ("time", np.float64),
            ("length", np.float64),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        rows = len(self.values)
        if self.values.ndim != 2 or self.video.shape != (rows,) or self.time.shape != (rows,):
            raise ValueError(
                f"expected values (M, D), video (M,) and time (M,), got {self.values.shape}, "
                f"{self.video.shape} and {self.time.shape}"
            )
        known = np.unique(self.video)
        if not np.array_equal(known, np.arange(len(self.length))) or np.any(
            np.diff(self.video) < 0
        ):
            raise ValueError(
                f"video must ascend from 0 to {len(self.length) - 1} with a window for each, got "
                f"{len(known)} numbers"
            )
        require_finite(self.values, "values")
        require_finite(self.time, "time")
        if not np.all(self.length > 0):
            raise ValueError("every video must have a length > 0")

    def __len__(self) -> int:
        return len(self.length)

    @property
    def counts(self) -> IntArray:
        """(N,) windows of each video."""
        return np.bincount(self.video, minlength=len(self)).astype(np.int64)

    def means(self) -> Float32Array:
        """(N, D) mean pooling."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        total: Float64Array = np.add.reduceat(self.values, starts, axis=0, dtype=np.float64)
        return (total / self.counts[:, None]).astype(np.float32)

    def subset(self, videos: Sequence[int] | IntArray) -> VideoSequences:
        """Some videos in the order given, renumbered from 0."""
        chosen = np.asarray(videos, dtype=np.int64)
        ends = np.cumsum(self.counts)
        rows = [np.arange(ends[v] - self.counts[v], ends[v]) for v in chosen]
        order = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        video = np.repeat(np.arange(len(chosen)), self.counts[chosen])
        return VideoSequences(self.values[order], video, self.time[order], self.length[chosen])

    def first_channels(self, count: int) -> VideoSequences:
        """The same windows with their first ``count`` channels."""
        return self.with_values(self.values[:, :count])

    def with_values(self, values: Float32Array) -> VideoSequences:
        """The same windows with other values (M, D')."""
        return VideoSequences(values, self.video, self.time, self.length)


def time_encodings(sequences: VideoSequences, longest: float) -> Float32Array:
    """(M, TIME_CHANNELS) cosines and sines of each window's place in time, of unit variance.

    cos and sin of pi k t / L, with the video's own length L for k = 1, 2, 4 (where in the video),
    and with L = ``longest`` for k = 1, 4, 16 (how long since it began).

    Args:
        sequences: of N videos.
        longest: length of the longest training video, > 0, in the unit of the sequences.

    Reference:
        Vaswani et al., Attention Is All You Need, NeurIPS 2017 (sinusoids as positions).
    """
    if longest <= 0:
        raise ValueError(f"longest must be > 0, got {longest}")
    relative = sequences.time / sequences.length[sequences.video]
    angles = [np.pi * k * relative for k in _OCTAVES]
    angles += [np.pi * k * sequences.time / longest for k in _QUARTERS]
    waves = [wave(angle) for angle in angles for wave in (np.cos, np.sin)]
    encodings: Float32Array = np.stack(waves, axis=1).astype(np.float32) * np.float32(2**0.5)
    return encodings
