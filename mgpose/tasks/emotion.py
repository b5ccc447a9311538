"""Micro-gesture emotion recognition: from the frozen embeddings of a whole video to its label.

Emotion inference from people's bodies is an opt-in analysis with a warning: the EU AI Act bans it
at work and in education, and an outcome (such as a lost match) is not a felt emotion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.decisions import accuracy, area_under_curve, balanced_accuracy
from mgpose.evaluation.figures import Figure, intervals_figure
from mgpose.evaluation.permutation import arrangements, block_permutation_p_value, holm
from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.evaluation.statistics import bootstrap_interval, expected_calibration_error
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError
from mgpose.tasks.emotion_methods import EmotionMethods, EmotionSettings, MethodScores
from mgpose.tasks.emotion_videos import LabelledVideos
from mgpose.tasks.task_data import Contender, TaskData, contenders

LEVEL = 0.05
Scores = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Emotion:
    """Attention pooling in time, mean pooling and gesture histograms, beside the baselines.

    Args:
        data: one fold; its store carries annotations of the tier ``emotion``.
        untrained: encoder of the same architecture with untrained weights.
        settings: constants of the protocol.
        seed: the first of the seeds; also of bootstrap and permutations.
    """

    data: TaskData
    untrained: Encoder
    settings: EmotionSettings = field(default_factory=EmotionSettings)
    seed: int = 0

    def run(self, encoder: Encoder) -> TaskResult:
        """Compare the encoder with the untrained one and the baselines.

        Raises:
            InputError: as :meth:`compare`.
        """
        return self.compare(contenders(encoder, self.untrained))

    def compare(self, encoders: Sequence[Contender]) -> TaskResult:
        """Compare encoders with the baselines.

        Raises:
            InputError: when the data carry no emotion labels, not two of them, the training part
                shows one label or one person only, or the test part one person only.
        """
        data, settings = self.data, self.settings
        truth = data.corpus.emotions(data.split.test)
        train, test = (
            LabelledVideos.of(data, part, settings.positive) for part in ("train", "test")
        )
        names = sorted({*data.corpus.emotions(data.split.train).values(), *truth.values()})
        self._require_two_of_everything(train, names, truth)
        methods = EmotionMethods(data, train, test, settings, self.seed)
        found = [s for contender in encoders for s in methods.of_encoder(contender)]
        found += methods.of_poses()
        rows = [
            self.row(m.name, m.kind, self._of_all_videos(m.scores, train, test), truth)
            for m in found
        ]
        return TaskResult(
            task="emotion",
            title="Emotion",
            data={
                **data.describe(),
                "classes": names,
                "train_clips": len(train.videos),
                "test_clips": len(truth),
                "unit": "videos",
            },
            protocol={
                **data.describe_protocol(asdict(settings)),
                "records": {
                    data.split.fold: {
                        "chosen": {m.name: _choices(m) for m in found if m.choices},
                        "train_videos_without_pose": list(train.without_pose),
                        "test_videos_without_pose": list(test.without_pose),
                    }
                },
            },
            seed=self.seed,
            headline=("accuracy", "balanced_accuracy", "auc", "p_value", "calibration_error"),
            rows=tuple(rows),
            notes=(
                *self._notes(),
                *self._notes_of_fold(rows, train, test, truth, methods.gestures_are_known),
            ),
            figures=(_intervals(rows, data.synthetic),),
        )

    def row(self, name: str, kind: str, scores: Scores, labels: Mapping[str, str]) -> ResultRow:
        """A row of the table: means over the seeds, each with its interval or deviation.

        Args:
            name: as printed.
            kind: of the row.
            scores: (N,) or (N, S) probabilities of the positive label for S seeds; from 0.5 on it
                is decided for.
            labels: video -> emotion, of the N videos in sorted order.
        """
        settings, subjects = self.settings, self.data.corpus.subjects()
        videos = sorted(labels)
        truth = np.array([int(labels[v] == settings.positive) for v in videos], dtype=np.int64)
        people = [subjects[v] for v in videos]
        scores = scores[:, None] if scores.ndim == 1 else scores
        decisions = (scores >= 0.5).astype(np.float64)
        metrics: dict[str, float] = {}
        spread: dict[str, float] = {}
        for metric, statistic, values in (
            ("accuracy", accuracy, decisions),
            ("balanced_accuracy", balanced_accuracy, decisions),
            ("auc", area_under_curve, scores),
        ):
            by_seed = [statistic(truth, column) for column in values.T]
            metrics[metric] = float(np.mean(by_seed))
            low, high = bootstrap_interval(
                statistic, truth, values, people, settings.draws, self.seed
            )
            metrics[f"{metric}_low"], metrics[f"{metric}_high"] = low, high
            spread |= _deviation(metric, by_seed)
        errors = [
            expected_calibration_error(
                np.stack([1 - column, column], axis=1), truth, settings.calibration_bins
            )
            for column in scores.T
        ]
        metrics["calibration_error"] = float(np.mean(errors))
        spread |= _deviation("calibration_error", errors)
        metrics["p_value"] = block_permutation_p_value(
            balanced_accuracy, truth, decisions, people, settings.draws, self.seed
        )
        return ResultRow(name, kind, metrics, spread, scores.shape[1])

    def _require_two_of_everything(
        self, train: LabelledVideos, names: list[str], truth: Mapping[str, str]
    ) -> None:
        data, positive = self.data, self.settings.positive
        if len(names) != 2 or positive not in names:
            raise InputError(
                f"{data.name}: expected two emotion labels, one of them {positive!r}, found {names}"
            )
        subjects = data.corpus.subjects()
        if len({subjects[video] for video in truth}) < 2:
            raise InputError(
                f"{data.name}: the emotion task resamples the test subjects and needs two with "
                f"emotion labels, fold {data.split.fold!r} has one; leave the task out"
            )
        for what, found in (("labels", train.labels.tolist()), ("subjects", train.people)):
            if len(set(found)) < 2:
                raise InputError(
                    f"{data.name}: the emotion task needs two {what} among the training videos "
                    f"with usable poses of fold {data.split.fold!r}, found one in "
                    f"{len(train.videos)} videos; leave the task out"
                )

    def _of_all_videos(self, scores: Scores, train: LabelledVideos, test: LabelledVideos) -> Scores:
        """A test video without any pose is answered by the share of positives in train."""
        videos = sorted((*test.videos, *test.without_pose))
        whole = np.full((len(videos), scores.shape[1]), train.labels.mean())
        whole[np.searchsorted(videos, test.videos)] = scores
        return whole

    def _notes(self) -> tuple[str, ...]:
        seeds = self.settings.seeds
        runs = f"means over {seeds} seeds" if seeds > 1 else "of one seed"
        return (
            f"One label a video; rows are {runs}. 95 % intervals by bootstrap over the test "
            "subjects. Principal components and regularisation are chosen by cross-validation over "
            "the people of the training part, never on test.",
            "p-value: of the balanced accuracy, labels permuted among the test videos of one "
            "person, and among people with equally many test videos; exact where that leaves no "
            f"more than {self.settings.draws} arrangements. The classifiers stay as they are: to "
            "permute the whole pipeline would take a thousand trainings a row.",
        )

    def _notes_of_fold(
        self,
        rows: Sequence[ResultRow],
        train: LabelledVideos,
        test: LabelledVideos,
        truth: Mapping[str, str],
        gestures_are_known: bool,
    ) -> list[str]:
        corpus, fold = self.data.corpus, self.data.split.fold
        where = f"Fold {fold}: " if corpus.several_folds else ""
        subjects = corpus.subjects()
        videos = sorted(truth)
        labels = np.array([int(truth[v] == self.settings.positive) for v in videos])
        possible = arrangements(labels, [subjects[v] for v in videos])
        notes = [where + _verdict(rows)]
        if len(set(truth.values())) < 2:
            notes.append(
                f"{where}the test part shows one label only: the AUC is not defined, and no method "
                "can be told apart from chance."
            )
        elif possible * LEVEL < 1:
            notes.append(
                f"{where}the test part leaves {possible} arrangements of the labels, so no p-value "
                f"can fall below {1 / possible:.2f}."
            )
        if train.without_pose or test.without_pose:
            notes.append(
                f"{where}videos without any usable pose: {len(train.without_pose)} of train left "
                f"out, {len(test.without_pose)} of test answered by the training part's share of "
                "labels."
            )
        if not gestures_are_known:
            notes.append(
                f"{where}no histogram of predicted gestures: it needs labelled clips of two "
                "classes and two people in the training part."
            )
        return notes


def _intervals(rows: Sequence[ResultRow], synthetic: bool) -> Figure:
    metric = "balanced_accuracy"
    lines = []
    for row in rows:
        value, low, high = (row.metrics[f"{metric}{end}"] for end in ("", "_low", "_high"))
        # A percentile interval need not hold its own value, where a few subjects answer alike.
        lines.append((row.name, row.kind, value, min(low, value), max(high, value)))
    of_what = "synthetic videos" if synthetic else "videos"
    title = f"Balanced accuracy over {of_what}, 95 % intervals over test subjects"
    return intervals_figure(title, metric, 0.5, lines)


def _verdict(rows: Sequence[ResultRow]) -> str:
    """In plain words; bounds and trivial rows are no candidates."""
    tested = [row for row in rows if row.kind not in ("oracle", "trivial")]
    adjusted = holm([row.metrics["p_value"] for row in tested])
    apart = [r.name for r, p in zip(tested, adjusted, strict=True) if p <= LEVEL]
    rest = [r.name for r, p in zip(tested, adjusted, strict=True) if not p <= LEVEL]
    parts = [f"told apart from chance: {'; '.join(apart) or 'none'}"]
    if rest:
        parts.append(f"not told apart: {'; '.join(rest)}")
    return f"{'. '.join(parts)} (p <= {LEVEL}, by Holm for {len(tested)} rows)."


def _choices(method: MethodScores) -> list[dict[str, Any]]:
    """What was chosen, seed by seed, with the losses of all candidates in their order."""
    return [{**asdict(c.chosen), "log_losses": list(c.losses)} for c in method.choices]


def _deviation(metric: str, values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2 or np.isnan(values).any():
        return {}
    return {metric: float(np.std(values, ddof=1))}
