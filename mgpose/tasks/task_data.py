"""What every task runner is given: one fold's clips, and the two encoders' common ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus, mirrored
from mgpose.evaluation.baselines import pca_svm_scores
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError, Skeleton, Split

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TaskData:
    """One fold of a labelled set.

    Args:
        name: of the set.
        synthetic: True for generated data.
        skeleton: layout of the clips.
        split: which videos are train and test.
        classes: label names.
        train, test: labelled clips.
        train_whole, test_whole: the same clips, each resampled to T frames, for baselines on raw
            canonical keypoints.
        description: of the protocol, one sentence.
        corpus: for what only some runners need, such as emotion labels.
    """

    name: str
    synthetic: bool
    skeleton: Skeleton
    split: Split
    classes: tuple[str, ...]
    train: ClipDataset
    test: ClipDataset
    train_whole: ClipDataset
    test_whole: ClipDataset
    description: str
    corpus: Corpus

    @classmethod
    def of(cls, corpus: Corpus, split: Split) -> TaskData:
        """The clips of one fold.

        Raises:
            InputError: when the protocol has no test part.
        """
        if corpus.protocol is None or not split.test:
            raise InputError(
                f"{corpus.settings.name}: protocol {split.protocol!r} has no test part; tasks need "
                "labels and a protocol that splits them"
            )
        return cls(
            name=corpus.settings.name,
            synthetic=corpus.settings.synthetic,
            skeleton=corpus.skeleton,
            split=split,
            classes=corpus.classes,
            train=corpus.labelled(split.train),
            test=corpus.labelled(split.test),
            train_whole=corpus.whole(split.train),
            test_whole=corpus.whole(split.test),
            description=corpus.protocol.description,
            corpus=corpus,
        )

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def parts(self) -> npt.NDArray[np.int64] | None:
        """(K,) number of each class's body part, where the set names them."""
        part_of = self.corpus.body_parts
        if part_of is None:
            return None
        names = sorted(set(part_of.values()))
        return np.array([names.index(part_of[name]) for name in self.classes], dtype=np.int64)

    def headline(self, *metrics: str) -> tuple[str, ...]:
        """Columns of a recognition table: top-1, top-5 where it tells something, the metrics.

        Where the set names body parts, the mean F1 over both comes last.
        """
        top = ("top1", "top5") if self.num_classes > 5 else ("top1",)
        return (*top, *metrics, *(() if self.parts is None else ("f1_mean",)))

    def describe(self) -> dict[str, Any]:
        """The ``data`` object of a result."""
        return {
            "name": self.name,
            "synthetic": self.synthetic,
            "classes": list(self.classes),
            "train_clips": len(self.train.spans),
            "test_clips": len(self.test.spans),
            "excluded_videos": len(self.corpus.excluded),
        }

    def describe_protocol(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The ``protocol`` object of a result."""
        clip = vars(self.corpus.settings.clip)
        return {
            "name": self.split.protocol,
            "description": self.description,
            "folds": [self.split.fold],
            "exceptions": dict(self.split.exceptions),
            "settings": {**settings, "clip": dict(clip)},
        }

    def raw_train(self, clips: npt.NDArray[np.int64] | None = None) -> tuple[FloatArray, ...]:
        """Flattened keypoints (N, T x V x D) of (some) training clips, and of their mirror."""
        chosen = self.train_whole if clips is None else self.train_whole.subset(clips.tolist())
        return flatten(chosen), flatten(mirrored(chosen, self.skeleton))

    def raw_test(self) -> FloatArray:
        """Flattened keypoints of the test clips."""
        return flatten(self.test_whole)

    def pca_svm(self, clips: npt.NDArray[np.int64] | None = None, seed: int = 0) -> FloatArray:
        """Scores (N_test, K) of the classical baseline, trained with the mirror."""
        plain, mirror = self.raw_train(clips)
        labels = self.train_whole.labels.numpy()
        labels = labels if clips is None else labels[clips]
        scores = pca_svm_scores(plain, labels, self.raw_test(), self.num_classes, mirror, seed)
        return scores.astype(np.float32)


@dataclass(frozen=True)
class Contender:
    """An encoder in a comparison.

    Args:
        name: how its rows begin.
        kind: ``"pretrained"`` or ``"untrained"``.
        encoder: frozen or fine-tuned by the runner.
    """

    name: str
    kind: str
    encoder: Encoder


def contenders(encoder: Encoder, untrained: Encoder) -> tuple[Contender, Contender]:
    """The two encoders that every task compares: same architecture, other weights."""
    return (
        Contender("pre-trained", "pretrained", encoder),
        Contender("untrained", "untrained", untrained),
    )


def flatten(clips: ClipDataset) -> FloatArray:
    """(N, T x V x D) canonical coordinates of one-crop clips, 0 where masked; no confidence."""
    values: FloatArray = clips.x[..., :-1].flatten(1).numpy()
    return values
