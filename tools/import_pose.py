"""Import poses that other software extracted into a store: tools/import_pose.py --help."""

import argparse

from mgpose.io.import_pose import FORMATS, import_poses
from mgpose.structures import run_tool


def main() -> int:
    """Parse, import, say what was done."""
    parser = argparse.ArgumentParser(
        description="Poses that you already hold -> a pose store with annotations.csv. "
        "A rerun skips sequences that are stored whole."
    )
    parser.add_argument("source", help="file or folder of poses")
    parser.add_argument("--format", required=True, choices=sorted(FORMATS), help="their format")
    parser.add_argument("--out", required=True, help="folder of the store, made when missing")
    args = parser.parse_args()
    count = import_poses(args.source, args.format, args.out)
    print(f"{count} sequences in {args.out}")
    return 0


if __name__ == "__main__":
    run_tool(main)
