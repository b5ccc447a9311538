"""Studies: variants of one experiment, everything else alike, for ablations and for scale.

Each variant is a config of ``tools/train.py`` with some values changed. It is measured either by
training it from scratch on all labels of the train part (what the encoder can learn: minutes), or
by pre-training it and asking the frozen encoder (what the objective teaches it). Every row is
written as soon as it is known, so that a killed study goes on where it was.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from mgpose.data.folds import Corpus, DataSettings
from mgpose.engine.checkpoint import CHECKPOINT_VERSION
from mgpose.engine.finetune import FinetuneSettings, finetune_scores
from mgpose.engine.model_files import load_model
from mgpose.engine.pretrain import FINAL_CHECKPOINT, fold_dir, pretrain
from mgpose.engine.settings import PretrainSettings, load_config, read_settings
from mgpose.evaluation.baselines import TrivialPredictor, pca_features
from mgpose.evaluation.decisions import accuracy
from mgpose.evaluation.probes import knn_scores, linear_probe_scores
from mgpose.evaluation.retrieval import retrieval_metrics
from mgpose.evaluation.scaling import ScalePoint, draw_scaling
from mgpose.evaluation.study_table import StudyRow, format_study, read_rows, write_rows
from mgpose.io.atomic import write_text
from mgpose.models.encoder import Encoder
from mgpose.structures import InputError, Split
from mgpose.tasks.task_data import TaskData

logger = logging.getLogger(__name__)

MEASURES = ("from_scratch", "frozen")


@dataclass(frozen=True)
class Variant:
    """One row of a study.

    Args:
        name: as printed.
        options: dotted key -> value, laid over the study's config as by ``--cfg-options``.
        untrained: measure the encoder as it was made; only where ``measure`` is frozen.
        after: name of an earlier variant whose encoders this one goes on from; "" for none.
        line, size: for a study of scale, the line of the plot and the place on its x axis (the
            number of clips); 0 for a variant that is no point.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    untrained: bool = False
    after: str = ""
    line: str = ""
    size: int = 0


@dataclass(frozen=True)
class StudySettings:
    """A whole study.

    Args:
        config: config file of a pre-training, from the folder in which the command runs.
        variants: rows, the first being the one that the others are compared with.
        options: values changed for all of them, such as ``data.tuning``.
        measure: ``"from_scratch"`` or ``"frozen"``.
        finetune: optimisation where it is from scratch.
        folds: names of folds; empty for all.
        seeds: of weights, order and augmentation.
        probe_epochs: of the linear probe where it is frozen.

    Raises:
        ValueError: for an unknown measure, no seed, or names that do not fit together.
    """

    config: str
    variants: tuple[Variant, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    measure: str = "from_scratch"
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    folds: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    probe_epochs: int = 100

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {self.measure!r}")
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) < len(names) or not self.seeds:
            raise ValueError(f"expected variants of different names, and seeds; got {names}")
        first = [v.name for v in self.variants if not (v.after or v.untrained)]
        for i, variant in enumerate(self.variants):
            if variant.after and variant.after not in set(first) & set(names[:i]):
                raise ValueError(
                    f"{variant.name!r} goes on from {variant.after!r}, which is no variant before "
                    "it that is trained from the start"
                )
            if self.measure == "from_scratch" and (variant.after or variant.untrained):
                raise ValueError(f"{variant.name!r}: 'after' and 'untrained' need measure='frozen'")


def run_study(settings: StudySettings, out: str | Path) -> str:
    """Run what is missing of a study; write ``rows.csv``, ``table.md`` and, for scale, a plot.

    Args:
        settings: the study.
        out: folder for these and for the encoders.

    Returns:
        The table.

    Raises:
        InputError: for a variant that is no valid config; before the first one runs.
    """
    out = Path(out)
    configs = {v.name: variant_config(settings, v) for v in settings.variants}
    for config in configs.values():
        if config.schedule.threads:
            torch.set_num_threads(config.schedule.threads)
    out.mkdir(parents=True, exist_ok=True)
    known = {row.key: row for row in read_rows(out / "rows.csv")}
    rows: list[StudyRow] = []
    with tqdm(total=len(settings.seeds) * len(configs), unit="run") as progress:
        for seed in settings.seeds:
            for variant in settings.variants:
                progress.set_description(f"{variant.name}, seed {seed}")
                rows += _run(settings, configs, variant, seed, known, out)
                write_rows(out / "rows.csv", rows, known)
                progress.update()
    data = configs[settings.variants[0].name].data
    rows += _references(settings, data, rows[0].metric)
    title = f"{data.name} ({'synthetic' if data.synthetic else 'real data'}), {data.protocol}"
    table = f"{title}\n\n{format_study(rows)}"
    write_text(out / "table.md", table + "\n")
    points = [
        ScalePoint(v.line, v.size, _mean(rows, v.name)) for v in settings.variants if v.size > 0
    ]
    if points:
        (out / "scale.png").write_bytes(draw_scaling(points, rows[0].metric, title))
    return table


def _references(settings: StudySettings, data: DataSettings, metric: str) -> list[StudyRow]:
    """What needs no encoder, on the folds of the first variant: classical and trivial."""
    corpus = Corpus(data)
    found = []
    for split in _chosen(corpus, settings.folds):
        fold = TaskData.of(corpus, split)
        labels, classes = fold.train_whole.labels.numpy(), fold.num_classes
        known, asked = pca_features(fold.raw_train()[0], fold.raw_test())
        trivial = TrivialPredictor.fit(labels, classes)
        scores: dict[str, npt.NDArray[np.floating]] = {
            "PCA + SVM with mirror": fold.pca_svm(),
            "PCA, linear probe": linear_probe_scores(known, labels, asked, classes),
            "majority class": trivial.scores(len(asked)),
        }
        truth = fold.test_whole.labels.numpy()
        for name, each in scores.items():
            value = accuracy(truth, each.argmax(1))
            found.append(StudyRow(name, settings.seeds[0], split.fold, metric, value, ""))
    return found


def variant_config(settings: StudySettings, variant: Variant) -> PretrainSettings:
    """The pre-training of one variant.

    Raises:
        InputError: for a config file that is missing, or a value that it does not know.
    """
    options = {**settings.options, **variant.options}
    return read_settings(PretrainSettings, load_config(settings.config, options), variant.name)


def _run(
    settings: StudySettings,
    configs: Mapping[str, PretrainSettings],
    variant: Variant,
    seed: int,
    known: Mapping[tuple[str, ...], StudyRow],
    out: Path,
) -> list[StudyRow]:
    """The rows of one variant with one seed, all folds."""
    config = dataclasses.replace(configs[variant.name], seed=seed)
    # Also of what it goes on from: another beginning is another row.
    before = dataclasses.replace(configs[variant.after], seed=seed) if variant.after else None
    corpus = Corpus(config.data)
    found = []
    for split in _chosen(corpus, settings.folds):
        mark = _fingerprint(variant, config, before, settings, split)
        done = [row for row in known.values() if row.mark == mark]
        if not done:
            values = _measure(settings, config, variant, before, corpus, split, seed, out)
            done = [
                StudyRow(variant.name, seed, split.fold, metric, value, mark)
                for metric, value in values.items()
            ]
        found += done
    return found


def _chosen(corpus: Corpus, folds: tuple[str, ...]) -> list[Split]:
    splits = corpus.folds()
    unknown = sorted(set(folds) - {split.fold for split in splits})
    if unknown:
        raise InputError(f"unknown folds {unknown}; known: {[split.fold for split in splits]}")
    return [split for split in splits if not folds or split.fold in folds]


def _measure(
    settings: StudySettings,
    config: PretrainSettings,
    variant: Variant,
    before: PretrainSettings | None,
    corpus: Corpus,
    split: Split,
    seed: int,
    out: Path,
) -> dict[str, float]:
    """Metric -> value of one run."""
    data = TaskData.of(corpus, split)
    torch.manual_seed(seed)
    encoder: Encoder = config.encoder.build(corpus.skeleton, config.data.clip.frames)
    if settings.measure == "from_scratch":
        scores = finetune_scores(
            encoder, data.train, data.test, data.num_classes, settings.finetune, seed
        )
        return {"top-1": accuracy(data.test.labels.numpy(), scores.argmax(1))}
    if not variant.untrained:
        encoder = _pretrained(config, before, corpus, split, out)
    return _frozen(encoder.eval(), data, settings.probe_epochs, seed)


def _pretrained(
    config: PretrainSettings,
    before: PretrainSettings | None,
    corpus: Corpus,
    split: Split,
    out: Path,
) -> Encoder:
    if before is not None:
        start = str(_folder(out, before, None))
        config = dataclasses.replace(
            config, schedule=dataclasses.replace(config.schedule, start_from=start)
        )
    folder = _folder(out, config, before)
    fold = _outer_fold(corpus, split)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, fold=fold))
    pretrain(config, folder, resume=True, quiet=True)
    return load_model(fold_dir(folder, split, corpus) / FINAL_CHECKPOINT)[0]


def _outer_fold(corpus: Corpus, split: Split) -> str:
    """The protocol's name of a fold, where ``split`` is the tuning split inside it."""
    outer = dataclasses.replace(corpus.settings, tuning=False)
    names = [one.fold for one in Corpus(outer).folds()]
    return names[[one.fold for one in corpus.folds()].index(split.fold)]


def _folder(out: Path, config: PretrainSettings, before: PretrainSettings | None) -> Path:
    """Where an encoder lies: another one for other settings, so that none passes for another."""
    return out / f"encoder_{_digest(_plain(config), before and _plain(before))}"


def _plain(config: PretrainSettings) -> dict[str, Any]:
    plain = dataclasses.asdict(config)
    plain["schedule"]["start_from"] = ""  # a folder's name; what lies in it is named by ``before``
    return plain


def _frozen(encoder: Encoder, data: TaskData, epochs: int, seed: int) -> dict[str, float]:
    train, test = data.embeddings(encoder)
    labels, classes = test.labels, data.num_classes
    known = train.embeddings, train.labels, test.embeddings
    scores: dict[str, npt.NDArray[np.floating]] = {
        "linear probe": linear_probe_scores(*known, classes, epochs, seed),
        **{f"{k}-NN": knn_scores(*known, k, classes) for k in (1, 5)},
    }
    found = {name: accuracy(labels, each.argmax(1)) for name, each in scores.items()}
    ranked = retrieval_metrics(test.embeddings, train.embeddings, labels, train.labels)
    return {**found, "mAP": ranked["map"]}


def _fingerprint(
    variant: Variant,
    config: PretrainSettings,
    before: PretrainSettings | None,
    settings: StudySettings,
    split: Split,
) -> str:
    """Of all that a row depends on; another one means that it must be run again."""
    return _digest(
        variant.name,
        variant.untrained,
        _plain(config),
        before and _plain(before),
        settings.measure,
        dataclasses.asdict(settings.finetune) if settings.measure == "from_scratch" else None,
        settings.probe_epochs,
        split.protocol,
        split.fold,
    )


def _digest(*parts: Any) -> str:
    # Encoders of another version have other layers.
    text = json.dumps([CHECKPOINT_VERSION, *parts], sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mean(rows: list[StudyRow], variant: str) -> float:
    """Mean of a variant's first metric."""
    return float(
        np.mean([r.value for r in rows if r.variant == variant and r.metric == rows[0].metric])
    )
