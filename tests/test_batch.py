"""Batches: order, tables, logs, estimates, two runs at one store."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.job import sweep
from mgpose.extraction.jobs.lease import take_lease
from mgpose.extraction.jobs.manifest import MANIFEST_COLUMNS, Outcome, merge_rows, read_table
from mgpose.extraction.jobs.plan import Estimate, Probe, cut, plan_jobs
from mgpose.extraction.jobs.videos import Video, find_videos
from mgpose.extraction.jobs.workers import run_tasks, shares_of_cores
from mgpose.io import PoseStore
from mgpose.io.video import VideoReader
from mgpose.structures import InputError

CHEAP = EstimatorSettings("cheap_estimator:make")
LENGTHS = (40, 100, 70)


@pytest.fixture(autouse=True)
def _estimator(repo, monkeypatch):
    """Spawned workers import what this process can."""
    monkeypatch.syspath_prepend(repo / "tests")
    monkeypatch.syspath_prepend(repo)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_video) -> Path:
    folder = tmp_path_factory.mktemp("in")
    noise = np.random.default_rng(0)
    for length in LENGTHS:
        images = noise.integers(0, 255, (length, 48, 64, 3), np.uint8)
        write_video(folder / f"{length}.mp4", images)
    return folder


@pytest.fixture
def videos(folder) -> list[Video]:
    return [Video(folder / f"{length}.mp4", f"n{length}") for length in LENGTHS]


def rows(store: Path) -> dict[str, dict[str, str]]:
    return read_table(store / "manifest.csv", MANIFEST_COLUMNS)


def log(store: Path, video_id: str) -> str:
    return (store / "logs" / f"{video_id}.log").read_text()


def test_the_longest_come_first(videos, tmp_path):
    jobs, unreadable = plan_jobs(videos, tmp_path, CHEAP)
    assert [job.frames for job in jobs] == sorted(LENGTHS, reverse=True)
    assert not unreadable
    extract_batch(videos, tmp_path / "store", CHEAP)
    written = sorted((tmp_path / "store").glob("*.h5"), key=lambda path: path.stat().st_mtime_ns)
    assert [path.stem for path in written] == ["n100", "n70", "n40"]


def test_tables_and_logs(videos, tmp_path, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setenv("MGPOSE_CHEAP_NOISE", "1")
    extract_batch(videos[:2], store, CHEAP)
    first = rows(store)["n40"]
    assert list(first) == list(MANIFEST_COLUMNS)
    assert (first["status"], first["frames"], first["seconds"]) == ("extracted", "40", "1.560")
    assert float(first["speed"]) > 0
    text = log(store, "n40")
    assert re.search(r"^\S+Z host \S+, process \d+$", text, re.M)
    assert "Z start: cheap 1, 40 frames announced, subject None" in text
    assert "a native library warns" in text
    assert "Z extracted: 40 frames." in text
    # Another run keeps what is there, with what is known of it, and adds its own.
    (outcome, _) = extract_batch(videos[::2], store, CHEAP)
    second = rows(store)
    assert (outcome.status, f"{outcome.speed:.2f}") == ("kept", first["speed"])
    assert second["n40"] == {**first, "status": "kept", "run": second["n70"]["run"]}
    assert second["n100"]["run"] == first["run"]
    with (store / "sources.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["n100", "n40", "n70"]


def broken(settings):
    from cheap_estimator import make

    def fail():
        raise KeyError("a bug of the estimator's")

    return replace(make(settings), estimator=fail)


def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(repo, videos, tmp_path):
    settings = EstimatorSettings("test_batch:broken")
    sys.modules.setdefault("test_batch", sys.modules[__name__])
    (outcome,) = extract_batch(videos[:1], tmp_path / "store", settings)
    assert outcome.status == "failed"
    assert outcome.message.startswith('KeyError: "a bug of the estimator\'s" (test_batch.py, line')
    text = log(tmp_path / "store", "n40")
    assert "Traceback" in text
    assert "raise KeyError" in text


def test_an_id_stays_with_its_video_until_that_is_replaced(folder, tmp_path):
    store = tmp_path / "store"
    extract_batch([Video(folder / "40.mp4", "a")], store, CHEAP)
    for _ in range(2):  # asking twice does not make it another's
        (outcome,) = extract_batch([Video(folder / "70.mp4", "a")], store, CHEAP)
        assert outcome.status == "failed"
        assert "another video under the id" in outcome.message
    assert len(PoseStore(store)["a"]) == 40
    moved = shutil.copy(folder / "40.mp4", tmp_path / "moved.mp4")
    (outcome,) = extract_batch([Video(Path(moved), "a")], store, CHEAP)
    assert outcome.status == "kept"
    assert read_table(store / "sources.csv", ("id", "path"))["a"]["path"] == str(moved)
    shutil.copy(folder / "70.mp4", moved)  # the same file, cut anew
    (outcome,) = extract_batch([Video(Path(moved), "a")], store, CHEAP)
    assert (outcome.status, outcome.frames) == ("extracted", 70)


def test_an_older_manifest_is_read_and_another_table_is_refused(videos, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "manifest.csv").write_text("id,status,frames,seconds,fps,message\nold,kept,3,1,2,\n")
    extract_batch(videos[:1], store, CHEAP)
    assert rows(store)["old"] == {
        **dict.fromkeys(MANIFEST_COLUMNS, ""),
        **{"id": "old", "status": "kept", "frames": "3", "seconds": "1", "fps": "2"},
    }
    (store / "manifest.csv").write_text("name,age\nanna,3\n")
    with pytest.raises(InputError, match="a column 'id'"):
        extract_batch(videos[:1], store, CHEAP)


def test_rows_are_merged(tmp_path):
    for number in range(5):
        row = Outcome(f"v{number}", "extracted", number).row("r")
        merge_rows(tmp_path, "manifest.csv", MANIFEST_COLUMNS, [row])
    merge_rows(tmp_path, "manifest.csv", MANIFEST_COLUMNS, [Outcome("v2", "kept").row("s")])
    assert [row["status"] for row in rows(tmp_path).values()].count("extracted") == 4


@pytest.mark.parametrize("workers", [0, -3])
def test_workers_are_one_or_more(videos, tmp_path, workers):
    with pytest.raises(InputError, match="--workers: expected 1 or more"):
        extract_batch(videos, tmp_path / "store", CHEAP, workers)
    assert not (tmp_path / "store").exists()


# Cores.


def cores_of(task, progress):
    return sorted(os.sched_getaffinity(0))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_workers_share_the_cores(monkeypatch):
    assert shares_of_cores(1) == [frozenset()]
    for cores, workers in ((2, 2), (7, 3), (8, 2), (2, 3)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=cores: set(range(10, 10 + n)))
        shares = shares_of_cores(workers)
        if workers > cores:
            assert shares == [frozenset()] * workers
            continue
        assert sorted(core for share in shares for core in share) == list(range(10, 10 + cores))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    monkeypatch.undo()


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores",
)
def test_each_worker_keeps_to_its_share(repo, monkeypatch):
    sys.modules.setdefault("test_batch", sys.modules[__name__])
    from test_batch import cores_of as work

    mine = sorted(os.sched_getaffinity(0))
    assert [r.result for r in run_tasks(work, [1], 1)] == [mine]
    found = [r.result for r in run_tasks(work, range(6), 2)]
    assert all(0 < len(cores) < len(mine) for cores in found)


# Two runs at one store.


def test_a_video_under_anothers_lease_waits_and_is_left_alone(videos, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    lease = take_lease(store / "in_progress", "n40")
    (store / "in_progress" / f"n40@{lease.token}").mkdir()
    dead = store / "in_progress" / "n70@00"
    dead.mkdir()
    sweep(store)
    assert [path.name for path in (store / "in_progress").glob("*@*")] == [f"n40@{lease.token}"]
    lease.give_back()
    sweep(store)
    assert not (store / "in_progress").exists()


def test_two_runs_share_the_work(repo, folder, tmp_path):
    store, path = tmp_path / "store", os.pathsep.join((str(repo), str(repo / "tests")))
    command = [sys.executable, repo / "tools/extract_pose.py", folder, "--out", store]
    runs = [
        subprocess.Popen(
            [*command, "--estimator", CHEAP.name],
            env={**os.environ, "PYTHONPATH": path, "MGPOSE_CHEAP_PAUSE": "0.03"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    ids = [video.video_id for video in find_videos([folder])]
    # Each run ends with all videos, and each video was extracted once.
    texts = [log(store, name) for name in ids]
    assert [text.count("Z extracted:") for text in texts] == [1] * len(LENGTHS)
    assert [text.count("Z kept:") for text in texts] == [1] * len(LENGTHS)
    assert len({re.findall(r"process (\d+)", text)[0] for text in texts}) == 2
    assert sorted(rows(store)) == ids
    assert sorted(map(len, PoseStore(store).values())) == sorted(LENGTHS)


# Estimates.


def test_the_start_of_a_video_is_copied(folder, tmp_path):
    cut(folder / "100.mp4", tmp_path / "clip.mkv", 2.0)
    with VideoReader(tmp_path / "clip.mkv") as clip, VideoReader(folder / "100.mp4") as whole:
        pairs = list(zip(clip, whole, strict=False))
    assert len(pairs) == 50
    assert all((a.image == b.image).all() for a, b in pairs)
    with pytest.raises(InputError, match="cannot be copied"):
        cut(tmp_path / "none.mp4", tmp_path / "clip.mkv", 2.0)


@pytest.mark.shared
def test_the_start_of_a_video_with_reordered_frames_is_copied(real_data, tmp_path):
    """Its first packets have no decoding time, and the key frame is one of them."""
    cut(real_data / "videos/intel-asl/again.mkv", tmp_path / "clip.mkv", 2.0)
    with VideoReader(tmp_path / "clip.mkv") as clip:
        assert 58 <= sum(frame.image is not None for frame in clip) <= 65


def test_an_estimate_is_sums_of_its_probes():
    probes = (Probe(50, 3.0, 4.0, 40, 100_000), Probe(50, 1.0, 6.0, 40, 140_000))
    estimate = Estimate(10, 36_000, 1440.0, 0, 2, probes)
    assert estimate.speed == 8
    assert estimate.hours == pytest.approx((10 * 2 + 36_000 / 8) / 2 / 3600)
    assert estimate.gigabytes == pytest.approx(36_000 * 2400 / 1e9)
    none = replace(estimate, probes=(), failures=("x.mp4: no person found in 50 frames",))
    assert "a probe failed: x.mp4: no person found" in str(none)
    assert str(none).endswith("no estimate of the work")


def test_a_dry_run_writes_nothing_and_tells_what_is_unreadable(repo, folder, tmp_path):
    path = os.pathsep.join((str(repo), str(repo / "tests")))
    (tmp_path / "bad.mp4").write_text("no video")
    command = [sys.executable, repo / "tools/extract_pose.py", folder, tmp_path / "bad.mp4"]
    done = subprocess.run(
        [*command, "--dry-run", "--estimator", CHEAP.name],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"unreadable: {tmp_path / 'bad.mp4'}: ")
    assert done.stdout.startswith("3 videos, 0.002 hours, 210 frames; estimate from 3 probes")
    assert done.stdout.endswith("1 unreadable\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mp4"]
