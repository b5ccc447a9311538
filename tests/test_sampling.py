import numpy as np
import pytest
import torch

from mgpose.data.clips import ClipDataset, Span
from mgpose.data.sampling import (
    OneSetSampler,
    WindowSampler,
    motion_energy,
    window_quality,
    window_weights,
)
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT

PART_OF = torch.from_numpy(LAYOUT.part_of)


def windows(count=8, frames=12, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(1, frames, len(LAYOUT), 3, generator=rng).repeat(count, 1, 1, 1)
    x[..., -1] = 0.5
    return x, torch.ones(x.shape[:-1], dtype=torch.bool)


def dataset(x, mask, spans=None):
    spans = spans or [Span(f"v{i}", 0, 9, subject=f"p{i}") for i in range(len(x))]
    return ClipDataset(x, mask, torch.arange(len(x)), spans)


def test_quality_is_the_mean_score_with_missing_as_zero():
    x, mask = windows(3)
    mask[1, :6] = False
    x[2, ..., -1] = 0.9
    assert torch.allclose(window_quality(x, mask), torch.tensor([0.5, 0.25, 0.9]))
    x[1, :6] = 7.0  # whatever stands there
    assert torch.allclose(window_quality(x, mask), torch.tensor([0.5, 0.25, 0.9]))


def test_energy_is_proportional_to_speed():
    x, mask = windows(5)
    sizes = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0])
    x[..., :-1] *= sizes[:, None, None, None]
    assert torch.allclose(motion_energy(x, mask, LAYOUT), sizes, atol=1e-5)


def test_energy_does_not_see_place_or_confidence():
    x, mask = windows(4)
    x[1, ..., :-1] += 5
    x[2, ..., -1] = 0.1
    assert torch.allclose(motion_energy(x, mask, LAYOUT), torch.ones(4), atol=1e-4)


def test_every_part_counts_alike_however_small_its_motion():
    x, mask = windows(7)
    face = PART_OF == 3
    x[..., :-1][:, :, face] *= 0.01
    quiet = motion_energy(x, mask, LAYOUT)
    x[0, :, face, :-1] *= 5  # its face moves five times as much as usual
    loud = motion_energy(x, mask, LAYOUT)
    assert torch.allclose(loud[0] - quiet[0], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(loud[1:], quiet[1:], atol=1e-4)


def test_energy_is_a_mean_over_what_is_seen():
    x, mask = windows(5)
    x[..., 0] = torch.arange(12.0)[:, None]  # everything goes one way at one speed
    x[..., 1] = 0
    mask[0, ::3] = False
    assert torch.allclose(motion_energy(x, mask, LAYOUT), torch.ones(5), atol=1e-4)


def test_a_missing_part_does_not_count_and_nothing_at_all_is_no_energy():
    x, mask = windows(5)
    mask[0, :, PART_OF == 1] = False
    x[0, :, PART_OF == 1] = 100 * torch.randn(12, 21, 3)
    mask[1] = False
    energy = motion_energy(x, mask, LAYOUT)
    assert torch.allclose(energy, torch.tensor([1.0, 0, 1, 1, 1]), atol=1e-4)
    mask[:] = False
    assert not motion_energy(x, mask, LAYOUT).any()


def test_weights_rise_with_quality_and_energy_between_floor_and_cap():
    x, mask = windows(9)
    sizes = torch.tensor([0, 0.01, 0.4, 0.7, 1, 1.5, 2, 50, 5000])
    x[..., :-1] *= sizes[:, None, None, None]
    weights = window_weights(dataset(x, mask), LAYOUT)
    assert weights.sum() == pytest.approx(1)
    expected = np.clip(sizes.numpy(), 0.25, 3)
    assert weights / weights[4] == pytest.approx(expected, rel=1e-4)
    x, mask = windows(4)
    x[..., -1] = torch.tensor([0.1, 0.2, 0.4, 0.8])[:, None, None]
    weights = window_weights(dataset(x, mask), LAYOUT)
    assert weights / weights[0] == pytest.approx([1, 2, 4, 8], rel=1e-4)
    mask[:] = False
    assert (window_weights(dataset(x, mask), LAYOUT) > 0).all()


def test_people_and_videos_are_balanced_by_the_square_root():
    x, mask = windows(6)
    # p has four windows in one video, q two in two videos.
    spans = [Span("a", i, i + 9, subject="p") for i in range(4)]
    spans += [Span(v, 0, 9, subject="q") for v in "bc"]
    weights = window_weights(dataset(x, mask, spans), LAYOUT)
    assert weights[4] / weights[0] == pytest.approx(np.sqrt(4 / 2) * np.sqrt(4 / 1))


def test_each_window_comes_once_an_epoch_in_an_order_of_its_own():
    sampler = WindowSampler(np.array([1e-6, 1, 1, 5, 100.0]), 5, seed=3)
    orders = []
    for epoch in range(20):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert sorted(orders[-1]) == [0, 1, 2, 3, 4]
        assert list(sampler) == orders[-1]
    assert len({tuple(o) for o in orders}) > 10
    again = WindowSampler(sampler.weights, 5, seed=3)
    again.set_epoch(13)
    assert list(again) == orders[13]
    other = [list(WindowSampler(sampler.weights, 5, seed=s)) for s in range(10)]
    assert len({tuple(o) for o in other}) > 3


def test_a_shorter_epoch_draws_without_replacement_by_weight():
    weights = np.array([1.0, 2, 3, 4])
    sampler = WindowSampler(weights, 4, samples=2)
    pairs = np.zeros((4, 4))
    epochs = 3000
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        first, second = sampler
        assert first != second
        pairs[first, second] += 1
    share = weights / weights.sum()
    # Of two draws without replacement, i then j has probability p_i p_j / (1 - p_i).
    chain = share[:, None] * share[None] / (1 - share[:, None])
    both = chain + chain.T
    np.fill_diagonal(both, 0)
    assert (pairs + pairs.T) / epochs == pytest.approx(both, abs=0.04)
    assert pairs / epochs == pytest.approx(both / 2, abs=0.03)  # the order itself tells nothing


def test_lengths_and_refusals():
    assert len(WindowSampler(None, 7)) == len(list(WindowSampler(None, 7))) == 7
    assert len(WindowSampler(None, 7, samples=3)) == len(list(WindowSampler(None, 7, 3))) == 3
    assert len(WindowSampler(None, 7, samples=30)) == 7
    for wrong in (np.array([1.0, 0]), np.array([1.0, -1]), np.ones(3)):
        with pytest.raises(ValueError, match="2 positive numbers"):
            WindowSampler(wrong, 2)


SOURCE = np.array([0, 1, 0, 1, 1, 0, 0, 2, 1, 0, 2, 0, 2, 2])


def test_every_batch_is_of_one_set_and_every_window_comes_at_most_once():
    sampler = OneSetSampler(None, SOURCE, batch=2, seed=5)
    orders = []
    for epoch in range(20):
        sampler.set_epoch(epoch)
        order = list(sampler)
        orders.append(tuple(order))
        assert len(order) == len(set(order)) == len(sampler) == 6 + 4 + 4
        assert all(len(set(SOURCE[order[i : i + 2]])) == 1 for i in range(0, len(order), 2))
        assert list(sampler) == order
    assert len(set(orders)) == 20
    # Batches of the sets are mixed: which set comes first changes.
    assert {SOURCE[order[0]] for order in orders} == {0, 1, 2}
    again = OneSetSampler(None, SOURCE, batch=2, seed=5)
    again.set_epoch(13)
    assert tuple(again) == orders[13]


def test_a_set_gives_its_share_of_a_shorter_epoch_in_full_batches():
    source = np.repeat([0, 1], [60, 40])
    sampler = OneSetSampler(np.linspace(1, 2, 100), source, batch=4, samples=29)
    order = list(sampler)
    assert np.bincount(source[order]).tolist() == [16, 8]  # of 17.4 and 11.6
    # One set, no remainder: as the plain sampler, batch for batch.
    one = OneSetSampler(None, np.zeros(12, dtype=int), batch=4)
    assert sorted(one) == list(range(12))


def test_the_heavier_windows_of_a_set_are_drawn_more_often():
    weights = np.where(np.arange(40) % 2, 9.0, 1.0)
    sampler = OneSetSampler(weights, np.repeat([0, 1], 20), batch=5, samples=20)
    drawn = []
    for epoch in range(50):
        sampler.set_epoch(epoch)
        drawn += list(sampler)
    assert np.mean(np.array(drawn) % 2) > 0.7


def test_a_set_that_fills_no_batch_is_refused():
    with pytest.raises(ValueError, match="fill a batch of 5; one has 4 windows"):
        OneSetSampler(None, SOURCE, batch=5)


def test_joined_sets_keep_what_each_window_comes_from():
    x, mask = windows(3)
    first, second = (
        dataset(x, mask, [Span(f"{name}{i}", 0, 9) for i in range(3)]) for name in "ab"
    )
    joint = first.with_more([second])
    assert joint.source.tolist() == [0, 0, 0, 1, 1, 1]
    assert joint.subset([4, 0, 5]).source.tolist() == [1, 0, 1]
    assert first.source.tolist() == [0, 0, 0]
