"""Results of the task runners: tables, JSON file, terminal text.

The file (``results.json``)::

    {"format": "mgpose-results/1",
     "versions": {"mgpose": "0.1.0", "torch": ...},
     "tasks": {"<name>": {"task", "title", "headline": [metric names],
                          "metrics": [rows of the pre-trained encoder],
                          "baselines": [all other rows],
                          "data", "protocol", "seed", "versions", "notes", "figures",
                          "comparisons": [paired tests of the pre-trained encoder]}}}

A row is ``{"name", "kind", "metrics", "spread", "runs", "contest", "repeats", "spreads"}``; a
metric that is not defined is null.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mgpose import __version__
from mgpose.evaluation.comparison import Comparison
from mgpose.evaluation.evidence import Trial
from mgpose.evaluation.figures import Figure, plain
from mgpose.structures import InputError

FORMAT = "mgpose-results/1"
ROW_KINDS = ("oracle", "pretrained", "untrained", "classical", "trivial")


def versions() -> dict[str, str]:
    """What the results were made with."""
    packages = ("torch", "torch-geometric", "mmengine", "numpy", "scipy", "scikit-learn")
    return {
        "mgpose": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "system": f"{platform.system()} {platform.machine()}",
    }


@dataclass(frozen=True)
class ResultRow:
    """One method in a task's table.

    Args:
        name: as printed.
        kind: ``"pretrained"``, ``"untrained"``, ``"classical"``, ``"trivial"``, or ``"oracle"``: it
            knows what no poses tell, a bound and no competitor.
        metrics: name -> value; NaN = not defined. A 95 % interval of metric ``x`` stands in
            ``x_low`` and ``x_high`` and is printed beside ``x``.
        spread: name -> standard deviation over the runs, or over folds where there are several
            (each the mean of its runs); empty for one run.
        runs: folds x seeds x draws behind the mean.
        contest: only rows of one contest are compared, such as those of one share of labels.
        repeats: ``folds``, ``seeds`` and ``draws`` -> how many; empty where not recorded.
        spreads: the same three -> metric -> standard deviation over these, each the mean over the
            other two; only where there are several.
        trials: the single runs, in memory only: the file holds what was computed from them.

    Raises:
        ValueError: on an unknown kind, no run, or a spread of a metric that is not there.
    """

    name: str
    kind: str
    metrics: Mapping[str, float]
    spread: Mapping[str, float] = field(default_factory=dict)
    runs: int = 1
    contest: str = ""
    repeats: Mapping[str, int] = field(default_factory=dict)
    spreads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    trials: tuple[Trial, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in ROW_KINDS:
            raise ValueError(f"row kind must be one of {ROW_KINDS}, got {self.kind!r}")
        if self.runs < 1:
            raise ValueError(f"a row needs at least one run, got {self.runs}")
        unknown = sorted(set(self.spread) - set(self.metrics))
        if unknown:
            raise ValueError(f"row {self.name!r} has a spread without a metric: {unknown}")
        for name in ("metrics", "spread"):
            values = {key: float(value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, values)


@dataclass(frozen=True)
class TaskResult:
    """What one task runner found.

    Args:
        task: short name, such as ``"retrieval"``; ``"emotion"`` gets its warning in the report.
        title: heading.
        data: at least ``name``, ``synthetic`` (bool), ``classes`` (names), ``train_clips`` and
            ``test_clips``; ``unit`` where these do not count clips; plain data.
        protocol: at least ``name``; ``folds``, ``exceptions`` (group -> reason), ``settings``.
        seed: of the run.
        headline: metrics of the table's columns, the deciding one first.
        rows: kept contest by contest, and in each oracle first, then pre-trained, untrained,
            classical, trivial; the first row of a kind is the one that summaries compare.
        notes: caveats, printed with the table.
        figures: plots.
        versions: what it was made with.
        comparisons: paired tests of the pre-trained encoder against its strongest rival.

    Raises:
        ValueError: on missing keys, double row names, or a headline metric that no row has.
        TypeError: when data or protocol are not plain.
    """

    task: str
    title: str
    data: Mapping[str, Any]
    protocol: Mapping[str, Any]
    seed: int
    headline: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    versions: Mapping[str, str] = field(default_factory=versions)
    comparisons: tuple[Comparison, ...] = ()

    def __post_init__(self) -> None:
        _require_keys(
            "data", self.data, ("name", "synthetic", "classes", "train_clips", "test_clips")
        )
        _require_keys("protocol", self.protocol, ("name",))
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.task}: row names must be unique, got {names}")
        found = {metric for row in self.rows for metric in row.metrics}
        missing = [metric for metric in self.headline if metric not in found]
        if missing or not self.headline:
            raise ValueError(f"{self.task}: headline metrics {missing} not in {sorted(found)}")
        contests = list(dict.fromkeys(row.contest for row in self.rows))
        rows = sorted(
            self.rows, key=lambda row: (contests.index(row.contest), ROW_KINDS.index(row.kind))
        )
        object.__setattr__(self, "rows", tuple(rows))
        for name in ("headline", "notes", "figures", "comparisons"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("data", "protocol", "versions"):
            object.__setattr__(self, name, plain(getattr(self, name)))


def _require_keys(what: str, given: Mapping[str, Any], keys: Sequence[str]) -> None:
    missing = [key for key in keys if key not in given]
    if missing:
        raise ValueError(f"{what} must have the keys {list(keys)}, missing {missing}")


def mean_over(
    runs: Sequence[Sequence[ResultRow]], medians: Sequence[str] = ()
) -> tuple[ResultRow, ...]:
    """Each row's mean over runs (folds, draws or seeds), with the standard deviation beside it.

    The deviation is that of a sample (n - 1); one run has none. A metric that is NaN in some runs
    is averaged over the others.

    Args:
        runs: each run's rows; the same names and kinds in every run.
        medians: metrics whose median is added as ``<metric>_median``.

    Raises:
        ValueError: without a run, or when names, kinds or metrics differ between runs.
    """
    if not runs:
        raise ValueError("expected at least one run to average, got none")
    tables = [{row.name: row for row in rows} for rows in runs]
    if any(table.keys() != tables[0].keys() for table in tables):
        raise ValueError(f"runs have different rows: {sorted({tuple(table) for table in tables})}")
    return tuple(_mean_row([table[name] for table in tables], medians) for name in tables[0])


def _mean_row(rows: Sequence[ResultRow], medians: Sequence[str]) -> ResultRow:
    first = rows[0]
    if any(
        (row.kind, row.contest) != (first.kind, first.contest)
        or row.metrics.keys() != first.metrics.keys()
        for row in rows
    ):
        raise ValueError(f"row {first.name!r} differs in kind, contest or metrics between runs")
    metrics, spread = {}, {}
    for name in first.metrics:
        values = np.array([row.metrics[name] for row in rows])
        values = values[~np.isnan(values)]
        metrics[name] = float(values.mean()) if values.size else math.nan
        if values.size > 1:
            spread[name] = float(values.std(ddof=1))
        if name in medians:
            metrics[f"{name}_median"] = float(np.median(values)) if values.size else math.nan
    runs = sum(row.runs for row in rows)
    trials = tuple(trial for row in rows for trial in row.trials)
    mean = ResultRow(first.name, first.kind, metrics, spread, runs, first.contest)
    return with_trials(mean, trials) if len(trials) == runs else mean


def with_trials(row: ResultRow, trials: Sequence[Trial]) -> ResultRow:
    """The row with its single runs, their number by fold, seed and draw, and the spreads of each.

    Of one fold, ``spread`` runs over all its runs, be they seeds or draws.
    """
    levels: dict[str, list[Any]] = {
        "folds": [trial.fold for trial in trials],
        "seeds": [trial.seed for trial in trials],
        "draws": [trial.draw for trial in trials],
    }
    repeats = {name: len(set(keys)) for name, keys in levels.items()}
    spreads = {
        name: _spread_over(trials, keys) for name, keys in levels.items() if repeats[name] > 1
    }
    spread = dict(row.spread)
    if repeats["folds"] == 1:
        spread = _spread_over(trials, range(len(trials)))
    return replace(row, trials=tuple(trials), repeats=repeats, spreads=spreads, spread=spread)


def _spread_over(trials: Sequence[Trial], keys: Iterable[Any]) -> dict[str, float]:
    """Metric -> standard deviation between the means of the trials of each key."""
    groups: dict[Any, list[Trial]] = {}
    for trial, key in zip(trials, keys, strict=True):
        groups.setdefault(key, []).append(trial)
    spread = {}
    for name in trials[0].metrics:
        found = ([trial.metrics[name] for trial in group] for group in groups.values())
        defined = ([value for value in values if not math.isnan(value)] for values in found)
        means = [float(np.mean(values)) for values in defined if values]
        if len(means) > 1:
            spread[name] = float(np.std(means, ddof=1))
    return spread


def write_results(
    path: str | Path,
    results: Mapping[str, TaskResult],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write the results file under a temporary name, then rename it.

    Args:
        path: of the JSON file; its folder is made.
        results: task name -> result.
        environment: versions of the whole run; None asks :func:`versions`.
    """
    content = {
        "format": FORMAT,
        "versions": dict(versions() if environment is None else environment),
        "tasks": {name: _task_object(result) for name, result in results.items()},
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    text = json.dumps(_nan_to_null(content), indent=1, allow_nan=False, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105 - one atomic step on every system


def _task_object(result: TaskResult) -> dict[str, Any]:
    bare = tuple(replace(row, trials=()) for row in result.rows)
    content = asdict(replace(result, rows=bare))
    rows = content.pop("rows")
    for row in rows:
        del row["trials"]
    content["metrics"] = [row for row in rows if row["kind"] == "pretrained"]
    content["baselines"] = [row for row in rows if row["kind"] != "pretrained"]
    return content


def _nan_to_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_to_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nan_to_null(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def read_results(path: str | Path) -> dict[str, TaskResult]:
    """Read a results file.

    Raises:
        InputError: when it is missing, no JSON, or not of this format.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a results file of mgpose: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise InputError(f"{path}: expected the format {FORMAT!r}, found {found!r}")
    try:
        return {name: _task_result(task) for name, task in content["tasks"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: a task is not as {FORMAT!r} asks: {error!r}") from error


def _task_result(content: dict[str, Any]) -> TaskResult:
    content = dict(content)
    rows = [*content.pop("metrics"), *content.pop("baselines")]
    for row in rows:
        values = row["metrics"].items()
        row["metrics"] = {name: math.nan if v is None else v for name, v in values}
    content["rows"] = tuple(ResultRow(**row) for row in rows)
    content["figures"] = tuple(Figure(**figure) for figure in content["figures"])
    content["comparisons"] = tuple(map(_comparison, content.get("comparisons", ())))
    return TaskResult(**content)


def _comparison(content: dict[str, Any]) -> Comparison:
    known: dict[str, Any] = {k: math.nan if v is None else v for k, v in content.items()}
    return Comparison(**known)
