"""The methods that the emotion task compares: each gives a probability a test video and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.attention_pooling import AttentionSettings, attention_scores
from mgpose.evaluation.baselines import TrivialPredictor, pca_svm_scores
from mgpose.evaluation.embed import embed
from mgpose.evaluation.gesture_histogram import annotated_histograms, predicted_histograms
from mgpose.evaluation.video_classifier import (
    Choice,
    Regularisation,
    choose,
    linear_scores,
    whitened,
)
from mgpose.evaluation.video_sequences import VideoSequences
from mgpose.tasks.emotion_videos import LabelledVideos
from mgpose.tasks.task_data import Contender, TaskData, flatten

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]
HeldOut = Callable[[Regularisation, IntArray, IntArray], FloatArray]


@dataclass(frozen=True)
class EmotionSettings:
    """Constants of the protocol.

    Args:
        positive: label counted as class 1.
        probe_epochs: of the linear probe that predicts gestures.
        draws: of bootstrap and permutations.
        seeds: runs of every method, with the task's seed and those that follow it.
        folds: of people inside the training part, by which candidates are chosen.
        components: candidates, principal components of embeddings.
        penalties: candidates, ridge penalty of the linear classifiers.
        weight_decays: candidates, weight decay of attention pooling.
        attention: constants of attention pooling.
        calibration_bins: of the calibration error; few, since there are some hundred videos.

    Raises:
        ValueError: on numbers that cannot be.
    """

    positive: str = "positive"
    probe_epochs: int = 100
    draws: int = 1000
    seeds: int = 3
    folds: int = 5
    components: tuple[int, ...] = (8, 32)
    penalties: tuple[float, ...] = (1000.0, 100.0, 10.0)
    weight_decays: tuple[float, ...] = (10.0, 1.0)
    attention: AttentionSettings = field(default_factory=AttentionSettings)
    calibration_bins: int = 10

    def __post_init__(self) -> None:
        counts = {
            "probe_epochs": self.probe_epochs,
            "draws": self.draws,
            "seeds": self.seeds,
            "calibration_bins": self.calibration_bins,
            "components": min(self.components, default=0),
        }
        low = [name for name, value in counts.items() if value < 1]
        if low or self.folds < 2:
            raise ValueError(f"expected {low or 'folds'} of at least {1 if low else 2}, got {self}")
        if min(self.penalties, default=0) <= 0 or min(self.weight_decays, default=-1) < 0:
            raise ValueError(f"expected penalties > 0 and weight_decays >= 0, got {self}")


@dataclass(frozen=True, eq=False)
class MethodScores:
    """What one method says.

    Args:
        name: of its row.
        kind: of its row.
        scores: (M, S) probability of the positive label for M test videos and S seeds.
        choices: what grouped cross-validation chose with each seed; empty where nothing is chosen.
    """

    name: str
    kind: str
    scores: FloatArray
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, eq=False)
class EmotionMethods:
    """All methods on one fold.

    Args:
        data: one fold.
        train, test: its videos with a label.
        settings: constants of the protocol.
        seed: the first of the seeds.
    """

    data: TaskData
    train: LabelledVideos
    test: LabelledVideos
    settings: EmotionSettings
    seed: int

    def of_encoder(self, contender: Contender) -> Iterator[MethodScores]:
        """Attention pooling, mean pooling, and the histogram of predicted gestures."""
        train, test = (part.embedded(contender.encoder) for part in (self.train, self.test))
        settings, name, kind = self.settings, contender.name, contender.kind
        yield self._attention(f"{name}, attention pooling", kind, train, test)
        yield self._linear(
            f"{name}, mean pooling", kind, train.means(), test.means(), settings.components
        )
        if self.gestures_are_known:
            clips = embed(contender.encoder, self.data.train)
            # With the first seed only: three probes of thousands of clips take the most time here.
            histograms = predicted_histograms(
                clips.embeddings,
                clips.labels,
                clips.subjects,
                train,
                self.train.people,
                test,
                self.data.num_classes,
                settings.probe_epochs,
                seed=self.seed,
            )
            yield self._linear(f"{name}, histogram of predicted gestures", kind, *histograms)

    def of_poses(self) -> Iterator[MethodScores]:
        """The classical baseline, the majority, and the histogram of annotated gestures."""
        labels, seeds = self.train.labels, self._seeds
        train, test = (
            part.sequences(flatten(part.windows)).means() for part in (self.train, self.test)
        )
        margins = [pca_svm_scores(train, labels, test, 2, seed=seed) for seed in seeds]
        # Decision values are made comparable to a probability by the larger of the two classes.
        decided = [1 / (1 + np.exp(margin[:, 0] - margin[:, 1])) for margin in margins]
        yield MethodScores("PCA + SVM", "classical", np.stack(decided, axis=1))
        trivial = TrivialPredictor.fit(labels, 2).scores(len(test))
        yield MethodScores("majority class", "trivial", np.tile(trivial[:, 1:], len(seeds)))
        events = [part.gestures(self.data) for part in (self.train, self.test)]
        if all(events):
            train_histograms, test_histograms = (
                annotated_histograms(found, part.length, self.data.num_classes)
                for found, part in zip(events, (self.train, self.test), strict=True)
            )
            yield self._linear(
                "histogram of annotated gestures", "oracle", train_histograms, test_histograms
            )

    @property
    def gestures_are_known(self) -> bool:
        """Whether the training part has labelled clips of two classes and of two people."""
        clips = self.data.train
        return len(np.unique(clips.labels.numpy())) > 1 and len(set(clips.group("subject"))) > 1

    @property
    def _seeds(self) -> range:
        return range(self.seed, self.seed + self.settings.seeds)

    def _linear(
        self,
        name: str,
        kind: str,
        train: FloatArray,
        test: FloatArray,
        components: tuple[int, ...] = (0,),
    ) -> MethodScores:
        """A linear classifier on features (N, F) and (M, F); seeds differ in the folds."""
        candidates = [
            Regularisation(c, penalty) for c in components for penalty in self.settings.penalties
        ]
        labels = self.train.labels

        def held_out(candidate: Regularisation, fit: IntArray, held: IntArray) -> FloatArray:
            return linear_scores(train[fit], labels[fit], train[held], candidate)

        choices = [self._choose(candidates, held_out, seed) for seed in self._seeds]
        scores = [linear_scores(train, labels, test, choice.chosen) for choice in choices]
        return MethodScores(name, kind, np.stack(scores, axis=1), tuple(choices))

    def _attention(
        self, name: str, kind: str, train: VideoSequences, test: VideoSequences
    ) -> MethodScores:
        """Attention pooling of whitened components, which are fitted on all training windows.

        The components read no label, so the folds of the choice share them. Candidates are compared
        by one restart each.
        """
        settings, labels = self.settings, self.train.labels
        values = whitened(train.values, test.values, max(settings.components))
        train, test = train.with_values(values[0]), test.with_values(values[1])
        once = replace(settings.attention, restarts=1)
        candidates = [
            Regularisation(c, decay)
            for c in settings.components
            for decay in settings.weight_decays
        ]
        scores, choices = [], []
        for seed in self._seeds:
            held_out = partial(_attend_held_out, train, labels, once, seed)
            choice = self._choose(candidates, held_out, seed)
            choices.append(choice)
            few = choice.chosen.components
            scores.append(
                attention_scores(
                    train.first_channels(few),
                    labels,
                    test.first_channels(few),
                    choice.chosen.penalty,
                    settings.attention,
                    seed,
                )
            )
        return MethodScores(name, kind, np.stack(scores, axis=1), tuple(choices))

    def _choose(self, candidates: list[Regularisation], held_out: HeldOut, seed: int) -> Choice:
        train = self.train
        return choose(candidates, held_out, train.labels, train.people, self.settings.folds, seed)


def _attend_held_out(
    sequences: VideoSequences,
    labels: IntArray,
    settings: AttentionSettings,
    seed: int,
    candidate: Regularisation,
    fit: IntArray,
    held: IntArray,
) -> FloatArray:
    few = sequences.first_channels(candidate.components)
    return attention_scores(
        few.subset(fit), labels[fit], few.subset(held), candidate.penalty, settings, seed
    )
