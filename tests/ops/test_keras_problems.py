"""What each layer refuses of a Keras layer: all of it at once, one line each; and what it takes."""

from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelFormatError
from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops import registry
from edgelstm.ops.activation import ActivationLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.softmax import SoftmaxLayer
from edgelstm.ops.sources import activation

SEQUENCE = Tensor("input", 3, is_sequence=True)
VECTOR = Tensor("input", 3, is_sequence=False)

LSTM = {"units": 4, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
DENSE = {"units": 4, "activation": "linear", "use_bias": True}
LSTM_SHAPES = ((3, 16), (4, 16), (16,))
DENSE_SHAPES = ((3, 4), (4,))


def source(class_name: str, config: dict[str, Any], shapes: tuple[tuple[int, ...], ...] = ()) -> SourceLayer:
    return SourceLayer(class_name, "mine", config, tuple(np.ones(shape, np.float32) for shape in shapes))


def problems(given: SourceLayer, tensor: Tensor = SEQUENCE) -> list[str]:
    return registry.KERAS_LAYERS[given.class_name].problems_in(given, (tensor,))


def built(given: SourceLayer, tensor: Tensor = SEQUENCE) -> tuple[Layer, ...]:
    assert problems(given, tensor) == []
    return registry.KERAS_LAYERS[given.class_name].build(given, (tensor,))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("activation", "relu"),
        ("activation", "linear"),
        ("activation", None),
        ("activation", {"module": "builtins", "class_name": "function", "config": "mine"}),
        ("recurrent_activation", "relu"),
        ("time_major", True),
        ("zero_output_for_mask", True),
    ],
)
def test_lstm_refuses_what_changes_its_function(option: str, value: Any) -> None:
    (problem,) = problems(source("LSTM", {**LSTM, option: value}, LSTM_SHAPES))
    assert problem.startswith(f"{option}=")
    assert "is not supported, only" in problem
    assert "mine" not in problem or value not in ("mine",)


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.5, "recurrent_dropout": 0.5},
        {"stateful": True, "unroll": True, "use_cudnn": "auto", "seed": 3},
        {"unit_forget_bias": False, "implementation": 1},
        {"activation": {"class_name": "function", "config": "tanh"}},
        {"recurrent_activation": "Sigmoid"},
        {"recurrent_activation": "hard_sigmoid"},
        {"kernel_regularizer": {"class_name": "L2"}, "kernel_constraint": {"class_name": "MaxNorm"}},
    ],
)
def test_lstm_takes_what_does_not(options: dict[str, Any]) -> None:
    layer, last = built(source("LSTM", {**LSTM, **options}, LSTM_SHAPES))
    assert isinstance(layer, LstmLayer)
    assert isinstance(last, LastStepLayer)
    assert (layer.units, layer.parameters, last.output.is_sequence) == (4, 128, False)


def test_lstm_reports_everything_at_once() -> None:
    given = source("LSTM", {**LSTM, "activation": "relu", "time_major": True}, ((3, 16),))
    found = problems(given, VECTOR)
    assert len(found) == 4
    assert "needs a sequence; set return_sequences=True on the layer before it" in found
    assert "has 1 weight arrays where its options imply 3" in found


@pytest.mark.parametrize(
    ("config", "shapes", "expected"),
    [
        (LSTM, ((3, 16), (4, 16)), "has 2 weight arrays where its options imply 3"),
        ({**LSTM, "use_bias": False}, LSTM_SHAPES, "has 3 weight arrays where its options imply 2"),
        (LSTM, ((2, 16), (4, 16), (16,)), "weight array 0 has shape (2, 16) where its options imply (3, 16)"),
        (LSTM, ((3, 16), (16, 4), (16,)), "weight array 1 has shape (16, 4) where its options imply (4, 16)"),
        (LSTM, ((3, 16), (4, 16), (2, 16)), "weight array 2 has shape (2, 16) where its options imply (16,)"),
        (
            {**LSTM, "units": 5},
            ((3, 20), (5, 20), (16,)),
            "weight array 2 has shape (16,) where its options imply (20,)",
        ),
    ],
)
def test_lstm_weights_must_fit_its_options(
    config: dict[str, Any], shapes: tuple[tuple[int, ...], ...], expected: str
) -> None:
    assert problems(source("LSTM", config, shapes)) == [expected]


@pytest.mark.parametrize("class_name", ["LSTM", "Dense"])
@pytest.mark.parametrize("units", [0, -1, 2.0, "4", True, None, 2**16 + 1, 10**30, [4]])
def test_a_size_that_is_none_is_damage(class_name: str, units: Any) -> None:
    with pytest.raises(ModelFormatError, match="units is") as caught:
        problems(source(class_name, {**LSTM, "units": units}))
    assert caught.value.hint


def test_return_sequences_keeps_the_sequence() -> None:
    (layer,) = built(source("LSTM", {**LSTM, "return_sequences": True}, LSTM_SHAPES))
    assert layer.output == Tensor("mine", 4, is_sequence=True)


def test_a_missing_bias_is_zero() -> None:
    for class_name, config, shapes in (("LSTM", LSTM, LSTM_SHAPES), ("Dense", DENSE, DENSE_SHAPES)):
        layer = built(source(class_name, {**config, "use_bias": False}, shapes[:-1]))[0]
        assert isinstance(layer, LstmLayer | DenseLayer)
        assert layer.bias.shape == shapes[-1]
        assert not layer.bias.any()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"activation": "gelu"},
            "activation='gelu' is not supported, only linear, relu, relu6, leaky_relu, sigmoid, tanh, softmax",
        ),
        ({"lora_rank": 4}, "lora_rank is not supported; merge the adapter into the kernel first"),
        ({"units": 5}, "weight array 0 has shape (3, 4) where its options imply (3, 5)"),
    ],
)
def test_dense_problems(options: dict[str, Any], expected: str) -> None:
    assert expected in problems(source("Dense", {**DENSE, **options}, DENSE_SHAPES))


@pytest.mark.parametrize("tensor", [SEQUENCE, VECTOR], ids=["sequence", "vector"])
@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        ("linear", [DenseLayer]),
        (None, [DenseLayer]),
        ("relu", [DenseLayer]),
        ("relu6", [DenseLayer]),
        ("leaky_relu", [DenseLayer, ActivationLayer]),
        ("sigmoid", [DenseLayer, ActivationLayer]),
        ("tanh", [DenseLayer, ActivationLayer]),
        ("softmax", [DenseLayer, SoftmaxLayer]),
    ],
)
def test_dense_gives_its_activation_a_layer(function: str | None, kinds: list[type], tensor: Tensor) -> None:
    layers = built(source("Dense", {**DENSE, "activation": function}, DENSE_SHAPES), tensor)
    assert [type(layer) for layer in layers] == kinds
    assert layers[-1].output.is_sequence == tensor.is_sequence
    assert layers[-1].output.size == 4
    assert len({layer.name for layer in layers}) == len(layers)


@pytest.mark.parametrize("function", ["elu", "hard_sigmoid", "mish", "__import__('os')"])
def test_unknown_activations_are_refused(function: str) -> None:
    (problem,) = problems(source("Activation", {"activation": function}))
    assert problem.startswith(f"activation={function!r} is not supported")


@pytest.mark.parametrize(
    ("layer", "options", "plain"),
    [("ReLU", {"max_value": None, "negative_slope": 0.0, "threshold": 0}, "relu"), ("ReLU", {"max_value": 0.0}, ""),
     ("ReLU", {"threshold": -1.0}, ""), ("Softmax", {"axis": -1}, "softmax"), ("Softmax", {"axis": 0}, "")],
)  # fmt: skip
def test_a_layer_given_as_activation_is_the_function_if_nothing_makes_it_another(
    layer: str, options: dict[str, Any], plain: str
) -> None:
    given = source("Activation", {"activation": {"class_name": layer, "config": options}})
    assert activation(given) == (plain or f"{layer.lower()} with {options}")
    assert bool(problems(given)) == (not plain)


@pytest.mark.parametrize(
    ("class_name", "config", "shapes"),
    [("Activation", {}, ()), ("Dense", DENSE, ((2, 4), (4,))),
     ("Conv2D", {"filters": 4, "kernel_size": [2, 1], "padding": "valid"}, ((2, 1, 2, 4), (4,))),
     ("DepthwiseConv2D", {"kernel_size": [2, 1], "padding": "valid"}, ((2, 1, 2, 1), (2,)))],
)  # fmt: skip
def test_a_softmax_over_the_channels_of_an_image_is_refused(
    class_name: str, config: dict[str, Any], shapes: tuple[tuple[int, ...], ...]
) -> None:
    image = Tensor("input", 6, is_sequence=True, channels=2)
    for function, refused in (("softmax", True), ("tanh", False)):
        found = problems(source(class_name, {**config, "activation": function}, shapes), image)
        assert any("softmax over the channels" in problem for problem in found) == refused, found


def test_activation_layers() -> None:
    for function, kind in (("relu", ActivationLayer), ("tanh", ActivationLayer), ("softmax", SoftmaxLayer)):
        (layer,) = built(source("Activation", {"activation": function}))
        assert isinstance(layer, kind)
    assert built(source("Activation", {"activation": "linear"})) == ()


@pytest.mark.parametrize(
    ("axis", "tensor", "is_refused"),
    [(-1, SEQUENCE, False), (2, SEQUENCE, False), (1, SEQUENCE, True), (-1, VECTOR, False), (1, VECTOR, False),
     (2, VECTOR, True), ([1, 2], SEQUENCE, True), (None, SEQUENCE, True)],
)  # fmt: skip
def test_softmax_is_over_the_features(axis: Any, tensor: Tensor, is_refused: bool) -> None:
    assert bool(problems(source("Softmax", {"axis": axis}), tensor)) == is_refused
