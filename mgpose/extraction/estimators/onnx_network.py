"""Networks in ``.onnx`` files, on ONNX Runtime."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgpose.extraction.estimators.top_down import thread_count
from mgpose.structures import InputError

FloatArray = npt.NDArray[np.floating[Any]]

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# A StringStringEntryProto whose key is "location": where a tensor that is kept outside of the
# model's file lies, relative to it (ONNX, external data).
_LOCATION = re.compile(rb"\n\x08location\x12([\x01-\x7f])")


class OnnxNetwork:
    """A network of one picture input (N, 3, H, W).

    Args:
        path: the file.
        device: ``"cpu"``, ``"cuda"`` or ``"openvino"``; empty for the first.

    Attributes:
        path: the file.
        size: (width, height) of the input, None where it takes any.

    Raises:
        InputError: when the file is no such network, or the device is not there.
    """

    def __init__(self, path: Path, device: str = "") -> None:
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        provider = _provider(device or "cpu", onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count()
        # Waiting threads that spin take the cores from the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=[provider]
            )
        except Exception as error:  # the library's errors share no base class
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: expected an ONNX network, found: {reason}") from None
        if provider not in self._session.get_providers():
            raise InputError(f"--device {device}: ONNX Runtime has it, but could not start it here")
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] != 3:
            found = ", ".join(f"{i.name} {i.shape}" for i in inputs)
            raise InputError(f"{path}: expected one input (N, 3, height, width), found {found}")
        self.path = path
        self._input = inputs[0].name
        batch, _, height, width = inputs[0].shape
        self._batch = batch if isinstance(batch, int) else None
        sized = isinstance(height, int) and isinstance(width, int)
        self.size: tuple[int, int] | None = (width, height) if sized else None

    def run(self, pixels: npt.NDArray[np.float32]) -> list[FloatArray]:
        """Every output, in the file's order, for pictures (N, 3, H, W); N is free, for a network
        that was exported for a fixed number is run as often as it takes.
        """
        if self._batch is None:
            outputs: list[FloatArray] = self._session.run(None, {self._input: pixels})
            return outputs
        missing = -len(pixels) % self._batch
        padded = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
        parts = [
            self._session.run(None, {self._input: part})
            for part in np.split(padded, len(padded) // self._batch)
        ]
        return [np.concatenate(output)[: len(pixels)] for output in zip(*parts, strict=True)]


@lru_cache(maxsize=4)
def open_network(path: Path, device: str, sha256: str) -> OnnxNetwork:
    """The network, opened once a process; ``sha256`` tells a file that was replaced."""
    return OnnxNetwork(path, device)


def require_onnx(path: str, option: str) -> tuple[Path, str]:
    """The network's file and its SHA-256, after a look at what can be seen without opening it.

    Raises:
        InputError: when ONNX Runtime or the file is missing.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise InputError(
            "networks in .onnx files need the package onnxruntime, found none; install it with: "
            "pip install onnxruntime (or onnxruntime-gpu, onnxruntime-openvino)"
        )
    file = Path(path)
    if not path or not file.is_file():
        raise InputError(f"{option} {path or 'FILE'}: expected an .onnx file, found none")
    return file, onnx_sha256(file)


def runtime_version() -> str:
    """Release of the installed ONNX Runtime, whichever of its packages it came with."""
    import onnxruntime

    return str(onnxruntime.__version__)


def onnx_sha256(path: Path) -> str:
    """Hash of the file, followed by the files in which it keeps tensors, in the order of names.

    Raises:
        InputError: when one of those is missing.
    """
    stat = path.stat()
    return _onnx_sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _onnx_sha256(path: Path, size: int, changed: int) -> str:
    content = path.read_bytes()
    digest = hashlib.sha256(content)
    places = {
        content[found.end() : found.end() + found[1][0]] for found in _LOCATION.finditer(content)
    }
    for name in sorted(places):
        part = path.parent / name.decode()
        if not part.is_file():
            raise InputError(f"{path}: expected its weights in {part.name} beside it, found none")
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _provider(device: str, available: list[str]) -> str:
    here = [name for name, provider in _PROVIDERS.items() if provider in available]
    if device not in here:
        raise InputError(
            f"--device {device}: expected one that the installed ONNX Runtime has "
            f"({', '.join(here)}); cuda needs onnxruntime-gpu, openvino onnxruntime-openvino"
        )
    return _PROVIDERS[device]
