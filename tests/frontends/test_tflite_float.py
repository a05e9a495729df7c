"""Float files of TensorFlow's converter: recurrent layers, however they were broken up, become layers again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgelstm.cli import call
from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite import load_tflite
from edgelstm.frontends.tflite_float import float_model
from edgelstm.ir import FloatArray, FloatModel, TfliteModel, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.tflite import read_subgraphs

CONVERTED = Path(__file__).resolve().parent.parent / "golden" / "converted"

LAYERS = {
    "both_ways": ("Reverse", "Lstm", "Reverse", "Lstm", "Concatenate", "Dense"),
    "float16": ("Lstm", "LastStep", "Dense"),
    "float_graph": ("Dense", "Activation", "Lstm", "Add", "Multiply", "Concatenate", "Dense"),
    "loop": ("Lstm", "LastStep", "Dense"),
    "loop_gru": ("Gru", "Gru", "LastStep"),
    "loop_sequence": ("Lstm", "Dense"),
    "loop_stack": ("Lstm", "Lstm", "Lstm", "LastStep", "Dense", "Softmax"),
    "unrolled": ("Lstm", "LastStep"),
    "unrolled_any_batch": ("Lstm", "LastStep", "Dense"),
    "unrolled_gru": ("Gru", "Gru", "LastStep"),
    "unrolled_sequence": ("Lstm",),
    "unrolled_stack": ("Lstm", "Lstm", "LastStep", "Dense", "Softmax"),
    "unrolled_without_bias": ("Lstm", "Lstm", "LastStep"),
}
FILES = tuple(f"{implementation}_{name}" for implementation in ("keras", "tf_keras") for name in LAYERS)
REFUSED = {
    "keras_dynamic": "dynamic range quantization",
    "tf_keras_dynamic": "dynamic range quantization",
    "keras_loop_relu": "its body is no LSTM or GRU that we recognise; it has 5 ADD, 2 FULLY_CONNECTED",
    "tf_keras_loop_relu": "its body is no LSTM or GRU",
    "tf_keras_unrolled_int8": "operator UNPACK",
}


def path_of(name: str) -> Path:
    return CONVERTED / f"{name}.tflite"


def recovered(name: str) -> FloatModel:
    model = load_tflite(path_of(name), Contract.LITERT)
    assert isinstance(model, FloatModel)
    return model


def litert_on(data: bytes, inputs: FloatArray) -> FloatArray:
    module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(
        model_content=data, experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for values in inputs:
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], values[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0])
    return np.stack(outputs)


@pytest.mark.parametrize("name", FILES)
def test_the_recovered_model_computes_what_the_file_does(name: str) -> None:
    model = recovered(name)
    rng = np.random.default_rng(5)
    spreads = np.repeat([0.1, 1.0, 20.0], 4)[:, None, None]
    inputs = (rng.normal(size=(12, model.timesteps or 1, model.input.size)) * spreads).astype(np.float32)
    expected = litert_on(path_of(name).read_bytes(), inputs)
    assert np.ptp(expected) > 0.1, "the outputs hardly move"
    np.testing.assert_allclose(model.forward(inputs).reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_the_layers_are_those_of_keras(name: str) -> None:
    kinds = tuple(type(layer).__name__.removesuffix("Layer") for layer in recovered(name).layers)
    assert kinds == LAYERS[name.removeprefix("tf_").removeprefix("keras_")]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_recognised_is_named(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=REFUSED[name]) as raised:
        load_tflite(path_of(name), Contract.LITERT)
    assert "edgelstm quantize" in raised.value.hint


Change = Callable[[TfliteTensor], TfliteTensor]


def changed(model: TfliteModel, builtin: str, occurrence: int, position: int, change: Change) -> TfliteModel:
    """The same subgraph with one input of one operator changed."""
    places = [index for index, operator in enumerate(model.operators) if operator.builtin == builtin]
    operator = model.operators[places[occurrence]]
    inputs = list(operator.inputs)
    old = inputs[position]
    assert old is not None
    inputs[position] = replace(change(old), name=f"{old.name}, changed")
    operators = list(model.operators)
    operators[places[occurrence]] = replace(operator, inputs=tuple(inputs))
    return replace(model, operators=tuple(operators))


def nudged(tensor: TfliteTensor, by: int = 1) -> TfliteTensor:
    assert tensor.data is not None
    return replace(tensor, data=tensor.data + tensor.data.dtype.type(by))


@pytest.mark.parametrize("occurrence", range(7))
def test_a_step_with_weights_of_its_own_is_no_layer(occurrence: int) -> None:
    """7 matrix products: that of the first step, and two of each other."""
    (main,) = read_subgraphs(path_of("keras_unrolled").read_bytes())
    assert float_model((main,), "x").layers
    with pytest.raises(UnsupportedModelError, match="subgraph 0 has"):
        float_model((changed(main, "FULLY_CONNECTED", occurrence, 1, nudged),), "x")


@pytest.mark.parametrize(
    ("subgraph", "builtin", "position", "by"),
    [(0, "WHILE", 0, 1), (0, "WHILE", 3, 1), (0, "WHILE", 4, 1), (1, "LESS", 1, -1), (2, "ADD", 1, 1)],
)
def test_a_loop_that_starts_or_ends_elsewhere_is_no_layer(subgraph: int, builtin: str, position: int, by: int) -> None:
    """Its counter, its states, its limit and its stride."""
    subgraphs = list(read_subgraphs(path_of("keras_loop_sequence").read_bytes()))
    assert float_model(tuple(subgraphs), "x").layers
    subgraphs[subgraph] = changed(subgraphs[subgraph], builtin, 0, position, lambda tensor: nudged(tensor, by))
    with pytest.raises(UnsupportedModelError, match="WHILE"):
        float_model(tuple(subgraphs), "x")


def test_a_float_file_is_quantized_and_built_like_a_keras_file(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(60, 6, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=data)
    model, options = str(path_of("keras_loop")), ["--data", str(tmp_path / "data.npz"), "--name", "it"]
    assert call(["quantize", model, *options, "-o", str(tmp_path / "it.tflite")]) == 0
    assert call(["build", model, *options, "--target", "host", "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "model.tflite").read_bytes() == (tmp_path / "it.tflite").read_bytes()


def test_a_float_file_needs_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["generate", str(path_of("keras_loop")), "-o", str(tmp_path / "src")]) == 1
    assert "keras_loop.tflite is a float model: quantization needs data" in capsys.readouterr().err
    assert call(["inspect", str(path_of("keras_unrolled_gru"))]) == 0
