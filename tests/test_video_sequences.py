"""Sequences of windows: pooling by a slow loop, selection, and positions in time."""

import numpy as np
import pytest

from mgpose.evaluation.video_sequences import TIME_CHANNELS, VideoSequences, time_encodings


def sequences(counts, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    length = rng.uniform(20, 90, len(counts))
    video = np.repeat(np.arange(len(counts)), counts)
    time = np.concatenate(
        [np.sort(rng.uniform(0, end, count)) for end, count in zip(length, counts, strict=True)]
    )
    return VideoSequences(rng.normal(size=(len(video), channels)), video, time, length)


def test_mean_pooling_is_the_slow_mean():
    found = sequences([1, 7, 2, 30])
    slow = [[0.0] * 3 for _ in range(4)]
    for video, row in zip(found.video, found.values.tolist(), strict=True):
        for channel, value in enumerate(row):
            slow[video][channel] += value / int(found.counts[video])
    assert np.allclose(found.means(), slow, atol=1e-6)
    assert found.counts.tolist() == [1, 7, 2, 30]


def test_a_subset_is_the_videos_asked_for():
    whole = sequences([3, 1, 5, 2])
    part = whole.subset([2, 0])
    assert part.counts.tolist() == [5, 3]
    assert np.array_equal(part.means(), whole.means()[[2, 0]])
    assert np.array_equal(part.length, whole.length[[2, 0]])
    assert np.array_equal(part.time, np.r_[whole.time[4:9], whole.time[:3]])
    assert np.array_equal(part.first_channels(2).values, part.values[:, :2])
    again = whole.subset(range(4))
    assert np.array_equal(again.values, whole.values)


def test_positions_are_waves_of_the_time():
    found = sequences([4, 9])
    longest = 80.0
    slow = []
    for video, time in zip(found.video, found.time, strict=True):
        row = []
        for turns, length in [(k, found.length[video]) for k in (1, 2, 4)] + [
            (k, longest) for k in (1, 4, 16)
        ]:
            angle = np.pi * turns * time / length
            row += [2**0.5 * np.cos(angle), 2**0.5 * np.sin(angle)]
        slow.append(row)
    encoded = time_encodings(found, longest)
    assert encoded.shape == (13, TIME_CHANNELS)
    assert np.allclose(encoded, slow, atol=1e-5)


def test_positions_do_not_know_the_unit():
    seconds = sequences([4, 9])
    frames = VideoSequences(seconds.values, seconds.video, 25 * seconds.time, 25 * seconds.length)
    assert np.allclose(time_encodings(seconds, 80), time_encodings(frames, 2000), atol=1e-5)
    with pytest.raises(ValueError, match="> 0"):
        time_encodings(seconds, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"video": [0, 0, 2, 2]}, "with a window for each"),
        ({"video": [0, 1, 0, 1]}, "with a window for each"),
        ({"video": [0, 0, 1]}, r"expected values \(M, D\)"),
        ({"length": [5.0, 0.0]}, "length > 0"),
        ({"time": [0.0, np.nan, 1.0, 2.0]}, "time must be finite"),
        ({"values": np.full((4, 2), np.inf)}, "values must be finite"),
    ],
)
def test_what_is_refused(change, says):
    good = {
        "values": np.zeros((4, 2)),
        "video": [0, 0, 1, 1],
        "time": [0.0, 1.0, 0.0, 1.0],
        "length": [2.0, 2.0],
    }
    assert len(VideoSequences(**good)) == 2
    with pytest.raises(ValueError, match=says):
        VideoSequences(**{**good, **change})
