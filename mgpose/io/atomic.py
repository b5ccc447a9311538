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
    """Write a UTF-8 text file under its final name only when it is whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="")
    publish(partial, path)
