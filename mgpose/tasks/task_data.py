"""What every task runner is given: one fold's clips, and the two encoders' common ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus, mirrored
from mgpose.evaluation.baselines import pca_svm_scores
from mgpose.evaluation.embed import embed
from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError, Skeleton, Split
from mgpose.tasks.constants import measurement_constants

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
        unit: group whose values are resampled for intervals, see :func:`resampled_group`.
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
    unit: str
    # What was computed; not an argument, so that a copy with other clips begins with nothing.
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

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
            unit=resampled_group(corpus),
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

    @cached_property
    def test_groups(self) -> list[str]:
        """Value of ``unit`` for each of the N test clips."""
        return self.test.group(self.unit)

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """All values of ``unit`` in the test part, sorted."""
        return tuple(sorted(set(self.test_groups)))

    def embeddings(self, encoder: Encoder) -> tuple[EmbeddingTable, EmbeddingTable]:
        """Frozen embeddings of the train and the test clips; computed once for each encoder."""
        key = "embeddings", id(encoder)
        if key not in self._known:
            # The encoder is kept along, so that its id stays its own.
            self._known[key] = encoder, embed(encoder, self.train), embed(encoder, self.test)
        return self._known[key][1], self._known[key][2]

    def mirrored_embeddings(self, encoder: Encoder) -> EmbeddingTable:
        """Frozen embeddings of the train clips in the mirror."""
        return embed(encoder, mirrored(self.train, self.skeleton))

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
            "constants": measurement_constants(),
        }

    def raw_train(self, clips: npt.NDArray[np.int64] | None = None) -> tuple[FloatArray, ...]:
        """Flattened keypoints (N, T x V x D) of (some) training clips, and of their mirror."""
        chosen = self.train_whole if clips is None else self.train_whole.subset(clips.tolist())
        return flatten(chosen), flatten(mirrored(chosen, self.skeleton))

    def raw_test(self) -> FloatArray:
        """Flattened keypoints of the test clips."""
        return flatten(self.test_whole)

    def pca_svm(self, clips: npt.NDArray[np.int64] | None = None, seed: int = 0) -> FloatArray:
        """Scores (N_test, K) of the classical baseline, trained with the mirror.

        Computed once for the same clips: it has no chance in it but the seed of its PCA.
        """
        key = "pca_svm", None if clips is None else tuple(clips.tolist()), seed
        if key not in self._known:
            plain, mirror = self.raw_train(clips)
            labels = self.train_whole.labels.numpy()
            labels = labels if clips is None else labels[clips]
            scores = pca_svm_scores(plain, labels, self.raw_test(), self.num_classes, mirror, seed)
            self._known[key] = scores.astype(np.float32)
        found: FloatArray = self._known[key]
        return found


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


def resampled_group(corpus: Corpus) -> str:
    """The group whose values an interval resamples: what is independent of one another.

    Subjects where every fold tests two or more; else, where there are several folds, the group that
    the protocol holds out; else that group, or videos, whichever the test part has several of.

    Raises:
        InputError: when the protocol has no group to hold out.
    """
    if corpus.protocol is None:
        raise InputError(f"{corpus.settings.name}: expected a protocol with a test part, got none")
    held_out, folds = corpus.protocol.group, corpus.folds()

    def several(name: str) -> bool:
        found = [_values(corpus, split.test, name) for split in folds]
        return min(map(len, found)) > 1

    if several("subject"):
        return "subject"
    if corpus.several_folds or several(held_out):
        return held_out
    return "video"


def _values(corpus: Corpus, videos: Sequence[str], name: str) -> set[str]:
    chosen = set(videos)
    return {
        a.group(name) for a in corpus.annotations if a.video in chosen and a.label in corpus.classes
    }


def flatten(clips: ClipDataset) -> FloatArray:
    """(N, T x V x D) canonical coordinates of one-crop clips, 0 where masked; no confidence."""
    values: FloatArray = clips.x[..., :-1].flatten(1).numpy()
    return values
