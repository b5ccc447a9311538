"""What measuring does to the poses: confidence, gaps, jitter, jumps, swaps, failures.

``LEVELS["measured"]`` follows what a pose estimator gives on a real press conference (OpenPose,
21,068 frames): hand keypoints below a confidence of 0.3: left 39 %, right 28 %; face 3 %; upper
body 10 %; lower body all; median step from frame to frame .005 shoulder widths at the nose, .003 at
the fingertips, of which .10 at the 99th percentile is an outlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Noise:
    """Levels of everything that can go wrong.

    Args:
        doubt: spread of the confidence below 1, relative to OpenPose's.
        jitter: standard deviation of a sure keypoint's coordinates, shoulder widths; an unsure one
            has up to four times as much.
        slow_jitter: the part of it that stays for about half a second, shoulder widths.
        bias: standard deviation of a keypoint's constant error over a video (clothes, hair, light),
            shoulder widths; in the face 0.4 times as much.
        hand_missing: share of frames in which the left and the right hand are lost.
        unsure: of the lost frames, the share in which the hand is there with a confidence below
            0.3 and in a wrong place instead of missing.
        blur: how much more often fast hands are lost.
        jump: probability, per hand and frame, that the whole hand is misplaced.
        swap: share of frames in which left and right hand have changed places.
        fail: share of frames in which there is no pose at all.
        arm_missing: share of frames in which elbows and wrists are unsure.
        face_hidden: probability that a part of the face behind a hand is lost.
        hips: share of videos in which the hips are seen at all.
        label_shift: standard deviation of an annotator's start and stop, frames.
    """

    doubt: float = 0.0
    jitter: float = 0.0
    slow_jitter: float = 0.0
    bias: float = 0.0
    hand_missing: tuple[float, float] = (0.0, 0.0)
    unsure: float = 0.0
    blur: float = 0.0
    jump: float = 0.0
    swap: float = 0.0
    fail: float = 0.0
    arm_missing: float = 0.0
    face_hidden: float = 0.0
    hips: float = 1.0
    label_shift: float = 0.0

    def __post_init__(self) -> None:
        numbers = (
            self.doubt,
            self.jitter,
            self.slow_jitter,
            self.bias,
            self.blur,
            self.label_shift,
        )
        shares = (
            *self.hand_missing, self.unsure, self.jump, self.swap, self.fail, self.arm_missing,
            self.face_hidden, self.hips,
        )  # fmt: skip
        if min(numbers) < 0 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"expected sizes >= 0 and shares in [0, 1], got {self}")
        if max(self.hand_missing) > 0.9:
            raise ValueError(f"expected hands missing in at most 90 % of frames, got {self}")


_MEASURED = Noise(
    doubt=1.0,
    jitter=0.0011,
    slow_jitter=0.002,
    bias=0.04,
    hand_missing=(0.33, 0.17),
    unsure=0.45,
    blur=1.5,
    jump=0.003,
    swap=0.0012,
    fail=0.0008,
    arm_missing=0.18,
    face_hidden=0.5,
    hips=0.25,
    label_shift=2.0,
)
LEVELS: Mapping[str, Noise] = {
    "clean": Noise(),
    "measured": _MEASURED,
    "harsh": replace(
        _MEASURED,
        doubt=1.4,
        jitter=0.004,
        slow_jitter=0.005,
        bias=0.06,
        hand_missing=(0.65, 0.6),
        jump=0.012,
        swap=0.005,
        fail=0.004,
        arm_missing=0.3,
        face_hidden=0.8,
        hips=0.0,
        label_shift=6.0,
    ),
}
