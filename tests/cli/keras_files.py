"""Small Keras 3 files, written without Keras so that tests of the command line stay fast, and data for them."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from edgelstm.ir import FloatArray

TIMESTEPS, CHANNELS, CLASSES = 8, 3, 2


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """A layer of a Sequential model.

    Attributes:
        class_name: as Keras calls it; the group of its weights follows from it.
        config: the options that matter.
        weights: in the order in which Keras stores them.
    """

    class_name: str
    config: Mapping[str, Any]
    weights: Sequence[FloatArray] = ()
    module: str = "keras.layers"

    @property
    def weights_group(self) -> str:
        """Where model.weights.h5 keeps the weights."""
        return f"{self.class_name.lower()}{'/cell' if self.class_name in ('LSTM', 'GRU') else ''}/vars"


def lstm(rng: np.random.Generator, inputs: int, units: int, **options: Any) -> KerasLayer:
    """An LSTM of random weights."""
    weights = [_uniform(rng, inputs, 4 * units), _uniform(rng, units, 4 * units), _uniform(rng, 4 * units)]
    config = {"name": "lstm", "units": units, "activation": "tanh", "recurrent_activation": "sigmoid"}
    return KerasLayer("LSTM", {**config, "use_bias": True, "return_sequences": False, **options}, weights)


def gru(rng: np.random.Generator, inputs: int, units: int, **options: Any) -> KerasLayer:
    """A GRU of random weights."""
    weights = [_uniform(rng, inputs, 3 * units), _uniform(rng, units, 3 * units), _uniform(rng, 2, 3 * units)]
    config = {"name": "gru", "units": units, "activation": "tanh", "recurrent_activation": "sigmoid"}
    return KerasLayer("GRU", {**config, "reset_after": True, "return_sequences": False, **options}, weights)


def dense(rng: np.random.Generator, inputs: int, units: int, **options: Any) -> KerasLayer:
    """A Dense of random weights."""
    config = {"name": "head", "units": units, "activation": "softmax", "use_bias": True, **options}
    return KerasLayer("Dense", config, [_uniform(rng, inputs, units), _uniform(rng, units)])


def tiny_layers(seed: int = 0) -> list[KerasLayer]:
    """LSTM(4), Dense(2, softmax)."""
    rng = np.random.default_rng(seed)
    return [lstm(rng, CHANNELS, 4), dense(rng, 4, CLASSES)]


def write_keras(
    path: Path, layers: Sequence[KerasLayer], timesteps: int | None = TIMESTEPS, *, of_ids: bool = False
) -> Path:
    """Write a Sequential model over `CHANNELS` channels, or of ids, as a `.keras` file."""
    config = _config(layers, (timesteps,) if of_ids else (timesteps, CHANNELS))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.6.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", _weights(layers))
    return path


def _config(layers: Sequence[KerasLayer], shape: tuple[int | None, ...]) -> dict[str, Any]:
    source = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, *shape], "dtype": "float32", "name": "input"},
    }
    others = [
        {"module": layer.module, "class_name": layer.class_name, "config": dict(layer.config)} for layer in layers
    ]
    config = {"name": "tiny", "layers": [source, *others]}
    return {"module": "keras", "class_name": "Sequential", "config": config}


def _weights(layers: Sequence[KerasLayer]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for layer in layers:
            for index, array in enumerate(layer.weights):
                file[f"layers/{layer.weights_group}/{index}"] = array
    return buffer.getvalue()


def _uniform(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    return rng.uniform(-0.7, 0.7, shape).astype(np.float32)


def tiny_arrays(samples: int = 64, seed: int = 1) -> dict[str, npt.NDArray[Any]]:
    """Sequences with a class each, and others to test on."""
    rng = np.random.default_rng(seed)
    shape = (samples, TIMESTEPS, CHANNELS)
    return {
        "x": rng.normal(size=shape).astype(np.float32),
        "y": rng.integers(0, CLASSES, samples),
        "x_test": rng.normal(size=(20, TIMESTEPS, CHANNELS)).astype(np.float32),
        "y_test": rng.integers(0, CLASSES, 20),
    }
