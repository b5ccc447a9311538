from dataclasses import replace

import numpy as np
import pytest
import torch

from mgpose.data.augment import (
    Augmentation,
    AugmentSettings,
    crop_time,
    drop,
    jitter,
    mirror_clips,
    transform_parts,
    transform_space,
)
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, PoseSequence, Skeleton, mirror

OFF = AugmentSettings(
    crop=1, stretch=False, speed=0, rotation=0, tilt=0, shear=0, scale=0, mirror=0,
    drop_keypoint=0, drop_part=0, jitter=0,
)  # fmt: skip
FULL = AugmentSettings(tilt=0.2)
SKELETONS = pytest.mark.parametrize(
    "skeleton", [UPPER_BODY_HANDS_FACE, KINECT_20], ids=["2d", "3d"]
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clips(skeleton, batch=6, frames=16, seed=0, missing=0.2):
    """Random clips; later ones are ever shorter, padded behind."""
    rng = generator(seed)
    x = torch.randn(batch, frames, len(skeleton), skeleton.dims + 1, generator=rng)
    x[..., -1] = torch.rand(x.shape[:-1], generator=rng)
    mask = torch.rand(x.shape[:-1], generator=rng) >= missing
    for i in range(batch):
        mask[i, frames - i :] = False
    mask[range(batch), [max(0, frames - 1 - i) for i in range(batch)], 0] = True
    return x * mask.unsqueeze(-1), mask


def bone_lengths(x, skeleton):
    a, b = torch.from_numpy(skeleton.edge_indices).T
    return (x[..., a, :-1] - x[..., b, :-1]).norm(dim=-1)


@SKELETONS
@pytest.mark.parametrize("stretch", [False, True])
def test_everything_off_changes_nothing(skeleton, stretch):
    x, mask = clips(skeleton)
    if stretch:  # it fills all frames, so that only full clips stay as they are
        x, mask = x[:1], mask[:1]
    view = Augmentation(skeleton, replace(OFF, stretch=stretch))(x, mask, generator())
    assert torch.equal(view[0], x)
    assert torch.equal(view[1], mask)


@SKELETONS
def test_input_is_left_and_the_seed_decides_the_view(skeleton):
    x, mask = clips(skeleton)
    before = x.clone(), mask.clone()
    augment = Augmentation(skeleton, FULL)
    first, again, other = (augment(x, mask, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(x, before[0])
    assert torch.equal(mask, before[1])
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@SKELETONS
@pytest.mark.parametrize("stretch", [False, True])
def test_a_view_is_finite_and_zero_where_masked(skeleton, stretch):
    x, mask = clips(skeleton)
    empty = torch.zeros_like(mask)
    for given in (mask, empty):
        augment = Augmentation(skeleton, replace(FULL, stretch=stretch))
        view, seen = augment(x * given.unsqueeze(-1), given, generator())
        assert view.shape == x.shape
        assert seen.shape == mask.shape
        assert view.isfinite().all()
        assert not view[~seen].any()
    assert not seen.any()


@SKELETONS
def test_a_point_that_is_never_seen_stays_unseen(skeleton):
    x, mask = clips(skeleton, missing=0)
    gone = skeleton.index("left_wrist")
    mask[:, :, gone] = False
    settings = replace(FULL, mirror=0, drop_keypoint=0, drop_part=0)
    _, seen = Augmentation(skeleton, settings)(x, mask, generator())
    assert not seen[:, :, gone].any()
    assert seen[:, 0].sum() == seen[:, 0].numel() - len(x)


@SKELETONS
def test_the_mirror_is_an_involution_and_swaps_hands(skeleton):
    x, mask = clips(skeleton)
    flipped, seen = mirror_clips(x, mask, skeleton, 1.0, generator())
    back = mirror_clips(flipped, seen, skeleton, 1.0, generator())
    assert torch.equal(back[0], x)
    assert torch.equal(back[1], mask)
    left, right = skeleton.index("left_wrist"), skeleton.index("right_wrist")
    assert torch.equal(flipped[:, :, left, 0], -x[:, :, right, 0])
    assert torch.equal(flipped[:, :, left, 1:], x[:, :, right, 1:])
    assert torch.equal(seen[:, :, left], mask[:, :, right])
    assert torch.allclose(
        bone_lengths(flipped, skeleton).sum(-1), bone_lengths(x, skeleton).sum(-1)
    )


def test_the_mirror_of_clips_is_the_mirror_of_sequences():
    x, mask = clips(KINECT_20, batch=1)
    keypoints = torch.where(mask[..., None], x[..., :-1], torch.nan)[0].numpy()
    sequence = PoseSequence(
        KINECT_20, keypoints, x[0, ..., -1].numpy(), np.arange(16.0), "metre", "index"
    )
    expected = mirror(sequence)
    flipped, seen = mirror_clips(x, mask, KINECT_20, 1.0, generator())
    assert np.array_equal(seen[0].numpy(), expected.detected)
    assert np.array_equal(flipped[0, ..., :-1].numpy(), np.nan_to_num(expected.keypoints))
    assert np.array_equal(flipped[0, ..., -1].numpy(), expected.scores)


def test_the_mirror_masks_what_has_no_mirror_image():
    skeleton = Skeleton("s", ("nose", "left_a", "right_a", "mole"), unpaired=("mole",))
    x, mask = torch.ones(2, 4, 4, 3), torch.ones(2, 4, 4, dtype=torch.bool)
    flipped, seen = mirror_clips(x, mask, skeleton, 1.0, generator())
    assert seen[0, 0].tolist() == [True, True, True, False]
    assert not flipped[:, :, 3].any()
    assert mask.all()


def test_mirror_with_a_probability_takes_whole_clips():
    x, mask = clips(KINECT_20, batch=400, frames=4)
    flipped, _ = mirror_clips(x, mask, KINECT_20, 0.3, generator())
    whole, _ = mirror_clips(x, mask, KINECT_20, 1.0, generator())
    is_whole = (flipped == whole).flatten(1).all(1)
    is_plain = (flipped == x).flatten(1).all(1)
    assert (is_whole ^ is_plain)[:4].all()
    assert (is_whole | is_plain).all()
    assert 80 < int((~is_plain).sum()) < 160


@SKELETONS
def test_rotation_keeps_lengths_and_scores(skeleton):
    x, _ = clips(skeleton)
    turned = transform_space(x, replace(OFF, rotation=0.5, tilt=0.3), generator())
    assert not torch.allclose(turned, x)
    assert torch.allclose(bone_lengths(turned, skeleton), bone_lengths(x, skeleton), atol=1e-5)
    assert torch.equal(turned[..., -1], x[..., -1])


def test_rotation_without_tilt_keeps_the_vertical():
    x, _ = clips(KINECT_20)
    turned = transform_space(x, replace(OFF, rotation=0.5), generator())
    assert torch.allclose(turned[..., 1], x[..., 1])
    assert not torch.allclose(turned[..., 0], x[..., 0])


@SKELETONS
def test_one_linear_map_a_clip_within_the_stated_size(skeleton):
    x = torch.randn(200, 2, len(skeleton), skeleton.dims + 1, generator=generator(5))
    s = replace(OFF, rotation=0.2, shear=0.15, scale=0.1)
    out = transform_space(x, s, generator())
    a, b = x[..., :-1].flatten(1, 2), out[..., :-1].flatten(1, 2)
    maps = torch.linalg.lstsq(a.double(), b.double()).solution
    assert torch.allclose(a.double() @ maps, b.double(), atol=1e-4)
    stretches = torch.linalg.svdvals(maps)
    # Scale, and beside it a shear across and one change of width against height.
    assert stretches.max() < 1.1 * 1.25
    assert stretches.min() > 0.9 * 0.75
    assert stretches.std() > 0.02
    only = transform_space(x, replace(OFF, scale=0.1), generator())
    ratio = bone_lengths(only, skeleton) / bone_lengths(x, skeleton)
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-4)
    assert 0.9 <= ratio.min() < 0.92
    assert 1.08 < ratio.max() <= 1.1 + 1e-4


def times(batch=300, frames=32, valid=32):
    """Clips whose only coordinate is the number of the frame."""
    x = torch.arange(float(frames))[None, :, None, None].repeat(batch, 1, 1, 3)
    mask = torch.ones(batch, frames, 1, dtype=torch.bool)
    mask[:, valid:] = False
    return x * mask.unsqueeze(-1), mask


@pytest.mark.parametrize("valid", [32, 20, 2, 1])
@pytest.mark.parametrize("stretch", [False, True])
def test_a_time_crop_is_an_even_walk_through_valid_frames(valid, stretch):
    x, mask = times(valid=valid)
    settings = replace(OFF, crop=0.4, stretch=stretch, speed=0.25)
    out, seen = crop_time(x, mask, settings, generator())
    seen, walk = seen[..., 0], out[..., 0, 0]
    length = seen.sum(1)
    assert (length >= 2).all()
    assert (seen == (torch.arange(32) < length[:, None])).all()  # padding lies behind
    assert walk[seen].min() >= 0
    assert walk[seen].max() <= valid - 1
    steps, inner = walk.diff(dim=1), seen[:, 1:]
    assert (steps[inner] >= -1e-4).all()
    even = [s[i].std() < 1e-3 for s, i in zip(steps, inner, strict=True) if i.sum() > 1]
    assert all(even)
    covered = (walk * seen).amax(1) - walk[:, 0] + 1
    assert (covered <= valid + 1e-3).all()
    if valid == 32:
        assert (covered >= 0.4 * 32 - 1e-3).all()
        assert covered.min() < 16
        assert covered.max() > 30
        assert (length == 32).all() if stretch else (length < 32).any()


def test_pace_changes_by_no_more_than_the_stated_speed():
    x, mask = times()
    out, _ = crop_time(x, mask, replace(OFF, crop=0.6, speed=0.2), generator())
    step = out[:, 1, 0, 0] - out[:, 0, 0, 0]
    # Rounding the length to whole frames adds a little; what would not fit is sped up to fit.
    assert step.min() > 0.75
    assert step.max() < 1.3
    steady, _ = crop_time(x, mask, replace(OFF, crop=0.6), generator())
    assert ((steady[:, 1, 0, 0] - steady[:, 0, 0, 0] - 1).abs() < 0.05).all()


def test_between_a_present_and_a_missing_frame_the_nearer_one_counts():
    x, mask = times(batch=500)
    mask[:, 10:13] = False
    x = x * mask.unsqueeze(-1)
    out, seen = crop_time(x, mask, replace(OFF, crop=0.4, stretch=True), generator())
    values = out[..., 0, 0][seen[..., 0]]
    # No value is a mixture with the zero of a missing frame.
    assert not ((values > 9) & (values < 13)).any()
    assert not seen.all()


def test_dropped_parts_are_whole_and_never_the_first():
    skeleton = UPPER_BODY_HANDS_FACE
    mask = torch.ones(600, 3, len(skeleton), dtype=torch.bool)
    out = drop(mask, skeleton, keypoint=0, part=0.3, generator=generator())
    assert torch.equal(out, out[:, :1].expand_as(out))  # for the whole clip
    part_of = torch.from_numpy(skeleton.part_of)
    kept = torch.stack([out[:, 0, part_of == p].float().mean(1) for p in range(4)], 1)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept[:, 0].all()
    dropped = 4 - kept.sum(1)
    assert dropped.max() == 1
    assert 130 < dropped.sum() < 230
    assert ((1 - kept).sum(0)[1:] > 30).all()
    assert torch.equal(mask, torch.ones_like(mask))


def test_dropped_keypoints_have_the_stated_share_and_drop_adds_nothing():
    skeleton = UPPER_BODY_HANDS_FACE
    mask = torch.rand(300, 4, len(skeleton), generator=generator(3)) > 0.5
    out = drop(mask, skeleton, keypoint=0.1, part=0, generator=generator())
    assert not (out & ~mask).any()
    assert 0.88 < out.sum() / mask.sum() < 0.92


def test_a_skeleton_of_one_part_loses_nothing():
    skeleton = Skeleton("s", ("a", "b"), (("a", "b"),), {"all": ("a", "b")})
    mask = torch.ones(50, 2, 2, dtype=torch.bool)
    assert drop(mask, skeleton, keypoint=0, part=1, generator=generator()).all()


def test_jitter_shrinks_with_confidence():
    x = torch.zeros(4, 50, 50, 3)
    x[1, ..., -1], x[2, ..., -1] = 0.5, 1
    noise = (jitter(x, 0.02, generator()) - x)[..., :-1].flatten(1).std(1)
    expected = 0.02 * torch.tensor([1, 0.55, 0.1, 1])
    assert torch.allclose(noise, expected, rtol=0.05)
    assert torch.equal(jitter(x, 0.02, generator())[..., -1], x[..., -1])


def parts_moved(skeleton, batch=14, missing=0.2, **ranges):
    """Clips before and after, and each keypoint's part."""
    x, mask = clips(skeleton, batch, missing=missing)
    out = transform_parts(x, mask, skeleton, replace(OFF, **ranges), generator(7))
    return x, mask, out, torch.from_numpy(skeleton.part_of)


@SKELETONS
def test_parts_move_by_themselves_and_the_first_stays(skeleton):
    ranges = {"part_shift": 0.1, "part_turn": 0.3, "part_scale": 0.2}
    x, mask, out, part_of = parts_moved(skeleton, **ranges)
    assert torch.equal(out[:, :, part_of == 0], x[:, :, part_of == 0])
    assert torch.equal(out[~mask], x[~mask])
    assert torch.equal(out[..., -1], x[..., -1])
    for p in range(1, len(skeleton.parts)):
        points = mask & (part_of == p)
        assert not (out[points] == x[points]).all(-1).any()
    assert torch.equal(transform_parts(x, mask, skeleton, OFF, generator()), x)


@SKELETONS
def test_a_shift_of_a_part_is_one_vector_in_all_frames(skeleton):
    x, mask, out, part_of = parts_moved(skeleton, part_shift=0.1)
    by = out[..., :-1] - x[..., :-1]
    found = []
    for b in range(len(x)):
        for p in range(1, len(skeleton.parts)):
            moved = by[b][mask[b] & (part_of == p)]
            assert len(moved) > 1
            torch.testing.assert_close(moved, moved[:1].expand_as(moved), atol=1e-5, rtol=0)
            found.append(moved[0])
    size = torch.stack(found).abs()
    assert size.max() <= 0.1 + 1e-5
    assert (size.amax(0) > 0.08).all()


@SKELETONS
def test_a_turn_keeps_a_part_in_its_shape_and_place(skeleton):
    x, mask, out, part_of = parts_moved(skeleton, missing=0, part_turn=0.5)
    points = (part_of == 1).nonzero()[:, 0]
    for b in range(0, len(x), 3):
        frames = mask[b, :, points].all(1)
        before, after = x[b, frames][:, points, :-1], out[b, frames][:, points, :-1]
        assert not torch.allclose(before, after, atol=1e-3)
        flat = [part.flatten(0, 1) for part in (before, after)]
        torch.testing.assert_close(torch.pdist(flat[0]), torch.pdist(flat[1]))
        torch.testing.assert_close(flat[0].mean(0), flat[1].mean(0), atol=1e-5, rtol=0)
        if skeleton.dims == 3:  # about the vertical
            torch.testing.assert_close(before[..., 1], after[..., 1])


@SKELETONS
def test_a_part_grows_about_its_own_middle(skeleton):
    x, mask, out, part_of = parts_moved(skeleton, part_scale=0.2)
    ratios = []
    for b in range(len(x)):
        for p in range(1, len(skeleton.parts)):
            points = mask[b] & (part_of == p)
            before, after = x[b][points][:, :-1], out[b][points][:, :-1]
            middle = before.mean(0)
            ratio = (after - middle).norm() / (before - middle).norm()
            torch.testing.assert_close(after, middle + ratio * (before - middle), atol=1e-4, rtol=0)
            ratios.append(float(ratio))
    assert 0.8 - 1e-4 <= min(ratios) < 0.85
    assert 1.15 < max(ratios) <= 1.2 + 1e-4


def test_a_local_view_keeps_a_short_stretch():
    x, mask = times(batch=600)
    out, seen = crop_time(
        x, mask, replace(OFF, crop=0.25, crop_most=0.5, stretch=True), generator()
    )
    assert seen.all()
    kept = out[:, -1, 0, 0] - out[:, 0, 0, 0] + 1
    assert 0.25 * 32 - 1e-3 <= kept.min() < 8.5
    assert 15.5 < kept.max() <= 0.5 * 32 + 1e-3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crop": 0}, "0 < crop"),
        ({"crop": 1.2}, "crop <= crop_most"),
        ({"crop": 0.6, "crop_most": 0.5}, "crop <= crop_most"),
        ({"crop_most": 1.5}, "crop_most <= 1"),
        ({"mirror": -0.1}, "mirror must"),
        ({"drop_part": 1.5}, "drop_part must"),
    ],
)
def test_settings_refuse(wrong, message):
    with pytest.raises(ValueError, match=message):
        AugmentSettings(**wrong)
