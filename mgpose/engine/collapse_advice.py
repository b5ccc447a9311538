"""Which setting to change after a collapse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Key of the settings -> the range in which published recipes lie (with AdamW and a momentum
# encoder): MoCo v3, DINO, SimCLR, and the skeleton recipes that follow them.
USUAL = {
    "schedule.learning_rate": (1e-5, 3e-3),
    "objective.temperature": (0.03, 0.5),
    "objective.momentum": (0.9, 0.9999),
    "schedule.batch_size": (16, 1 << 16),
    "augment.crop": (0.2, 1.0),
    "augment.drop_keypoint": (0.0, 0.5),
    "augment.drop_part": (0.0, 0.5),
    "augment.jitter": (0.0, 0.05),
}

# Kind of symptom -> what helps, the likeliest first, where every setting lies in its usual range.
_REMEDIES = {
    "spread": (
        ("lower", "schedule.learning_rate"),
        ("raise", "objective.momentum"),
        ("raise", "schedule.batch_size"),
    ),
    "uniformity": (
        ("lower", "schedule.learning_rate"),
        ("lower", "objective.temperature"),
        ("raise", "schedule.batch_size"),
    ),
    "rank": (
        ("lower", "schedule.learning_rate"),
        ("raise", "schedule.batch_size"),
        ("lower", "augment.drop_part"),
    ),
    "flat": (
        ("lower", "objective.temperature"),
        ("raise", "augment.crop"),
        ("lower", "augment.drop_part"),
        ("lower", "schedule.learning_rate"),
    ),
}


def advise(kinds: Iterable[str], settings: Mapping[str, Any]) -> str:
    """One clause: settings outside their usual range if there are any, else what usually helps.

    Args:
        kinds: of the symptoms, the first one leads; ``"flat <term>"`` counts as ``"flat"``.
        settings: nested settings of the run; a key that a run does not have is not named.
    """
    values = {key: _value(settings, key) for key in USUAL}
    known = {key: value for key, value in values.items() if value is not None}
    odd = [
        f"{'lower' if value > high else 'raise'} {key} (now {value:g}, usually "
        f"{f'{high:g} at most' if value > high else f'{low:g} at least'})"
        for key, value in known.items()
        for low, high in [USUAL[key]]
        if not low <= value <= high
    ]
    if odd:
        return " and ".join(odd)
    first = next(iter(kinds)).split()[0]
    usual = [f"{verb} {key} (now {known[key]:g})" for verb, key in _REMEDIES[first] if key in known]
    return ", or ".join(usual)


def _value(settings: Mapping[str, Any], key: str) -> float | None:
    section, name = key.split(".")
    value = settings.get(section, {}).get(name)
    return None if value is None else float(value)
