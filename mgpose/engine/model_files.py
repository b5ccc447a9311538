"""Models that are handed on: weights and card in two plain files, loaded by name or by path.

``NAME.safetensors`` holds the encoder's tensors under their names, floating ones as float16.
``NAME.json`` rebuilds the encoder and says what it was trained on::

    {"format": "mgpose-model/1", "name": NAME, "mgpose": version,
     "card": {CheckpointCard; videos, subjects, sources and fold as salted SHA-256},
     "weights": {"bytes", "sha256" of the file, "fingerprint" of the weights, "parameters"},
     "sha256": of all of the above}

Nothing in them is run, and the same encoder gives the same bytes. Checksums find damage and
careless changes, not forgery.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from mgpose import __version__
from mgpose.engine.checkpoint import (
    CheckpointCard,
    encoder_with,
    load_encoder,
    read_card,
)
from mgpose.models import Encoder
from mgpose.structures import InputError

FORMAT = "mgpose-model/1"
SUFFIX = ".safetensors"
# Package data; absent as long as no model is shipped.
SHIPPED = Path(__file__).resolve().parents[1] / "weights"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LARGEST_CARD = 16_000_000
# A field of the card that stands in neither is not written: whoever adds one has to decide.
_SHARED = frozenset(
    {
        *("skeleton", "keypoints", "architecture", "size", "patch", "dropout", "without", "clip"),
        *("data", "protocol", "sets", "trained_on", "clips", "seed"),
    }
)
_HASHED = frozenset({"videos", "subjects", "sources", "fold"})


class Model(NamedTuple):
    """An encoder in evaluation mode, float32, and what it says of itself."""

    encoder: Encoder
    card: CheckpointCard


@dataclass(frozen=True)
class ModelFiles:
    """The content of the two files.

    Args:
        weights: bytes of ``NAME.safetensors``.
        description: content of ``NAME.json``.
    """

    weights: bytes
    description: Mapping[str, Any]

    @property
    def description_text(self) -> str:
        """The text of ``NAME.json``."""
        return json.dumps(self.description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def list_models() -> tuple[str, ...]:
    """Names of the shipped models, sorted; empty where none is shipped."""
    return tuple(sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}")))


def load_model(name_or_path: str | Path) -> Model:
    """A shipped model by its name, or an exported model or a checkpoint by its path.

    Args:
        name_or_path: one of :func:`list_models`, a ``.safetensors`` file with its ``.json`` beside
            it, or a checkpoint of ``tools/train.py``.

    Raises:
        InputError: for an unknown name, listing the known ones; for a file that is missing,
            damaged, changed, or not written by mgpose.
    """
    text = str(name_or_path)
    if _NAME.fullmatch(text):
        known = list_models()
        if text in known:
            return read_model(SHIPPED / f"{text}{SUFFIX}")
        if not Path(text).exists():
            raise InputError(
                f"{text}: expected a shipped model or the path of a model file, found neither; "
                f"shipped: {', '.join(known) or 'none'}"
            )
    if text.endswith(SUFFIX):
        return read_model(Path(text))
    return Model(*load_encoder(text))


def pack_model(name: str, encoder: Encoder, card: CheckpointCard) -> ModelFiles:
    """What is written for an encoder.

    Args:
        name: letters, digits, ``-`` and ``_``.
        encoder: of the card.
        card: of its checkpoint, or of a model that was loaded from a file like these.

    Raises:
        InputError: for another name, or weights that float16 cannot hold.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"name {name!r}: expected letters, digits, '-' and '_' only")
    tensors = half_precision(encoder.state_dict())
    fingerprint = weights_fingerprint(tensors)
    weights = save_tensors(tensors, metadata={"format": FORMAT})
    description = {
        "format": FORMAT,
        "name": name,
        "mgpose": __version__,
        "card": _shared_card(card, fingerprint[:16]).as_plain(),
        "weights": {
            "bytes": len(weights),
            "sha256": hashlib.sha256(weights).hexdigest(),
            "fingerprint": fingerprint,
            "parameters": sum(p.numel() for p in encoder.parameters()),
        },
    }
    return ModelFiles(weights, {**description, "sha256": _digest(description)})


def unpack_model(files: ModelFiles, path: str | Path) -> Model:
    """The model from the content of its files.

    Args:
        files: as :func:`pack_model` made them, or as they were read.
        path: of the weights, for messages.

    Raises:
        InputError: when they are damaged, changed, or not of this format.
    """
    described = files.description
    found = described.get("format")
    if found != FORMAT:
        raise InputError(f"{path}: expected the format {FORMAT!r} in its .json, found {found!r}")
    rest = {key: value for key, value in described.items() if key != "sha256"}
    if described.get("sha256") != _digest(rest):
        raise InputError(
            f"{path}: the .json beside it was changed or damaged (its checksum does not fit); "
            "take the file as it was exported"
        )
    try:
        expected = (described["weights"]["bytes"], described["weights"]["sha256"])
        plain_card = described["card"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: the .json beside it lacks {error}") from error
    actual = (len(files.weights), hashlib.sha256(files.weights).hexdigest())
    if actual != expected:
        raise InputError(
            f"{path}: changed or damaged: expected {expected[0]} bytes with SHA-256 "
            f"{expected[1]}, found {actual[0]} with {actual[1]}; take both files from one export"
        )
    try:
        tensors = load_tensors(files.weights)
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file: {error}") from error
    card = read_card(plain_card, path)
    state = {key: t.float() if t.is_floating_point() else t for key, t in tensors.items()}
    return Model(encoder_with(state, card, path), card)


def read_model(path: Path) -> Model:
    """An exported model from its two files.

    Raises:
        InputError: when one is missing, damaged, changed, or not of this format.
    """
    description = path.with_suffix(".json")
    if not path.is_file():
        raise InputError(f"{path}: expected a model file, found nothing")
    if not description.is_file():
        raise InputError(f"{path}: expected {description.name} beside it, found nothing; copy both")
    if description.stat().st_size > _LARGEST_CARD:
        raise InputError(f"{description}: expected a model's description, found a far larger file")
    try:
        described = json.loads(description.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{description}: expected JSON: {error}") from error
    if not isinstance(described, dict):
        raise InputError(f"{description}: expected a JSON object, found {type(described).__name__}")
    return unpack_model(ModelFiles(path.read_bytes(), described), path)


def half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every floating tensor as float16, the others as they are; copies on the CPU.

    Raises:
        InputError: for a weight that is no number or too large for float16.
    """
    halved = {}
    for key, value in state.items():
        plain = value.detach().cpu().contiguous().clone()
        halved[key] = plain.half() if plain.is_floating_point() else plain
        if not torch.isfinite(halved[key]).all():
            largest = torch.finfo(torch.float16).max
            raise InputError(
                f"weight {key}: expected finite numbers up to {largest:.0f}, found up to "
                f"{plain.abs().max():g}; a diverged training cannot be exported"
            )
    return halved


def weights_fingerprint(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes and float16 values: the same before and after an export."""
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        plain = value.detach().cpu().contiguous()
        plain = plain.half() if plain.is_floating_point() else plain
        digest.update(f"{key} {tuple(plain.shape)} {plain.dtype}\n".encode())
        digest.update(plain.numpy().tobytes())
    return digest.hexdigest()


def _shared_card(card: CheckpointCard, salt: str) -> CheckpointCard:
    """The card without plain ids."""
    undecided = {f.name for f in fields(card)} - _SHARED - _HASHED
    if undecided:
        raise TypeError(f"fields of the card that are neither shared nor hashed: {undecided}")
    return card.hashed(salt)


def _digest(description: Mapping[str, Any]) -> str:
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
