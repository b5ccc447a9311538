"""Micro-gesture recognition, supervised: the whole network fine-tuned on all training labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from mgpose.engine.finetune import FinetuneSettings, finetune_scores
from mgpose.evaluation.baselines import TrivialPredictor
from mgpose.evaluation.figures import confusion_figure
from mgpose.evaluation.metrics import classification_metrics, confusion_counts
from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.models.encoder import Encoder
from mgpose.tasks.combine import recall_of
from mgpose.tasks.task_data import TaskData


@dataclass(frozen=True)
class SupervisedSettings:
    """Constants of the protocol."""

    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)


@dataclass(frozen=True)
class RecognitionSupervised:
    """Fine-tune from pre-trained weights, and train the same network from scratch.

    Args:
        data: one fold.
        untrained: encoder of the same architecture with untrained weights.
        settings: constants of the protocol.
        seed: of the fine-tuning.
    """

    data: TaskData
    untrained: Encoder
    settings: SupervisedSettings = field(default_factory=SupervisedSettings)
    seed: int = 0

    def run(self, encoder: Encoder) -> TaskResult:
        """Compare the encoder with training from scratch and the baselines."""
        data, rows, figures, recall = self.data, [], [], {}
        labels = data.test.labels.numpy()
        for name, kind, start in (
            ("pre-trained, fine-tuned", "pretrained", encoder),
            ("from scratch", "untrained", self.untrained),
        ):
            scores = finetune_scores(
                start, data.train, data.test, data.num_classes, self.settings.finetune, self.seed
            )
            metrics = classification_metrics(scores, labels, data.parts)
            rows.append(ResultRow(name, kind, metrics))
            if kind == "pretrained":
                counts = confusion_counts(scores.argmax(1), labels, data.num_classes)
                figures.append(confusion_figure("Confusion, fine-tuned", counts, data.classes))
                recall = recall_of(figures[-1])
        trivial = TrivialPredictor.fit(data.train.labels.numpy(), data.num_classes)
        for name, kind, found in (
            ("PCA + SVM with mirror", "classical", data.pca_svm(seed=self.seed)),
            ("majority class", "trivial", trivial.scores(len(labels))),
        ):
            metrics = classification_metrics(found, labels, data.parts)
            rows.append(ResultRow(name, kind, metrics))
        return TaskResult(
            task="recognition_supervised",
            title="Recognition, supervised",
            data={**data.describe(), "per_class_recall": recall},
            protocol=data.describe_protocol(asdict(self.settings)),
            seed=self.seed,
            headline=data.headline("balanced_accuracy", "macro_f1"),
            rows=tuple(rows),
            notes=("All training labels; the last step is taken, nothing is chosen on test.",),
            figures=tuple(figures),
        )
