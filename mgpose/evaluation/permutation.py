"""Permutation tests of labels that come in blocks, such as the videos of one person.

Labels may be permuted freely only where each could have stood anywhere. People differ in how often
they win, so a label goes with its person; and poses of one person resemble one another, so do
scores. Both together make a free permutation call chance a finding (a test here shows it).
What the design leaves exchangeable: the videos of one person among one another, and whole people
among those with equally many videos.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from mgpose.evaluation.embeddings import FloatArray, IntArray
from mgpose.evaluation.statistics import Statistic

_Item = TypeVar("_Item")


def block_permutation_p_value(
    statistic: Statistic,
    labels: IntArray,
    scores: FloatArray,
    blocks: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> float:
    """One-sided p-value of "the scores know nothing of the labels", blocks kept together.

    Every draw moves whole blocks to the places of blocks with equally many rows, and shuffles the
    labels within each block. With one row a block it is a free permutation.
    p = (1 + draws at least as good as observed) / (1 + draws), never 0. Where there are no more
    different arrangements than draws, all of them are looked at instead, the observed one among
    them, and p = share at least as good as observed: exact, and free of the seed.

    Args:
        statistic: ``(labels, scores) -> float``, higher is better.
        labels: (N,).
        scores: (N, ...) aligned with ``labels``; they stay where they are, nothing is refitted.
        blocks: N names, such as subjects.
        draws: permutations, at most.
        seed: of the permutations.

    Returns:
        p in (0, 1]; NaN where the observed statistic is NaN.

    Raises:
        ValueError: on lengths that differ, or draws below 1.

    References:
        Winkler et al., Multi-level block permutation, NeuroImage 2015. Phipson and Smyth,
        Permutation P-values should never be zero, 2010.
    """
    if not len(labels) == len(scores) == len(blocks) or draws < 1:
        raise ValueError(
            f"labels, scores and blocks must be aligned and draws >= 1, got {len(labels)}, "
            f"{len(scores)}, {len(blocks)} and {draws}"
        )
    observed = statistic(labels, scores)
    if np.isnan(observed):
        return float("nan")
    # The margin keeps permutations that give the observed value, up to rounding, on its side.
    least = observed - 1e-12
    if (count := arrangements(labels, blocks)) <= draws:
        every = _all_arrangements(labels, blocks)
        return sum(bool(statistic(permuted, scores) >= least) for permuted in every) / count
    rng = np.random.default_rng(seed)
    rows_of = _blocks_by_size(blocks)
    as_good = 0
    for _ in range(draws):
        permuted = labels.copy()
        for rows in rows_of:
            moved = labels[rows[rng.permutation(len(rows))]]
            permuted[rows] = rng.permuted(moved, axis=1)
        as_good += bool(statistic(permuted, scores) >= least)
    return (1 + as_good) / (1 + draws)


def arrangements(labels: IntArray, blocks: Sequence[str]) -> int:
    """How many label vectors the block permutation can give; 1 / this is its least p-value.

    >>> arrangements(np.array([0, 1, 1, 0]), ["a", "a", "b", "b"])
    4
    >>> arrangements(np.array([0, 0, 1, 1, 1]), ["a", "a", "b", "b", "c"])
    2
    """
    total = 1
    for rows in _blocks_by_size(blocks):
        kinds = [tuple(sorted(Counter(block).items())) for block in labels[rows].tolist()]
        total *= _multinomial(Counter(kinds).values())
        for block in labels[rows].tolist():
            total *= _multinomial(Counter(block).values())
    return total


def _multinomial(counts: Iterable[int]) -> int:
    values = list(counts)
    return math.factorial(sum(values)) // math.prod(map(math.factorial, values))


def _all_arrangements(labels: IntArray, blocks: Sequence[str]) -> Iterator[IntArray]:
    """Each label vector that :func:`arrangements` counts, once."""
    rows_of = _blocks_by_size(blocks)
    kinds = [[tuple(sorted(block)) for block in labels[rows].tolist()] for rows in rows_of]
    for placed in itertools.product(*(list(_orders(sorted(found))) for found in kinds)):
        rows = np.concatenate([rows.ravel() for rows in rows_of])
        inside = [list(_orders(block)) for blocks_of_size in placed for block in blocks_of_size]
        for filled in itertools.product(*inside):
            permuted = labels.copy()
            permuted[rows] = [label for block in filled for label in block]
            yield permuted


def _orders(items: Sequence[_Item]) -> Iterator[tuple[_Item, ...]]:
    """The different orders of sorted items, each once."""
    if not items:
        yield ()
    for i, item in enumerate(items):
        if i == 0 or item != items[i - 1]:
            for rest in _orders([*items[:i], *items[i + 1 :]]):
                yield (item, *rest)


def _blocks_by_size(blocks: Sequence[str]) -> list[IntArray]:
    """For each size m of a block: (B, m) rows of the B blocks of that size."""
    names, block_of = np.unique(np.asarray(list(blocks)), return_inverse=True)
    members = [np.flatnonzero(block_of == b) for b in range(len(names))]
    sizes = sorted({len(rows) for rows in members})
    return [np.stack([rows for rows in members if len(rows) == size]) for size in sizes]


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number: any of them below 0.05 by chance alone in 5 % of cases.

    NaN is no test and stays NaN.

    >>> [round(p, 3) for p in holm([0.01, 0.2, 0.02])]
    [0.03, 0.2, 0.04]

    Reference:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    adjusted = [float("nan")] * len(p_values)
    order = [i for i in np.argsort(p_values, kind="stable").tolist() if not np.isnan(p_values[i])]
    least = 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = least
    return adjusted
