"""Decorrelation against numpy's correlations."""

import numpy as np
import pytest
import torch

from mgpose.objectives import decorrelation


def test_equals_numpys_correlations():
    embeddings = torch.randn(20, 6, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    embeddings[:, 3] += embeddings[:, 0]
    correlation = np.corrcoef(embeddings.numpy(), rowvar=False)
    expected = (correlation**2).sum() / 6 - 1
    assert float(decorrelation(embeddings, least_variance=0)) == pytest.approx(expected)


def test_is_zero_for_uncorrelated_and_most_for_copied_channels():
    hadamard = torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]])
    assert float(decorrelation(hadamard)) == pytest.approx(0, abs=1e-12)
    copied = torch.tensor([[1.0], [2.0], [4.0]]).repeat(1, 5)
    assert float(decorrelation(copied, least_variance=0)) == pytest.approx(4)


def test_a_constant_channel_has_a_finite_gradient():
    embeddings = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    embeddings[:, 1] = 2
    embeddings.requires_grad_()
    decorrelation(embeddings).backward()
    assert embeddings.grad.isfinite().all()
