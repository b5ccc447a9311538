"""The quality of a store's poses: a text table, or an HTML report, and an include list."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from mgpose.data.quality_thresholds import QualityThresholds
from mgpose.structures import run_tool


def main() -> int:
    """Parse, measure the store, write what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Table: missing: keypoints not detected; gap: longest run of frames without the "
        "part; jit: frame-to-frame noise in thousandths of the shoulder width (full bodies: "
        f"torso). Thresholds: {', '.join(field.name for field in fields(QualityThresholds))}.",
    )
    parser.add_argument("store", metavar="STORE", help="folder of the store")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report")
    parser.add_argument("--include", type=Path, metavar="FILE",
                        help="write which videos to use, for data.include of a config: a .csv has "
                        "reasons and a column to edit, any other name an id a line")  # fmt: skip
    parser.add_argument("--strict", action="store_true",
                        help="leave out of the list what deserves a look, too")  # fmt: skip
    parser.add_argument("--threshold", action="append", default=[], metavar="NAME=LOOK[,UNUSABLE]",
                        help="change a limit, such as missing_body=0.2")  # fmt: skip
    parser.add_argument("--cards", type=int, default=100, metavar="N",
                        help="videos with curves in the report, worst first (100)")  # fmt: skip
    args = parser.parse_args()
    thresholds = QualityThresholds().changed(args.threshold)

    from mgpose.data.quality_include import write_include
    from mgpose.data.quality_table import quality_table, summary
    from mgpose.data.quality_verdict import judge_store
    from mgpose.io.store import PoseStore

    verdicts = judge_store(PoseStore(args.store), thresholds)
    if args.html:
        from mgpose.evaluation.quality_report import write_quality_report

        write_quality_report(verdicts, thresholds, args.html, args.cards)
    if args.include:
        write_include(args.include, verdicts, args.strict)
    for line in quality_table(verdicts) if not (args.html or args.include) else ():
        print(line)
    print(summary(verdicts), file=sys.stderr)
    return 2 if any(v.quality is None for v in verdicts) else 0


if __name__ == "__main__":
    run_tool(main)
