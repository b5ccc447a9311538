"""The poses of stores side by side: a figure and a table of motion, gaps and confidence."""

import argparse
from pathlib import Path

from mgpose.structures import SKELETONS, InputError, run_tool


def main() -> int:
    """Parse, measure the stores, draw, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Poses are measured as stored, unfiltered; a unit of length is the median shoulder "
        "width of the piece (full bodies: torso). Figure: densities with the median at the foot; "
        "missing keypoints with the quartiles of the videos. Distances are from the first store.",
    )
    parser.add_argument("stores", nargs="+", metavar="STORE", help="folder of a store")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE.png", help="the figure")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="of the stores (their folders)")
    parser.add_argument("--skeleton", default="upper_body_hands_face",
                        choices=[name for name, s in SKELETONS.items() if s.canonical],
                        help="layout to convert to (upper_body_hands_face)")  # fmt: skip
    parser.add_argument("--videos", type=int, default=200, metavar="N",
                        help="videos drawn of a store (200)")  # fmt: skip
    parser.add_argument("--frames", type=int, default=1500, metavar="N",
                        help="longest piece of a video, at a drawn place (1500)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    args = parser.parse_args()
    if args.out.suffix.lower() != ".png":
        raise InputError(f"--out: expected a file name that ends in .png, got {args.out}")

    from mgpose.evaluation.compare_stores import compare, comparison_table, draw_comparison
    from mgpose.io.store import PoseStore

    names = args.names or [Path(store).resolve().name for store in args.stores]
    stores = compare(
        [PoseStore(store) for store in args.stores],
        names,
        SKELETONS[args.skeleton],
        args.videos,
        args.frames,
        args.seed,
    )
    args.out.write_bytes(draw_comparison(stores))
    for line in comparison_table(stores):
        print(line)
    return 0


if __name__ == "__main__":
    run_tool(main)
