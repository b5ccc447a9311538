import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mgpose.structures import KINECT_20, UPPER_BODY_HANDS_FACE, skeleton_by_name
from mgpose.structures.canonical import canonicalise

LAYOUT = UPPER_BODY_HANDS_FACE


def person(frames=12, seed=0):
    """Pixels of a facing person: the left shoulder on the right of the image, y down."""
    rng = np.random.default_rng(seed)
    keypoints = rng.normal((640, 300), 60, (frames, len(LAYOUT), 2))
    keypoints[:, LAYOUT.index("left_shoulder")] = (740, 320)
    keypoints[:, LAYOUT.index("right_shoulder")] = (540, 320)
    keypoints[:, LAYOUT.index("neck")] = (640, 320)
    keypoints[:, LAYOUT.index("left_wrist")] = (740, 520)
    return keypoints.astype(np.float32)


def walker(frames=9, seed=0):
    """Metres, y up: hip at the origin of the first frame, shoulders turned by 40 degrees."""
    rng = np.random.default_rng(seed)
    keypoints = rng.normal(0, 0.4, (frames, 20, 3))
    keypoints[:, KINECT_20.index("hip_centre")] = (0, 0, 3)
    keypoints[:, KINECT_20.index("shoulder_centre")] = (0, 0.5, 3)
    across = 0.2 * np.array([np.cos(0.7), 0.1, np.sin(0.7)])
    middle = np.array([0, 0.5, 3])
    keypoints[:, KINECT_20.index("left_shoulder")] = middle - across
    keypoints[:, KINECT_20.index("right_shoulder")] = middle + across
    return keypoints.astype(np.float32)


def test_the_upper_body_is_measured_in_shoulder_widths_from_mid_shoulder():
    out = canonicalise(person(), LAYOUT)
    assert out.dtype == np.float32
    assert_allclose(out[:, LAYOUT.index("neck")], 0, atol=1e-6)
    assert_allclose(out[0, LAYOUT.index("left_shoulder")], (0.5, 0), atol=1e-6)
    assert_allclose(out[0, LAYOUT.index("right_shoulder")], (-0.5, 0), atol=1e-6)
    # 200 pixels below a shoulder, shoulders 200 pixels apart: one width down.
    assert_allclose(out[0, LAYOUT.index("left_wrist")], (0.5, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("skeleton", "source"), [(LAYOUT, person()), (KINECT_20, walker())], ids=["2d", "3d"]
)
def test_place_and_size_of_the_source_do_not_matter(skeleton, source):
    shift = np.array([31.5, -7.25, 11.0])[: source.shape[-1]]
    moved = (source.astype(np.float64) * 2.7 + shift).astype(np.float32)
    assert_allclose(canonicalise(moved, skeleton), canonicalise(source, skeleton), atol=2e-4)
    again = canonicalise(canonicalise(source, skeleton), skeleton)
    assert_allclose(again, canonicalise(source, skeleton), atol=1e-5)


@pytest.mark.parametrize("turn", [0.0, 0.4, 2.0, 3.1, -1.3])
def test_turning_a_walker_about_the_vertical_does_not_matter(turn):
    source = walker().astype(np.float64)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = source @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    out = canonicalise(turned.astype(np.float32), KINECT_20)
    assert_allclose(out, canonicalise(source.astype(np.float32), KINECT_20), atol=1e-5)
    left, right = (out[0, KINECT_20.index(f"{side}_shoulder")] for side in ("left", "right"))
    assert (right - left)[0] > 0
    assert abs((right - left)[2]) < 1e-5
    assert_allclose(out[..., 1], source[..., 1] / 0.5, atol=1e-5)  # heights as they were


def test_a_walker_stands_at_the_hip_of_the_first_frame_and_walks_on():
    source = walker()
    walked = source + np.linspace(0, 2, len(source), dtype=np.float32)[:, None, None] * (0, 0, 1)
    out = canonicalise(walked.astype(np.float32), KINECT_20)
    hip = out[:, KINECT_20.index("hip_centre")]
    assert_allclose(hip[0], 0, atol=1e-6)
    assert_allclose(np.linalg.norm(hip[-1]), 2 / 0.5, rtol=1e-5)


def test_lengths_keep_their_ratios_under_facing():
    source = walker()
    out = canonicalise(source, KINECT_20)
    a, b = KINECT_20.edge_indices.T
    before = np.linalg.norm(source[:, a] - source[:, b], axis=-1)
    assert_allclose(np.linalg.norm(out[:, a] - out[:, b], axis=-1), before / 0.5, rtol=1e-4)


def test_motion_of_the_torso_stays_visible():
    sway = np.zeros((12, 1, 2), np.float32)
    sway[6:, 0, 0] = 20
    out = canonicalise(person() + sway, LAYOUT)
    neck = out[:, LAYOUT.index("neck"), 0]
    assert_allclose(neck[6:] - neck[:6], 0.1, atol=1e-6)


@pytest.mark.parametrize(
    ("skeleton", "source"), [(LAYOUT, person()), (KINECT_20, walker())], ids=["2d", "3d"]
)
def test_missing_stays_missing_and_changes_nothing_else(skeleton, source):
    holes = np.random.default_rng(1).random(source.shape[:2]) < 0.3
    holes[:, : skeleton.index("left_wrist") + 4] = False
    holed = source.copy()
    holed[holes] = np.nan
    out, full = canonicalise(holed, skeleton), canonicalise(source, skeleton)
    assert_array_equal(np.isnan(out).all(-1), holes)
    assert_array_equal(out[~holes], full[~holes])
    assert np.isnan(holed[holes]).all()


def test_a_frame_with_misplaced_shoulders_changes_no_other_frame():
    source = person()
    source[0, LAYOUT.index("left_shoulder")] += 500
    source[0, LAYOUT.index("neck")] -= 500
    assert_allclose(canonicalise(source, LAYOUT)[1:], canonicalise(person(), LAYOUT)[1:], atol=1e-6)


def test_one_frame_with_shoulders_is_enough():
    source = person()
    hidden = LAYOUT.index("left_shoulder")
    source[:-1, hidden] = np.nan
    expected = canonicalise(person(), LAYOUT)
    expected[:-1, hidden] = np.nan
    assert_allclose(canonicalise(source, LAYOUT), expected, atol=1e-5)


def test_clips_without_a_frame_of_reference_are_refused():
    source = person()
    source[:, LAYOUT.index("left_shoulder")] = np.nan
    with pytest.raises(ValueError, match="no frame shows neck, left_shoulder, right_shoulder"):
        canonicalise(source, LAYOUT)
    flat = np.zeros((3, len(LAYOUT), 2), np.float32)  # shoulders of width 0
    with pytest.raises(ValueError, match="no frame shows"):
        canonicalise(flat, LAYOUT)
    with pytest.raises(ValueError, match="has no canonical frame"):
        canonicalise(np.zeros((3, 133, 2), np.float32), skeleton_by_name("wholebody_133"))
