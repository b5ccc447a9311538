"""Files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path


def publish(partial: Path, final: Path) -> None:
    """Give a finished file its final name, once its bytes are on the disk."""
    with partial.open("r+b") as file:
        os.fsync(file.fileno())
    partial.replace(final)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file under its final name only when it is whole.

    Names of files that are not UTF-8 keep their bytes, as Python's file functions give them.

    Raises:
        OSError: when it cannot be written; nothing is left behind then.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        publish(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
