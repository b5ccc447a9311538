"""Footage that occurs twice, in generated (synthetic) videos and in real sets."""

import itertools

import numpy as np
import pytest

from mgpose.data.motion_match import (
    LEAST_LIKENESS,
    RATE,
    Likeness,
    anchors,
    find_matches,
    likeness,
    motion_track,
)
from mgpose.data.synthetic import SyntheticCorpus
from mgpose.io import PoseStore
from mgpose.io.importers.import_pose import FORMATS
from mgpose.structures import UPPER_BODY_HANDS_FACE, skeleton_by_name

LAYOUT = UPPER_BODY_HANDS_FACE


@pytest.fixture(scope="module")
def sequences():
    """Six synthetic videos of three people."""
    corpus = SyntheticCorpus(3, 2, 15, 20, "uniform", seed=4)
    return {f"v{i}": corpus.video(i).sequence(corpus.video(i).script()) for i in range(6)}


@pytest.fixture(scope="module")
def tracks(sequences):
    return {video: motion_track(s, LAYOUT) for video, s in sequences.items()}


def cut(sequence, first, stop):
    window = slice(first, stop)
    return sequence.replace(
        keypoints=sequence.keypoints[window],
        scores=sequence.scores[window],
        time=sequence.time[window],
        ledger=sequence.ledger[window],
    )


def moved(sequence):
    """Twice as large, elsewhere in the frame."""
    return sequence.replace(keypoints=sequence.keypoints * 2 + 40)


def noisy(sequence):
    """A hundredth of the shoulders' width of white noise, as of another run of the estimator."""
    width = np.nanmedian(
        np.linalg.norm(
            np.subtract(
                *(
                    sequence.keypoints[:, sequence.skeleton.keypoints.index(f"{side}_shoulder"), :2]
                    for side in ("left", "right")
                )
            ),
            axis=-1,
        )
    )
    noise = np.random.default_rng(0).normal(0, 0.01 * width, sequence.keypoints.shape)
    return sequence.replace(keypoints=(sequence.keypoints + noise).astype(np.float32))


def thinned(sequence):
    """Every second frame: half the rate."""
    return cut(sequence, None, None).replace(
        keypoints=sequence.keypoints[::2],
        scores=sequence.scores[::2],
        time=sequence.time[::2],
        ledger=sequence.ledger[::2],
    )


CHANGES = {
    "renamed": lambda s: s,
    "cut": lambda s: cut(s, 40, 280),
    "moved": moved,
    "noisy": noisy,
    "half the rate": thinned,
    "all but the rate": lambda s: noisy(moved(cut(s, 25, 300))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_and_nothing_else(change, sequences, tracks):
    copy = motion_track(CHANGES[change](sequences["v3"]), LAYOUT)
    (match,) = find_matches(tracks, {"copy": copy})
    assert (match.a, match.b) == ("v3", "copy")
    assert match.likeness.margin >= 0


def test_different_videos_are_no_match(tracks):
    for held_out in tracks:
        others = {v: t for v, t in tracks.items() if v != held_out}
        assert not find_matches(others, {held_out: tracks[held_out]})


def test_names_and_order_do_not_matter(sequences, tracks):
    copy = motion_track(cut(sequences["v1"], 30, 250), LAYOUT)
    plain = find_matches(tracks, {"copy": copy}, least_margin=-0.5)
    names = {v: f"w{9 - i}" for i, v in enumerate(tracks)}
    renamed = {names[v]: tracks[v] for v in reversed(list(tracks))}
    other = find_matches(renamed, {"copy": copy}, least_margin=-0.5)
    assert {names[m.a] for m in plain} == {m.a for m in other}
    assert plain[0].likeness == other[0].likeness
    assert other[0].a == names["v1"]


def test_both_sides_may_be_called_train(sequences, tracks):
    copy = {"copy": motion_track(cut(sequences["v2"], 30, 250), LAYOUT)}
    (there,), (back,) = find_matches(tracks, copy), find_matches(copy, tracks)
    assert (there.a, there.b) == (back.b, back.a) == ("v2", "copy")
    assert there.likeness.value == pytest.approx(back.likeness.value)


def test_the_likeness_is_the_cosine_at_the_best_offset(tracks):
    a, b = tracks["v0"], tracks["v1"]
    i, j = 120, 150
    cosines = []
    for lag in range(-10, 11):
        x, y = a.fine[i - 75 : i + 75], b.fine[j + lag - 75 : j + lag + 75]
        cosines.append((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))
    found = likeness(a, i, b, j)
    assert found.frames == 150
    assert found.value == pytest.approx(max(cosines), abs=1e-5)
    assert likeness(a, i, a, i).value == pytest.approx(1, abs=1e-6)


def test_the_shorter_the_more_alike():
    frames, least = zip(*LEAST_LIKENESS, strict=True)
    assert list(frames) == sorted(frames, reverse=True)
    assert list(least) == sorted(least)
    assert Likeness(1.0, frames[-1] - 1).margin == -np.inf
    assert Likeness(0.93, 80).margin > 0 > Likeness(0.93, 70).margin


def test_anchors_are_the_moments_of_most_motion(tracks):
    for track in tracks.values():
        at = anchors(track)
        energy = np.square(track.coarse).sum(1)
        assert np.diff(at).min() >= RATE
        assert energy[at].mean() > 2 * energy.mean()


def test_what_shows_nothing_matches_nothing(sequences, tracks):
    s = sequences["v0"]
    blind = s.replace(keypoints=np.full_like(s.keypoints, np.nan), scores=np.zeros_like(s.scores))
    assert motion_track(blind, LAYOUT) is None
    still = s.replace(keypoints=np.repeat(s.keypoints[:1], len(s), axis=0))
    still_track = motion_track(still, LAYOUT)
    assert not find_matches({"a": still_track}, {"b": still_track})
    assert not find_matches({}, tracks)
    assert not find_matches(tracks, {})


def real_tracks(folder, form, layout, keep=lambda name: True):
    skeleton = skeleton_by_name(layout)
    found = {}
    for pose in FORMATS[form].read(folder):
        if keep(pose.video_id):
            found[pose.video_id] = motion_track(pose.sequence, skeleton)
    return {v: t for v, t in found.items() if t is not None}


@pytest.mark.shared
def test_signs_of_other_people_and_of_one_person_are_no_copies(real_data):
    """Real holistic-signs: many pairs of different performances of one sign are compared."""
    names = ("hello", "thanks", "iloveyou")
    tracks = real_tracks(
        real_data / "holistic-signs-mp",
        "mediapipe-npz",
        LAYOUT.name,
        lambda v: v.split("_")[1] in names and v[:3] in ("p03", "p08"),
    )
    parts = [
        {v: t for i, (v, t) in enumerate(sorted(tracks.items())) if i % 2 == k} for k in (0, 1)
    ]
    compared = find_matches(*parts, least_margin=-0.5)
    assert len(compared) > 200
    assert all(m.a.split("_")[1] in names for m in compared)
    assert not [m for m in compared if m.likeness.margin >= 0]
    # The closest ones say that the threshold is not idle.
    assert max(m.likeness.value for m in compared if m.likeness.frames >= 25) > 0.98


@pytest.mark.shared
def test_nw_ucla_repeats_camera_2_in_camera_3(real_data):
    """Real NW-UCLA, subject 3: all and only the clips of the actions 2 and 3 are copies."""
    tracks = real_tracks(
        real_data / "nw-ucla" / "all_sqe.zip",
        "nw-ucla",
        "kinect_20",
        lambda v: v[4:7] == "s03",
    )
    train = {v: t for v, t in tracks.items() if not v.endswith("v03")}
    test = {v: t for v, t in tracks.items() if v.endswith("v03")}
    found = {(m.a, m.b) for m in find_matches(train, test)}
    copies = {(f"{v[:-1]}2", v) for v in test if v[:3] in ("a02", "a03")}
    assert len(copies) == sum(v[:3] in ("a02", "a03") for v in test) >= 10
    assert found == copies
    # Other performances by the same camera raise no alarm either.
    within = {v: t for v, t in train.items() if v.endswith("v01")}
    halves = [dict(itertools.islice(within.items(), k, None, 2)) for k in (0, 1)]
    assert not find_matches(*halves)


def test_real_signs_cut_and_newly_placed_are_found_and_others_are_not(repo):
    """The sample's real signs of two seconds and more, trimmed at both ends."""
    store = PoseStore(repo / "data" / "sample")
    tracks = {v: motion_track(store[v], LAYOUT) for v in store}
    long = [v for v in store if len(tracks[v]) >= 60]
    assert len(long) >= 3
    for video in long:
        copy = motion_track(moved(cut(store[video], 6, -6)), LAYOUT)
        (match,) = find_matches(tracks, {"copy": copy})
        assert match.a == video
    halves = [dict(itertools.islice(tracks.items(), k, None, 2)) for k in (0, 1)]
    assert not find_matches(*halves)
