"""Rows of the task tables: each with its metrics and with what its interval is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray, IntArray
from mgpose.evaluation.evidence import (
    Evidence,
    Trial,
    class_mean_evidence,
    classification_evidence,
    clustering_evidence,
    mean_evidence,
)
from mgpose.evaluation.metrics import classification_metrics, clustering_metrics
from mgpose.evaluation.results import ResultRow, TaskResult, with_trials
from mgpose.evaluation.retrieval import mean_scores
from mgpose.evaluation.statistics import expected_calibration_error
from mgpose.tasks.task_data import TaskData

ENSEMBLE = "ensemble of seeds"


@dataclass(frozen=True, eq=False)
class Rows:
    """Makes the rows of one run of a task.

    Args:
        data: one fold.
        seed: of the run.
        draw: number of the choice of labelled clips, 0 where all are used.
        contest: of the rows, see :class:`ResultRow`.
    """

    data: TaskData
    seed: int
    draw: int = 0
    contest: str = ""

    def recognition(
        self,
        name: str,
        kind: str,
        scores: FloatArray,
        probabilities: bool = True,
        keep: bool = False,
    ) -> ResultRow:
        """A row of a classifier.

        Args:
            name: of the row.
            kind: of the row.
            scores: (N_test, K).
            probabilities: whether they sum to 1: only then is there a calibration error.
            keep: keep the scores, to be averaged over the seeds by :func:`ensemble_rows`.
        """
        labels, groups = self.data.test.labels.numpy(), self.data.test_groups
        metrics = classification_metrics(scores, labels)
        if probabilities:
            metrics["calibration_error"] = expected_calibration_error(scores, labels)
        evidence = classification_evidence(
            scores, labels, groups, self.data.group_names, probabilities
        )
        return self._row(name, kind, metrics, evidence, scores if keep else None)

    def clustering(self, name: str, kind: str, assignments: IntArray) -> ResultRow:
        """A row of (N_test,) cluster numbers."""
        labels, groups = self.data.test.labels.numpy(), self.data.test_groups
        evidence = clustering_evidence(assignments, labels, groups, self.data.group_names)
        return self._row(name, kind, clustering_metrics(assignments, labels), evidence)

    def retrieval(
        self,
        name: str,
        kind: str,
        scores: dict[str, npt.NDArray[np.float64]],
        asked: npt.NDArray[np.bool_],
    ) -> ResultRow:
        """A row of the scores of the queries that can be answered.

        Args:
            name: of the row.
            kind: of the row.
            scores: metric -> (A,).
            asked: (N_test,), A of them True.
        """
        names = self.data.group_names
        labels = self.data.test.labels.numpy()[asked]
        groups = [g for g, ask in zip(self.data.test_groups, asked, strict=True) if ask]
        evidence = {key: mean_evidence(each, groups, names) for key, each in scores.items()}
        evidence["balanced_r_at_1"] = class_mean_evidence(scores["r_at_1"], labels, groups, names)
        return self._row(name, kind, mean_scores(scores, labels), evidence)

    def _row(
        self,
        name: str,
        kind: str,
        metrics: dict[str, float],
        evidence: dict[str, Evidence],
        scores: FloatArray | None = None,
    ) -> ResultRow:
        fold = self.data.split.fold
        trial = Trial(fold, self.seed, self.draw, metrics, evidence, scores)
        row = ResultRow(name, kind, metrics, contest=self.contest)
        return with_trials(row, [trial])


def ensemble_rows(runs: Sequence[TaskResult], data: TaskData) -> list[ResultRow]:
    """For each row that kept its scores: the probabilities of all seeds averaged.

    They are a contest of their own, ensemble against ensemble.

    Args:
        runs: of one task on one fold, one a seed.
        data: of the fold.
    """
    made = []
    for i, row in enumerate(runs[0].rows):
        kept = [trial.scores for run in runs for trial in run.rows[i].trials]
        scores = [each for each in kept if each is not None]
        if len(scores) == len(kept) > 1:
            maker = Rows(data, row.trials[0].seed, contest=ENSEMBLE)
            mean = np.mean(scores, axis=0)
            made.append(maker.recognition(f"{row.name}, {ENSEMBLE}", row.kind, mean))
    return made
