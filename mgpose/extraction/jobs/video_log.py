"""The log of one video: who worked on it, how fast, what native libraries said, why it failed."""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

_EVERY = 60.0  # seconds between lines on a long video


class VideoLog:
    """Appends to a log file; in the ``with`` block this process's standard error goes there too.

    Logs are private: libraries may write paths into them. They are for the processes of a pool,
    which have no terminal to write to.

    Args:
        path: the log; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._stderr = os.dup(2)

    def __enter__(self) -> VideoLog:
        sys.stderr.flush()
        os.dup2(self._file.fileno(), 2)
        self.line(f"host {socket.gethostname()}, process {os.getpid()}")
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        sys.stderr.flush()
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        with self._file:
            if error is not None:
                self.line(f"failed: {error}")
                self._file.writelines(traceback.format_exception(error))

    def line(self, text: str) -> None:
        """Add a line with the time (UTC)."""
        self._file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
        self._file.flush()

    def follow(self, frames: int, progress: Callable[[int], None]) -> Callable[[int], None]:
        """A ``progress`` that also logs a line a minute.

        Args:
            frames: how many are announced.
            progress: told of further frames done.
        """
        started = last = time.monotonic()
        done = reported = 0

        def follow(steps: int) -> None:
            nonlocal done, reported, last
            done += steps
            progress(steps)
            now = time.monotonic()
            if now - last >= _EVERY:
                speed = (done - reported) / (now - last)
                self.line(
                    f"{done} of {frames} frames in {now - started:.0f} s, now {speed:.1f} "
                    f"frames/s, {memory()}"
                )
                reported, last = done, now

        return follow


def memory() -> str:
    """The most memory that this process has had, in words; empty where the system cannot tell."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f"at most {peak / 1e6:.0f} MB of memory"
