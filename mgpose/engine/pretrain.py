"""Pre-training: from settings to MMEngine Runners, one a fold."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner, set_random_seed
from torch.utils.data import DataLoader

from mgpose.data.augment import Augmentation
from mgpose.data.clips import ClipDataset
from mgpose.data.folds import Corpus
from mgpose.data.leakage import LeakageGuard
from mgpose.data.sampling import OneSetSampler, WindowSampler, window_weights
from mgpose.engine.checkpoint import (
    CheckpointCard,
    TrainingSet,
    check_layout,
    load_encoder,
    read_checkpoint,
)
from mgpose.engine.collapse_alarm import CollapseAlarm
from mgpose.engine.healthy_checkpoint import HEALTHY, epoch_of
from mgpose.engine.hooks import FiniteLossHook, PlainCheckpointHook
from mgpose.engine.model_files import load_model
from mgpose.engine.monitor import ProbeHook
from mgpose.engine.optimisation import optimisation, schedulers
from mgpose.engine.pretrain_data import PretrainData, pretrain_data
from mgpose.engine.pretrain_model import PretrainModel
from mgpose.engine.progress import ProgressHook
from mgpose.engine.scalars import ClearNames
from mgpose.engine.settings import PretrainSettings
from mgpose.models.encoder import Encoder
from mgpose.objectives import TeacherStudent
from mgpose.structures import InputError, Split, skeleton_by_name

logger = logging.getLogger(__name__)
FINAL_CHECKPOINT = "encoder.pth"
# MMEngine keeps its runs by name and second; two runs of one second must not share a name.
_RUNS = itertools.count()


def fold_dir(work_dir: str | Path, split: Split, corpus: Corpus) -> Path:
    """Where a fold's run lies: the work folder itself where the protocol has one fold only.

    Whether one fold of several was selected makes no difference: folds never share a folder.
    """
    return Path(work_dir) / split.fold if corpus.several_folds else Path(work_dir)


def pretrain(
    settings: PretrainSettings, work_dir: str | Path, resume: bool = False, quiet: bool = False
) -> dict[str, Path]:
    """Pre-train one encoder a fold, on the fold's train part only.

    Args:
        settings: the experiment.
        work_dir: for checkpoints and TensorBoard logs; a sub-folder a fold where there are several.
        resume: go on from the last checkpoint; a finished fold is left as it is.
        quiet: a progress bar instead of MMEngine's log; TensorBoard has it all.

    Returns:
        Fold -> its final checkpoint.
    """
    if settings.schedule.threads:
        torch.set_num_threads(settings.schedule.threads)
    corpus = Corpus(settings.data)
    splits = corpus.folds()
    guard = LeakageGuard(corpus)
    finished = {}
    for split in splits:
        folder = fold_dir(work_dir, split, corpus)
        final = folder / FINAL_CHECKPOINT
        if resume and final.is_file():
            _check_same_run(final, settings, split)
            logger.info("%s: already trained", split.fold)
        else:
            start = last_whole_checkpoint(folder) if resume else None
            runner = build_runner(settings, corpus, split, folder, start, quiet, guard)
            if not resume:
                # An earlier run's checkpoints must not pass for this one's, should it be killed.
                _remove(folder, FINAL_CHECKPOINT, "epoch_*.pth", HEALTHY, "last_checkpoint")
            if quiet:
                runner.register_hook(ProgressHook(split.fold))
            runner.train()
            _publish(folder, settings.schedule.epochs)
        finished[split.fold] = final
    return finished


def _check_same_run(path: Path, settings: PretrainSettings, split: Split) -> None:
    """Refuse to take another experiment's encoder for this one's.

    Raises:
        InputError: naming what differs.
    """
    _, card = load_encoder(path)
    ours = {
        "data": settings.data.name,
        "protocol": split.protocol,
        "fold": split.fold,
        "architecture": settings.encoder.architecture,
        "size": settings.encoder.size,
        "patch": settings.encoder.patch,
        "without": settings.encoder.without,
        "seed": settings.seed,
    }
    different = {k: getattr(card, k) for k, v in ours.items() if getattr(card, k) != v}
    if different:
        raise InputError(
            f"{path}: a finished run of {different}, expected "
            f"{ {k: ours[k] for k in different} }; choose another --work-dir"
        )


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of an unfinished run that can be read, None where there is none.

    MMEngine's own pointer holds a path that is wrong once the folder has moved, and nothing when
    the run was killed while it was written.
    """
    paths = sorted([*folder.glob(HEALTHY), *folder.glob("epoch_*.pth")], key=epoch_of)
    for path in reversed(paths):
        try:
            read_checkpoint(path)
        except InputError as error:
            logger.warning("passed over, the run was killed while writing it: %s", error)
        else:
            return path
    return None


def _publish(folder: Path, epochs: int) -> None:
    """Give the last epoch's checkpoint its final name; what resuming needed goes."""
    (folder / f"epoch_{epochs}.pth").replace(folder / FINAL_CHECKPOINT)
    _remove(folder, "epoch_*.pth", HEALTHY, "last_checkpoint")


def _remove(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()


def build_runner(
    settings: PretrainSettings,
    corpus: Corpus,
    split: Split,
    folder: Path,
    start: Path | None,
    quiet: bool = False,
    guard: LeakageGuard | None = None,
) -> Runner:
    """The Runner of one fold, ready to train.

    Args:
        settings: the experiment.
        corpus: its data.
        split: the fold.
        folder: for checkpoints and logs.
        start: a checkpoint of this run to go on from, or None.
        quiet: log errors only.
        guard: of the corpus, where several folds share one; None makes one.

    Raises:
        InputError: when an epoch has fewer windows than a batch, or the model cannot be built.
    """
    # Before anything is built: modules made earlier would escape the seed.
    set_random_seed(settings.seed)
    schedule = settings.schedule
    try:
        encoder = settings.encoder.build(corpus.skeleton, settings.data.clip.frames)
    except ValueError as error:
        raise InputError(f"{settings.data.name}: {error}") from error
    guard = guard or LeakageGuard(corpus)
    earlier = _start_from(settings, guard, split, folder, encoder)
    data = pretrain_data(settings, corpus, split, guard, earlier)
    clips = data.clips
    windows = min(settings.sampling.samples or len(clips), len(clips))
    if windows < schedule.batch_size:
        raise InputError(
            f"{split.fold}: an epoch of {windows} windows is less than a batch of "
            f"{schedule.batch_size}; lower schedule.batch_size or raise sampling.samples"
        )
    loader = _loader(settings, corpus, clips)
    steps = schedule.epochs * len(loader)
    model = _model(settings, corpus, clips, encoder, steps)
    return Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg={"by_epoch": True, "max_epochs": schedule.epochs},
        optim_wrapper=optimisation(schedule, model),
        param_scheduler=schedulers(schedule, steps),
        default_hooks={
            "checkpoint": {
                "type": "CheckpointHook",
                "interval": schedule.checkpoint_interval,
                # MMEngine removes the oldest before it writes the newest: with one, a kill in
                # between would leave none.
                "max_keep_ckpts": 2,
            },
            "logger": {"type": "LoggerHook", "interval": 10, "log_metric_by_epoch": False},
        },
        custom_hooks=[
            PlainCheckpointHook(_card(settings, split, data, earlier)),
            _probe(settings, corpus, split, clips),
            FiniteLossHook(),
        ],
        visualizer={
            "type": "Visualizer",
            "vis_backends": [{"type": "TensorboardVisBackend"}],
        },
        load_from=str(start) if start else None,
        resume=start is not None,
        randomness={"seed": settings.seed},
        log_processor=ClearNames(schedule.batch_size),
        default_scope="mmengine",
        log_level="ERROR" if quiet else "INFO",
        experiment_name=f"{split.fold}_{next(_RUNS)}",
        cfg=Config(dataclasses.asdict(settings)),
    )


def _model(
    settings: PretrainSettings, corpus: Corpus, clips: ClipDataset, encoder: Encoder, steps: int
) -> PretrainModel:
    # A longer queue would hold past views of nearly every clip of a small set.
    queue = min(settings.objective.queue, len(clips) // 4)
    objective = dataclasses.replace(settings.objective, queue=queue)
    views, augment = settings.views, settings.augment
    short = dataclasses.replace(augment, crop=views.local_crop, crop_most=views.local_crop_most)
    return PretrainModel(
        TeacherStudent(encoder, objective, steps),
        Augmentation(corpus.skeleton, augment),
        settings.seed,
        Augmentation(corpus.skeleton, short),
        views.local,
    )


def _start_from(
    settings: PretrainSettings, guard: LeakageGuard, split: Split, folder: Path, encoder: Encoder
) -> CheckpointCard | None:
    """Give the encoder the weights that ``schedule.start_from`` names, if it names any.

    They lie in a file, or in a work folder of the same folds, or belong to a shipped model.

    Returns:
        The card of these weights, None for none.

    Raises:
        InputError: when they are of another layout or architecture, have seen a test video, or
            lie where this run is to write.
    """
    if not settings.schedule.start_from:
        return None
    path = Path(settings.schedule.start_from)
    if path.is_dir():
        path = fold_dir(path, split, guard.corpus) / FINAL_CHECKPOINT
    if path.resolve() == (folder / FINAL_CHECKPOINT).resolve():
        raise InputError(f"{path}: this run would write over it; choose another --work-dir")
    earlier, card = load_model(path)
    card = card.revealed(guard.names())
    check_layout(card, guard.corpus.skeleton, path)
    ours = settings.encoder
    wanted = {name: getattr(ours, name) for name in ("architecture", "size", "patch", "without")}
    found = {name: getattr(card, name) for name in wanted}
    if found != wanted:
        raise InputError(f"{path}: expected an encoder of {wanted}, found one of {found}")
    seen = sorted(set(card.videos) & {*split.test, *split.val})
    if seen:
        raise InputError(
            f"{path}: it was trained on {len(seen)} videos of the test part, such as {seen[0]!r}; "
            "start from an encoder of the same fold"
        )
    encoder.load_state_dict(earlier.state_dict())
    return card


def _loader(
    settings: PretrainSettings, corpus: Corpus, clips: ClipDataset
) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches of an epoch.

    Raises:
        InputError: for a set that does not fill a batch, where batches are of one set.
    """
    sampling, batch = settings.sampling, settings.schedule.batch_size
    weights = window_weights(clips, corpus.skeleton) if sampling.quality else None
    count = sampling.samples or None
    sampler: WindowSampler | OneSetSampler
    if sampling.one_set:
        source = clips.source[clips.clip].numpy()
        try:
            sampler = OneSetSampler(weights, source, batch, count, settings.seed)
        except ValueError as error:
            raise InputError(f"sampling.one_set: {error}; lower schedule.batch_size") from error
    else:
        sampler = WindowSampler(weights, len(clips), count, settings.seed)
    return DataLoader(clips, batch_size=batch, sampler=sampler, drop_last=True)


def _card(
    settings: PretrainSettings, split: Split, inputs: PretrainData, before: CheckpointCard | None
) -> CheckpointCard:
    data = settings.data
    sets = [TrainingSet.of(one) for one in (data, *settings.further)]
    own = {(one.name, one.protocol) for one in sets}
    known = before.known_sets if before else ()
    sets += [one for one in known if (one.name, one.protocol) not in own]
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
        videos=tuple(f.video for f in inputs.seen),
        subjects=tuple(f.subject for f in inputs.seen),
        sources=tuple(f.source for f in inputs.seen),
        sets=tuple(f.data for f in inputs.seen),
        seed=settings.seed,
        architecture=settings.encoder.architecture,
        without=settings.encoder.without,
        trained_on=tuple(sets),
        clips=len(inputs.clips.spans),
    )


def _probe(
    settings: PretrainSettings, corpus: Corpus, split: Split, windows: ClipDataset
) -> ProbeHook:
    """Query: the train person who shows most classes (the last of equals); gallery: the others.

    Without labels, or with one person only, there is nothing to vote: the log says so, and the
    other figures are taken on the training windows.
    """
    most = settings.monitor.clips
    hook = functools.partial(
        ProbeHook,
        interval=settings.monitor.interval,
        num_classes=len(corpus.classes),
        alarm=CollapseAlarm(settings.schedule.warmup),
        stop=settings.monitor.stop_on_collapse,
        settings=dataclasses.asdict(settings),
    )
    clips = corpus.labelled(split.train) if corpus.classes else None
    subjects = clips.group("subject") if clips else []
    if clips is None or len(set(subjects)) < 2:
        logger.warning("%s: no kNN probe, since train has no labels of two people", split.fold)
        return hook(_thinned(windows, most), None)
    shown: dict[str, set[int]] = {subject: set() for subject in sorted(subjects)}
    for subject, label in zip(subjects, clips.labels.tolist(), strict=True):
        shown[subject].add(label)
    person = max(shown, key=lambda subject: (len(shown[subject]), subject))
    query = _thinned(clips.subset(i for i, s in enumerate(subjects) if s == person), most)
    gallery = _thinned(clips.subset(i for i, s in enumerate(subjects) if s != person), most)
    return hook(query, gallery)


def _thinned(clips: ClipDataset, most: int) -> ClipDataset:
    """At most ``most`` clips, evenly spaced."""
    count = len(clips.spans)
    if count <= most:
        return clips
    return clips.subset(i * count // most for i in range(most))
