"""Momentum contrast on clip and part embeddings."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mgpose.objectives.info_nce import chance_loss, info_nce


class Projector(nn.Sequential):
    """Two-layer perceptron to the space in which views are compared.

    Args:
        width: input channels.
        hidden: hidden channels.
        out: output channels.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)
        )


class MomentumContrast(nn.Module):
    """Two views of a clip agree; views of other clips do not.

    The query side learns by gradient; the key side follows it as an exponential moving average.
    Keys of past batches wait in a queue as further negatives, together with the spans that they
    show, so that a clip's own past views, and windows that overlap it, are never its negatives.
    The contrast is taken at two grains: the clip embedding, and each part's embedding (weight
    ``part_weight``), where a part that is missing in either view is not compared.

    Args:
        encoder: module with ``embedding_dim``, ``width`` and ``part_embeddings(x, mask)``.
        queue: places of the queue; at most a quarter of the training clips.
        momentum: of the moving average.
        temperature: of InfoNCE.
        part_weight: weight of the part contrast.
        hidden, out: widths of the projectors.

    Attributes:
        chance_losses: for each loss of the last step, what it would be if all embeddings were
            alike; the collapse alarm compares.

    Reference: He et al., "Momentum contrast for unsupervised visual representation learning",
    CVPR 2020; symmetric loss as in Chen et al., "MoCo v3", ICCV 2021.
    """

    queue: Tensor
    queue_spans: Tensor
    queue_next: Tensor

    def __init__(
        self,
        encoder: Any,
        queue: int = 512,
        momentum: float = 0.99,
        temperature: float = 0.1,
        part_weight: float = 0.5,
        hidden: int = 512,
        out: int = 128,
    ) -> None:
        super().__init__()
        if not 0 <= momentum < 1 or temperature <= 0 or queue < 0:
            raise ValueError(
                f"expected 0 <= momentum < 1, temperature > 0, queue >= 0; got {momentum}, "
                f"{temperature}, {queue}"
            )
        self.encoder = encoder
        dim, width = int(encoder.embedding_dim), int(encoder.width)
        self.projector = Projector(dim, hidden, out)
        self.part_projector = Projector(width, hidden, out)
        self.key_encoder = copy.deepcopy(encoder)
        self.key_projector = copy.deepcopy(self.projector)
        self.key_part_projector = copy.deepcopy(self.part_projector)
        for parameter in self._key_parameters():
            parameter.requires_grad_(False)
        self.momentum, self.temperature = momentum, temperature
        self.part_weight = part_weight
        self.chance_losses: dict[str, Tensor] = {}
        self.register_buffer("queue", torch.zeros(queue, out))
        self.register_buffer("queue_spans", torch.full((queue, 3), -1))
        self.register_buffer("queue_next", torch.zeros((), dtype=torch.long))

    def forward(
        self, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], spans: Tensor
    ) -> dict[str, Tensor]:
        """Losses of one batch; also moves the key side and, in training, fills the queue.

        Args:
            first: one view, x (B, T, V, C) and mask (B, T, V).
            second: another view of the same clips.
            spans: (B, 3) integers: video number, first frame, end (exclusive) of each clip.

        Returns:
            ``loss_clip`` and ``loss_part``, scalars.
        """
        if self.training:
            self._follow()
        queries = [self._query(*view) for view in (first, second)]
        with torch.no_grad():
            keys = [self._key(*view) for view in (first, second)]
        # Copies, since the queue moves on below while backward still needs what was compared.
        queue, queue_spans = self.queue.clone(), self.queue_spans.clone()
        loss_clip = torch.stack(
            [
                info_nce(q[0], k[0], queue, spans, queue_spans, self.temperature)
                for q, k in ((queries[0], keys[1]), (queries[1], keys[0]))
            ]
        ).mean()
        loss_part = torch.stack(
            [
                self._part_loss(q, k, spans)
                for q, k in ((queries[0], keys[1]), (queries[1], keys[0]))
            ]
        ).mean()
        part_chance = self._part_chance(queries[0][2] & keys[1][2], spans)
        self.chance_losses = {
            "loss_clip": chance_loss(spans, queue_spans),
            "loss_part": self.part_weight * part_chance,
        }
        if self.training:
            self._enqueue(keys[0][0], spans)
        return {"loss_clip": loss_clip, "loss_part": self.part_weight * loss_part}

    def _query(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.encoder.part_embeddings(x, mask)
        return (*_project(parts, self.projector, self.part_projector), parts.detach().any(-1))

    def _key(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.key_encoder.part_embeddings(x, mask)
        return (*_project(parts, self.key_projector, self.key_part_projector), parts.any(-1))

    def _part_loss(
        self,
        query: tuple[Tensor, Tensor, Tensor],
        key: tuple[Tensor, Tensor, Tensor],
        spans: Tensor,
    ) -> Tensor:
        losses = []
        empty = query[1].new_zeros(0, query[1].shape[-1])
        no_spans = spans.new_zeros(0, 3)
        for part in range(query[1].shape[1]):
            seen = query[2][:, part] & key[2][:, part]
            if seen.sum() > 1:
                q, k, own = query[1][seen, part], key[1][seen, part], spans[seen]
                losses.append(info_nce(q, k, empty, own, no_spans, self.temperature))
        return torch.stack(losses).mean() if losses else query[0].sum() * 0

    def _part_chance(self, seen: Tensor, spans: Tensor) -> Tensor:
        """Mean over the parts of the loss of alike embeddings; seen (B, P) in both views."""
        nothing = spans.new_zeros(0, 3)
        parts = [own for own in seen.unbind(1) if own.sum() > 1]
        chances = [chance_loss(spans[own], nothing) for own in parts]
        return torch.stack(chances).mean() if chances else spans.new_zeros(()).float()

    @torch.no_grad()
    def _follow(self) -> None:
        for slow, fast in zip(self._key_parameters(), self._query_parameters(), strict=True):
            slow.lerp_(fast, 1 - self.momentum)

    def _query_parameters(self) -> Iterator[nn.Parameter]:
        for module in (self.encoder, self.projector, self.part_projector):
            yield from module.parameters()

    def _key_parameters(self) -> Iterator[nn.Parameter]:
        for module in (self.key_encoder, self.key_projector, self.key_part_projector):
            yield from module.parameters()

    @torch.no_grad()
    def _enqueue(self, keys: Tensor, spans: Tensor) -> None:
        size = len(self.queue)
        if size == 0:
            return
        keys, spans = keys[-size:], spans[-size:]
        places = (self.queue_next + torch.arange(len(keys), device=keys.device)) % size
        self.queue[places] = keys
        self.queue_spans[places] = spans
        self.queue_next.add_(len(keys)).remainder_(size)


def _project(parts: Tensor, clip: nn.Module, part: nn.Module) -> tuple[Tensor, Tensor]:
    """Unit clip (B, O) and part (B, P, O) projections of part embeddings (B, P, D)."""
    batch, count, _ = parts.shape
    projected = part(parts.flatten(0, 1)).view(batch, count, -1)
    return F.normalize(clip(parts.flatten(1)), dim=-1), F.normalize(projected, dim=-1)
