"""Hooks of the pre-training run: plain checkpoints, and a loss that is a number."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mgpose.engine.checkpoint import CheckpointCard


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
        """Remember the generator's state; follow a learning rate that was changed since."""
        self._rng = checkpoint.get("rng")
        if "optimizer" in checkpoint:
            _follow_learning_rate(runner, checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Put the generator's state back, after everything else has drawn from it."""
        if self._rng is not None:
            torch.set_rng_state(self._rng.cpu())


def _follow_learning_rate(runner: Runner, checkpoint: dict[str, Any]) -> None:
    """Scale the saved optimiser and schedules to the settings' learning rate.

    Without this a resumed run would go on at the old rate without a word: both save it. Every
    schedule in use is proportional to the rate, so that one factor does.
    """
    saved = checkpoint["optimizer"]
    # MMEngine's wrapper shows the base settings as one more group behind the others.
    groups = [*saved["param_groups"], saved["base_param_settings"]]
    wanted = [group["initial_lr"] for group in runner.optim_wrapper.param_groups]
    factors = [w / group["initial_lr"] for w, group in zip(wanted, groups, strict=True)]
    if all(factor == 1 for factor in factors):
        return
    runner.logger.warning(
        "resumed with another learning rate: %g instead of %g", wanted[0], groups[0]["initial_lr"]
    )
    for group, factor in zip(groups, factors, strict=True):
        group["lr"] *= factor
        group["initial_lr"] *= factor
    for schedule in checkpoint["param_schedulers"]:
        for key in ("base_values", "_last_value"):
            schedule[key] = [v * f for v, f in zip(schedule[key], factors, strict=True)]


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
