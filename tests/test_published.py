"""Published rows: every number is in order, and none mixes with what was measured."""

import math
from dataclasses import replace

import pytest

from mgpose.data.protocols import protocol_by_name
from mgpose.evaluation.published import PublishedNumber, published_numbers, with_published
from mgpose.evaluation.report import write_report
from mgpose.evaluation.results import ResultRow, TaskResult, mean_over, read_results, write_results
from mgpose.evaluation.table import METRIC_TITLES, format_table, table_cells
from mgpose.structures import InputError
from mgpose.tasks.evaluate import RUNNERS

SETS = ("imigue", "smg", "ma52")


def result(**changes):
    """Ours is far below what was published."""
    good = TaskResult(
        task="recognition_supervised",
        title="Recognition, supervised",
        data={
            "name": "SMG",
            "synthetic": False,
            "classes": ["a"],
            "train_clips": 1,
            "test_clips": 1,
        },
        protocol={"name": "smg_cross_subject"},
        seed=0,
        headline=("top1", "macro_f1"),
        rows=(
            ResultRow("ours", "pretrained", {"top1": 0.2, "macro_f1": 0.1}, {"top1": 0.01}, 3),
            ResultRow("majority", "trivial", {"top1": 0.1, "macro_f1": 0.05}),
        ),
    )
    return replace(good, **changes)


@pytest.mark.parametrize("key", SETS)
def test_every_number_stands_beside_a_task_and_protocol_of_ours(key):
    numbers = published_numbers(key)
    for number in numbers:
        assert number.task in RUNNERS
        assert all(protocol_by_name(name).name == name for name in number.protocols)
        assert number.metrics.keys() <= METRIC_TITLES.keys()
        assert number.source
    # Within one table a name is one method.
    for protocol in {name for number in numbers for name in number.protocols}:
        rows = [(n.task, n.row().name) for n in numbers if protocol in n.protocols]
        assert len(set(rows)) == len(rows)


def test_the_mean_f1_of_manet_is_the_mean_of_its_four():
    (manet,) = (n for n in published_numbers("ma52") if n.protocols == ("ma52_test",))
    # By the authors' table: body macro and micro, action macro and micro.
    assert manet.metrics["f1_mean"] == pytest.approx((72.87 + 78.95 + 49.22 + 61.33) / 4, abs=0.005)


def test_numbers_to_beat_are_those_of_the_protocols():
    """PROTOCOLS.md 2.4 and 2.5, by hand."""
    found = {}
    for number in published_numbers("imigue"):
        for metric, value in number.metrics.items():
            found.setdefault((number.task.removeprefix("recognition_"), metric), set()).add(value)
    assert found["unsupervised", "top1"] == {31.67, 32.43, 50.8, 34.96, 18.5}
    assert found["unsupervised", "top5"] == {64.93, 64.30, 64.91}
    assert {46.97, 51.51, 54.91, 67.01, 70.19, 59.69, 61.1} <= found["supervised", "top1"]
    assert {69.22, 70.25, 73.21, 74.42, 74.66} <= found["supervised", "top1"]
    assert found["retrieval", "r_at_1"] == {14.7}
    assert found["emotion", "accuracy"] == {50.0, 55.0, 60.0, 69.23, 76.92, 53.8}
    assert found["emotion", "balanced_accuracy"] == {57.0}


def test_published_rows_come_last_and_change_nothing_that_was_measured(tmp_path):
    before = result()
    after = with_published(before, "smg")
    assert after.rows[:2] == before.rows
    assert {row.kind for row in after.rows[2:]} == {"published"}
    assert after.headline == ("top1", "macro_f1", "top5")
    assert all(row.runs == 1 and not row.spread for row in after.rows[2:])
    cells = dict(zip((r.name for r in after.rows), table_cells(after, ("top1",)), strict=True))
    assert cells["ours"][0].best  # of what was run here
    assert not cells["MS-G3D (pose)"][0].best
    text = format_table(after)
    assert text.index("ours") < text.index("-- published, not run here") < text.index("MS-G3D")
    write_results(tmp_path / "r.json", {"t": after})
    assert read_results(tmp_path / "r.json")["t"] == after
    write_report({"t": after}, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.index("Published, not run here") < page.index("MS-G3D")


def test_another_protocol_task_or_set_has_no_rows():
    for other in (
        result(protocol={"name": "smg_cross_subject-tuning"}),
        result(task="emotion"),
    ):
        assert with_published(other, "smg") is other
    assert with_published(result(), "") == result()
    assert with_published(result(), "imigue") == result()
    with pytest.raises(InputError, match="unknown set 'smgg'; known: imigue, smg, ma52"):
        with_published(result(), "smgg")


def test_synthetic_results_say_that_nothing_can_be_compared():
    synthetic = result(data={**result().data, "synthetic": True})
    text = format_table(with_published(synthetic, "smg"))
    assert "the rows above are on SYNTHETIC data and cannot be compared" in text
    partial = result(data={**result().data, "excluded_videos": 3})
    assert "3 videos were left out" in with_published(partial, "smg").notes[-1]


def test_a_published_row_cannot_be_made_of_a_measured_one():
    with pytest.raises(ValueError, match="origin"):
        ResultRow("x", "pretrained", {"top1": 0.5}, origin={"source": "a paper"})
    with pytest.raises(ValueError, match="origin"):
        ResultRow("x", "published", {"top1": 0.5})
    row = published_numbers("smg")[0].row()
    ours = ResultRow(row.name, "pretrained", dict(row.metrics))
    with pytest.raises(ValueError, match="differs in kind"):
        mean_over([[ours], [row]])


@pytest.mark.parametrize(
    "wrong",
    [{"input": "depth"}, {"mark": "rumour"}, {"protocols": ()}, {"metrics": {}},
     {"metrics": {"top1": 101.0}}, {"metrics": {"top1": math.nan}}],
)  # fmt: skip
def test_a_number_out_of_order_is_refused(wrong):
    good = {
        "task": "retrieval",
        "protocols": ("smg_cross_subject",),
        "method": "m",
        "input": "pose",
        "metrics": {"top1": 1.0},
        "source": "s",
        "year": 2023,
    }
    assert PublishedNumber(**good).row().metrics == {"top1": 0.01}
    with pytest.raises(ValueError, match="'m'"):
        PublishedNumber(**{**good, **wrong})
