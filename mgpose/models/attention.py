"""Transformer blocks for pose tokens: attention with a graph bias, attention with rotary time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Added to the score of a masked key. Finite, so that a row without any valid key stays finite too.
MASKED = -1e4


class Attention(nn.Module):
    """Multi-head self-attention, ``softmax(q k' / sqrt(d) + bias) v``.

    Args:
        width: D, channels of a token.
        heads: H, divides ``width``.

    Reference: Vaswani et al., "Attention is all you need", NeurIPS 2017.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width, got {heads} and {width}")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor, rotation: Tensor | None = None) -> Tensor:
        """Attend over the tokens.

        Args:
            x: (B, N, D) tokens.
            bias: broadcastable to (B, H, N, N), added to the scores.
            rotation: (N, D / H) angles of :func:`rotary_angles`, or None.

        Returns:
            (B, N, D)
        """
        batch, tokens, width = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Block(nn.Module):
    """Pre-norm transformer block: attention, then a two-layer perceptron.

    Args:
        width: D.
        heads: H.
        mlp_ratio: hidden width of the perceptron over D.
        dropout: probability, on both residual branches.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor, rotation: Tensor | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D); arguments as in :meth:`Attention.forward`."""
        x = x + self.dropout(self.attention(self.norm_attention(x), bias, rotation))
        out: Tensor = x + self.dropout(self.mlp(self.norm_mlp(x)))
        return out


def rotary_angles(positions: Tensor, dim: int, base: float = 100.0) -> Tensor:
    """Angles (N, dim) for :func:`rotate`: position times ``base ** (-2 i / dim)``.

    Args:
        positions: (N,) positions in time, in patches.
        dim: channels of a head, even.
        base: ratio of the longest to the shortest wavelength; small, since clips are short.

    Reference: Su et al., "RoFormer", arXiv 2104.09864.
    """
    if dim % 2:
        raise ValueError(f"rotary positions need an even head width, got {dim}")
    frequency = base ** (-torch.arange(0, dim, 2, device=positions.device) / dim)
    return (positions[:, None] * frequency[None]).repeat(1, 2)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the channel pairs (i, i + d/2) of x (..., N, d) by ``angles`` (N, d)."""
    first, second = x.chunk(2, dim=-1)
    return x * angles.cos() + torch.cat((-second, first), dim=-1) * angles.sin()


def key_bias(valid: Tensor) -> Tensor:
    """(..., N) bool -> (..., 1, 1, N) bias: 0 for valid keys, a large negative for the rest."""
    return (~valid).to(torch.get_default_dtype()).mul(MASKED)[..., None, None, :]
