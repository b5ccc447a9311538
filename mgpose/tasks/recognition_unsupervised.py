"""Micro-gesture recognition, unsupervised: what a frozen encoder knows without labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.baselines import TrivialPredictor, pca_features
from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.evaluation.figures import Figure, confusion_figure, map_figure
from mgpose.evaluation.metrics import confusion_counts
from mgpose.evaluation.probes import kmeans_assignments, knn_scores, linear_probe_scores
from mgpose.evaluation.projection import tsne_points
from mgpose.evaluation.results import ResultRow, TaskResult
from mgpose.models.encoder import Encoder
from mgpose.tasks.rows import Rows
from mgpose.tasks.task_data import TaskData, contenders

MAP_POINTS = 1000


@dataclass(frozen=True)
class UnsupervisedSettings:
    """Constants of the protocol.

    Args:
        probe_epochs: of the linear probe.
        neighbours: k of the kNN probes.
        mirror: probes and neighbours, of encoders and baselines alike, also learn from the mirror
            images of the training clips. Wrong where a class differs from another by its side only.
        map: draw the t-SNE map of the test embeddings.
    """

    probe_epochs: int = 100
    neighbours: tuple[int, ...] = (1, 5, 20)
    mirror: bool = False
    map: bool = True

    def __post_init__(self) -> None:
        if min(self.neighbours, default=1) < 1:
            raise ValueError(f"neighbours must be at least 1, got {list(self.neighbours)}")


@dataclass(frozen=True)
class RecognitionUnsupervised:
    """Linear probe, kNN and clustering of frozen embeddings.

    Args:
        data: one fold.
        untrained: encoder of the same architecture with untrained weights.
        settings: constants of the protocol.
        seed: of probes, clustering and maps.
    """

    data: TaskData
    untrained: Encoder
    settings: UnsupervisedSettings = field(default_factory=UnsupervisedSettings)
    seed: int = 0

    def run(self, encoder: Encoder) -> TaskResult:
        """Compare the encoder with the untrained one and the baselines."""
        data, rows, figures = self.data, [], []
        make = Rows(data, self.seed)
        for contender in contenders(encoder, self.untrained):
            train, test = data.embeddings(contender.encoder)
            for name, scores in self._probes(contender.encoder, train, test).items():
                row = make.recognition(f"{contender.name}, {name}", contender.kind, scores)
                rows.append(row)
                if contender.kind == "pretrained" and name == "linear probe":
                    figures.append(self._confusion(scores, test.labels))
            clusters = kmeans_assignments(test.embeddings, data.num_classes, self.seed)
            rows.append(make.clustering(f"{contender.name}, k-means", contender.kind, clusters))
            if contender.kind == "pretrained" and self.settings.map:
                figures.append(self._map(test))
        rows += self._baselines(make)
        return TaskResult(
            task="recognition_unsupervised",
            title="Recognition, unsupervised",
            data=data.describe(),
            protocol=data.describe_protocol(asdict(self.settings)),
            seed=self.seed,
            headline=data.headline(
                "balanced_accuracy",
                "macro_f1",
                "calibration_error",
                "hungarian_accuracy",
                "nmi",
                "ari",
            ),
            rows=tuple(rows),
            notes=(
                "Encoders are frozen and saw no label; probes are trained on the training part"
                + (", and on its mirror images." if self.settings.mirror else "."),
            ),
            figures=tuple(figures),
        )

    def _probes(
        self, encoder: Encoder, train: EmbeddingTable, test: EmbeddingTable
    ) -> dict[str, npt.NDArray[np.floating]]:
        known, labels = train.embeddings, train.labels
        if self.settings.mirror:
            other = self.data.mirrored_embeddings(encoder)
            known = np.concatenate([known, other.embeddings])
            labels = np.concatenate([labels, other.labels])
        scores = {"linear probe": self._linear(known, labels, test.embeddings)}
        for k in self.settings.neighbours:
            scores[f"{k}-NN"] = knn_scores(known, labels, test.embeddings, k, self.data.num_classes)
        return scores

    def _linear(
        self,
        known: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64],
        asked: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.floating]:
        epochs, classes = self.settings.probe_epochs, self.data.num_classes
        return linear_probe_scores(known, labels, asked, classes, epochs, self.seed)

    def _baselines(self, make: Rows) -> list[ResultRow]:
        data = self.data
        labels = data.train_whole.labels.numpy()
        raw = data.raw_train()
        trivial = TrivialPredictor.fit(labels, data.num_classes).scores(len(data.raw_test()))
        if self.settings.mirror:
            known, labels = np.concatenate(raw), np.concatenate([labels, labels])
        else:
            known = raw[0]
        train, test = pca_features(known, data.raw_test())
        nearest = knn_scores(train, labels, test, 1, data.num_classes)
        return [
            make.recognition("PCA + SVM with mirror", "classical", data.pca_svm(), False),
            make.recognition("PCA, linear probe", "classical", self._linear(train, labels, test)),
            make.recognition("PCA, 1-NN", "classical", nearest),
            make.recognition("majority class", "trivial", trivial),
        ]

    def _confusion(self, scores: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> Figure:
        counts = confusion_counts(scores.argmax(1), labels, self.data.num_classes)
        return confusion_figure("Confusion, linear probe", counts, self.data.classes)

    def _map(self, test: EmbeddingTable) -> Figure:
        step = max(1, len(test) // MAP_POINTS)
        chosen = test.subset(np.arange(0, len(test), step))
        points = tsne_points(chosen.embeddings, self.seed)
        return map_figure("Map of test embeddings", points, chosen.labels, self.data.classes)
