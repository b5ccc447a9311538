"""From an encoder and clips to a table of frozen embeddings."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mgpose.data.clips import ClipDataset
from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.models.encoder import Encoder


@torch.no_grad()
def embed(encoder: Encoder, clips: ClipDataset, batch_size: int = 256) -> EmbeddingTable:
    """Embed every clip; a clip with several crops gets the mean of its crops' embeddings.

    The encoder's mode (training or evaluation) is left as it was found.

    Args:
        encoder: ``(x, mask) -> (B, D)``.
        clips: N clips.
        batch_size: crops in one forward pass.
    """
    device = next(encoder.parameters()).device
    was_training = encoder.training
    encoder.eval()
    rows = [
        encoder(clips.x[i : i + batch_size].to(device), clips.mask[i : i + batch_size].to(device))
        for i in range(0, len(clips), batch_size)
    ]
    encoder.train(was_training)
    means = mean_over_crops(torch.cat(rows).float().cpu(), clips.clip, len(clips.spans))
    return EmbeddingTable(
        embeddings=means.numpy(),
        labels=clips.labels.numpy(),
        subjects=tuple(clips.group("subject")),
        videos=tuple(span.video for span in clips.spans),
        starts=np.array([span.start for span in clips.spans], dtype=np.float64),
        stops=np.array([span.stop for span in clips.spans], dtype=np.float64),
    )


def mean_over_crops(values: Tensor, clip: Tensor, clips: int) -> Tensor:
    """(M, D) values of crops -> (N, D) means over the crops of each clip."""
    total = torch.zeros(clips, values.shape[1]).index_add_(0, clip, values)
    count = torch.bincount(clip, minlength=clips).clamp(min=1)
    return total / count[:, None]
