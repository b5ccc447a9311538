"""Part tubes hide what they report and no more; mixed clips hold whole parts of two clips."""

import pytest
import torch

from mgpose.objectives import mix_parts, part_tubes
from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, Skeleton

PATCH = 4
ONE_PART = Skeleton("s", ("a", "b"), (("a", "b"),), {"all": ("a", "b")})
SKELETONS = pytest.mark.parametrize(
    "skeleton", [UPPER_BODY_HANDS_FACE, KINECT_20], ids=["2d", "3d"]
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clips(skeleton, batch=12, frames=24, missing=0.3, seed=0):
    rng = generator(seed)
    x = torch.randn(batch, frames, len(skeleton), skeleton.dims + 1, generator=rng)
    mask = torch.rand(x.shape[:3], generator=rng) >= missing
    return x, mask


def by_token(mask, skeleton):
    """(B, P, S): keypoints present in each part token."""
    part_of = torch.from_numpy(skeleton.part_of)
    parts = [mask[:, :, part_of == p].sum(2) for p in range(len(skeleton.parts))]
    return torch.stack(parts, 1).unflatten(2, (-1, PATCH)).sum(3)


@SKELETONS
@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_tubes_hide_what_they_report_and_nothing_else(skeleton, share):
    _, mask = clips(skeleton)
    mask[0, 8:] = False  # padding
    mask[1][:, torch.from_numpy(skeleton.part_of) == 1] = False
    before = mask.clone()
    seen, hidden = part_tubes(mask, skeleton, PATCH, share, generator(1))
    assert torch.equal(mask, before)
    assert not (seen & ~mask).any()
    was, left = by_token(mask, skeleton), by_token(seen, skeleton)
    # Whole tokens that were there are hidden; the others are as they were.
    assert (was[hidden] > 0).all()
    assert not left[hidden].any()
    assert torch.equal(left[~hidden], was[~hidden])
    assert hidden.any()


@SKELETONS
def test_a_little_is_one_tube(skeleton):
    """One part over one stretch of steps, no longer than half of the clip."""
    mask = torch.ones(100, 24, len(skeleton), dtype=torch.bool)
    _, hidden = part_tubes(mask, skeleton, PATCH, 1e-3, generator(2))
    assert torch.equal(hidden.any(2).sum(1), torch.ones(100, dtype=torch.long))
    line = hidden.any(1).long()
    ends = torch.nn.functional.pad(line, (1, 1)).diff(dim=1)
    assert torch.equal((ends == 1).sum(1), torch.ones(100, dtype=torch.long))
    length = line.sum(1)
    assert set(length.tolist()) == {1, 2, 3}
    # Every part, and every step, comes up.
    assert hidden.any(2).any(0).all()
    assert line.any(0).all()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_the_share_is_reached_and_not_by_far_exceeded(share):
    skeleton = UPPER_BODY_HANDS_FACE
    mask = torch.ones(200, 24, len(skeleton), dtype=torch.bool)
    _, hidden = part_tubes(mask, skeleton, PATCH, share, generator(3))
    found = hidden.flatten(1).float().mean(1)
    longest = 3 / (6 * len(skeleton.parts))
    whole = found == 0
    assert whole.float().mean() < 0.05
    assert (found[~whole] >= share).all()
    assert (found < share + longest).all()


def test_nothing_is_hidden_from_nobody_and_never_everything():
    skeleton = KINECT_20
    _, mask = clips(skeleton, batch=60)
    seen, hidden = part_tubes(mask, skeleton, PATCH, 0.0, generator())
    assert torch.equal(seen, mask)
    assert not hidden.any()
    mask[:30] = False
    mask[10:30, 0, 0] = True  # one token is all there is
    seen, hidden = part_tubes(mask, skeleton, PATCH, 0.9, generator(4))
    assert not seen[:10].any()
    assert torch.equal(seen[10:30], mask[10:30])
    assert seen.flatten(1).any(1)[10:].all()
    assert not hidden[:30].any()


def test_the_generator_decides_the_tubes():
    _, mask = clips(KINECT_20)
    first, same, other = (part_tubes(mask, KINECT_20, PATCH, 0.4, generator(i)) for i in (1, 1, 2))
    assert torch.equal(first[0], same[0])
    assert not torch.equal(first[0], other[0])


@SKELETONS
@pytest.mark.parametrize("batch", [2, 12])
def test_a_mixed_clip_has_whole_parts_of_two_clips(skeleton, batch):
    x, mask = clips(skeleton, batch)
    before = x.clone(), mask.clone()
    mixed, seen, own = mix_parts(x, mask, skeleton, generator(5))
    assert torch.equal(x, before[0])
    assert torch.equal(mask, before[1])
    torch.testing.assert_close(own.sum(1), torch.ones(batch))
    assert (own >= 0).all()
    givers = (own - own.diag().diag()).argmax(1)
    # Each clip gives to one other clip.
    assert sorted(givers.tolist()) == list(range(batch))
    assert (givers != torch.arange(batch)).all()
    part_of = torch.from_numpy(skeleton.part_of)
    for i, giver in enumerate(givers.tolist()):
        given = torch.zeros_like(mask[i])
        for p in range(len(skeleton.parts)):
            points = part_of == p
            kept, taken = (
                torch.equal(mixed[i][:, points], x[j][:, points])
                and torch.equal(seen[i][:, points], mask[j][:, points])
                for j in (i, giver)
            )
            assert kept != taken
            assert kept or p > 0
            given[:, points] = taken
        assert given.any()
        share = (seen[i] & given).sum() / seen[i].sum()
        assert float(own[i, giver]) == pytest.approx(float(share), abs=1e-6)


def test_every_part_but_the_first_is_taken_sometimes():
    x, mask = clips(UPPER_BODY_HANDS_FACE, batch=64, missing=0)
    mixed, _, _ = mix_parts(x, mask, UPPER_BODY_HANDS_FACE, generator(6))
    moved = (mixed != x).any(-1).any(1)
    part_of = torch.from_numpy(UPPER_BODY_HANDS_FACE.part_of)
    shares = [moved[:, part_of == p].any(1).float().mean() for p in range(4)]
    assert shares[0] == 0
    assert all(0.3 < share < 1 for share in shares[1:])


def test_one_part_and_one_clip_have_nothing_to_mix():
    for skeleton, batch in ((ONE_PART, 5), (KINECT_20, 1)):
        x, mask = clips(skeleton, batch)
        mixed, seen, own = mix_parts(x, mask, skeleton, generator())
        assert torch.equal(mixed, x)
        assert torch.equal(seen, mask)
        torch.testing.assert_close(own, torch.eye(batch))


def test_a_clip_without_anybody_is_its_own():
    x, mask = clips(KINECT_20, 2)
    _, _, own = mix_parts(x, torch.zeros_like(mask), KINECT_20, generator())
    assert torch.equal(own, torch.eye(2))
