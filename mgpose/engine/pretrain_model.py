"""The pre-training step as MMEngine's Runner wants it."""

from __future__ import annotations

import torch
from mmengine.model import BaseModel
from torch import Tensor

from mgpose.data.augment import Augmentation
from mgpose.objectives import TeacherStudent


class PretrainModel(BaseModel):
    """Draws the views of a batch on the batch's device and returns the objective's losses.

    The views depend only on the seed and the number of the step, which is kept with the weights:
    a resumed run draws what the unbroken one would have drawn.

    Args:
        objective: the contrast, which owns the encoder.
        augmentation: makes a global view.
        local: makes a local view.
        local_views: number of local views.
        seed: of the views.
    """

    steps: Tensor

    def __init__(
        self,
        objective: TeacherStudent,
        augmentation: Augmentation,
        seed: int,
        local: Augmentation | None = None,
        local_views: int = 0,
    ) -> None:
        super().__init__()
        self.objective = objective
        self.augmentation = augmentation
        self.local = local or augmentation
        self.local_views = local_views
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
        views = [self.augmentation(x, mask, generator) for _ in range(2)]
        local = [self.local(x, mask, generator) for _ in range(self.local_views)]
        self.steps += 1
        losses: dict[str, Tensor] = self.objective(views, extent, generator, local)
        return losses
