"""What one pre-training sees: its windows, its starting point, and the guard over both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus, DataSettings
from mgpose.data.leakage import Footage, LeakageGuard
from mgpose.engine.checkpoint import CheckpointCard, check_layout, load_encoder
from mgpose.engine.settings import PretrainSettings
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError, Split

FINAL_CHECKPOINT = "encoder.pth"

# One set of a joint pre-training: its guard, its fold, and the videos that are seen.
_Part = tuple[LeakageGuard, Split, tuple[str, ...]]


def fold_dir(work_dir: str | Path, split: Split, corpus: Corpus) -> Path:
    """Where a fold's run lies: the work folder itself where the protocol has one fold only.

    Whether one fold of several was selected makes no difference: folds never share a folder.
    """
    return Path(work_dir) / split.fold if corpus.several_folds else Path(work_dir)


@dataclass(frozen=True, eq=False)
class PretrainData:
    """The input of one fold's pre-training.

    Args:
        clips: windows of its train part, of videos without annotations, and of further sets.
        footage: every video that the encoder will have seen, those of its starting point included.
        start: the encoder to go on from, or None.
    """

    clips: ClipDataset
    footage: tuple[Footage, ...]
    start: Encoder | None


def pretrain_data(
    settings: PretrainSettings, corpus: Corpus, split: Split, guard: LeakageGuard
) -> PretrainData:
    """Check what will be seen against the test parts, then read it.

    Args:
        settings: the experiment.
        corpus: its data.
        split: the fold.
        guard: of the corpus.

    Raises:
        InputError: for a leak that no protocol declares; a further set of another layout or clip,
            with several folds or with ids of this one; a starting point of another encoder.
    """
    # Videos without annotations cannot be in a test part, so that they may join.
    parts: list[_Part] = [(guard, split, (*split.train, *corpus.unannotated(split)))]
    parts += [_further(data, settings) for data in settings.further]
    footage = [f for part, _, videos in parts for f in part.footage(videos)]
    start = _starting_point(settings, corpus, split)
    before = start[1].seen() if start else []
    for part, its_split, _ in parts:
        part.check(its_split, [*footage, *before])
    clips = [part.corpus.unlabelled(videos) for part, _, videos in parts]
    try:
        joint = clips[0].with_more(clips[1:]) if clips[1:] else clips[0]
    except ValueError as error:
        raise InputError(f"{settings.data.name}: {error}") from error
    used = {span.video for span in joint.spans}
    seen = {f.video: f for f in (*before, *(f for f in footage if f.video in used))}
    return PretrainData(joint, tuple(seen[v] for v in sorted(seen)), start[0] if start else None)


def _further(data: DataSettings, settings: PretrainSettings) -> _Part:
    ours = settings.data
    if (data.skeleton, data.clip) != (ours.skeleton, ours.clip):
        raise InputError(f"{data.name}: expected layout and clips of {ours.name}")
    other = Corpus(data)
    splits = other.folds()
    if len(splits) != 1:
        raise InputError(f"{data.name}: expected a protocol with one fold, got {len(splits)}")
    videos = (*splits[0].train, *other.unannotated(splits[0]))
    return LeakageGuard(other), splits[0], videos


def _starting_point(
    settings: PretrainSettings, corpus: Corpus, split: Split
) -> tuple[Encoder, CheckpointCard] | None:
    """The encoder that ``schedule.start_from`` names: a file, or a work folder of the same folds.

    Raises:
        InputError: when it is of another layout or architecture, or has seen a test video.
    """
    if not settings.schedule.start_from:
        return None
    path = Path(settings.schedule.start_from)
    if path.is_dir():
        path = fold_dir(path, split, corpus) / FINAL_CHECKPOINT
    encoder, card = load_encoder(path)
    check_layout(card, corpus.skeleton, path)
    same = (card.size, card.patch, card.architecture, tuple(card.without))
    ours = settings.encoder
    if same != (ours.size, ours.patch, ours.architecture, ours.without):
        raise InputError(f"{path}: expected an encoder as in the config, {ours}, found {same}")
    seen = sorted(set(card.videos) & {*split.test, *split.val})
    if seen:
        raise InputError(f"{path}: it was trained on {len(seen)} videos of the test part")
    return encoder, card
