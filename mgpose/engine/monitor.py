"""Watching a pre-training: probe of the frozen encoder, collapse figures, the alarm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mgpose.data.clips import ClipDataset
from mgpose.engine.collapse_advice import advise
from mgpose.engine.collapse_alarm import ChanceDistance, CollapseAlarm, ProbeFigures
from mgpose.engine.healthy_checkpoint import fall_back, keep_healthy
from mgpose.evaluation.embed import embed
from mgpose.evaluation.embeddings import EmbeddingTable
from mgpose.evaluation.metrics import classification_metrics
from mgpose.evaluation.probes import knn_scores
from mgpose.models.encoder import Encoder
from mgpose.objectives import alignment, effective_rank, embedding_std, uniformity
from mgpose.structures import CollapseError, InputError

# Of the two views by which alignment is measured: the same at every probe of every run.
VIEWS_SEED = 20


class ProbeHook(Hook):
    """Looks at the frozen encoder every few epochs, writes to TensorBoard, stops a collapse.

    It probes the objective's ``published_encoder``. Written at the untrained encoder, every
    ``interval`` epochs, at the last epoch, and every epoch while a collapse is suspected:

    - ``probe/knn1_top1``, ``probe/knn1_balanced``, ``probe/knn5_top1``, ``probe/knn5_balanced``:
      votes of the nearest gallery clips, top-1 and balanced accuracy; only where there are labels.
    - ``probe/embedding_std``: spread of unit embeddings, about 1 when even, 0 when collapsed.
    - ``probe/effective_rank``: directions in which the embeddings vary.
    - ``probe/alignment``: squared distance of two augmented views, 0 when they agree.
    - ``probe/uniformity``: 0 when all embeddings are alike, lower when they are spread.

    What is written at every tenth step is listed in :class:`mgpose.engine.scalars.ClearNames`.
    Gallery and query are two groups of people inside train: the test part is never read. The
    labels monitor; they do not train.

    When :class:`CollapseAlarm` finds a collapse the run ends with a :class:`CollapseError` that
    says which setting to change. Checkpoints since the last healthy probe are removed, none is
    published as final, and ``--resume`` goes on from the healthy one with the settings given
    then, a lower learning rate included; with the same settings it repeats itself bit by bit and
    ends in the same place. Where no probe after a checkpoint was healthy the run must be started
    anew.

    Args:
        query: clips whose embeddings are looked at.
        gallery: labelled clips of other people; None without labels, then nothing is voted on.
        interval: epochs between two probes; the last epoch is always probed.
        num_classes: K.
        alarm: judges the figures.
        stop: end a collapsed run; False only warns.
        settings: nested settings of the run, for the advice.

    Raises:
        InputError: for a single query clip, which has no spread.
    """

    priority = "LOW"

    def __init__(
        self,
        query: ClipDataset,
        gallery: ClipDataset | None,
        interval: int,
        num_classes: int,
        alarm: CollapseAlarm,
        stop: bool,
        settings: Mapping[str, Any],
    ) -> None:
        if len(query.spans) < 2:
            raise InputError(
                f"the probe watches the spread of {len(query.spans)} clip; it takes two or more of "
                "a person in train, or two windows where there are no labels"
            )
        self.query, self.gallery = query, gallery
        self.interval, self.num_classes = interval, num_classes
        self.alarm, self.stop, self.settings = alarm, stop, settings
        self._distance = ChanceDistance()
        self._probed_epoch = 0

    def before_run(self, runner: Runner) -> None:
        """Let the gradient norm reach this run's log."""
        # The optimiser was built before the Runner, and kept the log of whichever run came last.
        runner.optim_wrapper.message_hub = runner.message_hub

    def before_train(self, runner: Runner) -> None:
        """The untrained encoder's figures, as the curve's first point."""
        if runner.iter == 0:
            self._probe(runner, 0)

    def before_train_epoch(self, runner: Runner) -> None:
        """Keep the checkpoint that was written after a healthy probe."""
        self._distance.clear()
        if 0 < self._probed_epoch == runner.epoch and self.alarm.healthy:
            keep_healthy(Path(runner.work_dir), runner.epoch)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> None:
        """Take down how far the losses lie from chance."""
        self._distance.add(outputs or {}, getattr(_objective(runner), "chance_losses", {}))

    def after_train_epoch(self, runner: Runner) -> None:
        """Probe when due, and at once again while a collapse is suspected.

        Raises:
            CollapseError: when the run has collapsed and is to stop.
            FloatingPointError: when the encoder's weights are no longer numbers.
        """
        due = self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)
        if due or self.alarm.suspected:
            self._probe(runner, runner.epoch + 1)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """The alarm's state goes with the run."""
        checkpoint["monitor"] = {"probed_epoch": self._probed_epoch, **self.alarm.as_plain()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Go on with the alarm as it was; checkpoints of before it existed begin anew."""
        if "monitor" in checkpoint:
            self._probed_epoch = int(checkpoint["monitor"]["probed_epoch"])
            self.alarm.restore(checkpoint["monitor"])

    def _probe(self, runner: Runner, epoch: int) -> None:
        objective = _objective(runner)
        encoder = objective.published_encoder
        # The last step of an epoch can spoil the weights after a loss that was still finite.
        if not all(p.isfinite().all() for p in encoder.parameters()):
            raise FloatingPointError(
                f"weights are NaN or infinite at iteration {runner.iter}; lower the learning rate"
            )
        query = embed(encoder, self.query)
        embeddings = torch.from_numpy(query.embeddings)
        figures = ProbeFigures(
            embedding_std(embeddings),
            effective_rank(embeddings),
            uniformity(embeddings),
            self._distance.root_mean_squares(),
        )
        scalars = {
            "probe/embedding_std": figures.embedding_std,
            "probe/effective_rank": figures.effective_rank,
            "probe/alignment": alignment(*self._views(runner, encoder)),
            "probe/uniformity": figures.uniformity,
        }
        if self.gallery is not None:
            scalars |= self._votes(embed(encoder, self.gallery), query)
        runner.visualizer.add_scalars(scalars, step=runner.iter)
        text = ", ".join(f"{k.removeprefix('probe/')} {v:.3f}" for k, v in scalars.items())
        runner.logger.info("probe at iteration %d: %s", runner.iter, text)
        self._probed_epoch = epoch
        found = self.alarm.update(figures, epoch, runner.max_epochs)
        if found:
            self._report(runner, epoch, found)

    def _views(self, runner: Runner, encoder: Encoder) -> tuple[Tensor, Tensor]:
        """Embeddings of two augmented views of the query clips."""
        generator = torch.Generator().manual_seed(VIEWS_SEED)
        augmentation, clips = _model(runner).augmentation, self.query
        views = []
        for _ in range(2):
            x, mask = augmentation(clips.x, clips.mask, generator)
            view = ClipDataset(x, mask, clips.clip, clips.spans, clips.classes)
            views.append(torch.from_numpy(embed(encoder, view).embeddings))
        return views[0], views[1]

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

    def _report(self, runner: Runner, epoch: int, found: Mapping[str, str]) -> None:
        text = f"collapsed at epoch {epoch}: {'; '.join(found.values())}"
        advice = advise(found, self.settings)
        if not self.stop:
            # An error to the log, since a quiet run shows nothing less.
            runner.logger.error("%s; %s", text, advice)
            return
        # The figures that led here must be on disk: an exception would leave them in a buffer.
        runner.visualizer.close()
        healthy = fall_back(Path(runner.work_dir))
        left = (
            f"{healthy}, the last healthy checkpoint, is left and --resume goes on from it"
            if healthy
            else "no healthy checkpoint was made: start anew, without --resume"
        )
        raise CollapseError(
            f"{text}; {advice}; {left}; monitor.stop_on_collapse=False would only warn"
        )


def _model(runner: Runner) -> Any:
    """The pre-training model, out of its distributed wrapper."""
    return getattr(runner.model, "module", runner.model)


def _objective(runner: Runner) -> Any:
    return _model(runner).objective
