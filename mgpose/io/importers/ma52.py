"""MA-52: 52 micro-actions of 205 people in interviews, 22,422 clips of one action each.

The release holds videos; the labels lie in lists, ``train_list_videos.txt``,
``val_list_videos.txt`` and ``test_list_videos.txt``, with a line ``0003_01_0001.mp4 9`` a clip (or
the same as CSV). Clips of the test part are called ``test0000.mp4``, and since their classes are
kept back the public list gives all of them a 0, which is not read as a label. Poses come from
pickles as :mod:`mgpose.io.importers.mmaction_pickle` reads them, or the lists label a store that
was extracted from the videos. Each clip gets two labels: the micro-action in the tier ``gesture``
and its body part in the tier ``body_part``.

Reference: Guo et al., Benchmarking micro-action recognition, IEEE TCSVT 34(7), 2024, and the lists
at https://github.com/VUT-HFUT/Micro-Action. Poses and videos need the set's licence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mgpose.io.importers.given_people import whole_clip
from mgpose.io.importers.imported_pose import (
    NO_OPTIONS,
    Imported,
    ImportedPose,
    ImportOptions,
    add_annotations,
    read_each,
    require_source,
    source_stems,
)
from mgpose.io.importers.mmaction_pickle import Clip, clip_sequence, clips, pickles
from mgpose.io.store import PoseStore
from mgpose.structures import Annotation, InputError

MICRO_ACTIONS = (
    "shaking body",
    "sitting straightly",
    "shrugging",
    "turning around",
    "rising up",
    "bowing head",
    "head up",
    "tilting head",
    "turning head",
    "nodding",
    "shaking head",
    "scratching arms",
    "playing objects",
    "putting hands together",
    "rubbing hands",
    "pointing oneself",
    "clenching fist",
    "stretching arms",
    "retracting arms",
    "waving",
    "spreading hands",
    "hands touching fingers",
    "other finger movements",
    "illustrative gestures",
    "shaking legs",
    "curling legs",
    "spread legs",
    "closing legs",
    "crossing legs",
    "stretching feet",
    "retracting feet",
    "tiptoe",
    "scratching or touching neck",
    "scratching or touching chest",
    "scratching or touching back",
    "scratching or touching shoulder",
    "arms akimbo",
    "crossing arms",
    "playing or tidying hair",
    "scratching or touching hindbrain",
    "scratching or touching forehead",
    "scratching or touching face",
    "rubbing eyes",
    "touching nose",
    "touching ears",
    "covering face",
    "covering mouth",
    "pushing glasses",
    "patting legs",
    "touching legs",
    "scratching legs",
    "scratching feet",
)
# Body part -> its first micro-action; the next part's first ends it.
_FIRST_OF_PART = {
    "body": 0,
    "head": 5,
    "upper limb": 11,
    "lower limb": 24,
    "body-hand": 32,
    "head-hand": 38,
    "leg-hand": 48,
}
# Person, session and clip; or a clip of the test part, whose person is not told.
_NAME = re.compile(r"(\d{4})_\d{2}_\d{4}|test\d{4}")
_ID_PREFIX = "ma52_"
_HIDDEN = -1
_LINE = re.compile(r"\s*([^\s,]+?)(?:\.[A-Za-z]\w*)?(?:\s*,\s*|\s+)(-?\d+)\s*")
_PART_OF_LIST = re.compile(r"(train|val|test)")

logger = logging.getLogger(__name__)


def body_part(action: int) -> str:
    """Name of the body part of a micro-action's number.

    >>> body_part(0), body_part(10), body_part(51)
    ('body', 'head', 'leg-hand')
    """
    return [part for part, first in _FIRST_OF_PART.items() if action >= first][-1]


def read_ma52(source: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Imported]:
    """Clips of a pickle, or of all pickles in a folder, with the labels of MA-52.

    ``options.labels`` is a list, or a folder of them; without it the labels of the pickles are
    taken, and where both tell one they must agree. A list called train, val or test becomes the
    group ``split``. A clip's name ``0003_01_0001`` begins with the number of the recorded person.
    The lists nowhere say that one person has one number only, and train and val share numbers: the
    published split does not keep people apart, a split by subject does as far as the numbers tell.

    Raises:
        InputError: for a source without clips or bad lists; a bad clip alone becomes a failed
            import.
    """
    listed = {} if options.labels is None else _read_lists(options.labels)

    def read(clip: Clip) -> ImportedPose:
        action, part = _agreed(clip, listed)
        name = _NAME.fullmatch(Path(clip.name).stem)
        if name is None:
            raise InputError(f"{clip.where}: expected a clip called as 0003_01_0001 or test0000")
        sequence, digest = clip_sequence(clip, options)
        sequence = sequence.replace(subject=name[1])
        video = f"{_ID_PREFIX}{name[0]}"
        groups = {**clip.parts, **({"split": part} if part else {})}
        return ImportedPose(
            video,
            sequence,
            tuple(
                whole_clip(video, sequence, label, groups, tier) for label, tier in _tiers(action)
            ),
            digest,
        )

    for path in pickles(source):
        yield from read_each(map(_within_ma52, clips(path)), read)


def annotate_with_lists(source: Path, out: Path, options: ImportOptions = NO_OPTIONS) -> int:
    """Write the labels of MA-52's lists into the annotations of a store that holds the poses.

    A clip of the store is found by its id (``0003_01_0001`` or ``ma52_0003_01_0001``), or by the
    file name that the private ``sources.csv`` beside the store tells. Clips of a kept-back class
    stay without annotation.

    Args:
        source: a list, or the folder of them.
        out: the store.
        options: none is taken.

    Returns:
        Number of clips that were labelled.

    Raises:
        InputError: for bad lists or a bad store, or when no labelled clip lies in it.
    """
    listed = _read_lists(require_source(source))
    store = PoseStore(out)
    names = {video: video.removeprefix(_ID_PREFIX) for video in store} | source_stems(out)
    added: dict[str, tuple[Annotation, ...]] = {}
    for video in store:
        name = _NAME.fullmatch(names[video])
        if name is None or name[0] not in listed:
            continue
        action, part = listed[name[0]]
        _check_action(str(source), action)
        added[video] = tuple(
            Annotation(
                video,
                name[1] or store.header(video).subject or "unknown",
                0,
                len(store.time(video)),
                label,
                tier=tier,
                unit="frame",
                groups={"split": part} if part else {},
            )
            for label, tier in _tiers(action)
        )
    store.close()
    labelled = {video: found for video, found in added.items() if found}
    if not labelled:
        raise InputError(
            f"{source}: expected clips of the store {out}, found none with a label; ids must be "
            "names such as 0003_01_0001, or sources.csv must lie beside the store"
        )
    logger.info("%d of %d clips of the lists lie in the store", len(added), len(listed))
    add_annotations(out, labelled)
    return len(labelled)


def _tiers(action: int | None) -> tuple[tuple[str, str], ...]:
    """Label and tier of a micro-action; none where its class is not known."""
    if action is None or action < 0:
        return ()
    return (MICRO_ACTIONS[action], "gesture"), (body_part(action), "body_part")


def _check_action(where: str, action: int | None) -> None:
    if action is not None and action >= len(MICRO_ACTIONS):
        raise InputError(f"{where}: expected a micro-action 0..51, found {action}")


def _within_ma52(clip: Clip) -> Clip:
    """The clip without what follows its name's first dot."""
    return replace(clip, name=clip.name.split(".")[0])


def _agreed(clip: Clip, listed: Mapping[str, tuple[int, str]]) -> tuple[int | None, str]:
    """The clip's micro-action and part, from the lists and the pickle.

    Raises:
        InputError: when the two disagree, or the number is none of the set.
    """
    action, part = listed.get(clip.name, (clip.label, ""))
    if action is not None and action < 0:
        action = None
    if action is not None and clip.label is not None and action != clip.label:
        raise InputError(
            f"{clip.where}: the list says micro-action {action}, the pickle {clip.label}; "
            "give the lists that belong to the pickle"
        )
    _check_action(clip.where, action)
    return action, part


def _read_lists(path: Path) -> dict[str, tuple[int, str]]:
    """Clip -> micro-action, or -1 where it is kept back, and part, of one list or a folder of them.

    Raises:
        InputError: for a missing or empty list, a line of another form, or a clip told twice.
    """
    lists = [path]
    if path.is_dir():
        lists = sorted(p for p in path.iterdir() if p.suffix in (".txt", ".csv"))
        lists = [p for p in lists if _PART_OF_LIST.search(p.stem)]
    listed: dict[str, tuple[int, str]] = {}
    for file in lists:
        match = _PART_OF_LIST.search(file.stem)
        part = match[1] if match else ""
        lines = list(_lines(file))
        # The public test list gives all of its clips a 0: a place-holder and no class.
        hidden = part == "test" and len(lines) > 1 and {action for _, action in lines} == {0}
        if hidden:
            logger.warning("%s: every clip has a 0, which is a place-holder: not labelled", file)
        for clip, action in lines:
            if clip in listed:
                raise InputError(f"{file}: the clip {clip!r} is listed twice; correct the lists")
            listed[clip] = (_HIDDEN if hidden else action, part)
    if not listed:
        raise InputError(f"{path}: expected lists as train_list_videos.txt, found none")
    return listed


def _lines(file: Path) -> Iterator[tuple[str, int]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected a list of clips and labels; {error}") from None
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match:
            yield match[1], int(match[2])
        elif line.strip() and number > 1:  # a CSV may begin with the names of its columns
            raise InputError(f"{file}, line {number}: expected '0003_01_0001.mp4 9', got {line!r}")
