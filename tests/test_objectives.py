import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mgpose.models import build_encoder
from mgpose.objectives import MomentumContrast, effective_rank, embedding_std
from mgpose.objectives.info_nce import info_nce as info_nce_of_spans
from mgpose.objectives.info_nce import same_moment
from mgpose.structures import KINECT_20


def unit(*shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=rng, dtype=torch.double), dim=-1)


def value(scalar):
    return scalar.detach().item()


def whole(ids):
    """Clips that are whole videos of three frames, so that only the video's number counts."""
    return torch.stack((ids, torch.zeros_like(ids), torch.full_like(ids, 3)), -1)


def info_nce(query, key, queue, query_ids, queue_ids, temperature):
    return info_nce_of_spans(query, key, queue, whole(query_ids), whole(queue_ids), temperature)


def run(model, first, second, ids):
    return model(first, second, whole(ids))


def slow_info_nce(query, key, queue, query_ids, queue_ids, temperature):
    total = 0.0
    for i in range(len(query)):
        positive = math.exp(value(query[i] @ key[i]) / temperature)
        negative = 0.0
        for j in range(len(key)):
            if query_ids[j] != query_ids[i]:
                negative += math.exp(value(query[i] @ key[j]) / temperature)
        for j in range(len(queue)):
            if queue_ids[j] >= 0 and queue_ids[j] != query_ids[i]:
                negative += math.exp(value(query[i] @ queue[j]) / temperature)
        total -= math.log(positive / (positive + negative))
    return total / len(query)


IDS = torch.tensor([4, 7, 7, 0, 9])  # two windows of clip 7
QUEUE_IDS = torch.tensor([7, -1, 3, 0, 0, 12, -1, 4])


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
@pytest.mark.parametrize("places", [0, 8])
def test_info_nce_equals_a_double_loop(temperature, places):
    query, key, queue = unit(5, 6), unit(5, 6, seed=1), unit(8, 6, seed=2)[:places]
    arguments = (query, key, queue, IDS, QUEUE_IDS[:places], temperature)
    assert value(info_nce(*arguments)) == pytest.approx(slow_info_nce(*arguments), rel=1e-9)


@pytest.mark.parametrize(("batch", "places"), [(2, 0), (6, 0), (6, 10), (1, 7), (1, 0)])
def test_collapsed_embeddings_cost_the_logarithm_of_their_number(batch, places):
    same = unit(1, 8)
    loss = info_nce(
        same.expand(batch, -1), same.expand(batch, -1), same.expand(places, -1),
        torch.arange(batch), 100 + torch.arange(places), 0.1,
    )  # fmt: skip
    assert value(loss) == pytest.approx(math.log(batch + places), abs=1e-9)


def test_perfect_agreement_costs_nothing_and_disagreement_much():
    corners = torch.eye(4)
    empty, none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    ids = torch.arange(4)
    assert value(info_nce(corners, corners, empty, ids, none, 0.02)) < 1e-6
    wrong = info_nce(corners, corners.roll(1, 0), empty, ids, none, 0.02)
    assert value(wrong) == pytest.approx(50, rel=1e-3)


def test_own_clips_and_empty_places_never_count():
    query, key, queue = unit(5, 6), unit(5, 6, seed=1), unit(8, 6, seed=2)
    query.requires_grad_()
    queue.requires_grad_()
    info_nce(query, key, queue, IDS, QUEUE_IDS, 0.1).backward()
    assert not queue.grad[QUEUE_IDS < 0].any()
    assert queue.grad[QUEUE_IDS >= 0].any(-1).all()
    before = query.grad.clone()
    # For clip 0 alone: its own places (3, 4) may hold anything.
    alone = (query[3:4].detach(), key[3:4])
    other = queue.detach().clone()
    other[[3, 4, 1, 6]] = 5 * unit(4, 6, seed=9)
    losses = [info_nce(*alone, q, IDS[3:4], QUEUE_IDS, 0.1) for q in (queue.detach(), other)]
    assert torch.equal(*losses)
    own_only = torch.tensor([0] * 4 + [-1] * 4)
    assert value(info_nce(*alone, other, IDS[3:4], own_only, 0.1)) == 0
    query.grad = None
    garbage = queue.detach().clone()
    garbage[QUEUE_IDS < 0] = 1e3
    info_nce(query, key, garbage, IDS, QUEUE_IDS, 0.1).backward()
    assert torch.equal(query.grad, before)
    assert before.isfinite().all()


def test_the_same_moment_is_an_overlap_in_one_video():
    spans = torch.tensor([[0, 0, 32], [0, 16, 48], [0, 32, 64], [1, 0, 32], [-1, -1, -1]])
    expected = [
        [video == other and start < other_stop and other_start < stop
         for other, other_start, other_stop in spans.tolist()]
        for video, start, stop in spans.tolist()
    ]  # fmt: skip
    assert same_moment(spans, spans).tolist() == expected
    assert expected[0] == [True, True, False, False, False]


def test_two_windows_of_one_clip_are_not_contrasted():
    query, key = unit(2, 6), unit(2, 6, seed=1).requires_grad_()
    empty, none = torch.zeros(0, 6, dtype=torch.double), torch.zeros(0, dtype=torch.long)
    loss = info_nce(query, key, empty, torch.tensor([5, 5]), none, 0.1)
    loss.backward()
    assert value(loss) == 0
    assert not key.grad.any()


class Linear(nn.Module):
    """A stand-in for an encoder: x (B, P, C) and mask (B, P) -> part embeddings (B, P, width)."""

    def __init__(self, channels=5, width=8, parts=3) -> None:
        super().__init__()
        self.width, self.embedding_dim = width, parts * width
        self.layer = nn.Linear(channels, width)

    def part_embeddings(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.layer(x) * mask[..., None]


def contrast(queue=7, **changes):
    torch.manual_seed(0)
    settings = {"momentum": 0.9, "temperature": 0.2, "hidden": 16, "out": 6} | changes
    return MomentumContrast(Linear(), queue=queue, **settings)


def views(batch=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, batch, 3, 5, generator=rng)
    mask = torch.ones(batch, 3, dtype=torch.bool)
    return (x[0], mask), (x[1], mask)


def total(losses):
    return losses["loss_clip"] + losses["loss_part"]


def key_side(model):
    modules = (model.key_encoder, model.key_projector, model.key_part_projector)
    return [p for m in modules for p in m.parameters()]


def query_side(model):
    modules = (model.encoder, model.projector, model.part_projector)
    return [p for m in modules for p in m.parameters()]


def test_both_sides_begin_alike_and_only_the_query_side_learns():
    model = contrast()
    pairs = list(zip(key_side(model), query_side(model), strict=True))
    assert all(torch.equal(k, q) and k is not q for k, q in pairs)
    total(run(model, *views(), torch.arange(4))).backward()
    assert all(k.grad is None and not k.requires_grad for k, _ in pairs)
    assert all(q.grad is not None and q.grad.isfinite().all() for _, q in pairs)
    # The bias before a batch norm has no effect, all else does.
    assert sum(bool(q.grad.abs().max() > 1e-6) for _, q in pairs) >= len(pairs) - 3


def test_the_key_side_follows_as_an_exponential_average():
    model = contrast(momentum=0.8)
    optimizer = torch.optim.SGD(query_side(model), lr=0.5)
    expected = [p.detach().clone() for p in key_side(model)]
    for step in range(5):
        fast = [p.detach().clone() for p in query_side(model)]
        optimizer.zero_grad()
        total(run(model, *views(seed=step), torch.arange(4))).backward()
        optimizer.step()
        expected = [0.8 * k + 0.2 * q for k, q in zip(expected, fast, strict=True)]
        for found, wanted in zip(key_side(model), expected, strict=True):
            assert torch.allclose(found, wanted, atol=1e-6)
    moved = [not torch.allclose(k, q) for k, q in zip(expected, query_side(model), strict=True)]
    assert any(moved)


def test_the_queue_holds_the_last_keys_with_their_ids():
    model = contrast(queue=7)
    keys, ids = [], []
    for step in range(6):
        first, second = views(batch=3, seed=step)
        clip_ids = torch.arange(3) + 10 * step
        run(model, first, second, clip_ids)
        with torch.no_grad():
            keys.append(model._key(*first)[0])  # after the call: the same weights, batch statistics
        ids.append(clip_ids)
        held = min(7, 3 * (step + 1))
        assert (model.queue_spans[:, 0] >= 0).sum() == held
        assert sorted(model.queue_spans[:, 0][model.queue_spans[:, 0] >= 0].tolist()) == sorted(
            torch.cat(ids)[-7:].tolist()
        )
        lookup = dict(zip(torch.cat(ids).tolist(), torch.cat(keys), strict=True))
        for place, clip in enumerate(model.queue_spans[:, 0].tolist()):
            if clip >= 0:
                assert torch.allclose(model.queue[place], lookup[clip], atol=1e-6)
    # Three a step into seven places: step 2 wraps.
    assert int(model.queue_next) == 18 % 7
    assert model.queue_spans[:, 0].tolist() == [42, 50, 51, 52, 32, 40, 41]
    assert torch.allclose(model.queue.norm(dim=1), torch.ones(7))


def test_a_batch_longer_than_the_queue_and_no_queue_at_all():
    model = contrast(queue=3)
    run(model, *views(batch=5), torch.arange(5))
    assert sorted(model.queue_spans[:, 0].tolist()) == [2, 3, 4]
    bare = contrast(queue=0)
    for _ in range(2):
        assert total(run(bare, *views(), torch.arange(4))).isfinite()
    assert bare.queue.shape == (0, 6)


def test_the_queue_counts_as_it_stood_before_the_batch():
    model = contrast()
    run(model, *views(seed=1), torch.arange(4))
    queue, queue_ids = model.queue.clone(), model.queue_spans[:, 0].clone()
    first, second = views(seed=2)
    ids = torch.tensor([2, 3, 11, 12])  # two clips come again
    losses = run(model, first, second, ids)
    queries = [model._query(*v) for v in (first, second)]
    keys = [model._key(*v) for v in (first, second)]
    expected = (
        info_nce(queries[0][0], keys[1][0], queue, ids, queue_ids, 0.2)
        + info_nce(queries[1][0], keys[0][0], queue, ids, queue_ids, 0.2)
    ) / 2
    assert torch.allclose(losses["loss_clip"], expected, atol=1e-6)
    slow = slow_info_nce(queries[0][0], keys[1][0], queue, ids, queue_ids, 0.2)
    slow += slow_info_nce(queries[1][0], keys[0][0], queue, ids, queue_ids, 0.2)
    assert value(losses["loss_clip"]) == pytest.approx(slow / 2, rel=1e-4)
    parts = [
        info_nce(q[1][:, p], k[1][:, p], queue[:0], ids, queue_ids[:0], 0.2)
        for q, k in ((queries[0], keys[1]), (queries[1], keys[0]))
        for p in range(3)
    ]
    assert torch.allclose(losses["loss_part"], 0.5 * torch.stack(parts).mean(), atol=1e-6)


def test_evaluation_changes_nothing_and_is_symmetric():
    model = contrast()
    run(model, *views(seed=1), torch.arange(4))
    with torch.no_grad():  # the two sides differ, so that following would show
        for parameter in query_side(model):
            parameter.add_(0.1)
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = views(seed=2)
    losses, swapped = (
        run(model, *pair, torch.arange(4)) for pair in ((first, second), (second, first))
    )
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    for name in losses:
        assert torch.allclose(losses[name], swapped[name])


def test_state_goes_through_a_state_dict():
    model = contrast()
    for step in range(3):
        run(model, *views(seed=step), torch.arange(4) + step)
    other = contrast()
    other.load_state_dict(model.state_dict())
    ids = torch.arange(4)
    assert torch.equal(
        total(run(model, *views(seed=9), ids)), total(run(other, *views(seed=9), ids))
    )
    assert torch.equal(model.queue_spans[:, 0], other.queue_spans[:, 0])


def test_a_part_that_is_missing_takes_no_part():
    model = contrast().eval()
    (x, mask), (y, _) = views()
    gone = mask.clone()
    gone[:3, 1] = False  # one clip alone shows part 1: nothing to compare
    losses = run(model, (x, gone), (y, mask), torch.arange(4))
    bare = mask.clone()
    bare[:, 1] = False
    assert torch.allclose(
        losses["loss_part"], run(model, (x, bare), (y, mask), torch.arange(4))["loss_part"]
    )
    changed = y.clone()
    changed[:3, 1] += 3
    again = run(model, (x, gone), (changed, mask), torch.arange(4))
    assert torch.allclose(losses["loss_part"], again["loss_part"])


def test_no_part_at_all_costs_nothing_and_still_has_a_gradient():
    model = contrast()
    (x, mask), (y, _) = views()
    none = torch.zeros_like(mask)
    losses = run(model, (x, none), (y, none), torch.arange(4))
    assert value(losses["loss_part"]) == 0
    total(losses).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_weights_of_the_grains():
    losses = [contrast(part_weight=w)(*views(), whole(torch.arange(4))) for w in (0.0, 0.5, 1.0)]
    parts = [value(loss["loss_part"]) for loss in losses]
    assert parts[0] == 0
    assert parts[2] == pytest.approx(2 * parts[1])
    assert len({value(loss["loss_clip"]) for loss in losses}) == 1


@pytest.mark.parametrize(
    "wrong", [{"momentum": 1}, {"momentum": -0.1}, {"temperature": 0}, {"queue": -1}], ids=str
)
def test_settings_refuse(wrong):
    with pytest.raises(ValueError, match="expected 0 <= momentum < 1"):
        contrast(**wrong)


def test_it_learns_to_tell_clips_apart():
    torch.manual_seed(0)
    encoder = build_encoder(KINECT_20, "tiny", frames=4, patch=4)
    model = MomentumContrast(encoder, queue=16, hidden=32, out=16)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    x = torch.randn(8, 4, 20, 4)
    mask = torch.ones(8, 4, 20, dtype=torch.bool)
    losses = []
    for _ in range(25):
        noisy = [(x + 0.1 * torch.randn_like(x), mask) for _ in range(2)]
        loss = total(run(model, *noisy, torch.arange(8)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(value(loss))
    assert losses[-1] < 0.5 * losses[0]


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
