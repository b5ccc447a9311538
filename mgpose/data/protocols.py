"""Protocols: which videos of a labelled set train and which test, fold by fold.

A protocol holds out values of one group (a subject, a camera, a session). What is not held out is
train, whatever its labels, since pre-training reads no labels; only videos with a label of
``classes`` are test. The folds are :class:`~mgpose.structures.Split`, whose construction fails when
train and test share a group that the protocol keeps apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mgpose.structures import Annotation, InputError, Split, groups_of

Folds = Mapping[str, tuple[str, ...]]


def fixed_folds(values: Sequence[str], folds: Folds) -> Folds:
    """The folds named by the protocol; each must stand in the data.

    Raises:
        InputError: when a value of a fold does not occur among ``values``.
    """
    missing = sorted({v for fold in folds.values() for v in fold} - set(values))
    if missing:
        raise InputError(f"the protocol holds out {missing}; the annotations have {list(values)}")
    return folds


def each_alone(values: Sequence[str]) -> Folds:
    """One fold for each value."""
    return {value: (value,) for value in values}


def last_quarter(values: Sequence[str]) -> Folds:
    """One fold that holds out the last quarter of the sorted values, at least one."""
    return {"last_quarter": tuple(values[-max(1, len(values) // 4) :])}


@dataclass(frozen=True)
class Protocol:
    """How one labelled set is split.

    Args:
        name: its name in configs and reports.
        description: one sentence for the report.
        group: the group whose values are held out: ``subject``, or a key of the annotations'
            ``groups``.
        make_folds: sorted values of the group -> fold name -> values held out.
        classes: labels that are tested; None for all of them.
        keep_apart: further groups that train and test must not share.
        exceptions: group -> reason, for groups that the protocol itself shares; every report
            prints them. The leakage guard's kinds (``mgpose.data.leakage.KINDS``) are excused
            under their names.
        tuning_group: the group to hold out inside train for tuning; "" for ``group`` itself.
        same_footage: pairs of videos that are known to show one footage.
    """

    name: str
    description: str
    group: str
    make_folds: Callable[[Sequence[str]], Folds]
    classes: tuple[str, ...] | None = None
    keep_apart: tuple[str, ...] = ("subject",)
    exceptions: Mapping[str, str] = field(default_factory=dict)
    tuning_group: str = ""
    same_footage: tuple[tuple[str, str], ...] = ()

    def folds(self, annotations: Sequence[Annotation]) -> list[Split]:
        """The folds of the protocol over these annotations.

        Raises:
            InputError: when annotations lack a group or a value that the protocol names.
            ValueError: when train and test would share a group without a declared exception.
        """
        groups = _groups(annotations, dict.fromkeys((self.group, *self.keep_apart)))
        value_of = groups[self.group]
        tested = _videos_with(annotations, self.classes)
        splits = []
        for fold, held_out in self.make_folds(sorted(set(value_of.values()))).items():
            test = tuple(v for v in value_of if value_of[v] in held_out and v in tested)
            if not test:
                raise InputError(
                    f"{self.name}/{fold}: no video of {', '.join(held_out)} has a label of "
                    f"{self.classes}"
                )
            splits.append(
                Split(
                    protocol=self.name,
                    fold=fold,
                    train=tuple(v for v in value_of if value_of[v] not in held_out),
                    test=test,
                    groups=groups,
                    exceptions=self.exceptions,
                )
            )
        return splits


def leave_one_group_out(
    name: str,
    group: str,
    description: str = "",
    classes: tuple[str, ...] | None = None,
    keep_apart: tuple[str, ...] = ("subject",),
    exceptions: Mapping[str, str] | None = None,
) -> Protocol:
    """A protocol with one fold for each value of a group, such as leave one subject out.

    >>> leave_one_group_out("mine", "subject").description
    'leave one subject out'
    """
    return Protocol(
        name=name,
        description=description or f"leave one {group} out",
        group=group,
        make_folds=each_alone,
        classes=classes,
        keep_apart=keep_apart,
        exceptions=exceptions or {},
    )


def inner_split(
    split: Split, annotations: Sequence[Annotation], group: str, value: str | None = None
) -> Split:
    """One group held out inside train, for tuning and monitoring; the test part is not touched.

    Args:
        split: the outer fold.
        annotations: annotations of its videos.
        group: the group to hold out, the protocol's: by another one the two parts would share the
            protocol's, and tuning would not ask what the test asks.
        value: the value to hold out. By default the last in order among those whose videos show
            the most of the outer test's labels, so that what is tuned on resembles the task.

    Returns:
        A split of the outer train part, its protocol's name ending in ``-tuning``.

    Raises:
        InputError: when no train video has the group, the value, or a label of the task.
        ValueError: when the two parts would share a group without a declared exception.
    """
    outer_test = set(split.test)
    task = {(a.tier, a.label) for a in annotations if a.video in outer_test}
    inside = set(split.train)
    inner = [a for a in annotations if a.video in inside]
    groups = _groups(inner, dict.fromkeys((group, *split.groups)))
    shown: dict[str, set[tuple[str, str]]] = {v: set() for v in set(groups[group].values())}
    for a in inner:
        shown[a.group(group)] |= {(a.tier, a.label)} & task
    held_out = value or max(sorted(shown), key=lambda v: (len(shown[v]), v), default="")
    if not shown.get(held_out):
        raise InputError(
            f"{split.protocol}/{split.fold}: cannot hold out {group} {held_out!r} inside train: "
            f"it has no video with a label of the task; known: {sorted(shown)}"
        )
    test = {a.video for a in inner if a.group(group) == held_out and (a.tier, a.label) in task}
    value_of = groups[group]
    return Split(
        protocol=f"{split.protocol}-tuning",
        fold=f"{split.fold}-{held_out}",
        train=tuple(v for v in split.train if value_of.get(v, held_out) != held_out),
        test=tuple(v for v in split.train if v in test),
        groups=groups,
        exceptions=split.exceptions,
    )


def _groups(
    annotations: Sequence[Annotation], names: Mapping[str, object]
) -> dict[str, dict[str, str]]:
    try:
        return groups_of(annotations, tuple(names))
    except KeyError as error:
        raise InputError(f"{error.args[0]}; the protocol needs {', '.join(names)}") from error


def _videos_with(annotations: Sequence[Annotation], classes: tuple[str, ...] | None) -> set[str]:
    return {a.video for a in annotations if classes is None or a.label in classes}


_PROTOCOLS = (
    Protocol(
        name="holistic_signs_leave_one_person_out",
        description="three signs, test on one person, train on everything of the others",
        group="subject",
        make_folds=partial(
            fixed_folds,
            folds=each_alone(("p01", "p02", "p03", "p04", "p06", "p07", "p08")),
        ),
        classes=("hello", "thanks", "iloveyou"),
    ),
    Protocol(
        name="holistic_signs_joint",
        description="three signs, test on five people, train on everything of the other five",
        group="subject",
        make_folds=partial(fixed_folds, folds={"joint": ("p01", "p02", "p03", "p06", "p07")}),
        classes=("hello", "thanks", "iloveyou"),
    ),
    Protocol(
        name="ksl13_joint",
        description="thirteen signs, test on sessions 2 and 4, train on 0, 1 and 3",
        group="session",
        make_folds=partial(fixed_folds, folds={"joint": ("session2", "session4")}),
    ),
    leave_one_group_out(
        "ksl13_leave_one_session_out",
        "session",
        description="thirteen signs, test on one session; the signers are not documented",
    ),
    Protocol(
        name="synthetic",
        description="synthetic corpus, test on the last quarter of the subjects",
        group="subject",
        make_folds=last_quarter,
        # A handful of scripted gestures and minimum-jerk paths: unlike in filmed motion, likeness
        # is no evidence of one source there.
        exceptions={
            "near_duplicate": "all people are generated from the same scripts, so that movements "
            "of two of them can be alike"
        },
    ),
)


def protocol_by_name(name: str) -> Protocol:
    """A known protocol.

    Raises:
        InputError: for an unknown name, listing the known ones.
    """
    # Here and not above: their protocols are made of this module's.
    from mgpose.data.imigue_protocols import IMIGUE_PROTOCOLS
    from mgpose.data.nw_ucla_protocols import NW_UCLA_PROTOCOLS
    from mgpose.data.smg_ma52_protocols import SMG_MA52_PROTOCOLS

    protocols = (*NW_UCLA_PROTOCOLS, *_PROTOCOLS, *IMIGUE_PROTOCOLS, *SMG_MA52_PROTOCOLS)
    known = {protocol.name: protocol for protocol in protocols}
    if name not in known:
        raise InputError(f"unknown protocol {name!r}; known: {', '.join(known)}")
    return known[name]
