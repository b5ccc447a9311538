"""Micro-gesture recognition, semi-supervised: fine-tuning on a few per cent of the labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from mgpose.engine.finetune import FinetuneSettings, finetune_scores
from mgpose.evaluation.baselines import TrivialPredictor
from mgpose.evaluation.figures import Curve, fractions_figure
from mgpose.evaluation.metrics import classification_metrics
from mgpose.evaluation.results import ResultRow, TaskResult, mean_over
from mgpose.models.encoder import Encoder
from mgpose.tasks.task_data import TaskData


@dataclass(frozen=True)
class SemiSupervisedSettings:
    """Constants of the protocol.

    Args:
        fractions: shares of the training clips whose labels are used, ascending.
        draws: random choices of these clips.
        finetune: optimisation.
    """

    fractions: tuple[float, ...] = (0.01, 0.05, 0.1)
    draws: int = 5
    finetune: FinetuneSettings = field(
        default_factory=lambda: FinetuneSettings(epochs=20, min_steps=80)
    )

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
        seed: of the draws and the fine-tuning.
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
            runs = [
                self._draw(encoder, fraction, self.seed + draw) for draw in range(settings.draws)
            ]
            means = mean_over(runs)
            by_fraction.append(means)
            rows += [
                ResultRow(f"{r.name}, {100 * fraction:g}%", r.kind, r.metrics, r.spread, r.runs)
                for r in means
            ]
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
            protocol=self.data.describe_protocol(asdict(settings)),
            seed=self.seed,
            headline=self.data.headline("balanced_accuracy", "macro_f1"),
            rows=tuple(rows),
            notes=(
                f"Draws of the labelled clips in each fold: {settings.draws}; at least one clip a "
                "class; every method sees the same draw.",
            ),
            figures=(fractions_figure("Share of labels", settings.fractions, "top1", curves),),
        )

    def _draw(self, encoder: Encoder, fraction: float, seed: int) -> list[ResultRow]:
        data, finetune = self.data, self.settings.finetune
        chosen = draw_clips(data.train.labels.numpy(), fraction, seed)
        few, labels = data.train.subset(chosen.tolist()), data.test.labels.numpy()
        trivial = TrivialPredictor.fit(few.labels.numpy(), data.num_classes)
        found: list[tuple[str, str, npt.NDArray[np.floating]]] = [
            (name, kind, finetune_scores(start, few, data.test, data.num_classes, finetune, seed))
            for name, kind, start in (
                ("pre-trained, fine-tuned", "pretrained", encoder),
                ("from scratch", "untrained", self.untrained),
            )
        ]
        found.append(("PCA + SVM with mirror", "classical", data.pca_svm(chosen, seed)))
        found.append(("majority class", "trivial", trivial.scores(len(labels))))
        return [
            ResultRow(n, kind, classification_metrics(s, labels, data.parts))
            for n, kind, s in found
        ]


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
