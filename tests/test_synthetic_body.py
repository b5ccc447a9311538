"""The seated body of the synthetic generator: bones, mirror, frames of reference, face, hands."""

from itertools import pairwise

import numpy as np
import pytest

from mgpose.data.synthetic.body import (
    ELBOW_POLE,
    HEAD_PLACES,
    TRACKS,
    HandTracks,
    Proportions,
    approach,
    bend_arm,
    effector_offset,
    head_frame,
    keypoints,
    place_of,
    trunk_frame,
)
from mgpose.data.synthetic.hand import EFFECTORS, SHAPES, SIDES, hand_points
from mgpose.data.synthetic.idle import minimum_jerk
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT
from mgpose.structures.layouts import HAND_KEYPOINTS

FRAMES = 40
BODY = Proportions(
    head=1.1, neck=0.95, face_width=1.05, face_height=0.93, eyes=1.04, mouth=1.1, upper_arm=0.9,
    forearm=0.7, hand=0.5, trunk=1.5, slope=0.04,
)  # fmt: skip
FACE_TRACKS = ("mouth", "press", "bite", "puff", "brow")
TURNED_BY_A_MIRROR = ("torso_roll", "torso_yaw", "torso_shift", "head_yaw", "head_roll")
FINGERS = [[0, *range(first, first + 4)] for first in (5, 9, 13, 17)]


def random_posture(seed):
    rng = np.random.default_rng([1, seed])
    return {
        track: rng.uniform(0, 1, FRAMES)
        if track in FACE_TRACKS
        else 0.25 * rng.standard_normal(FRAMES)
        for track in TRACKS
    }


def random_hand(seed):
    rng = np.random.default_rng([2, seed])
    return HandTracks(
        wrist=rng.uniform((-0.4, -0.9, -0.3), (0.8, 1.2, 0.9), (FRAMES, 3)),
        angles=rng.uniform((0, -1.3, -1.5), (6.3, 1.3, 1.5), (FRAMES, 3)),
        shape=rng.uniform(0, 1.1, (FRAMES, 6)),
        pole=np.tile(ELBOW_POLE, (FRAMES, 1)),
        hidden=np.zeros(FRAMES),
    )


def still(frames=1, **tracks):
    """A posture at rest but for the tracks given."""
    return {track: np.full(frames, tracks.get(track, 0.0)) for track in TRACKS}


def render(posture, hands, body=BODY):
    trunk = trunk_frame(body, posture)
    return keypoints(body, posture, trunk, head_frame(body, posture, trunk), hands)


@pytest.fixture(scope="module")
def hands():
    return {side: random_hand(seed) for seed, side in enumerate(SIDES)}


@pytest.fixture(scope="module")
def moving(hands):
    return render(random_posture(0), hands)


def pose(**tracks):
    """Name -> (3,) keypoints of the average body in a posture, the hands at their rest."""
    hand = HandTracks(
        *(
            np.array([values])
            for values in (
                (0.42, 1.0, 0.55), (3.4, 0.05, -1.2), SHAPES["relaxed"], ELBOW_POLE, 0.0
            )
        )
    )  # fmt: skip
    (points,) = render(still(**tracks), dict.fromkeys(SIDES, hand), Proportions())
    return dict(zip(LAYOUT.keypoints, points, strict=True))


def place(points, name):
    return points[:, LAYOUT.index(name)]


def lengths(points, a, b):
    return np.linalg.norm(place(points, a) - place(points, b), axis=-1)


@pytest.mark.parametrize("side", SIDES)
class TestBones:
    def test_of_the_arm(self, moving, side):
        upper = lengths(moving, f"{side}_shoulder", f"{side}_elbow")
        fore = lengths(moving, f"{side}_elbow", f"{side}_wrist")
        np.testing.assert_allclose(upper, BODY.upper_arm, atol=1e-9)
        np.testing.assert_allclose(fore, BODY.forearm, atol=1e-9)
        np.testing.assert_array_equal(
            place(moving, f"{side}_wrist"), place(moving, f"{side}_hand_root")
        )

    def test_of_the_fingers(self, moving, side):
        for finger in FINGERS:
            for a, b in pairwise(finger):
                bone = lengths(moving, f"{side}_{HAND_KEYPOINTS[a]}", f"{side}_{HAND_KEYPOINTS[b]}")
                assert np.ptp(bone) < 1e-9
                assert 0.05 * BODY.hand < bone[0] < 0.6 * BODY.hand

    def test_of_the_thumb(self, moving, side):
        """A bending thumb slides over the palm, so that its bones are right within a seventh."""
        for a, b in pairwise(range(1, 5)):
            bone = lengths(moving, f"{side}_{HAND_KEYPOINTS[a]}", f"{side}_{HAND_KEYPOINTS[b]}")
            assert bone.max() < 1.2 * bone.min()


def test_shoulders_are_a_width_apart_whatever_the_proportions(hands):
    for body in (BODY, Proportions()):
        points = render(still(FRAMES), hands, body)
        np.testing.assert_allclose(lengths(points, "left_shoulder", "right_shoulder"), 1)


def test_the_face_is_as_large_as_its_proportions(moving, hands):
    average = render(random_posture(0), hands, Proportions())
    for a, b, factor in (
        ("left_eye", "right_eye", BODY.head * BODY.face_width * BODY.eyes),
        ("left_ear", "right_ear", BODY.head * BODY.face_width),
    ):
        np.testing.assert_allclose(lengths(moving, a, b), factor * lengths(average, a, b))
        assert np.ptp(lengths(moving, a, b)) < 1e-9


class TestReach:
    shoulder, pole = np.zeros((1, 3)), np.array([ELBOW_POLE])

    @pytest.mark.parametrize(
        ("distance", "least", "most"),
        [(5.0, 0.99 * (0.84 + 0.74), 0.84 + 0.74), (1.2, 1.2, 1.2), (0.01, 0.84 - 0.74, 0.6)],
    )
    def test_the_wrist_is_drawn_in_along_its_line(self, distance, least, most):
        line = np.array([[0.6, 0.0, 0.8]])
        elbow, wrist = bend_arm(self.shoulder, distance * line, self.pole, 0.84, 0.74)
        kept = np.linalg.norm(wrist)
        assert least - 1e-9 <= kept <= most + 1e-9
        np.testing.assert_allclose(wrist, kept * line, atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(elbow), 0.84)
        np.testing.assert_allclose(np.linalg.norm(elbow - wrist), 0.74)

    def test_the_elbow_is_on_the_side_of_the_pole(self):
        wrist = np.array([[0.0, 0.3, 0.9]])
        for pole in np.eye(3)[:1] * np.array([[1.0], [-1.0]]):
            elbow, _ = bend_arm(self.shoulder, wrist, pole[None], 0.84, 0.74)
            assert np.sign(elbow[0, 0]) == np.sign(pole[0])
            assert abs(elbow[0, 0]) > 0.3


def test_a_mirrored_motion_gives_the_mirrored_keypoints(moving, hands):
    posture = random_posture(0)
    twin = {k: -v if k in TURNED_BY_A_MIRROR else v for k, v in posture.items()}
    twin["left_shoulder"], twin["right_shoulder"] = (
        posture["right_shoulder"],
        posture["left_shoulder"],
    )
    reflected = render(twin, {"left": hands["right"], "right": hands["left"]})
    np.testing.assert_allclose(
        reflected, moving[:, LAYOUT.mirror_permutation] * (-1, 1, 1), atol=1e-12
    )


def test_trunk_and_head_only_turn():
    posture = random_posture(1)
    trunk = trunk_frame(BODY, posture)
    for frame in (trunk, head_frame(BODY, posture, trunk)):
        turned = frame.rotation @ frame.rotation.swapaxes(-1, -2)
        np.testing.assert_allclose(turned, np.broadcast_to(np.eye(3), turned.shape), atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(frame.rotation), 1)


def test_the_hips_are_the_axis_of_the_trunk():
    turned = dict.fromkeys(("torso_pitch", "torso_yaw", "torso_roll"), 0.3)
    trunk = trunk_frame(BODY, still(**turned))
    assert np.linalg.norm(trunk.origin[0] - (0, BODY.trunk, 0)) == pytest.approx(BODY.trunk)


# What goes where when one track is at the value given: x right, y down, z towards the camera.
RIGHT, LEFT, DOWN, UP, NEAR, FAR = ((axis, sign) for axis in range(3) for sign in (1, -1))


@pytest.mark.parametrize(
    ("track", "value", "moves", "stays"),
    [
        ("head_pitch", 0.3, {"nose": UP, "chin": NEAR}, ("left_shoulder", "neck", "mid_hip")),
        ("head_yaw", 0.3, {"nose": RIGHT, "left_ear": FAR, "right_ear": NEAR}, ("neck",)),
        ("head_roll", 0.3, {"nose": RIGHT, "left_ear": DOWN, "right_ear": UP}, ("neck",)),
        ("head_sink", 0.1, {"nose": DOWN, "left_ear": DOWN, "chin": DOWN}, ("left_shoulder",)),
        ("head_forward", 0.1, {"nose": NEAR, "right_ear": NEAR}, ("left_shoulder",)),
        ("torso_pitch", 0.3, {"neck": NEAR, "nose": NEAR, "left_shoulder": NEAR}, ("mid_hip",)),
        ("torso_yaw", 0.3, {"left_shoulder": FAR, "right_shoulder": NEAR}, ("neck", "mid_hip")),
        ("torso_roll", 0.3, {"neck": RIGHT, "nose": RIGHT, "left_shoulder": DOWN}, ("mid_hip",)),
        ("torso_shift", 0.1, {"neck": RIGHT, "nose": RIGHT, "left_shoulder": RIGHT}, ()),
        ("torso_rise", 0.1, {"neck": UP, "nose": UP, "right_shoulder": UP}, ("mid_hip",)),
        ("left_shoulder", 0.1, {"left_shoulder": UP}, ("right_shoulder", "nose", "mid_hip")),
        ("right_shoulder", 0.1, {"right_shoulder": UP}, ("left_shoulder", "nose", "mid_hip")),
        ("shoulders_forward", 0.1, {"left_shoulder": NEAR, "right_shoulder": NEAR}, ("nose",)),
        ("mouth", 1.0, {"lower_lip": DOWN, "chin": DOWN, "upper_lip": UP}, ("nose", "left_eye")),
        ("press", 1.0, {"upper_lip": DOWN, "lower_lip": UP}, ("nose", "chin")),
        ("bite", 1.0, {"lower_lip": UP}, ("nose", "left_mouth_corner")),
        ("puff", 1.0, {"left_mouth_corner": LEFT, "right_mouth_corner": RIGHT}, ("nose",)),
        ("brow", 1.0, {"left_brow_inner": UP, "right_brow_outer": UP}, ("left_eye", "nose")),
    ],
)  # fmt: skip
def test_a_track_moves_what_it_names(track, value, moves, stays):
    before, after = pose(), pose(**{track: value})
    for name, (axis, sign) in moves.items():
        assert sign * (after[name] - before[name])[axis] > 0.005, name
    for name in stays:
        np.testing.assert_allclose(after[name], before[name], atol=1e-12, err_msg=name)


def test_every_track_is_tried_above():
    (mark,) = [m for m in test_a_track_moves_what_it_names.pytestmark if m.name == "parametrize"]
    assert [row[0] for row in mark.args[1]] == sorted(
        TRACKS, key=[r[0] for r in mark.args[1]].index
    )


def test_lips_may_meet_but_do_not_cross():
    gap = {}
    for name in ("none", "mouth", "press", "bite"):
        points = pose(**({} if name == "none" else {name: 1.0}))
        gap[name] = points["lower_lip"][1] - points["upper_lip"][1]
    assert -1e-9 < gap["bite"] < gap["none"] < gap["mouth"]
    assert -1e-9 < gap["press"] < gap["none"]


class TestHand:
    flat = np.array([SHAPES["flat"]])

    @pytest.mark.parametrize("direction", [0.0, 1.0, 2.5, 4.2])
    @pytest.mark.parametrize("elevation", [-0.8, 0.0, 0.8])
    def test_fingers_point_where_the_angles_say(self, direction, elevation):
        angles = np.array([[direction, elevation, 0.7]])
        tip = hand_points(0.48, angles, self.flat)[0, 12]
        flat = np.cos(elevation)
        line = np.array([np.cos(direction) * flat, np.sin(direction) * flat, np.sin(elevation)])
        assert tip @ line > 0.97 * np.linalg.norm(tip)
        assert np.linalg.norm(tip) == pytest.approx(0.48 * 0.89, rel=0.05)

    def test_the_palm_faces_the_own_body_and_bending_fingers_go_there(self):
        angles = np.zeros((1, 3))
        flat, fist = (hand_points(1, angles, np.array([SHAPES[k]]))[0] for k in ("flat", "fist"))
        tips = [8, 12, 16, 20]
        assert (fist[tips, 2] < flat[tips, 2] - 0.1).all()
        assert (np.linalg.norm(fist[tips], axis=-1) < np.linalg.norm(flat[tips], axis=-1)).all()

    def test_it_is_a_left_hand(self):
        """Held before the chest, fingers inward and palm to the body, its thumb points up."""
        (points,) = hand_points(1, np.array([[np.pi, 0.0, 0.0]]), self.flat)
        assert points[4, 1] < points[12, 1] - 0.2

    def test_a_spread_hand_is_wider(self):
        tips = [
            hand_points(1, np.zeros((1, 3)), np.array([SHAPES[k]]))[0, [8, 20]]
            for k in ("flat", "open")
        ]
        near, wide = (np.linalg.norm(pair[0] - pair[1]) for pair in tips)
        assert wide > 1.2 * near

    @pytest.mark.parametrize("effector", sorted(EFFECTORS))
    def test_the_effector_meets_its_goal(self, effector):
        hand, goal = random_hand(5), np.full((FRAMES, 3), 0.3)
        before = hand.wrist.copy()
        weight = np.where(np.arange(FRAMES) < 20, 0.0, 1.0)
        offset = effector_offset(BODY, hand, effector)
        approach(hand, goal - offset, weight)
        np.testing.assert_array_equal(hand.wrist[:20], before[:20])
        points = hand.wrist[:, None] + hand_points(BODY.hand, hand.angles, hand.shape)
        met = points[20:, EFFECTORS[effector]].mean(1)
        np.testing.assert_allclose(met, goal[20:], atol=1e-12)


def test_places_have_a_mirror_image():
    np.testing.assert_allclose(
        place_of("right_ear", HEAD_PLACES) * (-1, 1, 1), place_of("left_ear", HEAD_PLACES)
    )
    assert place_of("tail", HEAD_PLACES) is None


def test_minimum_jerk_starts_and_ends_at_rest():
    phase = np.linspace(0, 1, 1001)
    rise = minimum_jerk(phase)
    speed = np.gradient(rise, phase)
    thrust = np.gradient(speed, phase)
    assert (rise[0], rise[-1]) == (0, 1)
    assert (np.diff(rise) >= 0).all()
    np.testing.assert_allclose([speed[0], speed[-1], thrust[0], thrust[-1]], 0, atol=0.15)
    # Flash and Hogan: the peak speed is 1.875 times the mean.
    assert speed.max() == pytest.approx(1.875, abs=1e-3)
