"""The report stands alone, escapes what it is given, and warns where it must."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mgpose.evaluation.comparison import Comparison
from mgpose.evaluation.figures import (
    Curve,
    Figure,
    confusion_figure,
    fractions_figure,
    map_figure,
    precision_figure,
)
from mgpose.evaluation.plots import draw
from mgpose.evaluation.report import render_report, write_report
from mgpose.evaluation.results import ResultRow, TaskResult, read_results, write_results
from mgpose.evaluation.table import format_table

EVIL = '<script src="https://evil.example/x.js">alert(1)</script>'


def result(task: str = "recognition", synthetic: bool = True, **changes: object) -> TaskResult:
    good = TaskResult(
        task=task,
        title="Recognition",
        data={
            "name": "toy",
            "synthetic": synthetic,
            "classes": [EVIL, "b$c_d"],
            "train_clips": 10,
            "test_clips": 5,
        },
        protocol={"name": "quick", "settings": {"note": EVIL, "nested": {"epochs": 3}}},
        seed=7,
        headline=("top1",),
        rows=(
            ResultRow(EVIL, "pretrained", {"top1": 0.8123, "nmi": 0.377}, {"top1": 0.01}, 3),
            ResultRow("majority", "trivial", {"top1": 0.5}),
        ),
        notes=(EVIL, "a caveat"),
        figures=(confusion_figure(EVIL, np.array([[3, 1], [0, 0]]), [EVIL, "b$c_d"]),),
    )
    return replace(good, **changes)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    return render_report({"recognition": result(), "emotion/x": result("emotion", False)})


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in tags.tags)
    for _, attributes in tags.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert re.match(r"data:image/png;base64,|#", attributes.get(name) or "#")
    assert "@import" not in page
    assert "url(" not in page


def test_text_from_results_is_escaped(page: str) -> None:
    assert EVIL not in page
    assert page.count("&lt;script") >= 6


def test_links_lead_to_sections(page: str) -> None:
    tags = Tags(page).tags
    anchors = {attributes["id"] for _, attributes in tags if attributes.get("id")}
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert links == {f"#{anchor}" for anchor in anchors}
    assert len(anchors) == 2


def test_images_are_png(page: str) -> None:
    images = [attributes for tag, attributes in Tags(page).tags if tag == "img"]
    assert len(images) == 2
    for image in images:
        assert base64.b64decode((image["src"] or "").split(",")[1]).startswith(b"\x89PNG")
        assert image["alt"]


def test_numbers_stand_in_the_table(page: str) -> None:
    assert "81.2" in page
    assert "± 1.0" in page
    assert "37.7" in page  # a metric outside the headline stands under the further metrics
    assert "+31.2" in page


def test_badge_exception_and_warning_stand_only_where_due() -> None:
    real = render_report({"t": result(synthetic=False)})
    assert "synthetic data" not in real
    assert "EU AI Act" not in real
    assert "Declared exception" not in real
    assert "synthetic data" in render_report({"t": result()})
    assert "EU AI Act" in render_report({"t": result("emotion")})
    protocol = {"name": "x", "exceptions": {"performance": "other cameras"}}
    excepted = render_report({"t": result(protocol=protocol)})
    assert "share the performance" in excepted
    assert "other cameras" in excepted


def test_a_result_without_figures_or_baselines_is_fine() -> None:
    rows = (ResultRow("ours", "pretrained", {"top1": 0.8}),)
    assert "80.0" in render_report({"t": result(rows=rows, figures=(), notes=())})


def test_written_file_equals_what_a_results_file_gives(tmp_path: Path) -> None:
    results = {"t": result()}
    write_results(tmp_path / "results.json", results)
    write_report(results, tmp_path / "sub" / "report.html")
    first = (tmp_path / "sub" / "report.html").read_text(encoding="utf-8")
    again = render_report(read_results(tmp_path / "results.json"))
    undated = [re.sub(r"Written [\d-]+ [\d:]+ UTC", "", text) for text in (first, again)]
    assert undated[0] == undated[1]
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["report.html"]


def test_a_report_without_results_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        render_report({})


def figures() -> list[Figure]:
    rng = np.random.default_rng(0)
    flat = Curve("chance", "trivial", [0.5, 0.5])
    curve = Curve("ours", "pretrained", [0.6, 0.7], [0.1, 0.05])
    plots = [
        fractions_figure("", [0.01, 1.0], "top1", [curve, curve, flat]),
        precision_figure("", [1, 5], [curve, flat]),
    ]
    for classes in (3, 32):
        names = [f"a rather long name of class {i}" for i in range(classes)]
        counts = rng.integers(9, size=(classes, classes))
        labels = rng.integers(classes, size=50)
        plots.append(confusion_figure("", counts, names))
        plots.append(map_figure("", rng.normal(size=(50, 2)), labels, names))
    return plots


@pytest.mark.parametrize("index", range(6))
def test_every_kind_of_figure_is_drawn(index: int) -> None:
    from matplotlib.image import imread

    image = imread(io.BytesIO(draw(figures()[index], dpi=60)))
    assert image.shape[1] > 200
    assert image[..., :3].std() > 0.01


def test_the_paired_test_and_the_people_stand_in_the_report() -> None:
    told = Comparison("top1", "ours", "svm", 0.1, 0.02, 0.18, 0.03, "sign-flip test over 3 folds")
    rows = {"ours": {"p1": 0.913, EVIL: 0.5}, "svm": {"p1": 0.777}, "other": {"p1": 0.123}}
    found = result(
        protocol={
            "name": "quick",
            "seeds": [0, 4, 9],
            "constants": {"knn": {"temperature": 0.07}},
            "per_group": {"unit": "person", "metric": "top1", "rows": rows},
        },
        rows=tuple(
            ResultRow(name, kind, {"top1": value, "top1_low": 0.4, "top1_high": 0.95})
            for name, kind, value in (("ours", "pretrained", 0.8), ("svm", "classical", 0.7))
        ),
        comparisons=(told,),
    )
    page = render_report({"t": found})
    assert Tags(page).open == []
    assert "told apart, better: ours less svm, +10.0 points of Top-1" in page
    assert "95 % interval +2.0 to +18.0" in page
    assert "against 70.0 of svm: told apart" in page
    assert "Top-1 by person" in page
    assert EVIL not in page
    for text in ("91.3", "77.7", "0, 4, 9", "temperature 0.07", "[40.0, 95.0]"):
        assert text in page, text
    assert "12.3" not in page  # a row that the test does not compare
    assert "p = 0.030" in format_table(found)
    assert "by person" not in render_report({"t": result()})
