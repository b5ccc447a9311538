"""The pre-training objective: a student learns from a slowly moving teacher of its own kind."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from mgpose.objectives.decorrelation import decorrelation
from mgpose.objectives.info_nce import chance_loss, info_nce, same_moment, soft_targets
from mgpose.objectives.masking import mix_parts, part_tubes

View = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class ObjectiveSettings:
    """What the student is asked; a weight or share of 0 switches an ingredient off.

    Args:
        queue: past keys kept as further candidates; an upper limit, a quarter of the clips at most.
        momentum: of the teacher at the start; it rises to 1 by a half cosine.
        temperature: of the student.
        teacher_temperature: of the soft targets.
        soft: share of a target that goes to what the teacher finds alike.
        clip, part, time: weights of the contrast of clips, of parts, and of steps in time.
        masked: weight of the prediction of the teacher's tokens at hidden places.
        mask_share: share of the part tokens hidden from the student in its global views.
        mixed: weight of the contrast of clips with parts of two clips.
        decorrelation: weight of the squared correlations between channels of the clip embedding.
        neighbour: True takes as positive the key's nearest neighbour in the queue: for a short
            last stage of training.
        hidden, out: widths of the projectors.

    Raises:
        ValueError: on numbers out of range.
    """

    queue: int = 1024
    momentum: float = 0.99
    temperature: float = 0.1
    teacher_temperature: float = 0.05
    soft: float = 0.2
    clip: float = 1.0
    part: float = 0.5
    time: float = 0.2
    masked: float = 1.0
    mask_share: float = 0.4
    mixed: float = 0.5
    decorrelation: float = 0.03
    neighbour: bool = False
    hidden: int = 512
    out: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1 or self.queue < 0:
            raise ValueError(f"expected 0 <= momentum < 1, queue >= 0; got {self}")
        if min(self.temperature, self.teacher_temperature) <= 0:
            raise ValueError(f"temperatures must be positive, got {self}")
        if not (0 <= self.soft < 1 and 0 <= self.mask_share < 1):
            raise ValueError(f"soft and mask_share must lie in [0, 1), got {self}")
        weights = (
            self.clip, self.part, self.time, self.masked, self.mixed, self.decorrelation
        )  # fmt: skip
        if min(weights) < 0 or self.clip == 0:
            raise ValueError(f"weights must be >= 0 and clip > 0, got {self}")


def _perceptron(width: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, out)
    )


class Branch(nn.Module):
    """An encoder with the projectors to the spaces in which views are compared.

    Args:
        encoder: an :class:`~mgpose.models.encoder.Encoder`.
        hidden, out: widths of the projectors.
    """

    def __init__(self, encoder: Any, hidden: int, out: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.clip = _perceptron(int(encoder.embedding_dim), hidden, out)
        self.part = _perceptron(int(encoder.width), hidden, out)
        self.time = _perceptron(int(encoder.width), hidden, out)

    def forward(self, x: Tensor, mask: Tensor) -> Seen:
        """Everything that the losses compare, of one view."""
        tokens, valid = self.encoder.tokens(x, mask)
        weight = valid.unsqueeze(-1).to(tokens.dtype)
        parts = (tokens * weight).sum(2) / weight.sum(2).clamp(min=1)
        steps = (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
        return Seen(
            tokens=tokens,
            valid=valid,
            embedding=parts.flatten(1),
            clip=F.normalize(self.clip(parts.flatten(1)), dim=-1),
            part=_unit_rows(self.part, parts),
            time=_unit_rows(self.time, steps),
        )


@dataclass(frozen=True, eq=False)
class Seen:
    """What a branch makes of one view.

    Args:
        tokens: (B, P, S, D) part tokens.
        valid: (B, P, S) which of them were there.
        embedding: (B, P * D), the encoder's embedding of the clip.
        clip: (B, O) unit vectors.
        part: (B, P, O) unit vectors.
        time: (B, S, O) unit vectors.
    """

    tokens: Tensor
    valid: Tensor
    embedding: Tensor
    clip: Tensor
    part: Tensor
    time: Tensor


class TeacherStudent(nn.Module):
    """Contrast at three grains, and prediction of what is hidden.

    The teacher sees the whole global views; the student sees them with part tubes hidden, short
    local views, and clips mixed from two. It learns

    * ``clip``: to find its clip's key, of the other global view, among the batch and a queue; part
      of the target goes to what the teacher finds alike;
    * ``part``: the same for every part that both views show, in the batch;
    * ``time``: to find the teacher's step of the same view among the steps of the batch;
    * ``masked``: to predict the teacher's normalised tokens at the hidden places;
    * ``mixed``: to find both clips of a mixed one;
    * ``decorrelation``: to say different things in different channels of the embedding.

    A clip's own past views, and windows that overlap it, are never its negatives.

    Args:
        encoder: the student's; the teacher's is a copy that follows as a moving average and is the
            one that is published.
        settings: weights and constants.
        steps: of the whole run, for the momentum's schedule; 0 keeps it constant.

    Attributes:
        chance_losses: for clips and parts of the last step, what it would be if all embeddings were
            alike; the collapse alarm compares.

    References: He et al., "MoCo", CVPR 2020; Caron et al., "DINO", ICCV 2021 (multi-crop, momentum
    schedule); Baevski et al., "data2vec", ICML 2022 (normalised teacher features); Dwibedi et
    al., "NNCLR", ICCV 2021 (neighbours as positives).
    """

    queue: Tensor
    queue_spans: Tensor
    queue_next: Tensor
    step: Tensor

    def __init__(
        self, encoder: Any, settings: ObjectiveSettings | None = None, steps: int = 0
    ) -> None:
        super().__init__()
        self.settings = s = settings or ObjectiveSettings()
        self.steps = steps
        self.student = Branch(encoder, s.hidden, s.out)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        width = int(encoder.width)
        self.predictor = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.chance_losses: dict[str, Tensor] = {}
        self.register_buffer("queue", torch.zeros(s.queue, s.out))
        self.register_buffer("queue_spans", torch.full((s.queue, 3), -1))
        self.register_buffer("queue_next", torch.zeros((), dtype=torch.long))
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    @property
    def published_encoder(self) -> Any:
        """The encoder that a checkpoint is read for: the teacher's."""
        return self.teacher.encoder

    def forward(
        self,
        views: Sequence[View],
        spans: Tensor,
        generator: Generator,
        local: Sequence[View] = (),
    ) -> dict[str, Tensor]:
        """Losses of one batch; also moves the teacher and, in training, fills the queue.

        Args:
            views: two global views of the clips, each x (B, T, V, C) and mask (B, T, V).
            spans: (B, 3) integers: video number, first frame, end (exclusive) of each clip.
            generator: of tubes and mixtures, on the CPU.
            local: further views that the student only sees.

        Returns:
            Weighted losses by term, such as ``loss_clip``; a term of weight 0 is left out.
        """
        s = self.settings
        if self.training:
            self._follow()
        with torch.no_grad():
            keys = [self.teacher(*view) for view in views]
        # Copies, since the queue moves on below while backward still needs what was compared.
        queue, queue_spans = self.queue.clone(), self.queue_spans.clone()
        targets = [self._targets(key, queue, spans, queue_spans) for key in keys]
        losses: dict[str, list[Tensor]] = {}
        chances: dict[str, list[Tensor]] = {}
        compared = (losses, chances, queue, spans, queue_spans)
        for i, (x, mask) in enumerate(views):
            seen_mask, hidden = mask, None
            if s.masked and s.mask_share:
                skeleton, patch = self.student.encoder.skeleton, self.student.encoder.patch
                seen_mask, hidden = part_tubes(mask, skeleton, patch, s.mask_share, generator)
            seen, other = self.student(x, seen_mask), keys[1 - i]
            self._contrast(seen, other, targets[1 - i], *compared)
            if s.decorrelation and len(spans) > 1:
                losses.setdefault("decorrelation", []).append(decorrelation(seen.embedding))
            if s.time:
                loss = self._time_loss(seen, keys[i], spans)
                losses.setdefault("time", []).append(loss)
            if hidden is not None:
                loss = self._masked_loss(seen.tokens, keys[i].tokens, hidden)
                losses.setdefault("masked", []).append(loss)
        for i, view in enumerate(local):
            seen, k = self.student(*view), i % 2
            self._contrast(seen, keys[k], targets[k], *compared)
        if s.mixed and len(spans) > 1:
            losses["mixed"] = [
                self._mixed_loss(views[0], keys[1], queue, spans, queue_spans, generator)
            ]
        self.chance_losses = {
            f"loss_{name}": getattr(s, name) * torch.stack(found).mean()
            for name, found in chances.items()
        }
        if self.training:
            self._enqueue(keys[0].clip, spans)
            self.step += 1
        return {
            f"loss_{name}": getattr(s, name) * torch.stack(found).mean()
            for name, found in losses.items()
        }

    def _contrast(
        self,
        seen: Seen,
        key: Seen,
        targets: Tensor,
        losses: dict[str, list[Tensor]],
        chances: dict[str, list[Tensor]],
        queue: Tensor,
        spans: Tensor,
        queue_spans: Tensor,
    ) -> None:
        s = self.settings
        nearest = _nearest(key.clip, queue, queue_spans) if s.neighbour else None
        loss = info_nce(
            seen.clip, key.clip, queue, spans, queue_spans, s.temperature, targets,
            neighbours=nearest,
        )  # fmt: skip
        losses.setdefault("clip", []).append(loss)
        chances.setdefault("clip", []).append(chance_loss(spans, queue_spans, nearest))
        if s.part:
            loss, chance = self._part_loss(seen, key, spans)
            losses.setdefault("part", []).append(loss)
            chances.setdefault("part", []).append(chance)

    def _targets(self, key: Seen, queue: Tensor, spans: Tensor, queue_spans: Tensor) -> Tensor:
        s = self.settings
        return soft_targets(key.clip, queue, spans, queue_spans, s.teacher_temperature, s.soft)

    def _part_loss(self, seen: Seen, key: Seen, spans: Tensor) -> tuple[Tensor, Tensor]:
        """Mean over the parts that two clips or more show in both views, and what is chance."""
        losses, chances = [], []
        nothing = spans.new_zeros(0, 3)
        for part in range(seen.part.shape[1]):
            both = seen.valid[:, part].any(1) & key.valid[:, part].any(1)
            if both.sum() > 1:
                losses.append(
                    info_nce(
                        seen.part[both, part],
                        key.part[both, part],
                        seen.part.new_zeros(0, seen.part.shape[-1]),
                        spans[both],
                        nothing,
                        self.settings.temperature,
                    )
                )
                chances.append(chance_loss(spans[both], nothing))
        if not losses:
            return seen.clip.sum() * 0, seen.clip.new_zeros(())
        return torch.stack(losses).mean(), torch.stack(chances).mean()

    def _time_loss(self, seen: Seen, key: Seen, spans: Tensor) -> Tensor:
        """Steps of one clip are told apart from one another and from those of other clips.

        Those of other clips that overlap it in time may show the same movement: they are left out.
        """
        both = seen.valid.any(1) & key.valid.any(1)
        clip = both.nonzero()[:, 0]
        hidden = same_moment(spans, spans).fill_diagonal_(False)[clip][:, clip]
        query, target = seen.time[both], key.time[both]
        if len(query) < 2:
            return seen.clip.sum() * 0
        logits = query @ target.t() / self.settings.temperature
        logits = logits.masked_fill(hidden, -torch.inf)
        return F.cross_entropy(logits, torch.arange(len(query), device=query.device))

    def _masked_loss(self, tokens: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
        if not hidden.any():
            return tokens.sum() * 0
        predicted = self.predictor(tokens[hidden])
        wanted = F.layer_norm(target[hidden], target.shape[-1:])
        return F.smooth_l1_loss(predicted, wanted)

    def _mixed_loss(
        self,
        view: View,
        key: Seen,
        queue: Tensor,
        spans: Tensor,
        queue_spans: Tensor,
        generator: Generator,
    ) -> Tensor:
        s, skeleton = self.settings, self.student.encoder.skeleton
        x, mask, own = mix_parts(*view, skeleton, generator)
        targets = soft_targets(
            key.clip, queue, spans, queue_spans, s.teacher_temperature, s.soft, own
        )
        seen = self.student(x, mask).clip
        return info_nce(seen, key.clip, queue, spans, queue_spans, s.temperature, targets, own)

    def momentum(self) -> float:
        """The teacher's momentum at this step."""
        start = self.settings.momentum
        if self.steps == 0:
            return start
        share = min(1.0, int(self.step) / self.steps)
        return 1 - (1 - start) * (1 + math.cos(math.pi * share)) / 2

    @torch.no_grad()
    def _follow(self) -> None:
        momentum = self.momentum()
        pairs = zip(self.teacher.parameters(), self.student.parameters(), strict=True)
        for slow, fast in pairs:
            slow.lerp_(fast, 1 - momentum)

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


def _nearest(key: Tensor, queue: Tensor, queue_spans: Tensor) -> Tensor | None:
    """(B,) place of each key's nearest key in the queue; None while the queue is empty."""
    filled = queue_spans[:, 0] >= 0
    if not filled.any():
        return None
    return (key @ queue.t()).masked_fill(~filled, -torch.inf).argmax(1)


def _unit_rows(projector: nn.Module, values: Tensor) -> Tensor:
    """(B, N, D) -> unit (B, N, O)."""
    batch, count, _ = values.shape
    return F.normalize(projector(values.flatten(0, 1)).view(batch, count, -1), dim=-1)
