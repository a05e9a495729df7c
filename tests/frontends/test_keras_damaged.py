"""Damaged and hostile files: always one of our errors that says what was expected, never a hang."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_writer import (
    dense_layer,
    functional,
    input_layer,
    keras_members,
    lstm_layer,
    lstm_model,
    lstm_weights,
    sequential,
    time_distributed,
    weights_h5,
    write_keras,
    zipped,
)

from edgelstm.errors import ModelFormatError
from edgelstm.frontends import hdf5, keras_archive
from edgelstm.frontends.keras_source import read_keras


def message_of(path: Path) -> str:
    with pytest.raises(ModelFormatError) as caught:
        read_keras(path)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
        (pickle.dumps([1.0]), "a Python pickle, which is never loaded"),
        (b'{"class_name": "Sequential"}', "a JSON text, which has no weights"),
        (b"hello world", "starts with the bytes 68 65 6c 6c 6f"),
        (b"PK\x05\x06" + bytes(18), "starts with the bytes 50 4b 05 06"),
    ],
)
def test_says_what_the_file_is(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    assert found in message_of(path)


def test_folders_and_missing_files(tmp_path: Path) -> None:
    assert "cannot read" in message_of(tmp_path / "missing.keras")
    assert "found a folder" in message_of(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    assert "found a SavedModel folder" in message_of(tmp_path)
    assert "a part of a SavedModel" in message_of(tmp_path / "saved_model.pb")


def test_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "only.weights.h5"
    path.write_bytes(weights_h5())
    assert "only weights?" in message_of(path)


@pytest.mark.parametrize("version", ["4.0.0", "1.2.2", "", None, 3])
def test_other_keras_versions(tmp_path: Path, version: Any) -> None:
    assert "expected a file of Keras 2 or 3" in message_of(write_keras(tmp_path / "m.keras", version=version))


def test_early_keras_format(tmp_path: Path) -> None:
    arrays = {"_layer_checkpoint_dependencies/lstm/cell/vars/0": lstm_weights()[0]}
    path = write_keras(tmp_path / "m.keras", weights=weights_h5(arrays), version="2.13.1")
    with pytest.raises(ModelFormatError) as caught:
        read_keras(path)
    assert "TensorFlow 2.12 and 2.13" in caught.value.hint


def test_weights_of_another_layer(tmp_path: Path) -> None:
    buffer = io.BytesIO(weights_h5())
    with h5py.File(buffer, "a") as file:
        file.create_group("layers/lstm/vars").attrs["name"] = "other"
    path = write_keras(tmp_path / "m.keras", weights=buffer.getvalue())
    assert "belong to 'other', not to 'lstm'" in message_of(path)


def without(name: str) -> bytes:
    return zipped({key: value for key, value in keras_members().items() if key != name})


def with_member(name: str, content: bytes) -> bytes:
    return zipped({**keras_members(), name: content})


def encrypted() -> bytes:
    data = bytearray(zipped(keras_members()))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        data[at + offset] |= 1
    return bytes(data)


def wrong_checksum() -> bytes:
    data = bytearray(zipped(keras_members()))
    data[data.find(b"PK\x01\x02") + 16] ^= 0xFF
    return bytes(data)


def two_configs() -> bytes:
    buffer = io.BytesIO(zipped(keras_members()))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("config.json", json.dumps(lstm_model()))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: without("config.json"), "expected a zip with config.json, found one with 'metadata.json'"),
        (lambda: without("model.weights.h5"), "expected a zip with model.weights.h5"),
        (lambda: zipped({"archive/data.pkl": b""}), "found one with 'archive/data.pkl'"),
        (lambda: zipped(keras_members())[:-30], "not a sound zip file"),
        (encrypted, "is encrypted"),
        (wrong_checksum, "not a sound zip file"),
        (two_configs, "two members of one name"),
        (lambda: with_member("config.json", b"{"), "config.json is not sound JSON"),
        (lambda: with_member("config.json", b"[1]"), "expected a JSON object, found list"),
        (lambda: with_member("config.json", b"\xff\xfe\xfa"), "config.json is not sound JSON"),
        (lambda: with_member("config.json", b"[" * 200_000), "config.json is not sound JSON"),
        (lambda: with_member("config.json", b"[" * 150 + b"]" * 150), "nested deeper than 100 levels"),
        (lambda: with_member("config.json", b'{"a": %d}' % 10**30), "an integer of more than 64 bits"),
        (lambda: with_member("config.json", b'{"a": ' + b"9" * 10_000 + b"}"), "is not sound JSON"),
        (lambda: with_member("config.json", bytes(9 << 20)), "unpacks to more than 8 MiB"),
        (lambda: with_member("model.weights.h5", b"no HDF5"), "is not sound HDF5"),
        (lambda: zipped({f"{n}": b"" for n in range(1001)}), "more than 1000 members"),
    ],
)
def test_damaged_archives(tmp_path: Path, make: Callable[[], bytes], expected: str) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(make())
    assert expected in message_of(path)


def test_weights_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_archive, "LARGEST_FILE_BYTES", 1 << 20)
    path = tmp_path / "m.keras"
    path.write_bytes(with_member("model.weights.h5", bytes(2 << 20)))
    assert path.stat().st_size < 1 << 20
    assert "unpacks to more than 1 MiB" in message_of(path)
    path.write_bytes(bytes(2 << 20))
    assert "is larger than 1 MiB" in message_of(path)


def edited_h5(edit: Callable[[h5py.File], None]) -> bytes:
    buffer = io.BytesIO(weights_h5())
    with h5py.File(buffer, "a") as file:
        del file["layers/lstm/cell/vars/0"]
        edit(file)
    return buffer.getvalue()


KERNEL = "layers/lstm/cell/vars/0"


def soft_link(file: h5py.File) -> None:
    file[KERNEL] = h5py.SoftLink("/layers/lstm/cell/vars/1")


def external_link(file: h5py.File) -> None:
    file["layers/lstm/other"] = h5py.ExternalLink("secrets.h5", "/")


def cycle(file: h5py.File) -> None:
    file["layers/lstm/cell/again"] = file["layers"]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (soft_link, "a link to another place or file, '0'"),
        (external_link, "a link to another place or file, 'other'"),
        (cycle, "more than 20000 nodes, or deeper than 40 groups"),
    ],
)
def test_links(tmp_path: Path, edit: Callable[[h5py.File], None], expected: str) -> None:
    assert expected in message_of(write_keras(tmp_path / "m.keras", weights=edited_h5(edit)))


def compressed(file: h5py.File) -> None:
    file.create_dataset(KERNEL, data=np.zeros((3, 8), np.float32), compression="gzip")


def outside(file: h5py.File) -> None:
    file.create_dataset(KERNEL, (3, 8), "f4", external=[("/etc/passwd", 0, 96)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 8), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (3, 8))
    file.create_virtual_dataset(KERNEL, layout)


def unallocated(file: h5py.File) -> None:
    file.create_dataset(KERNEL, (1 << 20, 1 << 20), "f4")


def objects(file: h5py.File) -> None:
    file.create_dataset(KERNEL, (3, 8), h5py.string_dtype())


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (compressed, "is stored compressed, in chunks or outside the file"),
        (outside, "is stored compressed, in chunks or outside the file"),
        (virtual, "is stored compressed, in chunks or outside the file"),
        (unallocated, "has the shape (1048576, 1048576) but less data in the file"),
        (objects, "is stored as object, not as float"),
    ],
)
def test_ways_to_store_arrays(tmp_path: Path, edit: Callable[[h5py.File], None], expected: str) -> None:
    problems = read_keras(write_keras(tmp_path / "m.keras", weights=edited_h5(edit))).problems
    assert [problem for problem in problems if "weight array 0" in problem and expected in problem]


def test_hdf5_that_keeps_the_library_busy_forever() -> None:
    """An object of size 0 in a heap of strings; the library goes round and round."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["model_config"] = "{}"
    data = bytearray(buffer.getvalue())
    first_object = data.find(b"GCOL") + 16
    data[first_object : first_object + 16] = struct.pack("<HHIQ", 0xFFFF, 1, 0, 2**64 - 16)
    with pytest.raises(ModelFormatError):
        hdf5.read_hdf5(bytes(data), "busy.h5", timeout_s=2.0)


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31mred", "\u202egnitcelfer", "x" * 201, "\ud800", 5, None, ["a"]])
def test_names_that_could_fool_a_terminal(tmp_path: Path, name: Any) -> None:
    path = write_keras(tmp_path / "m.keras", model=sequential(input_layer(), lstm_layer(name=name)))
    assert message_of(path).isprintable()


def test_two_layers_of_one_name(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", model=sequential(input_layer(), lstm_layer(), lstm_layer()))
    assert 'two layers have the name "lstm"' in message_of(path)


def test_input_named_like_a_layer(tmp_path: Path) -> None:
    second = lstm_layer(name="lstm_input")
    path = write_keras(tmp_path / "m.keras", model=sequential(lstm_layer(), second))
    assert 'the input and a layer have the name "lstm_input"' in message_of(path)


def test_models_nested_without_end(tmp_path: Path) -> None:
    model = lstm_model()
    for _ in range(12):
        model = sequential(model)
    assert "nested deeper than 8 levels" in message_of(write_keras(tmp_path / "m.keras", model=model))
    distributed = dense_layer()
    for _ in range(12):
        distributed = time_distributed(sequential(distributed))
    path = write_keras(tmp_path / "m.keras", model=sequential(input_layer(), distributed))
    assert "nested deeper than 8 levels" in message_of(path)


def test_unbuilt(tmp_path: Path) -> None:
    assert "no weights were found" in message_of(write_keras(tmp_path / "m.keras", weights=weights_h5({})))


def test_functional_models_are_put_into_order(tmp_path: Path) -> None:
    model = functional()
    model["config"]["layers"].reverse()
    assert [layer.name for layer in read_keras(write_keras(tmp_path / "m.keras", model=model)).layers] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        ({"output_layers": ["nobody", 0, 0]}, "refers to a layer 'nobody' that is not in it"),
        ({"layers": 7}, "expected the layers of a model to be a list, found a number"),
        ({"layers": [7]}, "expected a layer to be an object, found a number"),
        ({"layers": [{"class_name": "LSTM"}]}, "expected the config of a layer (LSTM) to be an object"),
        ({"layers": [{}] * 1001}, "a model has 1001 layers, more than 1000"),
    ],
)
def test_damaged_graphs(tmp_path: Path, replaced: dict[str, Any], expected: str) -> None:
    assert expected in message_of(write_keras(tmp_path / "m.keras", model=functional(**replaced)))


def test_loops_in_the_graph_end(tmp_path: Path) -> None:
    model = functional(output_layers=["first", 0, 0])
    first = model["config"]["layers"][1]
    first["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["second", 0, 0]
    problems = read_keras(write_keras(tmp_path / "m.keras", model=model)).problems
    assert problems == ("the layers do not all lead from the model's input to its output",)
