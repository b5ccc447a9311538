"""NW-UCLA's splits: by camera, as the field does, by camera without copies, and by subject.

In the public files every clip of two actions by camera 3 (95 of its 464 clips) is that of camera 2
number for number; which of the two cameras saw it is not known. The usual cross-view test therefore
holds training clips. The second protocol takes camera 2 of these actions out of train; its test
part is the same.

Reference: Wang et al., Cross-view action modeling, learning and recognition, CVPR 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from mgpose.data.protocols import Protocol, fixed_folds
from mgpose.structures import Annotation, Split

_SHARED = {
    "subject": "the ten subjects stand before all three cameras",
    "performance": "the same performances are in train, seen from other cameras",
}
_COPIED_ACTIONS = ("a02", "a03")
_COPIED_CAMERA = "v02"


@dataclass(frozen=True)
class WithoutCopies(Protocol):
    """The same folds, with the clips that stand in the test part under another camera left out."""

    def folds(self, annotations: Sequence[Annotation]) -> list[Split]:
        """The folds; errors as of :class:`Protocol`."""
        copied = {
            a.video
            for a in annotations
            if a.groups.get("camera") == _COPIED_CAMERA
            and a.groups.get("performance", "").startswith(_COPIED_ACTIONS)
        }
        return [
            replace(split, train=tuple(v for v in split.train if v not in copied))
            for split in super().folds(annotations)
        ]


NW_UCLA_PROTOCOLS = (
    Protocol(
        name="nw_ucla_cross_view",
        description="NW-UCLA, train on cameras 1 and 2, test on camera 3",
        group="camera",
        make_folds=partial(fixed_folds, folds={"v03": ("v03",)}),
        keep_apart=("subject", "performance"),
        exceptions={
            **_SHARED,
            "near_duplicate": "in the public files 95 of the 464 test clips, all of the actions 2 "
            "and 3, are the train clip of camera 2 number for number",
        },
    ),
    WithoutCopies(
        name="nw_ucla_cross_view_without_copies",
        description="NW-UCLA, train on cameras 1 and 2 without the 95 clips of camera 2 that the "
        "public files repeat in the test part, test on camera 3",
        group="camera",
        make_folds=partial(fixed_folds, folds={"v03": ("v03",)}),
        keep_apart=("subject", "performance"),
        exceptions=_SHARED,
    ),
    Protocol(
        name="nw_ucla_cross_subject",
        description="NW-UCLA, test on subjects 9 and 10, train on the other people",
        group="subject",
        make_folds=partial(fixed_folds, folds={"s09_s10": ("s09", "s10")}),
        keep_apart=("performance",),
    ),
)
