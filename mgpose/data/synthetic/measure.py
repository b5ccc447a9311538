"""What an estimator gives of a body in motion: keypoints with gaps and errors, and confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.data.synthetic.camera import FRAME_SIZE
from mgpose.data.synthetic.hand import SIDES, Floats
from mgpose.data.synthetic.noise import Noise
from mgpose.structures import UPPER_BODY_HANDS_FACE

Bools = npt.NDArray[np.bool_]
Float32s = npt.NDArray[np.float32]

_LAYOUT = UPPER_BODY_HANDS_FACE
_HEAD = np.concatenate([np.arange(5), _LAYOUT.indices(_LAYOUT.parts["face"])])
_HANDS = {side: _LAYOUT.indices(_LAYOUT.parts[f"{side}_hand"]) for side in SIDES}
_ARMS = _LAYOUT.indices(tuple(f"{side}_{k}" for side in SIDES for k in ("elbow", "wrist")))
_HIP, _NOSE = _LAYOUT.index("mid_hip"), _LAYOUT.index("nose")
# Mean confidence of OpenPose by part, and its spread.
_CONFIDENCE = {"body": (0.76, 0.12), "face": (0.87, 0.04)} | {
    f"{side}_hand": (0.64, 0.19) for side in SIDES
}
_NEAR_HEAD = 0.7  # shoulder widths from nose to the middle of a hand that may cover the face
_COVERS = 0.09  # shoulder widths about a point of the hand within which the face is hidden
_COVERING = (0, 4, 5, 8, 9, 12, 16, 17, 20)  # the hand's points that are asked
_SLOW_FRAMES = 12  # half a second between two knots of the slow jitter
_FAST, _FASTER = 0.03, 0.12  # shoulder widths a frame: a hand begins to blur, and is a blur
_HIDDEN = 0.45  # a hand hidden further than this is lost
_BIAS_OF_FACE = 0.4
_LOW = 0.28  # confidence of what the estimator is unsure of is below
_STEPS_A_PIXEL, _STEPS_OF_SCORE = 32, 256


@dataclass(frozen=True, eq=False)
class Sensor:
    """An estimator that looks at one video, and its luck with it.

    Args:
        noise: the levels.
        lost: side -> (T,) frames in which the hand is lost.
        unsure: side -> (T,) frames in which a lost hand is unsure instead of missing.
        arm_unsure: (T, 2) frames in which elbow and wrist of a side are unsure.
        swapped: (T,) frames in which the hands change places.
        failed: (T,) frames in which there is no pose.
        bias: (70, 2) constant error of each keypoint, shoulder widths.
        slow: (K, 70, 2) knots of the slow jitter, standard deviation 1.
        sees_hips: whether no table hides them.
    """

    noise: Noise
    lost: Mapping[str, Bools]
    unsure: Mapping[str, Bools]
    arm_unsure: Bools
    swapped: Bools
    failed: Bools
    bias: Floats
    slow: Floats
    sees_hips: bool


def runs(rng: np.random.Generator, frames: int, share: float, length: float) -> Bools:
    """(frames,) True in runs of about ``length`` frames that fill about ``share`` of the time."""
    if share == 0:
        return np.zeros(frames, bool)
    # Half a frame less: lengths are rounded up. Many runs, or their share would be too large.
    means = np.maximum(np.array([length, length * (1 - share) / share]) - 0.5, 0.5)
    count = 20 + int(2 * frames / means.sum())
    lengths = rng.exponential(means, (count, 2)).astype(int) + 1
    flags = np.repeat(np.tile([True, False], count), lengths.ravel())
    # Start somewhere inside, so that videos do not all begin with a gap.
    flags = np.roll(flags, int(rng.integers(len(flags))))
    return np.resize(flags, frames)


def sample_sensor(rng: np.random.Generator, noise: Noise, frames: int) -> Sensor:
    """The estimator of one video of ``frames`` frames."""
    # Some videos are worse than others, for both hands alike.
    quality = rng.uniform(0.6, 1.4)
    lost = {}
    for side, usual in zip(SIDES, noise.hand_missing, strict=True):
        share = min(0.9, usual * quality)
        # Hands flicker for a few frames, and stay away for seconds.
        lost[side] = runs(rng, frames, 0.25 * share, 4) | runs(rng, frames, 0.75 * share, 45)
    return Sensor(
        noise=noise,
        lost=lost,
        unsure={side: runs(rng, frames, noise.unsure, 12) for side in SIDES},
        arm_unsure=np.stack([runs(rng, frames, noise.arm_missing, 15) for _ in SIDES], 1),
        swapped=runs(rng, frames, noise.swap, 5),
        failed=runs(rng, frames, noise.fail, 5),
        bias=_bias(rng, noise),
        slow=rng.standard_normal((frames // _SLOW_FRAMES + 2, len(_LAYOUT), 2)),
        sees_hips=bool(rng.random() < noise.hips),
    )


@dataclass(frozen=True, eq=False)
class _Block:
    """A block of frames on its way through the estimator; the arrays are changed in place.

    Args:
        points: (t, 70, 3) where the keypoints are in space, shoulder widths.
        scale: (t,) pixels a shoulder width.
        slow: (t, 70, 2) error that stays for about half a second, standard deviation 1.
        keypoints: (t, 70, 2) pixels.
        scores: (t, 70).
        missing: (t, 70).
    """

    points: Floats
    scale: Floats
    slow: Floats
    keypoints: Floats
    scores: Floats
    missing: Bools


def measure(
    rng: np.random.Generator,
    sensor: Sensor,
    window: slice,
    pixels: Floats,
    points: Floats,
    scale: Floats,
    hidden: Mapping[str, Floats],
) -> tuple[Float32s, Float32s]:
    """What the estimator gives for a block of frames.

    Args:
        rng: of everything random in the block.
        sensor: the estimator.
        window: the block's frames in the video.
        pixels: (t, 70, 2) where the keypoints are in the image.
        points: (t, 70, 3) where they are in space, shoulder widths.
        scale: (t,) pixels a shoulder width.
        hidden: side -> (t,) how far the body or a table hides the hand, 0 to 1.

    Returns:
        (t, 70, 2) keypoints, NaN where missing, and (t, 70) scores, 0 there. They are rounded, to
        1/32 pixel and 1/256, so that the last bit of a machine's arithmetic decides nothing.
    """
    noise, frames = sensor.noise, len(pixels)
    block = _Block(
        points,
        scale,
        _slow_error(sensor, window),
        pixels.copy(),
        _confidence(rng, noise, frames),
        np.zeros((frames, len(_LAYOUT)), bool),
    )
    block.missing[:, _HIP] = not sensor.sees_hips
    _cover_face(rng, noise, block)
    _doubt_arms(rng, sensor.arm_unsure[window], block)
    for side in SIDES:
        _lose_hand(rng, sensor, side, window, hidden[side], block)
    _shake(rng, sensor, block)
    _swap_hands(sensor.swapped[window], block)
    keypoints, scores = block.keypoints, block.scores
    outside = (keypoints < 0).any(-1) | (keypoints >= FRAME_SIZE).any(-1)
    gone = block.missing | outside | sensor.failed[window, None]
    keypoints = np.rint(keypoints * _STEPS_A_PIXEL) / _STEPS_A_PIXEL
    scores = np.rint(np.clip(scores, 0.01, 1) * _STEPS_OF_SCORE) / _STEPS_OF_SCORE
    keypoints[gone], scores[gone] = np.nan, 0
    return keypoints.astype(np.float32), scores.astype(np.float32)


def _confidence(rng: np.random.Generator, noise: Noise, frames: int) -> Floats:
    """(t, 70) of keypoints that are in plain sight."""
    scores = np.ones((frames, len(_LAYOUT)))
    for part, (mean, spread) in _CONFIDENCE.items():
        columns = _LAYOUT.indices(_LAYOUT.parts[part])
        common = rng.standard_normal((frames, 1))
        own = rng.standard_normal((frames, len(columns)))
        found = mean + spread * (0.5 * common + 0.8 * own)
        scores[:, columns] -= noise.doubt * (1 - found)
    return np.clip(scores, 0.32, 1)


def _cover_face(rng: np.random.Generator, noise: Noise, block: _Block) -> None:
    """Parts of the face behind a hand are unsure or lost."""
    if noise.face_hidden == 0:
        return
    nose = block.points[:, _NOSE]
    for side in SIDES:
        hand = _HANDS[side]
        reach = np.sqrt(((block.points[:, hand[9]] - nose) ** 2).sum(-1))
        near = np.flatnonzero(reach < _NEAR_HEAD)
        if not near.size:
            continue
        cover = block.points[np.ix_(near, hand[list(_COVERING)])]
        face = block.points[np.ix_(near, _HEAD)]
        gap = cover[:, None] - face[:, :, None]
        before = (gap[..., 2] > 0) & ((gap[..., :2] ** 2).sum(-1) < _COVERS**2)
        covered = before.any(-1)
        lost = covered & (rng.random(covered.shape) < noise.face_hidden)
        rows = np.ix_(near, _HEAD)
        block.scores[rows] *= np.where(covered, rng.uniform(0.3, 0.8, covered.shape), 1)
        block.missing[rows] |= lost


def _doubt_arms(rng: np.random.Generator, unsure: Bools, block: _Block) -> None:
    """Elbows and wrists that the estimator is unsure of."""
    flags = np.repeat(unsure, 2, axis=1)
    low = rng.uniform(0.05, _LOW, flags.shape)
    block.scores[:, _ARMS] = np.where(flags, low, block.scores[:, _ARMS])


def _lose_hand(
    rng: np.random.Generator,
    sensor: Sensor,
    side: str,
    window: slice,
    hidden: Floats,
    block: _Block,
) -> None:
    """Frames in which a hand is missing, unsure or misplaced as a whole."""
    noise, hand, frames = sensor.noise, _HANDS[side], len(block.points)
    fate = rng.random(frames)
    # What the body or a table hides, no estimator sees.
    lost = sensor.lost[side][window] | (hidden > _HIDDEN)
    if noise.blur > 0:
        root = block.points[:, hand[0]]
        step = np.sqrt((np.diff(root, axis=0, prepend=root[:1]) ** 2).sum(-1))
        lost |= fate < noise.blur * np.clip((step - _FAST) / (_FASTER - _FAST), 0, 0.5)
    unsure = lost & sensor.unsure[side][window]
    block.missing[:, hand] = (lost & ~unsure)[:, None]
    # Where it is unsure, the hand is a guess: misplaced as a whole, its fingers too.
    low = rng.uniform(0.02, _LOW, (frames, len(hand)))
    block.scores[:, hand] = np.where(unsure[:, None], low, block.scores[:, hand])
    guess = 0.08 * block.slow[:, hand[:1]] + 0.05 * block.slow[:, hand]
    jumped = (fate > 1 - noise.jump)[:, None, None]
    leap = 0.2 * rng.standard_normal((frames, 1, 2))
    misplaced = np.where(unsure[:, None, None], guess, 0) + np.where(jumped, leap, 0)
    block.keypoints[:, hand] += misplaced * block.scale[:, None, None]
    # An estimator often, not always, doubts what it misplaces.
    block.scores[:, hand] *= np.where(jumped[..., 0], rng.uniform(0.4, 1, (frames, 1)), 1)


def _slow_error(sensor: Sensor, window: slice) -> Floats:
    """(t, 70, 2) straight lines between random knots."""
    frame = np.arange(window.start, window.stop)
    knot, share = frame // _SLOW_FRAMES, (frame % _SLOW_FRAMES / _SLOW_FRAMES)[:, None, None]
    return np.asarray(sensor.slow[knot] + share * (sensor.slow[knot + 1] - sensor.slow[knot]))


def _bias(rng: np.random.Generator, noise: Noise) -> Floats:
    """(70, 2) constant errors; a hand is off as a whole, its points a little more."""
    own = rng.standard_normal((len(_LAYOUT), 2))
    own[_HEAD] *= _BIAS_OF_FACE
    for hand in _HANDS.values():
        own[hand] = own[hand[0]] + 0.3 * own[hand]
    return noise.bias * own


def _shake(rng: np.random.Generator, sensor: Sensor, block: _Block) -> None:
    """Jitter from frame to frame, and jitter that stays for about half a second."""
    noise = sensor.noise
    jitter = noise.jitter * rng.standard_normal(block.keypoints.shape)
    jitter += noise.slow_jitter * block.slow
    # Up to four times as much where the estimator is unsure.
    size = block.scale[:, None] * (1 + 3 * np.clip(0.9 - block.scores, 0, 0.9) / 0.9)
    block.keypoints[:] += size[..., None] * jitter + block.scale[:, None, None] * sensor.bias


def _swap_hands(swapped: Bools, block: _Block) -> None:
    """Left and right hand change places."""
    rows = np.flatnonzero(swapped)[:, None]
    left, right = _HANDS["left"], _HANDS["right"]
    for values in (block.keypoints, block.scores, block.missing):
        kept = values[rows, left].copy()
        values[rows, left] = values[rows, right]
        values[rows, right] = kept
