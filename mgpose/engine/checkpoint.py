"""Checkpoints that hold plain types only, and the encoder read back from one.

A checkpoint is a ``.pth`` file that loads with ``weights_only=True``: MMEngine's training state
and, under ``mgpose``, what rebuilds the encoder: skeleton, arguments, clip settings, and the videos
that pre-training saw, with their people and sources.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mgpose.data.clips import ClipSettings
from mgpose.data.folds import DataSettings
from mgpose.data.leakage import NOT_KNOWN, Footage
from mgpose.models import Encoder, build_encoder
from mgpose.structures import InputError, Skeleton, skeleton_by_name

CHECKPOINT_VERSION = 4  # the encoders of earlier versions had other layers
_ENCODER_PREFIX = "objective.teacher.encoder."
# Fields with a value for each video, and those of them that may identify a person or a file.
_ROWS = ("videos", "subjects", "sources", "sets")
_IDS = ("videos", "subjects", "sources")
_LISTS = frozenset({"keypoints", "without", "trained_on", *_ROWS})


@dataclass(frozen=True)
class TrainingSet:
    """A set that pre-training read: its name, protocol and licence, and whether it is synthetic."""

    name: str
    protocol: str
    licence: str = ""
    synthetic: bool = False

    @classmethod
    def of(cls, data: DataSettings) -> TrainingSet:
        """As the config has it."""
        return cls(data.name, data.protocol, data.licence, data.synthetic)


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
        trained_on: every set that it was pre-trained on; empty where that was not recorded.
        clips: number of training clips, 0 where that was not recorded.

    In a shared model ``videos``, ``subjects`` and ``fold``, which may name a person, and
    ``sources``, which may point to a public file, are hashed by :func:`hash_id`.

    Raises:
        ValueError: when subjects, sources or sets are neither empty nor one for each video.
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
    trained_on: tuple[TrainingSet, ...] = ()
    clips: int = 0

    def __post_init__(self) -> None:
        for name in _ROWS:
            if len(getattr(self, name)) not in (0, len(self.videos)):
                raise ValueError(
                    f"expected {name} of {len(self.videos)} videos, got {len(getattr(self, name))}"
                )
        # As read back from plain types.
        sets = (s if isinstance(s, TrainingSet) else TrainingSet(**s) for s in self.trained_on)
        object.__setattr__(self, "trained_on", tuple(sets))

    def seen(self) -> list[Footage]:
        """The videos that pre-training saw, for the leakage guard.

        Of a shared model take :meth:`revealed` first: hashed ids equal no plain ones.
        """
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

    @property
    def known_sets(self) -> tuple[TrainingSet, ...]:
        """``trained_on``, or the one set that is known where that was not recorded."""
        return self.trained_on or (TrainingSet(self.data, self.protocol),)

    def hashed(self, salt: str) -> CheckpointCard:
        """Without plain ids, in an order that says nothing about them."""
        columns = {
            name: [hash_id(value, salt) if name in _IDS else value for value in values]
            for name in _ROWS
            if (values := getattr(self, name))
        }
        order = sorted(range(len(self.videos)), key=lambda i: columns["videos"][i])
        rows: dict[str, Any] = {
            name: tuple(values[i] for i in order) for name, values in columns.items()
        }
        return replace(self, fold=hash_id(self.fold, salt), **rows)

    def revealed(self, names: Iterable[str]) -> CheckpointCard:
        """The hashed ids of these names in plain, so that they can be compared; others stay."""
        columns = {name: getattr(self, name) for name in _IDS}
        hashed = {v for values in columns.values() for v in values if _is_hashed(v)}
        salts = {value.split(":")[1] for value in hashed}
        # A hashed name among them would stand for itself, in the place of the plain one.
        asked = {name for name in names if not _is_hashed(name)}
        plain = {hash_id(name, salt): name for salt in salts for name in asked}
        rows: dict[str, Any] = {
            name: tuple(plain.get(v, v) for v in values) for name, values in columns.items()
        }
        return replace(self, **rows)

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
    card = read_card(content["mgpose"], path)
    state = {
        key.removeprefix(_ENCODER_PREFIX): value
        for key, value in content["state_dict"].items()
        if key.startswith(_ENCODER_PREFIX)
    }
    return encoder_with(state, card, path), card


def encoder_with(state: Mapping[str, Any], card: CheckpointCard, path: str | Path) -> Encoder:
    """The card's encoder with these weights, in evaluation mode.

    Args:
        state: of the encoder alone.
        card: rebuilds it.
        path: of the file, for the message.

    Raises:
        InputError: when it cannot be rebuilt or the weights are not its own.
    """
    try:
        encoder = card.fresh_encoder()
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: its encoder cannot be rebuilt: {error}") from error
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{path}: the weights do not fit the encoder: {reason}") from error
    return encoder.eval()


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


def hash_id(name: str, salt: str) -> str:
    """``sha256:<salt>:<128 bits of SHA-256 of salt and id>``.

    What is hashed already stays, and so does what stands for "not known", which the guard counts.

    Whether an id is known can be asked, not which are known. That hides names from readers; who
    can guess an id can still test the guess.
    """
    if name in NOT_KNOWN or _is_hashed(name):
        return name
    digest = hashlib.sha256(f"{salt}/{name}".encode()).hexdigest()
    return f"sha256:{salt}:{digest[:32]}"


def _is_hashed(name: str) -> bool:
    return re.fullmatch(r"sha256:[0-9a-f]+:[0-9a-f]{32}", name) is not None


def read_card(plain: Any, path: str | Path) -> CheckpointCard:
    """A card from what :meth:`CheckpointCard.as_plain` gave.

    Raises:
        InputError: for another version, missing or unknown fields, or a layout that is another
            one here.
    """
    version = plain.get("version") if isinstance(plain, dict) else None
    if version != CHECKPOINT_VERSION:
        raise InputError(
            f"{path}: expected checkpoint version {CHECKPOINT_VERSION}, found {version}"
        )
    fields = {key: value for key, value in plain.items() if key != "version"}
    try:
        missing = set(_ROWS) - fields.keys()
        if missing:
            raise KeyError(", ".join(sorted(missing)))
        for name in _LISTS & fields.keys():
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
