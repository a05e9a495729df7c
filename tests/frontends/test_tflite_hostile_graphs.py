"""Graphs made to exhaust or to confuse what folds them back: an error, soon and in little memory."""

import random
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgelstm.errors import ModelError, UnsupportedModelError
from edgelstm.frontends.tflite import read_model
from edgelstm.frontends.tflite_float import float_model
from edgelstm.ir import AnyArray, FloatModel, Model, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.tflite import read_subgraphs, write_tflite

CONVERTED = Path(__file__).resolve().parent.parent / "golden" / "converted"
SEEDS = ("keras_loop_stack", "keras_unrolled_gru", "keras_unrolled_any_batch", "tf_keras_bidirectional")
WORDS = (0, 1, 4, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)
MOST_BYTES = 300 << 20
MOST_S = 20.0

SOURCE = TfliteTensor("x", (1, 4, 3), "float32")


def constant(name: str, values: AnyArray) -> TfliteTensor:
    return TfliteTensor(name, values.shape, values.dtype.name, data=values)


def vector(name: str, size: int) -> TfliteTensor:
    return TfliteTensor(name, (1, size), "float32")


def model_of(operators: list[TfliteOperator]) -> TfliteModel:
    return TfliteModel(tuple(operators), (SOURCE,), operators[-1].outputs)


def last_step() -> TfliteOperator:
    numbers = [
        constant(name, np.array(values, np.int32))
        for name, values in (("begin", (0, -1, 0)), ("end", (0, 0, 0)), ("strides", (1, 1, 1)))
    ]
    options = {"begin_mask": 5, "end_mask": 5, "shrink_axis_mask": 2}
    return TfliteOperator("STRIDED_SLICE", (SOURCE, *numbers), (vector("last", 3),), options)


@contextmanager
def bounded() -> Iterator[None]:
    tracemalloc.start()
    started_s = time.process_time()
    yield
    elapsed_s = time.process_time() - started_s
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert elapsed_s < MOST_S
    assert peak_bytes < MOST_BYTES


def sums_of_a_large_constant() -> list[TfliteOperator]:
    large = constant("large", np.ones((1, 1 << 20), np.float32))
    chain = [large]
    operators = []
    for index in range(2000):
        chain.append(vector(f"sum_{index}", 1 << 20))
        operators.append(TfliteOperator("ADD", (chain[-2], large), (chain[-1],), {"fused_activation_function": "NONE"}))
    return operators


def products_with_a_large_constant() -> list[TfliteOperator]:
    matrix = constant("matrix", np.ones((3, 1 << 22), np.float32))
    row = constant("row", np.ones((1, 1 << 22), np.float32))
    options = {"fused_activation_function": "NONE"}
    return [
        TfliteOperator("FULLY_CONNECTED", (row, matrix, None), (vector(f"product_{index}", 3),), options)
        for index in range(3000)
    ]


def layers_of_one_large_constant() -> list[TfliteOperator]:
    wide = 1 << 16
    options = {"fused_activation_function": "RELU"}
    there = constant("there", np.ones((wide, 100), np.float32))
    back = constant("back", np.ones((100, wide), np.float32))
    start = constant("start", np.ones((100, 3), np.float32))
    operators = [
        last_step(),
        TfliteOperator("FULLY_CONNECTED", (vector("last", 3), start), (vector("y", 100),), options),
    ]
    for index in range(15):
        source, middle, result = operators[-1].outputs[0], vector(f"a{index}", wide), vector(f"b{index}", 100)
        operators.append(TfliteOperator("FULLY_CONNECTED", (source, there), (middle,), options))
        operators.append(TfliteOperator("FULLY_CONNECTED", (middle, back), (result,), options))
    return operators


def deep_formula() -> list[TfliteOperator]:
    operators = [last_step()]
    for index in range(9000):
        operators.append(TfliteOperator("TANH", operators[-1].outputs, (vector(f"t{index}", 3),)))
    return operators


def ever_wider_products() -> list[TfliteOperator]:
    """Each the square of the one before: 2^200 leaves, were it no graph."""
    operators = [last_step()]
    for index in range(200):
        (before,) = operators[-1].outputs
        options = {"fused_activation_function": "NONE"}
        operators.append(TfliteOperator("MUL", (before, before), (vector(f"p{index}", 3),), options))
    return operators


def huge_fill() -> list[TfliteOperator]:
    shape, zero = constant("shape", np.array([2**31 - 1], np.int32)), constant("zero", np.zeros((), np.float32))
    return [TfliteOperator("FILL", (shape, zero), (TfliteTensor("filled", (2**31 - 1,), "float32"),))]


@pytest.mark.parametrize(
    "make",
    [
        sums_of_a_large_constant,
        products_with_a_large_constant,
        layers_of_one_large_constant,
        deep_formula,
        ever_wider_products,
        huge_fill,
    ],
)
def test_no_graph_exhausts_us(make: Callable[[], list[TfliteOperator]]) -> None:
    model = model_of(make())
    with bounded(), pytest.raises(UnsupportedModelError):
        float_model((model,), "x")


def loops(condition: int, body: int) -> tuple[TfliteModel, ...]:
    """The converter's own loop, calling other subgraphs."""
    subgraphs = list(read_subgraphs((CONVERTED / "keras_loop_sequence.tflite").read_bytes()))
    operators = [
        replace(operator, options={"cond_subgraph_index": condition, "body_subgraph_index": body})
        if operator.builtin == "WHILE"
        else operator
        for operator in subgraphs[0].operators
    ]
    subgraphs[0] = replace(subgraphs[0], operators=tuple(operators))
    return tuple(subgraphs)


@pytest.mark.parametrize("condition", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("body", [-1, 0, 1, 2, 3])
def test_a_loop_calls_its_own_subgraphs_and_no_others(condition: int, body: int) -> None:
    if (condition, body) == (1, 2):
        assert float_model(loops(condition, body), "x").layers
        return
    with bounded(), pytest.raises(UnsupportedModelError, match="WHILE"):
        float_model(loops(condition, body), "x")


def test_a_loop_in_a_loop_is_refused() -> None:
    main, condition, body = loops(1, 2)
    (loop,) = [operator for operator in main.operators if operator.builtin == "WHILE"]
    endless = replace(loop, inputs=body.inputs, outputs=body.outputs)
    with bounded(), pytest.raises(UnsupportedModelError, match="there is a loop in its body"):
        float_model((main, condition, replace(body, operators=(endless,))), "x")


def test_operators_without_inputs_or_outputs_are_refused() -> None:
    for name in ("keras_loop_sequence", "keras_unrolled_gru", "keras_float_graph"):
        subgraphs = read_subgraphs((CONVERTED / f"{name}.tflite").read_bytes())
        for place, subgraph in enumerate(subgraphs):
            for index, operator in enumerate(subgraph.operators):
                for bare in (replace(operator, inputs=()), replace(operator, outputs=())):
                    operators = (*subgraph.operators[:index], bare, *subgraph.operators[index + 1 :])
                    changed = (*subgraphs[:place], replace(subgraph, operators=operators), *subgraphs[place + 1 :])
                    with pytest.raises(UnsupportedModelError):
                        float_model(changed, "x")


def mutated(rng: random.Random, valid: bytes) -> bytes:
    data = bytearray(valid)
    for _ in range(rng.choice((1, 1, 2, 8))):
        position = rng.randrange(8, len(data) - 4)
        kind = rng.randrange(4)
        if kind == 0:
            data[position] ^= 1 << rng.randrange(8)
        elif kind == 1:
            struct.pack_into("<I", data, position & ~3, rng.choice(WORDS))
        elif kind == 2:
            data[position : position + 4] = rng.randbytes(4)
        else:
            source = rng.randrange(len(data) - 32)
            data[position : position + 32] = data[source : source + 32]
    return bytes(data)


@pytest.mark.parametrize("name", SEEDS)
def test_mutations_end_in_a_model_or_an_error(name: str) -> None:
    valid = (CONVERTED / f"{name}.tflite").read_bytes()
    rng = random.Random(name)
    read = refused = 0
    with bounded():
        for _ in range(60):
            try:
                model = read_model(mutated(rng, valid), "x", Contract.LITERT)
            except ModelError:
                refused += 1
                continue
            assert isinstance(model, Model | FloatModel)
            read += 1
    assert min(read, refused) > 5, "the mutations no longer reach both outcomes"


def test_truncated_files_are_refused() -> None:
    for name in SEEDS:
        valid = (CONVERTED / f"{name}.tflite").read_bytes()
        for length in range(0, len(valid), 997):
            with pytest.raises(ModelError):
                read_model(valid[:length], "x", Contract.LITERT)


@pytest.mark.parametrize("name", ["head", "bidirectional", "branches", "time_major", "batch_norm"])
def test_int8_operators_without_inputs_or_outputs_are_refused(name: str) -> None:
    (valid,) = read_subgraphs((CONVERTED / f"tf_keras_{name}.tflite").read_bytes())
    for index, operator in enumerate(valid.operators):
        for bare in (
            replace(operator, inputs=()),
            replace(operator, outputs=()),
            replace(operator, builtin="GELU", outputs=()),
        ):
            operators = (*valid.operators[:index], bare, *valid.operators[index + 1 :])
            with pytest.raises(ModelError):
                read_model(write_tflite(replace(valid, operators=operators)), "x", Contract.LITERT)
