"""Converters between the layouts of public sets: by name, by index, by mirror, round and round."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from mgpose.structures import SKELETONS, UPPER_BODY_HANDS_FACE, PoseSequence, convert, mirror
from mgpose.structures.conversion import LAYOUT_MAPS

OPENPOSE, WHOLEBODY = SKELETONS["openpose_137"], SKELETONS["wholebody_133"]
TARGET = UPPER_BODY_HANDS_FACE

# PROTOCOLS.md section 3, index by index: OpenPose-137 -> WholeBody-133.
SHARED = {
    0: 0, 2: 6, 3: 8, 4: 10, 5: 5, 6: 7, 7: 9, 15: 2, 16: 1, 17: 4, 18: 3,
    **{25 + k: 23 + k for k in range(68)},
    **{95 + k: 91 + k for k in range(21)},
    **{116 + k: 112 + k for k in range(21)},
}  # fmt: skip
# By the names that both papers give: right and left hip, knee, ankle; big toe, small toe, heel.
BELOW = {9: 12, 10: 14, 11: 16, 12: 11, 13: 13, 14: 15,
         19: 17, 20: 18, 21: 19, 22: 20, 23: 21, 24: 22}  # fmt: skip
NECK, MID_HIP, PUPILS = 1, 8, (93, 94)


def make(skeleton, seed=0, missing=0.2):
    rng = np.random.default_rng(seed)
    shape = (4, len(skeleton))
    keypoints = rng.uniform(0, 400, (*shape, 2)).astype(np.float32)
    scores = rng.uniform(0.1, 1, shape).astype(np.float32)
    lost = rng.uniform(size=shape) < missing
    keypoints[lost], scores[lost] = np.nan, 0
    return PoseSequence(skeleton, keypoints, scores, np.arange(4.0), "pixel", "index", (640, 480))


@given(st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_openpose_to_wholebody_is_the_published_table(seed):
    openpose = make(OPENPOSE, seed)
    wholebody = convert(openpose, WHOLEBODY)
    pairs = {**SHARED, **BELOW}
    assert sorted(pairs.values()) == list(range(133))
    for source, target in pairs.items():
        np.testing.assert_array_equal(wholebody.keypoints[:, target], openpose.keypoints[:, source])
        np.testing.assert_array_equal(wholebody.scores[:, target], openpose.scores[:, source])


@given(st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_a_round_trip_is_exact_on_the_shared_subset_only(seed):
    wholebody = make(WHOLEBODY, seed)
    there = convert(wholebody, OPENPOSE)
    back = convert(there, WHOLEBODY)
    np.testing.assert_array_equal(back.keypoints, wholebody.keypoints)
    np.testing.assert_array_equal(back.scores, wholebody.scores)

    openpose = make(OPENPOSE, seed)
    back = convert(convert(openpose, WHOLEBODY), OPENPOSE)
    shared = sorted({**SHARED, **BELOW})
    np.testing.assert_array_equal(back.keypoints[:, shared], openpose.keypoints[:, shared])
    assert not back.detected[:, PUPILS].any()
    for derived, ends in ((NECK, (2, 5)), (MID_HIP, (9, 12))):
        middle = openpose.keypoints[:, ends].mean(1)
        np.testing.assert_allclose(back.keypoints[:, derived], middle, rtol=1e-6)
        lowest = openpose.scores[:, ends].min(1)
        np.testing.assert_array_equal(back.scores[:, derived], lowest)


def test_what_is_lost_is_said():
    assert LAYOUT_MAPS["openpose_137", "wholebody_133"].lossy
    assert not LAYOUT_MAPS["wholebody_133", "openpose_137"].lossy
    assert LAYOUT_MAPS["wholebody_133", "openpose_137"].absent == ("right_pupil", "left_pupil")
    face, hands = TARGET.parts["face"], TARGET.parts["left_hand"] + TARGET.parts["right_hand"]
    for source in ("coco_17", "openpose_18"):
        layout_map = LAYOUT_MAPS[source, TARGET.name]
        assert layout_map.lossy
        assert set(layout_map.absent) == {*face, *hands}
    for source in ("dwpose_128", "halpe_136", "mediapipe_553"):
        assert LAYOUT_MAPS[source, TARGET.name].absent == ()


@pytest.mark.parametrize("key", LAYOUT_MAPS)
def test_every_map_commutes_with_the_mirror(key):
    sequence, target = make(SKELETONS[key[0]]), SKELETONS[key[1]]
    one, other = convert(mirror(sequence), target), mirror(convert(sequence, target))
    np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)
    np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize("key", LAYOUT_MAPS)
def test_what_a_source_lacks_is_nan_with_score_zero(key):
    layout_map = LAYOUT_MAPS[key]
    result = convert(make(SKELETONS[key[0]], missing=0), SKELETONS[key[1]])
    absent = layout_map.target.indices(layout_map.absent)
    assert np.isnan(result.keypoints[:, absent]).all()
    present = np.setdiff1d(np.arange(len(layout_map.target)), absent)
    assert result.detected[:, present].all()


def test_one_person_in_two_layouts_gives_a_model_the_same_points():
    """Whichever way a pose comes to the model layout, its points are the same."""
    wholebody = make(WHOLEBODY, missing=0.1)
    by_openpose = convert(convert(wholebody, OPENPOSE), TARGET)
    direct = convert(wholebody, TARGET)
    np.testing.assert_allclose(by_openpose.keypoints, direct.keypoints, rtol=1e-6)
    np.testing.assert_array_equal(by_openpose.scores, direct.scores)


PARTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")


@pytest.fixture(scope="module")
def annotated_twice(real_data):
    """People of four photographs as Halpe and as COCO-WholeBody annotate them, both with (133, 3)
    in WholeBody's order.
    """
    folder = real_data / "format-samples" / "coco-wholebody" / "tests" / "data"
    halpe = json.loads((folder / "halpe" / "test_halpe.json").read_text())["annotations"]
    coco = json.loads((folder / "coco" / "test_coco_wholebody.json").read_text())["annotations"]
    whole = {a["id"]: np.reshape([n for part in PARTS for n in a[part]], (133, 3)) for a in coco}
    places = [SKELETONS["halpe_136"].index(name) for name in WHOLEBODY.keypoints]
    pairs = []
    for annotation in halpe:
        one, other = np.reshape(annotation["keypoints"], (136, 3))[places], whole[annotation["id"]]
        pairs.append((one, other, max(annotation["bbox"][2:])))
    return pairs


@pytest.mark.shared
def test_halpe_and_wholebody_mean_the_same_points(annotated_twice):
    """Where both annotate a point it is one place, to the annotators' skill."""
    gaps = {name: [] for name in WHOLEBODY.keypoints}
    for one, other, size in annotated_twice:
        both = (one[:, 2] > 0) & (other[:, 2] > 0)
        apart = np.linalg.norm(one[:, :2] - other[:, :2], axis=-1) / size
        for v in np.flatnonzero(both):
            gaps[WHOLEBODY.keypoints[v]].append(apart[v])
    assert sum(map(len, gaps.values())) > 300
    body = [g for name in SKELETONS["coco_17"].keypoints for g in gaps[name]]
    assert max(body) < 0.01  # Halpe took the body from COCO
    hands = [g for name in gaps if name in TARGET.parts["left_hand"] for g in gaps[name]]
    assert np.median(hands) < 0.03
    assert np.median([g for name in gaps for g in gaps[name]]) < 0.02


@pytest.mark.shared
def test_halpes_feet_are_wholebodys_feet(annotated_twice):
    """Toes, small toes and heels of both sides stand in another order in the two layouts: of all
    ways to pair them, pairing them by name brings them nearest.
    """
    apart, feet = np.zeros((6, 6)), 0
    for one, other, size in annotated_twice:
        a, b = one[17:23], other[17:23]
        if (a[:, 2] > 0).all() and (b[:, 2] > 0).all():
            apart += np.linalg.norm(a[:, None, :2] - b[None, :, :2], axis=-1) / size
            feet += 6
    assert feet == 18
    assert linear_sum_assignment(apart)[1].tolist() == list(range(6))
