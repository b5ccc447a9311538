"""From an MMEngine config to typed settings; a mistyped key ends here in one line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mmengine.config import Config

from mgpose.data.augment import AugmentSettings
from mgpose.data.folds import DataSettings
from mgpose.models import Encoder, build_encoder, check_choice
from mgpose.objectives import ObjectiveSettings
from mgpose.structures import InputError, Skeleton

T = TypeVar("T")


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder: arguments of :func:`mgpose.models.build_encoder`.

    Raises:
        ValueError: for names that it does not know.
    """

    architecture: str = "pose_graph_transformer"
    size: str = "small"
    patch: int = 8
    dropout: float = 0.0
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self.size, self.architecture, self.without)

    def build(self, skeleton: Skeleton, frames: int) -> Encoder:
        """The encoder, for clips of ``frames`` frames.

        Raises:
            ValueError: for arguments that do not fit together.
        """
        return build_encoder(
            skeleton,
            self.size,
            frames,
            self.patch,
            self.dropout,
            self.architecture,
            self.without,
        )


@dataclass(frozen=True)
class ViewSettings:
    """What the student sees besides the two global views that ``augment`` describes.

    Args:
        local: number of local views, short crops; 0 for none.
        local_crop, local_crop_most: shortest and longest share of the clip that they keep.
    """

    local: int = 2
    local_crop: float = 0.25
    local_crop_most: float = 0.5

    def __post_init__(self) -> None:
        if self.local < 0 or not 0 < self.local_crop <= self.local_crop_most <= 1:
            raise ValueError(
                f"expected local >= 0 and 0 < local_crop <= local_crop_most <= 1, got {self}"
            )


@dataclass(frozen=True)
class SamplingSettings:
    """Which windows an epoch sees.

    Args:
        quality: weigh by pose quality, motion and balance; False draws uniformly.
        samples: windows an epoch, 0 for all.
        clips: windows that training sees at all, drawn once, the same whatever the seed and the
            first of a longer draw; 0 for all. For studies of scale.
        one_set: every batch is of one set, where several are trained on (``further``).
    """

    quality: bool = True
    samples: int = 0
    clips: int = 0
    one_set: bool = False

    def __post_init__(self) -> None:
        if self.samples < 0 or self.clips < 0:
            raise ValueError(f"samples and clips must be 0 or more, got {self}")


@dataclass(frozen=True)
class ScheduleSettings:
    """Optimisation: AdamW, linear warm-up, cosine decay to zero, the last epoch taken.

    Args:
        epochs: passes over the windows.
        batch_size: windows of a step.
        learning_rate, weight_decay, clip_grad: of AdamW; the largest norm of a gradient.
        warmup: share of the steps.
        layer_decay: factor of the learning rate from one layer of the encoder to the one below.
        start_from: an encoder of the same kind to go on from: a file, the name of a shipped model,
            or a work folder of the same folds; "" for none.
        checkpoint_interval: epochs.
        threads: torch's CPU threads, 0 for its own choice.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip_grad: float = 1.0
    layer_decay: float = 1.0
    start_from: str = ""
    checkpoint_interval: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        # A batch of one has neither other clips to contrast with nor batch statistics.
        if self.epochs < 1 or self.batch_size < 2 or self.checkpoint_interval < 1:
            raise ValueError(
                "expected epochs >= 1, batch_size >= 2, checkpoint_interval >= 1; got "
                f"{self.epochs}, {self.batch_size}, {self.checkpoint_interval}"
            )
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.clip_grad <= 0:
            raise ValueError(
                "expected learning_rate > 0, weight_decay >= 0, clip_grad > 0; got "
                f"{self.learning_rate}, {self.weight_decay}, {self.clip_grad}"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of the steps in [0, 1), got {self.warmup}")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay must lie in (0, 1], got {self.layer_decay}")


@dataclass(frozen=True)
class MonitorSettings:
    """kNN probe and collapse figures during training.

    Args:
        interval: epochs between two probes.
        clips: most clips on each side of the probe.
        stop_on_collapse: end the run when two probes in a row show a collapse; False only warns.
    """

    interval: int = 5
    clips: int = 512
    stop_on_collapse: bool = True

    def __post_init__(self) -> None:
        # Spread is a matter of two clips at least.
        if self.interval < 1 or self.clips < 2:
            raise ValueError(
                f"expected interval >= 1, clips >= 2; got {self.interval}, {self.clips}"
            )


@dataclass(frozen=True)
class PretrainSettings:
    """A whole pre-training experiment.

    Args:
        data: the set whose protocol has the folds, and which is monitored.
        further: sets whose train parts join, of the same layout; their protocols have one fold.
    """

    data: DataSettings
    further: tuple[DataSettings, ...] = ()
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    views: ViewSettings = field(default_factory=ViewSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    seed: int = 0


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a config file and override single values; names that begin with ``_`` stay inside it.

    Args:
        path: a Python config of MMEngine.
        options: dotted key -> value, as of ``--cfg-options``.

    Raises:
        InputError: when the file is missing or is not a config.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: expected a config file, found nothing")
    try:
        config = Config.fromfile(str(path))
        config.merge_from_dict(dict(options or {}))
    except Exception as error:
        # MMEngine runs the file, so that anything can come out of it; the cause stays attached.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path}: not a usable config: {reason[0]}") from error
    return {key: value for key, value in config.to_dict().items() if not key.startswith("_")}


def read_settings(kind: type[T], values: Mapping[str, Any], where: str = "config") -> T:
    """Build a settings dataclass from nested mappings, checking every key and plain type.

    Raises:
        InputError: naming the first key that is unknown (with the nearest known one), missing or
            of a wrong type.
    """
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            raise InputError(f"{where}: unknown key {key!r}{hint}")
        arguments[key] = _value(hints[key], value, f"{where}.{key}")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is UnionType:
        # "settings or None": a section that may be left out.
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a section (dict), got {value!r}")
        return read_settings(hint, value, where)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: expected a list, got {value!r}")
        item = get_args(hint)[0]
        return tuple(_value(item, each, f"{where}[{i}]") for i, each in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise InputError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value
