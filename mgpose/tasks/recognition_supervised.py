"""Micro-gesture recognition, supervised: the whole network fine-tuned on all training labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mgpose.engine.finetune import FinetuneSettings, finetune, predict
from mgpose.engine.long_tail import LongTailSettings, with_new_head
from mgpose.evaluation.baselines import TrivialPredictor, pca_features
from mgpose.evaluation.figures import confusion_figure
from mgpose.evaluation.logit_adjustment import adjusted_probabilities, class_prior
from mgpose.evaluation.metrics import confusion_counts
from mgpose.evaluation.probes import linear_probe_scores
from mgpose.evaluation.results import TaskResult
from mgpose.models.encoder import Encoder
from mgpose.tasks.combine import recall_of
from mgpose.tasks.rows import Rows
from mgpose.tasks.task_data import TaskData

Scores = npt.NDArray[np.floating]


def from_scratch(finetune: FinetuneSettings) -> FinetuneSettings:
    """The same optimisation for untrained weights: no layer of theirs is worth sparing."""
    return replace(finetune, layer_decay=1.0)


@dataclass(frozen=True)
class SupervisedSettings:
    """Constants of the protocol.

    Args:
        finetune: optimisation of the pre-trained network.
        scratch: optimisation from scratch; None for the same without layer decay.
        long_tail: further rows for classes of very unequal size, off by default.
        ensemble: add rows of the probabilities of all seeds averaged; needs two seeds or more.
    """

    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    scratch: FinetuneSettings | None = None
    long_tail: LongTailSettings = field(default_factory=LongTailSettings)
    ensemble: bool = False


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
        data, rows = self.data, Rows(self.data, self.seed)
        labels, found = data.test.labels.numpy(), []
        scratch = self.settings.scratch or from_scratch(self.settings.finetune)
        tuned = self._scores(encoder, self.settings.finetune)
        for name, kind, scores in (
            ("pre-trained, fine-tuned", "pretrained", tuned),
            ("from scratch", "untrained", self._scores(self.untrained, scratch)),
        ):
            for further, each in scores.items():
                full = f"{name}{further}"
                found.append(rows.recognition(full, kind, each, keep=self.settings.ensemble))
        trivial = TrivialPredictor.fit(data.train.labels.numpy(), data.num_classes)
        known, asked = pca_features(data.raw_train()[0], data.raw_test())
        train = data.train_whole.labels.numpy()
        linear = linear_probe_scores(known, train, asked, data.num_classes, seed=self.seed)
        found += [
            rows.recognition("PCA + SVM with mirror", "classical", data.pca_svm(), False),
            rows.recognition("PCA, linear probe", "classical", linear),
            rows.recognition("majority class", "trivial", trivial.scores(len(labels))),
        ]
        counts = confusion_counts(tuned[""].argmax(1), labels, data.num_classes)
        confusion = confusion_figure("Confusion, fine-tuned", counts, data.classes)
        constants = asdict(replace(self.settings, scratch=scratch))
        return TaskResult(
            task="recognition_supervised",
            title="Recognition, supervised",
            data={**data.describe(), "per_class_recall": recall_of(confusion)},
            protocol=data.describe_protocol(constants),
            seed=self.seed,
            headline=data.headline("balanced_accuracy", "macro_f1", "calibration_error"),
            rows=tuple(found),
            notes=("All training labels; the last epoch is taken, nothing is chosen on test.",),
            figures=(confusion,),
        )

    def _scores(self, start: Encoder, settings: FinetuneSettings) -> dict[str, Scores]:
        """End of the row's name -> (N_test, K), the plain network first."""
        data, tail = self.data, self.settings.long_tail
        model = finetune(start, data.train, data.num_classes, settings, self.seed)
        plain = predict(model, data.test, settings)
        found: dict[str, Scores] = {"": plain}
        if tail.logit_adjustment:
            # The network learned the frequencies among the crops.
            shown = data.train.labels[data.train.clip].numpy()
            prior = class_prior(shown, data.num_classes)
            found[", logit adjustment"] = adjusted_probabilities(
                plain, prior, tail.logit_adjustment
            )
        if tail.retraining_epochs:
            new = with_new_head(model, data.train, tail, settings.batch_size, self.seed)
            found[", head re-trained"] = predict(new, data.test, settings)
        return found
