"""Who works on what, among the processes and hosts that share a folder.

A lease on a name is the newest of the files ``<name>.lease.<n>``: it holds who took it, and its
modification time is its owner's heartbeat. Where none is alive, whoever creates number ``n + 1``
has taken over; creation is exclusive, on network file systems too, so that one of many does. The
older files stay until the lease is given back: a folder is listed while others change it, and
must never look free when it is not.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

STALE_AFTER = 120.0  # seconds without a heartbeat
_BEAT = 10.0
_UNSIGNED_STALE_AFTER = 10.0  # created, and its maker died before it wrote who it is
_MARK = ".lease."


@dataclass(frozen=True)
class _Owner:
    machine: str
    process: int
    started: str
    token: str


class Lease:
    """A lease that this process holds, kept alive by a thread until it is given back.

    Attributes:
        token: hexadecimal digits that no other lease has.
    """

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self.token = token
        self._ended = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def held(self) -> bool:
        """False once another process took over: this one had stopped for too long."""
        files = _files(*_place(self._path))
        signed = [path for path in files if _read(path)]  # an unsigned one may yet step back
        return bool(signed) and signed[-1] == self._path

    def give_back(self) -> None:
        """End the lease."""
        self._ended.set()
        for path in _files(*_place(self._path)):
            if _number(path) <= _number(self._path):
                path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            try:
                os.utime(self._path)
            except OSError:  # its folder is gone, and with it what the lease was for
                return


def take_lease(folder: Path, name: str) -> Lease | None:
    """The lease on a name, None while another holds it.

    Args:
        folder: made when absent, in a folder that exists.
        name: what can name a file.

    Raises:
        OSError: when the folder cannot be written.
    """
    newest = _newest(folder, name)
    before = None if newest is None else _read(newest)
    if newest is not None and (before is None or _alive(newest)):
        return None
    path = folder / f"{name}{_MARK}{1 if newest is None else _number(newest) + 1}"
    if not _create(path):
        return None
    if newest is not None and _read(newest) != before:
        path.unlink()  # it was given back meanwhile, and perhaps taken anew by a lower number
        return None
    owner = _Owner(_machine(), os.getpid(), _started(os.getpid()), secrets.token_hex(8))
    try:
        path.write_text(json.dumps(asdict(owner)), encoding="utf-8")
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return Lease(path, owner.token)


def wait_for_lease(folder: Path, name: str) -> Lease:
    """The lease on a name that is never held for long.

    Raises:
        OSError: when the folder cannot be written.
    """
    while (lease := take_lease(folder, name)) is None:
        time.sleep(0.02)
    return lease


def is_leased(folder: Path, name: str) -> bool:
    """True while some process holds the lease on a name."""
    newest = _newest(folder, name)
    return newest is not None and _alive(newest)


def leased_names(folder: Path) -> set[str]:
    """Names on which there is a lease, alive or not."""
    return {path.name.rpartition(_MARK)[0] for path in entries(folder) if _MARK in path.name}


def entries(folder: Path) -> list[Path]:
    """What lies in a folder that another run may remove at any moment; nothing once it is gone.

    ``Path.glob`` looks for the folder first and lists it then, and fails when it goes in between.
    """
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _place(path: Path) -> tuple[Path, str]:
    return path.parent, path.name.rpartition(_MARK)[0]


def _number(path: Path) -> int:
    return int(path.name.rpartition(_MARK)[2])


def _files(folder: Path, name: str) -> list[Path]:
    """The lease files of a name, by number."""
    start = name + _MARK
    files = [path for path in entries(folder) if path.name.startswith(start)]
    return sorted((p for p in files if p.name.removeprefix(start).isdecimal()), key=_number)


def _newest(folder: Path, name: str) -> Path | None:
    files = _files(folder, name)
    return files[-1] if files else None


def _create(path: Path) -> bool:
    """Make an empty file; False where there is one."""
    while True:
        try:
            path.parent.mkdir(exist_ok=True)
            path.touch(exist_ok=False)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:
            # Another run may have just removed the folder, being empty; the store above it stays.
            if not path.parent.parent.is_dir():
                raise


def _read(path: Path) -> str | None:
    """What a lease file says: nothing before it is signed, None when it is gone."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _alive(path: Path) -> bool:
    text = _read(path)
    age = _age(path)
    if text is None or age is None:
        return True  # given back this moment: look again
    if not text:
        return age < _UNSIGNED_STALE_AFTER
    try:
        owner = _Owner(**json.loads(text))
    except (ValueError, TypeError):  # it is being written, or its disk was full
        return age < _UNSIGNED_STALE_AFTER
    return age < STALE_AFTER and (owner.machine != _machine() or _runs(owner))


def _age(path: Path) -> float | None:
    """Seconds since the last heartbeat by the file system's clock, which all hosts share."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as now:
            return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return None


def _machine() -> str:
    """Where process numbers mean the same: the host, its boot and its container."""
    parts = [socket.gethostname()]
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if boot.exists():
        parts += [boot.read_text(encoding="ascii").strip(), os.readlink(space)]  # noqa: PTH115
    return " ".join(parts)


def _runs(owner: _Owner) -> bool:
    """False when the process has ended, or its number is another's now."""
    if os.name != "posix":  # there, asking would end it: its heartbeat tells
        return True
    try:
        os.kill(owner.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _started(owner.process) == owner.started


def _started(process: int) -> str:
    """When a process began, in the kernel's words; empty for a dead one, and where none tells."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
