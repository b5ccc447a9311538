"""Micro-gesture recognition, semi-supervised: fine-tuning on a few per cent of the labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mgpose.data.clips import ClipDataset
from mgpose.engine.finetune import FinetuneSettings, finetune_scores
from mgpose.evaluation.baselines import TrivialPredictor
from mgpose.evaluation.figures import Curve, fractions_figure
from mgpose.evaluation.probes import linear_probe_scores
from mgpose.evaluation.results import ResultRow, TaskResult, mean_over
from mgpose.models.encoder import Encoder
from mgpose.tasks.recognition_supervised import from_scratch
from mgpose.tasks.rows import Rows
from mgpose.tasks.task_data import TaskData


@dataclass(frozen=True)
class SemiSupervisedSettings:
    """Constants of the protocol.

    Args:
        fractions: shares of the training clips whose labels are used, ascending.
        draws: random choices of these clips, the same for every seed.
        finetune: optimisation of the pre-trained network.
        scratch: optimisation from scratch; None for the same without layer decay.
        probe_epochs: of the linear probe on the frozen encoder.
    """

    fractions: tuple[float, ...] = (0.01, 0.05, 0.1)
    draws: int = 5
    finetune: FinetuneSettings = field(
        default_factory=lambda: FinetuneSettings(epochs=20, min_steps=80)
    )
    scratch: FinetuneSettings | None = None
    probe_epochs: int = 100

    def __post_init__(self) -> None:
        fractions = self.fractions
        if not fractions or list(fractions) != sorted({f for f in fractions if 0 < f <= 1}):
            raise ValueError(f"fractions must lie in (0, 1] and ascend, got {list(fractions)}")
        if self.draws < 1:
            raise ValueError(f"draws must be at least 1, got {self.draws}")


@dataclass(frozen=True)
class RecognitionSemiSupervised:
    """The whole network fine-tuned on 1, 5 and 10 % of the labels, at least one clip a class.

    Args:
        data: one fold.
        untrained: encoder of the same architecture with untrained weights.
        settings: constants of the protocol.
        seed: of the fine-tuning and the probe.
    """

    data: TaskData
    untrained: Encoder
    settings: SemiSupervisedSettings = field(default_factory=SemiSupervisedSettings)
    seed: int = 0

    def run(self, encoder: Encoder) -> TaskResult:
        """Compare the encoder with training from scratch and the baselines, at each fraction."""
        settings, rows = self.settings, []
        by_fraction = []
        for fraction in settings.fractions:
            runs = [self._draw(encoder, fraction, draw) for draw in range(settings.draws)]
            means = mean_over(runs)
            by_fraction.append(means)
            rows += [replace(row, name=f"{row.name}, {row.contest}") for row in means]
        headline = ["top1", "balanced_accuracy", "macro_f1", "calibration_error"]
        if self.data.num_classes > 5:
            headline.insert(1, "top5")
        curves = [
            Curve(
                row.name,
                row.kind,
                [means[i].metrics["top1"] for means in by_fraction],
                [means[i].spread.get("top1", 0.0) for means in by_fraction],
            )
            for i, row in enumerate(by_fraction[0])
        ]
        return TaskResult(
            task="recognition_semi_supervised",
            title="Recognition, semi-supervised",
            data=self.data.describe(),
            protocol=self.data.describe_protocol(asdict(replace(settings, scratch=self._scratch))),
            seed=self.seed,
            headline=tuple(headline),
            rows=tuple(rows),
            notes=(
                f"Draws of the labelled clips in each fold: {settings.draws}; at least one clip a "
                "class; every method and every seed sees the same draws.",
            ),
            figures=(fractions_figure("Share of labels", settings.fractions, "top1", curves),),
        )

    @property
    def _scratch(self) -> FinetuneSettings:
        return self.settings.scratch or from_scratch(self.settings.finetune)

    def _draw(self, encoder: Encoder, fraction: float, draw: int) -> list[ResultRow]:
        data, rows = self.data, Rows(self.data, self.seed, draw, f"{100 * fraction:g}%")
        chosen = draw_clips(data.train.labels.numpy(), fraction, draw)
        few = data.train.subset(chosen.tolist())
        labels = few.labels.numpy()
        train, test = data.embeddings(encoder)
        probe = linear_probe_scores(
            train.embeddings[chosen],
            labels,
            test.embeddings,
            data.num_classes,
            self.settings.probe_epochs,
            self.seed,
        )
        trivial = TrivialPredictor.fit(labels, data.num_classes).scores(len(data.test.spans))
        tuned = self._tuned(encoder, few, self.settings.finetune)
        return [
            rows.recognition("pre-trained, fine-tuned", "pretrained", tuned),
            rows.recognition("pre-trained, frozen, linear probe", "pretrained", probe),
            rows.recognition(
                "from scratch", "untrained", self._tuned(self.untrained, few, self._scratch)
            ),
            rows.recognition("PCA + SVM with mirror", "classical", data.pca_svm(chosen), False),
            rows.recognition("majority class", "trivial", trivial),
        ]

    def _tuned(
        self, start: Encoder, few: ClipDataset, settings: FinetuneSettings
    ) -> npt.NDArray[np.float32]:
        data = self.data
        return finetune_scores(start, few, data.test, data.num_classes, settings, self.seed)


def draw_clips(labels: npt.NDArray[np.int64], fraction: float, seed: int) -> npt.NDArray[np.int64]:
    """Sorted indices of a random share of the clips, in proportion to the classes.

    Args:
        labels: (N,).
        fraction: in (0, 1]; each class gives its rounded share, at least one clip.
        seed: of the draw.

    >>> draw_clips(np.array([0] * 50 + [1] * 10), 0.1, seed=0).size
    6
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    rng = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(members)))
        chosen.append(rng.choice(members, size=count, replace=False))
    return np.sort(np.concatenate(chosen))
