"""Spread and rank of embeddings, on data of which both are known."""

import pytest
import torch

from mgpose.objectives import effective_rank, embedding_std


def test_embedding_std_is_one_when_spread_and_zero_when_collapsed():
    spread = torch.randn(4000, 64, generator=torch.Generator().manual_seed(0))
    assert embedding_std(spread) == pytest.approx(1, abs=0.02)
    assert embedding_std(7.5 * spread) == pytest.approx(embedding_std(spread))
    assert embedding_std(spread[:1].expand(50, -1)) == pytest.approx(0, abs=1e-6)
    narrow = torch.ones(64) * 10 + spread
    assert 0.05 < embedding_std(narrow) < 0.2


@pytest.mark.parametrize("rank", [1, 3, 10, 40])
def test_effective_rank_of_data_of_a_known_rank(rank):
    basis = torch.linalg.qr(torch.randn(64, rank, generator=torch.Generator().manual_seed(1)))[0]
    factors = torch.randn(4000, rank, generator=torch.Generator().manual_seed(2))
    data = factors @ basis.T
    assert effective_rank(data) == pytest.approx(rank, rel=0.01)
    assert effective_rank(3 * data + 5) == pytest.approx(effective_rank(data), rel=1e-3)
    turn = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(3)))[0]
    assert effective_rank(data @ turn) == pytest.approx(effective_rank(data), rel=1e-3)


def test_effective_rank_of_nothing_is_one_and_of_exact_axes_their_number():
    assert effective_rank(torch.ones(20, 8)) == 1
    axes = torch.cat((torch.eye(5), -torch.eye(5)))
    assert effective_rank(axes) == pytest.approx(5)
