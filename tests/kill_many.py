"""SIGKILL at random moments over extraction with several workers, and what must hold after each.

    python tests/kill_many.py --kills 500

Rounds of one store each: runs are started and killed (the run itself, or one of its workers) until
one gets through. After each kill, whatever has its name in the store is whole, has the bytes that
an unbroken run writes, and was not written twice; at the end the store is the unbroken one, and
no kill cost more than the videos in flight.
"""

import argparse
import collections
import contextlib
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from mgpose.extraction.jobs.lease import entries  # noqa: E402
from mgpose.io import read_pose_file  # noqa: E402

VIDEOS, FRAMES, WORKERS = 6, 280, 2
WORKER_KILLS = 0.3  # share
PAUSE = 0.003  # seconds of work a frame


def write_videos(folder: Path, videos: int) -> Path:
    import av

    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(videos):
        with av.open(str(folder / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height = 64, 48
            for _ in range(FRAMES - 10 * number):
                image = noise.integers(0, 255, (48, 64, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    return folder


def start(videos: Path, out: Path) -> subprocess.Popen:
    options = ["--out", out, "--workers", str(WORKERS), "--estimator", "cheap_estimator:make"]
    path = os.pathsep.join((str(REPO), str(REPO / "tests")))
    environment = {**os.environ, "PYTHONPATH": path, "MGPOSE_CHEAP_PAUSE": str(PAUSE)}
    return subprocess.Popen(
        [sys.executable, REPO / "tools/extract_pose.py", videos, *options],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def workers_of(process: subprocess.Popen) -> list[int]:
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    except OSError:
        return []
    found = []
    for child in children:
        with contextlib.suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def count(out: Path, word: str) -> collections.Counter:
    """How often a word begins a line of each video's log."""
    return collections.Counter(
        {
            path.stem: sum(f"Z {word}:" in line for line in path.read_text().splitlines())
            for path in out.glob("logs/*.log")
        }
    )


class Store:
    """A store that is being broken, and the unbroken one beside it."""

    def __init__(self, out: Path, whole: dict[str, bytes]) -> None:
        self.out, self.whole = out, whole
        self.seen: dict[str, tuple[int, int]] = {}

    def check(self) -> None:
        for path in self.out.glob("*.h5"):
            read_pose_file(path)
            assert path.read_bytes() == self.whole[path.name], f"{path} has other bytes"
            state = path.stat()
            first = self.seen.setdefault(path.name, (state.st_ino, state.st_mtime_ns))
            assert (state.st_ino, state.st_mtime_ns) == first, f"{path} was written twice"
        manifest = self.out / "manifest.csv"
        if manifest.exists():
            with manifest.open(newline="") as file:
                assert all(row["status"] for row in csv.DictReader(file))

    def check_end(self, kills: int) -> int:
        """Returns how many extractions were lost."""
        self.check()
        assert {path.name for path in self.out.glob("*.h5")} == set(self.whole)
        names = {path.name for path in self.out.iterdir()} - set(self.whole)
        assert names == {"logs", "manifest.csv", "sources.csv"}, names
        extracted = count(self.out, "extracted")
        assert all(number <= 1 for number in extracted.values()), extracted
        lost = count(self.out, "start") - count(self.out, "kept") - extracted
        assert lost.total() <= WORKERS * kills, f"{lost.total()} lost by {kills} kills"
        return lost.total()


def run(kills: int, seed: int, videos: int, folder: Path) -> str:
    source, chance = write_videos(folder / "videos", videos), random.Random(seed)
    began = time.monotonic()
    assert start(source, folder / "whole").wait() == 0
    duration = time.monotonic() - began
    whole = {path.name: path.read_bytes() for path in (folder / "whole").glob("*.h5")}
    assert len(whole) == videos
    done: collections.Counter = collections.Counter()
    while done["kills"] < kills:
        store, before = Store(folder / f"round{done['rounds']}", whole), done["kills"]
        while True:
            process = start(source, store.out)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(duration * chance.uniform(0.2, 1) if done["kills"] < kills else None)
            if process.poll() is not None:
                done["ended"] += 1
                if process.returncode == 0:
                    break
                assert process.returncode == 2, "a killed worker's video has failed, all others not"
                continue
            done["kills"] += 1
            done["in flight"] += any("@" in p.name for p in entries(store.out / "in_progress"))
            workers = workers_of(process)
            if workers and chance.random() < WORKER_KILLS:
                os.kill(chance.choice(workers), signal.SIGKILL)
                done["workers"] += 1
                store.check()
                process.wait()
                if process.returncode == 0:  # it had no video in its hands
                    break
                continue
            process.send_signal(signal.SIGKILL)
            process.wait()
            store.check()
        done["lost"] += store.check_end(done["kills"] - before)
        done["rounds"] += 1
        print(f"store {done['rounds']}: {dict(done)}", file=sys.stderr, flush=True)
    return (
        f"{done['kills']} kills ({done['workers']} of workers; {done['in flight']} with a video in "
        f"flight) over {done['rounds']} stores of {videos} videos: each the unbroken one, "
        f"{done['lost']} extractions begun anew"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", type=int, default=VIDEOS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(options.kills, options.seed, options.videos, Path(folder)))


if __name__ == "__main__":
    main()
