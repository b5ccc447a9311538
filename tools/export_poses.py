"""Export a store to files that R and neighbouring tools read: tools/export_poses.py --help."""

import argparse
import sys

from mgpose.io.exporters.export_poses import FORMATS, export_store
from mgpose.structures import run_tool


def main() -> int:
    """Parse, export, say what was done."""
    parser = argparse.ArgumentParser(
        description="A pose store -> one file a video in OUT/poses, with tables of the videos and "
        "their annotations. A rerun writes every file anew.",
        epilog="Exit code 2: some videos cannot be held by the format; each is named with its "
        "reason, the others are written.",
        fromfile_prefix_chars="@",
    )
    parser.add_argument("store", metavar="STORE", help="folder of the store")
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    parser.add_argument("--out", required=True, help="folder of the export, made when missing")
    parser.add_argument("--skeleton", help="convert to this layout, e.g. upper_body_hands_face")
    parser.add_argument(
        "--videos", nargs="+", metavar="ID", help="only these; @FILE reads arguments, one a line"
    )
    args = parser.parse_args()
    result = export_store(args.store, args.format, args.out, args.skeleton, args.videos)
    for reason in result.refused.values():
        print(f"not exported: {reason}", file=sys.stderr)
    print(f"{len(result.written)} videos in {args.out}, {len(result.refused)} not exported")
    return 2 if result.refused else 0


if __name__ == "__main__":
    run_tool(main)
