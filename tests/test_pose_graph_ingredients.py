"""Bone directions and angles by law, and what each switch of ``without`` takes away."""

import pytest
import torch
from torch import nn

from mgpose.models import PoseGraphTransformer, build_encoder
from mgpose.models.pose_features import CHANNEL_GROUPS, SHORT_BONE, feature_channels, pose_features
from mgpose.models.pose_graph_transformer import INGREDIENTS
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE

SKELETONS = pytest.mark.parametrize(
    "skeleton", [UPPER_BODY_HANDS_FACE, KINECT_20], ids=["2d", "3d"]
)


def clips(skeleton, batch=3, frames=8, missing=0.2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, frames, len(skeleton), skeleton.dims + 1, generator=rng)
    return x, torch.rand(x.shape[:3], generator=rng) >= missing


def features(skeleton, x, mask, without=()):
    """Name of each group -> its channels."""
    membership = nn.functional.one_hot(torch.from_numpy(skeleton.part_of)).T.float()
    out = pose_features(x, mask, torch.from_numpy(skeleton.parents), membership, without)
    assert out.shape == (*mask.shape, feature_channels(skeleton.dims))
    d = skeleton.dims
    names = ("position", "local", "bone", "direction", "angle", "motion", "confidence", "presence")
    return dict(zip(names, out.split((d, d, d, d, 2, d, 1, 1), -1), strict=True))


@SKELETONS
def test_a_direction_is_the_bone_at_length_one(skeleton):
    x, mask = clips(skeleton, missing=0.3)
    root = int((torch.from_numpy(skeleton.parents) == torch.arange(len(skeleton))).nonzero()[0])
    found = features(skeleton, x, mask)
    parents = torch.from_numpy(skeleton.parents)
    there = mask & mask[:, :, parents]
    there[:, :, root] = False
    length = found["direction"].norm(dim=-1)
    torch.testing.assert_close(length[there], torch.ones(int(there.sum())))
    assert not length[~there].any()
    bone = found["bone"]
    torch.testing.assert_close(found["direction"] * bone.norm(dim=-1, keepdim=True), bone)


def test_a_bone_too_short_to_have_a_direction_has_little_of_one():
    x, mask = clips(KINECT_20, missing=0)
    child = KINECT_20.index("left_hand")
    parent = int(KINECT_20.parents[child])
    for length, expected in ((0.0, 0.0), (SHORT_BONE / 4, 0.25), (SHORT_BONE * 2, 1.0)):
        x[:, :, child] = x[:, :, parent]
        x[:, :, child, 1] += length
        size = features(KINECT_20, x, mask)["direction"][:, :, child].norm(dim=-1)
        torch.testing.assert_close(size, torch.full_like(size, expected), atol=1e-3, rtol=0)
    x.requires_grad_()
    joined = torch.where(torch.arange(20)[:, None] == child, x[:, :, parent, None], x)
    features(KINECT_20, joined, mask)["angle"].sum().backward()
    assert x.grad.isfinite().all()


@SKELETONS
def test_an_angle_is_that_from_the_parents_bone_to_the_own(skeleton):
    x, mask = clips(skeleton)
    found = features(skeleton, x, mask)
    parents = torch.from_numpy(skeleton.parents)
    own, before = found["bone"], found["bone"][:, :, parents]
    both = (own.norm(dim=-1) > 0) & (before.norm(dim=-1) > 0)
    assert 0.2 < both.float().mean() < 0.9
    own, before = own[both].double(), before[both].double()
    if skeleton.dims == 2:
        angle = torch.atan2(own[:, 1], own[:, 0]) - torch.atan2(before[:, 1], before[:, 0])
    else:
        angle = torch.acos(nn.functional.cosine_similarity(own, before).clamp(-1, 1))
    expected = torch.stack((angle.cos(), angle.sin()), -1)
    torch.testing.assert_close(found["angle"][both].double(), expected, atol=1e-4, rtol=0)
    assert not found["angle"][~both].any()


@SKELETONS
def test_angles_do_not_see_turn_size_and_place(skeleton):
    x, mask = clips(skeleton)
    turn = torch.linalg.qr(torch.randn(skeleton.dims, skeleton.dims, generator=torch.Generator()))[
        0
    ]
    turn[:, 0] *= torch.linalg.det(turn).sign()  # a rotation, no mirror
    moved = x.clone()
    moved[..., :-1] = 1.7 * x[..., :-1] @ turn + 0.4
    before, after = features(skeleton, x, mask), features(skeleton, moved, mask)
    torch.testing.assert_close(before["angle"], after["angle"], atol=1e-4, rtol=0)
    turned = before["direction"] @ turn
    torch.testing.assert_close(turned, after["direction"], atol=1e-4, rtol=0)
    assert not torch.allclose(before["bone"] @ turn, after["bone"], atol=1e-2)


@SKELETONS
@pytest.mark.parametrize("group", CHANNEL_GROUPS)
def test_a_group_of_channels_is_zero_and_the_others_stay(skeleton, group):
    x, mask = clips(skeleton)
    whole, found = features(skeleton, x, mask), features(skeleton, x, mask, (group,))
    for name in whole:
        assert whole[name].any()
        if name == group:
            assert not found[name].any()
        else:
            assert torch.equal(found[name], whole[name])


def encoder(skeleton, *without):
    torch.manual_seed(0)
    model = PoseGraphTransformer(
        skeleton, 8, 4, width=16, heads=2, spatial_depth=1, depth=1, without=without
    ).eval()
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():  # so that no path is quiet by its initialisation
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=rng))
    return model


@SKELETONS
@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_an_ingredient_can_be_left_out(skeleton, ingredient):
    x, mask = clips(skeleton, missing=0.3)
    gone = torch.from_numpy(skeleton.part_of) == 1
    mask[0][:, gone] = False
    mask[1, 4:] = False
    whole, model = encoder(skeleton), encoder(skeleton, ingredient)
    state, other = whole.state_dict(), model.state_dict()
    lost = {name for name in state if name not in other}
    assert bool(lost) == (ingredient in ("keypoint_attention", "part_weights"))
    assert other.keys() <= state.keys()
    model.load_state_dict({name: state[name] for name in other})
    embeddings, parts = model(x, mask), model.part_embeddings(x, mask)
    assert not torch.allclose(embeddings, whole(x, mask), atol=1e-5)
    # Whatever is left out: values of missing keypoints change nothing.
    for garbage in (1e6, torch.nan):
        dirty = torch.where(mask[..., None], x, torch.tensor(garbage))
        assert torch.equal(model(dirty, mask), embeddings)
    # And what is missing is not looked at, but without the mask.
    valid, missing = model.tokens(x, mask)[1], not parts[0, 1].any()
    assert bool(valid.all()) == (ingredient == "missing_mask")
    assert missing == (ingredient != "missing_mask")
    before = model(x[:1], mask[:1])
    with torch.no_grad():
        # Not one number for all channels, which a layer norm would take away.
        model.keypoint_embedding[gone] += 3 * torch.randn(model.keypoint_embedding.shape[1:])
        model.part_embedding[1] += 3 * torch.randn(model.part_embedding.shape[1:])
    same = torch.allclose(model(x[:1], mask[:1]), before, atol=1e-5)
    assert same == (ingredient != "missing_mask")


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_every_parameter_that_is_left_lies_in_one_layer(ingredient):
    model = encoder(KINECT_20, ingredient)
    grouped = [id(p) for group in model.layer_groups() for p in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.parameters()}


def test_several_ingredients_and_names_that_there_are_not():
    x, mask = clips(KINECT_20)
    both = encoder(KINECT_20, "bone", "hop_bias")
    for one in ("bone", "hop_bias"):
        assert not torch.allclose(both(x, mask), encoder(KINECT_20, one)(x, mask), atol=1e-4)
    with pytest.raises(ValueError, match=r"unknown \['bones'\]; known: local, bone"):
        encoder(KINECT_20, "bones")
    with pytest.raises(ValueError, match="only the pose graph transformer has switches"):
        build_encoder(KINECT_20, "tiny", 8, 4, architecture="st_gcn", without=("bone",))
