"""Pickles of strangers, read without running anything that they name.

A pickle is a program. This reader admits NumPy arrays, scalars and dtypes of plain numbers and
text, and plain containers; the functions that such pickles name are replaced by small ones of our
own, which check what they are given, and every other name is refused before it is looked up.

Before the program runs its instructions are read once: those that could load classes, extensions
or persistent objects are refused, and so is a nesting that would exhaust the stack. What the
replacements make may not exceed a small multiple of the file, so that a few bytes cannot ask for
gigabytes.

Reference: Python's ``pickletools``, which documents every instruction.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import numpy as np

from mgpose.structures import InputError

MAX_BYTES = 16 * 2**30
_DEEPEST = 100  # containers inside one another; real pickles have about ten
_GROWTH = 4  # bytes that the replacements may make for each byte of the file
_SMALL = 2**20  # and this many besides
_DTYPE = re.compile(r"[<>=|]?(?:[biufc](?:1|2|4|8|16)|[SU]\d{1,6}|\?|b1)")
_REFUSED = {
    "INST": "makes an object of a class",
    "OBJ": "makes an object of a class",
    "NEWOBJ": "makes an object of a class",
    "NEWOBJ_EX": "makes an object of a class",
    "EXT1": "uses the extension registry",
    "EXT2": "uses the extension registry",
    "EXT4": "uses the extension registry",
    "PERSID": "refers to a persistent object outside of the file",
    "BINPERSID": "refers to a persistent object outside of the file",
    "NEXT_BUFFER": "refers to a buffer outside of the file",
    "READONLY_BUFFER": "refers to a buffer outside of the file",
}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_FILL = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def load_pickle(path: Path) -> Any:
    """What a pickle file holds: plain containers of plain values and NumPy arrays.

    Raises:
        InputError: naming what the pickle asks for and must not have, or that it is damaged.
    """
    try:
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise InputError(f"{path}: expected a pickle of 1 to {MAX_BYTES} bytes, found {size}")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            _check_instructions(path, view)
            view.seek(0)
            return _Unpickler(path, view, _GROWTH * size + _SMALL).load()
    except InputError:
        raise
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: expected a whole pickle of plain data; {reason}") from error


def _check_instructions(path: Path, file: mmap.mmap) -> None:
    """Read the program without running it, following how deep each object on its stack nests.

    Raises:
        InputError: for an instruction that plain data do not need, or too deep a nesting.
        ValueError, LookupError: for a damaged program.
    """
    stack: list[int] = []
    marks: list[int] = []
    memo = bytearray()
    for instruction, argument, position in pickletools.genops(cast(IO[bytes], file)):
        name = instruction.name
        if name in _REFUSED:
            _refuse(path, f"it {_REFUSED[name]} (instruction {name} at byte {position})")
        elif name == "MARK":
            marks.append(len(stack))
        elif name in _GET:
            stack.append(memo[_place(argument)])
        elif name in _PUT or name == "MEMOIZE":
            place = len(memo) if name == "MEMOIZE" else _place(argument)
            # Every pickler numbers without gaps; a gap would be a table as large as one likes.
            if place > len(memo):
                raise ValueError(f"memo place {place} where {len(memo)} is the next")
            memo[place : place + 1] = bytes((stack[-1],))
        else:
            _apply(instruction, stack, marks)
            if stack and stack[-1] > _DEEPEST:
                _refuse(path, f"it nests deeper than {_DEEPEST} containers (byte {position})")


def _apply(instruction: pickletools.OpcodeInfo, stack: list[int], marks: list[int]) -> None:
    """Replace what an instruction takes from the stack by what it leaves there."""
    before, after = instruction.stack_before, instruction.stack_after
    if pickletools.markobject in before:
        start = marks.pop() - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
    if start < 0:
        raise ValueError(f"instruction {instruction.name} finds an empty stack")
    taken = stack[start:]
    if instruction.name in _FILL:  # a container that grows nests no deeper than what it takes
        depth = max(taken[0], max(taken[1:], default=-1) + 1)
    else:
        depth = max(taken, default=-1) + 1
    stack[start:] = [depth] * len(after)


def _place(argument: Any) -> int:
    place = int(argument)
    if place < 0:
        raise ValueError(f"memo place {place}")
    return place


def _refuse(path: Path, what: str) -> NoReturn:
    raise InputError(f"{path}: this pickle is refused, {what}; only arrays and containers are read")


class _Name:
    """Stands for a class that pickles name and never call."""

    __slots__ = ()


class _Function:
    """A replacement that a pickle may call; it has no attributes that a pickle could change."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError("the state of a function is not plain data")


class _DType:
    """A dtype on its way: a code such as ``f4`` and, as the state, its byte order."""

    __slots__ = ("_real",)

    def __init__(self, code: Any, *_flags: Any) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise ValueError(f"it has an array of {code!r}, not of plain numbers or text")
        self._real = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        _version, order, subtype, names, fields, *_sizes = state
        if (subtype, names, fields) != (None, None, None) or order not in ("<", ">", "|", "="):
            raise ValueError("it has an array of a compound type, not of plain numbers or text")
        self._real = self._real.newbyteorder(order)

    @property
    def real(self) -> np.dtype[Any]:
        return self._real


class _Array(np.ndarray[Any, Any]):
    """An array that checks the data which the pickle gives it."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType) or not isinstance(data, (bytes, str)):
            raise ValueError("it has an array of objects, not of plain numbers or text")
        # Python 2 wrote the bytes as text.
        raw = data.encode("latin-1") if isinstance(data, str) else data
        checked: Any = (1, _shape(shape), dtype.real, bool(fortran), raw)
        super().__setstate__(checked)


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(not isinstance(size, int) or size < 0 for size in sizes):
        raise ValueError(f"array shape {shape!r}")
    return sizes


class _Unpickler(pickle.Unpickler):
    """Looks up names in a table of its own, never in a module."""

    def __init__(self, path: Path, file: mmap.mmap, budget: int) -> None:
        super().__init__(file, encoding="latin-1")
        self._path, self._left = path, budget
        self._names: dict[tuple[str, str], object] = {
            ("numpy", "ndarray"): _Name(),
            ("numpy", "dtype"): _Function(_DType),
            ("_codecs", "encode"): _Function(self._encode),
            ("collections", "OrderedDict"): _Function(dict),
        }
        for core in ("numpy.core", "numpy._core"):
            self._names[f"{core}.multiarray", "_reconstruct"] = _Function(self._reconstruct)
            self._names[f"{core}.multiarray", "scalar"] = _Function(self._scalar)
            self._names[f"{core}.numeric", "_frombuffer"] = _Function(self._frombuffer)
        for builtins in ("builtins", "__builtin__"):
            self._names[builtins, "set"] = _Function(set)
            self._names[builtins, "frozenset"] = _Function(frozenset)
            self._names[builtins, "complex"] = _Function(complex)
            self._names[builtins, "bytes"] = _Function(self._bytes)
            self._names[builtins, "bytearray"] = _Function(self._bytearray)

    def find_class(self, module: str, name: str) -> Any:
        """The replacement of a name.

        Raises:
            InputError: for every name that is not in the table; nothing is imported.
        """
        if (module, name) not in self._names:
            _refuse(self._path, f"it asks for {module}.{name}")
        return self._names[module, name]

    def persistent_load(self, pid: object) -> NoReturn:
        """Refuse; the instructions were refused before, this is the second lock."""
        _refuse(self._path, "it refers to a persistent object outside of the file")

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            _refuse(self._path, "it asks for far more memory than it has bytes")

    def _reconstruct(self, kind: Any, shape: Any, code: Any) -> _Array:
        if not isinstance(kind, _Name) or shape != (0,) or code not in (b"b", "b"):
            raise ValueError("an array is not made as NumPy makes it")
        return _Array((0,), "b")

    def _scalar(self, dtype: Any, data: Any = b"") -> Any:
        raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)
        self._spend(len(raw))
        return np.frombuffer(raw, dtype.real, count=1)[0]

    def _frombuffer(self, data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
        if order not in ("C", "F"):
            raise ValueError(f"array order {order!r}")
        return np.frombuffer(data, dtype.real).reshape(_shape(shape), order=order)

    def _encode(self, text: Any, encoding: Any = "latin-1") -> bytes:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise ValueError(f"bytes written as text in {encoding!r}")
        self._spend(len(text))
        return text.encode("latin-1")

    def _bytes(self, *nothing: Any) -> bytes:
        if nothing:
            raise ValueError("bytes are not made as pickle makes them")
        return b""

    def _bytearray(self, data: Any = b"", *encoding: Any) -> bytearray:
        raw = self._encode(data, *encoding) if isinstance(data, str) else data
        if not isinstance(raw, (bytes, bytearray)):
            raise ValueError("a bytearray is not made as pickle makes it")
        self._spend(len(raw))
        return bytearray(raw)
