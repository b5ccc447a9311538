"""Names of what training writes to TensorBoard at every tenth step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.runner import LogProcessor, Runner

_NAMES = {
    "lr": "train/learning_rate",
    "grad_norm": "train/gradient_norm",
    "memory": "train/memory_megabytes",
}
# The step itself, and the rate of the first parameter group a second time.
_DOUBLES = {"iter", "base_lr"}


class ClearNames(LogProcessor):
    """MMEngine's log line as it is; its scalars under names that say what they are.

    ``loss/total`` and ``loss/<term>`` (means over ten steps), ``train/learning_rate`` (of the
    first parameter group), ``train/gradient_norm`` (before clipping), ``train/clips_per_second``
    (loading counted, probes and checkpoints not), ``train/loading_share`` (of a step's time),
    ``train/epoch``, on a GPU ``train/memory_megabytes``. What else an objective logs stands under
    ``train/``.

    Args:
        clips: of a batch.
    """

    def __init__(self, clips: int) -> None:
        super().__init__()
        self.clips = clips

    def get_log_after_iter(
        self, runner: Runner, batch_idx: int, mode: str
    ) -> tuple[dict[str, Any], str]:
        """Scalars and the line of text."""
        scalars, text = super().get_log_after_iter(runner, batch_idx, mode)
        return clear_names(scalars, self.clips), text


def clear_names(scalars: Mapping[str, Any], clips: int) -> dict[str, Any]:
    """MMEngine's scalars of a step under clear names, times turned into throughput."""
    named: dict[str, Any] = {}
    for name, value in scalars.items():
        if name == "loss":
            named["loss/total"] = value
        elif name.startswith("loss_"):
            named[f"loss/{name.removeprefix('loss_')}"] = value
        elif name == "time":
            named["train/clips_per_second"] = clips / value
        elif name == "data_time":
            named["train/loading_share"] = value / scalars["time"]
        elif name not in _DOUBLES:
            named[_NAMES.get(name, f"train/{name}")] = value
    return named
