"""A task's table: titles of the metrics, cells as text, the best of each column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mgpose.evaluation.results import ResultRow, TaskResult

METRIC_TITLES = {
    "top1": "Top-1",
    "top5": "Top-5",
    "balanced_accuracy": "Balanced acc.",
    "macro_f1": "Macro F1",
    "accuracy": "Accuracy",
    "auc": "AUC",
    "hungarian_accuracy": "Hungarian acc.",
    "nmi": "NMI",
    "ari": "ARI",
    "r_at_1": "R@1",
    "r_at_5": "R@5",
    "r_at_10": "R@10",
    "map": "mAP",
    "ndcg": "nDCG",
    "balanced_r_at_1": "Balanced R@1",
    "p_value": "p-value",
    "calibration_error": "Calibration error",
    "seconds": "Seconds",
    "f1_mean": "F1 mean",
}
_UNDEFINED = "n/a"
_LOWER_IS_BETTER = frozenset({"p_value", "calibration_error", "seconds"})
# Bounds, and what was not run here.
_NO_RIVALS = ("oracle", "published")
KIND_TITLES = {
    "oracle": "oracle",
    "pretrained": "pre-trained",
    "untrained": "untrained",
    "classical": "classical",
    "trivial": "trivial",
    "published": "published",
}


def metric_title(name: str) -> str:
    """Title of a metric; ``x_median`` and names of no known metric are spelled out.

    >>> metric_title("r_at_1"), metric_title("top1_median"), metric_title("my_metric")
    ('R@1', 'Top-1 (median)', 'My metric')
    """
    if name.endswith("_median"):
        return f"{metric_title(name.removesuffix('_median'))} (median)"
    return METRIC_TITLES.get(name, name.replace("_", " ").capitalize())


@dataclass(frozen=True)
class Cell:
    """One number: percent with one decimal (p-values and seconds as they are), ± deviation.

    Args:
        value: such as ``"61.3"``; ``"n/a"`` where the metric is not defined.
        detail: such as ``"± 2.1"``, the 95 % interval ``"[54.0, 68.2]"``, both, or empty.
        best: True for the best of its column (as printed; trivial and chance rows included, oracles
            and published rows not); nothing is best in seconds.
    """

    value: str
    detail: str
    best: bool


def higher_is_better(metric: str) -> bool:
    """False for p-values, calibration errors and seconds, True for all other metrics."""
    return metric.removesuffix("_median") not in _LOWER_IS_BETTER


def table_cells(result: TaskResult, metrics: Sequence[str]) -> list[list[Cell]]:
    """A column for each metric, row by row of the result."""
    columns = [_column(result, metric) for metric in metrics]
    return [list(row) for row in zip(*columns, strict=True)]


def _column(result: TaskResult, metric: str) -> list[Cell]:
    texts = [_number(metric, row.metrics.get(metric, math.nan)) for row in result.rows]
    rivals = [row.kind not in _NO_RIVALS and metric != "seconds" for row in result.rows]
    numbers = [
        float(t) for t, rival in zip(texts, rivals, strict=True) if rival and t != _UNDEFINED
    ]
    pick = max if higher_is_better(metric) else min
    best = pick(numbers) if len(numbers) > 1 else None
    return [
        Cell(text, _detail(row, metric), rival and text != _UNDEFINED and float(text) == best)
        for row, text, rival in zip(result.rows, texts, rivals, strict=True)
    ]


def _number(metric: str, value: float) -> str:
    if math.isnan(value):
        return _UNDEFINED
    if metric == "seconds":
        return f"{value:.1f}"
    return f"{value:.3f}" if metric == "p_value" else f"{100 * value:.1f}"


def _detail(row: ResultRow, metric: str) -> str:
    found = []
    if metric in row.spread:
        found.append(f"± {_number(metric, row.spread[metric])}")
    low, high = (row.metrics.get(f"{metric}_{end}", math.nan) for end in ("low", "high"))
    if not math.isnan(low + high):
        found.append(f"[{_number(metric, low)}, {_number(metric, high)}]")
    return " ".join(found)


def runs_in_words(row: ResultRow) -> str:
    """Such as ``"7 folds x 3 seeds"``; the bare number where the row does not record them.

    Empty for a published row: its runs are not known.

    >>> repeats = {"folds": 2, "seeds": 3, "draws": 1}
    >>> runs_in_words(ResultRow("a", "trivial", {}, runs=6, repeats=repeats))
    '2 folds x 3 seeds'
    """
    if row.origin:
        return ""
    several = [f"{count} {name}" for name, count in row.repeats.items() if count > 1]
    return " x ".join(several) or str(row.runs)


def comparison_lines(result: TaskResult) -> list[str]:
    """The paired tests in words, one line each."""
    return [each.sentence(metric_title(each.metric)) for each in result.comparisons]


def published_heading(result: TaskResult) -> str:
    """The line above the published rows."""
    if result.data["synthetic"]:
        return (
            "published for the real set, not run here; the rows above are on SYNTHETIC data and "
            "cannot be compared with these"
        )
    return "published, not run here"


def kind_title(row: ResultRow) -> str:
    """Title of a row's kind; of a published row also its input, and a mark where it has one.

    >>> kind_title(ResultRow("MS-G3D", "published", {}, origin={"input": "pose", "source": "x"}))
    'published, pose'
    """
    told = (row.origin.get("input"), row.origin.get("mark"))
    return ", ".join([KIND_TITLES[row.kind], *filter(None, told)])


def _sources(result: TaskResult) -> list[str]:
    """Papers of the published rows, each once, in the order of the rows."""
    return list(dict.fromkeys(row.origin["source"] for row in result.rows if row.origin))


def format_table(result: TaskResult) -> str:
    """The task as aligned text for a terminal: percent, ``*`` marks the best of each column."""
    kind = "synthetic data" if result.data["synthetic"] else "real data"
    head = (
        f"{result.title}\n{result.data['name']} ({kind}), {result.protocol['name']}: "
        f"{result.data['train_clips']} train / {result.data['test_clips']} test "
        f"{result.data.get('unit', 'clips')}, "
        f"{len(result.data['classes'])} classes, seed {result.seed}"
    )
    sources = _sources(result)
    lines = [["method", "kind", *map(metric_title, result.headline), "runs"]]
    for row, cells in zip(result.rows, table_cells(result, result.headline), strict=True):
        texts = [f"{c.value}{'*' if c.best else ' '} {c.detail}".rstrip() for c in cells]
        cited = f" [{sources.index(row.origin['source']) + 1}]" if row.origin else ""
        lines.append([row.name, kind_title(row) + cited, *texts, runs_in_words(row)])
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    rows = ["  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)) for line in lines]
    rows.insert(1, "-" * sum((*widths, 2 * (len(widths) - 1))))
    if sources:
        first = [row.kind for row in result.rows].index("published")
        rows.insert(2 + first, f"-- {published_heading(result)}:")
    exceptions = result.protocol.get("exceptions") or {}
    tail = [f"[{number}] {source}" for number, source in enumerate(sources, start=1)]
    for group, reason in exceptions.items():
        tail.append(f"exception, {group.replace('_', '-')} shared: {reason}")
    tail += comparison_lines(result)
    tail += [f"note: {note}" for note in result.notes]
    return "\n".join([head, "", *(row.rstrip() for row in rows), *tail])
