"""How fast the encoders train: forward and backward on one thread, all in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from mgpose.models.encoder import Encoder
from mgpose.models.sizes import ARCHITECTURES, build_encoder
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, Skeleton

# Skeleton and frames of a clip: video keypoints at their default length, and a depth camera's.
SHAPES: tuple[tuple[Skeleton, int], ...] = ((UPPER_BODY_HANDS_FACE, 32), (KINECT_20, 64))


@dataclass(frozen=True)
class EncoderSpeed:
    """One step of one encoder.

    Args:
        architecture: a key of ``ARCHITECTURES``.
        skeleton: name of the layout.
        keypoints: V.
        frames: T.
        parameters: number of weights.
        clips_per_second: of one core, forward and backward.
    """

    architecture: str
    skeleton: str
    keypoints: int
    frames: int
    parameters: int
    clips_per_second: float


def benchmark_encoders(
    rounds: int = 3,
    size: str = "small",
    batch: int = 32,
    patch: int = 8,
    shapes: Sequence[tuple[Skeleton, int]] = SHAPES,
) -> Iterator[EncoderSpeed]:
    """Time a training step of every architecture, in turns.

    The clips are random numbers (synthetic) with a tenth of the keypoints missing. The clock is
    that of the processor, so that other work on the machine counts little.

    Args:
        rounds: steps of each encoder, after one that is not counted.
        size: a size that every architecture has.
        batch: clips of a step.
        patch: frames of a token.
        shapes: skeletons and frames of a clip.

    Yields:
        A result a step.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for skeleton, frames in shapes:
            x = torch.randn(batch, frames, len(skeleton), skeleton.dims + 1)
            mask = torch.rand(batch, frames, len(skeleton)) >= 0.1
            encoders = {
                name: build_encoder(skeleton, size, frames, patch, architecture=name)
                for name in ARCHITECTURES
            }
            for count in range(rounds + 1):
                for name, encoder in encoders.items():
                    seconds = _step(encoder, x, mask)
                    if count:
                        parameters = sum(p.numel() for p in encoder.parameters())
                        yield EncoderSpeed(
                            name, skeleton.name, len(skeleton), frames, parameters, batch / seconds
                        )
    finally:
        torch.set_num_threads(threads)


def encoder_speed_table(speeds: Sequence[EncoderSpeed]) -> str:
    """Medians as a Markdown table, with ratios to the first architecture on the same clips."""
    rows = ["| clips | encoder | parameters | clips/s per core | ratio |", "|---|---|---|---|---|"]
    kinds = {(s.skeleton, s.frames, s.architecture): s for s in speeds}
    first: dict[tuple[str, int], float] = {}
    for (skeleton, frames, name), one in kinds.items():
        rate = median(
            s.clips_per_second
            for s in speeds
            if (s.skeleton, s.frames, s.architecture) == (skeleton, frames, name)
        )
        ratio = rate / first.setdefault((skeleton, frames), rate)
        rows.append(
            f"| V = {one.keypoints}, T = {frames} | {name} | {one.parameters / 1e6:.2f} M | "
            f"{rate:.1f} | {ratio:.2f} |"
        )
    return "\n".join(rows)


def _step(encoder: Encoder, x: torch.Tensor, mask: torch.Tensor) -> float:
    """Processor seconds of one forward and backward pass."""
    for parameter in encoder.parameters():
        parameter.grad = None
    began = time.process_time()
    torch.autograd.backward(encoder(x, mask).square().mean())
    return time.process_time() - began
