"""Results survive the file, averages are averages, tables are aligned."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mgpose.evaluation.figures import Curve, Figure, confusion_figure, fractions_figure, map_figure
from mgpose.evaluation.results import (
    ResultRow,
    TaskResult,
    mean_over,
    read_results,
    versions,
    write_results,
)
from mgpose.evaluation.table import format_table, table_cells
from mgpose.structures import InputError


def result(**changes: object) -> TaskResult:
    good = TaskResult(
        task="recognition",
        title="Unsupervised recognition",
        data={
            "name": "toy",
            "synthetic": True,
            "classes": ("a", "b"),
            "train_clips": 10,
            "test_clips": 5,
        },
        protocol={"name": "cross-subject", "exceptions": {"performance": "other cameras"}},
        seed=0,
        headline=("top1", "macro_f1"),
        rows=(
            ResultRow("majority", "trivial", {"top1": 0.5, "macro_f1": 0.3333}),
            ResultRow("PCA + SVM", "classical", {"top1": 0.62, "macro_f1": math.nan}),
            ResultRow("linear", "pretrained", {"top1": 0.811, "macro_f1": 0.8}, {"top1": 0.02}, 3),
        ),
        notes=("five clips only",),
        figures=(confusion_figure("Confusion", np.array([[3, 1], [0, 1]]), ["a", "b"]),),
    )
    return replace(good, **changes)


def test_round_trip(tmp_path: Path) -> None:
    rows = tuple(r for r in result().rows if r.name != "PCA + SVM")
    written = {"recognition": result(rows=rows), "other": result(rows=rows, task="other")}
    write_results(tmp_path / "new" / "results.json", written)
    assert read_results(tmp_path / "new" / "results.json") == written
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["results.json"]


def test_undefined_metrics_survive_as_null(tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", {"t": result()})
    assert "NaN" not in (tmp_path / "r.json").read_text()
    back = read_results(tmp_path / "r.json")["t"]
    assert math.isnan(next(r for r in back.rows if r.kind == "classical").metrics["macro_f1"])


def test_the_file_holds_what_the_issue_asks(tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", {"t": result()}, {"mgpose": "9"})
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["versions"] == {"mgpose": "9"}
    task = content["tasks"]["t"]
    assert {"metrics", "baselines", "data", "protocol", "seed", "versions"} <= task.keys()
    assert [row["name"] for row in task["metrics"]] == ["linear"]
    assert [row["name"] for row in task["baselines"]] == ["PCA + SVM", "majority"]
    assert task["versions"] == versions()


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"format": "other"}', '{"format": "mgpose-results/1", "tasks": {"t": {}}}'],
)
def test_a_file_that_is_not_ours_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"r\.json: ") as error:
        read_results(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json"):
        read_results(tmp_path / "none.json")


def test_mean_over_equals_numpy() -> None:
    values = [0.2, 0.5, 0.8, 0.9]
    folds = [[ResultRow("a", "pretrained", {"top1": v}, runs=2)] for v in values]
    (row,) = mean_over(folds, medians=("top1",))
    assert row.metrics == pytest.approx({"top1": np.mean(values), "top1_median": 0.65})
    assert row.spread == pytest.approx({"top1": np.std(values, ddof=1)})
    assert row.runs == 8


def test_mean_over_skips_undefined_values() -> None:
    folds = [[ResultRow("a", "trivial", {"auc": v, "x": math.nan})] for v in (0.4, math.nan, 0.6)]
    (row,) = mean_over(folds)
    assert row.metrics["auc"] == pytest.approx(0.5)
    assert math.isnan(row.metrics["x"])
    assert set(row.spread) == {"auc"}


def test_mean_over_refuses_runs_that_differ() -> None:
    one = [ResultRow("a", "trivial", {"top1": 0.1})]
    with pytest.raises(ValueError, match="different rows"):
        mean_over([one, [ResultRow("b", "trivial", {"top1": 0.1})]])
    with pytest.raises(ValueError, match="differs in kind"):
        mean_over([one, [ResultRow("a", "classical", {"top1": 0.1})]])
    with pytest.raises(ValueError, match="at least one run"):
        mean_over([])


def test_rows_stand_pretrained_first_and_the_best_is_marked() -> None:
    task = result()
    assert [row.kind for row in task.rows] == ["pretrained", "classical", "trivial"]
    cells = table_cells(task, task.headline)
    assert [(c.value, c.detail, c.best) for c in cells[0]] == [
        ("81.1", "± 2.0", True),
        ("80.0", "", True),
    ]
    assert cells[1][1].value == "n/a"


def test_an_interval_stands_beside_its_metric() -> None:
    row = ResultRow(
        "a", "pretrained", {"auc": 0.6, "auc_low": 0.5, "auc_high": 0.71, "p_value": 0.04}
    )
    cells = table_cells(result(rows=(row,), headline=("auc", "p_value")), ("auc", "p_value"))
    assert [(c.value, c.detail) for c in cells[0]] == [("60.0", "[50.0, 71.0]"), ("0.040", "")]


def test_the_lowest_p_value_is_best() -> None:
    rows = tuple(
        ResultRow(str(p), "classical", {"top1": 0.1, "p_value": p}) for p in (0.5, 0.01, 0.3)
    )
    cells = table_cells(result(rows=rows, headline=("top1",)), ("p_value",))
    assert [row[0].best for row in cells] == [False, True, False]


def test_text_table_is_aligned_and_tells_the_exception() -> None:
    text = format_table(result())
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("method"))
    column = lines[start].index("Top-1")
    assert lines[start + 2][column:].startswith("81.1* ± 2.0")
    assert lines[start + 3][column:].startswith("62.0")
    assert "synthetic data" in text
    assert "performance shared: other cameras" in text
    assert "note: five clips only" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headline": ("top9",)}, "top9"),
        ({"headline": ()}, "headline"),
        ({"data": {"name": "x"}}, "synthetic"),
        ({"protocol": {}}, "protocol"),
        ({"rows": (ResultRow("a", "trivial", {"top1": 0, "macro_f1": 0}),) * 2}, "unique"),
    ],
)
def test_incomplete_results_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        result(**changes)


def test_bad_rows_and_figures_are_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        ResultRow("a", "magic", {})
    with pytest.raises(ValueError, match="spread"):
        ResultRow("a", "trivial", {}, {"top1": 0.1})
    with pytest.raises(ValueError, match="kind"):
        Figure("pie", "", {})
    with pytest.raises(TypeError, match="plain"):
        Figure("map", "", {"points": object()})
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        confusion_figure("", np.zeros((2, 2), np.int64), ["a"])
    with pytest.raises(ValueError, match="ascend"):
        fractions_figure("", [0.5, 0.1], "top1", [])
    with pytest.raises(ValueError, match="expected 2 values"):
        fractions_figure("", [0.1, 1.0], "top1", [Curve("a", "trivial", [0.5])])
    with pytest.raises(ValueError, match="labels"):
        map_figure("", np.zeros((1, 2)), np.array([3]), ["a"])
