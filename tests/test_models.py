import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from mgpose.models import SIZES, PoseGraphTransformer, build_encoder
from mgpose.models.attention import Attention, Block, key_bias, rotary_angles, rotate
from mgpose.models.graph_encoding import hop_bias, random_walk_encoding
from mgpose.models.pose_features import MOTION_GAIN, feature_channels, pose_features
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, Skeleton

SKELETONS = pytest.mark.parametrize(
    "skeleton", [UPPER_BODY_HANDS_FACE, KINECT_20], ids=["2d", "3d"]
)


def encoder(skeleton, frames=8, **changes):
    torch.manual_seed(0)
    sizes = {"patch": 4, "width": 32, "heads": 4, "spatial_depth": 2, "depth": 2} | changes
    model = PoseGraphTransformer(skeleton, frames=frames, **sizes).eval()
    for parameter in model.parameters():  # so that no path is quiet by its initialisation
        nn.init.normal_(parameter, std=0.2)
    return model


def clips(skeleton, batch=3, frames=8, missing=0.2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, frames, len(skeleton), skeleton.dims + 1, generator=rng)
    mask = torch.rand(batch, frames, len(skeleton), generator=rng) >= missing
    return x, mask


@SKELETONS
@pytest.mark.parametrize("value", [0.0, 1e6, torch.nan, torch.inf])
def test_masked_values_cannot_change_the_embedding(skeleton, value):
    x, mask = clips(skeleton, missing=0.4)
    mask[1, 3:] = False  # padding, from inside a patch on
    model = encoder(skeleton)
    other = torch.where(mask[..., None], x, torch.tensor(value))
    assert torch.equal(model(other, mask), model(x, mask))
    for a, b in zip(model.tokens(other, mask), model.tokens(x, mask), strict=True):
        assert torch.equal(a, b)


def test_padding_changes_nothing():
    short = encoder(UPPER_BODY_HANDS_FACE, frames=4)
    long = encoder(UPPER_BODY_HANDS_FACE, frames=12)
    long.load_state_dict(short.state_dict())
    x, mask = clips(UPPER_BODY_HANDS_FACE, frames=12)
    mask[:, 4:] = False
    assert torch.allclose(long(x, mask), short(x[:, :4], mask[:, :4]), atol=1e-5)


def test_what_is_missing_is_not_attended_to():
    skeleton = UPPER_BODY_HANDS_FACE
    x, mask = clips(skeleton)
    gone = torch.from_numpy(skeleton.part_of) == 1
    gone[skeleton.index("left_ear")] = True
    mask[:, :, gone] = False
    model = encoder(skeleton)
    before = model(x, mask)
    with torch.no_grad():
        # Not one number for all channels, which a layer norm would take away.
        model.keypoint_embedding[gone] += 3 * torch.randn(model.keypoint_embedding.shape[1:])
        model.part_embedding[1] += 3 * torch.randn(model.part_embedding.shape[1:])
    assert torch.equal(model(x, mask), before)


def test_nothing_flows_back_into_masked_values():
    x, mask = clips(KINECT_20, missing=0.4)
    x.requires_grad_()
    encoder(KINECT_20)(x, mask).square().sum().backward()
    assert not x.grad[~mask].any()
    assert x.grad[mask].any(-1).float().mean() > 0.99


def test_a_part_of_a_single_point_has_a_finite_gradient():
    x, mask = clips(KINECT_20)
    mask[:] = False
    mask[:, :, 0] = True  # it lies in its own centroid
    x.requires_grad_()
    encoder(KINECT_20)(x, mask).square().sum().backward()
    assert x.grad.isfinite().all()


def test_present_values_and_presence_itself_matter():
    x, mask = clips(KINECT_20, missing=0)
    model = encoder(KINECT_20)
    base = model(x, mask)
    for v in range(20):
        moved, hidden = x.clone(), mask.clone()
        moved[:, 4, v, 0] += 0.5
        hidden[:, :, v] = False
        assert not torch.allclose(model(moved, mask), base, atol=1e-4)
        assert not torch.allclose(model(x, hidden), base, atol=1e-4)


@SKELETONS
def test_a_clip_does_not_see_the_others_of_its_batch(skeleton):
    x, mask = clips(skeleton, batch=4)
    model = encoder(skeleton)
    together = model(x, mask)
    alone = torch.cat([model(x[i : i + 1], mask[i : i + 1]) for i in range(4)])
    assert torch.allclose(together, alone, atol=1e-5)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(model(x[order], mask[order]), together[order], atol=1e-5)


def relabelled(skeleton, order):
    """The same skeleton with keypoint ``order[i]`` in place ``i``."""
    return dataclasses.replace(
        skeleton, name="relabelled", keypoints=tuple(skeleton.keypoints[i] for i in order)
    )


@SKELETONS
def test_relabelling_keypoints_permutes_their_tokens(skeleton):
    order = torch.randperm(len(skeleton), generator=torch.Generator().manual_seed(4))
    model = encoder(skeleton)
    other = PoseGraphTransformer(
        relabelled(skeleton, order.tolist()), 8, 4, width=32, heads=4, spatial_depth=2, depth=2
    ).eval()
    state = model.state_dict()
    own = ("keypoint_embedding", "pool.weight")
    other.load_state_dict(state | {name: state[name][order] for name in own})
    assert torch.allclose(other.walk, model.walk[order])
    assert torch.equal(other.hop_bias, model.hop_bias[:, order][:, :, order])
    assert torch.equal(other.membership, model.membership[:, order])
    # Of two neighbours equally near to the root, the first becomes the parent: take the same ones.
    other.parents = torch.argsort(order)[model.parents[order]]
    x, mask = clips(skeleton)
    tokens, present = model.keypoint_tokens(x, mask)
    moved, moved_present = other.keypoint_tokens(x[:, :, order], mask[:, :, order])
    assert torch.allclose(moved, tokens[:, :, order], atol=1e-4)
    assert torch.equal(moved_present, present[:, :, order])
    assert torch.allclose(other(x[:, :, order], mask[:, :, order]), model(x, mask), atol=1e-4)


def test_tokens_say_which_of_them_hold_anything():
    skeleton = UPPER_BODY_HANDS_FACE
    x, mask = clips(skeleton, missing=0)
    mask[0, 4:] = False
    mask[1, :4, skeleton.index("nose")] = False
    hand = torch.from_numpy(skeleton.part_of) == 1
    mask[2, :7][:, hand] = False
    model = encoder(skeleton)
    _, present = model.keypoint_tokens(x, mask)
    assert torch.equal(present, mask.view(3, 2, 4, -1).any(2))
    tokens, valid = model.tokens(x, mask)
    assert tokens.shape == (3, 4, 2, 32)
    assert valid[0].tolist() == [[True, False]] * 4
    assert valid[1].all()
    assert valid[2].tolist() == [[True, True], [False, True], [True, True], [True, True]]
    weight = valid.float().unsqueeze(-1)
    expected = (tokens * weight).sum(2) / weight.sum(2)
    assert torch.allclose(model.part_embeddings(x, mask), expected, atol=1e-6)


@pytest.mark.parametrize("part", range(4))
def test_a_missing_part_is_zero_in_its_own_place(part):
    skeleton = UPPER_BODY_HANDS_FACE
    x, mask = clips(skeleton)
    mask[0][:, torch.from_numpy(skeleton.part_of) == part] = False
    model = encoder(skeleton)
    parts = model.part_embeddings(x, mask)
    assert parts.shape == (3, 4, model.width)
    assert parts.any(-1).tolist() == [[p != part for p in range(4)], [True] * 4, [True] * 4]
    out = model(x, mask)
    assert out.shape == (3, model.embedding_dim)
    assert torch.equal(out, parts.flatten(1))
    assert not out[0, part * 32 : (part + 1) * 32].any()


@SKELETONS
def test_a_clip_without_anybody_is_zero_and_trains_finitely(skeleton):
    x, mask = clips(skeleton)
    mask[1] = False
    model = encoder(skeleton).train()
    out = model(torch.where(mask[..., None], x, torch.nan), mask)
    assert out.isfinite().all()
    assert not out[1].any()
    out.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    model(x, torch.zeros_like(mask)).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_order_of_time_matters():
    x, mask = clips(KINECT_20, missing=0)
    model = encoder(KINECT_20)
    swapped = torch.cat((x[:, 4:], x[:, :4]), dim=1)
    swapped[:, 4] = swapped[:, 3]  # motion across the seam is not what is tested
    assert not torch.allclose(model(swapped, mask), model(x, mask), atol=1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_building_is_seeded_and_evaluation_repeatable(size):
    x, mask = clips(UPPER_BODY_HANDS_FACE, frames=16)
    models = []
    for _ in range(2):
        torch.manual_seed(7)
        models.append(build_encoder(UPPER_BODY_HANDS_FACE, size, 16, 4, dropout=0.3).eval())
    first, again = (model(x, mask) for model in models)
    assert torch.equal(first, again)
    assert torch.equal(first, models[0](x, mask))
    assert not torch.equal(models[0].train()(x, mask), first)  # dropout is on


@pytest.mark.parametrize(("size", "low", "high"), [("tiny", 0.15e6, 0.25e6), ("small", 8e5, 1e6)])
def test_sizes_have_the_parameters_that_they_say(size, low, high):
    for skeleton in (UPPER_BODY_HANDS_FACE, KINECT_20):
        model = build_encoder(skeleton, size, frames=32, patch=4)
        assert low <= sum(p.numel() for p in model.parameters()) <= high


def test_wrong_input_is_named():
    model = encoder(KINECT_20)
    x, mask = clips(KINECT_20)
    for wrong, its_mask in [
        (x[:, :7], mask[:, :7]),
        (x[:, :, :19], mask[:, :, :19]),
        (x[..., :3], mask),
        (x, mask[:2]),
        (x, mask[:, :, :1]),
    ]:
        with pytest.raises(ValueError, match=r"x must have shape \(B, 8, 20, 4\)"):
            model(wrong, its_mask)


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="unknown size 'huge'; known: tiny, small"):
        build_encoder(KINECT_20, "huge", 8, 4)
    with pytest.raises(ValueError, match="patch must divide frames, got 3 and 8"):
        PoseGraphTransformer(KINECT_20, frames=8, patch=3)
    with pytest.raises(ValueError, match="needs parts and edges"):
        PoseGraphTransformer(Skeleton("bare", ("a", "b"), (("a", "b"),)))
    with pytest.raises(ValueError, match="heads must divide width"):
        Attention(10, 4)
    with pytest.raises(ValueError, match="even head width"):
        rotary_angles(torch.arange(4.0), 5)


def slow_attention(module, x, bias, rotation):
    """Softmax attention written out, one head and one query at a time, in double precision."""
    batch, tokens, width = x.shape
    d = width // module.heads
    weight, offset = module.qkv.weight.double(), module.qkv.bias.double()
    q, k, v = (x.double() @ weight.T + offset).split(width, dim=-1)
    bias = bias.double().expand(batch, module.heads, tokens, tokens)
    mixed = torch.zeros(batch, tokens, width, dtype=torch.double)
    for b in range(batch):
        for h in range(module.heads):
            part = slice(h * d, (h + 1) * d)
            qs, ks = q[b, :, part], k[b, :, part]
            if rotation is not None:
                qs, ks = rotate(qs, rotation.double()), rotate(ks, rotation.double())
            for i in range(tokens):
                score = torch.stack([qs[i] @ ks[j] for j in range(tokens)]) / d**0.5
                share = torch.exp(score + bias[b, h, i])
                mixed[b, i, part] = (share / share.sum()) @ v[b, :, part]
    return mixed @ module.out.weight.double().T + module.out.bias.double()


@pytest.mark.parametrize("turning", [False, True])
def test_attention_equals_its_formula(turning):
    torch.manual_seed(1)
    module = Attention(24, 3)
    x = torch.randn(2, 5, 24)
    valid = torch.tensor([[1, 1, 0, 1, 1], [1, 0, 0, 0, 1]], dtype=torch.bool)
    bias = key_bias(valid) - torch.rand(3, 5, 5)
    rotation = rotary_angles(torch.arange(5.0), 8) if turning else None
    expected = slow_attention(module, x, bias, rotation)
    assert torch.allclose(module(x, bias, rotation).double(), expected, atol=1e-5)
    gone = x.clone()
    gone[~valid] = 77
    assert torch.equal(module(gone, bias, rotation)[valid], module(x, bias, rotation)[valid])


def test_a_block_is_two_residual_branches():
    torch.manual_seed(1)
    block, x, bias = Block(24, 3, 2.0, 0.0), torch.randn(2, 5, 24), torch.zeros(5, 5)
    middle = x + block.attention(block.norm_attention(x), bias)
    assert torch.allclose(block(x, bias), middle + block.mlp(block.norm_mlp(middle)))


def test_rotary_positions_know_relative_time_only():
    torch.manual_seed(2)
    q, k = torch.randn(2, 6, 16, dtype=torch.double)
    time = torch.tensor([0.0, 1, 2, 3, 5, 8])

    def scores(shift):
        angles = rotary_angles(time.double() + shift, 16)
        return rotate(q, angles) @ rotate(k, angles).T

    assert torch.allclose(scores(0), scores(13.5))
    same = q[:1].expand(6, -1)
    turned = rotate(same, rotary_angles(time.double(), 16))
    assert torch.allclose(turned.norm(dim=-1), same.norm(dim=-1))
    products = turned @ turned.T
    assert torch.allclose(products[0, 3], products[2, 4])  # both three apart
    assert torch.allclose(products[3, 4], products[1, 3])  # both two apart
    assert not torch.allclose(products[0, 1], products[0, 3])
    assert torch.equal(rotate(q, rotary_angles(torch.zeros(6), 16).double()), q)


def test_tokens_of_one_time_share_their_rotation():
    model = encoder(UPPER_BODY_HANDS_FACE)
    assert torch.equal(model.angles, rotary_angles(torch.arange(2.0), 8))
    x, mask = clips(UPPER_BODY_HANDS_FACE)
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[2]))
    model(x, mask)
    angles = seen[0].view(4, 2, -1)
    assert torch.equal(angles, model.angles.expand_as(angles))


def test_a_shift_of_all_positions_changes_nothing():
    x, mask = clips(KINECT_20)
    model = encoder(KINECT_20)
    before = model(x, mask)
    model.angles = rotary_angles(torch.arange(2.0) + 40, 8)
    assert torch.allclose(model(x, mask), before, atol=1e-4)


@SKELETONS
def test_hop_bias_falls_with_distance_on_the_graph(skeleton):
    bias = hop_bias(skeleton, 4)
    hops = torch.from_numpy(skeleton.hop_distances).float()
    assert bias.shape == (4, len(skeleton), len(skeleton))
    assert torch.equal(bias, bias.transpose(1, 2))
    assert not bias.diagonal(dim1=1, dim2=2).any()
    for head, slope in enumerate((1, 0.5, 0.25, 0)):
        assert torch.equal(bias[head], -slope * hops)
    assert hops.max() < len(skeleton)  # a connected graph
    assert not hop_bias(skeleton, 1).any()


@SKELETONS
def test_the_random_walk_equals_powers_of_its_matrix(skeleton):
    adjacency = np.zeros((len(skeleton), len(skeleton)))
    a, b = skeleton.edge_indices.T
    adjacency[a, b] = adjacency[b, a] = 1
    step = adjacency / adjacency.sum(1, keepdims=True)
    powers = [np.linalg.matrix_power(step, n).diagonal() for n in range(1, 7)]
    expected = torch.from_numpy(np.stack(powers, -1)).float()
    assert torch.allclose(random_walk_encoding(skeleton, 6), expected, atol=1e-6)


@SKELETONS
def test_features_are_what_they_are_called(skeleton):
    x, mask = clips(skeleton, missing=0.3)
    dims, parts = skeleton.dims, torch.from_numpy(skeleton.part_of)
    parents = torch.from_numpy(skeleton.parents)
    membership = nn.functional.one_hot(parts).T.float()
    out = pose_features(x, mask, parents, membership)
    assert out.shape == (*mask.shape, feature_channels(dims))
    sizes = (dims, dims, dims, dims, 2, dims, 1, 1)
    joint, local, bone, _, _, motion, score, present = out.split(sizes, -1)
    values = x[..., :-1]
    for b, t, v in np.ndindex(*mask.shape):
        here = mask[b, t, v]
        assert present[b, t, v] == here
        assert torch.equal(joint[b, t, v], values[b, t, v] * here)
        assert score[b, t, v] == x[b, t, v, -1] * here
        p = int(parents[v])
        expected = (values[b, t, v] - values[b, t, p]) * (here & mask[b, t, p])
        assert torch.allclose(bone[b, t, v], expected)
        expected = torch.zeros(dims)
        if t and here and mask[b, t - 1, v]:
            expected = MOTION_GAIN * (values[b, t, v] - values[b, t - 1, v])
        assert torch.allclose(motion[b, t, v], expected)
    for b, part in np.ndindex(len(x), int(parts.max()) + 1):
        inside = mask[b][:, parts == part]
        own = local[b][:, parts == part]
        assert torch.allclose(own.sum(1), torch.zeros(dims), atol=1e-3)  # about the centroid
        radius = (own[inside] ** 2).sum(-1).mean().sqrt()
        assert torch.allclose(radius, torch.tensor(1.0), atol=1e-4)
        assert not own[~inside].any()


@SKELETONS
def test_local_positions_do_not_see_place_or_size_of_a_part(skeleton):
    x, mask = clips(skeleton)
    parts = torch.from_numpy(skeleton.part_of)
    arguments = torch.from_numpy(skeleton.parents), nn.functional.one_hot(parts).T.float()
    local = slice(skeleton.dims, 2 * skeleton.dims)
    before = pose_features(x, mask, *arguments)[..., local]
    moved = x.clone()
    moved[:, :, parts == 1, :-1] = 0.3 * moved[:, :, parts == 1, :-1] + 0.7
    after = pose_features(moved, mask, *arguments)[..., local]
    assert torch.allclose(after, before, atol=1e-4)
