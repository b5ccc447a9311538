"""Fine-tuning a whole encoder with a linear head, many short runs: a plain loop."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mgpose.data.augment import Augmentation, AugmentSettings
from mgpose.data.clips import ClipDataset
from mgpose.evaluation.embed import mean_over_crops
from mgpose.models.encoder import Encoder


@dataclass(frozen=True)
class FinetuneSettings:
    """How a classifier is fine-tuned; part of every result.

    Args:
        epochs: passes over the training crops.
        min_steps: at least this many steps, so that a few clips are seen often enough.
        batch_size: crops in a step.
        learning_rate: of the encoder.
        head_rate: of the head, relative to the encoder's.
        weight_decay: of all matrices.
        smoothing: label smoothing.
        augment: as in pre-training, milder.
    """

    epochs: int = 10
    min_steps: int = 60
    batch_size: int = 64
    learning_rate: float = 5e-4
    head_rate: float = 4.0
    weight_decay: float = 0.05
    smoothing: float = 0.1
    augment: AugmentSettings = field(
        default_factory=lambda: AugmentSettings(crop=0.7, drop_part=0.1)
    )


class Classifier(nn.Module):
    """An encoder and a linear head on its normalised clip embedding.

    Args:
        encoder: copied, so that the caller's stays as it is.
        classes: K.
    """

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.norm = nn.BatchNorm1d(encoder.embedding_dim, affine=False)
        self.head = nn.Linear(encoder.embedding_dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, K) logits."""
        logits: Tensor = self.head(self.norm(self.encoder(x, mask)))
        return logits


def finetune_scores(
    encoder: Encoder,
    train: ClipDataset,
    test: ClipDataset,
    num_classes: int,
    settings: FinetuneSettings,
    seed: int = 0,
) -> npt.NDArray[np.float32]:
    """Fine-tune a copy of the encoder on ``train``; class probabilities of ``test``.

    The last step is taken; nothing is chosen on test.

    Args:
        encoder: pre-trained or untrained.
        train: labelled clips.
        test: labelled clips of the same skeleton.
        num_classes: K.
        settings: optimisation.
        seed: of order, augmentation and dropout.

    Returns:
        (N_test, K), a clip's crops averaged.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Classifier(encoder, num_classes)
        _fit(model, train, settings, seed)
    return _predict(model, test)


def _fit(model: Classifier, train: ClipDataset, settings: FinetuneSettings, seed: int) -> None:
    batch = min(settings.batch_size, len(train))
    steps = max(settings.min_steps, settings.epochs * -(-len(train) // batch))
    optimizer = torch.optim.AdamW(
        [
            {"params": model.encoder.parameters(), "lr": settings.learning_rate},
            {"params": model.head.parameters(), "lr": settings.learning_rate * settings.head_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rates, total_steps=steps, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(seed)
    augment = Augmentation(model.encoder.skeleton, settings.augment)
    labels = train.labels[train.clip]
    order = _endless_order(len(train), batch, steps, generator)
    model.train()
    for rows in order:
        x, mask = augment(train.x[rows], train.mask[rows], generator)
        loss = F.cross_entropy(model(x, mask), labels[rows], label_smoothing=settings.smoothing)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def _endless_order(length: int, batch: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """``steps`` full batches of row numbers; every epoch is a new permutation."""
    epochs = -(-steps * batch // length)
    rows = torch.cat([torch.randperm(length, generator=generator) for _ in range(epochs)])
    return list(rows[: steps * batch].view(steps, batch))


@torch.no_grad()
def _predict(model: Classifier, test: ClipDataset) -> npt.NDArray[np.float32]:
    model.eval()
    rows = [
        model(test.x[i : i + 256], test.mask[i : i + 256]).softmax(-1)
        for i in range(0, len(test), 256)
    ]
    scores: npt.NDArray[np.float32] = mean_over_crops(
        torch.cat(rows), test.clip, len(test.spans)
    ).numpy()
    return scores
