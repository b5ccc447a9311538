"""Fine-tuning a whole encoder with a linear head, many short runs: a plain loop."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mgpose.data.augment import Augmentation, AugmentSettings
from mgpose.data.clips import ClipDataset
from mgpose.data.folds import mirrored
from mgpose.evaluation.embed import mean_over_crops
from mgpose.evaluation.logit_adjustment import class_prior
from mgpose.models.encoder import Encoder


@dataclass(frozen=True)
class FinetuneSettings:
    """How a classifier is fine-tuned; part of every result.

    Args:
        epochs: passes over the training crops.
        min_steps: at least this many steps, so that a few clips are seen often enough.
        batch_size: crops in a step.
        learning_rate: of the encoder's last layer.
        layer_decay: factor of the learning rate from one layer of the encoder to the one below;
            1 treats all alike.
        head_rate: of the head, relative to the encoder's last layer.
        warmup: share of the steps in which the rate rises; a cosine follows.
        weight_decay: of all matrices.
        clip_grad: largest norm of a gradient.
        smoothing: label smoothing.
        weight_average: momentum of the running mean of the weights, with which clips are
            classified in the end, such as .99; 0 takes the last step's.
        mirror_average: average the probabilities of a test clip and of its mirror image. Wrong
            where a class differs from another by its side only.
        view_average: number of random views of each test clip over which probabilities are
            averaged in the place of the clip itself: views as in training, but nothing dropped,
            always the same ones. 0 for the clip as it is. Costs as many passes over the test part.
        logit_adjustment: strength of the logit adjustment in the loss, for classes of a long tail;
            0 for none, 1 as published.
        augment: as in pre-training, milder.

    Raises:
        ValueError: for values out of range.
    """

    epochs: int = 10
    min_steps: int = 60
    batch_size: int = 64
    learning_rate: float = 5e-4
    layer_decay: float = 1.0
    head_rate: float = 4.0
    warmup: float = 0.1
    weight_decay: float = 0.05
    clip_grad: float = 1.0
    smoothing: float = 0.1
    weight_average: float = 0.0
    mirror_average: bool = False
    view_average: int = 0
    logit_adjustment: float = 0.0
    augment: AugmentSettings = field(
        default_factory=lambda: AugmentSettings(crop=0.7, drop_part=0.1)
    )

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.min_steps < 1 or self.batch_size < 1:
            raise ValueError(
                "expected epochs, min_steps and batch_size >= 1; got "
                f"{self.epochs}, {self.min_steps}, {self.batch_size}"
            )
        if not 0 < self.layer_decay <= 1 or not 0 <= self.weight_average < 1:
            raise ValueError(
                "expected layer_decay in (0, 1] and weight_average in [0, 1); got "
                f"{self.layer_decay} and {self.weight_average}"
            )
        if not 0 < self.warmup < 1 or min(self.logit_adjustment, self.view_average) < 0:
            raise ValueError(
                "expected warmup in (0, 1), logit_adjustment and view_average >= 0; got "
                f"{self.warmup}, {self.logit_adjustment} and {self.view_average}"
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


class WeightAverage:
    """Running mean of a model's weights: of all steps alike at first, then exponential.

    After step t (from 1) the mean moves by the share max(1 / t, 1 - momentum) towards the weights,
    so that where training began counts for nothing. Batch statistics are averaged along.

    Args:
        momentum: in [0, 1).
    """

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum
        self.steps = 0
        self.mean: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After a step."""
        self.steps += 1
        share = max(1 / self.steps, 1 - self.momentum)
        for name, value in model.state_dict().items():
            if self.steps == 1 or not value.is_floating_point():
                self.mean[name] = value.clone()
            else:
                self.mean[name].lerp_(value, share)

    def copy_to(self, model: nn.Module) -> None:
        """Put the mean in the place of the weights."""
        model.load_state_dict(self.mean)


def finetune(
    encoder: Encoder,
    train: ClipDataset,
    num_classes: int,
    settings: FinetuneSettings,
    seed: int = 0,
) -> Classifier:
    """Fine-tune a copy of the encoder with a new head; the last step or the mean is taken.

    Args:
        encoder: pre-trained or untrained.
        train: labelled clips.
        num_classes: K.
        settings: optimisation.
        seed: of order, augmentation and dropout.

    Returns:
        The classifier, in evaluation mode.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Classifier(encoder, num_classes)
        _fit(model, train, settings, seed)
    return model.eval()


def predict(
    model: Classifier, clips: ClipDataset, settings: FinetuneSettings | None = None
) -> npt.NDArray[np.float32]:
    """(N, K) class probabilities, a clip's crops averaged; the model must be in evaluation mode.

    Args:
        model: fine-tuned.
        clips: N clips of its skeleton.
        settings: whether to average over views and mirror images, too; None for neither.
    """
    if settings is None or not settings.view_average:
        scores = _probabilities(model, clips)
    else:
        whole = replace(settings.augment, drop_keypoint=0.0, drop_part=0.0)
        augment = Augmentation(model.encoder.skeleton, whole)
        generator = torch.Generator().manual_seed(0)
        views = [
            _probabilities(model, clips, augment, generator) for _ in range(settings.view_average)
        ]
        scores = np.mean(views, axis=0, dtype=np.float32)
    if settings is not None and settings.mirror_average:
        other = predict(
            model, mirrored(clips, model.encoder.skeleton), replace(settings, mirror_average=False)
        )
        scores = np.asarray((scores + other) / 2, dtype=np.float32)
    return scores


@torch.no_grad()
def _probabilities(
    model: Classifier,
    clips: ClipDataset,
    augment: Augmentation | None = None,
    generator: torch.Generator | None = None,
) -> npt.NDArray[np.float32]:
    """(N, K) mean over the crops of each clip, or over a random view of each."""
    rows = []
    for i in range(0, len(clips), 256):
        x, mask = clips.x[i : i + 256], clips.mask[i : i + 256]
        if augment is not None and generator is not None:
            x, mask = augment(x, mask, generator)
        rows.append(model(x, mask).softmax(-1))
    scores: npt.NDArray[np.float32] = mean_over_crops(
        torch.cat(rows), clips.clip, len(clips.spans)
    ).numpy()
    return scores


def finetune_scores(
    encoder: Encoder,
    train: ClipDataset,
    test: ClipDataset,
    num_classes: int,
    settings: FinetuneSettings,
    seed: int = 0,
) -> npt.NDArray[np.float32]:
    """Fine-tune a copy of the encoder on ``train``; class probabilities of ``test``.

    Nothing is chosen on test.

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
    model = finetune(encoder, train, num_classes, settings, seed)
    return predict(model, test, settings)


def parameter_groups(model: Classifier, settings: FinetuneSettings) -> list[dict[str, Any]]:
    """Groups for an optimiser: rate by layer, weight decay for matrices only."""
    layers = model.encoder.layer_groups()
    top = len(layers) - 1
    rated = [
        (layer, settings.learning_rate * settings.layer_decay ** (top - i))
        for i, layer in enumerate(layers)
    ]
    rated.append((list(model.head.parameters()), settings.learning_rate * settings.head_rate))
    return [
        {"params": chosen, "lr": rate, "weight_decay": settings.weight_decay if decays else 0.0}
        for parameters, rate in rated
        for decays in (True, False)
        if (chosen := [p for p in parameters if (p.ndim > 1) == decays])
    ]


def _fit(model: Classifier, train: ClipDataset, settings: FinetuneSettings, seed: int) -> None:
    batch = min(settings.batch_size, len(train))
    steps = max(settings.min_steps, settings.epochs * -(-len(train) // batch))
    optimizer = torch.optim.AdamW(parameter_groups(model, settings))
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rates, total_steps=steps, pct_start=settings.warmup
    )
    generator = torch.Generator().manual_seed(seed)
    augment = Augmentation(model.encoder.skeleton, settings.augment)
    labels = train.labels[train.clip]
    prior = class_prior(labels.numpy(), model.head.out_features)
    shift = settings.logit_adjustment * torch.from_numpy(np.log(prior)).float()
    average = WeightAverage(settings.weight_average)
    model.train()
    for rows in _endless_order(len(train), batch, steps, generator):
        x, mask = augment(train.x[rows], train.mask[rows], generator)
        logits = model(x, mask) + shift
        loss = F.cross_entropy(logits, labels[rows], label_smoothing=settings.smoothing)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_grad)
        optimizer.step()
        schedule.step()
        if settings.weight_average:
            average.update(model)
    if settings.weight_average:
        average.copy_to(model)


def _endless_order(length: int, batch: int, steps: int, generator: torch.Generator) -> list[Tensor]:
    """``steps`` full batches of row numbers; every epoch is a new permutation."""
    epochs = -(-steps * batch // length)
    rows = torch.cat([torch.randperm(length, generator=generator) for _ in range(epochs)])
    return list(rows[: steps * batch].view(steps, batch))
