"""A pool of processes that outlives the death of any of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

from mgpose.structures import InputError

Task = TypeVar("Task")


@dataclass(frozen=True)
class Report(Generic[Task]):
    """What a worker tells of its task.

    Args:
        task: the task.
        progress: further steps done.
        result: what the task returned; None while it is under way or when it failed.
        failure: one line, empty unless it failed.
    """

    task: Task
    progress: int = 0
    result: Any = None
    failure: str = ""

    @property
    def ended(self) -> bool:
        """True for the last report of a task."""
        return self.result is not None or bool(self.failure)


def run_tasks(
    work: Callable[[Task, Callable[[int], None]], Any], tasks: Iterable[Task], workers: int
) -> Iterator[Report[Task]]:
    """Run ``work(task, progress)`` for every task, in order, on some processes at a time.

    Processes are spawned, not forked: a fork of a process that has used MediaPipe hangs. A process
    serves many tasks; when it dies (a crash in a native library, a kill), its task has failed and
    a new process takes the next one. When this process dies, the workers die at once. Where there
    are cores enough each worker keeps to its own share of them: native libraries start a thread
    for each core that they see, and would get into each other's way.

    Args:
        work: a function of a module; returns anything but None.
        tasks: what to do, all of it picklable; the next one is asked for when a worker is free.
        workers: number of processes, at least 1.

    Yields:
        Reports, in the order of events; exactly one that has ended for each task.
    """
    waiting, pool = iter(tasks), _Pool(work, workers)
    try:
        while True:
            for task in islice(waiting, pool.free):
                pool.give(task)
            if not pool.busy:
                return
            for worker in pool.ready():
                report = _receive(worker)
                yield report
                if report.ended:
                    pool.take_back(worker)
    finally:
        pool.end()


class _Pool(Generic[Task]):
    """Workers in their places, started when there is something for them to do."""

    def __init__(self, work: Callable[[Task, Callable[[int], None]], Any], workers: int) -> None:
        self._work = work
        self._shares = shares_of_cores(workers)
        self._idle: list[_Worker[Task] | None] = [None] * workers  # None: none was started
        self.busy: list[_Worker[Task]] = []

    @property
    def free(self) -> int:
        """How many more tasks can be given."""
        return len(self._idle)

    def give(self, task: Task) -> None:
        """Set a free worker to a task."""
        worker = self._idle.pop()
        if worker is not None and not worker.process.is_alive():
            self._shares.append(worker.stop())
            worker = None
        if worker is None:
            worker = _Worker(self._work, self._shares.pop())
        worker.begin(task)
        self.busy.append(worker)

    def ready(self) -> list[_Worker[Task]]:
        """Wait for busy workers that have something to tell, or died."""
        pipes = wait([worker.pipe for worker in self.busy])
        return [worker for worker in self.busy if worker.pipe in pipes]

    def take_back(self, worker: _Worker[Task]) -> None:
        """A worker's task has ended."""
        self.busy.remove(worker)
        self._idle.append(worker)

    def end(self) -> None:
        """Kill all workers."""
        for worker in [*self.busy, *filter(None, self._idle)]:
            worker.stop()


class _Worker(Generic[Task]):
    """A process that is given tasks by a pipe."""

    task: Task

    def __init__(
        self, work: Callable[[Task, Callable[[int], None]], Any], cores: frozenset[int]
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._cores = cores
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, cores), daemon=True)
        self.process.start()
        theirs.close()

    def begin(self, task: Task) -> None:
        self.task = task
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(task)  # when it has died, receiving tells

    def stop(self) -> frozenset[int]:
        """Kill the process; returns the cores that it leaves."""
        self.process.kill()
        self.pipe.close()
        self.process.join()
        return self._cores


def shares_of_cores(workers: int) -> list[frozenset[int]]:
    """The cores of each worker, disjoint; empty ones, for all cores, where there are too few."""
    if not hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return [frozenset()] * workers
    cores = sorted(os.sched_getaffinity(0))
    if not 1 < workers <= len(cores):
        return [frozenset()] * workers
    bounds = [len(cores) * i // workers for i in range(workers + 1)]
    return [frozenset(cores[a:b]) for a, b in pairwise(bounds)]


def _receive(worker: _Worker[Task]) -> Report[Task]:
    try:
        progress, result, failure = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode
        return Report(worker.task, failure=f"the process that worked on it died (exit code {code})")
    return Report(worker.task, progress, result, failure)


def _serve(
    pipe: Connection,
    work: Callable[[Any, Callable[[int], None]], Any],
    cores: frozenset[int],
) -> None:
    """A worker's life: tasks until the pipe closes."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            # A terminal and Slurm signal all processes; the parent answers and ends its workers.
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if cores:
        os.sched_setaffinity(0, cores)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _silence_native_libraries()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            result = work(task, lambda steps: pipe.send((steps, None, "")))
        except BrokenPipeError:
            return  # nobody is left to report to
        except InputError as error:
            pipe.send((0, None, str(error)))
        except Exception as error:  # whatever it is, the other videos can still be done
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(f"{type(error).__name__}: {error}".split())
            pipe.send((0, None, f"{text} ({Path(place.filename).name}, line {place.lineno})"))
        else:
            pipe.send((0, result, ""))


def _die_with_parent() -> None:
    """A worker that outlived a killed run would write beside the run that takes up the work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _silence_native_libraries() -> None:
    """MediaPipe and FFmpeg write to the terminal, through the progress bar, whatever one sets."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
