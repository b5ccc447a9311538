"""What a pre-training run writes into its checkpoints about itself."""

from __future__ import annotations

import dataclasses

from mgpose.data.clips import ClipDataset
from mgpose.engine.checkpoint import CheckpointCard, TrainingSet
from mgpose.engine.settings import PretrainSettings
from mgpose.structures import Split, skeleton_by_name


def pretrain_card(settings: PretrainSettings, split: Split, clips: ClipDataset) -> CheckpointCard:
    """The card of one fold's run.

    Args:
        settings: the experiment.
        split: the fold of its first set.
        clips: the training clips of all its sets.
    """
    data = settings.data
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
        sets=tuple(map(TrainingSet.of, (data, *settings.further))),
        clips=len(clips.spans),
    )
