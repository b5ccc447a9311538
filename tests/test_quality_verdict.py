import math
from dataclasses import fields

import numpy as np
import pytest

from mgpose.data.quality_criteria import CRITERIA, number, percent
from mgpose.data.quality_table import quality_table, summary
from mgpose.data.quality_thresholds import LEVELS, Limits, QualityThresholds
from mgpose.data.quality_verdict import UNREADABLE, judge_store
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.structures import KINECT_20, FrameFlag, InputError, PoseSequence, Skeleton

DEFAULTS = QualityThresholds()


def faults(verdict):
    return {finding.criterion: finding.level for finding in verdict.findings}


@pytest.fixture(scope="module")
def clean(repo):
    """A real video with nothing beyond a limit."""
    return PoseStore(repo / "data/sample")["sign_again"]


@pytest.fixture
def judged(tmp_path):
    """``judged(sequence)``: the verdict on a sequence."""

    def judge(sequence, unyielded=0):
        provenance = Provenance("test", "1", frames_unyielded=unyielded)
        write_pose_file(tmp_path, "v", sequence, provenance)
        (verdict,) = judge_store(PoseStore(tmp_path), DEFAULTS)
        return verdict

    return judge


def test_a_real_clean_video_is_usable(clean, judged):
    verdict = judged(clean)
    assert (verdict.level, verdict.findings, verdict.reasons) == ("use", (), "")


def gap(s):
    keypoints, scores = s.keypoints.copy(), s.scores.copy()
    keypoints[10:60], scores[10:60] = np.nan, 0
    return s.replace(keypoints=keypoints, scores=scores)


def noise(s, widths=0.4):
    rng = np.random.default_rng(0)
    shake = rng.normal(0, widths * 150, s.keypoints.shape).astype(np.float32)
    return s.replace(keypoints=s.keypoints + shake)


def swapped(s):
    keypoints = s.keypoints.copy()
    arms = ["elbow", "wrist"]
    left = s.skeleton.indices(tuple(f"left_{name}" for name in arms))
    right = s.skeleton.indices(tuple(f"right_{name}" for name in arms))
    for i in range(5, 60, 5):
        keypoints[i, np.r_[left, right]] = keypoints[i, np.r_[right, left]]
    return s.replace(keypoints=keypoints)


def slow(s):
    keep = np.arange(0, len(s), 5)
    return s.replace(keypoints=s.keypoints[keep], scores=s.scores[keep], time=s.time[keep],
                     ledger=s.ledger[keep])  # fmt: skip


def uneven(s):
    return s.replace(time=s.time + np.where(np.arange(len(s)) % 4 == 0, 0.02, 0))


def cropped(s):
    return s.replace(keypoints=s.keypoints - np.array([0, 150], np.float32))


def shrunk(s):
    return s.replace(keypoints=s.keypoints * np.float32(0.1))


def flagged(flag, frames):
    def change(s):
        ledger = s.ledger.copy()
        ledger[frames] |= np.uint16(flag)
        return s.replace(ledger=ledger)

    return change


def failed(s):
    ledger = s.ledger.copy()
    ledger[30:60] = FrameFlag.FAILED
    return gap(s).replace(ledger=ledger)


def short(s):
    return s.window(0, 3)


@pytest.mark.parametrize(
    ("change", "criterion", "level", "words"),
    [
        (gap, "missing_body", "unusable", "65 % of the body is missing"),
        (noise, "jitter_body", "unusable", "shake by 0."),
        (swapped, "swaps", "unusable", "left and right change places: arms "),
        (slow, "rate", "look", "only 6 frames a second"),
        (uneven, "irregular", "look", "50 % of the frames come at uneven times"),
        (cropped, "cut", "unusable", "cut off by the edge of the picture in 100 %"),
        (shrunk, "size_pixels", "unusable", "shoulder width of 16 pixels"),
        (shrunk, "size_share", "look", "2.5 % of the picture's width"),
        (flagged(FrameFlag.SUBJECT_SWITCHED, [40]), "switches", "look", "may change: once"),
        (flagged(FrameFlag.SEVERAL_PEOPLE, slice(50)), "several", "look", "in 65 % of"),
        (flagged(FrameFlag.REPAIRED, slice(10)), "repaired", "look", "13 % of the frames were"),
        (failed, "failed", "unusable", "39 % of the frames cannot be read"),
        (short, "frames", "unusable", "only 3 frames long"),
    ],
)
def test_what_was_done_to_a_video_is_said(clean, judged, change, criterion, level, words):
    verdict = judged(change(clean))
    assert faults(verdict)[criterion] == level
    assert words in verdict.reasons
    assert verdict.level == max(faults(verdict).values(), key=LEVELS.index)
    levels = [LEVELS.index(finding.level) for finding in verdict.findings]
    assert levels == sorted(levels, reverse=True)


def test_frames_that_never_came_are_lost(clean, judged):
    verdict = judged(clean, unyielded=33)
    assert faults(verdict) == {"failed": "look"}
    assert "30 % of the frames cannot be read" in verdict.reasons


def test_imported_poses_are_not_said_to_be_of_one_person(clean, judged):
    imported = np.full(len(clean), FrameFlag.IMPORTED, np.uint16)
    quality = judged(clean.replace(ledger=imported)).quality
    unknown = {c.name for c in CRITERIA if math.isnan(c.measure(quality)[0])}
    assert {"several", "switches", "failed", "repaired"} <= unknown


def test_people_whom_the_source_of_imported_poses_held_are_told(clean, judged):
    ledger = np.full(len(clean), FrameFlag.IMPORTED, np.uint16)
    ledger[::2] |= np.uint16(FrameFlag.SEVERAL_PEOPLE)
    ledger[40] |= np.uint16(FrameFlag.SUBJECT_SWITCHED)
    found = faults(judged(clean.replace(ledger=ledger)))
    assert {"several", "switches"} <= found.keys()


def test_every_criterion_has_its_threshold_with_a_reason():
    assert [field.name for field in fields(QualityThresholds)] == [c.name for c in CRITERIA]
    assert all(getattr(DEFAULTS, c.name).why for c in CRITERIA)


def test_levels_rise_with_the_figure():
    for limits in (Limits(1, 2, ""), Limits(2, 1, "", low=True)):
        levels = [LEVELS.index(limits.level(x)) for x in (0.5, 1, 1.5, 2, 2.5)]
        assert sorted(levels) == (levels[::-1] if limits.low else levels)
        assert set(levels) == {0, 1, 2}
        assert limits.level(limits.look) == "use"
        assert limits.level(math.nan) == "use"
    for wrong in ((2, 1, False), (1, 2, True), (math.nan, 1, False)):
        with pytest.raises(ValueError, match="unusable must be"):
            Limits(*wrong[:2], "", low=wrong[2])


def test_thresholds_from_the_command_line():
    changed = DEFAULTS.changed(["missing_body=0.2", "rate=30,12", "jitter_body=0.4"])
    assert (changed.missing_body.look, changed.missing_body.unusable) == (0.2, 0.5)
    assert (changed.rate.look, changed.rate.unusable) == (30, 12)
    assert (changed.jitter_body.look, changed.jitter_body.unusable) == (0.4, 0.4)
    assert changed.swaps == DEFAULTS.swaps


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("missing=0.2", "unknown threshold 'missing'; known: missing_body"),
        ("missing_body", "expected missing_body=LOOK or missing_body=LOOK,UNUSABLE"),
        ("missing_body=x", "could not convert"),
        ("missing_body=0.5,0.2", "unusable must be at least 0.5, got 0.2"),
        ("rate=5,15", "unusable must be at most 5, got 15"),
        ("rate=1,2,3", "got 3 numbers"),
        ("rate=nan", "unusable must be"),
    ],
)
def test_a_wrong_threshold_is_named(change, match):
    with pytest.raises(InputError, match=match):
        DEFAULTS.changed([change])


def test_a_damaged_file_is_a_verdict_and_the_others_go_on(clean, tmp_path, caplog):
    for video in "abc":
        write_pose_file(tmp_path, video, clean, Provenance("test", "1"))
    torn = tmp_path / "b.h5"
    torn.write_bytes(torn.read_bytes()[:20_000])
    store = PoseStore(tmp_path)
    a, b, c = judge_store(store, DEFAULTS)
    assert (a.level, c.level) == ("use", "use")
    assert faults(b) == {UNREADABLE: "unusable"}
    assert b.quality is None
    assert str(tmp_path) not in b.reasons
    assert "b.h5" in caplog.text
    assert summary([a, b, c]) == "3 videos: 2 usable, 0 to look at, 1 unusable"
    assert list(quality_table([b])) == [f"{'b':<24}unusable: {b.reasons}"]


def test_table_has_a_line_a_video_whatever_the_layout(clean, tmp_path):
    def still(skeleton):
        keypoints = np.zeros((20, len(skeleton), 2), np.float32)
        scores = np.ones(keypoints.shape[:2], np.float32)
        return PoseSequence(skeleton, keypoints, scores, np.arange(20.0), "pixel", "index")

    hand = Skeleton("hand", ("left_tip",), parts={"left_hand": ("left_tip",)})
    for name, skeleton in (("b", KINECT_20), ("c", Skeleton("plain", ("p", "q"))), ("d", hand)):
        provenance = Provenance("test", "1", frames_unyielded=3 if name == "c" else 0)
        write_pose_file(tmp_path, name, still(skeleton), provenance)
    write_pose_file(tmp_path, "a", clean, Provenance("test", "1"))
    verdicts = judge_store(PoseStore(tmp_path), DEFAULTS)
    rows = {line[0]: line for line in quality_table(verdicts) if line[0] in "abcd"}
    assert set(rows) == set("abcd")
    assert rows["a"].split()[1] == "77"
    assert rows["a"].endswith("clean | use")
    assert "3 never yielded | look: 13 % of the frames cannot be read" in rows["c"]


def test_figures_have_two_digits_that_count():
    assert [percent(x) for x in (0, 0.012, 0.5, 1)] == ["0 %", "1.2 %", "50 %", "100 %"]
    assert [number(x) for x in (0.00123, 0.5, 123.4)] == ["0.0012", "0.5", "123"]
