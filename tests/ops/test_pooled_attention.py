"""Attention without a query: how a Softmax over time and a Dot are found, what is refused, and its integers."""

from typing import Any

import numpy as np
import pytest

from edgelstm.frontends.keras_attention import join_attention
from edgelstm.ir import FloatModel, Layer, SourceLayer, Tensor, TensorReference
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.ops.dense import DenseLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import dequantize_array, quantize_array, simulate
from edgelstm.verification.oracles import LITERT, TFLM
from edgelstm.verification.trace import compare, official_trace

STEPS = 7
SCORES = Tensor("scores", 1, is_sequence=True, timesteps=STEPS)
VALUES = Tensor("values", 4, is_sequence=True, timesteps=STEPS)


def layer(class_name: str, name: str, *inputs: str, **config: Any) -> SourceLayer:
    return SourceLayer(class_name, name, config, inputs=tuple(map(TensorReference, inputs)))


def join(*layers: SourceLayer, output: str = "dense") -> list[SourceLayer]:
    return list(join_attention(layers, frozenset([output]), registry.VANISHING))


FLAT = (
    layer("Flatten", "flat", "scores"),
    layer("Activation", "softmax", "flat", activation="softmax"),
    layer("Dropout", "drop", "softmax"),
    layer("Dot", "context", "drop", "values", axes=[1, 1]),
    layer("Dense", "dense", "context", units=2),
)
ALONG_TIME = (
    layer("Softmax", "softmax", "scores", axis=1),
    layer("Dot", "context", "values", "softmax", axes=1),
    layer("Flatten", "flat", "context"),
    layer("Dense", "dense", "flat", units=2),
)


def pooled(**changed: Any) -> SourceLayer:
    config = {
        "axis": -1,
        "is_flat": True,
        "are_weights_flat": True,
        "values": {"axes": [1, 1]},
        "weights_first": True,
        "is_flattened": False,
    }
    return layer("Dot", "context", "scores", "values", **{**config, **changed})


def problems(source: SourceLayer, *inputs: Tensor) -> list[str]:
    return registry.KERAS_LAYERS["Dot"].problems_in(source, inputs)


def test_a_softmax_of_flat_scores_is_joined_to_the_dot() -> None:
    assert join(*FLAT) == [pooled(), FLAT[-1]]


def test_a_softmax_along_time_is_joined_to_the_dot() -> None:
    changed = {"axis": 1, "is_flat": False, "are_weights_flat": False, "values": {"axes": 1}, "weights_first": False}
    assert join(*ALONG_TIME) == [pooled(**changed, is_flattened=True), *ALONG_TIME[2:]]


@pytest.mark.parametrize(
    ("layers", "output"),
    [
        ((*FLAT, layer("Dense", "more", "softmax")), "dense"),
        (FLAT, "softmax"),
        ((FLAT[0], layer("Dot", "context", "flat", "values", axes=[1, 1])), "context"),
        ((layer("Softmax", "softmax", "a", "b"), layer("Dot", "context", "softmax", "values")), "context"),
        ((layer("Softmax", "a", "b"), layer("Softmax", "b", "a"), layer("Dot", "context", "a", "values")), "context"),
    ],
    ids=("read twice", "an output", "no softmax", "with a mask", "a circle"),
)
def test_what_is_read_otherwise_stays(layers: tuple[SourceLayer, ...], output: str) -> None:
    kept = join(*layers, output=output)
    assert [one.name for one in kept] == [one.name for one in layers]
    assert "found" in next(one for one in kept if one.class_name == "Dot").config


@pytest.mark.parametrize(
    ("changed", "scores", "expected"),
    [
        ({"values": {"axes": [1, 1], "normalize": True}}, SCORES, "normalize=True is not supported"),
        ({}, VALUES, "takes a softmax of what is not one score for each time step, as a Dense(1) yields it"),
        ({}, Tensor("scores", 1, is_sequence=False), "takes a softmax of what is not one score for each time step"),
        ({"is_flat": False}, SCORES, "the softmax is along axis -1, not along time: give axis=1"),
        ({"axis": 0}, SCORES, "the softmax is along axis 0, not along time"),
        ({"values": {"axes": [1, 2]}}, SCORES, "axes=(1, 2) of weights and values, only (1, 1)"),
        ({"values": {}}, SCORES, "axes=None of weights and values, only (1, 1)"),
        (
            {"are_weights_flat": False, "is_flat": False, "axis": -2},
            SCORES,
            "yields an axis of one element beside the features; put a Flatten behind it",
        ),
        ({}, Tensor("scores", 1, is_sequence=True, timesteps=5), "has 5 keys and 7 values"),
        ({}, Tensor("scores", 1, is_sequence=True), "needs an input of fixed length"),
    ],
)
def test_refused(changed: dict[str, Any], scores: Tensor, expected: str) -> None:
    (problem,) = problems(pooled(**changed), scores, VALUES)
    assert problem.startswith(expected)


@pytest.mark.parametrize("axis", [-1, 1, [-1], [1]])
def test_taken(axis: Any) -> None:
    assert problems(pooled(axis=axis), SCORES, VALUES) == []


def float_model(spread: float) -> FloatModel:
    """Scores of the input by a Dense(1), which pool it."""
    rng = np.random.default_rng(4)
    source = Tensor("values", 4, is_sequence=True, timesteps=STEPS)
    kernel = rng.normal(0, spread, (4, 1)).astype(np.float32)
    dense: Layer = DenseLayer("scores", source, SCORES, kernel, np.zeros(1, np.float32), relu=False)
    attention = registry.KERAS_LAYERS["Dot"].build(pooled(), (SCORES, source))
    return FloatModel("pooled", source, (dense, *attention), STEPS)


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_the_mean_is_weighed_by_a_softmax_over_time(spread: float) -> None:
    floats = float_model(spread)
    x = np.random.default_rng(5).normal(size=(200, STEPS, 4)).astype(np.float32)
    scores = x @ floats.layers[0].kernel  # type: ignore[attr-defined]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected = (powers / powers.sum(axis=1, keepdims=True) * x).sum(axis=1)
    np.testing.assert_allclose(floats.forward(x), expected, atol=1e-6)
    model = quantize(floats, calibrate(floats, x), STEPS, Contract.LITERT)
    stored = quantize_array(x, model.input.quantization)
    found = dequantize_array(simulate(model, stored), model.output.quantization)
    assert 10 * np.log10(np.mean(expected**2) / np.mean((found - expected) ** 2)) > 30


@pytest.mark.parametrize("oracle", [LITERT, TFLM], ids=lambda oracle: oracle.name)
def test_the_runtimes_agree(oracle: Any) -> None:
    if not oracle.is_available:
        pytest.skip(f"{oracle.name} is not installed")
    floats = float_model(1.0)
    x = np.random.default_rng(6).normal(size=(100, STEPS, 4)).astype(np.float32)
    model = quantize(floats, calibrate(floats, x), STEPS, oracle.contract)
    stored = quantize_array(x[:8], model.input.quantization)
    assert compare(official_trace(model, stored), oracle.trace(model, stored)).mismatches == 0
