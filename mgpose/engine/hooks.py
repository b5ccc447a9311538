"""Hooks of the pre-training run: plain checkpoints, probe and collapse figures."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mgpose.data.clips import ClipDataset
from mgpose.engine.checkpoint import CheckpointCard
from mgpose.evaluation.embed import embed
from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.evaluation.metrics import classification_metrics
from mgpose.evaluation.probes import knn_scores
from mgpose.objectives import effective_rank, embedding_std

# Below this spread of unit embeddings all clips look alike to the encoder.
COLLAPSED_STD = 0.05


class PlainCheckpointHook(Hook):
    """Checkpoints hold plain types, so that they load with ``weights_only=True``, and the card.

    MMEngine 0.10.7 stores its log history as objects that torch >= 2.6 refuses to load; the
    history serves only running averages in the log and is left out. The state of torch's global
    generator, which dropout draws from, is added and put back on resume.

    Args:
        card: what the checkpoint says of itself.
    """

    priority = "VERY_LOW"

    def __init__(self, card: CheckpointCard) -> None:
        self.card = card
        self._rng: torch.Tensor | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Replace what is not plain and add the card and the generator's state."""
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}
        # What remains of MMEngine's notes is what its resume reads: the others hold the work
        # folder, the time and the store's path.
        meta = checkpoint["meta"]
        checkpoint["meta"] = {key: meta[key] for key in ("epoch", "iter", "seed")}
        checkpoint["mgpose"] = self.card.as_plain()
        checkpoint["rng"] = torch.get_rng_state()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Remember the generator's state."""
        self._rng = checkpoint.get("rng")

    def before_train(self, runner: Runner) -> None:
        """Put the generator's state back, after everything else has drawn from it."""
        if self._rng is not None:
            torch.set_rng_state(self._rng.cpu())


class ProbeHook(Hook):
    """kNN probe on frozen embeddings, their spread and effective rank, on TensorBoard.

    Gallery and query are two groups of people inside train: the test part is never read. The
    labels monitor; they do not train.

    Args:
        query: clips whose embeddings are looked at.
        gallery: labelled clips of other people; None without labels, then nothing is voted on.
        interval: epochs between two probes; the last epoch is always probed.
        num_classes: K.
    """

    priority = "LOW"

    def __init__(
        self, query: ClipDataset, gallery: ClipDataset | None, interval: int, num_classes: int
    ) -> None:
        self.query, self.gallery = query, gallery
        self.interval, self.num_classes = interval, num_classes

    def before_train(self, runner: Runner) -> None:
        """The untrained encoder's figures, as the curve's first point."""
        if runner.iter == 0:
            self._probe(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Probe when due."""
        if self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner):
            self._probe(runner)

    def _probe(self, runner: Runner) -> None:
        model = getattr(runner.model, "module", runner.model)
        encoder = model.objective.encoder
        query = embed(encoder, self.query)
        scalars = {
            "probe/embedding_std": embedding_std(torch.from_numpy(query.embeddings)),
            "probe/effective_rank": effective_rank(torch.from_numpy(query.embeddings)),
        }
        if self.gallery is not None:
            scalars |= self._votes(embed(encoder, self.gallery), query)
        runner.visualizer.add_scalars(scalars, step=runner.iter)
        text = ", ".join(f"{k.removeprefix('probe/')} {v:.3f}" for k, v in scalars.items())
        runner.logger.info("probe at iteration %d: %s", runner.iter, text)
        if scalars["probe/embedding_std"] < COLLAPSED_STD:
            runner.logger.warning(
                "the embeddings have collapsed (std %.3f): lower the learning rate, raise the "
                "temperature or the batch size",
                scalars["probe/embedding_std"],
            )

    def _votes(self, gallery: EmbeddingTable, query: EmbeddingTable) -> dict[str, float]:
        scalars = {}
        for k in (1, 5):
            scores = knn_scores(
                gallery.embeddings, gallery.labels, query.embeddings, k, self.num_classes
            )
            found = classification_metrics(scores, query.labels)
            scalars[f"probe/knn{k}_top1"] = found["top1"]
            scalars[f"probe/knn{k}_balanced"] = found["balanced_accuracy"]
        return scalars


class FiniteLossHook(Hook):
    """Stops a run whose loss is no longer a number, before it spoils a checkpoint."""

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Check the loss.

        Raises:
            FloatingPointError: when the loss is NaN or infinite.
        """
        loss = float((outputs or {"loss": torch.zeros(())})["loss"].detach())
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at iteration {runner.iter}; lower the learning rate"
            )
