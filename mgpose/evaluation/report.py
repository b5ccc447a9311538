"""The report: all results in one HTML file that needs no network and no script."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mgpose.evaluation.plots import KIND_COLOURS, draw, width_inches
from mgpose.evaluation.results import TaskResult
from mgpose.evaluation.table import (
    KIND_TITLES,
    comparison_lines,
    higher_is_better,
    metric_title,
    runs_in_words,
    table_cells,
)

_TEMPLATE = "report.html"


def write_report(
    results: Mapping[str, TaskResult], path: str | Path, title: str = "mgpose results"
) -> None:
    """Write the report under a temporary name, then rename it.

    Args:
        results: task name -> result, in the order of the sections.
        path: of the HTML file; its folder is made.
        title: heading of the page.

    Raises:
        ValueError: without any result.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(render_report(results, title), encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105 - one atomic step on every system


def render_report(results: Mapping[str, TaskResult], title: str = "mgpose results") -> str:
    """The report as HTML text; all text from results is escaped.

    Raises:
        ValueError: without any result.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if not results:
        raise ValueError("a report needs at least one task result, got none")
    environment = Environment(
        loader=PackageLoader("mgpose.evaluation", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    versions: dict[str, str] = {}
    for result in results.values():
        versions.update(result.versions)
    return environment.get_template(_TEMPLATE).render(
        title=title,
        sections=[_section(name, result) for name, result in results.items()],
        versions=versions,
        colours=KIND_COLOURS,
        written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _section(name: str, result: TaskResult) -> dict[str, Any]:
    data, protocol = result.data, result.protocol
    table = _table(result, result.headline)
    details = [cell.detail for line in table["rows"] for cell in line["cells"]]
    return {
        "anchor": "task-" + "".join(c if c.isalnum() else "-" for c in name),
        "result": result,
        "emotion": "emotion" in result.task,
        "facts": {
            "data": data["name"],
            str(
                data.get("unit", "clips")
            ): f"{_count(data['train_clips'])} train, {_count(data['test_clips'])} test",
            **({"videos left out": _count(n)} if (n := data.get("excluded_videos")) else {}),
            "classes": str(len(data["classes"])),
            "protocol": protocol["name"],
            **({"folds": _listing(protocol["folds"])} if protocol.get("folds") else {}),
            **_seeds(result),
        },
        "settings": {
            key.replace("_", " "): _listing(value)
            for section in ("settings", "constants")
            for key, value in (protocol.get(section) or {}).items()
        },
        "exceptions": protocol.get("exceptions") or {},
        "table": table,
        "rest": _table(result, _other_metrics(result)),
        "spreads": any("±" in detail for detail in details),
        "intervals": any("[" in detail for detail in details),
        "several_runs": any(row.runs > 1 for row in result.rows),
        "summary": _summary(result),
        "comparisons": comparison_lines(result),
        "groups": _groups(result),
        "figures": [
            {
                "title": f.title,
                "width": round(96 * width_inches(f)),
                "png": base64.b64encode(draw(f)).decode(),
            }
            for f in result.figures
        ],
    }


def _seeds(result: TaskResult) -> dict[str, str]:
    seeds = result.protocol.get("seeds") or [result.seed]
    return {"seeds" if len(seeds) > 1 else "seed": _listing(seeds)}


def _groups(result: TaskResult) -> dict[str, Any] | None:
    """Results by person (or what else is independent) of the rows that the tests compare."""
    given = result.protocol.get("per_group")
    compared = {name for each in result.comparisons for name in (each.ours, each.other)}
    if not given or not compared:
        return None
    rows = {name: values for name, values in given["rows"].items() if name in compared}
    names = sorted({group for values in rows.values() for group in values})
    return {
        "title": f"{metric_title(given['metric'])} by {given['unit']}",
        "unit": given["unit"],
        "columns": list(rows),
        "rows": [
            {
                "name": name,
                "cells": [
                    f"{100 * values[name]:.1f}" if name in values else "n/a"
                    for values in rows.values()
                ],
            }
            for name in names
        ],
    }


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _listing(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_listing, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_listing(item)}" for key, item in value.items())
    return str(value)


def _table(result: TaskResult, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "columns": [metric_title(metric) for metric in metrics],
        "rows": [
            {
                "row": row,
                "kind": KIND_TITLES[row.kind],
                "cells": cells,
                "runs": runs_in_words(row),
            }
            for row, cells in zip(result.rows, table_cells(result, metrics), strict=True)
        ]
        if metrics
        else [],
    }


def _summary(result: TaskResult) -> dict[str, Any] | None:
    """The deciding metric of the pre-trained encoder beside that of its strongest rival.

    The rows of the (first) paired test where there is one. Else each kind of row is represented by
    its first, which the task fixed beforehand: the best of several would be chosen on test.
    """
    metric = result.headline[0]
    tested = result.comparisons[0] if result.comparisons else None
    known = [row for row in result.rows if not math.isnan(row.metrics.get(metric, math.nan))]
    sign = 1 if higher_is_better(metric) else -1
    first = {row.kind: row for row in reversed(known)}
    ours = first.pop("pretrained", None)
    first.pop("oracle", None)  # a bound, no rival
    other = max(first.values(), key=lambda row: sign * row.metrics[metric], default=None)
    if tested:
        by_name = {row.name: row for row in result.rows}
        ours, other = by_name[tested.ours], by_name[tested.other]
    if ours is None or other is None:
        return None
    gain = 100 * (ours.metrics[metric] - other.metrics[metric])
    return {
        "metric": metric_title(metric),
        "ours": f"{100 * ours.metrics[metric]:.1f}",
        "ours_name": ours.name,
        "other": f"{100 * other.metrics[metric]:.1f}",
        "other_name": other.name,
        "gain": f"{gain:+.1f}",
        "better": sign * gain > 0,
        "verdict": ("told apart" if tested.told_apart else "not told apart") if tested else "",
    }


def _other_metrics(result: TaskResult) -> list[str]:
    """Metrics that the table leaves out, in the order of the rows (bounds of intervals aside)."""
    names = dict.fromkeys(metric for row in result.rows for metric in row.metrics)
    shown = set(result.headline)
    shown |= {f"{metric}_{end}" for metric in names for end in ("low", "high")}
    return [metric for metric in names if metric not in shown]
