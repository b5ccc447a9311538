"""Rows of a study and its table: each variant beside the first one, pair by pair."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mgpose.io.atomic import write_text


@dataclass(frozen=True)
class StudyRow:
    """One number of one run.

    Args:
        variant, seed, fold: the run.
        metric: of the value.
        value: in [0, 1].
        mark: fingerprint of all settings that the value depends on.
    """

    variant: str
    seed: int
    fold: str
    metric: str
    value: float
    mark: str

    @property
    def key(self) -> tuple[str, ...]:
        """What no two rows share."""
        return self.mark, self.metric


def read_rows(path: Path) -> list[StudyRow]:
    """The rows of an earlier, perhaps unfinished run; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            StudyRow(
                row["variant"],
                int(row["seed"]),
                row["fold"],
                row["metric"],
                float(row["value"]),
                row["mark"],
            )
            for row in csv.DictReader(file)
        ]


def write_rows(
    path: Path, rows: Sequence[StudyRow], earlier: Mapping[tuple[str, ...], StudyRow]
) -> None:
    """Write the rows, and those of ``earlier`` that are not among them; whole or not at all."""
    own = {row.key for row in rows}
    kept = [row for key, row in earlier.items() if key not in own]
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(StudyRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in (*rows, *kept))
    write_text(path, text.getvalue())


def format_study(rows: Sequence[StudyRow]) -> str:
    """A Markdown table, percent: mean over folds and seeds, and the difference from the first row.

    The difference is taken run by run (same fold, same seed); what stands behind it is its
    standard error over runs, of which a single run has none. Two or three runs give a rough one.
    A cell is empty where a row lacks the metric.

    >>> values = {"all": .50, "less": .25}
    >>> print(format_study([StudyRow(n, 0, "a", "top-1", v, "") for n, v in values.items()]))
    | variant | runs | top-1 | difference of top-1 |
    |---|---|---|---|
    | all | 1 | 50.0 |  |
    | less | 1 | 25.0 | -25.0 |
    """
    metrics = list(dict.fromkeys(row.metric for row in rows))
    variants = list(dict.fromkeys(row.variant for row in rows))
    values = {(r.variant, r.metric, (r.fold, r.seed)): r.value for r in rows}
    lines = [
        "| " + " | ".join(["variant", "runs", *metrics, f"difference of {metrics[0]}"]) + " |",
        "|" + "---|" * (len(metrics) + 3),
    ]
    for variant in variants:
        runs = sorted({(r.fold, r.seed) for r in rows if r.variant == variant})
        cells = [variant, str(len(runs))]
        for metric in metrics:
            each = [values[variant, metric, r] for r in runs if (variant, metric, r) in values]
            cells.append(f"{100 * np.mean(each):.1f}" if each else "")
        paired = [
            values[variant, metrics[0], run] - values[variants[0], metrics[0], run]
            for run in runs
            if (variants[0], metrics[0], run) in values
        ]
        cells.append(_difference(np.array(paired)) if variant != variants[0] else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _difference(paired: npt.NDArray[np.float64]) -> str:
    if not len(paired):
        return "no run in common"
    text = f"{100 * paired.mean():+.1f}"
    if len(paired) > 1:
        text += f" ± {100 * paired.std(ddof=1) / np.sqrt(len(paired)):.1f}"
    return text
