"""Pickles of strangers: plain data come back, all else is refused before it is called."""

import copyreg
import os
import pickle
import pickletools
import struct
import subprocess
import sys
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mgpose.io.importers.restricted_pickle import load_pickle
from mgpose.structures import InputError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = {
    "array": np.arange(6, dtype=np.float32).reshape(2, 3),
    "transposed": np.arange(6, dtype=np.int16).reshape(2, 3).T,
    "none": np.zeros((0, 17, 2), np.float16),
    "text": np.array(["hello", "no"]),
    "flag": np.array([True, False]),
    "scalars": [np.float64(0.5), np.int64(-3), np.bool_(True), np.float32(2)],
    "numbers": (1, 2**70, -1.5, 2j, None, True),
    "sets": [{1, 2}, frozenset({"a"})],
    "bytes": [b"", b"\x00\xff", bytearray(b"xy")],
    "ordered": OrderedDict(b=1, a=2),
}


@pytest.fixture
def load(tmp_path):
    def load(content: bytes):
        path = tmp_path / "poses.pkl"
        path.write_bytes(content)
        return load_pickle(path)

    return load


def assert_same(a, b):
    if isinstance(b, np.ndarray):
        assert a.shape == b.shape
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=")
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b
        assert type(a) is type(b) or isinstance(b, OrderedDict)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("spelling", [b"numpy.core", b"numpy._core"])
def test_plain_data_come_back(load, protocol, spelling):
    content = pickle.dumps(PLAIN, protocol)
    other = b"numpy._core" if spelling == b"numpy.core" else b"numpy.core"
    if protocol < 4:  # names are lines there, so that NumPy 1's and 2's are exchanged by a replace
        content = content.replace(other, spelling)
    found = load(content)
    assert found.keys() == PLAIN.keys()
    for name, value in PLAIN.items():
        assert_same(found[name], value)


def test_both_spellings_of_new_protocols_come_back(load):
    arrays = {"a": np.arange(5.0), "b": np.float32(1)}
    for protocol in (4, 5):
        content = pickle.dumps(arrays, protocol)
        names = {a for o, a, _ in pickletools.genops(content) if isinstance(a, str)}
        ours = next(n for n in names if n.startswith("numpy.") and "core" in n)
        other = (
            ours.replace("._core", ".core") if "._core" in ours else ours.replace("core", "_core")
        )
        written = struct.pack("<B", len(ours)) + ours.encode()
        exchanged = content.replace(written, struct.pack("<B", len(other)) + other.encode())
        assert exchanged != content
        # The frame's length counts the bytes of its names.
        if protocol >= 4:
            size = len(exchanged) - 2 - 9
            exchanged = exchanged[:3] + struct.pack("<Q", size) + exchanged[11:]
        assert_same(load(exchanged)["a"], arrays["a"])


def test_an_array_of_python_2_comes_back(load):
    content = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\n"
        b"tcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"U\x08\x00\x00\x80?\x00\x00\x00@tb."
    )
    np.testing.assert_array_equal(load(content), np.array([1, 2], np.float32))


@given(
    array=npst.arrays(
        dtype=st.one_of(
            npst.floating_dtypes(sizes=(16, 32, 64)),
            npst.integer_dtypes(),
            npst.unsigned_integer_dtypes(),
            npst.boolean_dtypes(),
            npst.unicode_string_dtypes(max_len=4),
        ),
        shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    protocol=st.sampled_from(PROTOCOLS),
)
@settings(max_examples=80, deadline=None)
def test_any_plain_array_comes_back(array, protocol, tmp_path_factory):
    path = tmp_path_factory.mktemp("pickle") / "array.pkl"
    path.write_bytes(pickle.dumps([array, (array, array)], protocol))
    found = load_pickle(path)
    assert_same(np.asarray(found[0]), array)
    assert_same(np.asarray(found[1][1]), array)


class Calls:
    """Pickles as a call of anything with anything."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def touch(path):
    path.touch()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_call_is_made(load, tmp_path, protocol):
    trace = tmp_path / "trace"
    for payload, name in (
        (Calls(os.system, f"touch {trace}"), "system"),
        (Calls(eval, f"open({str(trace)!r}, 'w')"), "eval"),
        (Calls(exec, f"open({str(trace)!r}, 'w')"), "exec"),
        (Calls(open, str(trace), "w"), "open"),
        (Calls(getattr, np, "fromfile"), "getattr"),
        (Calls(subprocess.Popen, ["touch", str(trace)]), "Popen"),
        (Calls(np.fromfile, str(trace)), "fromfile"),
    ):
        try:
            content = pickle.dumps({"annotations": [payload]}, protocol)
        except TypeError:  # modules cannot be pickled: the chain below does it by name
            continue
        with pytest.raises(InputError, match=rf"asks for [\w.]*\.{name};") as caught:
            load(content)
        assert "\n" not in str(caught.value)
        assert not trace.exists()


GLOBALS = (
    b"cos\nsystem\n(S'true'\ntR.",
    b"cposix\nsystem\n(S'true'\ntR.",
    b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR.",
    b"c__builtin__\neval\n(S'1'\ntR.",
    b"cnumpy\nload\n(S'x'\ntR.",
    b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
    b"cfunctools\npartial\n(tR.",
    b"coperator\nattrgetter\n(S'x'\ntR.",
    b"ccodecs\ndecode\n(tR.",
    b"c_codecs\ndecode\n(tR.",
    # Attributes of what is admitted are reached by a dotted name from protocol 4 on.
    b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
    b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93.",
    b"\x80\x04\x8c\x08builtins\x8c\x0bset.__mro__\x93.",
)


@pytest.mark.parametrize("content", GLOBALS)
def test_names_are_refused_before_they_are_looked_up(load, content):
    with pytest.raises(InputError, match="it asks for"):
        load(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"(S'true'\nios\nsystem\n.", "makes an object of a class"),
        (b"(cos\nsystem\nS'true'\no.", "makes an object of a class"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "makes an object of a class"),
        (b"\x80\x04cnumpy\nndarray\n)}\x92.", "makes an object of a class"),
        (b"Pid\n.", "persistent"),
        (b"\x80\x02K\x01Q.", "persistent"),
        (b"\x80\x05\x97.", "outside of the file"),
        (b"\x80\x02\x82\xf0.", "extension registry"),
    ],
)
def test_instructions_that_plain_data_do_not_need_are_refused(load, content, why):
    with pytest.raises(InputError, match=why):
        load(content)


def test_the_extension_registry_is_not_asked(load, tmp_path):
    """A registered function is called without a look-up once Python has it in its cache."""
    trace = tmp_path / "trace"
    copyreg.add_extension("os", "mkdir", 240)
    try:
        content = pickle.dumps(Calls(os.mkdir, str(trace)), 2)
        content = content.replace(b"cposix\nmkdir\n", b"\x82\xf0")
        assert b"\x82\xf0" in content
        pickle.loads(content.replace(b"trace", b"cache"))
        assert (tmp_path / "cache").exists()
        with pytest.raises(InputError, match="extension registry"):
            load(content)
        assert not trace.exists()
    finally:
        copyreg.remove_extension("os", "mkdir", 240)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, None], dtype=object),
        np.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.zeros(2, dtype="V8"),
    ],
)
def test_arrays_of_anything_else_are_refused(load, protocol, array):
    with pytest.raises(InputError, match=r"not of plain numbers or text|array order|whole pickle"):
        load(pickle.dumps(array, protocol))


NESTED_TUPLES = b"\x80\x02)" + b"\x85" * 200_000
DEEP = {
    "tuples": NESTED_TUPLES + b".",
    "tuples by way of the memo": b"\x80\x02)" + b"q\x000h\x00\x85" * 100_000 + b".",
    "a key": b"\x80\x02}" + NESTED_TUPLES[2:] + b"K\x01s.",
    "a member": b"\x80\x04\x8f(" + NESTED_TUPLES[2:] + b"\x90.",
    "lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting_is_refused(load, name):
    """The hash of such a tuple would end the process, not only the import."""
    with pytest.raises(InputError, match="nests deeper than"):
        load(DEEP[name])


def test_what_is_deep_but_real_is_read(load):
    value = []
    for _ in range(20):
        value = [{"k": (value, 1)}]
    assert load(pickle.dumps(value)) == value


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_what_is_long_is_not_deep(load, protocol):
    """Picklers fill a container in batches of a thousand, the oldest one by one."""
    value = [list(range(5)) for _ in range(300)], set(range(110_000)), dict.fromkeys(range(110_000))
    assert load(pickle.dumps(value, protocol)) == value


def encoded_again_and_again():
    """One text of a megabyte, made bytes a hundred times at nine bytes each time."""
    text = b"X" + struct.pack("<I", 2**20) + b"x" * 2**20 + b"q\x000"
    call = b"h\x02h\x00h\x01\x86Ra"
    names = b"X\x06\x00\x00\x00latin1q\x010c_codecs\nencode\nq\x020"
    return b"\x80\x02" + text + names + b"]" + call * 100 + b"."


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
BOMBS = {
    "an array's size": b"\x80\x02"
    + RECONSTRUCT
    + b"(cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85C\x01btR.",
    "an array from its class": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.",
    "an array without its data": (
        b"\x80\x03" + RECONSTRUCT + b"(cnumpy\nndarray\nK\x00\x85C\x01btR"
        b"(K\x01J\xff\xff\xff\x7f\x85cnumpy\ndtype\nX\x02\x00\x00\x00f8K\x00K\x01\x87R\x89C\x01btb."
    ),
    "a bytearray": b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "a table of places": b"\x80\x02K\x00r" + struct.pack("<I", 30_000_000) + b".",
    "a length": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "a frame": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "text made bytes": encoded_again_and_again(),
    "a range": b"\x80\x02cbuiltins\nrange\nJ\xff\xff\xff\x7f\x85R.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_few_bytes_cannot_ask_for_gigabytes(load, name):
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            load(BOMBS[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20


def test_a_pickle_cannot_change_the_reader(load):
    """BUILD sets attributes: a default argument set here would last for every later pickle."""
    state = b"N}X\x0c\x00\x00\x00__defaults__X\x01\x00\x00\x00x\x85s\x86b."
    for name in (b"c_codecs\nencode\n", RECONSTRUCT, b"cnumpy\nndarray\n"):
        with pytest.raises(InputError):
            load(b"\x80\x02" + name + state)
    assert_same(load(pickle.dumps(np.arange(3), 2)), np.arange(3))


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_damage_is_an_input_error(data, tmp_path_factory):
    """Cut or changed anywhere: read as other plain data or refused in one line, nothing else."""
    content = bytearray(pickle.dumps(PLAIN, data.draw(st.sampled_from(PROTOCOLS))))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("pickle") / "damaged.pkl"
    path.write_bytes(content)
    message = refusal(path)
    assert message is None or (str(path) in message and "\n" not in message)


def refusal(path):
    try:
        load_pickle(path)
    except InputError as error:
        return str(error)
    return None


def test_missing_and_empty_files(tmp_path, load):
    with pytest.raises(InputError, match="1 to"):
        load(b"")
    with pytest.raises(OSError, match=r"none\.pkl"):
        load_pickle(tmp_path / "none.pkl")


def test_the_reader_imports_nothing_that_a_pickle_names(tmp_path):
    """Importing a module runs it, so a name must be refused without an import."""
    path = tmp_path / "poses.pkl"
    path.write_bytes(b"cantigravity\nfly\n(tR.")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mgpose.io.importers.restricted_pickle import load_pickle\n"
        f"try:\n    load_pickle(Path({str(path)!r}))\n"
        "except ValueError:\n    print('antigravity' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
