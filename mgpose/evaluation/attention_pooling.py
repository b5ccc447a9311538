"""Gated attention over the windows of a video, with positions in time: a small two-class model.

There are some hundred training videos, so everything holds the model down: few principal
components, a narrow hidden layer, dropout of whole channels of a video, random windows in each
step, weight decay, and the mean over several restarts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from mgpose.evaluation.embeddings import IntArray
from mgpose.evaluation.video_sequences import TIME_CHANNELS, VideoSequences, time_encodings

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AttentionSettings:
    """Constants of the attention pooling; none is chosen by the data.

    Args:
        hidden: H, width of the hidden layer.
        windows: a step sees so many windows of each video: one at random from each of equal slots.
        epochs: steps over all training videos.
        learning_rate: first step size of AdamW; it falls to zero along a cosine.
        dropout: share of the channels of a video, and of its pooled channels, that a step drops.
        restarts: models whose probabilities are averaged.
    """

    hidden: int = 16
    windows: int = 64
    epochs: int = 60
    learning_rate: float = 2e-2
    dropout: float = 0.2
    restarts: int = 5

    def __post_init__(self) -> None:
        if min(self.hidden, self.windows, self.epochs, self.restarts) < 1:
            raise ValueError(f"hidden, windows, epochs and restarts must be >= 1, got {self}")
        if self.learning_rate <= 0 or not 0 <= self.dropout < 1:
            raise ValueError(f"expected learning_rate > 0 and 0 <= dropout < 1, got {self}")


class GatedAttentionPooling(nn.Module):
    """R models at once, each from windows to a logit.

    h_w = ReLU(A [x_w; p_w] + a); e_w = u . (tanh(B h_w) * sigmoid(C h_w)); z = sum_w softmax(e)_w
    h_w; logit = c . z + c_0. ``u`` starts at zero, so that training starts at mean pooling.

    Args:
        channels: D, of a window with its positions in time.
        hidden: H.
        restarts: R.
        generator: of the first weights.

    Reference:
        Ilse, Tomczak and Welling, Attention-based Deep Multiple Instance Learning, ICML 2018.
    """

    def __init__(
        self, channels: int, hidden: int, restarts: int, generator: torch.Generator
    ) -> None:
        super().__init__()

        def weights(inputs: int, outputs: int) -> nn.Parameter:
            drawn = torch.randn(restarts, inputs, outputs, generator=generator)
            return nn.Parameter(drawn / inputs**0.5)

        self.embed, self.embed_bias = (
            weights(channels, hidden),
            nn.Parameter(torch.zeros(restarts, 1, hidden)),
        )
        self.tanh, self.gate = weights(hidden, hidden), weights(hidden, hidden)
        self.score = nn.Parameter(torch.zeros(restarts, hidden, 1))
        self.decide = weights(hidden, 1)
        self.decide_bias = nn.Parameter(torch.zeros(restarts, 1))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """(R, N, W, D) windows -> (R, N) logits; ``keep`` (R, N, H) scales pooled channels."""
        restarts, videos, windows, channels = x.shape
        flat = x.reshape(restarts, videos * windows, channels)
        hidden = functional.relu(torch.baddbmm(self.embed_bias, flat, self.embed))
        gated = torch.tanh(hidden @ self.tanh) * torch.sigmoid(hidden @ self.gate)
        energy = (gated @ self.score).view(restarts, videos, windows)
        attention = energy.softmax(-1)
        hidden = hidden.view(restarts, videos, windows, -1)
        pooled = (attention.unsqueeze(2) @ hidden).squeeze(2)
        if keep is not None:
            pooled = pooled * keep
        return (pooled @ self.decide).squeeze(-1) + self.decide_bias


def attention_scores(
    train: VideoSequences,
    labels: IntArray,
    test: VideoSequences,
    weight_decay: float,
    settings: AttentionSettings | None = None,
    seed: int = 0,
) -> Float64Array:
    """Train on some videos, give the probability of class 1 for others.

    Cross-entropy by AdamW, the last epoch taken. Nothing is read of the test videos but their
    windows, each video by itself.

    Args:
        train: N videos; values of comparable scale, such as whitened principal components.
        labels: (N,) 0 or 1, both present.
        test: M videos.
        weight_decay: of all weights; biases are free.
        settings: constants.
        seed: of weights, windows and dropout; torch's global generator is left alone.

    Returns:
        (M,) probabilities, mean over the restarts.

    Raises:
        ValueError: on labels that do not fit or show one class.
    """
    if labels.shape != (len(train),) or not np.array_equal(np.unique(labels), [0, 1]):
        raise ValueError(f"expected {len(train)} labels of 0 and 1, both present, got {labels}")
    settings = AttentionSettings() if settings is None else settings
    longest = float(train.length.max())
    generator = torch.Generator().manual_seed(seed)
    channels = train.values.shape[1] + TIME_CHANNELS
    model = GatedAttentionPooling(channels, settings.hidden, settings.restarts, generator)
    _fit(model, _inputs(train, longest), train.counts, labels, weight_decay, settings, generator)
    inputs, ends = _inputs(test, longest), np.cumsum(test.counts)
    scores = np.empty(len(test))
    with torch.no_grad():
        for i, (end, count) in enumerate(zip(ends, test.counts, strict=True)):
            x = inputs[end - count : end].expand(settings.restarts, 1, -1, -1)
            scores[i] = float(model(x).sigmoid().mean())
    return scores


def _inputs(sequences: VideoSequences, longest: float) -> Tensor:
    times = time_encodings(sequences, longest)
    return torch.from_numpy(np.concatenate([sequences.values, times], axis=1))


def _fit(
    model: GatedAttentionPooling,
    inputs: Tensor,
    counts: IntArray,
    labels: IntArray,
    weight_decay: float,
    settings: AttentionSettings,
    generator: torch.Generator,
) -> None:
    restarts, videos, slots = settings.restarts, len(counts), settings.windows
    size = torch.from_numpy(counts)[:, None]
    first = torch.cumsum(size, 0) - size
    targets = torch.from_numpy(labels).float().expand(restarts, -1)
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    weights = [p for name, p in model.named_parameters() if not name.endswith("bias")]
    optimiser = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs)
    keep = 1 - settings.dropout
    for _ in range(settings.epochs):
        # A short video gives some windows twice, which attention, being a mean, does not mind.
        place = (torch.arange(slots) + torch.rand(videos, slots, generator=generator)) / slots
        # Rounding may bring a place to 1, which would be the next video's first window.
        chosen = first + torch.minimum((place * size).long(), size - 1)
        whole = (
            torch.rand(restarts, videos, 1, inputs.shape[1], generator=generator) < keep
        ) / keep
        pooled = (torch.rand(restarts, videos, settings.hidden, generator=generator) < keep) / keep
        logits = model(inputs[chosen] * whole, pooled)
        # Summed over the restarts: none sees another's gradient.
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        optimiser.zero_grad()
        torch.autograd.backward(loss.mean(1).sum())
        optimiser.step()
        schedule.step()
