"""One result from the results of several seeds, and of several folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mgpose.evaluation.figures import Figure
from mgpose.evaluation.results import ResultRow, TaskResult, mean_over
from mgpose.tasks.rows import ensemble_rows
from mgpose.tasks.task_data import TaskData

_ENDS = ("value", "low", "high")


def combine_folds(folds: Sequence[TaskResult]) -> TaskResult:
    """Average the rows over folds, add each fold's own rows, merge the figures.

    Args:
        folds: results of one task, one a fold.

    Returns:
        The mean with its spread; ``protocol["per_fold"]`` holds fold -> row -> metrics. A row that
        a fold does not have is named in a note and left out of the mean. One fold is returned as it
        is.
    """
    first = folds[0]
    if len(folds) == 1:
        return first
    names = [name for fold in folds for name in fold.protocol["folds"]]
    per_fold = {
        name: {row.name: dict(row.metrics) for row in fold.rows}
        for name, fold in zip(names, folds, strict=True)
    }
    figures = tuple(
        _merge([fold.figures[i] for fold in folds], names[0]) for i in range(len(first.figures))
    )
    data = {
        **first.data,
        "train_clips": sum(fold.data["train_clips"] for fold in folds) // len(folds),
        "test_clips": sum(fold.data["test_clips"] for fold in folds),
        "unit": f"{first.data.get('unit', 'clips')} (train: mean of a fold, test: all folds)",
    }
    if "per_class_recall" in data:
        (confusion,) = [figure for figure in figures if figure.kind == "confusion"]
        data["per_class_recall"] = recall_of(confusion)
    pretraining = {
        name: fold.protocol["pretraining"]
        for name, fold in zip(names, folds, strict=True)
        if "pretraining" in fold.protocol
    }
    # What a runner wrote down of its fold, such as what was chosen there.
    records = {
        name: record for fold in folds for name, record in fold.protocol.get("records", {}).items()
    }
    notes = dict.fromkeys(note for fold in folds for note in fold.notes)
    rows, partial = _common([fold.rows for fold in folds])
    if partial:
        notes[f"Not in every fold, so without a mean: {'; '.join(partial)}."] = None
    leakage = {
        name: found for fold in folds for name, found in fold.protocol.get("leakage", {}).items()
    }
    return dataclasses.replace(
        first,
        data=data,
        protocol={
            **first.protocol,
            **({"records": records} if records else {}),
            "folds": names,
            "per_fold": per_fold,
            "pretraining": pretraining,
            **({"leakage": leakage} if leakage else {}),
        },
        rows=mean_over(rows, medians=first.headline[:1]),
        notes=(*notes, f"Mean and standard deviation over {len(folds)} folds."),
        figures=figures,
    )


def combine_seeds(runs: Sequence[TaskResult], data: TaskData) -> TaskResult:
    """Average the rows of one fold over seeds; add the ensemble of the rows that kept scores.

    Args:
        runs: results of one task on one fold, one a seed.
        data: of the fold.

    Returns:
        The mean; confusions are summed over the seeds, a map is that of the first. One seed is
        returned as it is, but for ``protocol["seeds"]``.
    """
    first = runs[0]
    protocol = {**first.protocol, "seeds": [run.seed for run in runs]}
    if len(runs) == 1:
        return dataclasses.replace(first, protocol=protocol)
    trained = [run.protocol["pretraining"] for run in runs if "pretraining" in run.protocol]
    told = "of one pre-trained encoder: what another pre-training would give is not in the spread"
    if any(each != trained[0] for each in trained):
        protocol["pretraining"] = {"checkpoints": trained}
        told = "each with a pre-trained encoder of its own"
    figures = tuple(
        each if each.kind == "map" else _merge([run.figures[i] for run in runs], "")
        for i, each in enumerate(first.figures)
    )
    notes = [*first.notes, f"Mean over {len(runs)} seeds, {told}. What has no chance in it: ± 0.0."]
    if any("p_value" in row.metrics for row in first.rows):
        notes.append("Intervals and p-values are means over the seeds, too.")
    described = dict(first.data)
    if "per_class_recall" in described:
        (confusion,) = [figure for figure in figures if figure.kind == "confusion"]
        described["per_class_recall"] = recall_of(confusion)
    return dataclasses.replace(
        first,
        data=described,
        protocol=protocol,
        rows=(*mean_over([run.rows for run in runs]), *ensemble_rows(runs, data)),
        notes=tuple(notes),
        figures=figures,
    )


def recall_of(confusion: Figure) -> dict[str, float]:
    """Class -> share of its clips that were recognised; NaN for a class without a test clip."""
    counts = np.asarray(confusion.data["counts"], dtype=float)
    total = counts.sum(1)
    recall = np.divide(counts.diagonal(), total, out=np.full(len(total), np.nan), where=total > 0)
    return dict(zip(confusion.data["names"], recall.tolist(), strict=True))


def _common(
    folds: Sequence[Sequence[ResultRow]],
) -> tuple[list[list[ResultRow]], list[str]]:
    """The rows that every fold has, and the names of the others."""
    names = [{row.name for row in rows} for rows in folds]
    common = set.intersection(*names)
    kept = [[row for row in rows if row.name in common] for rows in folds]
    return kept, sorted(set.union(*names) - common)


def _merge(figures: Sequence[Figure], first_fold: str) -> Figure:
    """Confusions are summed, curves and intervals averaged; a map can only be of one fold."""
    first = figures[0]
    if first.kind == "map":
        return dataclasses.replace(first, title=f"{first.title} (fold {first_fold})")
    if first.kind == "confusion":
        counts = np.sum([f.data["counts"] for f in figures], axis=0)
        return dataclasses.replace(first, data={**first.data, "counts": counts})
    if first.kind == "intervals":
        tables = [{row["name"]: row for row in f.data["rows"]} for f in figures]
        means = [
            {**row, **{key: np.mean([t[name][key] for t in tables]) for key in _ENDS}}
            for name, row in tables[0].items()
            if all(name in table for table in tables)
        ]
        return dataclasses.replace(first, data={**first.data, "rows": means})
    curves: list[dict[str, Any]] = []
    for i, curve in enumerate(first.data["curves"]):
        values = np.array([f.data["curves"][i]["values"] for f in figures])
        spread = values.std(0, ddof=1)
        curves.append({**curve, "values": values.mean(0), "spread": spread})
    return dataclasses.replace(first, data={**first.data, "curves": curves})
