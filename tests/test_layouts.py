"""The frozen layout table, proved by mirrors and by the geometry of real frames."""

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgpose.io import PoseStore
from mgpose.io.importers.holistic_arrays import read_npz_sets
from mgpose.structures import (
    SKELETONS,
    UPPER_BODY_HANDS_FACE,
    PoseSequence,
    convert,
    mirror,
    skeleton_by_name,
)
from mgpose.structures.conversion import LAYOUT_MAPS
from mgpose.structures.layouts import FACE_CONTOUR_VERTICES, LAYOUT_TABLE

TARGET = UPPER_BODY_HANDS_FACE
SOURCES = sorted(source for source, target in LAYOUT_MAPS if target == TARGET.name)
WITH_HANDS = [s for s in SOURCES if "left_hand_root" not in LAYOUT_MAPS[s, TARGET.name].absent]
UNITS = {"pixel": (640, 480), "normalised": None, "metre": None}


def make(skeleton, seed=0, unit="pixel", dims=2, missing=0.2):
    rng = np.random.default_rng(seed)
    shape = (5, len(skeleton))
    keypoints = rng.uniform(0, 400, (*shape, dims)).astype(np.float32)
    scores = rng.uniform(0.1, 1, shape).astype(np.float32)
    lost = rng.uniform(size=shape) < missing
    keypoints[lost], scores[lost] = np.nan, 0
    time = np.arange(5.0)
    return PoseSequence(skeleton, keypoints, scores, time, unit, "index", UNITS[unit])


def assert_same_poses(a, b):
    np.testing.assert_allclose(a.keypoints, b.keypoints, atol=1e-3)
    np.testing.assert_array_equal(a.scores, b.scores)


@given(
    source=st.sampled_from(SOURCES),
    seed=st.integers(0, 99),
    unit=st.sampled_from(sorted(UNITS)),
    dims=st.sampled_from((2, 3)),
)
@settings(max_examples=60, deadline=None)
def test_mirror_and_conversion_commute(source, seed, unit, dims):
    sequence = make(SKELETONS[source], seed, unit, dims)
    assert_same_poses(convert(mirror(sequence), TARGET), mirror(convert(sequence, TARGET)))


@given(st.sampled_from(sorted(SKELETONS)), st.integers(0, 99), st.sampled_from(sorted(UNITS)))
@settings(max_examples=60, deadline=None)
def test_mirror_twice_is_the_identity_on_paired_keypoints(name, seed, unit):
    sequence = make(SKELETONS[name], seed, unit)
    twice = mirror(mirror(sequence))
    skeleton = sequence.skeleton
    paired = np.setdiff1d(np.arange(len(skeleton)), skeleton.indices(skeleton.unpaired))
    np.testing.assert_allclose(twice.keypoints[:, paired], sequence.keypoints[:, paired], atol=1e-3)
    np.testing.assert_array_equal(twice.scores[:, paired], sequence.scores[:, paired])
    unpaired = skeleton.indices(skeleton.unpaired)
    assert not twice.detected[:, unpaired].any()


@pytest.mark.parametrize("source", SOURCES)
def test_points_are_copied_by_name_and_derived_from_their_sources(source):
    sequence = make(SKELETONS[source], missing=0)
    result = convert(sequence, TARGET)
    layout_map = LAYOUT_MAPS[source, TARGET.name]
    for v, (name, places) in enumerate(zip(TARGET.keypoints, layout_map.places, strict=True)):
        if len(places) == 1:
            assert sequence.skeleton.keypoints[places[0]] == name
            np.testing.assert_array_equal(result.keypoints[:, v], sequence.keypoints[:, places[0]])
        elif places:
            ends = {sequence.skeleton.keypoints[p] for p in places}
            part = {"neck": "shoulder", "mid_hip": "hip"}[name]
            assert ends == {f"left_{part}", f"right_{part}"}
            middle = sequence.keypoints[:, list(places)].mean(1)
            np.testing.assert_allclose(result.keypoints[:, v], middle, rtol=1e-6)
            lowest = sequence.scores[:, list(places)].min(1)
            np.testing.assert_array_equal(result.scores[:, v], lowest)
    assert layout_map.lossy


@pytest.mark.parametrize("source", SOURCES)
def test_no_source_point_stands_for_two_targets(source):
    copied = [p[0] for p in LAYOUT_MAPS[source, TARGET.name].places if len(p) == 1]
    assert len(copied) == len(set(copied))
    assert max(copied) < len(SKELETONS[source])


def test_what_a_source_lacks_is_masked_never_zero():
    absent = {source: set(LAYOUT_MAPS[source, TARGET.name].absent) for source in SOURCES}
    assert absent["mediapipe_543"] == absent["wholebody_133"] == absent["openpose_137"] == set()
    assert absent["mediapipe_contours_203"] == {"nose_tip", "nose_base"}
    assert absent["mediapipe_body_hands_75"] == set(TARGET.parts["face"])
    for source in SOURCES:
        result = convert(make(SKELETONS[source], missing=0), TARGET)
        for v, name in enumerate(TARGET.keypoints):
            assert result.detected[:, v].all() == (name not in absent[source])
            assert np.isnan(result.keypoints[:, v]).any() == (name in absent[source])
            assert (result.scores[:, v] == 0).any() == (name in absent[source])


@pytest.mark.parametrize("source", WITH_HANDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_lone_hand_stays_that_hand(source, side):
    sequence = make(SKELETONS[source], missing=0)
    others = [v for v, k in enumerate(sequence.skeleton.keypoints) if not is_hand(k, side)]
    sequence.keypoints[:, others], sequence.scores[:, others] = np.nan, 0
    result = convert(sequence, TARGET)
    found = {TARGET.keypoints[v] for v in np.flatnonzero(result.detected.all(0))}
    assert found == set(TARGET.parts[f"{side}_hand"])
    mirrored = mirror(result).detected.all(0)
    other = {"left": "right", "right": "left"}[side]
    assert {TARGET.keypoints[v] for v in np.flatnonzero(mirrored)} == set(
        TARGET.parts[f"{other}_hand"]
    )


def is_hand(name, side):
    return name in TARGET.parts[f"{side}_hand"]


def test_conversion_to_itself_and_to_the_unknown():
    sequence = make(TARGET)
    assert convert(sequence, TARGET) is sequence
    with pytest.raises(ValueError, match="no conversion florence_15 -> upper_body_hands_face"):
        convert(make(skeleton_by_name("florence_15")), TARGET)


@pytest.mark.parametrize("source", ["kinect_20", "kinect_25"])
def test_metres_are_turned_to_the_axes_of_an_image(source):
    """Left of the person is right in the image; the hips are below the neck."""
    kinect = skeleton_by_name(source)
    upright = {"left_shoulder": (-0.2, 1.4), "right_shoulder": (0.2, 1.4),
               "left_hip": (-0.1, 0.9), "right_hip": (0.1, 0.9)}  # fmt: skip
    keypoints = np.full((1, len(kinect), 3), 0.5, dtype=np.float32)
    for name, place in upright.items():
        keypoints[0, kinect.keypoints.index(name)] = (*place, 3.0)
    scores = np.ones((1, len(kinect)), dtype=np.float32)
    sequence = PoseSequence(kinect, keypoints, scores, np.arange(1.0), "metre", "index")
    found = dict(zip(TARGET.keypoints, convert(sequence, TARGET).keypoints[0], strict=True))
    np.testing.assert_allclose(found["left_shoulder"], (0.2, -1.4, 3.0))
    np.testing.assert_allclose(found["neck"], (0.0, -1.4, 3.0))
    np.testing.assert_allclose(found["mid_hip"], (0.0, -0.9, 3.0))


def test_the_table_is_the_contract():
    """Shipped weights depend on these names in this order: a change here needs a new layout."""
    assert [row.name for row in LAYOUT_TABLE] == list(TARGET.keypoints)
    assert [len(names) for names in TARGET.parts.values()] == [13, 21, 21, 15]
    assert TARGET.keypoints[:4] == ("nose", "left_eye", "right_eye", "left_ear")
    assert TARGET.keypoints[13:15] == ("left_hand_root", "left_thumb_cmc")
    assert TARGET.keypoints[34] == "right_hand_root"
    assert TARGET.keypoints[55:57] == ("right_brow_outer", "right_brow_inner")


# The geometry of real frames.


def geometry(sequences):
    """Checks that only the right points in the right places pass."""
    poses = [convert(sequence, TARGET).keypoints[..., :2] for sequence in sequences]
    points = dict(zip(TARGET.keypoints, np.concatenate(poses).swapaxes(0, 1), strict=True))

    def share(condition, *names):
        """Share of the frames that hold all of the points in which the condition is true."""
        seen = np.isfinite(np.stack([points[n] for n in names])).all((0, 2))
        assert seen.any(), names
        return condition[seen].mean()

    unit = np.linalg.norm(points["left_shoulder"] - points["right_shoulder"], axis=-1)
    for side in ("left", "right"):
        wrist, root = f"{side}_wrist", f"{side}_hand_root"
        gap = np.linalg.norm(points[wrist] - points[root], axis=-1) / unit
        assert share(gap < 0.5, wrist, root) > 0.85
        assert np.nanmedian(gap) < 0.2
        for finger in ("index", "middle", "ring", "pinky"):
            names = [f"{side}_{finger}_{joint}" for joint in ("mcp", "pip")]
            root_to = [np.linalg.norm(points[n] - points[root], axis=-1) for n in names]
            assert np.nanmedian(root_to[0]) > 0.1 * np.nanmedian(gap)
            chain = np.linalg.norm(points[names[0]] - points[names[1]], axis=-1)
            assert np.nanmedian(chain) < np.nanmedian(root_to[0])
    x = {name: place[:, 0] for name, place in points.items()}
    y = {name: place[:, 1] for name, place in points.items()}
    eyes = ("left_eye", "right_eye")
    between = (x["nose"] < x["left_eye"]) & (x["nose"] > x["right_eye"])
    assert share(between, "nose", *eyes) >= 0.85  # heads turn
    assert share(y["nose"] > y["left_eye"], "nose", *eyes) > 0.95
    assert share(x["left_shoulder"] > x["right_shoulder"], *paired("shoulder")) > 0.99
    assert share(x["left_ear"] > x["right_ear"], *paired("ear")) > 0.95
    assert share(y["neck"] > y["nose"], "neck", "nose") > 0.95
    assert share(y["mid_hip"] > y["neck"], "neck", "mid_hip") > 0.99
    return x, y, share


def paired(name):
    return f"left_{name}", f"right_{name}"


def face_geometry(x, y, share, absent=()):
    for name in ("brow_outer", "brow_inner", "eye_corner_outer", "eye_corner_inner"):
        left, right = paired(name)
        assert share(x[left] > x[right], left, right) > 0.9, name
    assert share(x["left_mouth_corner"] > x["right_mouth_corner"], *paired("mouth_corner")) > 0.9
    for side, sign in (("left", 1), ("right", -1)):
        for name in ("brow", "eye_corner"):
            outer, inner = f"{side}_{name}_outer", f"{side}_{name}_inner"
            assert share(sign * (x[outer] - x[inner]) > 0, outer, inner) > 0.85
        brow, eye = f"{side}_brow_inner", f"{side}_eye_corner_inner"
        assert share(y[brow] < y[eye], brow, eye) > 0.95
    column = ("left_eye_corner_inner", "nose_tip", "nose_base", "upper_lip", "lower_lip", "chin")
    column = [name for name in column if name not in absent]
    for upper, lower in pairwise(column):
        assert share(y[upper] < y[lower], upper, lower) > 0.9, (upper, lower)


def test_geometry_of_the_extracted_sample(repo):
    store = PoseStore(repo / "data/sample")
    face_geometry(*geometry(list(store.values())))


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["holistic-signs-mp", "ksl13-mp-body-hands"])
def test_geometry_of_real_arrays(real_data, folder):
    by_recorder = defaultdict(list)
    for pose in read_npz_sets(real_data / folder):
        by_recorder[pose.video_id.split("_")[0]].append(pose.sequence)
    assert len(by_recorder) >= 5
    for sequences in by_recorder.values():
        checks = geometry(sequences[::5])
        if folder.startswith("holistic"):
            face_geometry(*checks, absent=("nose_tip", "nose_base"))


@pytest.mark.shared
def test_contour_vertices_are_those_of_the_set(real_data):
    path = real_data / "holistic-signs-mp/facemesh_contours_128.json"
    stored = json.loads(path.read_text())
    vertices = stored if isinstance(stored, list) else next(iter(stored.values()))
    assert tuple(vertices) == FACE_CONTOUR_VERTICES


def test_contour_vertices_are_mediapipes():
    connections = pytest.importorskip("mediapipe.python.solutions.face_mesh_connections")
    vertices = sorted({v for edge in connections.FACEMESH_CONTOURS for v in edge})
    assert tuple(vertices) == FACE_CONTOUR_VERTICES


def test_hand_and_pose_names_are_mediapipes():
    pytest.importorskip("mediapipe")
    from mediapipe.python.solutions.hands import HandLandmark
    from mediapipe.python.solutions.pose import PoseLandmark

    names = SKELETONS["mediapipe_543"].keypoints
    ours = {"mouth_left": "left_mouth", "mouth_right": "right_mouth"}
    for landmark in PoseLandmark:
        name = landmark.name.lower()
        assert names[landmark.value] == ours.get(name, name)
    for landmark in HandLandmark:
        name = landmark.name.lower().replace("finger", "").replace("__", "_")
        name = "hand_root" if name == "wrist" else name
        assert names[501 + landmark.value] == f"left_{name}"
        assert names[522 + landmark.value] == f"right_{name}"
