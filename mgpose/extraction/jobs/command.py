"""The command line of extraction."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from mgpose.structures import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All options of ``tools/extract_pose.py``."""
    add = parser.add_argument
    add("videos", nargs="+", type=Path, metavar="VIDEO_OR_DIR", help="what to read")
    add("--out", type=Path, metavar="STORE", help="folder of the store")
    add("--manifest", type=Path, metavar="CSV", help="ids and subjects: columns video,id,subject")
    add("--overlay", type=Path, metavar="DIR", help="write contact sheets here")
    add(
        "--dry-run",
        action="store_true",
        help="write nothing; estimate hours and gigabytes from a probe of two seconds of a few "
        "videos; exit code 2 when a video cannot be read",
    )
    group = parser.add_argument_group("estimator")
    add = group.add_argument
    add("--estimator", default="mediapipe", help="its name, or module:function of your own")
    add("--model", default="", help="its network: a file, or a model name of MMPose's")
    add("--checkpoint", default="", metavar="FILE", help="its weights, where they lie apart")
    add("--detector", default="", help="what finds people: faces, full-frame, or a network file")
    add("--device", default="", help="cpu, cuda, or what its runtime calls it")
    add("--batch", type=int, default=0, metavar="N", help="frames at a time")
    group = parser.add_argument_group("where it runs")
    add = group.add_argument
    add(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes at a time (default 1); each keeps to its share of the cores",
    )
    add(
        "--executor",
        default="local",
        choices=("local", "slurm", "submitit-local"),
        help="this machine (default), a Slurm array through submitit, or submitit's processes here",
    )
    add("--jobs", type=int, default=1, metavar="N", help="jobs of the array, N workers each")
    add(
        "--slurm",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of submitit's Slurm executor, such as partition=long, time=720 "
        "(minutes), mem=8GB, cpus_per_task=4; repeatable",
    )


def run(args: argparse.Namespace) -> int:
    """Extract as the command line says; 2 when a video failed.

    Raises:
        InputError: when the command cannot be carried out; nothing is begun then.
    """
    from tqdm.contrib.logging import logging_redirect_tqdm

    from mgpose.extraction.estimators.estimator_settings import EstimatorSettings
    from mgpose.extraction.jobs.batch import check_workers
    from mgpose.extraction.jobs.videos import find_videos

    names = ("model", "checkpoint", "detector", "device", "batch")
    estimator = EstimatorSettings(args.estimator, **{name: getattr(args, name) for name in names})
    check_workers(args.workers)
    videos = find_videos(args.videos, args.manifest)
    if args.dry_run:
        return _dry_run(videos, estimator, args.workers)
    if args.out is None:
        raise InputError("expected --out STORE, found none")
    with logging_redirect_tqdm():
        outcomes = _extract(videos, args, estimator)
    counts = Counter(outcome.status for outcome in outcomes)
    print(f"{args.out}: " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    return 2 if counts["failed"] else 0


def _extract(videos: Any, args: argparse.Namespace, estimator: Any) -> Any:
    from mgpose.extraction.jobs.batch import extract_batch
    from mgpose.extraction.jobs.cluster import Cluster, extract_on_cluster

    if args.executor == "local":
        if args.slurm or args.jobs != 1:
            raise InputError("--slurm and --jobs need --executor slurm or submitit-local")
        return extract_batch(videos, args.out, estimator, args.workers, args.overlay)
    cluster = Cluster(args.executor, args.jobs, _parameters(args.slurm))
    return extract_on_cluster(videos, args.out, cluster, estimator, args.workers, args.overlay)


def _dry_run(videos: Any, estimator: Any, workers: int) -> int:
    import sys

    from mgpose.extraction.jobs.plan import estimate, plan_jobs

    jobs, unreadable = plan_jobs(videos, Path(), estimator)
    for _, message in unreadable:
        print(f"unreadable: {message}", file=sys.stderr)
    print(f"{estimate(jobs, workers)}; {len(unreadable)} unreadable")
    return 2 if unreadable else 0


def _parameters(options: list[str]) -> dict[str, str]:
    pairs = [option.partition("=") for option in options]
    for key, sign, _ in pairs:
        if not (key and sign):
            raise InputError(f"--slurm {key}: expected KEY=VALUE")
    return {key: value for key, _, value in pairs}
