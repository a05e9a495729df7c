"""Data files that are damaged, or mean harm."""

import io
import random
import zipfile

import numpy as np
import numpy.typing as npt
import pytest
from test_data import SEQUENCES

from edgelstm.data import load_dataset
from edgelstm.errors import DataError


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + body


def header(shape: str, descr: str = "'<f4'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


HOSTILE_ARRAYS = {
    "huge shape": npy(header(f"({2**40}, 1, 1)")),
    "huge product": npy(header(f"({2**62}, {2**62}, 4)")),
    "shape above the bytes there": npy(header("(1000, 1, 1)"), b"\0" * 8),
    "bytes above the shape": npy(header("(1, 1, 1)"), b"\0" * 8),
    "negative shape": npy(header("(-1, -1, 1)"), b"\0" * 4),
    "zero times huge": npy(header(f"(0, {2**70})")),
    "too many dimensions": npy(header("(" + "1," * 70 + ")"), b"\0" * 4),
    "no bytes an element": npy(header(f"({2**50},)", "'|V0'")),
    "huge element": npy(header("(1,)", "'|V2147483647'")),
    "structure": npy(header("(1,)", "[('a', '<f4')]"), b"\0" * 4),
    "sub-array": npy(header("(1,)", "('<f4', (100000, 100000))"), b"\0" * 4),
    "pickle": npy(header("(1,)", "'|O'"), b"cos\nsystem\n(S'exit 1'\ntR."),
    "deep nesting": npy("(" * 4000),
    "deep operators": npy("-" * 4000 + "1"),
    "long header": npy(" " * 60000 + header("(1,)"), b"\0" * 4),
    "not a dictionary": npy("[1, 2]"),
    "call": npy("__import__('os').getcwd()"),
    "version 2, header of 4 GiB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    "cut in the magic": b"\x93NU",
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS.keys())
def test_hostile_arrays(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    for name in ("x.npy", "data.npz"):
        with pytest.raises(DataError):
            load_dataset(name, base=tmp_path)


def test_object_arrays_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="pickled Python objects, which are never read"):
        load_dataset("data.npz", base=tmp_path)


def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def array_bytes(values: npt.ArrayLike) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_archives(tmp_path):
    x = array_bytes(SEQUENCES)
    plain = zip_of(("x.npy", x))
    encrypted = bytearray(plain)
    encrypted[6] |= 1
    encrypted[plain.index(b"PK\x01\x02") + 8] |= 1
    bomb_array = npy(header(f"({2**30}, 1, 1)"), bytes(2**20))
    bomb = zip_of(("x.npy", bomb_array))
    cases = {
        "lzma": zip_of(("x.npy", x), method=zipfile.ZIP_LZMA),
        "twice": zip_of(("x.npy", x), ("x.npy", x)),
        "twice under another name": zip_of(("x.npy", x), ("x", x)),
        "encrypted": bytes(encrypted),
        "claims 4 GiB": bomb.replace(len(bomb_array).to_bytes(4, "little"), b"\xf0\xff\xff\xff"),
        "claims what its header claims": bomb.replace(
            len(bomb_array).to_bytes(4, "little"), (2**20 * 5).to_bytes(4, "little")
        ),
        "too many labels": zip_of(("x.npy", x), ("labels.npy", array_bytes(np.array(["a" * 300] * 10000)))),
        "not a zip": b"PK\x03\x04",
        "path in the name": zip_of(("../../x.npy", x)),
    }
    for name, content in cases.items():
        (tmp_path / "data.npz").write_bytes(content)
        with pytest.raises(DataError):
            load_dataset("data.npz", base=tmp_path)
            pytest.fail(name)
    names = zip_of(*((f"{number}\x1b[31m.npy", b"") for number in range(1000)))
    (tmp_path / "data.npz").write_bytes(names)
    with pytest.raises(DataError) as caught:
        load_dataset("data.npz", base=tmp_path)
    assert len(caught.value.message) < 2000
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_mutated_files_load_or_are_refused(tmp_path, save):
    path = tmp_path / "data.npz"
    save(path, x=SEQUENCES[:3], y=np.arange(3), labels=np.array(["a", "b", "c"]))
    whole = path.read_bytes()
    rng = random.Random(5)
    refused = 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 8))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(bytes(content))
        try:
            load_dataset("data.npz", base=tmp_path)
        except DataError:
            refused += 1
    assert 300 < refused < 600


def test_every_cut_of_an_npy_file_is_refused(tmp_path):
    content = array_bytes(SEQUENCES[:2])
    for length in range(len(content)):
        (tmp_path / "x.npy").write_bytes(content[:length])
        with pytest.raises(DataError):
            load_dataset("x.npy", base=tmp_path)
