"""Who is it, among the people of the test part: from proportions alone, and from motion alone.

The lower the better for privacy. It is measured, not promised: these attackers are simple, and a
better one finds more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from mgpose.data.clips import canonical_keypoints
from mgpose.evaluation.decisions import accuracy
from mgpose.evaluation.identity import (
    kinematics,
    nearest_person,
    proportions,
    within_person_scale,
)
from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.evaluation.statistics import bootstrap_interval
from mgpose.structures import InputError, PoseSequence, convert
from mgpose.tasks.task_data import TaskData

Features = npt.NDArray[np.float64]
KINDS_OF_FEATURES = ("proportions", "kinematics")


@dataclass(frozen=True)
class IdentitySettings:
    """Constants of the protocol; ``draws`` of the bootstrap over people."""

    draws: int = 1000


@dataclass(frozen=True)
class Identity:
    """The earlier half of each test person's videos is known, the later half is asked for.

    Args:
        data: one fold.
        settings: constants of the protocol.
        seed: of the bootstrap.
    """

    data: TaskData
    settings: IdentitySettings = field(default_factory=IdentitySettings)
    seed: int = 0

    def run(self) -> TaskResult:
        """Compare both kinds of features with chance.

        Raises:
            InputError: when fewer than two test people, or no training person, have two videos.
        """
        split = self.data.split
        test = self._by_person(split.test)
        if len(test) < 2:
            raise InputError(
                f"{self.data.name}: who is it needs two people with two videos each in the test "
                f"part of fold {split.fold!r}, found {len(test)}; leave identity out"
            )
        train = self._by_person(split.train)
        if not train:
            raise InputError(
                f"{self.data.name}: who is it needs a person with two videos in the training part "
                f"of fold {split.fold!r}, found none; leave identity out"
            )
        gallery = {person: videos[: len(videos) // 2] for person, videos in test.items()}
        query = {person: videos[len(videos) // 2 :] for person, videos in test.items()}
        people = sorted(test)
        rows = [ResultRow("chance", "trivial", {"accuracy": 1 / len(people)})]
        for number, name in enumerate(KINDS_OF_FEATURES):
            scale = within_person_scale(*_stacked(train, number))
            known, who = _stacked(gallery, number)
            asked, truth = _stacked(query, number)
            found = nearest_person(known, who, asked, scale)
            metrics = {"accuracy": accuracy(truth, found.astype(np.float64))}
            metrics["accuracy_low"], metrics["accuracy_high"] = bootstrap_interval(
                accuracy,
                truth,
                found.astype(np.float64),
                [people[i] for i in truth],
                self.settings.draws,
                self.seed,
            )
            rows.append(ResultRow(f"{name} alone, 1-NN", "classical", metrics))
        return TaskResult(
            task="identity",
            title="Who is it",
            data={
                **self.data.describe(),
                "classes": [f"person {i + 1}" for i in range(len(people))],
                "train_clips": sum(map(len, gallery.values())),
                "test_clips": sum(map(len, query.values())),
                "unit": "videos",
            },
            protocol=self.data.describe_protocol(asdict(self.settings)),
            seed=self.seed,
            headline=("accuracy",),
            rows=tuple(rows),
            notes=(
                "Among the people of the test part: the earlier half of each one's videos is "
                "known (train), the later half is asked for (test). Features count in units of "
                "their deviation between videos of one training person. 95 % intervals by "
                "bootstrap over people.",
            ),
        )

    def _by_person(self, videos: tuple[str, ...]) -> dict[str, list[tuple[Features, ...]]]:
        """Person -> features of each of the person's videos, by id; people with two videos."""
        subjects = self.data.corpus.subjects()
        found: dict[str, list[tuple[Features, ...]]] = {}
        for video in sorted(videos):
            try:
                features = self._features(self.data.corpus.store[video])
            except ValueError:  # the shoulders are never seen; no clip of it is used either
                continue
            found.setdefault(subjects[video], []).append(features)
        return {person: rows for person, rows in sorted(found.items()) if len(rows) > 1}

    def _features(self, sequence: PoseSequence) -> tuple[Features, ...]:
        skeleton = self.data.skeleton
        points = canonical_keypoints(convert(sequence, skeleton), skeleton)
        rate = 1.0
        if sequence.time_source != "index" and len(sequence) > 1:
            rate = float((len(sequence) - 1) / (sequence.time[-1] - sequence.time[0]))
        return proportions(points, skeleton), kinematics(points, skeleton, rate)


def _stacked(
    videos: dict[str, list[tuple[Features, ...]]], kind: int
) -> tuple[Features, npt.NDArray[np.int64]]:
    """(N, F) features of one kind, and for each the number of the person in the order given."""
    rows = [(features[kind], i) for i, found in enumerate(videos.values()) for features in found]
    return np.stack([row for row, _ in rows]), np.array([i for _, i in rows], dtype=np.int64)
