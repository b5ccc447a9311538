"""Cluster jobs: the same store as a local run, whatever happens to the jobs."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import slurm_node

from mgpose.extraction.jobs.lease import entries

VIDEOS, FRAMES = 6, 60


def command(repo, videos, out, *options) -> list[str]:
    tool = [sys.executable, str(repo / "tools/extract_pose.py"), str(videos), "--out", str(out)]
    return [*tool, "--estimator", "cheap_estimator:make", *options]


def environment(repo, pause=0.0) -> dict[str, str]:
    path = os.pathsep.join((str(repo), str(repo / "tests")))
    return {"PYTHONPATH": path, "MGPOSE_CHEAP_PAUSE": str(pause)}


def run(repo, videos, out, *options, **other):
    return subprocess.run(
        command(repo, videos, out, *options),
        env={**os.environ, **environment(repo), **other},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory, write_video) -> Path:
    folder = tmp_path_factory.mktemp("in")
    noise = np.random.default_rng(0)
    for i in range(VIDEOS):
        images = noise.integers(0, 255, (FRAMES + 20 * i, 48, 64, 3), np.uint8)
        write_video(folder / f"{i}.mp4", images)
    return folder


@pytest.fixture(scope="module")
def local(repo, videos, tmp_path_factory) -> Path:
    """The store of a local run."""
    out = tmp_path_factory.mktemp("local") / "store"
    done = run(repo, videos, out)
    assert done.returncode == 0, done.stderr
    return out


def check_same(out: Path, local: Path) -> None:
    names = sorted(path.name for path in local.glob("*.h5"))
    assert sorted(path.name for path in out.glob("*.h5")) == names
    for name in names:
        assert (out / name).read_bytes() == (local / name).read_bytes(), name
    assert (out / "sources.csv").read_text() == (local / "sources.csv").read_text()
    assert not (out / "in_progress").exists()
    columns = ("id", "status", "frames", "seconds", "fps", "message")
    tables = []
    for store in (out, local):
        with (store / "manifest.csv").open() as file:
            tables.append([[row[name] for name in columns] for row in csv.DictReader(file)])
    assert tables[0] == tables[1]


def log_lines(out: Path, word: str) -> int:
    """Lines of that kind in the logs of all videos."""
    texts = [path.read_text() for path in out.glob("logs/*.log")]
    return sum(f"Z {word}:" in line for text in texts for line in text.splitlines())


def wait_until(reached, seconds=90) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def busy(out: Path) -> int:
    return len([p for p in entries(out / "in_progress") if "@" in p.name and p.is_dir()])


def submit(repo, videos, out, *options, **other) -> subprocess.Popen:
    return subprocess.Popen(
        command(repo, videos, out, *options),
        env={**os.environ, **environment(repo, 0.02), **other},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_submitit_jobs_share_a_store_and_survive_preemption(repo, videos, local, tmp_path):
    pytest.importorskip("submitit")
    out = tmp_path / "store"
    process = submit(repo, videos, out, "--executor", "submitit-local", "--jobs", "2")
    wait_until(lambda: busy(out) == 2)
    jobs = jobs_of(process.pid)
    assert len(jobs) == 2
    os.kill(jobs[0], signal.SIGUSR2)  # as a cluster does before it takes the host away
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert f"{VIDEOS} extracted" in stdout
    check_same(out, local)
    assert (log_lines(out, "extracted"), log_lines(out, "start")) == (VIDEOS, VIDEOS + 1)
    assert any("Calling checkpoint" in p.read_text() for p in (out / "logs/jobs").glob("*_log.*"))


def jobs_of(process: int) -> list[int]:
    """The processes in which submitit runs jobs, under this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                line = (folder / "cmdline").read_bytes()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"submitit.core._submit" in line:
                found.append((int(folder.name), parent))
    return sorted(job for job, parent in found if ancestor(parent, process))


def ancestor(process: int, wanted: int) -> bool:
    while process > 1:
        if process == wanted:
            return True
        stat = Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rpartition(")")[2].split()[1])
    return False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--executor", "local", "--jobs", "2"), "--slurm and --jobs need --executor"),
        (("--executor", "slurm", "--jobs", "0"), "--jobs: expected 1 or more"),
        (("--executor", "slurm", "--slurm", "time"), "expected KEY=VALUE"),
        (("--executor", "slurm", "--slurm", "tme=3"), "Unavailable parameter(s): ['tme']"),
    ],
)
def test_what_cannot_be_submitted_is_refused_before_the_work(
    repo, videos, tmp_path, options, words
):
    pytest.importorskip("submitit")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "srun").touch(mode=0o755)
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    done = run(repo, videos, tmp_path / "store", *options, PATH=path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not list((tmp_path / "store").glob("*.h5"))


def test_no_slurm_is_told(repo, videos, tmp_path):
    pytest.importorskip("submitit")
    done = run(repo, videos, tmp_path / "store", "--executor", "slurm", PATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == (
        "error: the executor 'slurm' needs a host of a Slurm cluster, found no srun\n"
    )


# A real Slurm.


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    pytest.importorskip("submitit")
    if reason := slurm_node.why_not():
        pytest.skip(reason)
    with slurm_node.slurm_node(tmp_path_factory.mktemp("slurm") / "node") as environment:
        yield environment


def ask(slurm, *words) -> str:
    done = subprocess.run(words, env=slurm, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def running(slurm, out: Path) -> list[str]:
    """The array's jobs that run, by their ids."""
    text = ask(slurm, "squeue", "--noheader", "--states=RUNNING", "--format=%i")
    return sorted(text.split())


@pytest.mark.slow
def test_a_slurm_array_makes_the_same_store(repo, videos, local, slurm, tmp_path):
    out = tmp_path / "store"
    options = ("--executor", "slurm", "--jobs", "2", "--slurm", "time=10")
    refused = run(repo, videos, out, *options, "--slurm", "partition=none", **slurm)
    assert refused.returncode == 2
    assert "error: the cluster took no job: " in refused.stderr
    assert "invalid partition" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = run(repo, videos, out, *options, **slurm)
    assert done.returncode == 0, done.stderr
    assert f"{VIDEOS} extracted" in done.stdout
    check_same(out, local)
    again = run(repo, videos, out, *options, **slurm)
    assert (again.returncode, f"{VIDEOS} kept" in again.stdout) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "misfortune",
    [
        ("scontrol", "requeue"),  # the host is wanted back
        ("scancel", "--signal=USR2"),  # the time is nearly over: submitit asks to be requeued
        ("scancel", "--signal=KILL"),  # memory ran out: nobody requeues
    ],
)
def test_slurm_jobs_that_are_ended(repo, videos, local, slurm, tmp_path, misfortune):
    out = tmp_path / "store"
    options = ("--executor", "slurm", "--jobs", "2", "--slurm", "time=600")
    process = submit(repo, videos, out, *options, **slurm)
    wait_until(lambda: busy(out) == 2)
    job = running(slurm, out)[0]
    ask(slurm, *misfortune, job)
    stdout, stderr = process.communicate(timeout=400)
    assert process.returncode == 0, stderr
    assert f"{VIDEOS} extracted" in stdout
    check_same(out, local)
    assert (log_lines(out, "extracted"), log_lines(out, "start")) == (VIDEOS, VIDEOS + 1)
    restarts = ask(slurm, "scontrol", "show", "job", job)
    assert ("Restarts=1" in restarts) == (misfortune[-1] != "--signal=KILL")
