"""Videos to report: pose estimation, contrastive pre-training, five tasks, in some minutes."""

import argparse
from pathlib import Path

from mgpose.structures import run_tool

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "videos",
        nargs="*",
        type=Path,
        metavar="VIDEO_OR_DIR",
        help="your videos (default: a portrait photograph, animated)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("work_dirs/quickstart"),
        help="folder for everything that is made (default: %(default)s)",
    )
    args = parser.parse_args()

    from mgpose.tasks.quickstart import quickstart

    quickstart(args.videos, REPOSITORY, args.out)
    return 0


if __name__ == "__main__":
    run_tool(main)
