"""A labelled set opened by a protocol: for each fold the clips of train and test."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch

from mgpose.data.augment import mirror_clips
from mgpose.data.clips import (
    ClipDataset,
    ClipSettings,
    annotated_spans,
    load_clips,
    sliding_spans,
)
from mgpose.data.protocols import Protocol, inner_split, protocol_by_name
from mgpose.data.quality_include import Inclusion, read_include
from mgpose.io.annotations import ANNOTATIONS_NAME, read_annotations
from mgpose.io.store import PoseStore
from mgpose.structures import Annotation, InputError, Skeleton, Split, skeleton_by_name

UNLABELLED = "unlabelled"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSettings:
    """Which data an experiment reads; the ``data`` section of a config.

    Args:
        name: of the set, as printed in reports.
        store: folder of pose files with ``annotations.csv``.
        protocol: name of a protocol, or ``"unlabelled"``: every video of the store is train, and
            annotations are not read.
        skeleton: model layout.
        clip: how spans become tensors.
        licence: of the set, as a sentence or a name; models made from it say it.
        fold: one fold of the protocol, or "" for all of them.
        tuning: hold one group out inside train and use it as test, so that settings can be chosen
            without touching the test part.
        synthetic: True for generated data; every report says so.
        include: an include list (``mgpose.data.quality_include``): only its videos are read; ""
            for all of the store. Where it leaves out test videos, the test is another one.
        published: key of the set in ``mgpose.evaluation.published``, whose numbers then stand in
            the tables beside ours where the protocol is theirs; "" for none.
    """

    name: str
    store: str
    protocol: str
    skeleton: str = "upper_body_hands_face"
    clip: ClipSettings = field(default_factory=ClipSettings)
    licence: str = ""
    fold: str = ""
    tuning: bool = False
    synthetic: bool = False
    include: str = ""
    published: str = ""


class Corpus:
    """An opened set. Clips are read once and shared by all folds.

    Args:
        settings: what to open.

    Attributes:
        videos: ids that are read, sorted.
        excluded: the store's other videos, with the include list's reasons.

    Raises:
        InputError: for a missing store, annotations, protocol, skeleton, fold or include list.
    """

    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings
        self.protocol: Protocol | None = None
        if settings.protocol != UNLABELLED:
            self.protocol = protocol_by_name(settings.protocol)
        try:
            self.skeleton: Skeleton = skeleton_by_name(settings.skeleton)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.store = PoseStore(settings.store)
        included = self._included()
        self.videos, self.excluded = included.videos, included.excluded
        self.annotations: list[Annotation] = []
        if self.protocol is not None:
            annotations = read_annotations(Path(settings.store) / ANNOTATIONS_NAME)
            self.annotations = [a for a in annotations if a.video not in self.excluded]

    def _included(self) -> Inclusion:
        if not self.settings.include:
            return Inclusion(tuple(self.store), {})
        included = read_include(Path(self.settings.include), self.store, self.store.folder)
        if included.excluded:
            logger.warning(
                "%s: %d of %d videos left out by %s",
                self.settings.name,
                len(included.excluded),
                len(self.store),
                self.settings.include,
            )
        return included

    @property
    def several_folds(self) -> bool:
        """Whether the protocol has more than one fold, selected or not."""
        return self.protocol is not None and len(self.protocol.folds(self.annotations)) > 1

    def folds(self) -> list[Split]:
        """The folds to run, after ``fold`` and ``tuning``."""
        # Emotion labels are read by the emotion runner; the split is one of videos, for all tiers.
        if self.protocol is None:
            return [Split(UNLABELLED, "only", train=self.videos)]
        splits = self.protocol.folds(self.annotations)
        if self.settings.fold:
            known = [split.fold for split in splits]
            if self.settings.fold not in known:
                raise InputError(f"unknown fold {self.settings.fold!r}; known: {', '.join(known)}")
            splits = [split for split in splits if split.fold == self.settings.fold]
        if self.settings.tuning:
            group = self.protocol.tuning_group or self.protocol.group
            return [inner_split(s, self.annotations, group) for s in splits]
        return splits

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Gesture labels of the task, sorted."""
        found = {a.label for a in self.annotations if a.tier == "gesture"}
        tested = self.protocol.classes if self.protocol is not None else None
        return tuple(sorted(found & set(tested or found)))

    @cached_property
    def body_parts(self) -> dict[str, str] | None:
        """Class -> body part, where the annotations name one for every class, as MA-52 does.

        Raises:
            InputError: when clips of one class have several parts.
        """
        part_of = {
            (a.video, a.start, a.stop): a.label for a in self.annotations if a.tier == "body_part"
        }
        found: dict[str, str] = {}
        for a in self.annotations:
            part = part_of.get((a.video, a.start, a.stop))
            if a.tier != "gesture" or a.label not in self.classes or part is None:
                continue
            if found.setdefault(a.label, part) != part:
                raise InputError(
                    f"{self.settings.name}: expected one body part a class, {a.label!r} has "
                    f"{found[a.label]!r} and {part!r} (video {a.video!r})"
                )
        return found if found and found.keys() == set(self.classes) else None

    @cached_property
    def _labelled(self) -> ClipDataset:
        return self._load(self.settings.clip)

    @cached_property
    def _whole(self) -> ClipDataset:
        return self._load(replace(self.settings.clip, whole=True))

    def _load(self, clip: ClipSettings) -> ClipDataset:
        wanted = [a for a in self.annotations if a.tier == "gesture" and a.label in self.classes]
        spans = annotated_spans(self.store, wanted)
        return load_clips(self.store, spans, self.skeleton, clip, self.classes)

    @cached_property
    def _unlabelled(self) -> ClipDataset:
        spans = sliding_spans(self.store, self.videos, self.settings.clip)
        return load_clips(self.store, spans, self.skeleton, self.settings.clip)

    def labelled(self, videos: Iterable[str]) -> ClipDataset:
        """Annotated clips of the task's classes in these videos."""
        return _of_videos(self._labelled, videos)

    def whole(self, videos: Iterable[str]) -> ClipDataset:
        """The same clips, each resampled to T frames, for baselines on raw keypoints."""
        return _of_videos(self._whole, videos)

    def unlabelled(self, videos: Iterable[str]) -> ClipDataset:
        """Windows of these videos for pre-training or whole-video embeddings."""
        return _of_videos(self._unlabelled, videos)

    def unannotated(self, split: Split | None = None) -> tuple[str, ...]:
        """Videos that are read and have no annotation: no task tests on them.

        With a split, less those of the people whom it tests, unless its protocol shares people.
        """
        videos = sorted(set(self.videos) - {a.video for a in self.annotations})
        if split is None or "subject" in split.exceptions:
            return tuple(videos)
        subject = self.subjects()
        tested = {subject[v] for v in (*split.val, *split.test)}
        return tuple(v for v in videos if self.store.header(v).subject not in tested)

    def emotions(self, videos: Iterable[str]) -> dict[str, str]:
        """Video -> emotion label, for the videos that have one.

        Raises:
            InputError: when a video has several, such as the states of SMG's segments.
        """
        chosen = set(videos)
        found: dict[str, str] = {}
        for a in self.annotations:
            if a.tier != "emotion" or a.video not in chosen:
                continue
            if found.setdefault(a.video, a.label) != a.label:
                raise InputError(
                    f"{self.settings.name}: expected one emotion label a video, {a.video!r} has "
                    f"{found[a.video]!r} and {a.label!r}; the emotion task reads labels of whole "
                    "videos"
                )
        return found

    def subjects(self) -> dict[str, str]:
        """Video -> subject."""
        return {a.video: a.subject for a in self.annotations}


def _of_videos(clips: ClipDataset, videos: Iterable[str]) -> ClipDataset:
    chosen = set(videos)
    return clips.subset(i for i, span in enumerate(clips.spans) if span.video in chosen)


def mirrored(clips: ClipDataset, skeleton: Skeleton) -> ClipDataset:
    """Every clip in the mirror."""
    x, mask = mirror_clips(clips.x, clips.mask, skeleton, 1.0, torch.Generator())
    return ClipDataset(x, mask, clips.clip, clips.spans, clips.classes)
