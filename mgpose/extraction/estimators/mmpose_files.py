"""Configs and checkpoints of MMPose: where they are, and how weights are read without trust."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import numpy as np

from mgpose.structures import InputError


def find_config(model: str, package: Path) -> Path:
    """The config at this path, or the one of this name in MMPose's package.

    Args:
        model: path, or name without ``.py``.
        package: folder of the installed MMPose.

    Raises:
        InputError: when there is none.
    """
    if model.endswith(".py") and Path(model).is_file():
        return Path(model)
    found = sorted((package / ".mim" / "configs").rglob(f"{model}.py")) if _is_name(model) else []
    if not found:
        raise InputError(
            f"--model {model or 'NAME'}: expected an MMPose config file or the name of one of "
            "MMPose's own, such as rtmw-m_8xb1024-270e_cocktail14-256x192, found none"
        )
    return found[0]


def published_checkpoint(model: str, package: Path) -> Path:
    """The checkpoint that MMPose publishes for its model of this name, downloaded if need be.

    Args:
        model: name of the config.
        package: folder of the installed MMPose.

    Raises:
        InputError: when none is published under this name, or it cannot be had.
    """
    import torch

    address = _address(model, package) if _is_name(model) else None
    if address is None:
        raise InputError(f"--model {model}: expected --checkpoint FILE with it, found none")
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rsplit("/", 1)[-1]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path), progress=False)
        except (urllib.error.URLError, OSError) as error:
            raise InputError(
                f"{address}: cannot be downloaded ({error}); bring it by --checkpoint FILE"
            ) from None
    return path


def load_weights(model: Any, path: Path) -> None:
    """Give a network the weights of a checkpoint; nothing in the file is executed.

    Args:
        model: a torch module.
        path: a checkpoint of MMEngine's, or its bare ``state_dict``.

    Raises:
        InputError: when the file is no such checkpoint, or lacks weights of this network.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            content = torch.load(path, map_location="cpu", weights_only=True)
        state = content.get("state_dict", content)
        state = {name.removeprefix("module."): value for name, value in state.items()}
        left_out = model.load_state_dict(state, strict=False).missing_keys
    except Exception as error:  # torch raises what its file readers raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: expected weights of this network (a published checkpoint holds nothing "
            f"else), found: {reason[:300]}"
        ) from None
    if left_out:
        raise InputError(
            f"{path}: expected weights of this network, found none for {len(left_out)} of its "
            f"parts, such as {left_out[0]}"
        )


def _is_name(model: str) -> bool:
    return bool(model) and all(c.isalnum() or c in "_-." for c in model)


def _address(model: str, package: Path) -> str | None:
    """Where MMPose's own index says that the weights of its model are."""
    import yaml

    index = package / ".mim" / "model-index.yml"
    for name in yaml.safe_load(index.read_text(encoding="utf-8"))["Import"]:
        text = (package / ".mim" / name).read_text(encoding="utf-8")
        for entry in yaml.safe_load(text).get("Models", []):
            if Path(entry["Config"]).stem == model:
                return str(entry["Weights"])
    return None


def _numpy_globals() -> list[Any]:
    """What the arrays in a checkpoint's ``meta`` are made of, under old numpy's names and new."""
    core = np._core.multiarray if hasattr(np, "_core") else np.core.multiarray  # type: ignore[attr-defined]
    made_by = [
        (getattr(core, maker), f"numpy.{place}.multiarray.{maker}")
        for maker in ("_reconstruct", "scalar")
        for place in ("core", "_core")
    ]
    types = {type(np.dtype(code)) for code in "?bBhHiIlLqQefdU"}
    return [np.ndarray, np.dtype, *made_by, *types]
