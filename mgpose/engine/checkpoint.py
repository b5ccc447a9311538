"""Checkpoints that hold plain types only, and the encoder read back from one.

A checkpoint is a ``.pth`` file that loads with ``weights_only=True``: MMEngine's training state
and, under ``mgpose``, what rebuilds the encoder: skeleton, arguments, clip settings, and the videos
that pre-training saw, with their people and sources.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mgpose.data.clips import ClipSettings
from mgpose.data.leakage import Footage
from mgpose.models import Encoder, build_encoder
from mgpose.structures import InputError, Skeleton, skeleton_by_name

CHECKPOINT_VERSION = 3
_READABLE = (2, 3)  # version 2 has no subjects, sources and sets
_LISTS = ("keypoints", "videos", "without", "subjects", "sources", "sets")
_ENCODER_PREFIX = "objective.teacher.encoder."


@dataclass(frozen=True)
class CheckpointCard:
    """What a checkpoint says of itself.

    Args:
        skeleton, keypoints: name of the layout and its keypoint names in order.
        size, patch, dropout, architecture, without: arguments of
            :func:`mgpose.models.build_encoder`.
        clip: arguments of :class:`ClipSettings`.
        data, protocol, fold: what it was pre-trained on.
        videos: ids of the videos that pre-training saw.
        seed: of the run.
        subjects, sources, sets: for each of ``videos`` its person, the SHA-256 of its source file
            (both "" where not known) and the name of its set; empty where not recorded.

    Raises:
        ValueError: when these three are neither empty nor one for each video.
    """

    skeleton: str
    keypoints: tuple[str, ...]
    size: str
    patch: int
    dropout: float
    clip: Mapping[str, Any]
    data: str
    protocol: str
    fold: str
    videos: tuple[str, ...]
    seed: int
    architecture: str = "pose_graph_transformer"
    without: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("subjects", "sources", "sets"):
            if len(getattr(self, name)) not in (0, len(self.videos)):
                raise ValueError(
                    f"expected {name} of {len(self.videos)} videos, got {len(getattr(self, name))}"
                )

    def seen(self) -> list[Footage]:
        """The videos that pre-training saw, for the leakage guard."""
        unknown = ("",) * len(self.videos)
        return [
            Footage(*columns)
            for columns in zip(
                self.videos,
                self.subjects or unknown,
                self.sources or unknown,
                self.sets or (self.data,) * len(self.videos),
                strict=True,
            )
        ]

    def as_plain(self) -> dict[str, Any]:
        """Lists, numbers and strings only."""
        plain = asdict(self)
        for name in _LISTS:
            plain[name] = list(plain[name])
        plain["version"] = CHECKPOINT_VERSION
        return plain

    def fresh_encoder(self, seed: int = 0) -> Encoder:
        """The same encoder with untrained weights."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            frames = ClipSettings(**self.clip).frames
            return build_encoder(
                skeleton_by_name(self.skeleton),
                self.size,
                frames,
                self.patch,
                self.dropout,
                self.architecture,
                self.without,
            )


def load_encoder(path: str | Path) -> tuple[Encoder, CheckpointCard]:
    """The pre-trained encoder of a checkpoint, in evaluation mode, and its card.

    Raises:
        InputError: when the file is missing, not a checkpoint of mgpose, of another version, or
            made for another layout than the one of that name here.
    """
    content = read_checkpoint(path)
    card = _card(content["mgpose"], path)
    try:
        encoder = card.fresh_encoder()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: its encoder cannot be rebuilt: {error}") from error
    state = {
        key.removeprefix(_ENCODER_PREFIX): value
        for key, value in content["state_dict"].items()
        if key.startswith(_ENCODER_PREFIX)
    }
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: the weights do not fit the encoder: {reason}") from error
    return encoder.eval(), card


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The raw content; nothing but tensors and plain types is unpickled.

    Raises:
        InputError: when the file is missing or holds anything else.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: expected a checkpoint file, found nothing")
    try:
        with warnings.catch_warnings():
            # Of files that are not ours only; the error below is the one line that is wanted.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # On foreign bytes torch's restricted unpickler fails in any way; the cause stays attached.
        # Its message advises to unpickle anything, so that only its kind is passed on.
        raise InputError(
            f"{path}: expected a checkpoint written by tools/train.py, found a file that does not "
            f"load as one ({type(error).__name__})"
        ) from error
    if not (
        isinstance(content, dict)
        and isinstance(content.get("state_dict"), dict)
        and "mgpose" in content
    ):
        raise InputError(f"{path}: expected a checkpoint written by tools/train.py")
    return content


def _card(plain: Any, path: str | Path) -> CheckpointCard:
    version = plain.get("version") if isinstance(plain, dict) else None
    if version not in _READABLE:
        raise InputError(
            f"{path}: expected checkpoint version {CHECKPOINT_VERSION}, found {version}"
        )
    fields = {key: value for key, value in plain.items() if key != "version"}
    try:
        for name in _LISTS:
            if version == CHECKPOINT_VERSION or name in fields:
                fields[name] = tuple(fields[name])
        card = CheckpointCard(**fields)
        skeleton = skeleton_by_name(card.skeleton)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: what it says of itself cannot be read: {error}") from error
    check_layout(card, skeleton, path)
    return card


def check_layout(card: CheckpointCard, skeleton: Skeleton, path: str | Path) -> None:
    """Refuse a checkpoint whose keypoints are not those of ``skeleton``.

    Raises:
        InputError: naming both layouts.
    """
    if card.skeleton != skeleton.name or card.keypoints != skeleton.keypoints:
        raise InputError(
            f"{path}: made for layout {card.skeleton!r} with {len(card.keypoints)} keypoints, "
            f"but the data are in {skeleton.name!r} with {len(skeleton)}; use a checkpoint of "
            "that layout"
        )
