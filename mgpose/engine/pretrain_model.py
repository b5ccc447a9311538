"""The pre-training step as MMEngine's Runner wants it."""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mgpose.data.augment import Augmentation
from mgpose.objectives import MomentumContrast


class PretrainModel(BaseModel):
    """Draws two views of a batch on the batch's device and returns the objective's losses.

    The views depend only on the seed and the number of the step, which is kept with the weights:
    a resumed run draws what the unbroken one would have drawn.

    Args:
        objective: the contrast, which owns the encoder.
        augmentation: makes a view.
        seed: of the views.
    """

    steps: Tensor

    def __init__(self, objective: MomentumContrast, augmentation: Augmentation, seed: int) -> None:
        super().__init__()
        self.objective = objective
        self.augmentation = augmentation
        self.seed = seed
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(
        self, x: Tensor, mask: Tensor, extent: Tensor, mode: str = "loss"
    ) -> dict[str, Tensor]:
        """Losses of a batch, as :class:`ClipDataset` gives it.

        Raises:
            ValueError: for a mode other than ``"loss"``; embeddings come from the encoder itself.
        """
        if mode != "loss":
            raise ValueError(f"pre-training has mode 'loss' only, got {mode!r}")
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.steps))
        first = self.augmentation(x, mask, generator)
        second = self.augmentation(x, mask, generator)
        self.steps += 1
        losses: dict[str, Tensor] = self.objective(first, second, extent)
        return losses
