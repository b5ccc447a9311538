"""The published splits of SMG and MA-52.

SMG: one sample a person, test on subjects 36 to 40. MA-52: lists of train, val and test clips,
which the importer writes into the annotations as the group ``split``; val belongs to neither train
nor test.

References: Chen et al., SMG, International Journal of Computer Vision 2023; Guo et al.,
Benchmarking micro-action recognition, IEEE TCSVT 34(7), 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from mgpose.data.protocols import Folds, Protocol, fixed_folds
from mgpose.structures import Annotation, Split

SMG_TRAIN_SUBJECTS = tuple(str(number) for number in range(1, 36))
SMG_TEST_SUBJECTS = tuple(str(number) for number in range(36, 41))
_SHARED_PEOPLE = (
    "clips are called after the recorded person, and the published lists share these numbers"
)


@dataclass(frozen=True)
class ListedProtocol(Protocol):
    """A protocol of published lists, some of which are neither train nor test.

    Args:
        aside: values of the group that are kept out of train, as the fold's ``val``.
    """

    aside: tuple[str, ...] = ()

    def folds(self, annotations: Sequence[Annotation]) -> list[Split]:
        """The folds, with what stands aside moved out of train; errors as of ``Protocol``."""
        value_of = {a.video: a.groups.get(self.group) for a in annotations}
        return [
            replace(
                split,
                train=tuple(v for v in split.train if value_of[v] not in self.aside),
                val=tuple(v for v in split.train if value_of[v] in self.aside),
            )
            for split in super().folds(annotations)
        ]


def _ma52(test: str, aside: str, description: str) -> Protocol:
    return ListedProtocol(
        name=f"ma52_{test}",
        description=description,
        group="split",
        make_folds=partial(fixed_folds, folds={test: (test,)}),
        keep_apart=("subject",),
        exceptions={"subject": _SHARED_PEOPLE},
        aside=(aside,),
        tuning_group="subject",
    )


def _smg_folds(values: Sequence[str]) -> Folds:
    """Subjects 36 to 40, those of them that are there: copies may lack a sample."""
    present = tuple(value for value in SMG_TEST_SUBJECTS if value in values)
    return fixed_folds(values, {"only": present or SMG_TEST_SUBJECTS})


SMG_MA52_PROTOCOLS = (
    Protocol(
        name="smg_cross_subject",
        description="SMG, train on subjects 1 to 35, test on subjects 36 to 40",
        group="subject",
        make_folds=_smg_folds,
    ),
    _ma52("test", "val", "MA-52, the published lists: train on train, test on test, val aside"),
    _ma52(
        "val",
        "test",
        "MA-52, the published lists: train on train, test on val, for copies whose test labels "
        "are not published",
    ),
)
