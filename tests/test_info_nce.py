"""InfoNCE, its soft targets and its chance level against slow loops over the candidates."""

import math

import pytest
import torch
from torch.nn import functional as F

from mgpose.objectives import chance_loss, info_nce, soft_targets
from mgpose.objectives.info_nce import same_moment

# Clips 1 and 2 are overlapping windows of one video.
SPANS = torch.tensor([[0, 0, 8], [1, 0, 8], [1, 4, 12], [2, 0, 8], [9, 0, 8]])
EMPTY = [-1, -1, -1]
QUEUE_SPANS = torch.tensor(
    [[1, 0, 6], EMPTY, [3, 0, 8], [0, 4, 9], [0, 8, 16], [12, 0, 8], EMPTY, [2, 7, 9]]
)
NOTHING = torch.zeros(0, 3, dtype=torch.long)
# Rows as mixed clips have them: clip 3 with a part of clip 1, and so on; clip 4 is whole.
OWN = torch.eye(5, dtype=torch.double)
OWN[[0, 1, 2, 3]] *= torch.tensor([[0.7], [0.6], [0.9], [0.5]], dtype=torch.double)
OWN[[0, 1, 2, 3], [4, 2, 0, 1]] = torch.tensor([0.3, 0.4, 0.1, 0.5], dtype=torch.double)


def unit(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=rng, dtype=torch.double), dim=-1)


def overlap(a, b):
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def candidates(i, spans, queue_spans, own=None):
    """Places (batch first, then queue) that query i is compared with."""
    spans, queue_spans = spans.tolist(), queue_spans.tolist()
    shown = [i] if own is None else [j for j in range(len(spans)) if own[i, j] > 0]
    places = []
    for c, span in enumerate(spans + queue_spans):
        new = span[0] >= 0 and not any(overlap(span, spans[j]) for j in shown)
        if c in shown or new:
            places.append(c)
    return places


def slow_info_nce(
    query, key, queue, spans, queue_spans, temperature, targets=None, own=None, neighbours=None
):
    total = 0.0
    for i in range(len(query)):
        places = candidates(i, spans, queue_spans, own)
        vectors = dict(enumerate([*key, *queue]))
        weights = {c: float(c == i) if targets is None else float(targets[i, c]) for c in vectors}
        if neighbours is not None:
            stand_in = len(key) + int(neighbours[i])
            vectors[i] = vectors[stand_in]
            places = [c for c in places if c != stand_in]
            weights[i] += weights.pop(stand_in)
        score = {c: math.exp(float(query[i] @ vectors[c]) / temperature) for c in places}
        total -= sum(weights[c] * math.log(score[c] / sum(score.values())) for c in places)
    return total / len(query)


def slow_soft_targets(key, queue, spans, queue_spans, temperature, weight, own):
    count = len(key) + len(queue)
    vectors = [*key, *queue]
    alike = torch.zeros(len(key), count, dtype=torch.double)
    for i in range(len(key)):
        places = [c for c in candidates(i, spans, queue_spans) if c != i]
        score = {c: math.exp(float(key[i] @ vectors[c]) / temperature) for c in places}
        for c in places:
            alike[i, c] = score[c] / sum(score.values())
    out = torch.zeros(len(key), count, dtype=torch.double)
    for i in range(len(key)):
        for c in candidates(i, spans, queue_spans, own):
            out[i, c] = weight * sum(own[i, a] * alike[a, c] for a in range(len(key)))
        out[i, : len(key)] += (1 - out[i].sum()) * own[i]
    return out


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
@pytest.mark.parametrize("places", [0, 8])
def test_info_nce_equals_a_double_loop(temperature, places):
    query, key, queue = unit(5, 6), unit(5, 6, seed=1), unit(8, 6, seed=2)[:places]
    arguments = (query, key, queue, SPANS, QUEUE_SPANS[:places], temperature)
    assert float(info_nce(*arguments)) == pytest.approx(slow_info_nce(*arguments), rel=1e-9)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("stand_ins", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9])
def test_targets_mixtures_and_neighbours_equal_the_loops(mixed, stand_ins, weight):
    query, key, queue = unit(5, 6), unit(5, 6, seed=1), unit(8, 6, seed=2)
    own = OWN if mixed else None
    targets = soft_targets(key, queue, SPANS, QUEUE_SPANS, 0.1, weight, own)
    slow = slow_soft_targets(
        key, queue, SPANS, QUEUE_SPANS, 0.1, weight, OWN if mixed else torch.eye(5).double()
    )
    torch.testing.assert_close(targets.double(), slow, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(targets.sum(1).double(), torch.ones(5).double())
    # Filled places only; clip 0's is its own past view, clip 1's another clip's.
    neighbours = torch.tensor([3, 5, 2, 4, 0]) if stand_ins else None
    arguments = (query, key, queue, SPANS, QUEUE_SPANS, 0.2, targets.double(), own, neighbours)
    assert float(info_nce(*arguments)) == pytest.approx(slow_info_nce(*arguments), rel=1e-6)


def test_soft_targets_give_what_they_say_and_nothing_to_the_same_moment():
    key, queue = unit(5, 6, seed=1), unit(8, 6, seed=2)
    targets = soft_targets(key, queue, SPANS, QUEUE_SPANS, 0.1, 0.4)
    torch.testing.assert_close(targets.diagonal().double(), torch.full((5,), 0.6).double())
    for i in range(5):
        gone = sorted(set(range(13)) - set(candidates(i, SPANS, QUEUE_SPANS)))
        assert gone
        assert not targets[i, gone].any()
    # One clip and no queue: there is nothing else that could be alike.
    alone = soft_targets(key[:1], queue[:0], SPANS[:1], NOTHING, 0.1, 0.4)
    assert alone.tolist() == [[1.0]]


def test_all_weight_on_the_own_key_is_the_plain_loss():
    query, key, queue = unit(5, 6), unit(5, 6, seed=1), unit(8, 6, seed=2)
    plain = (query, key, queue, SPANS, QUEUE_SPANS, 0.1)
    targets = soft_targets(key, queue, SPANS, QUEUE_SPANS, 0.1, 0.0)
    assert float(info_nce(*plain, targets)) == pytest.approx(float(info_nce(*plain)), rel=1e-9)


@pytest.mark.parametrize(("batch", "places"), [(2, 0), (6, 0), (6, 10), (1, 7), (1, 0)])
@pytest.mark.parametrize("stand_ins", [False, True])
def test_collapsed_embeddings_cost_chance(batch, places, stand_ins):
    same = unit(1, 8)
    spans = torch.stack((torch.arange(batch), *torch.tensor([[0], [3]]).expand(2, batch)), 1)
    queue_spans = torch.stack(
        (100 + torch.arange(places), *torch.tensor([[0], [3]]).expand(2, places)), 1
    )
    neighbours = torch.arange(batch) % places if stand_ins and places else None
    vectors = (same.expand(batch, -1), same.expand(batch, -1), same.expand(places, -1))
    loss = info_nce(*vectors, spans, queue_spans, 0.1, neighbours=neighbours)
    # A neighbour that takes the own key's place leaves its own.
    expected = math.log(batch + places - (neighbours is not None))
    assert float(loss) == pytest.approx(expected, abs=1e-9)
    chance = chance_loss(spans, queue_spans, neighbours)
    assert float(chance) == pytest.approx(expected, abs=1e-6)


def test_chance_is_what_the_loss_is_when_all_are_alike():
    same = unit(1, 8).expand(13, -1)
    targets = soft_targets(same[:5], same[5:], SPANS, QUEUE_SPANS, 0.1, 0.3)
    loss = info_nce(same[:5], same[:5], same[5:], SPANS, QUEUE_SPANS, 0.1, targets.double())
    assert float(chance_loss(SPANS, QUEUE_SPANS)) == pytest.approx(float(loss), rel=1e-6)


def test_perfect_agreement_costs_nothing_and_disagreement_much():
    corners, empty = torch.eye(4), torch.zeros(0, 4)
    spans = SPANS[[0, 1, 3, 4]]
    assert float(info_nce(corners, corners, empty, spans, NOTHING, 0.02)) < 1e-6
    wrong = info_nce(corners, corners.roll(1, 0), empty, spans, NOTHING, 0.02)
    assert float(wrong) == pytest.approx(50, rel=1e-3)


def test_own_moments_and_empty_places_never_count():
    query, key, queue = unit(5, 6), unit(5, 6, seed=1), unit(8, 6, seed=2)
    query.requires_grad_()
    queue.requires_grad_()
    info_nce(query, key, queue, SPANS, QUEUE_SPANS, 0.1).backward()
    filled = QUEUE_SPANS[:, 0] >= 0
    assert not queue.grad[~filled].any()
    assert queue.grad[filled].any(-1).all()
    before = query.grad.clone()
    query.grad = None
    garbage = queue.detach().clone()
    garbage[~filled] = 1e3
    info_nce(query, key, garbage, SPANS, QUEUE_SPANS, 0.1).backward()
    assert torch.equal(query.grad, before)
    assert before.isfinite().all()
    # For clip 0 alone: the place of its own moment may hold anything, that of a later one not.
    alone = (query[:1].detach(), key[:1])
    for place, counts in ((3, False), (4, True)):
        other = queue.detach().clone()
        other[place] = 5 * unit(6, seed=9)
        losses = [info_nce(*alone, q, SPANS[:1], QUEUE_SPANS, 0.1) for q in (queue.detach(), other)]
        assert torch.equal(*losses) != counts


def test_two_windows_of_one_moment_are_not_contrasted():
    query, key = unit(2, 6), unit(2, 6, seed=1).requires_grad_()
    loss = info_nce(query, key, query[:0], SPANS[[1, 2]], NOTHING, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert not key.grad.any()


def test_the_same_moment_is_an_overlap_in_one_video():
    spans = torch.tensor([[0, 0, 32], [0, 16, 48], [0, 32, 64], [1, 0, 32], [-1, -1, -1]])
    expected = [[overlap(a, b) for b in spans.tolist()] for a in spans.tolist()]
    assert same_moment(spans, spans).tolist() == expected
    assert expected[0] == [True, True, False, False, False]
