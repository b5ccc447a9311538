"""``KEY=VALUE`` arguments of the command line."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from mgpose.structures import InputError


def parse_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Dotted key -> value; a value is a Python literal, or else a string.

    Raises:
        InputError: for an argument without ``=``.

    >>> parse_options(["schedule.epochs=2", "data.fold=p01", "data.tuning=True"])
    {'schedule.epochs': 2, 'data.fold': 'p01', 'data.tuning': True}
    """
    options = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise InputError(f"--cfg-options: expected KEY=VALUE, got {pair!r}")
        options[key] = _literal(text)
    return options


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
