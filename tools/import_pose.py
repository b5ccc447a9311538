"""Import poses that other software extracted into a store: tools/import_pose.py --help."""

import argparse
import logging
from pathlib import Path

from mgpose.io.importers.import_pose import FORMATS, LABEL_FORMATS, import_poses
from mgpose.io.importers.imported_pose import ImportOptions
from mgpose.structures import run_tool


def main() -> int:
    """Parse, import, say what was done; 2 when a sequence failed."""
    parser = argparse.ArgumentParser(
        description="Poses that you already hold -> a pose store with annotations.csv. "
        "A rerun skips sequences that are stored whole; a bad one stops no other."
    )
    parser.add_argument("source", help="file or folder of poses")
    formats = sorted((*FORMATS, *LABEL_FORMATS))
    parser.add_argument("--format", required=True, choices=formats, help="their format")
    parser.add_argument("--out", required=True, help="folder of the store, made when missing")
    parser.add_argument(
        "--fps", type=float, help="frames a second, where the format does not tell (else unknown)"
    )
    parser.add_argument(
        "--frame-size", type=size, metavar="WxH", help="size of the video in pixels, as 1280x720"
    )
    parser.add_argument("--labels", type=Path, help="file of labels that lies apart from the poses")
    parser.add_argument("--skeleton", help="name of the layout, where the format does not tell")
    parser.add_argument(
        "--subjects", type=Path, metavar="CSV", help="who is seen: columns video,subject"
    )
    parser.add_argument(
        "--frame-base", type=int, choices=(0, 1), help="number of the first frame in the labels"
    )
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    options = ImportOptions(
        args.fps, args.frame_size, args.labels, args.skeleton, args.subjects, args.frame_base
    )
    count = import_poses(args.source, args.format, args.out, options)
    print(f"{count} sequences in {args.out}")
    return 0


def size(text: str) -> tuple[int, int]:
    """Width and height out of ``1280x720``."""
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    run_tool(main)
