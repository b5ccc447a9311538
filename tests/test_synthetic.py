import hashlib
from pathlib import Path

import numpy as np
import pytest

from mgpose.data.synthetic import (
    FRAME_SIZE,
    NO_NOISE,
    Noise,
    SyntheticCorpus,
    write_synthetic,
)
from mgpose.data.synthetic_body import (
    BodyMotion,
    HandMotion,
    Proportions,
    hand_points,
    landmarks,
    reach,
    render,
)
from mgpose.data.synthetic_gestures import GESTURES
from mgpose.data.synthetic_motion import FPS, minimum_jerk
from mgpose.io import PoseStore, read_annotations
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT
from mgpose.structures import InputError

IMIGUE_NAMES = {
    "touching or scratching head",
    "touching or scratching forehead",
    "rubbing eyes",
    "touching ears",
    "touching jaw or chin",
    "touching or scratching neck",
    "touching suprasternal notch or chest",
    "folding arms",
    "scratching or touching arms",
    "rubbing or holding hands",
    "crossing fingers",
    "minaret gesture (steepling)",
    "head up",
    "pressing or biting lips",
    "shaking shoulders",
    "illustrative gesture",
}
SMALL = {"subjects": 3, "videos_per_subject": 2, "gestures_per_video": 5}


def digest(corpus):
    content = hashlib.sha256()
    for pose in corpus:
        content.update(pose.sequence.keypoints.tobytes() + pose.sequence.scores.tobytes())
        content.update(repr(pose.annotations).encode())
    return content.hexdigest()


def shoulder_width(keypoints):
    line = (
        keypoints[:, LAYOUT.index("left_shoulder")] - keypoints[:, LAYOUT.index("right_shoulder")]
    )
    return np.median(np.linalg.norm(line, axis=-1))


def gestures(pose, label):
    return [a for a in pose.annotations if a.label == label]


def middle_frame(annotation):
    return round((annotation.start + annotation.stop) / 2 * FPS)


def test_classes_are_those_of_imigue():
    assert set(GESTURES) == IMIGUE_NAMES


def test_the_seed_decides_everything():
    assert digest(SyntheticCorpus(**SMALL)) == digest(SyntheticCorpus(**SMALL))
    assert digest(SyntheticCorpus(**SMALL)) != digest(SyntheticCorpus(**SMALL, seed=1))


def test_a_subject_does_not_depend_on_the_others():
    few, many = SyntheticCorpus(1, 1, 4), SyntheticCorpus(3, 1, 4)
    one, same = next(iter(few)), next(iter(many))
    np.testing.assert_array_equal(one.sequence.keypoints, same.sequence.keypoints)
    assert one.source_sha256 == same.source_sha256


def test_a_video_is_what_the_structures_promise():
    for pose in SyntheticCorpus(**SMALL):
        sequence = pose.sequence
        assert (sequence.unit, sequence.time_source) == ("pixel", "rate")
        assert sequence.frame_size == FRAME_SIZE
        np.testing.assert_allclose(np.diff(sequence.time), 1 / FPS)
        seen = sequence.keypoints[sequence.detected]
        assert seen.min() > 0
        assert (seen < FRAME_SIZE).all()
        tiers = [a.tier for a in pose.annotations]
        assert tiers == ["gesture"] * 5 + ["emotion"]
        spans = [(a.start, a.stop) for a in pose.annotations[:-1]]
        assert all(0 <= a < b <= len(sequence) / FPS for a, b in spans)
        whole = pose.annotations[-1]
        assert (whole.start, whole.stop) == (0, len(sequence) / FPS)


def test_each_subject_shows_both_emotions():
    shown = {}
    for pose in SyntheticCorpus(**SMALL):
        shown.setdefault(pose.sequence.subject, set()).add(pose.annotations[-1].label)
    assert set(map(frozenset, shown.values())) == {frozenset({"positive", "negative"})}


def test_the_asked_share_of_hands_is_missing():
    corpus = SyntheticCorpus(subjects=12, videos_per_subject=1, gestures_per_video=6)
    hands = [LAYOUT.index("left_hand_root"), LAYOUT.index("right_hand_root")]
    share = np.mean([1 - pose.sequence.detected[:, hands].mean() for pose in corpus])
    assert share == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize(
    ("label", "targets", "effectors"),
    [
        ("rubbing eyes", ("eye",), ("index_tip", "thumb_tip")),
        ("touching ears", ("ear",), ("index_tip", "thumb_tip")),
        ("touching jaw or chin", ("chin", "mouth_corner"), ("thumb_tip", "index_tip", "ring_mcp")),
    ],
)
def test_hands_reach_what_the_label_says(label, targets, effectors):
    named = [
        k for k in LAYOUT.keypoints if k.removeprefix("left_").removeprefix("right_") in targets
    ]
    tips = [f"{side}_{name}" for side in ("left", "right") for name in effectors]
    corpus = SyntheticCorpus(6, 1, 5, classes=(label,), noise=NO_NOISE)
    for pose in corpus:
        keypoints = pose.sequence.keypoints
        unit = shoulder_width(keypoints)
        for annotation in gestures(pose, label):
            frame = keypoints[middle_frame(annotation)]
            gap = frame[LAYOUT.indices(tuple(tips))][:, None] - frame[LAYOUT.indices(tuple(named))]
            assert np.linalg.norm(gap, axis=-1).min() < 0.26 * unit


def height(keypoints, name):
    """How far a keypoint lies above the hips, which stay on their seat."""
    return keypoints[:, LAYOUT.index("mid_hip"), 1] - keypoints[:, LAYOUT.index(name), 1]


def test_folded_arms_bring_the_wrists_inward():
    for pose in SyntheticCorpus(4, 1, 6, classes=("folding arms",), noise=NO_NOISE):
        keypoints = pose.sequence.keypoints
        wrists, elbows = (
            keypoints[:, LAYOUT.index(f"left_{name}"), 0]
            - keypoints[:, LAYOUT.index(f"right_{name}"), 0]
            for name in ("wrist", "elbow")
        )
        for annotation in gestures(pose, "folding arms"):
            frame = middle_frame(annotation)
            assert wrists[frame] < 0.3 * elbows[frame]


@pytest.mark.parametrize(
    ("label", "name"), [("head up", "nose"), ("shaking shoulders", "left_shoulder")]
)
def test_head_and_shoulders_rise(label, name):
    rise = []
    for pose in SyntheticCorpus(6, 1, 6, classes=(label,), noise=NO_NOISE):
        keypoints = pose.sequence.keypoints
        above = height(keypoints, name) / shoulder_width(keypoints)
        for annotation in gestures(pose, label):
            start, stop = round(annotation.start * FPS), round(annotation.stop * FPS)
            rise.append(above[start:stop].max() - above[start])
    # Amplitude differs between people, and the idle body may sink meanwhile.
    assert np.mean(rise) > 0.04
    assert np.mean(np.array(rise) > 0.02) > 0.9


def test_noise_free_bodies_keep_their_bones_and_do_not_leap():
    for pose in SyntheticCorpus(6, 1, 8, noise=NO_NOISE):
        keypoints = pose.sequence.keypoints
        unit = shoulder_width(keypoints)
        steps = np.linalg.norm(np.diff(keypoints, axis=0), axis=-1) / unit
        assert steps.max() < 0.7
        for side in ("left", "right"):
            chain = [LAYOUT.index(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist")]
            bones = np.linalg.norm(np.diff(keypoints[:, chain], axis=1), axis=-1) / unit
            # Seen from the front a bone looks shorter, never longer (the camera may be turned).
            assert bones.max() < 1.35
            meet = keypoints[:, chain[2]] - keypoints[:, LAYOUT.index(f"{side}_hand_root")]
            np.testing.assert_allclose(meet, 0, atol=1e-3)


def test_arm_bones_have_their_length_in_space():
    rng = np.random.default_rng(0)
    shoulder, wrist = rng.normal(size=(2, 200, 3))
    elbow, reached = reach(shoulder, wrist, 0.84, 0.74)
    np.testing.assert_allclose(np.linalg.norm(elbow - shoulder, axis=-1), 0.84)
    np.testing.assert_allclose(np.linalg.norm(reached - elbow, axis=-1), 0.74)
    near = np.linalg.norm(wrist - shoulder, axis=-1)
    inside = (near > 0.2) & (near < 1.5)
    np.testing.assert_allclose(reached[inside], wrist[inside])


def test_hand_bones_do_not_depend_on_how_the_hand_lies():
    rng = np.random.default_rng(1)
    angles, curl = rng.uniform(-1, 4, (50, 3)), np.full(50, 0.4)
    hands = hand_points(0.5, angles, curl, np.full(50, 0.2))
    bones = np.linalg.norm(np.diff(hands[:, 5:9], axis=1), axis=-1)
    np.testing.assert_allclose(bones, np.broadcast_to(bones[0], bones.shape))
    np.testing.assert_allclose(bones[0], 0.5 * np.array([0.20, 0.12, 0.10]))


def random_hand(rng, frames, flip):
    effector = np.zeros((frames, 21))
    effector[:, 8] = 1
    goal = rng.normal(0, 0.4, (frames, 3))
    return HandMotion(
        rest=rng.uniform(0.2, 0.6, (frames, 3)),
        goal=goal * (flip, 1, 1),
        weight=rng.uniform(0, 1, frames),
        angles=rng.uniform(2, 5, (frames, 3)),
        curl=rng.uniform(0, 1, frames),
        spread=rng.uniform(0, 0.3, frames),
        effector=effector,
    )


def test_the_mirrored_motion_is_the_mirror_image():
    frames, body = 20, Proportions()
    rng = np.random.default_rng(2)
    shift, lean, shrug, head = (rng.normal(0, 0.1, (frames, n)) for n in (3, 1, 2, 3))
    mouth, press = rng.uniform(0, 1, (2, frames))
    motion = BodyMotion(shift, lean[:, 0], shrug, head, mouth, press)
    # In a mirror x, yaw and roll change sign and the shoulders change places.
    twin = BodyMotion(
        shift * (-1, 1, 1), -lean[:, 0], shrug[:, ::-1], head * (-1, 1, -1), mouth, press
    )
    hands, twins = (
        {side: random_hand(np.random.default_rng([7, seed]), frames, flip) for side, seed in order}
        for order, flip in (
            ((("left", 0), ("right", 1)), 1),
            ((("left", 1), ("right", 0)), -1),
        )
    )
    seen = render(body, landmarks(body, motion), hands)
    reflected = render(body, landmarks(body, twin), twins)
    np.testing.assert_allclose(
        reflected, seen[:, LAYOUT.mirror_permutation] * (-1, 1, 1), atol=1e-12
    )


def test_minimum_jerk_starts_and_ends_at_rest():
    phase = np.linspace(0, 1, 1001)
    rise = minimum_jerk(phase)
    speed, thrust = np.gradient(rise, phase), np.gradient(np.gradient(rise, phase), phase)
    assert (np.diff(rise) >= 0).all()
    np.testing.assert_allclose([speed[0], speed[-1], thrust[0], thrust[-1]], 0, atol=0.15)
    # Flash and Hogan: the peak speed is 1.875 times the mean.
    assert speed.max() == pytest.approx(1.875, abs=1e-3)


def test_written_corpus_reads_back_and_is_called_synthetic(tmp_path: Path):
    corpus = SyntheticCorpus(**SMALL)
    assert write_synthetic(corpus, tmp_path) == len(corpus) == 6
    store = PoseStore(tmp_path)
    poses = list(corpus)
    assert list(store) == sorted(p.video_id for p in poses)
    assert all(video.startswith("synthetic_") for video in store)
    assert {store.header(v).provenance.estimator for v in store} == {"synthetic"}
    np.testing.assert_array_equal(store[poses[3].video_id].keypoints, poses[3].sequence.keypoints)
    assert read_annotations(tmp_path / "annotations.csv") == [
        a for p in poses for a in p.annotations
    ]


@pytest.mark.parametrize("bad", [{"classes": ("touching hut",)}, {"subjects": 0}, {"classes": ()}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(InputError):
        SyntheticCorpus(**bad)


def test_bad_noise_is_refused():
    with pytest.raises(ValueError, match="hand_missing below 1"):
        Noise(hand_missing=1.0)
