"""The ledger against ffprobe; the whole corpus is in ``tests/faulty_videos.py``."""

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from mgpose.data.clips import annotated_spans
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.io.pose_file import PoseFile
from mgpose.io.video import VideoReader
from mgpose.structures import KINECT_20, Annotation, FrameFlag, PoseSequence

sys.path.append(str(Path(__file__).parent))  # the script's parts, also for workers

from faulty.corpus import all_recipes, make_corpus
from faulty.judge import in_order
from faulty_videos import run_batch, trial

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="needs ffmpeg and ffprobe"
)
RECIPES = {recipe.name: recipe for recipe in all_recipes()}
QUICK = (
    "cut_h264_index_first_50.mp4", "cut_h264_30.mkv", "cut_mpeg4_50.avi", "flip_h264_payload.mkv",
    "headless_h264_40.ts", "vfr.mp4", "vfr.mkv", "edits_two.mp4", "one_leap.mkv", "bare.h264",
    "cover_only.mp4", "list.m3u8", "list.mp4", "folder.mp4", "pipe.mp4", "link_broken.mp4",
    "link_loop.mp4", "forbidden.mp4",
)  # fmt: skip


# Whose times leave places empty, by a wild stamp in the header, or between their parts.
GAPS = {"hour_gap.mkv", "one_leap.mkv", "grows.ts"}


@pytest.fixture(scope="module")
def film(tmp_path_factory, write_video):
    """A folder of one video with noise and motion, so that its packets have some size."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60, 80, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    folder = tmp_path_factory.mktemp("film")
    write_video(folder / "a.mp4", [np.roll(noise, 5 * i, 1) for i in range(72)], rate=30)
    return folder


@pytest.fixture(scope="module")
def verdicts(film, tmp_path_factory):
    found = trial(film, tmp_path_factory.mktemp("quick"), recipes=[RECIPES[n] for n in QUICK])
    return {verdict.recipe.name: verdict for verdict in found}


@pytest.mark.parametrize("name", QUICK)
def test_ledger_agrees_with_ffprobe(verdicts, name):
    verdict = verdicts[name]
    assert verdict.faults == []
    if verdict.recipe.refused:
        assert verdict.message.startswith("expected a video file, found")
        assert "\n" not in verdict.message
    elif name not in ("headless_h264_40.ts", "one_leap.mkv"):
        assert verdict.unaccounted == 0


def test_what_nobody_may_read_is_refused_for_that_reason(verdicts):
    assert "Permission denied" in verdicts["forbidden.mp4"].message


def test_lost_packets_are_counted_although_no_header_does(verdicts):
    verdict = verdicts["headless_h264_40.ts"]
    assert verdict.probe.packets > len(verdict.probe.times)  # the decoder waits for a key frame
    assert verdict.ledger.unyielded >= verdict.probe.packets - len(verdict.probe.times)


def test_a_false_ledger_is_found_out(verdicts):
    """The trial itself is on trial: a frame less, times that stand still, times too late."""
    sound = verdicts["vfr.mp4"]
    ledger = sound.ledger
    shorter = dataclasses.replace(ledger, times=ledger.times[1:], flags=ledger.flags[1:])
    twice = dataclasses.replace(ledger, times=ledger.times // 0.1)
    late = dataclasses.replace(ledger, times=ledger.times + 0.07)
    for false, fault in ((shorter, "-1 pictures"), (twice, "increase"), (late, "time off by 0.07")):
        faults = dataclasses.replace(sound, ledger=false).faults
        assert any(fault in found for found in faults)
    missing = dataclasses.replace(verdicts["cut_h264_30.mkv"], ledger=None, message="no")
    assert missing.faults == ["refused, ffprobe reads it"]


def test_in_order():
    times = np.array([0, 1, 9, 2, 3, 2.5, 4])
    np.testing.assert_array_equal(in_order(times), [1, 1, 0, 1, 1, 0, 1])
    np.testing.assert_array_equal(in_order(np.array([0, 0, 0, np.nan])), [1, 0, 0, 0])
    assert in_order(np.array([])).size == 0


def test_same_seed_same_files(film, tmp_path):
    chosen = [RECIPES["flip_mpeg4_dense.mkv"], RECIPES["flip_h264_index.mp4"]]
    contents = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / str(number)
        out.mkdir()
        make_corpus(film, out, seed, chosen)
        contents.append([(out / recipe.name).read_bytes() for recipe in chosen])
    assert contents[0] == contents[1]
    assert all(a != b for a, b in zip(contents[0], contents[2], strict=True))


def test_names_that_a_protocol_or_an_encoding_would_stumble_over(film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("10:30.mp4", "a%03d.mp4", "-i.mp4", os.fsdecode(b"\xe9t\xe9.mp4")):
        shutil.copy(film / "a.mp4", name)
        with VideoReader(Path(name)) as reader:
            assert sum(1 for _ in reader) == 72


def test_published_table_is_of_these_files(repo):
    lines = (repo / "tests/FAULTY_VIDEOS.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")]
    assert rows[2:] == list(RECIPES)
    assert len(RECIPES) >= 60


def test_seconds_become_frames_by_their_time_stamps(film, tmp_path, verdicts):
    """A span holds just the frames shown in it, whatever the frame rate does."""
    ledger = verdicts["vfr.mp4"].ledger
    time, count = ledger.times, len(ledger.times)
    assert np.diff(time).max() > 2 * np.diff(time).min()
    keypoints = np.zeros((count, 20, 3), np.float32)
    poses = PoseSequence(KINECT_20, keypoints, np.ones((count, 20), np.float32), time, "metre",
                         "container", None, ledger.flags)  # fmt: skip
    write_pose_file(tmp_path, "a", poses, Provenance("test", "1", "", ""))
    rng = np.random.default_rng(0)
    spans = [sorted(rng.uniform(0, time[-1], 2)) for _ in range(50)]
    spans = [(a, b) for a, b in spans if ((time >= a) & (time < b)).any()]
    spans.append((time[5], time[9]))  # the stop is exclusive
    marks = [Annotation("a", "", a, b, "wave") for a, b in spans]
    by_rate = 0
    found_spans = annotated_spans(PoseStore(tmp_path), marks)
    for (start, stop), found in zip(spans, found_spans, strict=True):
        inside = np.flatnonzero((time >= start) & (time < stop))
        assert (found.start, found.stop) == (inside[0], inside[-1] + 1)
        by_rate += round(start * (count - 1) / time[-1]) != inside[0]
    assert by_rate > len(spans) // 4  # a mean rate would have been wrong


@pytest.mark.slow
@pytest.mark.shared
def test_whole_corpus(real_data, tmp_path):
    corpus, store = tmp_path / "corpus", tmp_path / "store"
    corpus.mkdir()
    verdicts = trial(real_data / "videos", corpus)
    assert {v.recipe.name: v.faults for v in verdicts if v.faults} == {}
    sound = [v for v in verdicts if v.whole is None]
    assert {v.recipe.name for v in sound if v.unaccounted} == GAPS
    outcomes = run_batch(corpus, store)
    for number, verdict in enumerate(verdicts):
        outcome = outcomes.get(verdict.recipe.name)
        if outcome is None:
            continue
        assert outcome.status == ("extracted" if verdict.decoded else "failed"), verdict.recipe.name
        poses = store / f"v{number:03d}.h5"
        if outcome.status == "failed":
            assert outcome.message
            assert str(tmp_path) not in outcome.message
            assert not poses.exists()
            continue
        with PoseFile(poses) as file:
            ledger = file.read().ledger
            assert file.header.provenance.frames_unyielded == verdict.ledger.unyielded
        for flag in (FrameFlag.DECODED, FrameFlag.REPAIRED, FrameFlag.FAILED):
            assert np.count_nonzero(ledger & flag) == verdict.ledger.count(flag)
