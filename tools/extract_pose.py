"""Videos to a store of poses."""

import argparse
import logging
from collections import Counter
from pathlib import Path

from mgpose.structures import InputError, run_tool


def main() -> int:
    """Parse, extract, say how it went; 2 when a video failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO_OR_DIR", help="what to read")
    parser.add_argument("--out", type=Path, metavar="STORE", help="folder of the store")
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="ids and subjects: columns video,id,subject"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes at a time (default 1)")
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="write contact sheets here")
    parser.add_argument("--dry-run", action="store_true", help="only say hours and gigabytes")
    parser.add_argument("--estimator", default="mediapipe", help="what finds the keypoints")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")

    from tqdm.contrib.logging import logging_redirect_tqdm

    from mgpose.extraction.batch import extract_batch, plan_batch
    from mgpose.extraction.estimator_settings import EstimatorSettings
    from mgpose.extraction.videos import find_videos

    videos = find_videos(args.videos, args.manifest)
    if args.dry_run:
        print(plan_batch(videos))
        return 0
    if args.out is None:
        raise InputError("expected --out STORE, found none")
    estimator = EstimatorSettings(args.estimator)
    with logging_redirect_tqdm():
        outcomes = extract_batch(videos, args.out, estimator, args.workers, args.overlay)
    counts = Counter(outcome.status for outcome in outcomes)
    print(f"{args.out}: " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    return 2 if counts["failed"] else 0


if __name__ == "__main__":
    run_tool(main)
