"""Files of real Keras versions: every weight arrives exactly, in its place."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_writer import (
    FEATURES,
    IMPLEMENTATIONS,
    LSTM_SHAPES,
    UNITS,
    input_layer,
    lstm_layer,
    lstm_weights,
    sequential,
    weights_h5,
    write_keras,
)

from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.keras_source import KerasSource, read_keras
from edgelstm.ops.lstm import LstmLayer

ORDER = {
    "stacked": (
        "zz LSTM",
        "dropout Dropout",
        "aa LSTM",
        "dense_7 Dense",
        "activation Activation",
        "dense_1 Dense",
    ),
    "many_of_one_class": tuple(f"lstm_{11 - n} LSTM" for n in range(12)),
    "time_distributed": ("lstm LSTM", "per_step Dense", "plain Dense"),
    "nested": ("encoder/recurrent LSTM", "head/dense Dense", "head/recurrent_2 Dense"),
    "stateful": ("lstm LSTM",),
    "built_late": ("lstm LSTM", "lstm_1 LSTM"),
    "double_precision": ("lstm LSTM", "dense Dense"),
}
INPUT_NAMES = {"time_distributed": "samples", "nested": "samples"}


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_reads_what_keras_saved(saved_models: Mapping[str, Path], implementation: str, suffix: str, name: str) -> None:
    folder = saved_models[implementation]
    source = read_keras(folder / f"{name}{suffix}")

    assert source.problems == ()
    assert tuple(f"{layer.name} {layer.class_name}" for layer in source.layers) == ORDER[name]
    assert (source.input_size, source.timesteps) == (3, None if name == "time_distributed" else 5)
    assert source.input_name == INPUT_NAMES.get(name, source.input_name)
    assert {layer.keras_major for layer in source.layers} == {3 if implementation == "keras" else 2}
    assert_same_weights(source, folder / f"{name}.npz")


@pytest.mark.parametrize("name", ORDER)
def test_both_formats_build_one_model(saved_models: Mapping[str, Path], name: str) -> None:
    folder = saved_models["keras"]
    models = [load_keras(folder / f"{name}{suffix}") for suffix in (".keras", ".h5")]
    with np.load(folder / f"{name}.npz") as stored:
        parameters = sum(stored[key].size for key in stored.files)
    without_bias = {"stacked": 4 * 3 + 2}
    assert models[0].parameters == parameters + without_bias.get(name, 0)

    inputs = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(models[0].forward(inputs), models[1].forward(inputs))


def assert_same_weights(source: KerasSource, reference: Path) -> None:
    with np.load(reference) as stored:
        expected = {key: stored[key] for key in stored.files}
    found = {f"{layer.name}#{n}": array for layer in source.layers for n, array in enumerate(layer.weights)}
    assert found.keys() == expected.keys()
    for key, array in found.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, expected[key].astype(np.float32), err_msg=key)


def test_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    source = read_keras(write_keras(tmp_path / "model.h5"))
    assert source.name == "small"
    assert [layer.name for layer in source.layers] == ["lstm"]


@pytest.mark.parametrize("as_list", [False, True])
def test_keras_2_with_bytes_and_without_input_layer(tmp_path: Path, as_list: bool) -> None:
    first = {"class_name": "LSTM", "config": {**lstm_layer()["config"], "batch_input_shape": [None, 7, 3]}}
    model = sequential(first)
    if as_list:
        model["config"] = model["config"]["layers"]
    path = write_keras_2(tmp_path / "old.h5", model)

    source = read_keras(path)
    assert (source.input_name, source.input_size, source.timesteps) == ("lstm_input", 3, 7)
    assert [array.shape for array in source.layers[0].weights] == list(LSTM_SHAPES)
    assert source.layers[0].keras_major == 2


def write_keras_2(path: Path, model: object, weights: Mapping[str, Any] | None = None, layer: str = "lstm") -> Path:
    """An `.h5` file with one layer, whose weights are listed in the order given."""
    if weights is None:
        names = ("lstm/kernel:0", "lstm/recurrent_kernel:0", "lstm/bias:0")
        weights = dict(zip(names, lstm_weights(), strict=True))
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = np.bytes_(b"2.2.4-tf")
        file.attrs["model_config"] = np.bytes_(json.dumps(model).encode())
        group = file.create_group(f"model_weights/{layer}")
        group.attrs["weight_names"] = np.array([name.encode() for name in weights])
        for name, array in weights.items():
            group[name] = array
    return path


@pytest.mark.parametrize("half", ["layer", "backward_layer"])
def test_a_half_with_another_precision_is_refused(tmp_path: Path, half: str) -> None:
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    config = {"name": "both", "layer": lstm_layer(), "backward_layer": lstm_layer(go_backwards=True)}
    config[half] = lstm_layer(dtype=policy, go_backwards=half == "backward_layer")
    wrapped = {"module": "keras.layers", "class_name": "Bidirectional", "config": config, "registered_name": None}
    source = read_keras(write_keras(tmp_path / "m.keras", model=sequential(input_layer(), wrapped)))
    assert any("'mixed_float16'" in problem for problem in source.problems), source.problems


def test_a_frozen_forward_half_stands_behind_in_the_file(tmp_path: Path) -> None:
    """Keras lists the weights that can be trained first."""
    inner = {"class_name": "LSTM", "config": {**lstm_layer()["config"], "go_backwards": False}}
    config = {"name": "both", "layer": inner, "merge_mode": "concat", "batch_input_shape": [None, 7, 3]}
    model = sequential({"class_name": "Bidirectional", "config": config})
    forward, backward = (
        {f"both/{half}_lstm/lstm_cell/{n}:0": factor * array for n, array in enumerate(lstm_weights())}
        for half, factor in (("forward", 1.0), ("backward", 0.5))
    )
    usual = load_keras(write_keras_2(tmp_path / "usual.h5", model, forward | backward, "both"))
    found = load_keras(write_keras_2(tmp_path / "frozen.h5", model, backward | forward, "both"))
    samples = np.random.default_rng(4).normal(size=(2, 7, 3)).astype(np.float32)
    np.testing.assert_array_equal(found.forward(samples), usual.forward(samples))


def test_input_size_comes_from_the_kernel_where_nothing_states_it(tmp_path: Path) -> None:
    source = read_keras(write_keras(tmp_path / "m.keras", model=sequential(lstm_layer())))
    assert (source.input_name, source.input_size, source.timesteps) == ("lstm_input", FEATURES, None)


def test_input_shape_comes_from_build_config(tmp_path: Path) -> None:
    layer = {**lstm_layer(), "build_config": {"input_shape": [None, 9, FEATURES]}}
    source = read_keras(write_keras(tmp_path / "m.keras", model=sequential(layer)))
    assert (source.input_size, source.timesteps) == (FEATURES, 9)


def test_files_of_tf_keras_on_windows(tmp_path: Path) -> None:
    arrays = {f"layers\\lstm\\cell/vars/{n}": array for n, array in enumerate(lstm_weights())}
    path = write_keras(tmp_path / "m.keras", weights=weights_h5(arrays), version="2.15.0")
    for array, expected in zip(read_keras(path).layers[0].weights, lstm_weights(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_half_precision_weights_become_float32(tmp_path: Path) -> None:
    arrays = {f"layers/lstm/cell/vars/{n}": array.astype(">f2") for n, array in enumerate(lstm_weights())}
    source = read_keras(write_keras(tmp_path / "m.keras", weights=weights_h5(arrays)))
    assert source.problems == ()
    expected = lstm_weights()[0].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(source.layers[0].weights[0], expected)


def test_linear_activation_is_no_layer(tmp_path: Path) -> None:
    nothing = {"class_name": "Activation", "config": {"name": "nothing", "activation": "linear"}}
    path = write_keras(tmp_path / "m.keras", model=sequential(input_layer(), nothing, lstm_layer()))
    model = load_keras(path)
    assert isinstance(model.layers[0], LstmLayer)
    assert model.output.size == UNITS


def test_importing_reads_no_heavy_package() -> None:
    check = "import sys, edgelstm.frontends.keras; print({'h5py', 'keras', 'tensorflow'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "set()"
