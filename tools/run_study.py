"""Vary one thing at a time: ablations and studies of scale, resumable."""

import argparse
from pathlib import Path

from mgpose.structures import run_tool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file, such as configs/studies/*.py")
    parser.add_argument("--out", help="folder for rows.csv, table.md, encoders and plot")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override values, such as seeds=[0] finetune.epochs=2",
    )
    args = parser.parse_args()

    from mgpose.engine.options import parse_options
    from mgpose.engine.settings import load_config, read_settings
    from mgpose.tasks.study import StudySettings, run_study

    settings = read_settings(
        StudySettings, load_config(args.config, parse_options(args.cfg_options))
    )
    out = args.out or Path("work_dirs") / f"study_{Path(args.config).stem}"
    print(run_study(settings, out))
    print(f"written: {out}/rows.csv, {out}/table.md")
    return 0


if __name__ == "__main__":
    run_tool(main)
