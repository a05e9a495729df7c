"""Embedding: scales, ids that do not exist, files, and the C that takes ids."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from random_embedding import random_embedding_model
from random_models import random_inputs

from edgelstm.codegen.emit import Options, emit, selftest_inputs
from edgelstm.errors import EdgelstmError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import (
    FloatArray,
    FloatModel,
    Model,
    QuantizedTensor,
    Tensor,
    TfliteModel,
    TfliteOperator,
    TfliteTensor,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.embedding import Embedding, EmbeddingLayer
from edgelstm.pipeline.profiled import profile_inputs
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import dequantize_array, quantize_array, simulate
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.ladder import expectation
from edgelstm.verification.oracles import interpreter_inputs

WORDS, SIZE, TIMESTEPS = 6, 4, 5
NOT_THERE = [-32768, -1, WORDS, 32767]


def table_model(table: FloatArray, name: str = "words") -> FloatModel:
    source = Tensor("ids", 1, is_sequence=True, vocabulary=len(table))
    layer = EmbeddingLayer(name, source, Tensor(name, table.shape[1], is_sequence=True), table)
    return FloatModel("lookup", source, (layer,), TIMESTEPS)


def quantized(table: FloatArray, words: int = 1) -> Model:
    """Calibrated on the first `words` ids alone."""
    model = table_model(table)
    ids = np.zeros((3, TIMESTEPS, 1), np.float32) + np.arange(TIMESTEPS)[:, None] % words
    return quantize(model, calibrate(model, ids), TIMESTEPS, Contract.LITERT)


@pytest.mark.parametrize("low", [-1.0, 0.0, 1.0])
def test_the_scale_spans_the_table_and_not_what_calibration_saw(low: float) -> None:
    table = np.random.default_rng(0).uniform(low, 2.0, (WORDS, SIZE)).astype(np.float32)
    table[WORDS - 1] *= 3
    model = quantized(table)
    every = np.arange(WORDS, dtype=np.float32).reshape(1, WORDS, 1)
    rows = dequantize_array(simulate(model, quantize_array(every, model.input.quantization)), model.output.quantization)
    assert np.abs(rows[0] - table).max() <= 0.501 * model.output.quantization.scale


@pytest.mark.parametrize("table", [np.zeros((1, 1)), np.full((2, 3), 1e30), np.array([[1e-30], [-1e-30]])])
def test_odd_tables(table: FloatArray) -> None:
    model = quantized(table.astype(np.float32))
    ids = np.zeros((1, TIMESTEPS, 1), np.int16)
    rows = dequantize_array(simulate(model, ids), model.output.quantization)
    assert np.abs(rows[0, 0] - table[0]).max() <= 0.51 * model.output.quantization.scale
    check_tflite(write_tflite(to_tflite_model(model)))


def test_ids_that_do_not_exist_count_as_0() -> None:
    model = quantized(np.random.default_rng(1).normal(size=(WORDS, SIZE)).astype(np.float32))
    stored = np.array(NOT_THERE, np.int16).reshape(1, -1, 1)
    zeros = np.zeros_like(stored)
    np.testing.assert_array_equal(simulate(model, stored), simulate(model, zeros))
    (given,) = interpreter_inputs(model, stored)
    assert given.tolist() == [[0] * len(NOT_THERE)]
    assert given.dtype == np.int32
    assert np.isin(NOT_THERE[1:3], expectation(model, None, 1).inputs).all(), "verification no longer tries them"


def test_ids_beyond_int16_are_clamped() -> None:
    model = quantized(np.ones((WORDS, SIZE), np.float32))
    stored = quantize_array(np.array([1e9, -1e9, 5.0]), model.input.quantization)
    assert stored.dtype == np.int16
    assert stored.tolist() == [32767, -32768, 5]


@pytest.mark.parametrize("seed", range(4))
def test_files_read_back(seed: int) -> None:
    model = random_embedding_model(seed, Contract.LITERT)
    data = write_tflite(to_tflite_model(model))
    again = model_from_tflite(data, model.name, Contract.LITERT)
    inputs = random_inputs(model, seed, 3)
    np.testing.assert_array_equal(simulate(again, inputs), simulate(model, inputs))
    assert again.input == model.input
    assert write_tflite(to_tflite_model(again)) == data


def records() -> TfliteModel:
    return to_tflite_model(quantized(np.random.default_rng(2).normal(size=(WORDS, SIZE)).astype(np.float32)))


def as_lookup() -> TfliteModel:
    """The same by EMBEDDING_LOOKUP, which takes a vector of ids."""
    (gather,) = records().operators
    table, ids = gather.inputs
    assert table is not None
    assert ids is not None
    flat_ids = replace(ids, name="flat_ids", shape=(TIMESTEPS,))
    flat_rows = replace(gather.outputs[0], name="flat_rows", shape=(TIMESTEPS, SIZE))
    operators = (
        reshape(ids, flat_ids),
        TfliteOperator("EMBEDDING_LOOKUP", (flat_ids, table), (flat_rows,)),
        reshape(flat_rows, gather.outputs[0]),
    )
    return TfliteModel(operators, (ids,), gather.outputs)


def reshape(source: TfliteTensor, result: TfliteTensor) -> TfliteOperator:
    shape = np.array(result.shape, np.int32)
    given = TfliteTensor(f"{result.name}/shape", shape.shape, "int32", data=shape)
    return TfliteOperator("RESHAPE", (source, given), (result,), {"new_shape": result.shape})


def test_an_embedding_lookup_is_the_same_op() -> None:
    models = [model_from_tflite(write_tflite(one), "m", Contract.LITERT) for one in (records(), as_lookup())]
    for op in (models[0].ops[0], models[1].ops[0]):
        assert isinstance(op, Embedding)
    ids = np.arange(TIMESTEPS).reshape(1, TIMESTEPS, 1)
    np.testing.assert_array_equal(simulate(models[0], ids), simulate(models[1], ids))
    assert models[0].output == models[1].output


def changed(position: int, change: Callable[[TfliteTensor], TfliteTensor], **options: int) -> TfliteModel:
    """The file with another table (position 0) or other ids (1), or with options."""
    model = records()
    (gather,) = model.operators
    tensor = gather.inputs[position]
    assert tensor is not None
    inputs = list(gather.inputs)
    inputs[position] = change(tensor)
    operator = replace(gather, inputs=tuple(inputs), options={**gather.options, **options})
    given = inputs[1]
    assert given is not None
    return replace(model, operators=(operator,), inputs=(given,) if given.data is None else ())


def unchanged(tensor: TfliteTensor) -> TfliteTensor:
    return tensor


def larger(tensor: TfliteTensor) -> TfliteTensor:
    return replace(tensor, shape=(32769, SIZE), data=np.zeros((32769, SIZE), np.int8))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (changed(1, lambda ids: replace(ids, dtype="int64")), "the ids are int64 (1, 5); only int32"),
        (changed(1, lambda ids: replace(ids, dtype="int16")), "the ids are int16 (1, 5); only int32"),
        (changed(1, lambda ids: replace(ids, dtype="float32")), "the ids are float32 (1, 5); only int32"),
        (changed(1, lambda ids: replace(ids, shape=(2, TIMESTEPS))), "the ids are int32 (2, 5); only int32"),
        (changed(1, lambda ids: replace(ids, shape=(1, 0))), "the ids are int32 (1, 0); only int32"),
        (changed(0, larger), "there are 32769 ids; at most 32768"),
        (changed(0, unchanged, axis=1), "option axis is 1"),
        (changed(0, unchanged, batch_dims=1), "option batch_dims is 1"),
        (changed(0, lambda table: replace(table, scales=(0.5,))), "output differs from the table"),
        (changed(0, lambda table: replace(table, scales=(), zero_points=())), "the table has 0 scales, not one"),
        (
            changed(0, lambda table: replace(table, dtype="int16", data=np.zeros((WORDS, SIZE), np.int16))),
            "the table is int16 (6, 4), not an int8 matrix",
        ),
        (
            changed(0, lambda table: replace(table, shape=(SIZE,), data=np.zeros(SIZE, np.int8))),
            "the table is int8 (4,), not an int8 matrix",
        ),
        (
            changed(0, lambda table: replace(table, shape=(6, 5), data=np.zeros((6, 5), np.int8))),
            "output has the shape (1, 5, 4), not (1, 5, 5)",
        ),
        (changed(0, lambda table: replace(table, data=None)), "the input is int32"),
    ],
)
def test_files_that_mean_something_else_are_refused(model: TfliteModel, expected: str) -> None:
    with pytest.raises(EdgelstmError) as caught:
        model_from_tflite(write_tflite(model), "foreign", Contract.LITERT)
    assert expected in caught.value.message


def test_an_activation_is_no_id() -> None:
    """A GATHER whose ids another GATHER yields, and a layer that reads the ids themselves."""
    (gather,) = records().operators
    rows = gather.outputs[0]
    table = gather.inputs[0]
    assert table is not None
    behind = replace(rows, name="behind", shape=(*rows.shape, SIZE))
    second = replace(gather, inputs=(replace(table, name="other"), rows), outputs=(behind,))
    model = replace(records(), operators=(gather, second), outputs=(behind,))
    with pytest.raises(EdgelstmError, match="the ids are int8"):
        model_from_tflite(write_tflite(model), "foreign", Contract.LITERT)
    ids = records().inputs[0]
    relu = TfliteOperator("RELU", (ids,), (replace(ids, name="relu"),), version=2)
    model = replace(records(), operators=(*records().operators, relu))
    with pytest.raises(EdgelstmError, match="input is int32, not int8"):
        model_from_tflite(write_tflite(model), "foreign", Contract.LITERT)


def test_a_table_larger_than_any_chip_is_refused() -> None:
    wide = (8192, 513)
    model = quantized(np.ones((WORDS, SIZE), np.float32))
    (op,) = model.ops
    output = QuantizedTensor("words", wide[1], is_sequence=True, quantization=op.output.quantization)
    source = QuantizedTensor.of_ids("ids", wide[0])
    huge = replace(model, input=source, ops=(Embedding("words", source, output, np.zeros(wide, np.int8)),))
    with pytest.raises(UnsupportedModelError, match="has a table of 8192 x 513; at most 32768 ids and 4 MiB"):
        model_from_tflite(write_tflite(to_tflite_model(huge)), "foreign", Contract.LITERT)


def test_the_header_says_that_the_input_is_ids() -> None:
    model = replace(random_embedding_model(0, Contract.LITERT), name="reader")
    files = emit(model, Options("ref", "balanced", "0" * 64)).files
    header = files["reader.h"]
    assert f"an id a step, from 0 to {model.input.vocabulary - 1}; any other counts as 0" in header
    assert f"#define READER_VOCABULARY {model.input.vocabulary} " in header
    assert "READER_INPUT_SCALE" not in "".join(files.values())
    assert "const int16_t input[READER_INPUT_SIZE]" in header


@pytest.mark.parametrize("vocabulary", [1, 300, 32768])
def test_ids_of_self_test_and_profile(vocabulary: int) -> None:
    model = quantized(np.ones((vocabulary, 1), np.float32))
    known = selftest_inputs(model, "0" * 64)
    assert known.dtype == np.int16
    assert known.shape == (TIMESTEPS, 1)
    assert known.max() <= vocabulary
    counted = profile_inputs(model, None, 20)
    assert counted.shape == (4, TIMESTEPS, 1)
    assert 0 <= counted.min() <= counted.max() < vocabulary
