import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mgpose.data.clips import (
    ClipDataset,
    ClipSettings,
    Span,
    annotated_spans,
    clip_arrays,
    load_clips,
    sliding_spans,
)
from mgpose.io import PoseStore
from mgpose.io.pose_file import Provenance, write_pose_file
from mgpose.structures import UPPER_BODY_HANDS_FACE as LAYOUT
from mgpose.structures import Annotation, InputError, PoseSequence, skeleton_by_name

WRIST = LAYOUT.index("left_wrist")
SHOULDERS = LAYOUT.indices(("left_shoulder", "right_shoulder"))
NECK = LAYOUT.index("neck")


def poses(path, time=None, unit="pixel", frame_size=(640, 480), score=0.8, **changes):
    """A still person, shoulders 100 pixels apart about (300, 200); the left wrist goes ``path``.

    Args:
        path: (T, 2) place of the wrist in shoulder widths from mid-shoulder.
        time: (T,) seconds, or None for an unknown rate.
    """
    frames = len(path)
    keypoints = np.full((frames, len(LAYOUT), 2), (300, 200), np.float32)
    keypoints[:, SHOULDERS, 0] = (350, 250)
    keypoints[:, WRIST] = np.array((300, 200)) + 100 * np.asarray(path)
    if unit == "normalised":
        keypoints = keypoints / np.array((640, 480), np.float32)
    return PoseSequence(
        skeleton=LAYOUT,
        keypoints=keypoints.astype(np.float32),
        scores=np.full((frames, len(LAYOUT)), score, np.float32),
        time=np.arange(frames, dtype=np.float64) if time is None else np.asarray(time, float),
        unit=unit,
        time_source="index" if time is None else "container",
        frame_size=frame_size,
        **changes,
    )


def line(t, speed=(0.7, -0.3), start=(-0.2, 0.9)):
    return np.asarray(start) + np.outer(t, speed)


def store_of(folder, **sequences):
    for name, sequence in sequences.items():
        write_pose_file(folder, name, sequence, Provenance("test", "1"))
    return PoseStore(folder)


def irregular(frames, rate=30.0, seed=0):
    rng = np.random.default_rng(seed)
    return 5.0 + np.cumsum(rng.uniform(0.3, 1.7, frames)) / rate


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(2, 60), rate=st.sampled_from((8, 25, 60)))
def test_uniform_motion_at_irregular_times_stays_on_its_line(seed, frames, rate):
    time = irregular(frames, seed=seed)
    t = time - time[0]
    chosen = ClipSettings(frames=200, rate=rate)
    x, mask = clip_arrays(poses(line(t), time), LAYOUT, chosen)
    valid = mask[0].any(-1)
    ticks = np.arange(valid.sum()) / rate
    # Every tick of the clock up to the last frame, and none after it.
    assert ticks[-1] <= t[-1] + 1e-5 < ticks[-1] + 1 / rate + 1e-4
    assert_allclose(x[0, valid, WRIST, :2], line(ticks), atol=2e-4)
    assert_allclose(x[0, valid, WRIST, 2], 0.8, atol=1e-6)


def test_the_model_rate_gives_the_frames_themselves():
    time = np.arange(32) / 25
    path = np.random.default_rng(0).normal(0, 0.05, (32, 2)) + line(time)
    x, mask = clip_arrays(poses(path, time), LAYOUT, ClipSettings(frames=32, rate=25))
    assert mask.shape == (1, 32, len(LAYOUT))
    assert mask.all()
    assert_allclose(x[0, :, WRIST, :2], path, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 5, 32, 77])
def test_an_unknown_rate_is_resampled_by_index_to_the_clip_length(frames):
    x, mask = clip_arrays(poses(line(np.arange(frames))), LAYOUT, ClipSettings(frames=32))
    assert x.shape == (1, 32, len(LAYOUT), 3)
    assert mask.all()
    assert_allclose(x[0, :, WRIST, :2], line(np.linspace(0, frames - 1, 32)), rtol=1e-4, atol=1e-4)


def test_whole_ignores_the_rate():
    time = irregular(90)
    x, mask = clip_arrays(poses(line(np.arange(90)), time), LAYOUT, ClipSettings(32, whole=True))
    by_index, _ = clip_arrays(poses(line(np.arange(90))), LAYOUT, ClipSettings(32))
    assert_array_equal(x, by_index)
    assert mask.all()


def test_padding_is_masked_and_zero():
    x, mask = clip_arrays(poses(line(np.zeros(10)), np.arange(10) / 25), LAYOUT, ClipSettings(32))
    assert mask[0, :10].all()
    assert not mask[0, 10:].any()
    assert not x[0, 10:].any()


def test_a_missing_keypoint_is_masked_and_a_present_origin_is_not():
    sequence = poses(line(np.zeros(20)), np.arange(20) / 25)
    keypoints, scores = sequence.keypoints.copy(), sequence.scores.copy()
    keypoints[:, WRIST], scores[:, WRIST] = np.nan, 0
    keypoints[4:12, 30], scores[4:12, 30] = np.nan, 0  # longer than a gap that is filled
    keypoints[4:8, 31], scores[4:8, 31] = np.nan, 0
    holed = sequence.replace(keypoints=keypoints, scores=scores)
    x, mask = clip_arrays(holed, LAYOUT, ClipSettings(32, max_gap=5))
    assert not mask[0, :, WRIST].any()
    assert_array_equal(mask[0, :20, 30], np.isfinite(keypoints[:, 30, 0]))
    assert mask[0, :20, 31].all()
    assert_allclose(x[0, 4:8, 31, 2], 0.4, atol=1e-6)
    assert not x[~mask].any()
    assert np.isfinite(x).all()
    # The neck lies at the origin: (0, 0) is data there, told from a missing one by the mask.
    assert mask[0, :20, NECK].all()
    assert_allclose(x[0, :20, NECK], np.broadcast_to((0, 0, 0.8), (20, 3)), atol=1e-6)


def test_fractions_of_the_frame_are_pixels_again():
    path = line(np.arange(20) / 25)
    pixel, _ = clip_arrays(poses(path), LAYOUT, ClipSettings(20))
    fraction, _ = clip_arrays(poses(path, unit="normalised"), LAYOUT, ClipSettings(20))
    assert_allclose(fraction, pixel, atol=1e-4)


@pytest.mark.parametrize(
    ("frames", "most", "starts"),
    [
        (16, 4, [0]),
        (17, 4, [0, 1]),
        (32, 4, [0, 16]),
        (33, 4, [0, 8, 17]),
        (200, 4, [0, 61, 123, 184]),
        (200, 2, [0, 184]),
        (200, 1, [92]),
    ],
)
def test_crops_are_evenly_spaced_from_first_frame_to_last(frames, most, starts):
    path = np.stack([np.arange(frames) / 100, np.ones(frames)], -1)
    sequence = poses(path, np.arange(frames) / 25)
    x, mask = clip_arrays(sequence, LAYOUT, ClipSettings(16, max_crops=most))
    assert len(x) == len(starts) <= most
    assert mask.all()
    found = np.round(100 * x[:, :, WRIST, 0]).astype(int)
    assert_array_equal(found, np.array(starts)[:, None] + np.arange(16))


def test_clip_arrays_refuses_what_cannot_be_brought_to_the_skeleton():
    sequence = poses(line(np.arange(5)))
    with pytest.raises(ValueError, match="no conversion"):
        clip_arrays(sequence, skeleton_by_name("kinect_20"), ClipSettings())
    flat = PoseSequence(
        skeleton_by_name("kinect_20"), np.zeros((4, 20, 2), np.float32),
        np.ones((4, 20), np.float32), np.arange(4.0), "metre", "index",
    )  # fmt: skip
    with pytest.raises(ValueError, match="3-D, the keypoints are 2-D"):
        clip_arrays(flat, flat.skeleton, ClipSettings())


@pytest.mark.parametrize(
    "wrong", [{"frames": 1}, {"rate": 0}, {"max_crops": 0}, {"max_gap": -1}], ids=str
)
def test_clip_settings_refuse(wrong):
    with pytest.raises(ValueError, match="frames >= 2"):
        ClipSettings(**wrong)


def without_shoulder(sequence):
    keypoints, scores = sequence.keypoints.copy(), sequence.scores.copy()
    keypoints[:, SHOULDERS[0]], scores[:, SHOULDERS[0]] = np.nan, 0
    return sequence.replace(keypoints=keypoints, scores=scores)


def test_load_clips_leaves_out_what_shows_no_shoulders(tmp_path, caplog):
    store = store_of(
        tmp_path,
        good=poses(line(np.arange(40)), np.arange(40) / 25),
        bad=without_shoulder(poses(line(np.arange(40)), np.arange(40) / 25)),
    )
    spans = [Span("bad", 0, 10), Span("good", 0, 10), Span("bad", 5, 9), Span("good", 0, 40)]
    clips = load_clips(store, spans, LAYOUT, ClipSettings(16))
    assert clips.spans == (spans[1], spans[3])
    assert clips.clip.tolist() == [0, 1, 1, 1]
    assert "2 of 4 clips left out" in caplog.text
    with pytest.raises(InputError, match=r"none of 2 spans is usable.*no frame shows neck"):
        load_clips(store, [spans[0], spans[2]], LAYOUT, ClipSettings(16))


def test_a_clip_is_what_its_own_frames_say(tmp_path):
    rng = np.random.default_rng(0)
    path = line(np.arange(50) / 25) + rng.normal(0, 0.01, (50, 2))
    sequence = poses(path, irregular(50))
    store = store_of(tmp_path, v=sequence)
    clips = load_clips(store, [Span("v", 7, 31)], LAYOUT, ClipSettings(32))
    x, mask = clip_arrays(sequence.window(7, 31), LAYOUT, ClipSettings(32))
    assert_array_equal(clips.x.numpy(), x)
    assert_array_equal(clips.mask.numpy(), mask)


def test_seconds_map_by_the_time_stamps(tmp_path):
    time = irregular(60)
    store = store_of(tmp_path, v=poses(line(np.zeros(60)), time))
    for start, stop in [(time[0], time[9]), (time[5] + 1e-4, time[8] + 1e-4), (5.3, 6.1)]:
        (span,) = annotated_spans(store, [Annotation("v", "s", start, stop, "a")])
        inside = np.flatnonzero((time >= start) & (time < stop))
        assert (span.start, span.stop) == (inside[0], inside[-1] + 1)


def test_frames_map_to_themselves_and_short_or_long_spans_stay_inside(tmp_path):
    time = np.arange(20) / 10
    store = store_of(tmp_path, v=poses(line(np.zeros(20)), time), w=poses(line(np.zeros(20))))
    cases = [
        (Annotation("w", "s", 3, 9, "a", unit="frame"), (3, 9)),
        (Annotation("v", "s", 3, 9, "a", unit="frame"), (3, 9)),
        (Annotation("v", "s", 0.41, 0.42, "a"), (5, 6)),  # between two frames: the next
        (Annotation("v", "s", 1.5, 99, "a"), (15, 20)),
    ]
    for annotation, expected in cases:
        (span,) = annotated_spans(store, [annotation])
        assert (span.start, span.stop) == expected
    moods = [Annotation("v", "s", 0, 1, "glad", tier="emotion"), cases[0][0]]
    assert [s.annotation.label for s in annotated_spans(store, moods)] == ["a"]
    assert [s.annotation.label for s in annotated_spans(store, moods, "emotion")] == ["glad"]


@pytest.mark.parametrize(
    ("annotation", "match"),
    [
        (Annotation("x", "s", 0, 1, "a"), "names video 'x', not in the store"),
        (Annotation("v", "s", 2.5, 3, "a"), "starts at second 2.5, after the last of its 20"),
        (Annotation("v", "s", 20, 23, "a", unit="frame"), "starts at frame 20, after the last"),
        (Annotation("w", "s", 1, 2, "a"), "in seconds, but the video's rate is unknown"),
    ],
)
def test_annotations_that_do_not_fit_the_video_are_refused(tmp_path, annotation, match):
    store = store_of(
        tmp_path, v=poses(line(np.zeros(20)), np.arange(20) / 10), w=poses(line(np.zeros(20)))
    )
    with pytest.raises(InputError, match=match):
        annotated_spans(store, [annotation])


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_sliding_spans_cover_every_frame(tmp_path, overlap):
    lengths = {"one": 1, "short": 9, "fit": 32, "odd": 101, "long": 333}
    timed = {n: poses(line(np.zeros(f)), irregular(f, seed=f)) for n, f in lengths.items()}
    untimed = {f"{n}_index": poses(line(np.zeros(f)), subject="p") for n, f in lengths.items()}
    store = store_of(tmp_path, **timed, **untimed)
    chosen = ClipSettings(frames=32, rate=25)
    spans = sliding_spans(store, store, chosen, overlap)
    for video in store:
        frames = store.header(video).frames
        own = [s for s in spans if s.video == video]
        covered = np.zeros(frames, bool)
        for span in own:
            assert 0 <= span.start < span.stop <= frames
            covered[span.start : span.stop] = True
        assert covered.all()
        assert len({s.start for s in own}) == len(own)
        assert {s.subject for s in own} == ({"p"} if "index" in video else {None})
    assert [s.stop for s in spans if s.video == "odd_index"] == [101]  # one performance
    longest = max(s.stop - s.start for s in spans if s.video == "long_index")
    assert longest == 32


@pytest.mark.parametrize("rate", [10, 24, 25, 29.97, 30, 60, 120])
def test_a_sliding_window_fills_one_crop(tmp_path, rate):
    frames = int(8 * rate)
    store = store_of(tmp_path, v=poses(line(np.zeros(frames)), np.arange(frames) / rate))
    chosen = ClipSettings(frames=32, rate=25)
    spans = sliding_spans(store, ["v"], chosen)
    clips = load_clips(store, spans, LAYOUT, chosen)
    assert clips.clip.tolist() == list(range(len(spans)))
    assert int(clips.mask.any(-1).sum(1).min()) >= 29


def test_groups_fall_back_to_the_video():
    annotation = Annotation("v", "s", 0, 1, "a", groups={"session": "x"})
    assert Span("v", 0, 5, annotation).group("session") == "x"
    assert Span("v", 0, 5, subject="p").group("subject") == "p"
    assert Span("v", 0, 5).group("subject") == "v"
    assert Span("v", 0, 5, subject="p").group("video") == "v"


def small_dataset():
    """Four clips with 1, 2, 1 and 3 crops; every crop holds its own number."""
    clip = torch.tensor([0, 1, 1, 2, 3, 3, 3])
    x = torch.arange(7.0)[:, None, None, None].expand(7, 4, 2, 3)
    spans = [Span(f"v{i}", 0, 4, Annotation(f"v{i}", "s", 0, 4, "abca"[i])) for i in range(4)]
    return ClipDataset(x, torch.ones(7, 4, 2, dtype=torch.bool), clip, spans, ("a", "b", "c"))


def test_subset_renumbers_and_keeps_order():
    clips = small_dataset()
    chosen = clips.subset(iter([3, 0, 1]))
    assert chosen.x[:, 0, 0, 0].tolist() == [4, 5, 6, 0, 1, 2]
    assert chosen.clip.tolist() == [0, 0, 0, 1, 2, 2]
    assert [s.video for s in chosen.spans] == ["v3", "v0", "v1"]
    assert chosen.labels.tolist() == [0, 0, 1]
    item = chosen[5]
    assert item["x"][0, 0, 0] == 2
    assert item["extent"].tolist() == [1, chosen.spans[2].start, chosen.spans[2].stop]
    again = clips.subset(range(4))
    assert torch.equal(again.x, clips.x)
    assert again.clip.tolist() == clips.clip.tolist()


def test_an_empty_subset_keeps_the_types():
    empty = small_dataset().subset([])
    assert len(empty) == 0
    assert empty.labels.dtype == empty.clip.dtype == torch.long
    assert empty.classes == ("a", "b", "c")


def test_unlabelled_clips_have_label_minus_one():
    clips = small_dataset()
    bare = ClipDataset(clips.x, clips.mask, clips.clip, [Span("v", 0, 4)] * 4)
    assert bare.labels.tolist() == [-1] * 4
    with pytest.raises(ValueError, match="one length, got 7, 7, 6"):
        ClipDataset(clips.x, clips.mask, clips.clip[1:], clips.spans)
