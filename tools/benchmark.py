"""Speed: of extraction (with the peer beside it), of the encoders, or of the synthetic corpus."""

import argparse
from pathlib import Path

from mgpose.structures import InputError, run_tool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=["extraction", "encoders", "synthetic"], help="what to measure"
    )
    parser.add_argument(
        "videos", nargs="*", type=Path, metavar="VIDEO", help="videos to read, for extraction"
    )
    parser.add_argument("--seconds", type=float, default=20, help="a run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs a kind (default: %(default)s)")
    args = parser.parse_args()

    if args.what == "synthetic":
        from mgpose.data.synthetic.benchmark import benchmark_synthetic

        for rate in benchmark_synthetic(args.rounds):
            print(f"synthetic corpus, 2 workers: {rate / 1e6:.2f} million frames a minute")
        return 0
    if args.what == "encoders":
        from mgpose.models.benchmark import benchmark_encoders, encoder_speed_table

        print("Forward and backward, batch 32, one thread, random clips (synthetic)")
        print(encoder_speed_table(list(benchmark_encoders(args.rounds))))
        return 0
    if not args.videos:
        raise InputError("expected videos to read, found none")

    from mgpose.extraction.benchmark import benchmark_extraction, speed_table

    speeds = []
    for speed in benchmark_extraction(args.videos, args.seconds, args.rounds):
        speeds.append(speed)
        print(f"{speed.name}: {speed.frames} frames, {speed.frames_per_second:.1f} frames/s")
    print(speed_table(speeds))
    return 0


if __name__ == "__main__":
    run_tool(main)
