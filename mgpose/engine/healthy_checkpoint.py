"""The checkpoint of the last healthy probe: kept while later ones come and go.

MMEngine keeps the newest two checkpoints. Between a probe that found the encoder healthy and the
one that finds it collapsed lie more epochs than that, so the healthy one is kept under a name of
its own, as a second link to the same file where the disk allows.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HEALTHY = "healthy_epoch_*.pth"


def epoch_of(path: Path) -> int:
    """Epoch in a checkpoint's name."""
    return int(path.stem.split("_")[-1])


def keep_healthy(folder: Path, epoch: int) -> None:
    """Keep the newest checkpoint, if there is one, in place of the healthy one kept before.

    Args:
        folder: of the run.
        epoch: that was found healthy; a later file is what a killed run left half written.
    """
    written = [path for path in folder.glob("epoch_*.pth") if epoch_of(path) <= epoch]
    newest = max(written, key=epoch_of, default=None)
    if newest is None:
        return
    kept = folder / f"healthy_{newest.name}"
    partial = kept.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(newest, partial)
    except OSError:
        # Not every file system knows links; a copy is the same but for the space.
        shutil.copyfile(newest, partial)
    partial.replace(kept)
    # Renaming one of two links to a file over the other does nothing, and leaves both.
    partial.unlink(missing_ok=True)
    for path in folder.glob(HEALTHY):
        if path != kept:
            path.unlink()


def fall_back(folder: Path) -> Path | None:
    """Remove every checkpoint since the last healthy probe.

    Returns:
        The healthy checkpoint, from which ``--resume`` goes on; None where no probe was healthy
        after the first checkpoint. It keeps its name: should the resumed run collapse too, it is
        still the one to fall back to.
    """
    kept = max(folder.glob(HEALTHY), key=epoch_of, default=None)
    for path in folder.glob("epoch_*.pth"):
        if kept is None or epoch_of(path) > epoch_of(kept):
            path.unlink()
    (folder / "last_checkpoint").unlink(missing_ok=True)
    return kept
