"""What a pre-training run writes into its checkpoints about itself."""

from __future__ import annotations

import dataclasses

from mgpose.data.clips import ClipDataset
from mgpose.engine.checkpoint import CheckpointCard, TrainingSet
from mgpose.engine.settings import PretrainSettings
from mgpose.structures import Split, skeleton_by_name


def pretrain_card(
    settings: PretrainSettings,
    split: Split,
    clips: ClipDataset,
    start: CheckpointCard | None = None,
) -> CheckpointCard:
    """The card of one fold's run.

    Args:
        settings: the experiment.
        split: the fold of its first set.
        clips: the training clips of all its sets.
        start: card of the encoder that it goes on from: what that one saw, this one has seen.
    """
    data = settings.data
    sets = [TrainingSet.of(one) for one in (data, *settings.further)]
    own = {(one.name, one.protocol) for one in sets}
    known = start.known_sets if start else ()
    before = [one for one in known if (one.name, one.protocol) not in own]
    return CheckpointCard(
        skeleton=data.skeleton,
        keypoints=skeleton_by_name(data.skeleton).keypoints,
        size=settings.encoder.size,
        patch=settings.encoder.patch,
        dropout=settings.encoder.dropout,
        clip=dataclasses.asdict(data.clip),
        data=data.name,
        protocol=split.protocol,
        fold=split.fold,
        videos=tuple(sorted({span.video for span in clips.spans})),
        seed=settings.seed,
        architecture=settings.encoder.architecture,
        without=settings.encoder.without,
        sets=(*sets, *before),
        clips=len(clips.spans),
        earlier=start.trainings if start else (),
    )
