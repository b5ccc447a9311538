"""From embeddings to a flat map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mgpose.evaluation.embeddings import FloatArray
from mgpose.evaluation.retrieval import unit_rows


def tsne_points(
    embeddings: FloatArray, seed: int = 0, perplexity: float = 30.0
) -> npt.NDArray[np.float32]:
    """(N, 2) t-SNE map of embeddings by their direction; for looking at, never for measuring.

    Args:
        embeddings: (N, D), N at least 4. Cost grows as N log N (1,000 points took 3 s on 2 cores),
            so draw a sample of a large set first.
        seed: of the start.
        perplexity: about how many neighbours count; at most a third of N is used.

    Raises:
        ValueError: on fewer than 4 rows or values that are not finite.

    Reference:
        van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 2008.
    """
    from sklearn.manifold import TSNE

    if len(embeddings) < 4:
        raise ValueError(f"a map needs at least 4 embeddings, got {len(embeddings)}")
    # A random start works for collapsed embeddings too, whose principal components are zero.
    tsne = TSNE(perplexity=min(perplexity, len(embeddings) / 3), init="random", random_state=seed)
    return np.asarray(tsne.fit_transform(unit_rows(embeddings)), dtype=np.float32)
