"""Writes small files in Keras' formats by hand, also such as Keras would never write."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FEATURES, UNITS = 3, 2
LSTM_SHAPES = ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))

IMPLEMENTATIONS = ("keras", "tf_keras")
"""Who writes Keras files."""


def lstm_weights() -> list[Any]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape).astype(np.float32) for shape in LSTM_SHAPES]


def input_layer(**options: Any) -> dict[str, Any]:
    config = {"batch_shape": [None, 5, FEATURES], "dtype": "float32", "name": "samples", **options}
    return {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}


def lstm_layer(**options: Any) -> dict[str, Any]:
    config = {"name": "lstm", "units": UNITS, "dtype": "float32", **options}
    return {"module": "keras.layers", "class_name": "LSTM", "config": config, "registered_name": None}


def sequential(*layers: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "small", "layers": list(layers), **options},
        "registered_name": None,
    }


def time_distributed(inner: Mapping[str, Any], name: str = "wrap") -> dict[str, Any]:
    config = {"name": name, "dtype": "float32", "layer": inner}
    return {"module": "keras.layers", "class_name": "TimeDistributed", "config": config, "registered_name": None}


def dense_layer(**options: Any) -> dict[str, Any]:
    config = {"name": "dense", "units": UNITS, "activation": "linear", "dtype": "float32", **options}
    return {"module": "keras.layers", "class_name": "Dense", "config": config, "registered_name": None}


def lstm_model() -> dict[str, Any]:
    return sequential(input_layer(), lstm_layer())


def functional(**replaced: Any) -> dict[str, Any]:
    """input -> first -> second, as Keras 3 writes it."""
    layers = [{**input_layer(), "name": "samples", "inbound_nodes": []}]
    for name, before in (("first", "samples"), ("second", "first")):
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
        call = {"args": [tensor], "kwargs": {"mask": None, "training": False}}
        layer = lstm_layer(name=name, return_sequences=True)
        layers.append({**layer, "name": name, "inbound_nodes": [call]})
    ends = {"input_layers": ["samples", 0, 0], "output_layers": [["second", 0, 0]]}
    config = {"name": "line", "layers": layers, **ends, **replaced}
    return {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}


def weights_h5(arrays: Mapping[str, Any] | None = None) -> bytes:
    """model.weights.h5; by default of one LSTM."""
    if arrays is None:
        arrays = {f"layers/lstm/cell/vars/{n}": array for n, array in enumerate(lstm_weights())}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for path, array in arrays.items():
            file[path] = array
    return buffer.getvalue()


def keras_members(model: Any = None, weights: bytes | None = None, version: str = "3.9.0") -> dict[str, bytes]:
    return {
        "metadata.json": json.dumps({"keras_version": version}).encode(),
        "config.json": json.dumps(lstm_model() if model is None else model).encode(),
        "model.weights.h5": weights_h5() if weights is None else weights,
    }


def zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def write_keras(path: Path, **contents: Any) -> Path:
    """A `.keras` file; see `keras_members`."""
    path.write_bytes(zipped(keras_members(**contents)))
    return path
