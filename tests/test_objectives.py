"""The teacher, the student, and each term of the loss written out."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mgpose.models import PoseGraphTransformer
from mgpose.objectives import (
    ObjectiveSettings,
    TeacherStudent,
    decorrelation,
    info_nce,
    mix_parts,
    part_tubes,
    soft_targets,
)
from mgpose.objectives.info_nce import same_moment
from mgpose.structures import KINECT_20

# Clips 1 and 2 are overlapping windows of one video.
SPANS = torch.tensor([[0, 0, 8], [1, 0, 8], [1, 4, 12], [2, 0, 8]])
NOTHING = torch.zeros(0, 3, dtype=torch.long)
FRAMES, PATCH, STEPS = 8, 2, 4
NO_WEIGHT = dict.fromkeys(("part", "time", "masked", "mixed", "decorrelation"), 0.0)
ONLY_CLIP = NO_WEIGHT | {"soft": 0.0}


def objective(steps=0, **changes):
    torch.manual_seed(0)
    encoder = PoseGraphTransformer(
        KINECT_20, FRAMES, PATCH, width=16, heads=2, spatial_depth=1, depth=1
    )
    settings = {"queue": 7, "momentum": 0.8, "temperature": 0.2, "hidden": 16, "out": 6} | changes
    return TeacherStudent(encoder, ObjectiveSettings(**settings), steps)


def views(count=2, seed=0, missing=0.2):
    rng = torch.Generator().manual_seed(seed)
    base = torch.randn(len(SPANS), FRAMES, 20, 4, generator=rng)
    found = []
    for _ in range(count):
        x = base + 0.3 * torch.randn(base.shape, generator=rng)
        found.append((x, torch.rand(x.shape[:3], generator=rng) >= missing))
    return found


def run(model, seen, local=(), spans=SPANS, seed=3):
    return model(seen, spans, torch.Generator().manual_seed(seed), local)


def total(losses):
    return torch.stack(list(losses.values())).sum()


def value(scalar):
    return scalar.detach().item()


def whole(number):
    """Spans of clips that are whole videos of their own."""
    ids = torch.arange(len(SPANS)) + 10 * number
    return torch.stack((ids, torch.zeros_like(ids), torch.full_like(ids, 8)), 1)


def trained(**changes):
    """In evaluation, with a teacher and a student that differ, and keys of all kinds queued."""
    model = objective(**changes)
    for number, spans in enumerate((whole(5), SPANS)):
        run(model, views(seed=10 + number), spans=spans)
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def test_both_sides_begin_alike_and_only_the_student_learns():
    model = objective()
    pairs = list(zip(model.teacher.parameters(), model.student.parameters(), strict=True))
    assert all(torch.equal(slow, fast) and slow is not fast for slow, fast in pairs)
    total(run(model, views(), views(1, seed=1))).backward()
    assert all(slow.grad is None and not slow.requires_grad for slow, _ in pairs)
    learned = {**dict(model.student.named_parameters()), **dict(model.predictor.named_parameters())}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learned.values())
    # The bias before a batch norm, and that of an attention's keys, have no effect; all else does.
    quiet = [name for name, p in learned.items() if p.grad.abs().max() < 1e-7]
    assert all(name.endswith((".0.bias", "key.bias")) for name in quiet), quiet
    assert model.published_encoder is model.teacher.encoder


@pytest.mark.parametrize("steps", [0, 5])
def test_the_teacher_follows_as_an_exponential_average(steps):
    """At a constant momentum, or one that rises to 1 by a half cosine."""
    model = objective(steps)
    optimizer = torch.optim.SGD(model.student.parameters(), lr=0.5)
    expected = [p.detach().clone() for p in model.teacher.parameters()]
    for step in range(5):
        momentum = 0.8 if steps == 0 else 1 - 0.2 * (1 + math.cos(math.pi * step / 5)) / 2
        assert model.momentum() == pytest.approx(momentum)
        fast = [p.detach().clone() for p in model.student.parameters()]
        optimizer.zero_grad()
        total(run(model, views(seed=step))).backward()
        optimizer.step()
        expected = [momentum * k + (1 - momentum) * q for k, q in zip(expected, fast, strict=True)]
        for found, wanted in zip(model.teacher.parameters(), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    moved = zip(expected, model.student.parameters(), strict=True)
    assert any(not torch.allclose(slow, fast, atol=1e-3) for slow, fast in moved)
    if steps:
        assert model.momentum() == pytest.approx(1)


def test_the_queue_holds_the_last_keys_with_their_spans():
    model = objective()
    keys, spans = [], []
    for step in range(4):
        seen = views(seed=step)
        run(model, seen, spans=whole(step))
        with torch.no_grad():  # after the call: the same weights, batch statistics
            keys.append(model.teacher(*seen[0]).clip)
        spans.append(whole(step))
        filled = model.queue_spans[:, 0] >= 0
        assert filled.sum() == min(7, 4 * (step + 1))
        lookup = dict(zip(torch.cat(spans)[:, 0].tolist(), torch.cat(keys), strict=True))
        last = torch.cat(spans)[-7:]
        assert sorted(model.queue_spans[filled].tolist()) == last.tolist()
        for place in filled.nonzero()[:, 0].tolist():
            key = lookup[int(model.queue_spans[place, 0])]
            torch.testing.assert_close(model.queue[place], key, atol=1e-5, rtol=1e-5)
    assert int(model.queue_next) == 16 % 7
    # Four a step into seven places.
    assert model.queue_spans[:, 0].tolist() == [32, 33, 21, 22, 23, 30, 31]


def test_a_batch_longer_than_the_queue_and_no_queue_at_all():
    model = objective(queue=3)
    run(model, views())
    assert sorted(model.queue_spans.tolist()) == sorted(SPANS[1:].tolist())
    bare = objective(queue=0)
    for _ in range(2):
        assert total(run(bare, views())).isfinite()
    assert bare.queue.shape == (0, 6)


def test_every_term_is_what_it_is_called():
    """Evaluation: the views' embeddings are made again, and each term is written out."""
    weights = {
        "clip": 0.9, "part": 0.7, "time": 0.3, "masked": 1.5, "mixed": 0.4, "decorrelation": 0.2
    }  # fmt: skip
    model = trained(soft=0.3, mask_share=0.4, **weights)
    seen, local = views(seed=4), views(3, seed=5)
    queue, queue_spans, s = model.queue.clone(), model.queue_spans.clone(), model.settings
    found = run(model, seen, local, seed=8)
    generator = torch.Generator().manual_seed(8)
    tubes = [part_tubes(mask, KINECT_20, PATCH, 0.4, generator) for _, mask in seen]
    hidden = [tube[1] for tube in tubes]
    mixed_x, mixed_mask, own = mix_parts(*seen[0], KINECT_20, generator)
    with torch.no_grad():
        keys = [model.teacher(*view) for view in seen]
        globals_ = [model.student(seen[i][0], tubes[i][0]) for i in range(2)]
        locals_ = [model.student(*view) for view in local]
        mixed = model.student(mixed_x, mixed_mask).clip

    def targets(key, own=None):
        return soft_targets(key.clip, queue, SPANS, queue_spans, s.teacher_temperature, 0.3, own)

    # Global views look at the other view's keys, local ones at one and the other in turn.
    pairs = [(globals_[0], keys[1]), (globals_[1], keys[0])]
    pairs += [(student, keys[i % 2]) for i, student in enumerate(locals_)]
    clip = [info_nce(a.clip, b.clip, queue, SPANS, queue_spans, 0.2, targets(b)) for a, b in pairs]
    part = []
    for a, b in pairs:
        losses = []
        for p in range(5):
            both = a.valid[:, p].any(1) & b.valid[:, p].any(1)
            if both.sum() > 1:
                rows = (a.part[both, p], b.part[both, p], queue[:0], SPANS[both], NOTHING)
                losses.append(info_nce(*rows, 0.2))
        part.append(torch.stack(losses).mean())
    wanted = {
        "clip": torch.stack(clip).mean(),
        "part": torch.stack(part).mean(),
        "time": sum(slow_time(a, b) for a, b in zip(globals_, keys, strict=True)) / 2,
        "masked": sum(
            F.smooth_l1_loss(
                model.predictor(globals_[i].tokens[hidden[i]]),
                F.layer_norm(keys[i].tokens[hidden[i]], (16,)),
            )
            for i in range(2)
        )
        / 2,
        "mixed": info_nce(
            mixed, keys[1].clip, queue, SPANS, queue_spans, 0.2, targets(keys[1], own), own
        ),
        "decorrelation": sum(decorrelation(student.embedding) for student in globals_) / 2,
    }
    assert found.keys() == {f"loss_{name}" for name in wanted}
    for name, loss in wanted.items():
        expected = weights[name] * value(loss)
        assert value(found[f"loss_{name}"]) == pytest.approx(expected, rel=1e-4), name
        assert value(loss) > 0


def slow_time(student, teacher):
    """Each step among all steps but those of other clips of its moment, one at a time."""
    alike, losses = same_moment(SPANS, SPANS), []
    there = [
        (b, s)
        for b in range(len(SPANS))
        for s in range(STEPS)
        if student.valid[b, :, s].any() and teacher.valid[b, :, s].any()
    ]
    for b, s in there:
        scores = {
            (c, r): value(student.time[b, s] @ teacher.time[c, r]) / 0.2
            for c, r in there
            if c == b or not alike[b, c]
        }
        losses.append(math.log(sum(map(math.exp, scores.values()))) - scores[b, s])
    return torch.tensor(losses).mean()


def test_the_tokens_of_a_branch_are_pooled_over_what_is_there():
    model, ((x, mask), _) = trained(), views(missing=0.9)
    seen = model.student(x, mask)
    assert 0 < seen.valid.float().mean() < 1
    weight = seen.valid.unsqueeze(-1).float()
    parts = (seen.tokens * weight).sum(2) / weight.sum(2).clamp(min=1)
    torch.testing.assert_close(parts, model.student.encoder.part_embeddings(x, mask))
    for vectors in (seen.clip, seen.part, seen.time):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(vectors.shape[:-1]))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_local_views_change_clips_and_parts_only(count):
    seen = views(seed=2)
    without, with_local = (
        run(objective(), seen, views(n, seed=6) if n else ()) for n in (0, count)
    )
    for name in ("loss_time", "loss_masked", "loss_mixed"):
        assert torch.equal(without[name], with_local[name])
    for name in ("loss_clip", "loss_part"):
        assert torch.equal(without[name], with_local[name]) == (count == 0)


@pytest.mark.parametrize("missing", [0.2, 0.9])
def test_values_of_missing_keypoints_cannot_change_the_losses(missing):
    seen, local = views(seed=2, missing=missing), views(2, seed=6, missing=missing)
    found = run(objective(), seen, local)
    for garbage in (1e6, torch.nan):
        other = [
            [(torch.where(m[..., None], x, torch.tensor(garbage)), m) for x, m in part]
            for part in (seen, local)
        ]
        again = run(objective(), *other)
        assert found.keys() == again.keys()
        assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.mark.parametrize("term", ["part", "time", "masked", "mixed", "decorrelation"])
def test_a_weight_scales_its_own_term_and_zero_removes_it(term):
    seen, local = views(seed=2), views(2, seed=6)
    none, once, twice = (run(objective(**{term: w}), seen, local) for w in (0.0, 1.0, 2.0))
    name = f"loss_{term}"
    assert name not in none
    assert value(twice[name]) == pytest.approx(2 * value(once[name]), rel=1e-5)
    assert none.keys() == once.keys() - {name}
    for other in none:
        assert torch.equal(once[other], twice[other])
        # Without prediction nothing is hidden from the student: the views differ.
        if term != "masked":
            assert torch.equal(once[other], none[other]), other


def test_without_hiding_there_is_nothing_to_predict():
    seen = views(seed=2)
    nothing_hidden, nothing_asked = (
        run(objective(**change, mixed=0.0), seen) for change in ({"mask_share": 0.0}, {"masked": 0})
    )
    assert nothing_hidden.keys() == {
        f"loss_{term}" for term in ("clip", "part", "time", "decorrelation")
    }
    assert all(torch.equal(nothing_hidden[k], nothing_asked[k]) for k in nothing_hidden)


def test_a_neighbour_stands_in_for_the_own_key():
    changes = ONLY_CLIP | {"soft": 0.3}
    model, seen = trained(**changes, neighbour=True), views(seed=4)
    queue, spans = model.queue, model.queue_spans
    with torch.no_grad():
        keys = [model.teacher(*view).clip for view in seen]
        students = [model.student(*view).clip for view in seen]
    losses = []
    for query, key in zip(students, reversed(keys), strict=True):
        nearest = torch.tensor(
            [max((int(spans[c, 0]) >= 0, value(k @ queue[c]), c) for c in range(7))[2] for k in key]
        )
        targets = soft_targets(key, queue, SPANS, spans, model.settings.teacher_temperature, 0.3)
        arguments = (query, key, queue, SPANS, spans, 0.2, targets)
        losses.append(info_nce(*arguments, neighbours=nearest))
    found = run(model, seen)["loss_clip"]
    assert value(found) == pytest.approx(value(sum(losses)) / 2, rel=1e-4)
    plain = trained(**changes)
    assert value(run(plain, seen)["loss_clip"]) != pytest.approx(value(found), rel=1e-4)
    # With an empty queue there is no neighbour yet.
    first = [run(objective(**changes, neighbour=n), seen)["loss_clip"] for n in (False, True)]
    assert torch.equal(*first)


@pytest.mark.parametrize("neighbour", [False, True])
def test_chance_is_the_loss_of_embeddings_that_are_all_alike(neighbour):
    model = trained(neighbour=neighbour, soft=0.3, part=0.7)
    for branch in (model.student, model.teacher):
        for head in (branch.clip, branch.part):
            nn.init.zeros_(head[-1].weight)
            nn.init.ones_(head[-1].bias)
    model.queue[:] = torch.ones(6) / 6**0.5
    losses = run(model, views(seed=4), views(1, seed=5))
    assert model.chance_losses.keys() == {"loss_clip", "loss_part"}
    for name, chance in model.chance_losses.items():
        assert value(losses[name]) == pytest.approx(value(chance), rel=1e-5), name


def test_evaluation_changes_nothing():
    model = trained()
    before = {name: state.clone() for name, state in model.state_dict().items()}
    run(model, views(seed=2), views(1))
    for name, state in model.state_dict().items():
        assert torch.equal(state, before[name]), name


def test_state_goes_through_a_state_dict():
    model = objective(10)
    for step in range(3):
        run(model, views(seed=step), spans=whole(step))
    other = objective(10)
    other.load_state_dict(model.state_dict())
    assert other.momentum() == model.momentum() != 0.8
    seen = views(seed=9)
    assert torch.equal(total(run(model, seen)), total(run(other, seen)))
    assert torch.equal(model.queue_spans, other.queue_spans)


def test_nobody_at_all_teaches_nothing_and_still_has_a_gradient():
    model = objective()
    seen = [(x, torch.zeros_like(mask)) for x, mask in views()]
    losses = run(model, seen, seen[:1])
    for name in ("loss_part", "loss_time", "loss_masked"):
        assert value(losses[name]) == 0
    total(losses).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"momentum": 1}, "0 <= momentum < 1"),
        ({"momentum": -0.1}, "0 <= momentum < 1"),
        ({"queue": -1}, "queue >= 0"),
        ({"temperature": 0}, "temperatures must be positive"),
        ({"teacher_temperature": -1}, "temperatures must be positive"),
        ({"soft": 1}, "must lie in"),
        ({"mask_share": 1}, "must lie in"),
        ({"mask_share": -0.1}, "must lie in"),
        ({"clip": 0}, "clip > 0"),
        ({"part": -1}, "weights must be >= 0"),
        ({"mixed": -0.5}, "weights must be >= 0"),
    ],
)
def test_settings_refuse(wrong, message):
    with pytest.raises(ValueError, match=message):
        ObjectiveSettings(**wrong)


def test_it_learns_to_tell_clips_apart():
    model = objective(soft=0.0, queue=0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    ((x, mask), _), losses = views(missing=0), []
    for step in range(25):
        seen = [(x + 0.1 * torch.randn_like(x), mask) for _ in range(2)]
        found = run(model, seen, spans=whole(0), seed=step)
        optimizer.zero_grad()
        total(found).backward()
        optimizer.step()
        losses.append({name: value(loss) for name, loss in found.items()})
    for name in ("loss_clip", "loss_part", "loss_masked"):
        assert losses[-1][name] < 0.7 * losses[0][name], name
