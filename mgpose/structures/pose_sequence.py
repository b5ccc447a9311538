"""One person in one video: keypoints over time, the only door into the toolkit's data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.structures.ledger import LEDGER_DTYPE, FrameFlag, validate_ledger
from mgpose.structures.skeleton import Skeleton

UNITS = ("pixel", "normalised", "metre")
TIME_SOURCES = ("container", "rate", "index")


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """Keypoints of one person over the frames of one video.

    Args:
        skeleton: the layout of the keypoints.
        keypoints: (T, V, 2 or 3) float32; NaN where not detected, never zero-filled. In images x
            runs right and y down.
        scores: (T, V) float32 in [0, 1]; 0 where the keypoint is NaN.
        time: (T,) float64, strictly increasing; seconds, or frame numbers when ``time_source`` is
            ``"index"`` (the rate is unknown).
        unit: ``"pixel"``, ``"normalised"`` (fraction of frame width and height) or ``"metre"``.
        time_source: ``"container"`` (the video's time stamps), ``"rate"`` (a stated frame rate) or
            ``"index"``.
        frame_size: (width, height) in pixels, None where unknown.
        ledger: (T,) uint16 of :class:`FrameFlag`.
        subject: subject id, or None.

    Raises:
        ValueError: naming the field, what was expected and what was found.
    """

    skeleton: Skeleton
    keypoints: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    time: npt.NDArray[np.float64]
    unit: str
    time_source: str
    frame_size: tuple[int, int] | None = None
    ledger: npt.NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, LEDGER_DTYPE))
    subject: str | None = None

    def __post_init__(self) -> None:
        frames, points = self.keypoints.shape[0], len(self.skeleton)
        if self.keypoints.ndim != 3 or self.keypoints.shape[1:] not in ((points, 2), (points, 3)):
            raise ValueError(
                f"keypoints must have shape (T, {points}, 2 or 3) for skeleton "
                f"{self.skeleton.name!r}, got {self.keypoints.shape}"
            )
        if self.keypoints.dtype != np.float32 or self.scores.dtype != np.float32:
            raise ValueError(
                "keypoints and scores must be float32, got "
                f"{self.keypoints.dtype} and {self.scores.dtype}"
            )
        if self.scores.shape != (frames, points):
            raise ValueError(f"scores must have shape {(frames, points)}, got {self.scores.shape}")
        if self.time.shape != (frames,) or self.time.dtype != np.float64:
            raise ValueError(
                f"time must be float64 of shape ({frames},), got {self.time.dtype} "
                f"{self.time.shape}"
            )
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {UNITS}, got {self.unit!r}")
        if self.time_source not in TIME_SOURCES:
            raise ValueError(f"time_source must be one of {TIME_SOURCES}, got {self.time_source!r}")
        if self.ledger.size == 0 and frames:
            imported = np.full(frames, FrameFlag.IMPORTED, dtype=LEDGER_DTYPE)
            object.__setattr__(self, "ledger", imported)
        validate_ledger(self.ledger, frames)
        self._validate_values()

    def _validate_values(self) -> None:
        if not np.isfinite(self.time).all() or (np.diff(self.time) <= 0).any():
            raise ValueError("time must be finite and strictly increasing")
        missing = np.isnan(self.keypoints)
        if (missing.any(-1) != missing.all(-1)).any():
            raise ValueError("a keypoint must be NaN in all of its coordinates or in none")
        if np.isinf(self.keypoints).any():
            raise ValueError("keypoints must be finite or NaN, got infinity")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(
                f"scores must lie in [0, 1], got {np.min(self.scores)} to {np.max(self.scores)}"
            )
        if (self.scores[missing.any(-1)] != 0).any():
            raise ValueError("scores must be 0 where the keypoint is NaN")

    def __len__(self) -> int:
        return int(self.keypoints.shape[0])

    @property
    def detected(self) -> npt.NDArray[np.bool_]:
        """(T, V) True where the keypoint was detected."""
        return ~np.isnan(self.keypoints[..., 0])

    def window(self, start: int, stop: int) -> PoseSequence:
        """Frames ``start`` to ``stop`` (exclusive).

        Raises:
            ValueError: when the window is empty or leaves the sequence.
        """
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"window must lie inside 0..{len(self)}, got {start}..{stop}")
        return self.replace(
            keypoints=self.keypoints[start:stop],
            scores=self.scores[start:stop],
            time=self.time[start:stop],
            ledger=self.ledger[start:stop],
        )

    def replace(self, **changes: Any) -> PoseSequence:
        """A copy with some fields changed, validated anew."""
        return replace(self, **changes)


def mirror(sequence: PoseSequence) -> PoseSequence:
    """The sequence as seen in a mirror: x is reflected and left and right change places.

    Pixels are reflected about the frame's width, normalised coordinates about 1, metres about 0.
    Keypoints without a recorded mirror image become NaN rather than change sides unnoticed.

    Raises:
        ValueError: for pixels without a frame size.
    """
    if sequence.unit == "pixel" and sequence.frame_size is None:
        raise ValueError("mirroring pixels needs frame_size, got None")
    width = {"normalised": 1.0, "metre": 0.0}.get(sequence.unit)
    if width is None and sequence.frame_size is not None:
        # The centre of the last pixel mirrors onto the centre of the first.
        width = float(sequence.frame_size[0] - 1)
    order = sequence.skeleton.mirror_permutation
    keypoints = sequence.keypoints[:, order].copy()
    scores = sequence.scores[:, order].copy()
    keypoints[..., 0] = np.float32(width) - keypoints[..., 0]
    unpaired = sequence.skeleton.indices(sequence.skeleton.unpaired)
    keypoints[:, unpaired], scores[:, unpaired] = np.nan, 0
    return sequence.replace(keypoints=keypoints, scores=scores)
