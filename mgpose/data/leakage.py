"""The leakage guard: what train and test of a split must not share.

Three kinds of leak are looked for between what an encoder or a classifier learns from (train, the
validation part, and whatever pre-training saw) and the test part:

* ``video`` and ``source``: the same id, or the same hash of the source file,
* ``subject``: the same person,
* ``near_duplicate``: the same footage under another id, found by its motion
  (:mod:`mgpose.data.motion_match`), or known as such to the protocol.

A leak stops the run, unless the protocol declares the exception under the name of the kind; then
every report prints what was found and why it is let pass. A subject or source that is not known
cannot be compared: the findings count those, too.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mgpose.data.folds import Corpus
from mgpose.data.motion_match import LEAST_LIKENESS, MotionTrack, find_matches, motion_track
from mgpose.structures import InputError, Split

KINDS = ("video", "source", "subject", "near_duplicate")
_ADVICE = {
    "video": "take it out of one part",
    "source": "take one of the two ids out",
    "subject": "split by subject",
    "near_duplicate": "take one of the two out of its part",
}
_IN_WORDS = {
    "video": ("video", "videos"),
    "source": ("source file", "source files"),
    "subject": ("subject", "subjects"),
    "near_duplicate": ("near-duplicate clip", "near-duplicate clips"),
}
NOT_KNOWN = ("", "unknown")  # what importers write where the release names nobody
_EXAMPLES = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Footage:
    """What is known of one video that an experiment reads.

    Args:
        video: id.
        subject: id of the person within its set, "" where not known.
        source: SHA-256 of the source file, "" where not known.
        data: name of its set.
    """

    video: str
    subject: str = ""
    source: str = ""
    data: str = ""


@dataclass(frozen=True)
class Leak:
    """One thing that train and test share.

    Args:
        kind: one of :data:`KINDS`.
        what: the shared subject or video, or the two videos, as printed.
        train, test: ids of a video on either side.
    """

    kind: str
    what: str
    train: str
    test: str


@dataclass(frozen=True)
class Findings:
    """What the guard compared in one fold, and what it found.

    Args:
        where: set and fold, for messages.
        leaks: all of them, declared or not.
        exceptions: kind -> reason, as the protocol declares them.
        counts: ``train``, ``test`` and ``pretraining`` videos that were compared.
        notes: what could not be compared.
    """

    where: str
    leaks: tuple[Leak, ...]
    exceptions: Mapping[str, str]
    counts: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def of(self, kind: str) -> list[Leak]:
        """The leaks of one kind."""
        return [leak for leak in self.leaks if leak.kind == kind]

    def require_none(self) -> None:
        """Stop the run at a leak that the protocol does not declare.

        Raises:
            InputError: naming all undeclared kinds, ids of each, and what to do.
        """
        bad = [kind for kind in KINDS if self.of(kind) and kind not in self.exceptions]
        if not bad:
            return
        what = "; ".join(f"{self._count(kind)}: {_ADVICE[kind]}" for kind in bad)
        raise InputError(
            f"{self.where}: leakage, what is learnt from and test share {what}. Or declare it in "
            f"the protocol (exceptions: {', '.join(bad)}), and every report prints it"
        )

    def as_plain(self) -> dict[str, Any]:
        """The ``leakage`` entry of a result's protocol."""
        return {
            "compared": dict(self.counts),
            "least_likeness": [list(step) for step in LEAST_LIKENESS],
            "found": {
                kind: {
                    "count": len(leaks),
                    "examples": [leak.what for leak in leaks[:_EXAMPLES]],
                    "reason": self.exceptions[kind],
                }
                for kind in KINDS
                if (leaks := self.of(kind))
            },
            "text": list(self.lines()),
        }

    def lines(self) -> tuple[str, ...]:
        """What a report prints."""
        found = [kind for kind in KINDS if self.of(kind)]
        counts = self.counts
        compared = f"{counts['train']} train and {counts['test']} test videos"
        if counts["pretraining"]:
            compared += f", {counts['pretraining']} more of pre-training"
        clear = [_IN_WORDS[kind][0] for kind in KINDS if kind not in found]
        lines = [f"{compared}; no shared {', '.join(clear)}"] if clear else [compared]
        lines += [
            f"declared exception, {self._count(kind)}: {self.exceptions[kind]}" for kind in found
        ]
        return (*lines, *self.notes)

    def _count(self, kind: str) -> str:
        leaks = self.of(kind)
        names = ", ".join(leak.what for leak in leaks[:_EXAMPLES])
        more = ", ..." if len(leaks) > _EXAMPLES else ""
        return f"{len(leaks)} {_IN_WORDS[kind][len(leaks) != 1]} ({names}{more})"


def shared_identities(
    known: Sequence[Footage], test: Sequence[Footage], same_people: Iterable[str] | None = None
) -> list[Leak]:
    """Shared videos, source files and subjects.

    Args:
        known: what is learnt from.
        test: what is tested.
        same_people: sets whose subject ids mean the same people as those of the test; None for
            every set.

    Returns:
        One leak for each shared video, pair of ids with one source, and shared subject.
    """
    leaks = []
    ids = {f.video for f in known}
    for f in test:
        if f.video in ids:
            leaks.append(Leak("video", f.video, f.video, f.video))
    by_source = _first_of((f.source, f) for f in known)
    for f in test:
        other = by_source.get(f.source)
        if other and other.video != f.video:
            leaks.append(Leak("source", f"{other.video} and {f.video}", other.video, f.video))
    chosen = None if same_people is None else set(same_people)
    by_subject = _first_of((f.subject, f) for f in known if chosen is None or f.data in chosen)
    told = set()
    for f in test:
        other = by_subject.get(f.subject)
        if other and f.subject not in told:
            told.add(f.subject)
            leaks.append(Leak("subject", f.subject, other.video, f.video))
    return sorted(leaks, key=lambda leak: (KINDS.index(leak.kind), leak.what))


def _first_of(pairs: Iterable[tuple[str, Footage]]) -> dict[str, Footage]:
    found: dict[str, Footage] = {}
    for key, footage in pairs:
        if key not in NOT_KNOWN:
            found.setdefault(key, footage)
    return found


class LeakageGuard:
    """Checks the folds of an opened set; the motion of its videos is read once.

    Args:
        corpus: the set.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self._tracks: dict[str, MotionTrack | None] = {}
        self._poses: dict[str, str] = {}  # video -> hash of its keypoints
        self._footage: dict[str, Footage] = {}

    def footage(self, videos: Iterable[str]) -> list[Footage]:
        """What is known of videos of the set, in their order.

        Raises:
            InputError: for a video that the store lacks.
        """
        subject, store = self.corpus.subjects(), self.corpus.store
        for video in (wanted := list(videos)):
            if video not in self._footage:
                if video not in store:
                    raise InputError(
                        f"{store.folder}: an annotation names video {video!r}, not in the store"
                    )
                header = store.header(video)
                self._footage[video] = Footage(
                    video,
                    subject.get(video) or header.subject or "",
                    header.provenance.source_sha256,
                    self.corpus.settings.name,
                )
        return [self._footage[video] for video in wanted]

    def names(self) -> set[str]:
        """Ids of all videos, subjects and source files here, to find them among hashed ones.

        Of videos that the set leaves out, too: their motion can be compared.
        """
        own = self.footage(self.corpus.videos)
        found = {name for f in own for name in (f.video, f.subject, f.source)}
        return (found | set(self.corpus.store)) - set(NOT_KNOWN)

    def check(self, split: Split, seen: Sequence[Footage] = (), incomplete: str = "") -> Findings:
        """What train, validation and pre-training share with test.

        Args:
            split: the fold; without a test part there is nothing to leak into.
            seen: the videos that pre-training saw, of this set or another one.
            incomplete: a further note for the report, such as what a checkpoint does not record.

        Raises:
            InputError: for a leak that the protocol does not declare.
        """
        own = self.footage((*split.train, *split.val))
        if not split.test:
            where = f"{self.corpus.settings.name}, fold {split.fold}"
            counts = {"train": len(own), "test": 0, "pretraining": len(seen)}
            return Findings(where, (), split.exceptions, counts)
        test = self.footage(split.test)
        ours = {f.video for f in own}
        more = [f for f in seen if f.video not in ours]
        known = [*own, *more]
        people, notes = self._same_people(seen, test)
        leaks = shared_identities(known, test, people)
        leaks += self._near_duplicates(split, known)
        notes += self._not_compared(known, test)
        findings = Findings(
            where=f"{self.corpus.settings.name}, fold {split.fold}",
            leaks=tuple(leaks),
            exceptions=split.exceptions,
            counts={"train": len(own), "test": len(test), "pretraining": len(more)},
            notes=(*notes, *([incomplete] if incomplete else ())),
        )
        findings.require_none()
        for line in findings.lines():
            logger.info("%s: %s", findings.where, line)
        return findings

    def _same_people(
        self, seen: Sequence[Footage], test: Sequence[Footage]
    ) -> tuple[set[str], list[str]]:
        """Sets whose subject ids are those of this one: by name, or since they share footage.

        Subject ids such as s01 occur in many sets and mean other people there.
        """
        own = self.footage(self.corpus.videos)
        ids, sources = {f.video for f in own}, {f.source for f in own} - set(NOT_KNOWN)
        same = {f.data for f in seen if f.video in ids or f.source in sources}
        same.add(self.corpus.settings.name)
        tested = {f.subject for f in test} - set(NOT_KNOWN)
        doubtful = sorted({f.data for f in seen if f.data not in same and f.subject in tested})
        notes = [
            f"subject ids of {name!r} occur here, too; the sets share no footage, so that they "
            "were taken for other people"
            for name in doubtful
        ]
        return same, notes

    def _near_duplicates(self, split: Split, known: Sequence[Footage]) -> list[Leak]:
        here = {f.video for f in known if f.video in self.corpus.store}
        tracks = {v: t for v in sorted(here) if (t := self._track(v)) is not None}
        asked = {v: t for v in sorted(split.test) if (t := self._track(v)) is not None}
        leaks = []
        for match in find_matches(tracks, asked):
            like = f"{match.a} and {match.b}, likeness {match.likeness.value:.3f}"
            leaks.append(Leak("near_duplicate", like, match.a, match.b))
        found = {(leak.train, leak.test) for leak in leaks}
        for train, test in self._same_poses(here, split.test):
            if (train, test) not in found:
                found.add((train, test))
                what = f"{train} and {test}, number for number"
                leaks.append(Leak("near_duplicate", what, train, test))
        protocol = self.corpus.protocol
        for pair in protocol.same_footage if protocol else ():
            one, other = (self._called(name) for name in pair)
            for a, b in ((one, other), (other, one)):
                for train in sorted(a & here):
                    for test in sorted(b & set(split.test)):
                        if (train, test) not in found:
                            what = f"{train} and {test}, known as one footage"
                            leaks.append(Leak("near_duplicate", what, train, test))
        return leaks

    def _same_poses(self, known: Iterable[str], test: Iterable[str]) -> list[tuple[str, str]]:
        """Pairs with the very same keypoints, which need no motion to be told."""
        by_poses: dict[str, list[str]] = {}
        for video in sorted(known):
            if video in self._poses:
                by_poses.setdefault(self._poses[video], []).append(video)
        return [
            (a, b) for b in sorted(test) for a in by_poses.get(self._poses.get(b, ""), ()) if a != b
        ]

    def _called(self, name: str) -> set[str]:
        """Videos of the set that a protocol means by a name: the id, or the same number."""
        return {
            v
            for v in self.corpus.videos
            if v == name or (v.isdecimal() and name.isdecimal() and int(v) == int(name))
        }

    def _track(self, video: str) -> MotionTrack | None:
        if video not in self._tracks:
            sequence = self.corpus.store[video]
            if np.isfinite(sequence.keypoints).any():
                content = np.ascontiguousarray(sequence.keypoints)
                self._poses[video] = hashlib.sha256(content.tobytes()).hexdigest()
            try:
                self._tracks[video] = motion_track(sequence, self.corpus.skeleton)
            except ValueError as error:
                # Poses that cannot be brought to the layout: loading says so, and leaves them out.
                logger.info("%s: its motion was not compared: %s", video, error)
                self._tracks[video] = None
        return self._tracks[video]

    def _not_compared(self, known: Sequence[Footage], test: Sequence[Footage]) -> list[str]:
        notes = []
        for name, values in (
            ("subject", [f.subject for f in (*known, *test)]),
            ("source file", [f.source for f in (*known, *test)]),
        ):
            unknown = sum(Counter(values)[word] for word in NOT_KNOWN)
            if unknown:
                notes.append(f"not compared by {name}: videos of unknown {name}, {unknown}")
        shortest = LEAST_LIKENESS[-1][0]
        still = elsewhere = 0
        for f in (*known, *test):
            if f.video not in self.corpus.store:
                elsewhere += 1
                continue
            track = self._track(f.video)
            still += track is None or len(track) < shortest
        if still:
            notes.append(
                f"not compared by motion: {still} videos, too short (under {shortest} frames) or "
                "without a visible torso"
            )
        if elsewhere:
            notes.append(
                f"not compared by motion: {elsewhere} pre-training videos that lie in another store"
            )
        return notes
