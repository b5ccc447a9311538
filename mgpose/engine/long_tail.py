"""Options for classes of very unequal size, and a head that is trained anew for them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from mgpose.data.clips import ClipDataset
from mgpose.engine.finetune import Classifier

_CROPS = 256  # in one forward pass: changes no result


@dataclass(frozen=True)
class LongTailSettings:
    """Further rows of a table of fine-tuned networks; each is off at 0.

    Args:
        logit_adjustment: strength with which the frequency of a class in training is taken out of
            its probability, after training; 1 as published.
        retraining_epochs: passes over the training crops in which a new head is trained on the
            fine-tuned encoder, all classes drawn equally often.
        retraining_rate: learning rate of that head.

    Raises:
        ValueError: for negative values.
    """

    logit_adjustment: float = 0.0
    retraining_epochs: int = 0
    retraining_rate: float = 2e-3

    def __post_init__(self) -> None:
        if self.logit_adjustment < 0 or self.retraining_epochs < 0 or self.retraining_rate <= 0:
            raise ValueError(
                "expected logit_adjustment and retraining_epochs >= 0, retraining_rate > 0; got "
                f"{self}"
            )


def with_new_head(
    model: Classifier, train: ClipDataset, settings: LongTailSettings, batch_size: int, seed: int
) -> Classifier:
    """A copy of the classifier whose head was trained anew, every class drawn equally often.

    The encoder stays as it is, in evaluation mode, and sees each crop and no augmentation.

    Args:
        model: fine-tuned.
        train: the labelled clips that it was fine-tuned on.
        settings: epochs and rate.
        batch_size: crops in a step.
        seed: of the draws.

    Reference:
        Kang et al., Decoupling representation and classifier for long-tailed recognition,
        ICLR 2020.
    """
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        features = torch.cat(
            [
                model.norm(model.encoder(train.x[i : i + _CROPS], train.mask[i : i + _CROPS]))
                for i in range(0, len(train), _CROPS)
            ]
        )
    labels = train.labels[train.clip]
    count = torch.bincount(labels)
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    optimizer = torch.optim.AdamW(model.head.parameters(), lr=settings.retraining_rate)
    batch_size = min(batch_size, len(train))
    steps = settings.retraining_epochs * -(-len(train) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.multinomial(1 / count[labels], batch_size, True, generator=generator)
        loss = F.cross_entropy(model.head(features[rows]), labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return model
