"""From a checkpoint to files that can be handed on: weights, description, model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mgpose.data.clips import ClipSettings
from mgpose.engine.checkpoint import CheckpointCard, TrainingSet
from mgpose.engine.model_card import model_card
from mgpose.engine.model_files import SUFFIX, Model, load_model, pack_model, unpack_model
from mgpose.evaluation.results import read_results
from mgpose.io.atomic import publish, write_text
from mgpose.models import Encoder
from mgpose.structures import InputError

# Relative error of an embedding that float16 weights may cost.
MOST_ROUNDING = 1e-2


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Args:
        weights, description, card: the three files.
        size: bytes of the weights.
        rounding: largest relative error of an embedding on random clips, against the checkpoint.
    """

    weights: Path
    description: Path
    card: Path
    size: int
    rounding: float


def export_model(
    checkpoint: str | Path,
    name: str,
    out: str | Path,
    results: Sequence[str | Path] = (),
    licences: Mapping[str, str] | None = None,
    largest: float = 8.0,
) -> Exported:
    """Write ``NAME.safetensors``, ``NAME.json`` and ``NAME.md``.

    Args:
        checkpoint: of ``tools/train.py``, or an exported model.
        name: of the model: letters, digits, ``-`` and ``_``.
        out: folder, made where it is missing.
        results: results files measured with this encoder, for the model card.
        licences: training set -> licence, where the checkpoint does not say it. A checkpoint that
            does not record its sets takes the sets from here as well.
        largest: most megabytes (10^6 bytes) of the weights.

    Raises:
        InputError: for a checkpoint or results file that cannot be used or do not belong together,
            a training set without a licence, or weights that are too large.
    """
    encoder, card = load_model(checkpoint)
    card = replace(card, trained_on=_with_licences(card, licences or {}, checkpoint))
    files = pack_model(name, encoder, card)
    megabytes = len(files.weights) / 1e6
    if megabytes >= largest:
        raise InputError(
            f"{checkpoint}: expected weights under {largest:g} MB, found {megabytes:.1f} MB; "
            "export a smaller size, or say --largest"
        )
    loaded = unpack_model(files, checkpoint)
    rounding = rounding_error(encoder, loaded)
    if not rounding <= MOST_ROUNDING:
        raise InputError(
            f"{checkpoint}: float16 weights change an embedding by {rounding:.2g} of its length, "
            f"expected {MOST_ROUNDING:g} at most; it was trained with weights of too wide a range"
        )
    found = [(path, result) for path in results for result in read_results(path).values()]
    text = model_card(files, loaded.card, found)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"{name}{SUFFIX}"
    partial = weights.with_name(f"{weights.name}.partial")
    try:
        partial.write_bytes(files.weights)
        publish(partial, weights)
    finally:
        partial.unlink(missing_ok=True)
    write_text(folder / f"{name}.json", files.description_text)
    write_text(folder / f"{name}.md", text)
    return Exported(
        weights, folder / f"{name}.json", folder / f"{name}.md", len(files.weights), rounding
    )


def rounding_error(encoder: Encoder, loaded: Model, clips: int = 8) -> float:
    """Largest distance of two encoders' embeddings, relative to the first one's length.

    Args:
        encoder: the original, in evaluation mode.
        loaded: the rounded one.
        clips: random ones, the same in each call.
    """
    frames = ClipSettings(**loaded.card.clip).frames
    skeleton, generator = encoder.skeleton, torch.Generator().manual_seed(0)
    shape = (clips, frames, len(skeleton), skeleton.dims + 1)
    x = torch.randn(shape, generator=generator)
    mask = torch.rand(shape[:3], generator=generator) < 0.8
    with torch.no_grad():
        before, after = encoder(x, mask), loaded.encoder(x, mask)
    return float(((before - after).norm(dim=1) / before.norm(dim=1)).max())


def _with_licences(
    card: CheckpointCard, given: Mapping[str, str], path: str | Path
) -> tuple[TrainingSet, ...]:
    """The training sets, each with its licence.

    Raises:
        InputError: when one has none, or a licence is given for a set that it was not trained on.
    """
    sets = card.known_sets
    if not card.trained_on:
        # A checkpoint of before sets were recorded knows its first one only.
        others = [TrainingSet(name, "not recorded") for name in given if name != card.data]
        sets = (*sets, *others)
    names = [one.name for one in sets]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise InputError(f"{path}: trained on {', '.join(names)}, not on {', '.join(unknown)}")
    sets = tuple(replace(one, licence=given.get(one.name, one.licence)) for one in sets)
    missing = [one.name for one in sets if not one.licence]
    if missing:
        raise InputError(
            f"{path}: expected the licence of every training set, found none for "
            f"{', '.join(missing)}; say --licence '{missing[0]}=TEXT'"
        )
    return sets
