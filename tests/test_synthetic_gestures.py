"""Each of the 32 classes does, in space and free of noise, what its name says.

A law measures one number on each acted gesture and holds when nearly all gestures keep to its
limits. The places that hands go to are found from the keypoints of face and trunk, not from the
generator's own tables.
"""

import dataclasses
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import find_peaks

from mgpose.data.synthetic.gestures import GESTURES
from mgpose.data.synthetic.script import FPS, Event
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT
from mgpose.structures.micro_gestures import MICRO_GESTURES

sys.path.append(str(Path(__file__).parent))
from acted_gestures import Clip, act_out, acted, size, to_bone

NEARLY_ALL = 0.8
OTHER = {"left": "right", "right": "left"}
TIPS = ("index_tip", "middle_tip", "ring_tip")
KNUCKLES = ("index_mcp", "middle_mcp", "ring_mcp")
MIDDLES = ("index_pip", "middle_pip", "ring_pip")
PINCH, INDEX, PALM = ("thumb_tip", "index_tip"), ("index_tip",), ("hand_root", "middle_mcp")
FACIAL_PARTS, HAIR = ("nose", "cheek", "mouth corner"), ("temple", "hair", "lock")
NECK = ("throat", "other side of the throat", "nape")
CHEST = ("notch", "chest", "other breast")
SHOULDERS, EARS = ("left_shoulder", "right_shoulder"), ("left_ear", "right_ear")


def to_place(*places: str, by: tuple[tuple[str, ...], ...] = (TIPS,)) -> Callable[[Clip], float]:
    """Distance between every acting hand and the nearest of some places; the median in time.

    Args:
        places: keys of ``LANDMARKS``.
        by: parts of the hand, one of which touches.
    """

    def measure(clip: Clip) -> float:
        return max(
            min(
                np.median(
                    np.min([size(clip.hand(s, *part) - clip.landmark(p, s)) for p in places], 0)
                )
                for part in by
            )
            for s in clip.sides
        )

    return measure


def to_other_arm(*by: tuple[str, ...]) -> Callable[[Clip], float]:
    def measure(clip: Clip) -> float:
        gaps = []
        for side in clip.sides:
            joints = [clip.at(f"{OTHER[side]}_{k}") for k in ("shoulder", "elbow", "wrist")]
            gaps.append(
                min(
                    np.median(np.minimum(to_bone(hand, *joints[:2]), to_bone(hand, *joints[1:])))
                    for hand in (clip.hand(side, *part) for part in by)
                )
            )
        return max(gaps)

    return measure


def to_clothes(clip: Clip) -> float:
    parts = (PINCH, MIDDLES)
    return min(to_other_arm(*parts)(clip), to_place("other breast", "lap", by=parts)(clip))


def between_hands(*part: str) -> Callable[[Clip], float]:
    return lambda clip: np.median(size(clip.hand("left", *part) - clip.hand("right", *part)))


def hands_meet(clip: Clip) -> float:
    """Palm in palm, or a palm on the other hand's knuckles."""
    return min(between_hands(*part)(clip) for part in (PALM, KNUCKLES))


def fingers_meet(clip: Clip) -> float:
    return min(between_hands(*part)(clip) for part in (KNUCKLES, MIDDLES))


def path(points: np.ndarray) -> float:
    """Length of a way, shoulder widths a second."""
    return size(np.diff(points, axis=0)).mean() * FPS


def wrist_range(clip: Clip) -> float:
    """How far the livelier wrist gets about."""
    return max(
        size(np.ptp(np.percentile(clip.at(f"{s}_wrist"), (10, 90), axis=0), axis=0))
        for s in clip.sides
    )


def hand_path(clip: Clip) -> float:
    return max(path(clip.hand(side, *TIPS)) for side in clip.sides)


def finger_path(clip: Clip) -> float:
    return max(path(clip.hand(s, *TIPS) - clip.at(f"{s}_wrist")) for s in clip.sides)


def straightness(clip: Clip) -> float:
    """Of the left forefinger: 1 where no joint bends."""
    joints = [clip.hand("left", f"index_{k}") for k in ("mcp", "pip", "dip", "tip")]
    bones = sum(size(a - b) for a, b in pairwise(joints))
    return np.median(size(joints[0] - joints[-1]) / bones)


def raised(clip: Clip, *names: str, over: str = "mid_hip") -> np.ndarray:
    """(t,) how much higher than without the gesture."""
    now, idle = clip.at(*names) - clip.at(over), clip.idle_at(*names) - clip.idle_at(over)
    return (idle - now)[:, 1]


def shoulders_up(clip: Clip) -> float:
    return raised(clip, *SHOULDERS).max()


def neck_shortened(clip: Clip) -> float:
    return -np.median(raised(clip, *EARS, over="neck"))


def head_pitched_up(clip: Clip) -> float:
    angles = []
    for at in (clip.at, clip.idle_at):
        ahead = at("nose") - at(*EARS)
        angles.append(np.arctan2(-ahead[:, 1], np.hypot(ahead[:, 0], ahead[:, 2])))
    return (angles[0] - angles[1]).max()


def sat_up(clip: Clip) -> float:
    return np.median(raised(clip, "neck"))


def stays_up(clip: Clip) -> float:
    return -clip.after[:12, LAYOUT.index("neck"), 1].mean()


def trunk_moved(clip: Clip) -> float:
    """Sideways way of the shoulders' middle, or half the angle by which they turn."""
    way = np.abs((clip.at("neck") - clip.idle_at("neck"))[:, 0]).max()
    angles = []
    for at in (clip.at, clip.idle_at):
        across = at("left_shoulder") - at("right_shoulder")
        angles.append(np.arctan2(across[:, 2], across[:, 0]))
    return max(way, 0.5 * np.abs(angles[0] - angles[1]).max())


def shoulder_beats(clip: Clip) -> float:
    """How often the livelier shoulder goes up."""
    heights = (clip.idle - clip.points)[:, LAYOUT.indices(SHOULDERS), 1].T
    return max(len(find_peaks(h, prominence=0.03)[0]) for h in heights)


def mouth_width(clip: Clip) -> float:
    """Relative to that without the gesture, the narrowest."""
    corners = ("left_mouth_corner", "right_mouth_corner")
    now, idle = (size(at(corners[0]) - at(corners[1])) for at in (clip.at, clip.idle_at))
    return (now / idle).min()


def lips(clip: Clip) -> np.ndarray:
    """(t,) height of the gap between them."""
    return ((clip.at("upper_lip") - clip.at("lower_lip")) * clip.head[1]).sum(-1)


def lips_nearer(clip: Clip) -> float:
    """Gap between the lips relative to that without the gesture."""
    idle = dataclasses.replace(clip, points=clip.idle)
    return np.median(lips(clip)) / np.median(lips(idle))


def chewing(clip: Clip) -> float:
    return np.ptp(lips(clip))


def farthest_ahead(part: str) -> Callable[[Clip], float]:
    """Of the acting hands' joints, before the trunk's plane."""
    return lambda clip: max(
        np.median(clip.on_trunk(clip.at(f"{side}_{part}"))[:, 2]) for side in clip.sides
    )


def nearest_ahead(part: str) -> Callable[[Clip], float]:
    return lambda clip: min(
        np.median(clip.on_trunk(clip.at(f"{side}_{part}"))[:, 2]) for side in clip.sides
    )


def out_of_sight(clip: Clip) -> float:
    return min(np.median(clip.hidden[side][clip.held]) for side in clip.sides)


def drawn_back(clip: Clip) -> float:
    """How far the elbows went away from the camera."""
    return min(np.median((clip.idle_at(k) - clip.at(k))[:, 2]) for k in elbows(clip))


def elbows(clip: Clip) -> list[str]:
    return [f"{side}_elbow" for side in clip.sides]


def elbow_outside(clip: Clip) -> float:
    """How far it is further out than the wrist."""
    out = []
    for side in clip.sides:
        elbow, wrist = (np.abs(clip.on_trunk(clip.at(f"{side}_{k}"))) for k in ("elbow", "wrist"))
        out.append(np.median(elbow[:, 0] - wrist[:, 0]))
    return min(out)


def elbow_spread(clip: Clip) -> float:
    """How far it goes outward."""
    return min(np.median(np.abs(clip.at(k)) - np.abs(clip.idle_at(k)), 0)[0] for k in elbows(clip))


def wrist_to_hip_height(clip: Clip) -> float:
    return max(
        np.median(np.abs((clip.at(f"{s}_wrist") - clip.at("mid_hip"))[:, 1])) for s in clip.sides
    )


def wrists_uncrossed(clip: Clip) -> float:
    return np.median((clip.at("left_wrist") - clip.at("right_wrist"))[:, 0])


def to_face(clip: Clip) -> float:
    return min(size(clip.hand(side, *TIPS) - clip.at("nose")).min() for side in clip.sides)


def height(clip: Clip) -> float:
    """Of the fingertips over the shoulders."""
    return max(np.median(clip.on_trunk(clip.hand(s, *TIPS))[:, 1]) for s in clip.sides)


FAR = 99.0
# Class, measure, its least and its greatest value.
CONTACTS = [
    (label, measure, 0.0, most)
    for label, measure, most in (
        ("touching hat", to_place("brim", "side of the brim", by=(PINCH,)), 0.20),
        ("touching or scratching head", to_place("crown", "back of the head"), 0.27),
        ("touching or scratching forehead", to_place("forehead", "brow"), 0.20),
        ("covering face", to_place("nose", "cheek", by=(PALM, MIDDLES)), 0.20),
        ("rubbing eyes", to_place("eye", by=(INDEX, KNUCKLES)), 0.18),
        ("touching facial parts", to_place(*FACIAL_PARTS, by=(INDEX, PINCH)), 0.21),
        ("touching ears", to_place("ear", by=(INDEX, PINCH)), 0.18),
        ("biting nails", to_place("mouth", by=(INDEX, PINCH)), 0.16),
        ("touching jaw or chin", to_place("chin", "jaw", by=(INDEX, PINCH, KNUCKLES)), 0.20),
        ("touching or scratching neck", to_place(*NECK, by=(TIPS, MIDDLES)), 0.20),
        ("playing with or adjusting hair", to_place(*HAIR, by=(INDEX, TIPS)), 0.26),
        ("buckle, collar, tie", to_place("collar", "tie", "buckle", by=(PINCH,)), 0.28),
        ("touching suprasternal notch or chest", to_place(*CHEST, by=(TIPS, PALM)), 0.25),
        ("scratching or touching arms", to_other_arm(TIPS, MIDDLES), 0.26),
        ("dusting off clothes, tidy sleeve", to_clothes, 0.38),
    )
]
LAWS = [
    *CONTACTS,
    ("turtle neck", neck_shortened, 0.08, FAR),
    ("turtle neck", shoulders_up, 0.03, FAR),
    ("bulging face, deep breath", mouth_width, 0, 0.9),
    ("biting nails", chewing, 0.01, FAR),
    ("scratching back", farthest_ahead("index_tip"), -FAR, -0.05),
    ("scratching back", hand_path, 0.2, FAR),
    ("folding arms", wrists_uncrossed, -FAR, -0.2),
    ("folding arms", to_other_arm(PALM, MIDDLES), 0, 0.6),
    ("dusting off clothes, tidy sleeve", hand_path, 0.2, FAR),
    ("arms behind body", farthest_ahead("wrist"), -FAR, -0.1),
    ("arms behind body", out_of_sight, 0.9, 1),
    ("moving torso", trunk_moved, 0.08, FAR),
    ("sitting straightly", sat_up, 0.05, FAR),
    ("sitting straightly", stays_up, 0.05, FAR),
    ("rubbing or holding hands", hands_meet, 0, 0.2),
    ("crossing fingers", fingers_meet, 0, 0.22),
    ("crossing fingers", straightness, 0, 0.95),
    ("minaret gesture", between_hands(*TIPS), 0, 0.2),
    ("minaret gesture", between_hands("hand_root"), 0.25, FAR),
    ("minaret gesture", straightness, 0.95, 1),
    ("playing with objects", finger_path, 0.2, FAR),
    ("playing with objects", height, -FAR, -0.35),
    ("holding back or withdrawing arms", nearest_ahead("elbow"), -FAR, 0.1),
    ("holding back or withdrawing arms", drawn_back, 0.02, FAR),
    ("holding back or withdrawing arms", out_of_sight, 0, 0.4),
    ("head up", head_pitched_up, 0.15, FAR),
    ("pressing or biting lips", lips_nearer, -1, 0.75),
    ("pressing or biting lips", mouth_width, 1.005, FAR),
    ("arms akimbo", elbow_outside, 0.3, FAR),
    ("arms akimbo", elbow_spread, 0.03, FAR),
    ("arms akimbo", wrist_to_hip_height, 0, 0.65),
    ("arms akimbo", out_of_sight, 0, 0.4),
    ("shaking shoulders", shoulder_beats, 2, FAR),
    ("illustrative gesture", hand_path, 0.3, FAR),
    ("illustrative gesture", wrist_range, 0.1, FAR),
    ("illustrative gesture", nearest_ahead("wrist"), 0.1, FAR),
    ("illustrative gesture", to_face, 0.4, FAR),
]


def share_kept(clips, *laws) -> float:
    """Of the clips that keep to all the laws."""
    assert len(clips) >= 5
    kept = np.ones(len(clips), bool)
    for _, measure, least, most in laws:
        values = np.array([measure(clip) for clip in clips])
        assert np.isfinite(values).all()
        kept &= (values >= least) & (values <= most)
    return kept.mean()


def laws_of(label):
    return [law for law in LAWS if law[0] == label]


def name_of(row) -> str:
    return getattr(row, "__name__", "law") if callable(row) else str(row)


@pytest.mark.parametrize(("label", "measure", "least", "most"), LAWS, ids=name_of)
def test_a_class_does_what_its_name_says(label, measure, least, most):
    assert share_kept(acted(label), (label, measure, least, most)) >= NEARLY_ALL


def test_every_class_has_a_law():
    assert {label for label, *_ in LAWS} == set(GESTURES)


@pytest.mark.parametrize("label", GESTURES)
def test_the_laws_tell_it_from_idling(label):
    idle = [dataclasses.replace(clip, points=clip.idle) for clip in acted(label)]
    assert share_kept(idle, *laws_of(label)) < 0.5


TOLD_APART = [
    gesture
    for gesture in MICRO_GESTURES
    if gesture.name not in {label for label, *_ in CONTACTS}
    and gesture.name
    not in ("rubbing or holding hands", "holding back or withdrawing arms", "illustrative gesture")
]


@pytest.mark.parametrize("gesture", TOLD_APART, ids=lambda gesture: gesture.name)
def test_the_laws_tell_it_from_its_look_alikes(gesture):
    needs_hands = all(clip.sides for clip in acted(gesture.name))
    for other in gesture.look_alikes:
        if all(clip.sides for clip in acted(other)) == needs_hands:
            assert share_kept(acted(other), *laws_of(gesture.name)) < 0.6, other


@pytest.mark.parametrize(("label", "measure", "least", "most"), CONTACTS, ids=name_of)
def test_a_wrong_place_is_noticed(label, measure, least, most):
    """Hands that go to another place than the class says break its law."""
    wrong = "brim" if "arms" in label or "clothes" in label else "own_hip_bone"

    def misled(event: Event) -> Event:
        hands = [
            dataclasses.replace(act, reach=dataclasses.replace(act.reach, target=wrong))
            for act in event.hands
        ]
        return dataclasses.replace(event, hands=tuple(hands))

    clips = act_out(label, people=4, change=misled)
    assert share_kept(clips, (label, measure, least, most)) < 0.4


@pytest.mark.parametrize("label", ["head up", "turtle neck", "sitting straightly"])
def test_a_move_in_the_wrong_direction_is_noticed(label):
    def reversed_(event: Event) -> Event:
        moves = [dataclasses.replace(move, size=-move.size) for move in event.moves]
        return dataclasses.replace(event, moves=tuple(moves))

    assert share_kept(act_out(label, 8, reversed_), *laws_of(label)) < 0.4
