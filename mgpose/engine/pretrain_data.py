"""What one pre-training sees: its windows, and the leakage guard over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus, DataSettings
from mgpose.data.leakage import Footage, LeakageGuard
from mgpose.engine.checkpoint import CheckpointCard
from mgpose.engine.settings import PretrainSettings
from mgpose.structures import InputError, Split

# One set of a joint pre-training: its guard, its fold, and the videos that are seen.
_Part = tuple[LeakageGuard, Split, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class PretrainData:
    """The input of one fold's pre-training.

    Args:
        clips: windows of its train part, of videos without annotations, and of further sets.
        seen: every video that the encoder will have seen, by id; those of an earlier training, too.
    """

    clips: ClipDataset
    seen: tuple[Footage, ...]


def pretrain_data(
    settings: PretrainSettings,
    corpus: Corpus,
    split: Split,
    guard: LeakageGuard,
    earlier: CheckpointCard | None = None,
) -> PretrainData:
    """Check what will be seen against the test parts of all sets, then read it.

    Args:
        settings: the experiment.
        corpus: its data.
        split: the fold.
        guard: of the corpus.
        earlier: card of the weights to start from, None for none.

    Raises:
        InputError: for a leak that no protocol declares, or a further set of another layout or
            clip, with several folds or with ids of this one, or fewer clips than
            ``sampling.clips``.
    """
    # Videos without annotations cannot be in a test part, so that they may join.
    parts: list[_Part] = [(guard, split, (*split.train, *corpus.unannotated(split)))]
    parts += [_further(data, settings) for data in settings.further]
    footage = [f for part, _, videos in parts for f in part.footage(videos)]
    # A shared model hides its ids; those of a further set are asked for as well.
    names = {name for part, _, _ in parts for name in part.names()}
    before = earlier.revealed(names).seen() if earlier else []
    for part, its_split, _ in parts:
        part.check(its_split, [*footage, *before])
    clips = [part.corpus.unlabelled(videos) for part, _, videos in parts]
    try:
        joint = clips[0].with_more(clips[1:]) if clips[1:] else clips[0]
    except ValueError as error:
        raise InputError(f"{settings.data.name}: {error}") from error
    if settings.sampling.clips:
        joint = _some(joint, settings.sampling.clips, settings.data.name)
    used = {span.video for span in joint.spans}
    seen = {f.video: f for f in (*before, *(f for f in footage if f.video in used))}
    return PretrainData(joint, tuple(seen[video] for video in sorted(seen)))


def _some(clips: ClipDataset, count: int, name: str) -> ClipDataset:
    """The first ``count`` clips of an order that is always the same.

    Raises:
        InputError: when there are fewer.
    """
    if count > len(clips.spans):
        raise InputError(f"{name}: sampling.clips={count}, there are only {len(clips.spans)}")
    order = np.random.default_rng(0).permutation(len(clips.spans))
    return clips.subset(sorted(order[:count].tolist()))


def _further(data: DataSettings, settings: PretrainSettings) -> _Part:
    """A further set.

    Raises:
        InputError: for another layout or clip, or a protocol of several folds.
    """
    ours = settings.data
    if (data.skeleton, data.clip) != (ours.skeleton, ours.clip):
        raise InputError(f"{data.name}: expected layout and clips of {ours.name}")
    other = Corpus(data)
    splits = other.folds()
    if len(splits) != 1:
        raise InputError(f"{data.name}: expected a protocol with one fold, got {len(splits)}")
    videos = (*splits[0].train, *other.unannotated(splits[0]))
    return LeakageGuard(other), splits[0], videos
