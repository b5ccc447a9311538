"""A progress bar in place of MMEngine's log."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm


class ProgressHook(Hook):
    """A bar over all iterations, with the loss.

    Args:
        title: in front of the bar.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._bar: Any = None

    def before_train(self, runner: Runner) -> None:
        """Open the bar where the run stands."""
        self._bar = tqdm(
            total=runner.max_iters, initial=runner.iter, desc=f"train {self.title}", unit="step"
        )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Move on by one."""
        self._bar.update()
        if outputs is not None:
            self._bar.set_postfix(loss=f"{float(outputs['loss'].detach()):.2f}", refresh=False)

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self._bar.close()
