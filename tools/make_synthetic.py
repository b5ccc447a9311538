"""Make a synthetic corpus of micro-gestures: poses, labels, splits, ground truth, data sheet."""

import argparse
import os

from mgpose.structures import run_tool

LEVELS = ("clean", "measured", "harsh")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="The same options give the same files on any machine; a rerun keeps what is whole. "
        "The protocol 'synthetic' tests on the last quarter of the subjects.",
    )
    parser.add_argument("out", metavar="STORE", help="folder of the store, made when missing")
    parser.add_argument("--subjects", type=int, default=24, help="people (default: %(default)s)")
    parser.add_argument("--videos", type=int, default=4, help="a person (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=180, help="a video (default: %(default)s)")
    parser.add_argument(
        "--rate", type=float, default=9, help="gestures a minute (default: %(default)s)"
    )
    parser.add_argument(
        "--mix", choices=("long-tail", "uniform"), default="long-tail",
        help="class frequencies: as in iMiGUE, or equal (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--level", choices=LEVELS, default="measured", help="of noise (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=min(8, os.cpu_count() or 1),
        help="processes; the files do not depend on it (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args()

    from mgpose.data.synthetic import SyntheticCorpus, write_synthetic

    corpus = SyntheticCorpus(
        subjects=args.subjects,
        videos_per_subject=args.videos,
        seconds=args.seconds,
        gestures_per_minute=args.rate,
        mix=args.mix,
        level=args.level,
        seed=args.seed,
    )
    count = write_synthetic(corpus, args.out, args.workers)
    print(f"{count} synthetic videos in {args.out}; {args.out}/datasheet.md says what they are")
    return 0


if __name__ == "__main__":
    run_tool(main)
