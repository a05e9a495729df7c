"""Opening a file that Keras saved: which kind it is, the model's config, and the HDF5 data with its weights.

A `.keras` file is a zip of metadata.json, config.json and model.weights.h5; a `.h5` file is one HDF5 file
with the config as an attribute. The content decides, not the name. Nothing is unpacked to disk, and
nothing runs.
"""

import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.hdf5 import HDF5_MAGIC, Hdf5Content, printable, read_hdf5

LARGEST_FILE_BYTES = 512 << 20
LARGEST_JSON_BYTES = 8 << 20
MOST_MEMBERS = 1000
DEEPEST_JSON = 100
LARGEST_INTEGER = 1 << 63

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_CODE_SUFFIXES = frozenset({".dill", ".joblib", ".pickle", ".pkl", ".py", ".pyc"})
_HOW_TO_SAVE = 'load the model in Python and save it with model.save("model.keras")'
_ZIP_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
)
"""What zipfile raises on damaged files."""


class Layout(Enum):
    """How weights are arranged in the HDF5 data."""

    KERAS = "model.weights.h5 inside a .keras archive"
    LEGACY = "whole model in one .h5 file"


@dataclass(frozen=True)
class KerasArchive:
    """What stands in a file that Keras saved.

    Attributes:
        model: the serialized model, {"class_name": ..., "config": ...}, plain JSON values of bounded depth.
        keras_major: 2 for Keras 2 and tf_keras, 3 for Keras 3.
        layout: where the weights of a layer are to be found in `hdf5`.
        hdf5: the HDF5 data.
        problems: why the file is refused although it is sound, one line each.
    """

    model: Mapping[str, Any]
    keras_major: int
    layout: Layout
    hdf5: Hdf5Content
    problems: tuple[str, ...] = ()


def read_archive(path: Path) -> KerasArchive:
    """Read a `.keras` or `.h5` file.

    Raises:
        ModelFormatError: it is neither, or is damaged, encrypted or too large; says what it is instead.
    """
    data = _read_bytes(path)
    if data.startswith(b"PK\x03\x04"):
        return _read_zip(data, path.name)
    if data.startswith(HDF5_MAGIC):
        return _read_h5(data, path.name)
    found, hint = _other_kind(data, path)
    raise ModelFormatError(f"{path.name}: expected a .keras or .h5 file saved by Keras, found {found}", hint)


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            is_saved_model = (path / "saved_model.pb").exists() or (path / "keras_metadata.pb").exists()
            found = "a SavedModel folder" if is_saved_model else "a folder"
            raise ModelFormatError(f"{path.name}: expected a .keras or .h5 file, found {found}", _HOW_TO_SAVE)
        if not stat.S_ISREG(status.st_mode):
            raise ModelFormatError(f"{path.name} is not a regular file", _HOW_TO_SAVE)
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"cannot read {path}: {printable(str(error))}", "check the path") from error
    if len(data) > LARGEST_FILE_BYTES:
        raise ModelFormatError(
            f"{path.name} is larger than {LARGEST_FILE_BYTES >> 20} MiB",
            "no such model fits a microcontroller; save it without the optimizer, or use a smaller model",
        )
    return data


def _other_kind(data: bytes, path: Path) -> tuple[str, str]:
    """What a file is that is neither zip nor HDF5, and what to do with it."""
    if not data:
        return "an empty file", _HOW_TO_SAVE
    if data[4:8] == b"TFL3":
        return (
            "a TensorFlow Lite model",
            "pass it with the suffix .tflite, or give the Keras model it came from",
        )
    if data[0] == 0x80 and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle, which is never loaded because it can run code", _HOW_TO_SAVE
    if data.lstrip()[:1] == b"{":
        return "a JSON text, which has no weights", _HOW_TO_SAVE
    if path.suffix == ".pb":
        return "a part of a SavedModel", _HOW_TO_SAVE
    return f"a file that starts with the bytes {data[:8].hex(' ')}", _HOW_TO_SAVE


def _read_zip(data: bytes, name: str) -> KerasArchive:
    # Every directory entry starts with this mark; zipfile makes an object of each before we could count them.
    if data.count(b"PK\x01\x02") > MOST_MEMBERS:
        raise ModelFormatError(f"{name} has more than {MOST_MEMBERS} members", _HOW_TO_SAVE)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, name)
            metadata = _member(archive, _METADATA, LARGEST_JSON_BYTES)
            config = _member(archive, _CONFIG, LARGEST_JSON_BYTES)
            weights = _member(archive, _WEIGHTS, LARGEST_FILE_BYTES)
    except _ZIP_DAMAGE as error:
        raise ModelFormatError(f"{name} is not a sound zip file: {printable(str(error))}", _HOW_TO_SAVE) from error
    version = _object(parse_json(metadata, f"{name}/{_METADATA}"), f"{name}/{_METADATA}").get("keras_version")
    return KerasArchive(
        model=_object(parse_json(config, f"{name}/{_CONFIG}"), f"{name}/{_CONFIG}"),
        keras_major=_major(version, name),
        layout=Layout.KERAS,
        hdf5=read_hdf5(weights, f"{name}/{_WEIGHTS}"),
        problems=tuple(
            f"the archive holds {member.filename!r}, which could run code; it is never loaded"
            for member in members
            if PurePosixPath(member.filename).suffix.lower() in _CODE_SUFFIXES
        ),
    )


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    names = [member.filename for member in members]
    if missing := [wanted for wanted in (_METADATA, _CONFIG, _WEIGHTS) if wanted not in names]:
        listed = ", ".join(repr(found[:40]) for found in names[:5]) or "nothing"
        raise ModelFormatError(
            f"{name}: expected a zip with {', '.join(missing)}, found one with {listed}", _HOW_TO_SAVE
        )
    if len(set(names)) != len(names):
        raise ModelFormatError(f"{name} holds two members of one name", _HOW_TO_SAVE)
    if any(member.flag_bits & 0x1 for member in members):
        raise ModelFormatError(f"{name} is encrypted", "save the model without encryption")


def _member(archive: zipfile.ZipFile, name: str, largest_bytes: int) -> bytes:
    """A member's bytes; reading to its end also compares its checksum."""
    with archive.open(name) as file:
        data = file.read(largest_bytes + 1)
    if len(data) > largest_bytes:
        raise ModelFormatError(f"{name} unpacks to more than {largest_bytes >> 20} MiB", _HOW_TO_SAVE)
    return data


def _read_h5(data: bytes, name: str) -> KerasArchive:
    hdf5 = read_hdf5(data, name)
    config = hdf5.text("", "model_config")
    if config is None:
        raise ModelFormatError(
            f"{name}: expected a whole model, found HDF5 without the attribute model_config (only weights?)",
            'save the whole model with model.save("model.keras"), not with save_weights',
        )
    return KerasArchive(
        model=_object(parse_json(config.encode("utf-8", "replace"), f"{name}@model_config"), name),
        keras_major=_major(hdf5.text("", "keras_version"), name),
        layout=Layout.LEGACY,
        hdf5=hdf5,
    )


def _major(version: Any, name: str) -> int:
    text = version if isinstance(version, str) else ""
    major = text.partition(".")[0]
    if major not in ("2", "3"):
        raise ModelFormatError(
            f"{name}: expected a file of Keras 2 or 3, found Keras version {text[:40]!r}", _HOW_TO_SAVE
        )
    return int(major)


def parse_json(data: bytes, name: str) -> Any:
    """Parse JSON of at most DEEPEST_JSON levels and 64-bit integers, or raise ModelFormatError."""
    if len(data) > LARGEST_JSON_BYTES:
        raise ModelFormatError(f"{name} is longer than {LARGEST_JSON_BYTES >> 20} MiB", _HOW_TO_SAVE)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise ModelFormatError(f"{name} is not sound JSON: {printable(str(error))}", _HOW_TO_SAVE) from error
    pending = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if depth > DEEPEST_JSON:
            raise ModelFormatError(f"{name} is nested deeper than {DEEPEST_JSON} levels", _HOW_TO_SAVE)
        if isinstance(item, int) and abs(item) >= LARGEST_INTEGER:
            raise ModelFormatError(f"{name} holds an integer of more than 64 bits", _HOW_TO_SAVE)
        if isinstance(item, dict):
            pending += [(child, depth + 1) for child in item.values()]
        elif isinstance(item, list):
            pending += [(child, depth + 1) for child in item]
    return value


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelFormatError(f"{name}: expected a JSON object, found {type(value).__name__}", _HOW_TO_SAVE)
    return value
