"""Micro-gesture retrieval: for each test clip, the training clips that are most like it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.baselines import pca_features, random_retrieval_scores
from mgpose.evaluation.figures import Curve, precision_figure
from mgpose.evaluation.results import TaskResult
from mgpose.evaluation.retrieval import precision_at_k, retrieval_scores
from mgpose.models.encoder import Encoder
from mgpose.tasks.rows import Rows
from mgpose.tasks.task_data import TaskData, contenders


@dataclass(frozen=True)
class RetrievalSettings:
    """Constants of the protocol: ranks at which precision is drawn."""

    ranks: tuple[int, ...] = (1, 2, 5, 10, 20, 50)

    def __post_init__(self) -> None:
        if min(self.ranks, default=0) < 1:
            raise ValueError(f"ranks must be one or more numbers from 1, got {list(self.ranks)}")


@dataclass(frozen=True)
class Retrieval:
    """Queries are test clips, the gallery is the training part; cosine of frozen embeddings.

    Args:
        data: one fold.
        untrained: encoder of the same architecture with untrained weights.
        settings: constants of the protocol.
        seed: of the run; retrieval itself has no chance in it.
    """

    data: TaskData
    untrained: Encoder
    settings: RetrievalSettings = field(default_factory=RetrievalSettings)
    seed: int = 0

    def run(self, encoder: Encoder) -> TaskResult:
        """Compare the encoder with the untrained one and the baselines."""
        data, make = self.data, Rows(self.data, self.seed)
        query_labels, gallery_labels = data.test.labels.numpy(), data.train.labels.numpy()
        ranks = self.settings.ranks
        rows, curves = [], []
        for name, kind, query, gallery in self._spaces(encoder):
            arguments = (query, gallery, query_labels, gallery_labels)
            rows.append(make.retrieval(name, kind, *retrieval_scores(*arguments)))
            curves.append(Curve(name, kind, precision_at_k(*arguments, ranks).tolist()))
        chance = random_retrieval_scores(query_labels, gallery_labels)
        rows.append(make.retrieval("random order", "trivial", *chance))
        return TaskResult(
            task="retrieval",
            title="Retrieval",
            data=data.describe(),
            protocol=data.describe_protocol(asdict(self.settings)),
            seed=self.seed,
            headline=("r_at_1", "r_at_5", "r_at_10", "map", "ndcg", "balanced_r_at_1"),
            rows=tuple(rows),
            notes=("Query: test clips. Gallery: training clips of the same fold.",),
            figures=(precision_figure("Precision among the first k", ranks, curves),),
        )

    def _spaces(
        self, encoder: Encoder
    ) -> list[tuple[str, str, npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        data, spaces = self.data, []
        for contender in contenders(encoder, self.untrained):
            gallery, query = data.embeddings(contender.encoder)
            spaces.append((contender.name, contender.kind, query.embeddings, gallery.embeddings))
        known, asked = pca_features(data.raw_train()[0], data.raw_test())
        return [*spaces, ("PCA of keypoints", "classical", asked, known)]
