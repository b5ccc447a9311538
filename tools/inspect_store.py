"""The quality of a store's poses, as a text table."""

import argparse

from mgpose.structures import run_tool


def main() -> int:
    """Parse, read the store, print a line a video."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="missing: keypoints not detected; gap: longest run of frames without the part; "
        "jit: frame-to-frame noise in thousandths of the shoulder width (full bodies: torso).",
    )
    parser.add_argument("store", metavar="STORE", help="folder of the store")
    args = parser.parse_args()

    from mgpose.data.quality import quality_table
    from mgpose.io.store import PoseStore

    for line in quality_table(PoseStore(args.store)):
        print(line)
    return 0


if __name__ == "__main__":
    run_tool(main)
