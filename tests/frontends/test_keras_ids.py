"""A model's input is ids where an Embedding reads it: what is read, and what is refused with its reason."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_writer import UNITS, functional, input_layer, lstm_layer, sequential, weights_h5, write_keras

from edgelstm.errors import EdgelstmError, UnsupportedModelError
from edgelstm.frontends.keras import load_keras
from edgelstm.ir import Tensor

WORDS, SIZE = 7, 3
TABLE = np.random.default_rng(0).normal(size=(WORDS, SIZE)).astype(np.float32)
LSTM = [np.ones(shape, np.float32) for shape in ((SIZE, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))]
WEIGHTS = weights_h5(
    {"layers/embedding/vars/0": TABLE, **{f"layers/lstm/cell/vars/{n}": array for n, array in enumerate(LSTM)}}
)


def embedding(**options: Any) -> dict[str, Any]:
    config = {"name": "words", "input_dim": WORDS, "output_dim": SIZE, "dtype": "float32", **options}
    return {"module": "keras.layers", "class_name": "Embedding", "config": config, "registered_name": None}


def ids(timesteps: int | None = 5, **options: Any) -> dict[str, Any]:
    return input_layer(batch_shape=[None, timesteps], **options)


def written(folder: Path, model: Mapping[str, Any]) -> Path:
    return write_keras(folder / "m.keras", model=model, weights=WEIGHTS)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64", "uint8"])
@pytest.mark.parametrize("timesteps", [5, None])
def test_the_input_is_ids_whatever_its_type(tmp_path: Path, dtype: str, timesteps: int | None) -> None:
    model = load_keras(written(tmp_path, sequential(ids(timesteps, dtype=dtype), embedding(), lstm_layer())))
    assert model.input == Tensor("samples", 1, is_sequence=True, timesteps=timesteps, vocabulary=WORDS)
    assert model.timesteps == timesteps
    assert model.parameters == TABLE.size + sum(array.size for array in LSTM)
    rows = model.layers[0].compute((np.array([[[0.0], [6.0]]], np.float32),), lambda name, values: None)
    np.testing.assert_array_equal(rows, TABLE[None, [0, 6]])


@pytest.mark.parametrize("shape", [{"batch_input_shape": [None, 5]}, {"batch_input_shape": [None, None]}])
def test_files_of_keras_2(tmp_path: Path, shape: Mapping[str, Any]) -> None:
    """They state the shape in the first layer, its length once more, and no input layer."""
    layers = [embedding(input_length=5, **shape), lstm_layer()]
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = np.bytes_(b"2.2.4-tf")
        file.attrs["model_config"] = np.bytes_(json.dumps({"class_name": "Sequential", "config": layers}).encode())
        for name, arrays in (("words", [TABLE]), ("lstm", LSTM)):
            group = file.create_group(f"model_weights/{name}")
            names = [f"{name}/{index}:0" for index in range(len(arrays))]
            group.attrs["weight_names"] = np.array([one.encode() for one in names])
            for one, array in zip(names, arrays, strict=True):
                group[one] = array
    model = load_keras(path)
    assert (model.input.vocabulary, model.timesteps) == (WORDS, shape["batch_input_shape"][1])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (sequential(ids(), embedding(input_dim=32769), lstm_layer()), "has a table of 32769 x 3; at most 32768 ids"),
        (sequential(ids(), embedding(input_dim=10**12), lstm_layer()), "has a table of 1000000000000 x 3; at most"),
        (
            sequential(ids(), embedding(input_dim=32768, output_dim=65536), lstm_layer()),
            "has a table of 32768 x 65536; at most 32768 ids and 4 MiB",
        ),
        (sequential(ids(), embedding(input_dim=8), lstm_layer()), "weight array 0 has shape (7, 3) where its options"),
        (
            sequential(input_layer(batch_shape=[None, 5, 1]), embedding(), lstm_layer()),
            "the input has the shape (?, 5, 1); expected (batch, time steps)",
        ),
        (sequential(ids(), lstm_layer()), "the input has the shape (?, 5); expected (batch, time steps, features)"),
        (
            sequential(input_layer(), lstm_layer(return_sequences=True), embedding()),
            "reads what another layer computes; ids are read from the model's input alone",
        ),
        (sequential(ids(dtype="string"), embedding(), lstm_layer()), "has the dtype policy 'string'"),
    ],
)
def test_what_is_refused(tmp_path: Path, model: dict[str, Any], expected: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(written(tmp_path, model))
    assert expected in "\n".join(caught.value.problems)


def test_nothing_else_reads_ids(tmp_path: Path) -> None:
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["samples", 0, 0]}}
    call = {"args": [tensor], "kwargs": {}}
    layers = [{**ids(), "name": "samples", "inbound_nodes": []}]
    layers += [{**layer, "inbound_nodes": [call]} for layer in (embedding(), lstm_layer())]
    both = [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in ("words", "lstm")]
    add = {"class_name": "Add", "config": {"name": "sum"}, "inbound_nodes": [{"args": [both], "kwargs": {}}]}
    model = functional(layers=[*layers, add], output_layers=[["sum", 0, 0]])
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(written(tmp_path, model))
    assert caught.value.problems == ('layer "lstm" (LSTM): reads the ids of the input; only an Embedding does',)


@pytest.mark.parametrize("value", [None, 0, -3, 2.5, "7", [7], True])
@pytest.mark.parametrize("option", ["input_dim", "output_dim"])
def test_damaged_sizes(tmp_path: Path, option: str, value: Any) -> None:
    with pytest.raises(EdgelstmError):
        load_keras(written(tmp_path, sequential(ids(), embedding(**{option: value}), lstm_layer())))
