"""Micro-gesture emotion recognition: from the embeddings of a whole video to its label.

Emotion inference from people's bodies is an opt-in analysis with a warning: the EU AI Act bans it
at work and in education, and an outcome (such as a lost match) is not a felt emotion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from mgpose.data.clips import ClipDataset
from mgpose.evaluation.baselines import TrivialPredictor, pca_svm_scores
from mgpose.evaluation.embed import embed
from mgpose.evaluation.metrics import binary_metrics
from mgpose.evaluation.probes import linear_probe_scores
from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.evaluation.statistics import bootstrap_interval, permutation_p_value
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError
from mgpose.tasks.task_data import Contender, TaskData, contenders, flatten

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EmotionSettings:
    """Constants of the protocol.

    Args:
        positive: label counted as class 1.
        probe_epochs: of the linear probe on video embeddings.
        draws: of bootstrap and permutations.
    """

    positive: str = "positive"
    probe_epochs: int = 100
    draws: int = 1000


@dataclass(frozen=True)
class Emotion:
    """A linear probe on the mean embedding of all windows of a video.

    Args:
        data: one fold; its store carries annotations of the tier ``emotion``.
        untrained: encoder of the same architecture with untrained weights.
        settings: constants of the protocol.
        seed: of probe, bootstrap and permutations.
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
            InputError: when the data carry no emotion labels, not two of them, or the test part
                shows one person only.
        """
        data = self.data
        parts = {}
        for part, videos in (("train", data.split.train), ("test", data.split.test)):
            labels = data.corpus.emotions(videos)
            if not labels:
                raise InputError(
                    f"{data.name}: the emotion task needs annotations of the tier 'emotion' in "
                    f"the {part} part, found none"
                )
            parts[part] = (data.corpus.unlabelled(labels), labels)
        names = sorted({label for _, labels in parts.values() for label in labels.values()})
        if len(names) != 2 or self.settings.positive not in names:
            raise InputError(
                f"{data.name}: expected two emotion labels, one of them "
                f"{self.settings.positive!r}, found {names}"
            )
        subjects = data.corpus.subjects()
        if len({subjects[video] for video in parts["test"][1]}) < 2:
            raise InputError(
                f"{data.name}: the emotion task resamples the test subjects and needs two with "
                f"emotion labels, fold {data.split.fold!r} has one; leave the task out"
            )
        rows = self._rows(encoders, parts)
        return TaskResult(
            task="emotion",
            title="Emotion",
            data={
                **data.describe(),
                "classes": names,
                "train_clips": len(parts["train"][1]),
                "test_clips": len(parts["test"][1]),
                "unit": "videos",
            },
            protocol=data.describe_protocol(asdict(self.settings)),
            seed=self.seed,
            headline=("accuracy", "balanced_accuracy", "auc", "p_value"),
            rows=tuple(rows),
            notes=(
                "One label a video. 95 % intervals by bootstrap over subjects; p-value by "
                "permutation of the test labels over videos.",
            ),
        )

    def _rows(
        self, encoders: Sequence[Contender], parts: dict[str, tuple[ClipDataset, dict[str, str]]]
    ) -> list[ResultRow]:
        (train_clips, train_of), (test_clips, test_of) = parts["train"], parts["test"]
        train_labels, test_labels = self._labels(train_of), self._labels(test_of)
        scores: list[tuple[str, str, npt.NDArray[np.floating]]] = []
        for contender in encoders:
            train = video_means(
                embed(contender.encoder, train_clips).embeddings, train_clips, train_of
            )
            test = video_means(embed(contender.encoder, test_clips).embeddings, test_clips, test_of)
            found = linear_probe_scores(
                train, train_labels, test, 2, self.settings.probe_epochs, self.seed
            )
            scores.append((f"{contender.name}, linear probe", contender.kind, found[:, 1]))
        train, test = (
            video_means(flatten(clips), clips, labels)
            for clips, labels in ((train_clips, train_of), (test_clips, test_of))
        )
        margin = pca_svm_scores(train, train_labels, test, 2, seed=self.seed)
        # Decision values are made comparable to a probability by the larger of the two classes.
        decided = 1 / (1 + np.exp(margin[:, 0] - margin[:, 1]))
        scores.append(("PCA + SVM", "classical", decided))
        trivial = TrivialPredictor.fit(train_labels, 2).scores(len(test_labels))
        scores.append(("majority class", "trivial", trivial[:, 1]))
        return [self.row(name, kind, found, test_of) for name, kind, found in scores]

    def row(
        self, name: str, kind: str, scores: npt.NDArray[np.floating], labels: Mapping[str, str]
    ) -> ResultRow:
        """A row of the table.

        Args:
            name: as printed.
            kind: of the row.
            scores: (N,) of the positive label; from 0.5 on it is decided for.
            labels: video -> emotion, of the N videos in sorted order.
        """
        subjects = self.data.corpus.subjects()
        groups = [subjects[video] for video in sorted(labels)]
        return ResultRow(name, kind, self._metrics(scores, self._labels(labels), groups))

    def _labels(self, labels: Mapping[str, str]) -> IntArray:
        """0 or 1 for each video, videos sorted."""
        return np.array([int(labels[v] == self.settings.positive) for v in sorted(labels)])

    def _metrics(
        self, scores: npt.NDArray[np.floating], labels: IntArray, groups: list[str]
    ) -> dict[str, float]:
        metrics = binary_metrics(scores, labels)
        draws, seed = self.settings.draws, self.seed
        decisions = (scores >= 0.5).astype(np.float64)
        for name, statistic in (
            ("accuracy", accuracy),
            ("balanced_accuracy", balanced_accuracy),
        ):
            low, high = bootstrap_interval(statistic, labels, decisions, groups, draws, seed)
            metrics[f"{name}_low"], metrics[f"{name}_high"] = low, high
        metrics["p_value"] = permutation_p_value(
            balanced_accuracy, labels, decisions, draws=draws, seed=seed
        )
        return metrics


# As in binary_metrics, without its area under the curve: thousands of draws need these two only.
def accuracy(labels: IntArray, decisions: npt.NDArray[np.floating]) -> float:
    """Share of the (N,) decisions, 1 or 0, that are right."""
    return float((decisions == labels).mean())


def balanced_accuracy(labels: IntArray, decisions: npt.NDArray[np.floating]) -> float:
    """The same share within each class present, averaged."""
    return float(np.mean([(decisions[labels == c] == c).mean() for c in np.unique(labels)]))


def video_means(values: FloatArray, clips: ClipDataset, videos: dict[str, str]) -> FloatArray:
    """(N, D) values of clips -> (videos, D) means over each video's clips, videos sorted.

    Raises:
        InputError: when a video has no usable window.
    """
    video_of = np.array([span.video for span in clips.spans])
    missing = sorted(set(videos) - set(video_of.tolist()))
    if missing:
        raise InputError(f"no usable window in {len(missing)} videos, such as {missing[0]!r}")
    return np.stack([values[video_of == video].mean(0) for video in sorted(videos)])
