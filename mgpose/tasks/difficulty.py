"""How difficult a labelled store is: predictors from trivial to an oracle, side by side.

The lower rows tell what can be had for nothing, the oracle of a synthetic store what could be had
at all; what lies between is what a good encoder can win. Nothing is chosen on test.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus, DataSettings, mirrored
from mgpose.data.generating_parameters import (
    PARAMETERS_NAME,
    STATES_NAME,
    read_parameters,
    read_states,
)
from mgpose.engine.finetune import FinetuneSettings, finetune_scores
from mgpose.engine.settings import EncoderSettings
from mgpose.evaluation.baselines import TrivialPredictor, pca_svm_scores
from mgpose.evaluation.decisions import accuracy
from mgpose.evaluation.embed import embed
from mgpose.evaluation.figures import Figure, confusion_figure
from mgpose.evaluation.metrics import classification_metrics, confusion_counts
from mgpose.evaluation.oracle import oracle_scores
from mgpose.evaluation.probes import linear_probe_scores
from mgpose.evaluation.report import write_report
from mgpose.evaluation.results import ResultRow, TaskResult, write_results
from mgpose.evaluation.statistics import bootstrap_interval
from mgpose.evaluation.temporal_baselines import (
    bridge_gaps,
    dtw_nearest_scores,
    mean_pose_linear_scores,
    mean_poses,
    usual_pose,
)
from mgpose.models import Encoder
from mgpose.structures import InputError
from mgpose.tasks.combine import combine_folds
from mgpose.tasks.emotion import Emotion
from mgpose.tasks.emotion_methods import EmotionSettings
from mgpose.tasks.identity import Identity, IdentitySettings
from mgpose.tasks.task_data import Contender, TaskData

logger = logging.getLogger(__name__)

Scores = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predictor:
    """One row of the table of gestures.

    Args:
        name: as printed.
        kind: of the row.
        scores: fits on the training part, gives (N_test, K) scores of the test part.
    """

    name: str
    kind: str
    scores: Callable[[TaskData, Encoder, DifficultySettings], Scores]


def _majority(data: TaskData, _: Encoder, settings: DifficultySettings) -> Scores:
    trivial = TrivialPredictor.fit(data.train.labels.numpy(), data.num_classes)
    return trivial.scores(len(data.test.spans))


def _mean_pose(data: TaskData, _: Encoder, settings: DifficultySettings) -> Scores:
    train = np.concatenate([mean_poses(*_arrays(clips)) for clips in _with_mirror(data)])
    test = mean_poses(*_arrays(data.test_whole))
    return mean_pose_linear_scores(train, _doubled_labels(data), test, data.num_classes)


def _dtw(data: TaskData, _: Encoder, settings: DifficultySettings) -> Scores:
    plain, mirror, test = (x.reshape(*x.shape[:2], -1) for x in _bridged(data))
    train = np.concatenate([plain, mirror])
    return dtw_nearest_scores(
        train, _doubled_labels(data), test, data.num_classes, seed=settings.seed
    )


def _pca_svm(data: TaskData, _: Encoder, settings: DifficultySettings) -> Scores:
    return data.pca_svm(seed=settings.seed)


def _pca_svm_bridged(data: TaskData, _: Encoder, settings: DifficultySettings) -> Scores:
    plain, mirror, test = (x.reshape(len(x), -1) for x in _bridged(data))
    labels = data.train_whole.labels.numpy()
    return pca_svm_scores(plain, labels, test, data.num_classes, mirror, settings.seed)


def _untrained(data: TaskData, encoder: Encoder, settings: DifficultySettings) -> Scores:
    train, test = (embed(encoder, clips).embeddings for clips in (data.train, data.test))
    labels = data.train.labels.numpy()
    return linear_probe_scores(
        train, labels, test, data.num_classes, settings.probe_epochs, settings.seed
    )


def _supervised(data: TaskData, encoder: Encoder, settings: DifficultySettings) -> Scores:
    return finetune_scores(
        encoder, data.train, data.test, data.num_classes, settings.finetune, settings.seed
    )


def _oracle(data: TaskData, _: Encoder, settings: DifficultySettings) -> Scores:
    drawn = read_parameters(_beside(data, PARAMETERS_NAME))
    train, test = (
        drawn.of([span.annotation for span in clips.spans if span.annotation is not None])
        for clips in (data.train, data.test)
    )
    labels = data.train.labels.numpy()
    return oracle_scores(train, labels, test, data.num_classes, settings.seed)


PREDICTORS = {
    "majority": Predictor("majority class", "trivial", _majority),
    "mean_pose": Predictor("mean pose + linear", "classical", _mean_pose),
    "dtw": Predictor("1-NN, dynamic time warping", "classical", _dtw),
    "pca_svm": Predictor("PCA + SVM", "classical", _pca_svm),
    "pca_svm_bridged": Predictor("PCA + SVM, gaps bridged", "classical", _pca_svm_bridged),
    "untrained": Predictor("untrained encoder, linear probe", "untrained", _untrained),
    "supervised": Predictor("supervised encoder, from scratch", "untrained", _supervised),
    "oracle": Predictor("generating parameters", "oracle", _oracle),
}


@dataclass(frozen=True)
class DifficultySettings:
    """What to measure, and how.

    Args:
        data: the labelled set and its protocol.
        encoder: of the rows with an encoder.
        finetune: how the supervised one is trained.
        predictors: rows of the table of gestures, keys of ``PREDICTORS``; the oracle appears only
            where the store comes with generating parameters.
        probe_epochs: of the linear probe on the untrained encoder.
        emotion: constants of that table, None to leave it out.
        identity: constants of that table, None to leave it out.
        seed: of everything random.
        threads: torch's CPU threads, 0 for its own choice.

    Raises:
        ValueError: for an unknown predictor, or nothing to measure.
    """

    data: DataSettings
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    predictors: tuple[str, ...] = tuple(PREDICTORS)
    probe_epochs: int = 100
    emotion: EmotionSettings | None = None
    identity: IdentitySettings | None = None
    seed: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.predictors) - set(PREDICTORS))
        if unknown:
            raise ValueError(f"unknown predictors {unknown}; known: {', '.join(PREDICTORS)}")
        if not self.predictors and self.emotion is None and self.identity is None:
            raise ValueError("expected predictors, emotion or identity to measure, got none")


def measure_difficulty(settings: DifficultySettings, out: str | Path) -> dict[str, TaskResult]:
    """Measure every fold that the settings select; write ``results.json`` and ``report.html``.

    Args:
        settings: data and rows.
        out: folder for the results.

    Returns:
        ``recognition``, ``emotion``, ``identity``, as far as asked for -> result over the folds.

    Raises:
        InputError: for data without a test part, or that lack what a table needs.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    corpus = Corpus(settings.data)
    found: dict[str, list[TaskResult]] = {"recognition": [], "emotion": [], "identity": []}
    for split in corpus.folds():
        data = TaskData.of(corpus, split)
        Path(out).mkdir(parents=True, exist_ok=True)  # fails now rather than after the work
        encoder = _fresh_encoder(settings, data)
        # The longest last: what the data lack for the others is told at once.
        if settings.identity is not None:
            found["identity"].append(Identity(data, settings.identity, settings.seed).run())
        if settings.emotion is not None:
            found["emotion"].append(_emotion(data, encoder, settings.emotion, settings.seed))
        if settings.predictors:
            found["recognition"].append(_recognition(data, encoder, settings))
    results = {name: combine_folds(folds) for name, folds in found.items() if folds}
    write_results(Path(out) / "results.json", results)
    write_report(results, Path(out) / "report.html", f"Difficulty of {settings.data.name}")
    return results


def _recognition(data: TaskData, encoder: Encoder, settings: DifficultySettings) -> TaskResult:
    labels, rows = data.test.labels.numpy(), []
    figures: list[Figure] = []
    chosen = {name: PREDICTORS[name] for name in settings.predictors}
    if not _beside(data, PARAMETERS_NAME).exists():
        chosen.pop("oracle", None)
    for key, predictor in tqdm(chosen.items(), f"{data.split.fold}: gestures", unit="row"):
        began = time.perf_counter()
        scores = predictor.scores(data, encoder, settings)
        seconds = time.perf_counter() - began
        metrics = classification_metrics(scores, labels)
        logger.info("%s: %s in %.1f s", predictor.name, metrics, seconds)
        rows.append(ResultRow(predictor.name, predictor.kind, {**metrics, "seconds": seconds}))
        if key == "supervised":
            counts = confusion_counts(scores.argmax(1), labels, data.num_classes)
            figures.append(confusion_figure("Confusion, supervised", counts, data.classes))
    headline = ["balanced_accuracy", "top1", "macro_f1", "seconds"]
    if data.num_classes > 5:
        headline.insert(2, "top5")
    constants = {
        name: value
        for name, value in asdict(settings).items()
        if name in ("encoder", "finetune", "predictors", "probe_epochs")
    }
    return TaskResult(
        task="difficulty",
        title="Gestures",
        data=data.describe(),
        protocol=data.describe_protocol(constants),
        seed=settings.seed,
        headline=tuple(headline),
        rows=tuple(rows),
        notes=(
            "Classical rows train on every clip and its mirror image. Seconds: fitting and "
            "predicting, reading the clips aside.",
            *_never_shown(data),
        ),
        figures=tuple(figures),
    )


def _never_shown(data: TaskData) -> list[str]:
    """What bounds every row: classes that are tested and not trained."""
    trained, tested = (
        np.bincount(clips.labels.numpy(), minlength=data.num_classes)
        for clips in (data.train, data.test)
    )
    classes = [data.classes[i] for i in np.flatnonzero((trained == 0) & (tested > 0))]
    if not classes:
        return []
    share = 1 - len(classes) / np.count_nonzero(tested)
    return [
        f"No row can know {', '.join(classes)}, of which there is no training clip: balanced "
        f"accuracy ends at {100 * share:.1f}."
    ]


def _emotion(data: TaskData, encoder: Encoder, settings: EmotionSettings, seed: int) -> TaskResult:
    runner = Emotion(data, encoder, settings, seed)
    result = runner.compare([Contender("untrained", "untrained", encoder)])
    path = _beside(data, STATES_NAME)
    if not path.exists():
        return result
    test = data.corpus.emotions(data.split.test)
    everyone = {**data.corpus.emotions(data.split.train), **test}
    states = {video: known.state for video, known in read_states(path, everyone).items()}
    best = runner.row(
        "sign of the hidden state",
        "oracle",
        1 / (1 + np.exp(-np.array([states[video] for video in sorted(test)]))),
        test,
    )
    videos = sorted(everyone)
    subjects = data.corpus.subjects()
    truth = np.array([int(everyone[video] == settings.positive) for video in videos])
    guess = np.array([float(states[video] >= 0) for video in videos])
    low, high = bootstrap_interval(
        accuracy, truth, guess, [subjects[v] for v in videos], settings.draws, seed
    )
    note = (
        f"Nobody can guess better than by the sign of the hidden state: right in "
        f"{100 * accuracy(truth, guess):.1f} % of all {len(videos)} videos, training part included "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f})."
    )
    return dataclasses.replace(result, rows=(*result.rows, best), notes=(*result.notes, note))


def _fresh_encoder(settings: DifficultySettings, data: TaskData) -> Encoder:
    given, frames = settings.encoder, settings.data.clip.frames
    try:
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed + 1)
            encoder = given.build(data.skeleton, frames)
    except ValueError as error:
        raise InputError(f"config.encoder: {error}") from error
    return encoder.eval()


def _beside(data: TaskData, name: str) -> Path:
    return data.corpus.store.folder / name


def _arrays(clips: ClipDataset) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Canonical coordinates (N, T, V, D) without confidence, and mask, of one-crop clips."""
    return clips.x[..., :-1].numpy(), clips.mask.numpy()


def _with_mirror(data: TaskData) -> tuple[ClipDataset, ClipDataset]:
    return data.train_whole, mirrored(data.train_whole, data.skeleton)


def _doubled_labels(data: TaskData) -> IntArray:
    return np.tile(data.train_whole.labels.numpy(), 2)


def _bridged(data: TaskData) -> list[FloatArray]:
    """(N, T, V, D) of the training clips, their mirror, and the test clips, without gaps."""
    plain, mirror = (_arrays(clips) for clips in _with_mirror(data))
    usual = usual_pose(*(np.concatenate(both) for both in zip(plain, mirror, strict=True)))
    return [bridge_gaps(x, mask, usual) for x, mask in (plain, mirror, _arrays(data.test_whole))]
