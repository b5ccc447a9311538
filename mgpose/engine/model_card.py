"""The model card: what a model is for, what it was trained on, what was measured, and privacy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mgpose.engine.checkpoint import CheckpointCard
from mgpose.engine.model_files import ModelFiles
from mgpose.evaluation.results import TaskResult
from mgpose.evaluation.table import format_table
from mgpose.structures import InputError

_USE = """## Intended use

Research on micro-gestures and other small body movements: embeddings of short clips of keypoints, \
as a start for fine-tuning, for retrieval, and for comparison.

**Not for diagnosing persons, not for surveillance.** It does not tell what a person feels, thinks \
or suffers from, nor who a person is, and must not be used to judge applicants, employees, pupils, \
suspects or patients. Inferring emotions at work and in education is banned by the EU AI Act."""

_PRIVACY = """## Privacy

- It was trained on keypoints. No pixels, no sound and no names are in the files.
- As far as we know no face and no clip can be rebuilt from the weights; this was not attacked \
systematically.
- The ids of the training videos and their people, the checksums of the source files, and the \
name of the fold, are salted SHA-256 hashes. They let the evaluation refuse a test on training \
videos or training people. Which videos show the same person can be seen. Who can guess an id, \
such as s01, can test the guess.
- Poses can identify people by proportions and by the way they move, so embeddings of poses may \
too: they are pose-only, not anonymous."""

_NOT_MEASURED = (
    "- How well people can be told apart by these embeddings was not measured for this card."
)


def model_card(
    files: ModelFiles,
    card: CheckpointCard,
    results: Sequence[tuple[str | Path, TaskResult]],
) -> str:
    """The Markdown text of ``NAME.md``.

    Args:
        files: of the model.
        card: of the model, with a licence for every training set.
        results: what was measured with this model, each with its file; empty for nothing.

    Raises:
        InputError: when the results are of another encoder.
    """
    described = files.description
    weights = described["weights"]
    for source, result in results:
        _check_same_encoder(result, card, weights["fingerprint"], source)
    tasks = {result.task for _, result in results}
    synthetic = [one.name for one in card.trained_on if one.synthetic]
    some = "Trained on" if len(synthetic) == len(card.trained_on) else "Trained, among others, on"
    sections = [
        f"# {described['name']}",
        f"An encoder of mgpose {described['mgpose']}: from clips of keypoints to embeddings."
        + (f" {some} **synthetic** data: {', '.join(synthetic)}." if synthetic else ""),
        f"```python\nimport mgpose\n\nencoder, card = mgpose.load_model("
        f'"{described["name"]}")  # or the path of {described["name"]}.safetensors\n```',
        _USE,
        _facts(card, weights),
        _training(card),
        _measured([result for _, result in results]),
        _PRIVACY + ("" if "identity" in tasks else f"\n{_NOT_MEASURED}"),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(card: CheckpointCard, weights: Mapping[str, Any]) -> str:
    without = f", without {', '.join(card.without)}" if card.without else ""
    clip = ", ".join(f"{key} {value}" for key, value in card.clip.items())
    rows = {
        "architecture": f"{card.architecture}, size {card.size}{without}",
        "parameters": f"{weights['parameters']:,}",
        "weights": f"float16, {weights['bytes'] / 1e6:.2f} MB, computed in float32",
        "layout": f"{card.skeleton}, {len(card.keypoints)} keypoints",
        "clip": f"{clip}; a token is {card.patch} frames",
        "SHA-256 of the weights": f"`{weights['sha256']}`",
    }
    return _table("## The model", ("", ""), list(rows.items()))


def _training(card: CheckpointCard) -> str:
    rows = [
        (one.name + (" (synthetic)" if one.synthetic else ""), one.protocol, one.licence)
        for one in card.trained_on
    ]
    table = _table("## Training data", ("set", "protocol, its train part", "licence"), rows)
    clips = f"{card.clips:,} clips" if card.clips else "clips: number not recorded"
    videos = f"{len(card.videos):,} videos"
    return f"{table}\n\n{videos}, {clips}, seed {card.seed}. No label was trained on."


def _measured(results: Sequence[TaskResult]) -> str:
    if not results:
        return "## Measured\n\nNothing was measured for this card."
    blocks = ["## Measured", "Percent; `*` marks the best of each column."]
    for result in results:
        effort = result.protocol.get("effort", "full")
        if effort != "full":
            blocks.append(f"Protocol of effort '{effort}', not the full one:")
        if max(map(len, _encoders(result))) > 1:
            blocks.append("Mean over pre-trainings of several seeds, of which this model is one:")
        if not all(one.get("weights") for each in _encoders(result) for one in each):
            blocks.append(
                "The results file does not name the weights; it agrees with this model in sets, "
                "protocol, size and seed:"
            )
        # Notes are free text, which may name videos.
        blocks.append(f"```\n{format_table(replace(result, notes=()))}\n```")
    return "\n\n".join(blocks)


def _encoders(result: TaskResult) -> list[list[Mapping[str, Any]]]:
    """What a result says of its encoders: for each of its folds one, or one for each seed."""
    found = result.protocol.get("pretraining") or {}
    folds = [found] if found.keys() & {"data", "checkpoints"} else list(found.values())
    return [fold.get("checkpoints", [fold]) for fold in folds]


def _check_same_encoder(
    result: TaskResult, card: CheckpointCard, fingerprint: str, source: str | Path
) -> None:
    said = _encoders(result)
    if not said:
        raise InputError(f"{source}: {result.task} does not say which encoder it measured")
    ours = {
        "data": card.data,
        "protocol": card.protocol,
        "videos": len(card.videos),
        "architecture": card.architecture,
        "size": card.size,
        "seed": card.seed,
        "weights": fingerprint,
    }
    for encoders in said:
        differences = [
            {k: v for k, v in one.items() if k in ours and v != ours[k]} for one in encoders
        ]
        if all(differences):
            differs = min(differences, key=len)
            raise InputError(
                f"{source}: {result.task} measured another encoder: {differs}, this one is "
                f"{ {k: ours[k] for k in differs} }; evaluate this checkpoint first"
            )


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in lines)])
