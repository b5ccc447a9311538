import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgpose.structures import (
    KINECT_20,
    SKELETONS,
    UPPER_BODY_HANDS_FACE,
    Annotation,
    Canonical,
    FrameFlag,
    InputError,
    PoseSequence,
    Skeleton,
    Split,
    groups_of,
    ledger_totals,
    mirror,
    run_tool,
    skeleton_by_name,
)
from mgpose.structures.ledger import validate_ledger

SMALL = Skeleton(
    "small",
    ("left_eye", "right_eye", "nose"),
    edges=(("nose", "left_eye"), ("nose", "right_eye")),
    parts={"eyes": ("left_eye", "right_eye"), "nose": ("nose",)},
)


def make(frames=4, **changes):
    keypoints = np.random.default_rng(0).uniform(0, 90, (frames, 3, 2)).astype(np.float32)
    values = {
        "skeleton": SMALL,
        "keypoints": keypoints,
        "scores": np.full((frames, 3), 0.5, np.float32),
        "time": np.arange(frames) / 25,
        "unit": "pixel",
        "time_source": "container",
        "frame_size": (100, 80),
    }
    return PoseSequence(**{**values, **changes})


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


# PoseSequence.


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("keypoints", np.zeros((4, 17, 2), np.float32), r"\(T, 3, 2 or 3\).*got \(4, 17, 2\)"),
        ("keypoints", np.zeros((4, 3), np.float32), r"got \(4, 3\)"),
        ("keypoints", np.zeros((4, 3, 2)), "must be float32, got float64"),
        ("scores", np.zeros((4, 3)), "must be float32"),
        ("scores", np.zeros((3, 3), np.float32), r"scores must have shape \(4, 3\)"),
        ("scores", np.full((4, 3), 1.5, np.float32), r"lie in \[0, 1\], got 1.5"),
        ("scores", np.full((4, 3), np.nan, np.float32), r"lie in \[0, 1\]"),
        ("time", np.zeros(4), "strictly increasing"),
        ("time", np.arange(4), "time must be float64"),
        ("time", np.array([0, 1, 2, np.inf]), "finite"),
        ("unit", "inch", "unit must be one of"),
        ("time_source", "clock", "time_source must be one of"),
        ("ledger", np.zeros(4, np.uint16), "exactly one of decoded, failed, imported; frame 0"),
        ("ledger", np.full(4, 5, np.uint16), "exactly one of"),
        ("ledger", np.ones(3, np.uint16), r"shape \(4,\)"),
    ],
)
def test_sequence_refuses(field, value, message):
    with pytest.raises(ValueError, match=message):
        make(**{field: value})


def test_missing_is_nan_in_full_with_score_zero():
    sequence = make()
    with pytest.raises(ValueError, match="all of its coordinates or in none"):
        make(keypoints=changed(sequence.keypoints, (1, 1, 0), np.nan))
    with pytest.raises(ValueError, match="0 where the keypoint is NaN"):
        make(keypoints=changed(sequence.keypoints, (1, 1), np.nan))
    with pytest.raises(ValueError, match="infinity"):
        make(keypoints=changed(sequence.keypoints, (1, 1), np.inf))
    good = make(
        keypoints=changed(sequence.keypoints, (1, 1), np.nan),
        scores=changed(sequence.scores, (1, 1), 0),
    )
    assert good.detected.sum() == 11


@given(st.integers(1, 30), st.data())
@settings(max_examples=30, deadline=None)
def test_windows_are_slices(frames, data):
    start = data.draw(st.integers(0, frames - 1))
    stop = data.draw(st.integers(start + 1, frames))
    sequence = make(frames)
    part = sequence.window(start, stop)
    assert len(part) == stop - start
    for name in ("keypoints", "scores", "time", "ledger"):
        np.testing.assert_array_equal(getattr(part, name), getattr(sequence, name)[start:stop])


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (-1, 2), (2, 2), (3, 1)])
def test_windows_stay_inside(start, stop):
    with pytest.raises(ValueError, match=r"inside 0\.\.4"):
        make().window(start, stop)


def test_a_sequence_without_ledger_is_imported():
    assert (make().ledger == FrameFlag.IMPORTED).all()
    assert ledger_totals(make().ledger)["imported"] == 4


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_ledger_totals_balance(flags):
    ledger = np.array(flags, np.uint16)
    try:
        validate_ledger(ledger, len(flags))
    except ValueError:
        return
    totals = ledger_totals(ledger)
    assert totals["decoded"] + totals["failed"] + totals["imported"] == len(flags)


@pytest.mark.parametrize(("unit", "width"), [("pixel", 99.0), ("normalised", 1.0), ("metre", 0.0)])
def test_mirror_reflects_and_swaps(unit, width):
    sequence = make(unit=unit)
    seen = mirror(sequence)
    np.testing.assert_allclose(seen.keypoints[:, 0, 0], width - sequence.keypoints[:, 1, 0])
    np.testing.assert_allclose(seen.keypoints[:, 2, 0], width - sequence.keypoints[:, 2, 0])
    np.testing.assert_array_equal(seen.keypoints[:, 0, 1], sequence.keypoints[:, 1, 1])
    np.testing.assert_allclose(mirror(seen).keypoints, sequence.keypoints, atol=1e-4)


def test_mirror_of_pixels_needs_the_frame():
    with pytest.raises(ValueError, match="needs frame_size"):
        mirror(make(frame_size=None))


# Skeleton.


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_every_skeleton_keeps_the_laws(skeleton):
    order = skeleton.mirror_permutation
    np.testing.assert_array_equal(order[order], np.arange(len(skeleton)))
    for name, mirrored in zip(skeleton.keypoints, order, strict=True):
        sides = {name.split("_")[0], skeleton.keypoints[mirrored].split("_")[0]}
        assert sides == {"left", "right"} or skeleton.keypoints[mirrored] == name
    assert copy.deepcopy(skeleton) is skeleton
    again = pickle.loads(pickle.dumps(skeleton))
    assert again == skeleton
    assert hash(again) == hash(skeleton)
    assert skeleton_by_name(skeleton.name) == skeleton


@pytest.mark.parametrize("skeleton", [UPPER_BODY_HANDS_FACE, KINECT_20], ids=lambda s: s.name)
def test_model_layouts_are_connected_symmetric_graphs(skeleton):
    hops = skeleton.hop_distances
    assert (hops == hops.T).all()
    assert hops.max() < len(skeleton)
    order = skeleton.mirror_permutation
    np.testing.assert_array_equal(hops[order][:, order], hops)
    edges = {frozenset(edge) for edge in skeleton.edge_indices.tolist()}
    assert {frozenset(order[list(edge)].tolist()) for edge in edges} == edges
    parents = skeleton.parents
    roots = np.flatnonzero(parents == np.arange(len(skeleton)))
    assert [skeleton.keypoints[r] for r in roots] == [skeleton.canonical.root[0]]
    assert sorted(np.concatenate([np.flatnonzero(skeleton.part_of == i)
                                  for i in range(len(skeleton.parts))])) == list(range(len(skeleton)))  # fmt: skip  # noqa: E501


def test_mirror_swaps_the_hand_parts():
    skeleton = UPPER_BODY_HANDS_FACE
    left = skeleton.indices(skeleton.parts["left_hand"])
    right = skeleton.indices(skeleton.parts["right_hand"])
    np.testing.assert_array_equal(skeleton.mirror_permutation[left], right)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": ("a", "a")}, r"duplicates \['a'\]"),
        ({"edges": (("a", "z"),)}, r"no keypoints \['z'\]"),
        ({"parts": {"p": ("a",)}}, "each keypoint exactly once"),
        ({"parts": {"p": ("a", "b"), "q": ("b",)}}, "each keypoint exactly once"),
        ({"canonical": Canonical(("z",), (("a",), ("b",)))}, r"no keypoints \['z'\]"),
        ({"dims": 4}, "dims must be 2 or 3, got 4"),
    ],
)
def test_skeleton_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        Skeleton(**{"name": "x", "keypoints": ("a", "b"), **changes})


def test_unknown_names_are_told():
    with pytest.raises(KeyError, match="'small' has no keypoint 'tail'"):
        SMALL.index("tail")
    with pytest.raises(ValueError, match=r"unknown skeleton 'x'; known: .*kinect_20"):
        skeleton_by_name("x")


def test_canonical_refuses():
    with pytest.raises(ValueError, match="'clip_median' or 'first_frame'"):
        Canonical(("a",), (("a",), ("b",)), over="clip")
    with pytest.raises(ValueError, match="0 or 2 keypoints"):
        Canonical(("a",), (("a",), ("b",)), facing=("a",))


# Annotation and Split.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": 1.0}, "0 <= start < stop"),
        ({"start": -1.0}, "0 <= start < stop"),
        ({"stop": float("nan")}, "0 <= start < stop"),
        ({"unit": "minute"}, "'second' or 'frame'"),
        ({"confidence": 1.1}, r"lie in \[0, 1\]"),
        ({"label": ""}, "empty label"),
    ],
)
def test_annotation_refuses(changes, message):
    values = {"video": "v", "subject": "s", "start": 1.0, "stop": 2.0, "label": "x"}
    with pytest.raises(ValueError, match=message):
        Annotation(**{**values, **changes})


def test_groups_of_annotations():
    rows = [Annotation(f"v{i}", f"s{i % 2}", 0, 1, "x", groups={"day": str(i)}) for i in range(3)]
    groups = groups_of(rows, ("video", "subject", "day"))
    assert groups["subject"] == {"v0": "s0", "v1": "s1", "v2": "s0"}
    assert groups["day"]["v2"] == "2"
    with pytest.raises(KeyError, match="no group 'camera'"):
        rows[0].group("camera")


SUBJECTS = {"subject": {"a": "1", "b": "2", "c": "3", "d": "1"}}


def test_split_refuses_what_leaks():
    Split("p", "only", ("a",), ("b",), ("c",), SUBJECTS)
    with pytest.raises(ValueError, match="share 1 videos, such as 'a'"):
        Split("p", "only", ("a", "b"), ("a",))
    with pytest.raises(ValueError, match="train and test share the subject 1"):
        Split("p", "only", ("a", "b"), ("d",), (), SUBJECTS)
    with pytest.raises(ValueError, match="val and test share the subject 1"):
        Split("p", "only", ("b",), ("d",), ("a",), SUBJECTS)
    with pytest.raises(ValueError, match="the train part is empty"):
        Split("p", "only", (), ("a",))


def test_a_declared_exception_is_kept():
    split = Split("p", "only", ("a", "b"), ("d",), (), SUBJECTS, {"subject": "the same people"})
    assert split.exceptions == {"subject": "the same people"}


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, unique=True), st.data())
@settings(max_examples=50, deadline=None)
def test_a_split_that_stands_shares_no_group(videos, data):
    values = {v: data.draw(st.sampled_from("123")) for v in videos}
    cut = data.draw(st.integers(1, len(videos) - 1))
    try:
        split = Split("p", "f", tuple(videos[:cut]), tuple(videos[cut:]), (), {"g": values})
    except ValueError:
        assert {values[v] for v in videos[:cut]} & {values[v] for v in videos[cut:]}
    else:
        assert not {values[v] for v in split.train} & {values[v] for v in split.test}


# Tools.


def test_tools_end_with_a_line_and_a_code(capsys):
    def fail():
        raise InputError("a.mp4: expected a video, found nothing")

    for main, code, text in (
        (lambda: 0, 0, ""),
        (fail, 2, "error: a.mp4: expected a video, found nothing\n"),
    ):
        with pytest.raises(SystemExit) as end:
            run_tool(main)
        assert end.value.code == code
        assert capsys.readouterr().err == text


@pytest.mark.parametrize("skeleton", [UPPER_BODY_HANDS_FACE, KINECT_20], ids=lambda s: s.name)
def test_parents_have_mirror_images(skeleton):
    mirrored, parents = skeleton.mirror_permutation, skeleton.parents
    assert (parents[mirrored] == mirrored[parents]).all()
    root = skeleton.index(skeleton.canonical.root[0])
    assert np.flatnonzero(parents == np.arange(len(skeleton))).tolist() == [root]
