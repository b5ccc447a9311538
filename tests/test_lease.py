"""One lease, one holder: whatever dies, whoever else tries, and at whatever moment."""

import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mgpose.extraction.jobs import lease as leases
from mgpose.extraction.jobs.lease import (
    STALE_AFTER,
    Lease,
    is_leased,
    leased_names,
    take_lease,
    wait_for_lease,
)


def owner_of(lease: Lease):
    return leases._Owner(**json.loads(lease._path.read_text()))


def sign(lease: Lease, **changes) -> None:
    """Rewrite whose lease it is."""
    lease._path.write_text(json.dumps(asdict(replace(owner_of(lease), **changes))))


def let_die(lease: Lease) -> None:
    """As if the holder had been killed: no heartbeat, and another process has its number."""
    sign(lease, started="0")
    lease._ended.set()


def age(lease: Lease, seconds: float) -> None:
    lease._ended.set()
    then = time.time() - seconds
    os.utime(lease._path, (then, then))


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "in_progress"


def test_one_at_a_time(folder):
    with take_lease(folder, "a") as first:
        assert first.held()
        assert is_leased(folder, "a")
        assert take_lease(folder, "a") is None
        with take_lease(folder, "a.lease.1") as other:  # a name may look like a file of another's
            assert other.held()
            assert leased_names(folder) == {"a", "a.lease.1"}
    assert not is_leased(folder, "a")
    assert not list(folder.iterdir())
    with take_lease(folder, "a") as second:
        assert second.token != first.token


def test_a_dead_holder_is_followed_by_one(folder):
    first = take_lease(folder, "a")
    let_die(first)
    second = take_lease(folder, "a")
    assert second.held()
    assert take_lease(folder, "a") is None
    assert not first.held()
    first.give_back()  # it lived after all: that must not free what the second holds
    assert second.held()
    assert take_lease(folder, "a") is None
    second.give_back()
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("machine", "seconds", "alive"),
    [
        ("elsewhere", STALE_AFTER - 20, True),
        ("elsewhere", STALE_AFTER + 20, False),
        (None, STALE_AFTER - 20, True),
        (None, STALE_AFTER + 20, False),  # it runs, but has stopped
    ],
)
def test_a_heartbeat_tells(folder, machine, seconds, alive):
    lease = take_lease(folder, "a")
    if machine:
        sign(lease, machine=machine, process=1)
    age(lease, seconds)
    assert is_leased(folder, "a") == alive
    assert (take_lease(folder, "a") is None) == alive


def test_the_heart_beats(folder, monkeypatch):
    monkeypatch.setattr(leases, "_BEAT", 0.02)
    with take_lease(folder, "a") as lease:
        os.utime(lease._path, (0, 0))
        time.sleep(0.3)
        assert is_leased(folder, "a")


def test_an_unsigned_lease_is_not_for_ever(folder):
    folder.mkdir()
    path = folder / "a.lease.1"
    path.touch()
    assert take_lease(folder, "a") is None
    os.utime(path, (time.time() - 60,) * 2)
    assert take_lease(folder, "a").held()


def test_a_holder_that_is_killed(repo, folder):
    code = (
        "import time; from pathlib import Path\n"
        "from mgpose.extraction.jobs.lease import take_lease\n"
        f"lease = take_lease(Path({str(folder)!r}), 'a'); print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert take_lease(folder, "a") is None
        process.kill()
        while is_leased(folder, "a"):  # killed; not waited for as yet
            time.sleep(0.01)
        assert take_lease(folder, "a").held()


def test_no_folder_is_made_in_a_store_that_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        take_lease(tmp_path / "store" / "in_progress", "a")


# Many processes at once.

ROUNDS, RIVALS = 80, 6


def rival(folder: Path, barrier, results) -> None:
    won = []
    for number in range(ROUNDS):
        barrier.wait()
        if take_lease(folder, f"n{number}") is not None:
            won.append(number)
    barrier.wait()  # the last lease must not go stale, by its owner's end, while others still try
    results.put(won)


def test_a_stale_lease_is_taken_over_once(folder):
    for number in range(ROUNDS):
        let_die(take_lease(folder, f"n{number}"))
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(RIVALS), context.Queue()
    rivals = [context.Process(target=rival, args=(folder, barrier, results)) for _ in range(RIVALS)]
    for process in rivals:
        process.start()
    won = sorted(number for _ in rivals for number in results.get())
    for process in rivals:
        process.join()
    assert won == list(range(ROUNDS))


def worker(folder: Path, seed: int, seconds: float, results) -> None:
    """Take, claim what only one may have, and give back, die or vanish."""
    chance, taken, clashes = random.Random(seed), 0, 0
    claim = folder.parent / "claim"
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        lease = take_lease(folder, "a")
        if lease is None:
            time.sleep(0.001)
            continue
        taken += 1
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            clashes += 1
        time.sleep(chance.random() / 1000)
        claim.unlink(missing_ok=True)
        let_die(lease) if chance.random() < 0.5 else lease.give_back()
    results.put((taken, clashes))


def test_no_two_hold_it_although_they_die(folder):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    rivals = [
        context.Process(target=worker, args=(folder, seed, 2.0, results)) for seed in range(RIVALS)
    ]
    for process in rivals:
        process.start()
    taken, clashes = zip(*(results.get() for _ in rivals), strict=True)
    for process in rivals:
        process.join()
    assert sum(taken) > 20
    assert sum(clashes) == 0


def merge(folder: Path, number: int) -> None:
    for line in range(20):
        with wait_for_lease(folder, "@tables"):
            path = folder.parent / "table"
            text = path.read_text() if path.exists() else ""
            path.write_text(f"{text}{number}.{line}\n")


def test_nothing_is_lost_under_a_lock(folder):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=merge, args=(folder, number)) for number in range(4)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    lines = (folder.parent / "table").read_text().splitlines()
    assert sorted(lines) == sorted(f"{n}.{i}" for n in range(4) for i in range(20))


def test_a_folder_that_comes_and_goes_is_empty_and_no_error(folder):
    """As when several runs end at once, and each sweeps and removes the folder."""
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            folder.mkdir()
            folder.rmdir()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        assert all(leased_names(folder) == set() for _ in range(3000))
    finally:
        ended.set()
        thread.join()
