"""How difficult a labelled store is: predictors from trivial to an oracle, in one table."""

import argparse
from pathlib import Path

from mgpose.structures import run_tool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file, such as configs/difficulty/*.py")
    parser.add_argument("--out", help="folder for results.json and report.html")
    parser.add_argument("--fold", help="measure one fold of the protocol only")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override values, such as data.store=data/mine predictors=['majority','dtw']",
    )
    args = parser.parse_args()

    from mgpose.engine.options import parse_options
    from mgpose.engine.settings import load_config, read_settings
    from mgpose.evaluation.table import format_table
    from mgpose.tasks.difficulty import DifficultySettings, measure_difficulty

    options = parse_options(args.cfg_options)
    if args.fold:
        options["data.fold"] = args.fold
    settings = read_settings(DifficultySettings, load_config(args.config, options))
    out = args.out or Path("work_dirs") / f"difficulty_{Path(args.config).stem}"
    for result in measure_difficulty(settings, out).values():
        print(format_table(result), end="\n\n")
    print(f"written: {out}/results.json, {out}/report.html")
    return 0


if __name__ == "__main__":
    run_tool(main)
