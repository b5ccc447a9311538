"""Measure a pre-trained encoder: five task runners, each beside its baselines."""

import argparse
from pathlib import Path

from mgpose.structures import run_tool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file, such as configs/tasks/*.py")
    parser.add_argument(
        "checkpoint",
        nargs="+",
        help="encoder.pth, an exported .safetensors, the name of a shipped model, or the work "
        "folder of tools/train.py; one, or one for each seed",
    )
    parser.add_argument("--out", help="folder for results.json and report.html")
    parser.add_argument("--task", nargs="+", default=[], help="run these tasks only")
    parser.add_argument("--fold", help="run one fold of the protocol only")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override values, such as data.tuning=True tasks.retrieval.ranks=[1,5]",
    )
    args = parser.parse_args()

    from mgpose.engine.options import parse_options
    from mgpose.engine.settings import load_config, read_settings
    from mgpose.evaluation.table import format_table
    from mgpose.tasks.evaluate import EvaluateSettings, evaluate

    options = parse_options(args.cfg_options)
    if args.fold:
        options["data.fold"] = args.fold
    settings = read_settings(EvaluateSettings, load_config(args.config, options))
    out = args.out or Path("work_dirs") / f"evaluate_{Path(args.config).stem}"
    for result in evaluate(settings, args.checkpoint, out, args.task).values():
        print(format_table(result), end="\n\n")
    print(f"written: {out}/results.json, {out}/report.html")
    return 0


if __name__ == "__main__":
    run_tool(main)
