"""Operators on tensors in a Keras file: what becomes a layer, and what is refused in which words."""

from typing import Any

import numpy as np
import pytest

from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_graph import read_graph
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.ir import SourceLayer, Tensor, TensorReference
from edgelstm.ops import registry
from edgelstm.ops.last_step import LastStepLayer

ALL = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
REST = {"class_name": "__ellipsis__", "config": {}}
SEQUENCE = Tensor("x", 3, is_sequence=True, timesteps=7)
TENSOR = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}


def part(start: int | None, stop: int | None, step: int | None = None) -> dict[str, Any]:
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}


def read(class_name: str, *arguments: Any, module: str = "keras.src.ops.numpy", **named: Any) -> SourceLayer:
    """The only layer of a model that calls one operation."""
    operation = {
        "module": module,
        "class_name": class_name,
        "config": {"name": "mine"},
        "name": "mine",
        "inbound_nodes": [{"args": [*arguments], "kwargs": named}],
    }
    return layer_of(operation)


def layer_of(operation: dict[str, Any]) -> SourceLayer:
    start = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 7, 3]}, "inbound_nodes": []}
    config = {"layers": [start, operation], "input_layers": [["x", 0, 0]], "output_layers": [["mine", 0, 0]]}
    graph = read_graph({"class_name": "Functional", "config": config})
    assert graph.problems == ()
    (layer,) = graph.layers
    return SourceLayer(layer.class_name, layer.name, layer.config, inputs=layer.inputs)


def function(name: str, *node: Any, class_name: str = "TFOpLambda") -> SourceLayer:
    """The same as tf_keras writes it."""
    return layer_of(
        {
            "class_name": class_name,
            "config": {"name": "mine", "function": name},
            "name": "mine",
            "inbound_nodes": [[*node]],
        }
    )


def problems(layer: SourceLayer, tensor: Tensor = SEQUENCE) -> list[str]:
    return registry.OPERATIONS[layer.class_name].problems_in(layer, (tensor,))


def computed(layer: SourceLayer) -> Any:
    assert problems(layer) == []
    assert layer.inputs == (TensorReference(""),)
    (built,) = registry.OPERATIONS[layer.class_name].build(layer, (SEQUENCE,))
    return built.compute((np.array([1.0, 2.0, 4.0], np.float32),), lambda name, values: None).tolist()


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (read("Multiply", TENSOR, 0.5), [0.5, 1, 2]),
        (read("Multiply", 3, TENSOR), [3, 6, 12]),
        (read("Add", x1=TENSOR, x2=1), [2, 3, 5]),
        (read("Subtract", TENSOR, 1.0), [0, 1, 3]),
        (read("Subtract", 1.0, TENSOR), [0, -1, -3]),
        (read("TrueDivide", TENSOR, 2), [0.5, 1, 2]),
        (read("Divide", TENSOR, -4.0), [-0.25, -0.5, -1]),
        (read("Add", TENSOR, {"class_name": "__tensor__", "config": {"value": 2.0, "dtype": "float32"}}), [3, 4, 6]),
        (function("math.multiply", "x", 0, 0, {"y": 0.5, "name": None}), [0.5, 1, 2]),
        (function("math.subtract", "_CONSTANT_VALUE", -1, 1.0, {"y": ["x", 0, 0], "name": None}), [0, -1, -3]),
        (function("math.truediv", "x", 0, 0, {"y": 2}), [0.5, 1, 2]),
    ],
)
def test_numbers(layer: SourceLayer, expected: list[float]) -> None:
    assert computed(layer) == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            read("Add", TENSOR, {"class_name": "__numpy__", "config": {"value": [[1.0, 2.0, 3.0]] * 7}}),
            "the constant is an array of 7 x 3 numbers; only one number for all features is supported here, and lists "
            "in keras.layers.Rescaling as its scale and its offset",
        ),
        (
            function("__operators__.add", "x", 0, 0, {"y": [1.0, 2.0, 3.0], "name": None}),
            "the constant is an array of 3 numbers; only one number for all features is supported here, and lists in "
            "keras.layers.Rescaling as its scale and its offset",
        ),
        (
            read("Multiply", TENSOR, {"class_name": "__tensor__", "config": {}}),
            "the constant is None; only a number is supported",
        ),
        (read("Multiply", TENSOR, True), "the constant is True; only a number is supported"),
        (read("Multiply", TENSOR, "2"), "the constant is '2'; only a number is supported"),
        (read("TrueDivide", 1, TENSOR), "divides a number by the tensor"),
        (read("TrueDivide", TENSOR, 0.0), "divides by zero"),
    ],
)
def test_other_constants_are_refused(layer: SourceLayer, expected: str) -> None:
    assert problems(layer) == [expected]


@pytest.mark.parametrize("value", [float("nan"), 1e39, 10**400], ids=("nan", "wide", "long"))
def test_numbers_that_are_none(value: float) -> None:
    with pytest.raises(ModelFormatError, match="constant is"):
        problems(read("Multiply", TENSOR, value))


@pytest.mark.parametrize(
    "key", [[ALL, -1], [ALL, -1, ALL], [REST, -1, ALL], [ALL, -1, REST], [ALL, 6], [part(0, None, 1), -1]], ids=str
)
def test_the_last_step(key: Any) -> None:
    layer = read("GetItem", TENSOR, key)
    assert problems(layer) == []
    (built,) = registry.OPERATIONS["GetItem"].build(layer, (SEQUENCE,))
    assert isinstance(built, LastStepLayer)
    assert built.output == Tensor("mine", 3, is_sequence=False)


def test_the_last_step_in_tf_keras() -> None:
    full = {"start": None, "stop": None, "step": None}
    spec = {"slice_spec": [full, -1, full]}
    assert problems(function("__operators__.getitem", "x", 0, 0, spec, class_name="SlicingOpLambda")) == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ([ALL, 5], "[:, 5]"),
        ([ALL, -2], "[:, -2]"),
        ([ALL, 0, ALL], "[:, 0, :]"),
        ([ALL, True], "[:, True]"),
        ([ALL, part(-2, None), ALL], "[:, -2:, :]"),
        ([ALL, part(None, None, -1)], "[:, ::-1]"),
        ([ALL, ALL, 0], "[:, :, 0]"),
        ([ALL, -1, 0], "[:, -1, 0]"),
        ([ALL, -1, ALL, ALL], "[:, -1, :, :]"),
        ([part(1, None), -1], "[1:, -1]"),
        ([REST, -1], "[..., -1]"),
        ([REST, -1, REST], "[..., -1, ...]"),
        (-1, "[-1]"),
        ([], "[]"),
        (None, "[None]"),
        (["x"], "['x']"),
    ],
)
def test_other_steps_are_refused(key: Any, text: str) -> None:
    assert problems(read("GetItem", TENSOR, key)) == [
        f"takes {text}; only the last step of a sequence, [:, -1, :], can be taken, which is what "
        "return_sequences=False on the layer before it yields"
    ]


def test_of_a_vector_nothing_is_taken() -> None:
    found = problems(read("GetItem", TENSOR, [ALL, -1]), Tensor("x", 3, is_sequence=False))
    assert found == ["takes [:, -1] of a single vector; only the last step of a sequence can be taken"]


@pytest.mark.parametrize("name", ["Subtract", "Power", "Negative"])
def test_what_else_is_done_to_tensors_is_not_supported(name: str) -> None:
    layer = read(name, TENSOR, TENSOR) if name == "Subtract" else read(name, TENSOR)
    with pytest.raises(UnsupportedModelError) as caught:
        build_float_model(KerasSource("m", "x", 3, 7, (layer,)), registry)
    assert caught.value.problems == (f'layer "mine" ({name}): is not supported',)
    assert "GetItem" not in caught.value.hint and "constant" not in caught.value.hint


def masked(*layers: SourceLayer) -> tuple[str, ...]:
    mask = SourceLayer("Masking", "mask", {"mask_value": 0.0})
    with pytest.raises(UnsupportedModelError) as caught:
        build_float_model(KerasSource("m", "x", 3, 7, (mask, *layers)), registry)
    return caught.value.problems


def behind(layer: SourceLayer, *names: str) -> SourceLayer:
    return SourceLayer(
        layer.class_name, layer.name, layer.config, layer.weights, inputs=tuple(map(TensorReference, names))
    )


def test_keras_drops_a_mask_at_an_operator() -> None:
    both = behind(read("Add", TENSOR, TENSOR), "mask", "mask")
    assert masked(both) == (
        'layer "mine" (Add) is an operator, where Keras drops the mask of "mask"; keras.layers.Add, '
        "Multiply and Concatenate keep it",
    )
    assert "is an operator" in masked(behind(read("Multiply", TENSOR, 2), "mask"))[0]


def test_a_step_that_a_mask_leaves_out_is_not_taken() -> None:
    assert masked(behind(read("GetItem", TENSOR, [ALL, -1]), "mask")) == (
        'layer "mine" takes a step that the mask of "mask" may leave out; set return_sequences=False on the last '
        "recurrent layer instead",
    )
