"""Graphs with branches: places in memory, the .tflite and back, and how long a tensor is kept."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import random_graph
from random_models import random_inputs
from random_native import random_native_model

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.lifetimes import Lifetime, pack_lifetimes
from edgelstm.codegen.planning import make_plan
from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import (
    Model,
    Quantization,
    QuantizedTensor,
    SourceLayer,
    Tensor,
    TensorReference,
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
)
from edgelstm.numerics.contracts import CHOICES, Contract
from edgelstm.ops import registry, scales
from edgelstm.ops.concatenate import Concatenate
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.merge import Add, Multiply
from edgelstm.simulate import simulate, simulate_steps
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.oracles import LITERT
from edgelstm.verification.trace import compare, simulator_trace

OPTIONS = Options("ref", "balanced", "0" * 64)


@pytest.mark.parametrize("seed", range(40))
def test_the_tflite_yields_the_same_c(seed: int) -> None:
    model = random_graph(seed, Contract.LITERT)
    data = write_tflite(to_tflite_model(model))
    again = model_from_tflite(data, "x", Contract.LITERT)
    assert emit(again, OPTIONS).files == emit(model, OPTIONS).files
    assert write_tflite(to_tflite_model(again)) == data


@pytest.mark.parametrize("seed", range(10))
def test_a_window_is_its_steps(seed: int) -> None:
    model = random_graph(seed, Contract.LITERT)
    inputs = random_inputs(model, seed, 3)
    steps = [step.output for step in simulate_steps(model, inputs)]
    expected = np.stack(steps, axis=1) if model.output.is_sequence else steps[-1]
    np.testing.assert_array_equal(simulate(model, inputs), expected)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 12), st.integers(0, 6)), max_size=14))
def test_what_lives_at_the_same_time_has_different_bytes(drawn: list[tuple[int, int, int]]) -> None:
    tensors = [Lifetime(str(n), size, first, first + length) for n, (size, first, length) in enumerate(drawn)]
    offsets, arena_bytes = pack_lifetimes(tensors)
    assert set(offsets) == {tensor.name for tensor in tensors}
    for index, one in enumerate(tensors):
        assert 0 <= offsets[one.name] <= arena_bytes - one.size
        for other in tensors[:index]:
            apart = (
                offsets[one.name] + one.size <= offsets[other.name]
                or offsets[other.name] + other.size <= offsets[one.name]
            )
            assert apart or not one.meets(other)
    peak = max((sum(t.size for t in tensors if t.first <= at <= t.last) for at in range(19)), default=0)
    assert arena_bytes >= peak


def test_the_last_step_of_the_input_is_refused() -> None:
    model = random_graph(0, Contract.LITERT)
    alias = LastStep.of("skip", model.input)
    ends = LastStep.of("ends", model.ops[0].output)
    joined = QuantizedTensor("both", alias.output.size + ends.output.size, False, ends.output.quantization)
    wrong = Model(
        "skipping",
        model.input,
        (model.ops[0], alias, ends, Concatenate("both", alias.output, joined, (ends.output,))),
        3,
        model.contract,
    )
    with pytest.raises(UnsupportedModelError, match="last step of the model's input"):
        make_plan(wrong)


def tensor(name: str, size: int = 3, scale: float = 0.01, *, is_sequence: bool = True) -> QuantizedTensor:
    return QuantizedTensor(name, size, is_sequence, Quantization(scales.float32(scale)))


SOURCE, VECTOR = tensor("input"), tensor("vector", is_sequence=False)


@pytest.mark.parametrize(
    ("class_name", "inputs", "config", "problem"),
    [
        ("Add", (SOURCE,), {}, "has 1 inputs; 2 to 64 are supported"),
        ("Add", (SOURCE,) * 65, {}, "has 65 inputs"),
        ("Multiply", (SOURCE, tensor("wide", 4)), {}, "merges tensors of 3, 4 values"),
        ("Concatenate", (SOURCE, VECTOR), {}, "merges a sequence with a single vector"),
        ("Concatenate", (SOURCE, SOURCE), {"axis": 1}, "axis=1 is not supported, only the last"),
        ("Concatenate", (SOURCE, SOURCE), {"axis": [2]}, "axis=[2] is not supported"),
        ("Concatenate", (tensor("wide", 2**15 + 1),) * 2, {}, "makes 65538 features"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    class_name: str, inputs: tuple[Tensor, ...], config: dict[str, Any], problem: str
) -> None:
    found = registry.KERAS_LAYERS[class_name].problems_in(SourceLayer(class_name, "mine", config), inputs)
    assert any(line.startswith(problem) for line in found), found


@pytest.mark.parametrize("op", [Add, Multiply])
def test_scales_beyond_32_bits_are_a_problem(op: type[Add | Multiply]) -> None:
    wide, fine = tensor("wide", scale=2.0**59), tensor("fine", scale=2.0**-59)
    for contract in CHOICES:
        (problem,) = op("it", wide, fine, wide).problems(contract)
        assert "absurdly small" in problem
        assert Concatenate("it", wide, fine, (wide,)).problems(contract) != []


def relu(name: str, source: TfliteTensor) -> TfliteOperator:
    return TfliteOperator("RELU", (source,), (replace(source, name=name),), version=2)


def reshape(source: TfliteTensor, name: str, shape: tuple[int, ...]) -> TfliteOperator:
    numbers = TfliteTensor(f"{name}/shape", (len(shape),), "int32", data=np.array(shape, np.int32))
    return TfliteOperator(
        "RESHAPE", (source, numbers), (replace(source, name=name, shape=shape),), {"new_shape": shape}
    )


def add(name: str, one: TfliteTensor, other: TfliteTensor) -> TfliteOperator:
    options = {"fused_activation_function": "NONE", "pot_scale_int16": False}
    return TfliteOperator("ADD", (one, other), (replace(one, name=name),), options, version=2)


def file_of(operators: list[TfliteOperator], timesteps: int) -> bytes:
    return write_tflite(TfliteModel(tuple(operators), (SOURCE.to_tflite(1, timesteps),), operators[-1].outputs))


def test_a_flat_sequence_of_one_step_is_no_vector() -> None:
    """With one time step both have the same shape."""
    source = SOURCE.to_tflite(1, 1)
    first = relu("first", source)
    (last,) = LastStep.of("last", replace(SOURCE, name="first")).to_tflite(1, 1)
    second = relu("second", last.outputs[0])
    flat = reshape(first.outputs[0], "flat", (1, 3))
    operators = [first, last, second, flat, add("sum", flat.outputs[0], second.outputs[0])]
    with pytest.raises(UnsupportedModelError, match="merges a sequence with a single vector"):
        model_from_tflite(file_of(operators, 1), "x", Contract.LITERT)


def test_a_flat_result_may_have_several_readers() -> None:
    source = SOURCE.to_tflite(1, 4)
    flat = reshape(source, "flat_input", (4, 3))
    result = relu("flat_result", flat.outputs[0])
    early = relu("early", result.outputs[0])
    ends = [reshape(result.outputs[0], "one", (1, 4, 3)), reshape(early.outputs[0], "other", (1, 4, 3))]
    operators = [flat, result, early, *ends, add("sum", ends[0].outputs[0], ends[1].outputs[0])]
    model = model_from_tflite(file_of(operators, 4), "x", Contract.LITERT)
    assert [op.name for op in model.ops] == ["flat_result", "other", "sum"]
    assert emit(model, OPTIONS).files
    inputs = np.random.default_rng(0).integers(-128, 128, (1, 4, 3)).astype(np.int8)
    assert compare(simulator_trace(model, inputs), LITERT.trace(model, inputs)).mismatches == 0


def test_a_file_whose_operators_nothing_reads_is_refused() -> None:
    source = SOURCE.to_tflite(1, 4)
    with pytest.raises(UnsupportedModelError, match="nothing reads 'loose'"):
        model_from_tflite(file_of([relu("loose", source), relu("result", source)], 4), "x", Contract.LITERT)


def test_only_a_concatenation_may_read_what_a_quantize_wrote() -> None:
    source = SOURCE.to_tflite(1, 4)
    scaled = TfliteOperator("QUANTIZE", (source,), (replace(source, name="scaled", scales=(0.5,)),))
    data = file_of([scaled, relu("result", scaled.outputs[0])], 4)
    with pytest.raises(UnsupportedModelError, match="reads what a QUANTIZE wrote"):
        model_from_tflite(data, "x", Contract.LITERT)


def test_a_variable_is_no_activation_and_belongs_to_one_operator() -> None:
    source = SOURCE.to_tflite(1, 4)
    joined = TfliteOperator(
        "CONCATENATION",
        (source, replace(source, name="kept", is_variable=True)),
        (replace(source, name="joined", shape=(1, 4, 6)),),
        {"axis": 2, "fused_activation_function": "NONE"},
        version=2,
    )
    with pytest.raises(ModelFormatError, match="is a variable"):
        model_from_tflite(file_of([joined], 4), "x", Contract.LITERT)
    (op,) = random_native_model(1).ops[:1]
    operator = op.to_tflite(1, 3)[0]
    twin = replace(operator, outputs=(replace(operator.outputs[0], name="twin"),))
    shared = TfliteModel((operator, twin), (op.input.to_tflite(1, 3),), twin.outputs)
    with pytest.raises(ModelFormatError, match="belongs to 2 operators"):
        check_tflite(write_tflite(shared))


def test_names_that_parts_of_layers_have_are_refused() -> None:
    config = {"units": 2, "activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}
    shapes = {"LSTM": ((3, 8), (2, 8), (8,)), "Dense": ((2, 2), (2,))}

    def layer(class_name: str, name: str, *inputs: str) -> SourceLayer:
        weights = tuple(np.ones(shape, np.float32) for shape in shapes[class_name])
        return SourceLayer(class_name, name, config, weights, inputs=tuple(map(TensorReference, inputs)))

    source = KerasSource("m", "input", 3, 4, (layer("LSTM", "lstm", ""), layer("Dense", "lstm/cell", "lstm")))
    with pytest.raises(UnsupportedModelError, match='the name "lstm/cell" stands for 2 layers'):
        build_float_model(source, registry)
