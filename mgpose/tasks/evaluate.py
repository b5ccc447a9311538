"""Run task runners over the folds of a protocol and write table, JSON and report."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from mgpose.data.folds import Corpus, DataSettings
from mgpose.data.leakage import Findings, LeakageGuard
from mgpose.engine.checkpoint import CheckpointCard, check_layout
from mgpose.engine.model_files import load_model, weights_fingerprint
from mgpose.engine.pretrain import FINAL_CHECKPOINT, fold_dir
from mgpose.evaluation.published import published_numbers, with_published
from mgpose.evaluation.report import write_report
from mgpose.evaluation.results import TaskResult, write_results
from mgpose.evaluation.uncertainty import UncertaintySettings, with_uncertainty
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError, Split
from mgpose.tasks.combine import combine_folds, combine_seeds
from mgpose.tasks.emotion import Emotion
from mgpose.tasks.emotion_methods import EmotionSettings
from mgpose.tasks.recognition_semi_supervised import (
    RecognitionSemiSupervised,
    SemiSupervisedSettings,
)
from mgpose.tasks.recognition_supervised import RecognitionSupervised, SupervisedSettings
from mgpose.tasks.recognition_unsupervised import RecognitionUnsupervised, UnsupervisedSettings
from mgpose.tasks.retrieval import Retrieval, RetrievalSettings
from mgpose.tasks.task_data import TaskData


@dataclass(frozen=True)
class TaskSettings:
    """Settings of the five runners; a task that is None is not run."""

    recognition_unsupervised: UnsupervisedSettings | None = None
    recognition_semi_supervised: SemiSupervisedSettings | None = None
    recognition_supervised: SupervisedSettings | None = None
    retrieval: RetrievalSettings | None = None
    emotion: EmotionSettings | None = None


@dataclass(frozen=True)
class EvaluateSettings:
    """A whole evaluation.

    Args:
        data: the labelled set and its protocol.
        tasks: which runners, with which constants.
        effort: ``"full"``, or ``"quick"`` for fewer draws and smaller fractions; every report
            prints it.
        seeds: of everything random; every task is run with each, and the mean is taken.
        uncertainty: constants of the 95 % intervals.
        threads: torch's CPU threads, 0 for its own choice.

    Raises:
        ValueError: without a seed, or for one that stands there twice.
    """

    data: DataSettings
    tasks: TaskSettings = field(default_factory=TaskSettings)
    effort: str = "full"
    seeds: tuple[int, ...] = (0, 1, 2)
    uncertainty: UncertaintySettings = field(default_factory=UncertaintySettings)
    threads: int = 0

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be different numbers from 0, got {list(self.seeds)}")


RUNNERS: dict[str, Any] = {
    "recognition_unsupervised": RecognitionUnsupervised,
    "recognition_semi_supervised": RecognitionSemiSupervised,
    "recognition_supervised": RecognitionSupervised,
    "retrieval": Retrieval,
    "emotion": Emotion,
}


def evaluate(
    settings: EvaluateSettings,
    checkpoints: str | Path | Sequence[str | Path],
    out: str | Path,
    only: Sequence[str] = (),
) -> dict[str, TaskResult]:
    """Run the tasks on every fold, average, and write ``results.json`` and ``report.html``.

    Args:
        settings: data, tasks, seeds.
        checkpoints: one file, the name of a shipped model, or the work folder of a training run
            with a sub-folder a fold; or as many of them as there are seeds, such as one
            pre-training for each.
        out: folder for the results.
        only: names of the tasks to run; empty for all that the settings hold.

    Returns:
        Task name -> result over all folds and seeds.

    Raises:
        InputError: for unknown tasks or published numbers, another number of checkpoints than of
            seeds, a checkpoint of another layout, fold or test video, or a leak that the protocol
            does not declare.
    """
    chosen = _chosen(settings.tasks, only)
    _require_writable(Path(out))
    if settings.threads:
        torch.set_num_threads(settings.threads)
    published = settings.data.published
    if published:
        published_numbers(published)  # an unknown set ends here, not after hours
    corpus = Corpus(settings.data)
    splits = corpus.folds()
    given = _one_for_each(checkpoints, settings.seeds)
    guard = LeakageGuard(corpus)
    encoders = {
        (split.fold, path): _encoder(path, split, guard) for split in splits for path in set(given)
    }
    checked = {
        split.fold: _checked(guard, split, [encoders[split.fold, path][1] for path in given])
        for split in splits
    }
    found: dict[str, list[TaskResult]] = {name: [] for name in chosen}
    unit = ""
    with tqdm(total=len(splits) * len(given) * len(chosen), unit="task") as progress:
        for split in splits:
            data = TaskData.of(corpus, split)
            unit = data.unit
            runs: dict[str, list[TaskResult]] = {name: [] for name in chosen}
            for seed, path in zip(settings.seeds, given, strict=True):
                encoder, card = encoders[split.fold, path]
                pretraining = _pretraining(encoder, card)
                untrained = card.fresh_encoder(seed + 1).eval()
                for name, task in chosen.items():
                    progress.set_description(f"{split.fold}, seed {seed}: {name}")
                    result = RUNNERS[name](data, untrained, task, seed).run(encoder)
                    runs[name].append(_with_effort(result, settings.effort, pretraining))
                    progress.update()
            for name in chosen:
                result = combine_seeds(runs[name], data)
                leakage = {split.fold: checked[split.fold].as_plain()}
                found[name].append(
                    dataclasses.replace(result, protocol={**result.protocol, "leakage": leakage})
                )
    measured = {
        name: with_uncertainty(combine_folds(folds), unit, settings.uncertainty)
        for name, folds in found.items()
    }
    # Last of all: nothing that is computed from rows sees other people's numbers.
    results = {name: with_published(result, published) for name, result in measured.items()}
    Path(out).mkdir(parents=True, exist_ok=True)
    write_results(Path(out) / "results.json", results)
    write_report(results, Path(out) / "report.html")
    return results


def _require_writable(out: Path) -> None:
    """Fail before hours of work rather than after them; nothing is made yet."""
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"{out}: expected a folder that can be written, {nearest} is not one")


def _one_for_each(
    checkpoints: str | Path | Sequence[str | Path], seeds: Sequence[int]
) -> list[Path]:
    """A checkpoint for each seed."""
    if isinstance(checkpoints, str | Path):
        checkpoints = [checkpoints]
    given = [Path(path) for path in checkpoints]
    if len(given) not in (1, len(seeds)):
        raise InputError(
            f"expected one checkpoint, or one for each of {len(seeds)} seeds; got {len(given)}"
        )
    return given * len(seeds) if len(given) == 1 else given


def _chosen(tasks: TaskSettings, only: Sequence[str]) -> dict[str, Any]:
    given = {f.name: getattr(tasks, f.name) for f in dataclasses.fields(tasks)}
    given = {name: task for name, task in given.items() if task is not None}
    unknown = sorted(set(only) - set(given))
    if unknown or not given:
        raise InputError(f"tasks {unknown} are not in the config; it has: {', '.join(given)}")
    return {name: task for name, task in given.items() if not only or name in only}


def _encoder(path: Path, split: Split, guard: LeakageGuard) -> tuple[Encoder, CheckpointCard]:
    """The encoder for one fold, its ids in plain where they occur here.

    Raises:
        InputError: where it has seen a test video, or is of another layout or clip.
    """
    corpus = guard.corpus
    if path.is_dir():
        path = fold_dir(path, split, corpus) / FINAL_CHECKPOINT
    encoder, card = load_model(path)
    card = card.revealed(guard.names())
    check_layout(card, corpus.skeleton, path)
    clip = dataclasses.asdict(corpus.settings.clip)
    for name in ("frames", "rate"):
        if card.clip[name] != clip[name]:
            raise InputError(
                f"{path}: made for clips of {name} {card.clip[name]}, the config has {clip[name]}"
            )
    seen = sorted(set(card.videos) & set(split.test))
    if seen:
        raise InputError(
            f"{path}: pre-training saw {len(seen)} of the test videos of fold {split.fold!r}, such "
            f"as {seen[0]!r}; use the checkpoint of this fold"
        )
    return encoder, card


def _checked(guard: LeakageGuard, split: Split, cards: Sequence[CheckpointCard]) -> Findings:
    """What the guard finds between one fold's test and all that its encoders have seen.

    Raises:
        InputError: for a leak that the protocol does not declare.
    """
    seen = dict.fromkeys(footage for card in cards for footage in card.seen())
    lacking = any(not (card.subjects and card.sources) for card in cards)
    note = (
        "pre-training was compared by the ids of its videos only: the checkpoint records neither "
        "subjects nor source files"
    )
    return guard.check(split, list(seen), note if lacking else "")


def _pretraining(encoder: Encoder, card: CheckpointCard) -> dict[str, Any]:
    """Which encoder was measured, and what it was pre-trained on."""
    return {
        "data": card.data,
        "protocol": card.protocol,
        "videos": len(card.videos),
        "architecture": card.architecture,
        "size": card.size,
        "seed": card.seed,
        "weights": weights_fingerprint(encoder.state_dict()),
        "test_videos_seen": 0,  # by id; _encoder refuses any other number
    }


def _with_effort(result: TaskResult, effort: str, pretraining: Mapping[str, Any]) -> TaskResult:
    """Write down how much was run, and on which encoder."""
    protocol: Mapping[str, Any] = {
        **result.protocol,
        "effort": effort,
        "pretraining": pretraining,
    }
    notes = result.notes
    if effort != "full":
        notes = (
            *notes,
            f"Protocol '{effort}': fewer draws, fractions and epochs than the full one.",
        )
    return dataclasses.replace(result, protocol=protocol, notes=notes)
