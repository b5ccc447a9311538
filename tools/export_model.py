"""Turn a checkpoint into a model that can be handed on: weights, description, model card."""

import argparse

from mgpose.structures import InputError, run_tool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", help="encoder.pth of tools/train.py")
    parser.add_argument("--name", required=True, help="of the model, such as small-joint")
    parser.add_argument(
        "--out", required=True, help="folder for NAME.safetensors, NAME.json and NAME.md"
    )
    parser.add_argument(
        "--results",
        nargs="+",
        default=[],
        metavar="FILE",
        help="results.json of tools/evaluate.py for this checkpoint",
    )
    parser.add_argument(
        "--licence",
        action="append",
        default=[],
        metavar="SET=TEXT",
        help="licence of a training set, where the config of the training did not say it",
    )
    parser.add_argument(
        "--largest", type=float, default=8.0, help="most megabytes of the weights (default: 8)"
    )
    args = parser.parse_args()
    licences = {}
    for text in args.licence:
        name, equals, licence = text.partition("=")
        if not (name and equals and licence):
            raise InputError(f"--licence {text!r}: expected SET=TEXT")
        licences[name] = licence

    from mgpose.engine.export import export_model

    done = export_model(args.checkpoint, args.name, args.out, args.results, licences, args.largest)
    print(f"{done.weights}: {done.size / 1e6:.2f} MB")
    print(f"{done.description}\n{done.card}")
    print(f"largest relative change of an embedding by float16: {done.rounding:.1e}")
    return 0


if __name__ == "__main__":
    run_tool(main)
