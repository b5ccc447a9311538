"""Pictures of a labelled store, class by class: contact sheets and animations."""

import argparse
from pathlib import Path

from mgpose.structures import run_tool


def main() -> int:
    """Parse, draw, say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, metavar="STORE", help="folder of a store with labels")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument("--examples", type=int, default=3, metavar="N",
                        help="animations a class (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N",
                        help="of the choice of clips (default: %(default)s)")  # fmt: skip
    parser.add_argument("--classes", nargs="+", default=[], metavar="LABEL",
                        help="only these, in this order (default: all)")  # fmt: skip
    args = parser.parse_args()

    from mgpose.evaluation.class_pictures import write_class_pictures
    from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations
    from mgpose.io.store import PoseStore

    written = write_class_pictures(
        PoseStore(args.store),
        read_annotations(args.store / ANNOTATIONS_NAME),
        args.out,
        classes=args.classes,
        examples=args.examples,
        seed=args.seed,
    )
    animations = [path for path in written if path.suffix == ".gif"]
    for path in written:
        if path not in animations:
            print(path)
    print(f"{len(animations)} animations in {animations[0].parent}")
    return 0


if __name__ == "__main__":
    run_tool(main)
