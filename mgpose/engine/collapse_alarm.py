"""When a pre-training has collapsed: what is judged, and how often before it counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

# The shares below lie between what healthy runs keep of the untrained encoder's figures (spread
# .6 and more, rank .75 and more, uniformity .4 and more) and what collapsed ones do (spread .2,
# rank .1 to .5, uniformity .08).
LEAST_STD = 0.05
LEAST_STD_SHARE = 0.25
LEAST_RANK_SHARE = 0.25
LEAST_UNIFORMITY_SHARE = 0.1
# A loss that learns leaves the logarithm of the number of candidates by more than half a percent
# at some step of an epoch; one crossing it on its way down scatters by several.
FLAT = 0.005


@dataclass(frozen=True)
class ProbeFigures:
    """What the alarm looks at.

    Args:
        embedding_std, effective_rank, uniformity: of the probe clips, see
            :mod:`mgpose.objectives.collapse`.
        from_chance: loss term -> root mean square, over the steps of the last epoch, of its
            relative distance from what it would be if all embeddings were alike; empty before
            the first step.
    """

    embedding_std: float
    effective_rank: float
    uniformity: float
    from_chance: Mapping[str, float] = field(default_factory=dict)


def symptoms(now: ProbeFigures, start: ProbeFigures) -> dict[str, str]:
    """Kind of symptom -> one sentence about it; empty for a healthy encoder.

    Args:
        now: the figures of this probe.
        start: those of the untrained encoder.
    """
    found = {}
    least_std = max(LEAST_STD, LEAST_STD_SHARE * start.embedding_std)
    if now.embedding_std < least_std:
        found["spread"] = (
            f"all clips get nearly the same embedding (std {now.embedding_std:.3f}, "
            f"{start.embedding_std:.3f} before training)"
        )
    if now.effective_rank < LEAST_RANK_SHARE * start.effective_rank:
        found["rank"] = (
            f"the embeddings vary in few directions (effective rank {now.effective_rank:.1f}, "
            f"{start.effective_rank:.1f} before training)"
        )
    # Uniformity is negative, and zero where all embeddings are alike.
    if now.uniformity > LEAST_UNIFORMITY_SHARE * start.uniformity:
        found["uniformity"] = (
            f"the embeddings lie in one place (uniformity {now.uniformity:.3f}, "
            f"{start.uniformity:.3f} before training)"
        )
    for term, distance in now.from_chance.items():
        if distance < FLAT:
            found[f"flat {term}"] = (
                f"{term} stays at the logarithm of the number of candidates "
                f"(within {100 * distance:.2g} %), as if it guessed"
            )
    return found


class CollapseAlarm:
    """Symptoms count when two probes in a row show some: a dip is no collapse.

    At the last epoch one probe is enough, since no later one could clear it. Probes inside the
    warm-up are not judged.

    Args:
        grace: share of the run's epochs, the warm-up, that is not judged.

    Attributes:
        start: figures of the untrained encoder, or of the first probe where that was not seen.
        suspected: whether the last probe was judged and showed symptoms.
        healthy: whether the last probe, judged or not, showed none.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.start: ProbeFigures | None = None
        self.suspected = False
        self.healthy = False

    def update(self, figures: ProbeFigures, epoch: int, epochs: int) -> dict[str, str]:
        """Take in one probe.

        Args:
            figures: what it found.
            epoch: finished epochs, 0 before training.
            epochs: of the whole run.

        Returns:
            Symptoms of a collapse, or nothing.
        """
        if self.start is None:
            self.start = figures
        found = symptoms(figures, self.start)
        self.healthy = not found
        if epoch == 0 or epoch <= self.grace * epochs:
            return {}
        sure = self.suspected or epoch >= epochs
        self.suspected = bool(found)
        return found if sure else {}

    def as_plain(self) -> dict[str, Any]:
        """State for a checkpoint: plain types only."""
        return {
            "start": asdict(self.start) if self.start else None,
            "suspected": self.suspected,
            "healthy": self.healthy,
        }

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Go on where :meth:`as_plain` was taken."""
        start = plain["start"]
        self.start = ProbeFigures(**start) if start else None
        self.suspected = bool(plain["suspected"])
        self.healthy = bool(plain["healthy"])


class ChanceDistance:
    """Collects, step by step, how far each loss term lies from chance; one epoch at a time."""

    def __init__(self) -> None:
        self._squares: dict[str, list[float]] = {}

    def clear(self) -> None:
        """Begin an epoch."""
        self._squares = {}

    def add(self, losses: Mapping[str, Tensor], chances: Mapping[str, Tensor]) -> None:
        """Take in a step: scalars by term; a term without chance, or with chance 0, is left out."""
        for term, chance in chances.items():
            if term in losses and float(chance) > 0:
                distance = float(losses[term].detach()) / float(chance) - 1
                self._squares.setdefault(term, []).append(distance**2)

    def root_mean_squares(self) -> dict[str, float]:
        """Loss term -> root mean square of the relative distance over the steps so far."""
        return {term: math.sqrt(sum(s) / len(s)) for term, s in self._squares.items()}
