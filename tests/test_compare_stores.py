import runpy
import sys

import numpy as np
import pytest

from mgpose.evaluation import compare_stores
from mgpose.evaluation.compare_stores import (
    compare,
    comparison_table,
    draw_comparison,
    kolmogorov_smirnov,
)
from mgpose.io import PoseStore, Provenance, write_pose_file
from mgpose.structures import UPPER_BODY_HANDS_FACE, InputError, PoseSequence
from mgpose.structures.sources import MEDIAPIPE_BODY_HANDS_75

LAYOUT = UPPER_BODY_HANDS_FACE


def write(folder, noise, estimator="test", skeleton=LAYOUT):
    folder.mkdir()
    for video in range(2):
        rng = np.random.default_rng(video)
        points = rng.uniform(0, 300, (1, len(skeleton), 2))
        left, right = (skeleton.index(f"{side}_shoulder") for side in ("left", "right"))
        points[:, left] = points[:, right] + (100, 0)
        points = points + rng.normal(0, noise, (60, len(skeleton), 2))
        scores = rng.uniform(0.2, 1, points.shape[:2]).astype(np.float32)
        sequence = PoseSequence(
            skeleton, points.astype(np.float32), scores, np.arange(60.0), "pixel", "index"
        )
        write_pose_file(folder, f"v{video}", sequence, Provenance(estimator, "1"))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("stores")
    return {
        "calm": write(place / "calm", 0.5),
        "wild": write(place / "wild", 3.0),
        "made": write(place / "made", 0.5, "synthetic"),
        "faceless": write(place / "faceless", 0.5, skeleton=MEDIAPIPE_BODY_HANDS_75),
    }


@pytest.fixture
def measured(folders):
    def measured(*names):
        return compare([PoseStore(folders[name]) for name in names], names, LAYOUT)

    return measured


@pytest.fixture
def cells():
    """The tables as {label: cells}; labels of the second end in speed or jerk."""

    def cells(stores):
        lines = [line for line in comparison_table(stores) if line.startswith("| ")]
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert len({len(line) for line in lines[: len(lines) // 2]}) == 1  # columns stand in line
        return {row[0]: row[1:] for row in rows}

    return cells


def test_the_distance_of_distributions():
    rng = np.random.default_rng(0)
    a, b = (np.exp(rng.normal(size=5000)).astype(np.float32) for _ in range(2))
    assert kolmogorov_smirnov(a, a) == 0
    assert kolmogorov_smirnov(a, b) < 0.05
    assert kolmogorov_smirnov(a, a + 1000) == 1
    assert kolmogorov_smirnov(a, 2 * b) == kolmogorov_smirnov(np.log(a), np.log(2 * b))
    assert np.isnan(kolmogorov_smirnov(a, a[:0]))


def test_a_store_is_no_distance_from_itself(folders, cells):
    store = PoseStore(folders["calm"])
    table = cells(compare([store, store], ["one", "two"], LAYOUT))
    for part in ("body", "left hand", "right hand", "face"):
        for kind in ("speed", "jerk"):
            assert table[f"{part}: {kind}"] == ["0.00"]


def test_another_jitter_is_far(measured, cells):
    table = cells(measured("calm", "wild", "made"))
    assert table[""] == ["wild", "made (synthetic)"]  # the titles of the second table
    far, near = map(float, table["face: speed"])
    assert far > 0.6
    assert near == 0  # the same noise, though a generator's
    assert table["videos"] == ["2", "2", "2"]
    assert table["frames a second"] == ["-", "-", "-"]


def test_a_part_that_one_store_lacks(measured, cells):
    table = cells(measured("calm", "faceless"))
    assert table["face: speed"] == ["-"]
    assert table["face low"][1] == "-"
    assert table["face: missing"] == ["0 %", "-"]
    draw_comparison(measured("faceless", "calm"), dpi=40)


def test_the_figure_names_what_is_synthetic(measured, monkeypatch):
    texts = []
    drawn = compare_stores.painted

    def painted(size, paint, dpi):
        def watched(sheet):
            paint(sheet)
            texts.extend(text.get_text() for text in sheet.legends[0].get_texts())
            texts.extend(axes.get_ylabel() for axes in sheet.axes)

        return drawn(size, watched, dpi)

    monkeypatch.setattr(compare_stores, "painted", painted)
    image = draw_comparison(measured("calm", "made"), dpi=40)
    assert image.startswith(b"\x89PNG")
    assert texts[:2] == ["calm: 2 videos, rate unknown", "made (synthetic): 2 videos, rate unknown"]
    assert [text for text in texts[2:] if text] == ["body", "left hand", "right hand", "face"]


def test_nothing_that_moves_can_be_drawn(tmp_path, cells):
    stores = compare([PoseStore(write(tmp_path / "still", 0.0))], ["still"], LAYOUT)
    assert cells(stores)["nose step p50"] == ["0"]
    draw_comparison(stores, dpi=40)


@pytest.mark.parametrize("names", [["a"], ["a", "a"]])
def test_names_must_be_as_many_and_differ(folders, names):
    store = PoseStore(folders["calm"])
    with pytest.raises(InputError, match="expected 2 different names"):
        compare([store, store], names, LAYOUT)


class TestTool:
    @pytest.fixture
    def run(self, repo, monkeypatch, capsys):
        def run(*arguments):
            monkeypatch.setattr(sys, "argv", ["compare_stores.py", *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                runpy.run_path(str(repo / "tools/compare_stores.py"), run_name="__main__")
            return end.value.code, capsys.readouterr()

        return run

    def test_a_figure_and_a_table(self, run, folders, tmp_path):
        out = tmp_path / "figure.png"
        code, said = run(folders["calm"], folders["made"], "--out", out, "--names", "real", "ours")
        assert code == 0
        assert out.read_bytes().startswith(b"\x89PNG")
        assert "ours (synthetic)" in said.out
        assert "distance from real" in said.out

    def test_only_a_png_is_written(self, run, folders, tmp_path):
        code, said = run(folders["calm"], "--out", tmp_path / "figure.pdf")
        assert code == 2
        assert ".png" in said.err
        assert list(tmp_path.iterdir()) == []
