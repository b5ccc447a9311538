"""Numbers that others published, as rows to stand beside ours; nothing here was run by mgpose.

They lie in ``published.json``: a set's rows with the task, the protocols of ours whose test part is
theirs, the method, its input (``pose``, ``RGB``, ``multimodal``, ``ensemble``, or ``labels`` for
predictors that see no input), metrics in percent, source and year. ``mark`` is
``derived`` for a number computed from what was published, ``third-party`` for one not read in its
authors' own paper, repository or challenge report; without it the number is the authors'.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.structures import InputError

INPUTS = ("pose", "RGB", "multimodal", "ensemble", "labels")
MARKS = ("", "derived", "third-party")


@dataclass(frozen=True)
class PublishedNumber:
    """One method on one task of one set.

    Args:
        task: name of the task, as in a :class:`~mgpose.evaluation.results.TaskResult`.
        protocols: ours with the same train and test parts; where the test part is another one, the
            method and the note say so.
        method: as printed.
        input: one of ``INPUTS``.
        metrics: name -> value in [0, 100].
        source: paper, challenge or what was counted.
        year: of the number.
        mark: one of ``MARKS``.
        note: what a reader must know besides.

    Raises:
        ValueError: on an unknown input or mark, no protocol, no metric, or one outside [0, 100].
    """

    task: str
    protocols: tuple[str, ...]
    method: str
    input: str
    metrics: Mapping[str, float]
    source: str
    year: int
    mark: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "protocols", tuple(self.protocols))
        if self.input not in INPUTS or self.mark not in MARKS:
            raise ValueError(
                f"{self.method!r}: expected an input of {INPUTS} and a mark of {MARKS}, got "
                f"{self.input!r} and {self.mark!r}"
            )
        if not self.protocols:
            raise ValueError(
                f"{self.method!r}: expected the protocols that it stands beside, got none"
            )
        if not self.metrics or not all(0 <= v <= 100 for v in self.metrics.values()):
            raise ValueError(f"{self.method!r}: expected metrics in percent, got {self.metrics}")

    def row(self) -> ResultRow:
        """The number as a row of kind ``"published"``, metrics in [0, 1]."""
        note = f"; {self.note}" if self.note else ""
        year = "" if str(self.year) in self.source else f" ({self.year})"
        origin = {"input": self.input, "source": f"{self.source}{year}{note}", "mark": self.mark}
        return ResultRow(
            f"{self.method} ({self.input})",
            "published",
            {name: value / 100 for name, value in self.metrics.items()},
            contest="published",
            origin={key: value for key, value in origin.items() if value},
        )


@cache
def _sets() -> dict[str, tuple[PublishedNumber, ...]]:
    text = files("mgpose.evaluation").joinpath("published.json").read_text(encoding="utf-8")
    return {
        key: tuple(PublishedNumber(**row) for row in content["rows"])
        for key, content in json.loads(text)["sets"].items()
    }


def published_numbers(key: str) -> tuple[PublishedNumber, ...]:
    """All numbers of a set, such as ``"imigue"``.

    Raises:
        InputError: for an unknown set, listing the known ones.
    """
    if key not in _sets():
        raise InputError(f"data.published: unknown set {key!r}; known: {', '.join(_sets())}")
    return _sets()[key]


def with_published(result: TaskResult, key: str) -> TaskResult:
    """The result with the published rows of its task and protocol below its own.

    Metrics that only the published rows have become further columns. A tuning split, or another
    protocol than theirs, has no published rows.

    Args:
        result: of a task, over all folds.
        key: of the set, or "" for none.

    Raises:
        InputError: for an unknown set.
    """
    if not key:
        return result
    numbers = [
        number
        for number in published_numbers(key)
        if number.task == result.task and result.protocol["name"] in number.protocols
    ]
    if not numbers:
        return result
    notes = [
        "Published rows are copied from their sources and were not run here; they can differ in "
        "keypoints, input and use of the validation part."
    ]
    if result.data["synthetic"]:
        notes.append(
            "What was run here is on SYNTHETIC data in the layout of the release: beside the "
            "published rows it says nothing."
        )
    if left_out := result.data.get("excluded_videos"):
        notes.append(f"{left_out} videos were left out here: the test part may not be theirs.")
    metrics = dict.fromkeys(name for number in numbers for name in number.metrics)
    return dataclasses.replace(
        result,
        headline=tuple(dict.fromkeys((*result.headline, *metrics))),
        rows=(*result.rows, *(number.row() for number in numbers)),
        notes=(*result.notes, *notes),
    )
