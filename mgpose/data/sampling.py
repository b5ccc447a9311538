"""Which windows pre-training sees: good poses that move, balanced over people and videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Sampler

from mgpose.data.clips import ClipDataset
from mgpose.structures import Skeleton


def window_quality(x: Tensor, mask: Tensor) -> Tensor:
    """(M,) mean confidence over all keypoints and frames, missing ones counted as 0."""
    score: Tensor = (x[..., -1] * mask).mean((1, 2))
    return score


def motion_energy(x: Tensor, mask: Tensor, skeleton: Skeleton) -> Tensor:
    """(M,) motion energy, each part divided by its median over the windows, then averaged.

    Parts are normalised one by one, since hands move an order of magnitude more than the face
    and would decide alone. A part that is missing in a window does not count there.

    Args:
        x: (M, T, V, D + 1).
        mask: (M, T, V).
        skeleton: for the parts.
    """
    both = mask[:, 1:] & mask[:, :-1]
    speed = (x[:, 1:, :, :-1] - x[:, :-1, :, :-1]).norm(dim=-1) * both
    part_of = torch.from_numpy(skeleton.part_of)
    energies = []
    for part in range(len(skeleton.parts)):
        points = part_of == part
        seen = both[:, :, points].sum((1, 2))
        energy = speed[:, :, points].sum((1, 2)) / seen.clamp(min=1)
        usual = energy[seen > 0].median() if (seen > 0).any() else torch.tensor(1.0)
        relative = energy / usual.clamp(min=1e-6)
        energies.append(torch.where(seen > 0, relative, torch.nan))
    total = torch.stack(energies, 1).nanmean(1)
    return torch.nan_to_num(total)


def window_weights(
    dataset: ClipDataset, skeleton: Skeleton, energy_floor: float = 0.25, energy_cap: float = 3.0
) -> npt.NDArray[np.float64]:
    """(M,) sampling weights: quality x energy x balance over subjects and videos, sum 1.

    Energy is clamped to [floor, cap] times the median: below lies estimator jitter, which should
    be seen rarely but not never; above lie outliers, which should not take over.

    Reference: the quality-based sampling of iMiGUE-3K (arXiv 2605.17179), whose details are not
    public; this rule is our own.
    """
    quality = window_quality(dataset.x, dataset.mask).clamp(min=1e-3)
    energy = motion_energy(dataset.x, dataset.mask, skeleton).clamp(energy_floor, energy_cap)
    weights = (quality * energy).double().numpy()
    clip = dataset.clip.numpy()
    for group in ("subject", "video"):
        names = np.array(dataset.group(group))[clip]
        count = Counter(names.tolist())
        # Square root: a person with four times the video is seen twice, not four times, as often.
        weights = weights / np.sqrt([count[n] for n in names.tolist()])
    total: npt.NDArray[np.float64] = weights / weights.sum()
    return total


class WindowSampler(Sampler[int]):
    """Draws windows by weight, without replacement inside an epoch; a new order every epoch.

    Args:
        weights: (M,) positive weights, or None for uniform.
        length: M.
        samples: windows an epoch, at most M; None for M (then every window is seen once and the
            weights decide nothing).
        seed: with the epoch number it fixes the order, so that a resumed run sees the same.

    Reference: weighted sampling without replacement by exponential keys, Efraimidis and
    Spirakis, Information Processing Letters 97 (2006).
    """

    def __init__(
        self,
        weights: npt.NDArray[np.float64] | None,
        length: int,
        samples: int | None = None,
        seed: int = 0,
    ) -> None:
        self.weights = np.full(length, 1 / length) if weights is None else weights
        if len(self.weights) != length or (self.weights <= 0).any():
            raise ValueError(f"weights must be {length} positive numbers")
        self.samples = min(samples or length, length)
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.samples

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng((self.seed, self.epoch))
        keys = rng.exponential(size=len(self.weights)) / self.weights
        chosen = np.argsort(keys, kind="stable")[: self.samples]
        return iter(rng.permutation(chosen).tolist())


class OneSetSampler(Sampler[int]):
    """Draws windows of several sets so that every batch is of one set, batches in random order.

    Each set gives its share of the windows, in full batches. What tells sets apart (other cameras,
    hands that are missing) can then neither help the contrast nor fill the batch statistics.

    Args:
        weights: (M,) positive weights, or None for uniform.
        source: (M,) number of the set each window comes from.
        batch: windows of a batch; the loader's batch size.
        samples: windows an epoch, at most M; None for M.
        seed: with the epoch number it fixes the order.

    Raises:
        ValueError: for a set whose share does not fill a batch.
    """

    def __init__(
        self,
        weights: npt.NDArray[np.float64] | None,
        source: npt.NDArray[np.int64],
        batch: int,
        samples: int | None = None,
        seed: int = 0,
    ) -> None:
        self.batch, self.seed, self.epoch = batch, seed, 0
        share = min(samples or len(source), len(source)) / len(source)
        self.windows = [np.flatnonzero(source == number) for number in np.unique(source)]
        self.samplers = []
        for rows in self.windows:
            # Rounded before it is cut: .29 * 100 is a little less than 29.
            quota = int(round(share * len(rows), 6)) // batch * batch
            if quota == 0:
                raise ValueError(
                    f"every set must fill a batch of {batch}; one has {len(rows)} windows, of "
                    f"which an epoch takes {share:.0%}"
                )
            own = None if weights is None else weights[rows]
            self.samplers.append(WindowSampler(own, len(rows), quota, seed))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch
        for sampler in self.samplers:
            sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return sum(map(len, self.samplers))

    def __iter__(self) -> Iterator[int]:
        pairs = zip(self.windows, self.samplers, strict=True)
        drawn = [rows[list(sampler)] for rows, sampler in pairs]
        batches = np.concatenate(drawn).reshape(-1, self.batch)
        rng = np.random.default_rng((self.seed, self.epoch))
        return iter(rng.permutation(batches).ravel().tolist())
