"""Bodies of the synthetic generator move smoothly, and no faster than bodies can."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mgpose.data.synthetic.gestures import GESTURES
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT

sys.path.append(str(Path(__file__).parent))
from acted_gestures import acted, acted_points, size

SIDES = ("left", "right")
OF_THE_HEAD_AND_ARMS = [
    label for label in GESTURES if "touching" in label or "hair" in label or "eyes" in label
] + ["covering face", "biting nails", "scratching back", "illustrative gesture"]


def steps(points: np.ndarray, name: str) -> np.ndarray:
    """(T - 1,) from frame to frame."""
    return size(np.diff(points[:, LAYOUT.index(name)], axis=0))


def kinks(points: np.ndarray, joint: str) -> float:
    """How much further than in both neighbouring frames a joint goes in one."""
    ways = [steps(points, f"{side}_{joint}") for side in SIDES]
    return max((way[1:-1] - np.maximum(way[:-2], way[2:])).max() for way in ways)


@pytest.mark.parametrize("joint", ["wrist", "index_tip", "pinky_tip"])
def test_no_hand_jumps(joint):
    jumps = {label: max(kinks(c.points, joint) for c in acted(label)) for label in GESTURES}
    assert {label: jump for label, jump in jumps.items() if jump > 0.4} == {}


@cache
def other_videos(label):
    """(T, 70, 3) of other people than in the clips, one of them quick."""
    return [acted_points(label, number, seed=seed)[0] for seed in (3, 4) for number in (3, 4, 5)]


def test_no_elbow_turns_over():
    """It does not jump where the hand hardly moves."""
    turned = set()
    for label in OF_THE_HEAD_AND_ARMS:
        for points in other_videos(label):
            for side in SIDES:
                elbow, wrist = steps(points, f"{side}_elbow"), steps(points, f"{side}_wrist")
                turned |= {label} if ((elbow > 0.5) & (wrist < 0.2)).any() else set()
    assert turned == set()


def test_no_hand_flies():
    """Six and a half metres a second, for shoulders of 40 cm, is more than anybody reaches with."""
    peaks = {
        label: max(steps(p, f"{side}_wrist").max() for p in other_videos(label) for side in SIDES)
        for label in OF_THE_HEAD_AND_ARMS
    }
    assert {label: peak for label, peak in peaks.items() if peak > 0.65} == {}
