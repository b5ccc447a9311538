"""Micro-gesture-safe augmentations of a batch of clips, on the batch's device.

Strong augmentation erases micro-gestures ("Naive data augmentation might be toxic", FG 2024), so
the ranges are small and each can be switched off by a zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mgpose.structures import Skeleton


@dataclass(frozen=True)
class AugmentSettings:
    """Ranges of the augmentations; 0 (or a crop of 1) switches one off.

    Args:
        crop, crop_most: shortest and longest share of the clip that a time crop keeps, in (0, 1].
        stretch: True resamples a crop to all T frames (clips of unknown rate); False keeps it at
            up to ``speed`` times its pace and pads.
        speed: largest relative change of pace, such as .25.
        rotation: largest rotation in the image plane (2-D) or about the vertical (3-D), radians.
        tilt: largest rotation out of the vertical, radians, 3-D only.
        shear: largest shear, also the largest relative change of width against height.
        scale: largest relative change of size.
        part_shift: largest shift of a whole part in each direction, canonical units.
        part_turn: largest rotation of a whole part about its own middle, radians; as ``rotation``.
        part_scale: largest relative change of a whole part's size.
        mirror: probability of a mirror with left and right changed.
        drop_keypoint: probability that a keypoint is masked for the whole clip.
        drop_part: probability that one whole part (never the first, which holds the torso) is.
        jitter: standard deviation in canonical units at confidence 0; shrinks with confidence.
    """

    crop: float = 0.4
    crop_most: float = 1.0
    stretch: bool = True
    speed: float = 0.25
    rotation: float = 0.2
    tilt: float = 0.0
    shear: float = 0.15
    scale: float = 0.1
    part_shift: float = 0.0
    part_turn: float = 0.0
    part_scale: float = 0.0
    mirror: float = 0.5
    drop_keypoint: float = 0.1
    drop_part: float = 0.2
    jitter: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.crop <= self.crop_most <= 1:
            raise ValueError(
                f"expected 0 < crop <= crop_most <= 1, got {self.crop} and {self.crop_most}"
            )
        for name in ("mirror", "drop_keypoint", "drop_part"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a probability, got {getattr(self, name)}")


class Augmentation:
    """A random view of each clip of a batch.

    Args:
        skeleton: layout of the clips.
        settings: ranges.
    """

    def __init__(self, skeleton: Skeleton, settings: AugmentSettings) -> None:
        self.skeleton, self.settings = skeleton, settings

    def __call__(self, x: Tensor, mask: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Augment.

        Args:
            x: (B, T, V, D + 1) canonical coordinates and score.
            mask: (B, T, V) bool.
            generator: source of randomness, on the CPU.

        Returns:
            New x and mask of the same shapes; the input is left as it is. Masked values are 0.
        """
        s = self.settings
        x, mask = crop_time(x, mask, s, generator)
        x, mask = mirror_clips(x, mask, self.skeleton, s.mirror, generator)
        x = transform_space(x, s, generator)
        x = transform_parts(x, mask, self.skeleton, s, generator)
        x = jitter(x, s.jitter, generator)
        mask = drop(mask, self.skeleton, s.drop_keypoint, s.drop_part, generator)
        return x * mask.unsqueeze(-1), mask


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def crop_time(
    x: Tensor, mask: Tensor, settings: AugmentSettings, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Cut a random stretch of each clip's valid frames and resample it linearly."""
    batch, frames = x.shape[:2]
    device = x.device
    any_point = mask.any(-1)
    last_valid = (any_point * torch.arange(frames, device=device)).amax(1).cpu()
    length = (last_valid + 1).float() * _uniform(
        (batch,), settings.crop, settings.crop_most, generator
    )
    start = (last_valid + 1 - length).clamp(min=0) * torch.rand(batch, generator=generator)
    if settings.stretch:
        out_length = torch.full((batch,), float(frames))
    else:
        pace = _uniform((batch,), 1 - settings.speed, 1 + settings.speed, generator)
        out_length = (length / pace).round().clamp(2, frames)
    steps = torch.arange(frames)[None]
    position = start[:, None] + steps * ((length - 1).clamp(min=0) / (out_length - 1))[:, None]
    inside = (steps < out_length[:, None]).to(device)
    position = torch.minimum(position, last_valid[:, None].float()).to(device)
    return _sample_frames(x, mask, position, inside)


def _sample_frames(
    x: Tensor, mask: Tensor, position: Tensor, inside: Tensor
) -> tuple[Tensor, Tensor]:
    """Values at fractional frames (B, T): linear between present neighbours, else the nearest."""
    low = position.floor().long()
    high = (low + 1).clamp(max=x.shape[1] - 1)
    weight = (position - low)[:, :, None]
    rows = torch.arange(len(x), device=x.device)[:, None]
    mask_low, mask_high = mask[rows, low], mask[rows, high]
    both = mask_low & mask_high
    take_high = torch.where(both, weight, (weight >= 0.5).to(weight.dtype))
    value = torch.lerp(x[rows, low], x[rows, high], take_high.unsqueeze(-1))
    present = torch.where(weight >= 0.5, mask_high, mask_low) | both
    return value, present & inside[:, :, None]


def mirror_clips(
    x: Tensor, mask: Tensor, skeleton: Skeleton, probability: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Reflect x about the origin and swap left and right, with a probability for each clip.

    Keypoints without a recorded mirror image are masked in the mirrored clips.
    """
    order = torch.from_numpy(skeleton.mirror_permutation).to(x.device)
    unpaired = torch.from_numpy(skeleton.indices(skeleton.unpaired)).to(x.device)
    flip = (torch.rand(len(x), generator=generator) < probability).to(x.device)
    flipped, flipped_mask = x[:, :, order], mask[:, :, order]
    flipped[..., 0] = -flipped[..., 0]
    flipped[:, :, unpaired], flipped_mask[:, :, unpaired] = 0, False
    chosen = flip[:, None, None]
    return torch.where(chosen[..., None], flipped, x), torch.where(chosen, flipped_mask, mask)


def transform_space(x: Tensor, settings: AugmentSettings, generator: Generator) -> Tensor:
    """One random linear map a clip: rotation, shear, scale."""
    dims = x.shape[-1] - 1
    if dims == 2:
        matrix = _plane_matrices(len(x), settings, generator)
    else:
        matrix = _volume_matrices(len(x), settings, generator)
    joint = torch.einsum("btvd,bde->btve", x[..., :dims], matrix.to(x))
    return torch.cat((joint, x[..., dims:]), dim=-1)


def _plane_matrices(batch: int, s: AugmentSettings, generator: Generator) -> Tensor:
    angle = _uniform((batch,), -s.rotation, s.rotation, generator)
    shear = _uniform((batch, 2), -s.shear, s.shear, generator)
    scale = _uniform((batch,), 1 - s.scale, 1 + s.scale, generator)
    cos, sin = angle.cos(), angle.sin()
    rotation = torch.stack((cos, sin, -sin, cos), -1).view(batch, 2, 2)
    zero = torch.zeros(batch)
    # One shear across, and one change of width against height.
    skew = torch.stack((1 + shear[:, 0], shear[:, 1], zero, 1 - shear[:, 0]), -1)
    return rotation @ skew.view(batch, 2, 2) * scale[:, None, None]


def _volume_matrices(batch: int, s: AugmentSettings, generator: Generator) -> Tensor:
    turn = _axis_rotation(_uniform((batch,), -s.rotation, s.rotation, generator), 1)
    tilt_x = _axis_rotation(_uniform((batch,), -s.tilt, s.tilt, generator), 0)
    tilt_z = _axis_rotation(_uniform((batch,), -s.tilt, s.tilt, generator), 2)
    stretch = torch.diag_embed(1 + _uniform((batch, 3), -s.shear, s.shear, generator))
    scale = _uniform((batch,), 1 - s.scale, 1 + s.scale, generator)
    return turn @ tilt_x @ tilt_z @ stretch * scale[:, None, None]


def _axis_rotation(angle: Tensor, axis: int) -> Tensor:
    """(B, 3, 3) rotations about one of the three axes."""
    a, b = [i for i in range(3) if i != axis]
    matrix = torch.eye(3).repeat(len(angle), 1, 1)
    matrix[:, a, a] = matrix[:, b, b] = angle.cos()
    matrix[:, a, b], matrix[:, b, a] = angle.sin(), -angle.sin()
    return matrix


def transform_parts(
    x: Tensor, mask: Tensor, skeleton: Skeleton, settings: AugmentSettings, generator: Generator
) -> Tensor:
    """Shift, turn and scale every part but the first by itself, the same in all frames.

    People differ in the size of their hands and faces and in how they hold them, cameras in where
    they see them from; what a part does stays.
    """
    s = settings
    if s.part_shift == s.part_turn == s.part_scale == 0:
        return x
    dims, batch, parts = x.shape[-1] - 1, len(x), len(skeleton.parts)
    part_of = torch.from_numpy(skeleton.part_of).to(x.device)
    shift = _uniform((batch, parts, dims), -s.part_shift, s.part_shift, generator)
    angle = _uniform((batch * parts,), -s.part_turn, s.part_turn, generator)
    scale = _uniform((batch * parts,), 1 - s.part_scale, 1 + s.part_scale, generator)
    if dims == 2:
        cos, sin = angle.cos(), angle.sin()
        turn = torch.stack((cos, sin, -sin, cos), -1).view(-1, 2, 2)
    else:
        turn = _axis_rotation(angle, 1)
    matrix = (turn * scale[:, None, None]).view(batch, parts, dims, dims)
    # What a part changes by, so that the first, whose is nothing, stays to the last bit.
    change = matrix - torch.eye(dims)
    change[:, 0], shift[:, 0] = 0, 0
    joint, present = x[..., :dims], mask.unsqueeze(-1).to(x.dtype)
    belongs = torch.nn.functional.one_hot(part_of, parts).to(x.dtype)
    middle = torch.einsum("vp,btvd->bpd", belongs, joint * present)
    middle = middle / torch.einsum("vp,btvd->bp", belongs, present).clamp(min=1)[..., None]
    centre = middle[:, part_of][:, None]
    change, shift = change.to(x)[:, part_of], shift.to(x)[:, part_of][:, None]
    moved = joint + torch.einsum("btvd,bvde->btve", joint - centre, change) + shift
    moved = torch.where(mask.unsqueeze(-1), moved, joint)
    return torch.cat((moved, x[..., dims:]), dim=-1)


def jitter(x: Tensor, sigma: float, generator: Generator) -> Tensor:
    """Noise of ``sigma`` at confidence 0 and a tenth of it at confidence 1."""
    if sigma == 0:
        return x
    noise = torch.randn(x[..., :-1].shape, generator=generator).to(x)
    strength = sigma * (1 - 0.9 * x[..., -1:])
    return torch.cat((x[..., :-1] + noise * strength, x[..., -1:]), dim=-1)


def drop(
    mask: Tensor, skeleton: Skeleton, keypoint: float, part: float, generator: Generator
) -> Tensor:
    """Mask random keypoints, and one part, for the whole clip; the first part is never dropped."""
    batch, _, points = mask.shape
    keep = torch.rand(batch, points, generator=generator) >= keypoint
    parts = len(skeleton.parts)
    chosen = torch.randint(1, max(parts, 2), (batch,), generator=generator)
    chosen[torch.rand(batch, generator=generator) >= part] = -1
    in_part = torch.from_numpy(skeleton.part_of)[None] == chosen[:, None]
    return mask & (keep & ~in_part).to(mask.device)[:, None]
