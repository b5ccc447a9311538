"""Files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Make a file, or the names in a folder, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(partial: Path, final: Path) -> None:
    """Give a finished file its final name, once its bytes are on the disk."""
    flush(partial)
    partial.replace(final)
    flush(final.parent)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file under its final name only when it is whole."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="")
    publish(partial, path)
