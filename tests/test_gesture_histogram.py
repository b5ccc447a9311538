"""Histograms of gestures: numpy counts alike, and nobody is read by a probe of their own clips."""

import numpy as np
import pytest

from mgpose.evaluation.gesture_histogram import annotated_histograms, predicted_histograms
from mgpose.evaluation.video_sequences import VideoSequences

CLASSES = 4


def test_annotated_histograms_are_counts_by_time():
    rng = np.random.default_rng(0)
    video, gesture = rng.integers(0, 5, 60), rng.integers(0, CLASSES, 60)
    video[video == 3] = 2  # one video without any gesture
    length = rng.uniform(10, 90, 5)
    events = [(int(v), int(g)) for v, g in zip(video, gesture, strict=True)]
    found = annotated_histograms(iter(events), length, CLASSES)
    for i in range(5):
        counts = np.bincount(gesture[video == i], minlength=CLASSES)
        assert np.allclose(found[i] ** 2 * length[i], counts)
    assert not found[3].any()


@pytest.mark.parametrize("event", [(2, 0), (0, CLASSES), (-1, 0), (0, -1)])
def test_events_out_of_range_are_refused(event):
    with pytest.raises(ValueError, match="video below 2 and a class below 4"):
        annotated_histograms([event], np.ones(2), CLASSES)


@pytest.fixture
def known():
    """Clips of five people, and videos whose windows each look like one class, plus noise."""
    rng = np.random.default_rng(1)
    centres = 4 * np.eye(CLASSES, 6, dtype=np.float32)
    labels = np.arange(100) % CLASSES
    people = [f"p{i // 20}" for i in range(100)]
    clips = centres[labels] + rng.normal(scale=0.3, size=(100, 6)).astype(np.float32)

    def videos(count, seed):
        draw = np.random.default_rng(seed)
        shown = draw.integers(0, CLASSES, 12 * count)
        values = centres[shown] + draw.normal(scale=0.3, size=(12 * count, 6))
        video = np.repeat(np.arange(count), 12)
        time = np.tile(np.arange(12.0), count)
        return VideoSequences(values, video, time, np.full(count, 12.0)), shown

    return clips, labels, people, *videos(6, 2), *videos(3, 3)


# The last has no clip of their own.
TRAIN_PEOPLE = ("p0", "p1", "p2", "p3", "p4", "stranger")


def test_predicted_histograms_are_what_the_windows_show(known):
    clips, labels, people, train, train_shown, test, test_shown = known
    found = predicted_histograms(clips, labels, people, train, TRAIN_PEOPLE, test, CLASSES)
    for histograms, sequences, shown in zip(
        found, (train, test), (train_shown, test_shown), strict=True
    ):
        # Square roots of mean probabilities.
        assert np.allclose((histograms**2).sum(1), 1, atol=1e-5)
        for i in range(len(sequences)):
            shares = np.bincount(shown[sequences.video == i], minlength=CLASSES) / 12
            assert np.allclose(histograms[i] ** 2, shares, atol=0.1)


def test_nobody_is_read_by_a_probe_of_their_own_clips(known):
    clips, labels, people, train, _, test, _ = known
    mine = np.array([person == "p2" for person in people])
    lied = np.where(mine, (labels + 1) % CLASSES, labels)
    honest, other = (
        predicted_histograms(clips, given, people, train, TRAIN_PEOPLE, test, CLASSES, 30, 5)
        for given in (labels, lied)
    )
    # With a fold a person, only the others' probes learn the lie.
    assert np.array_equal(honest[0][2], other[0][2])
    for changed in (honest[0][[0, 1, 3, 4, 5]] != other[0][[0, 1, 3, 4, 5]], honest[1] != other[1]):
        assert changed.any(1).all()
    with pytest.raises(ValueError, match="at least 2 groups"):
        predicted_histograms(clips, labels, ["p0"] * 100, train, TRAIN_PEOPLE, test, CLASSES)
