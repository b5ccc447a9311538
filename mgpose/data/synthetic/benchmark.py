"""How fast the corpus is made and stored."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator

from mgpose.data.synthetic.corpus import SyntheticCorpus
from mgpose.data.synthetic.write import write_synthetic


def benchmark_synthetic(rounds: int = 3, workers: int = 2) -> Iterator[float]:
    """Frames a minute that reach a store whole, starting the processes included.

    Args:
        rounds: corpora of 432,000 frames, each written to a temporary folder.
        workers: processes.

    Yields:
        A figure a round.
    """
    for seed in range(rounds):
        corpus = SyntheticCorpus(seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            write_synthetic(corpus, folder, workers)
            yield 60 * len(corpus) * corpus.frames / (time.monotonic() - began)
