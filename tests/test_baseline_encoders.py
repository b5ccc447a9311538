"""Laws that ST-GCN and the transformer without a graph keep, together and each alone."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from mgpose.models import STGCN, PlainTransformer
from mgpose.models.encoder import pool_parts
from mgpose.models.plain_transformer import unstructured_features
from mgpose.models.pose_features import MOTION_GAIN
from mgpose.models.st_gcn import spatial_partitions as partitions
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, Skeleton
from mgpose.structures.kinect import FLORENCE_15, KINECT_25
from mgpose.structures.skeleton import mirror_name

LAYOUTS = (UPPER_BODY_HANDS_FACE, KINECT_20, KINECT_25, FLORENCE_15)
SKELETONS = pytest.mark.parametrize("skeleton", LAYOUTS[:2], ids=["2d", "3d"])
BOTH = pytest.mark.parametrize("kind", [STGCN, PlainTransformer])
SMALLEST = {STGCN: {"channels": 8}, PlainTransformer: {"width": 16, "heads": 2, "depth": 2}}


def encoder(kind, skeleton, frames=8, patch=4, seed=0, **changes):
    torch.manual_seed(seed)
    model = kind(skeleton, frames, patch, **(SMALLEST[kind] | changes)).eval()
    for name, parameter in model.named_parameters():  # no path is quiet by its initialisation
        if "norm" not in name:
            nn.init.normal_(parameter, std=0.2)
    return model


def clips(skeleton, batch=3, frames=8, missing=0.2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, frames, len(skeleton), skeleton.dims + 1, generator=rng)
    mask = torch.rand(batch, frames, len(skeleton), generator=rng) >= missing
    return x, mask


def same_statistics(first, second, **tolerance):
    """Whether both saw the same batch: every running mean and variance agrees."""
    pairs = zip(first.named_buffers(), second.named_buffers(), strict=True)
    kept = [(a, b) for (name, a), (_, b) in pairs if "running" in name]
    return all(torch.allclose(a, b, **tolerance) for a, b in kept)


@BOTH
@SKELETONS
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("value", [0.0, 1e6, torch.nan, torch.inf])
def test_masked_values_cannot_change_anything(kind, skeleton, value, training):
    x, mask = clips(skeleton, missing=0.4)
    mask[1, 3:] = False  # padding, from inside a patch on
    model = encoder(kind, skeleton).train(training)
    again = copy.deepcopy(model)
    other = torch.where(mask[..., None], x, torch.tensor(value))
    assert torch.equal(model(other, mask), again(x, mask))
    for a, b in zip(model.tokens(other, mask), again.tokens(x, mask), strict=True):
        assert torch.equal(a, b)
    assert same_statistics(model, again, rtol=0, atol=0)


@BOTH
@SKELETONS
@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(kind, skeleton, training):
    """Not even the batch statistics, in which padding would count as so many zeros."""
    short = encoder(kind, skeleton, frames=8)
    long = encoder(kind, skeleton, frames=24)
    long.load_state_dict(short.state_dict())
    x, mask = clips(skeleton, frames=24)
    mask[:, 8:] = False
    short.train(training)
    long.train(training)
    assert torch.allclose(long(x, mask), short(x[:, :8], mask[:, :8]), atol=1e-4)
    assert same_statistics(long, short, atol=1e-5)


@BOTH
def test_a_clip_does_not_see_the_others_of_its_batch(kind):
    x, mask = clips(KINECT_20, batch=4)
    model = encoder(kind, KINECT_20)
    alone = torch.cat([model(x[i : i + 1], mask[i : i + 1]) for i in range(4)])
    assert torch.allclose(model(x, mask), alone, atol=1e-4)


@BOTH
@SKELETONS
def test_present_values_and_presence_itself_matter(kind, skeleton):
    x, mask = clips(skeleton, missing=0, batch=2)
    model = encoder(kind, skeleton)
    base = model(x, mask)
    for v in range(0, len(skeleton), 3):
        moved, hidden = x.clone(), mask.clone()
        moved[:, 4, v, 0] += 0.5
        hidden[:, :, v] = False
        assert not torch.allclose(model(moved, mask), base, atol=1e-4)
        assert not torch.allclose(model(x, hidden), base, atol=1e-4)


@BOTH
def test_the_order_of_time_matters(kind):
    x, mask = clips(KINECT_20, missing=0)
    model = encoder(kind, KINECT_20)
    assert not torch.allclose(model(x.flip(1), mask), model(x, mask), atol=1e-3)


@BOTH
@pytest.mark.parametrize("part", range(4))
def test_a_missing_part_is_zero_in_its_own_place(kind, part):
    skeleton = UPPER_BODY_HANDS_FACE
    x, mask = clips(skeleton)
    mask[0][:, torch.from_numpy(skeleton.part_of) == part] = False
    mask[1] = False
    model = encoder(kind, skeleton)
    parts = model.part_embeddings(x, mask)
    assert parts.shape == (3, 4, model.width)
    assert parts.any(-1).tolist() == [[p != part for p in range(4)], [False] * 4, [True] * 4]
    out = model(x, mask)
    assert out.shape == (3, model.embedding_dim)
    assert torch.equal(out, parts.flatten(1))


@BOTH
@pytest.mark.parametrize("patch", [1, 2, 3, 4, 8])
def test_tokens_are_steps_of_parts(kind, patch):
    """A token is valid where the part has a present frame in the patch, whatever the strides."""
    skeleton, frames = UPPER_BODY_HANDS_FACE, 3 * patch
    x, mask = clips(skeleton, frames=frames, missing=0.9)
    mask[0, patch : 2 * patch, torch.from_numpy(skeleton.part_of) == 1] = False
    mask[1, 1:] = False
    model = encoder(kind, skeleton, frames, patch)
    tokens, valid = model.tokens(x, mask)
    assert tokens.shape == (3, 4, 3, model.width)
    for part in range(4):
        own = mask[:, :, torch.from_numpy(skeleton.part_of) == part]
        assert torch.equal(valid[:, part], own.view(3, 3, -1).any(-1))
    assert not tokens[~valid].any()
    assert not valid[0, 1, 1]
    assert not valid[1, :, 1:].any()
    weight = valid.float().unsqueeze(-1)
    mean = (tokens * weight).sum(2) / weight.sum(2).clamp(min=1)
    assert torch.allclose(model.part_embeddings(x, mask), mean, atol=1e-6)


def test_part_tokens_are_means_over_present_keypoints():
    torch.manual_seed(0)
    x, present = torch.randn(2, 3, 5, 4), torch.rand(2, 3, 5) > 0.5
    present[0, 0, :2] = False
    membership = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 1, 1, 1]])
    tokens, valid = pool_parts(x, present, membership)
    for b in range(2):
        for s in range(3):
            for p, members in enumerate(([0, 1], [2, 3, 4])):
                there = [x[b, s, v] for v in members if present[b, s, v]]
                assert valid[b, p, s] == bool(there)
                mean = torch.stack(there).mean(0) if there else torch.zeros(4)
                assert torch.allclose(tokens[b, p, s], mean, atol=1e-6)


@BOTH
@SKELETONS
def test_gradient_reaches_every_weight_and_no_masked_value(kind, skeleton):
    x, mask = clips(skeleton, missing=0.3, frames=16, batch=4)
    mask[1] = False
    x = torch.where(mask[..., None], x, torch.nan).requires_grad_()
    model = encoder(kind, skeleton, frames=16, patch=8).train()
    out = model(x, mask)
    assert out.isfinite().all()
    assert not out[1].any()
    (out * torch.randn_like(out)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    assert not x.grad[~mask].any()
    assert x.grad[mask].any(-1).float().mean() > 0.9


@BOTH
def test_a_batch_without_anybody_teaches_nothing(kind):
    x, mask = clips(KINECT_20)
    model = encoder(kind, KINECT_20).train()
    before = copy.deepcopy(model)
    out = model(x, torch.zeros_like(mask))
    assert not out.any()
    out.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
    assert same_statistics(model, before, rtol=0, atol=0)


@BOTH
def test_layer_groups_hold_every_parameter_once_in_the_order_of_use(kind):
    model = encoder(kind, KINECT_20)
    groups = model.layer_groups()
    place = {id(p): i for i, group in enumerate(groups) for p in group}
    assert sum(map(len, groups)) == len(place)
    assert place.keys() == {id(p) for p in model.parameters()}
    assert len(groups) >= 5
    used = []

    def note(module, *_):
        used.extend(place[id(p)] for p in module.parameters(recurse=False))

    for module in model.modules():
        if module is not model:
            module.register_forward_pre_hook(note)
    model(*clips(KINECT_20))
    assert used == sorted(used)
    assert set(used) == set(range(len(groups)))


def relabelled(skeleton, order):
    """The same skeleton with keypoint ``order[i]`` in place ``i``."""
    return dataclasses.replace(
        skeleton, name="relabelled", keypoints=tuple(skeleton.keypoints[i] for i in order)
    )


@SKELETONS
def test_relabelling_permutes_tokens_when_the_ids_move_along(skeleton):
    order = torch.randperm(len(skeleton), generator=torch.Generator().manual_seed(4))
    model = encoder(PlainTransformer, skeleton)
    other = encoder(PlainTransformer, relabelled(skeleton, order.tolist()), seed=1)
    state = model.state_dict()
    ids = state["keypoint_embedding"]
    other.load_state_dict(state | {"keypoint_embedding": ids[order]})
    x, mask = clips(skeleton)
    moved, there = other.keypoint_tokens(x[:, :, order], mask[:, :, order])
    tokens, present = model.keypoint_tokens(x, mask)
    assert torch.allclose(moved, tokens[:, :, order], atol=1e-4)
    assert torch.equal(there, present[:, :, order])
    assert torch.allclose(other(x[:, :, order], mask[:, :, order]), model(x, mask), atol=1e-4)
    other.load_state_dict(state)  # the ids stay: they are all that tells keypoints apart
    assert not torch.allclose(other(x[:, :, order], mask[:, :, order]), model(x, mask), atol=1e-2)


@SKELETONS
def test_relabelling_permutes_features_when_the_offsets_move_along(skeleton):
    order = torch.randperm(len(skeleton), generator=torch.Generator().manual_seed(4))
    model = encoder(STGCN, skeleton)
    other = encoder(STGCN, relabelled(skeleton, order.tolist()), seed=1)
    state = model.state_dict()
    for name in [name for name in state if name.endswith("offset")]:
        state[name] = state[name][:, order][:, :, order]
    other.load_state_dict(state)
    # Of two neighbours equally near to the root, the first becomes the parent: take the same ones.
    other.parents = torch.argsort(order)[model.parents[order]]
    x, mask = clips(skeleton)
    moved, there = other.keypoint_features(x[:, :, order], mask[:, :, order])
    features, present = model.keypoint_features(x, mask)
    assert torch.allclose(moved, features[:, :, order], atol=1e-3)
    assert torch.equal(there, present[:, :, order])


@pytest.mark.parametrize("skeleton", LAYOUTS, ids=lambda s: s.name)
def test_the_mirror_of_the_skeleton_is_a_relabelling(skeleton):
    """Left and right changed: as long as nothing is learned of them, the parts change places."""
    order = torch.from_numpy(skeleton.mirror_permutation)
    graph = partitions(skeleton)
    assert torch.equal(graph[:, order][:, :, order], graph)
    model = encoder(STGCN, skeleton)
    for block in model.blocks:
        nn.init.zeros_(block.spatial.offset)
    names = list(skeleton.parts)
    parts = [names.index(mirror_name(name)) for name in names]
    assert parts != sorted(parts)
    x, mask = clips(skeleton)
    mirrored = model.part_embeddings(x[:, :, order], mask[:, :, order])
    assert torch.allclose(mirrored[:, parts], model.part_embeddings(x, mask), atol=1e-4)


def test_only_the_graph_network_sees_the_edges():
    other = dataclasses.replace(
        KINECT_20, edges=(*KINECT_20.edges, ("left_hand", "right_foot"), ("head", "left_knee"))
    )
    x, mask = clips(KINECT_20)
    for kind, sees in ((PlainTransformer, False), (STGCN, True)):
        first, second = encoder(kind, KINECT_20), encoder(kind, other)
        assert first.state_dict().keys() == second.state_dict().keys()
        same = torch.allclose(first(x, mask), second(x, mask), atol=1e-4)
        assert same != sees


@SKELETONS
def test_plain_features_are_what_they_are_called(skeleton):
    x, mask = clips(skeleton, missing=0.3)
    x[~mask] = torch.nan
    out = unstructured_features(x, mask)
    dims = skeleton.dims
    joint, motion, score, present = out.split((dims, dims, 1, 1), -1)
    assert torch.equal(present[..., 0], mask.float())
    assert torch.equal(joint[mask], x[..., :dims][mask])
    assert torch.equal(score[mask], x[..., dims:][mask])
    assert not out[~mask].any()
    both = mask[:, 1:] & mask[:, :-1]
    steps = MOTION_GAIN * (x[:, 1:, :, :dims] - x[:, :-1, :, :dims])
    assert torch.allclose(motion[:, 1:][both], steps[both])
    assert not motion[:, 1:][~both].any()
    assert not motion[:, 0].any()


@BOTH
def test_wrong_input_is_named(kind):
    model = encoder(kind, KINECT_20)
    x, mask = clips(KINECT_20)
    for wrong, its_mask in [(x[:, :7], mask[:, :7]), (x[..., :3], mask), (x, mask[:2])]:
        with pytest.raises(ValueError, match=r"x must have shape \(B, 8, 20, 4\)"):
            model(wrong, its_mask)
    with pytest.raises(ValueError, match="patch must divide frames, got 3 and 8"):
        kind(KINECT_20, frames=8, patch=3)
    with pytest.raises(ValueError, match="skeleton 'bare' needs parts"):
        kind(Skeleton("bare", ("a", "b"), (("a", "b"),)))
