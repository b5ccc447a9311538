"""Pre-train an encoder by an MMEngine config."""

import argparse
from pathlib import Path

from mgpose.structures import run_tool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config file, such as configs/pretrain/*.py")
    parser.add_argument("--work-dir", help="checkpoints and logs (default: work_dirs/<config>)")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--fold", help="train one fold of the protocol only")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override values, such as schedule.epochs=2 data.tuning=True",
    )
    args = parser.parse_args()

    from mgpose.engine.options import parse_options
    from mgpose.engine.pretrain import pretrain
    from mgpose.engine.settings import PretrainSettings, load_config, read_settings

    options = parse_options(args.cfg_options)
    if args.fold:
        options["data.fold"] = args.fold
    settings = read_settings(PretrainSettings, load_config(args.config, options))
    work_dir = args.work_dir or Path("work_dirs") / Path(args.config).stem
    for fold, checkpoint in pretrain(settings, work_dir, args.resume).items():
        print(f"{fold}: {checkpoint}")
    return 0


if __name__ == "__main__":
    run_tool(main)
