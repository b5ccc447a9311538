"""Channels of an embedding that say different things."""

from __future__ import annotations

from torch import Tensor


def decorrelation(embeddings: Tensor, least_variance: float = 1e-4) -> Tensor:
    """Sum of the squared correlations of every two channels, over the number of channels.

    Contrast alone settles on few directions; distances then count those many times over, which
    nearest neighbours and retrieval feel more than a linear probe does.

    Args:
        embeddings: (N, D), N >= 2.
        least_variance: added to the variances, so that a constant channel has a gradient.

    Returns:
        Scalar, 0 for uncorrelated channels, D - 1 for one channel copied D times.

    References: Zbontar et al., "Barlow Twins", ICML 2021; Bardes et al., "VICReg", ICLR 2022
    (within one view, as here).
    """
    count, width = embeddings.shape
    centred = embeddings - embeddings.mean(0)
    scaled = centred / (centred.square().mean(0) + least_variance).sqrt()
    correlation = scaled.t() @ scaled / count
    return (correlation.square().sum() - correlation.diagonal().square().sum()) / width
