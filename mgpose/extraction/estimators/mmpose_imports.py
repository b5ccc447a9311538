"""Imports MMPose where its compiled companions are missing."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from mgpose.structures import InputError


@cache
def import_mmpose() -> Any:
    """The module ``mmpose.apis``.

    MMPose imports the compiled operators of torchvision and mmcv, of which whole-body networks use
    none. Where torchvision is built for CUDA and torch is not, or mmcv is the one without
    operators, stand-ins take their place; where the real ones work, they stay.

    Raises:
        InputError: when it cannot be imported.
    """
    # Threads of torch that wait by spinning take the cores from the other workers; torch reads this
    # when it is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        _stand_in_for_torchvision()
        _stand_in_for_mmcv()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its age: MMPose uses what others have deprecated
            import mmpose.apis
    except (ImportError, AssertionError, RuntimeError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"MMPose cannot be imported ({reason}); mend it with: bash tools/install_mmpose.sh"
        ) from error
    return mmpose.apis


def _stand_in_for_torchvision() -> None:
    """Declare the two operators that torchvision's Python code describes to torch's compiler."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("No module named 'torchvision'")
    try:
        torch.ops.load_library(  # type: ignore[no-untyped-call]
            str(Path(spec.origin).parent / "_C.so")
        )
    except OSError:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )


def _stand_in_for_mmcv() -> None:
    """Put a module in the place of mmcv's operators whose functions raise when called."""
    if importlib.util.find_spec("mmcv._ext") is not None:
        return

    def operator(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: Any, **__: Any) -> None:
            raise InputError(f"this network needs mmcv's operator {name}: install the full mmcv")

        return missing

    stand_in = ModuleType("mmcv._ext")
    stand_in.__spec__ = ModuleSpec("mmcv._ext", None)  # mmengine asks for it
    stand_in.__getattr__ = operator  # type: ignore[method-assign]
    sys.modules["mmcv._ext"] = stand_in
