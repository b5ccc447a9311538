"""mgpose: skeleton-based pose-graph modelling for micro-gestures.

Floors, from the bottom: ``structures`` (numpy only), ``io``, then the siblings ``extraction``,
``data``, ``models`` and ``objectives``, then ``evaluation``, ``engine`` and ``tasks``.
Imports point down; ``tests/test_architecture.py`` holds that. :func:`load_model` and
:func:`list_models` are the door for users; they import torch only when they are called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgpose.engine.model_files import Model

__version__ = "0.1.0"


def load_model(name_or_path: str | Path) -> Model:
    """See :func:`mgpose.engine.model_files.load_model`."""
    from mgpose.engine import model_files

    return model_files.load_model(name_or_path)


def list_models() -> tuple[str, ...]:
    """See :func:`mgpose.engine.model_files.list_models`."""
    from mgpose.engine import model_files

    return model_files.list_models()
