"""The main job end to end on a fresh machine: videos, poses, pre-training, five tasks, report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mgpose.data.folds import Corpus
from mgpose.data.synthetic import SyntheticCorpus, write_synthetic
from mgpose.engine.checkpoint import load_encoder
from mgpose.engine.pretrain import pretrain
from mgpose.engine.pretrain_data import FINAL_CHECKPOINT
from mgpose.engine.settings import PretrainSettings, load_config, read_settings
from mgpose.evaluation.results import ROW_KINDS, ResultRow, TaskResult
from mgpose.evaluation.table import format_table, metric_title
from mgpose.extraction.jobs.batch import extract_batch
from mgpose.extraction.jobs.videos import find_videos
from mgpose.extraction.portrait import write_portrait_video
from mgpose.io.pose_file import write_pose_file
from mgpose.io.store import PoseStore
from mgpose.structures import InputError
from mgpose.tasks.evaluate import EvaluateSettings, evaluate
from mgpose.tasks.video_retrieval import retrieve_moments

PRETRAIN_CONFIG = "configs/pretrain/contrastive_tiny_quickstart.py"
# Twelve of the 32: a few minutes of training show little on all of them.
CLASSES = (
    "touching or scratching head",
    "covering face",
    "rubbing eyes",
    "biting nails",
    "touching ears",
    "touching suprasternal notch or chest",
    "folding arms",
    "minaret gesture",
    "arms akimbo",
    "head up",
    "turtle neck",
    "illustrative gesture",
)
TASKS_CONFIG = "configs/tasks/all_quickstart.py"


def quickstart(videos: Sequence[Path], repository: Path, out: Path) -> dict[str, TaskResult]:
    """Run everything; prints what it does, on what data, and where the result lies.

    Args:
        videos: the user's videos or folders; empty for what the project carries.
        repository: root of the project, for configs and the sample poses.
        out: folder for everything that is made.

    Raises:
        InputError: when none of the user's videos can be used.
    """
    poses = out / "poses"
    own = _poses(videos, repository, out, poses)
    store = {"data.store": str(poses)}

    _say(3, "pre-training by contrast, without labels (preset 'tiny', a few minutes)")
    settings = read_settings(
        PretrainSettings, load_config(repository / PRETRAIN_CONFIG, store), "config"
    )
    pretrain(settings, out / "pretrain", quiet=True)
    print(f"  checkpoint and TensorBoard logs: {out / 'pretrain'}")

    _say(4, "five tasks on the synthetic corpus, protocol 'quick' (fewer draws and epochs)")
    tasks = read_settings(EvaluateSettings, load_config(repository / TASKS_CONFIG, store))
    checkpoint = out / "pretrain" / FINAL_CHECKPOINT
    results = evaluate(tasks, checkpoint, out)
    for result in results.values():
        print(format_table(result), end="\n\n")
    if videos:
        _say(5, "retrieval over your own videos")
        encoder, _ = load_encoder(checkpoint)
        table = out / "similar_moments.csv"
        windows = retrieve_moments(Corpus(settings.data), encoder, own, table)
        print(f"  {windows} windows, each with its most similar others: {table}")
    _summary(results)
    print(f"\nreport:      {out / 'report.html'}\nresults:     {out / 'results.json'}")
    print(f"TensorBoard: tensorboard --logdir {out / 'pretrain'}")
    return results


def _poses(videos: Sequence[Path], repository: Path, out: Path, poses: Path) -> tuple[str, ...]:
    """Fill the store; the ids of the videos that were extracted."""
    given = list(videos)
    if not given:
        given = [write_portrait_video(out / "videos" / "portrait.mp4")]
    what = "your videos" if videos else "a portrait photograph (public domain), animated"
    _say(1, f"pose estimation on {what}")
    outcomes = extract_batch(find_videos(given, None), poses, workers=min(2, os.cpu_count() or 1))
    done = tuple(o.video_id for o in outcomes if o.status != "failed")
    for outcome in outcomes:
        print(f"  {outcome.video_id}: {outcome.status}, {outcome.frames} frames {outcome.message}")
    if not done:
        raise InputError(f"none of {len(outcomes)} videos could be used; see the lines above")

    _say(2, "sample poses of sign clips (real, CC-BY-4.0) and a synthetic corpus for the labels")
    sample = PoseStore(repository / "data" / "sample")
    for video in sample:
        write_pose_file(poses, video, sample[video], sample.header(video).provenance)
    corpus = SyntheticCorpus(
        subjects=12,
        videos_per_subject=4,
        seconds=50,
        gestures_per_minute=16,
        mix="uniform",
        classes=CLASSES,
    )
    written = write_synthetic(corpus, poses)
    print(f"  {len(sample)} real sign clips, {written} synthetic videos: {poses}")
    return done


def _say(step: int, text: str) -> None:
    print(f"\n[{step}] {text}", flush=True)


def _summary(results: dict[str, TaskResult]) -> None:
    """Whether pre-training helped, task by task, in numbers; nothing more is claimed."""
    print("\nDoes pre-training help? (synthetic data: this shows the machinery, not a result)")
    for result in results.values():
        metric = result.headline[0]
        rows = [row for row in result.rows if metric in row.metrics]
        # The first row of a kind, fixed beforehand: the best of several is chosen on test.
        first = {row.kind: row for row in reversed(rows)}
        numbers = ", ".join(
            f"{first[kind].name} {100 * first[kind].metrics[metric]:.1f}"
            for kind in ROW_KINDS
            if kind in first
        )
        print(f"  {result.title}, {metric_title(metric)}: {numbers}")
        print(f"    -> {_verdict(first, metric)}")


def _verdict(first: dict[str, ResultRow], metric: str) -> str:
    ours = first["pretrained"].metrics
    if ours.get("p_value", 0.0) > 0.05:
        return f"not told apart from chance (p = {ours['p_value']:.2f})"
    others = max(first[kind].metrics[metric] for kind in ("untrained", "trivial"))
    above = "above" if ours[metric] > others else "NOT above"
    return f"{above} the untrained encoder and the trivial predictor"
