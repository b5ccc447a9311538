"""A pool of processes that outlives the death of any of them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass
class _Worker(Generic[Task]):
    process: Any
    pipe: Connection
    task: Task


def run_tasks(
    work: Callable[[Task, Callable[[int], None]], Any], tasks: Sequence[Task], workers: int
) -> Iterator[Report[Task]]:
    """Run ``work(task, progress)`` for every task, in order, on some processes at a time.

    Processes are spawned, not forked: a fork of a process that has used MediaPipe hangs. A process
    serves many tasks; when it dies (a crash in a native library, a kill), its task has failed and
    a new process takes the next one. When this process dies, the workers die at once.

    Args:
        work: a function of a module; returns anything but None.
        tasks: what to do, all of it picklable.
        workers: number of processes, at least 1.

    Yields:
        Reports, in the order of events; exactly one that has ended for each task.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(tasks))
    busy: list[_Worker[Task]] = []

    def start(task: Task) -> _Worker[Task]:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        process.start()
        theirs.close()
        ours.send(task)
        return _Worker(process, ours, task)

    try:
        while waiting and len(busy) < workers:
            busy.append(start(waiting.pop()))
        while busy:
            ready = wait([worker.pipe for worker in busy])
            for worker in [w for w in busy if w.pipe in ready]:
                report = _receive(worker)
                yield report
                if not report.ended:
                    continue
                if worker.process.is_alive() and waiting:
                    worker.task = waiting.pop()
                    worker.pipe.send(worker.task)
                    continue
                _stop(worker)
                busy.remove(worker)
                if waiting:
                    busy.append(start(waiting.pop()))
    finally:
        for worker in busy:
            worker.process.terminate()
            _stop(worker)


def _receive(worker: _Worker[Task]) -> Report[Task]:
    try:
        progress, result, failure = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        code = worker.process.exitcode
        return Report(worker.task, failure=f"the process that worked on it died (exit code {code})")
    return Report(worker.task, progress, result, failure)


def _stop(worker: _Worker[Any]) -> None:
    worker.pipe.close()
    worker.process.join()


def _serve(pipe: Connection, work: Callable[[Any, Callable[[int], None]], Any]) -> None:
    """A worker's life: tasks until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C and ends its workers
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
