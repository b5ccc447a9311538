"""All recipes together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from faulty import damage, not_videos, pictures, timing
from faulty.studio import Recipe, Studio

_SUFFIXES = (".mp4", ".mkv")


def all_recipes() -> list[Recipe]:
    """Every recipe; names are unique."""
    return [
        recipe for module in (damage, timing, pictures, not_videos) for recipe in module.recipes()
    ]


def make_corpus(
    folder: Path, out: Path, seed: int = 0, recipes: Iterable[Recipe] | None = None
) -> dict[str, Path]:
    """Write faulty videos.

    Args:
        folder: real videos, searched to its depths.
        out: an empty folder for them.
        seed: of the damage.
        recipes: which; all by default.

    Returns:
        The sound clips that were damaged, by name, beside a folder of theirs in ``out``.

    Raises:
        FileNotFoundError: when the folder holds no video.
    """
    sources = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    if not sources:
        raise FileNotFoundError(f"{folder}: expected {' or '.join(_SUFFIXES)} files, found none")
    whole = out / ".whole"
    whole.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        studio = Studio(sources, Path(scratch), seed)
        for recipe in all_recipes() if recipes is None else recipes:
            recipe.make(studio, out / recipe.name)
        for name in studio.made:
            (whole / name).write_bytes(studio.whole(name).read_bytes())
    return {path.name: path for path in whole.iterdir()}
