"""Make a corpus of faulty and odd videos from real ones, and put mgpose to the trial on it.

    python tests/faulty_videos.py VIDEO_FOLDER --out DIR [--table FILE.md] [--seed N]

It needs the programs ffmpeg and ffprobe. The same seed and videos give the same files.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from faulty.corpus import all_recipes, make_corpus
from faulty.judge import Verdict, judge
from faulty.not_videos import FORBIDDEN
from faulty.studio import Recipe
from faulty.table import markdown

from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.manifest import Outcome
from mgpose.extraction.jobs.videos import Video


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="real videos, .mp4 or .mkv")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the corpus")
    parser.add_argument("--table", type=Path, help="write the table of the trial here")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default 0)")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True)
    verdicts = trial(args.folder, args.out, args.seed)
    with tempfile.TemporaryDirectory() as store:
        outcomes = run_batch(args.out, Path(store))
    text = markdown(verdicts, outcomes)
    if args.table is not None:
        args.table.write_text(text, encoding="utf-8")
    print(text)
    return any(verdict.faults for verdict in verdicts)


def trial(
    folder: Path, out: Path, seed: int = 0, recipes: Sequence[Recipe] | None = None
) -> list[Verdict]:
    """Make the corpus, or some files of it, in a folder and judge each file."""
    chosen = all_recipes() if recipes is None else recipes
    whole = make_corpus(folder, out, seed, chosen)
    return [judge(r, out / r.name, whole[r.whole] if r.whole else None) for r in chosen]


def run_batch(corpus: Path, store: Path) -> dict[str, Outcome]:
    """Extract a whole corpus with a cheap estimator; the ids are ``v`` and a recipe's number.

    Returns:
        Outcomes by file name, without the forbidden file where root runs the batch.

    Raises:
        AssertionError: when a half-written file is left behind.
    """
    videos = [
        Video(corpus / recipe.name, f"v{number:03d}")
        for number, recipe in enumerate(all_recipes())
        if recipe.name != FORBIDDEN or os.geteuid()
    ]
    outcomes = extract_batch(videos, store, EstimatorSettings("cheap_estimator:make"), workers=2)
    left = sorted(path.name for path in store.rglob("*.partial"))
    if left:
        raise AssertionError(f"the batch left half-written files: {left}")
    names = {video.video_id: video.path.name for video in videos}
    return {names[outcome.video_id]: outcome for outcome in outcomes}


if __name__ == "__main__":
    sys.exit(main())
