"""Our float layers compute what Keras 3 and tf_keras do, on files that they saved."""

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.keras_source import read_keras
from edgelstm.ir import FloatArray, FloatModel
from edgelstm.ops import registry
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.lstm import LstmLayer

SAVE_PREDICTIONS = Path(__file__).with_name("save_predictions.py")


def model_names() -> list[str]:
    """The keys of MODELS, without importing Keras."""
    tree = ast.parse(SAVE_PREDICTIONS.read_text())
    table = next(node for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "MODELS")
    assert isinstance(table.value, ast.Dict)
    names = [str(key.value) for key in table.value.keys if isinstance(key, ast.Constant)]
    return [*names, *(f"dense_{name}" for name in ("linear", "relu", "sigmoid", "tanh", "softmax"))]


@cache
def load(folder: Path, name: str, suffix: str = ".keras") -> tuple[FloatModel, FloatArray, FloatArray]:
    """Our model, inputs, and what Keras predicts for them."""
    with np.load(folder / f"{name}.npz") as stored:
        model = load_keras(folder / f"{name}{suffix}")
        if "inputs" in stored:
            inputs = stored["inputs"]
            return model, inputs.reshape(*inputs.shape[:2], -1), stored["outputs"]
        arrays = {one.name: stored[f"inputs.{one.name}"] for one in model.inputs}
        ids = {one.name: arrays[one.name][..., None] for one in model.inputs if one.vocabulary and one.is_sequence}
        held = {one.name: arrays[one.name].reshape(len(stored["outputs"]), -1) for one in model.layout.vectors}
        return model, model.layout.join(arrays | ids | held), stored["outputs"]


def largest_error(model: FloatModel, inputs: FloatArray, expected: FloatArray) -> float:
    """Relative where the expected values are large, absolute where they are small."""
    found = model.forward(inputs)
    if model.output.channels:
        found = found.reshape(*found.shape[:2], -1, model.output.channels)
    assert found.shape == expected.shape
    return float((np.abs(found - expected) / np.maximum(np.abs(expected), 1)).max())


def test_every_model_is_tested(predictions: Path) -> None:
    assert sorted(path.stem for path in predictions.glob("*.keras")) == sorted(model_names())
    sources = [layer for path in predictions.glob("*.keras") for layer in read_keras(path).layers]
    assert {source.class_name for source in sources} >= set(registry.KERAS_LAYERS)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", model_names())
def test_forward_equals_keras(name: str, suffix: str, predictions: Path) -> None:
    model, inputs, expected = load(predictions, name, suffix)
    assert float(np.ptp(expected)) > 0.05
    assert largest_error(model, inputs, expected) < 1e-5


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", model_names())
def test_forward_equals_tf_keras(name: str, suffix: str, old_predictions: Path) -> None:
    """Its hard_sigmoid has another slope than that of Keras 3."""
    assert largest_error(*load(old_predictions, name, suffix)) < 1e-5


@pytest.mark.parametrize(
    ("name", "dense"),
    [
        ("normalized_inputs", 1),
        ("normalized_gru", 0),
        ("normalized_dense", 3),
        ("normalized_alone", 3),
        ("rescaled", 1),
        ("conv_normalized", 0),
        ("conv_normalized_border", 0),
        ("conv_scaled_border", 0),
        ("conv_normalized_pooled", 2),
        ("conv_depthwise_normalized", 1),
        ("image_crnn", 0),
        ("image_pooled", 0),
        ("image_normalized_border", 1),
    ],
)
def test_affine_layers_vanish(name: str, dense: int, predictions: Path) -> None:
    """Into a neighbour where there is one that takes them, else into a Dense."""
    model, _, _ = load(predictions, name)
    assert not any(isinstance(layer, AffineLayer) for layer in model.layers)
    assert sum(isinstance(layer, DenseLayer) for layer in model.layers) == dense
    sources = [model.input.name, *(layer.output.name for layer in model.layers)]
    assert [layer.input.name for layer in model.layers] == sources[:-1]


@pytest.mark.parametrize("gate", range(4))
def test_the_comparison_notices_a_changed_weight(gate: int, predictions: Path) -> None:
    model, inputs, expected = load(predictions, "stacked")
    first = model.layers[0]
    assert isinstance(first, LstmLayer)
    kernel = first.kernel.copy()
    kernel[0, gate * first.units] += 0.1
    changed = replace(model, layers=(replace(first, kernel=kernel), *model.layers[1:]))
    assert largest_error(changed, inputs, expected) > 1e-5
