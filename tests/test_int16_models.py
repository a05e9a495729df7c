"""Models with int16 activations: what the quantizer makes of layers, files, and refusals.

Two hundred random models against TFLite Micro, C and cores: `tests/firmware/random_ladder.py 0 200 --kind int16`.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest
from random_int16 import random_int16_model
from random_models import random_inputs
from reference_models import dense, gru, lstm

from edgelstm.codegen.emit import emit
from edgelstm.codegen.options import Options
from edgelstm.codegen.raw_input import RawInput
from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import FloatModel, Layer, Model, Tensor, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.concatenate import ConcatenateLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.merge import AddLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.quantization import calibrate, int8_layers, int16_layers, quantize
from edgelstm.report.metrics import sqnr_db
from edgelstm.simulate import real_outputs, simulate, stored_inputs
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.oracles import TFLM
from edgelstm.verification.trace import compare, official_trace

SOURCE = Tensor("input", 4, is_sequence=True)
TIMESTEPS = 20
RANDOM_MODELS = 25


def signals(count: int = 40) -> np.ndarray:
    steps = np.cumsum(np.random.default_rng(3).normal(0, 0.4, (count, TIMESTEPS, SOURCE.size)), axis=1)
    return np.tanh(steps).astype(np.float32)


def classifier() -> FloatModel:
    first = lstm("first", SOURCE, 7)
    second = lstm("second", first.output, 6)
    last = LastStepLayer.after(second.output)
    head = dense("head", last.output, 3)
    layers: tuple[Layer, ...] = (first, second, last, head, *activation_layers("softmax", "softmax", head.output))
    return FloatModel("classifier", SOURCE, layers, TIMESTEPS)


def bidirectional() -> FloatModel:
    forward = lstm("forward", SOURCE, 5)
    turned = ReverseLayer.of(SOURCE, "turned")
    backward = replace(lstm("backward", turned.output, 5), kernel=-2 * lstm("backward", turned.output, 5).kernel)
    again = ReverseLayer.of(backward.output, "again")
    both = ConcatenateLayer("both", forward.output, Tensor("both", 10, True), (again.output,))
    head = dense("dense", both.output, 2)
    squashed = activation_layers("tanh", "tanh", head.output)
    return FloatModel(
        "both_ways",
        SOURCE,
        (forward, turned, backward, again, both, dense("dense", both.output, 2), *squashed),
        TIMESTEPS,
    )


def with_add() -> FloatModel:
    """A layer that has int8 alone between two that have both."""
    first = lstm("first", SOURCE, 5)
    other = dense("other", SOURCE, 5)
    added = AddLayer("added", first.output, Tensor("added", 5, True), other.output)
    return FloatModel("with_add", SOURCE, (first, other, added, lstm("second", added.output, 4)), TIMESTEPS)


MODELS = {"classifier": classifier, "bidirectional": bidirectional, "with add": with_add}


def quantized(model: FloatModel, wide: Collection[str], contract: Contract | None = None) -> Model:
    return quantize(model, calibrate(model, signals()), TIMESTEPS, contract, wide)


def types(model: Model) -> dict[str, str]:
    return {op.name: op.output.quantization.dtype for op in model.ops}


def require_equal(model: Model, inputs: np.ndarray) -> None:
    comparison = compare(official_trace(model, inputs), TFLM.trace(model, inputs))
    assert comparison.values > 0
    assert comparison.mismatches == 0, comparison.first


def bytes_of(model: Model) -> bytes:
    data = write_tflite(to_tflite_model(model))
    check_tflite(data)
    return data


@pytest.mark.parametrize("seed", range(RANDOM_MODELS))
def test_random_models_equal_tflm_and_come_back_from_their_files(seed: int) -> None:
    model = random_int16_model(seed)
    require_equal(model, random_inputs(model, seed, 4))
    data = bytes_of(model)
    assert bytes_of(model_from_tflite(data, "other", None)) == data


@pytest.mark.parametrize("name", MODELS)
def test_all_that_can_runs_on_int16_and_comes_nearer_to_the_float_model(name: str) -> None:
    model = MODELS[name]()
    narrow, wide = quantized(model, ()), quantized(model, int16_layers(model))
    assert narrow.contract is Contract.LITERT
    assert wide.contract is Contract.TFLM
    assert wide.input.quantization.dtype == "int16"
    for layer in model.layers:
        expected = "int8" if layer.name in int8_layers(model) else "int16"
        assert types(wide)[layer.name] == expected
    require_equal(wide, stored_inputs(wide, signals(6)))
    real = model.forward(signals())
    distances = [
        sqnr_db(real, real_outputs(one, simulate(one, stored_inputs(one, signals())))) for one in (narrow, wide)
    ]
    assert distances[1] > distances[0] + (2.0 if not int8_layers(model) else 0.5)


def test_a_single_layer_runs_on_int16_between_borders() -> None:
    model = quantized(classifier(), {"second"})
    assert types(model) == {
        "first": "int8", "first/int16": "int16", "second": "int16", "second/last_step": "int16",
        "second/last_step/int8": "int8", "head": "int8", "softmax": "int8",
    }  # fmt: skip
    assert model.input.quantization.dtype == "int8"
    assert model.contract is Contract.TFLM
    require_equal(model, stored_inputs(model, signals(6)))
    assert bytes_of(model_from_tflite(bytes_of(model), "other", None)) == bytes_of(model)


def test_values_are_brought_to_a_width_once() -> None:
    first = lstm("first", SOURCE, 5)
    added = AddLayer("added", first.output, Tensor("added", 5, True), first.output)
    layers = (first, added, lstm("second", added.output, 4), lstm("third", added.output, 3))
    model = quantized(FloatModel("twice", SOURCE, layers, TIMESTEPS), {"first", "second", "third"})
    assert [op.name for op in model.ops] == ["first", "first/int8", "added", "added/int16", "second", "third"]


def test_nothing_changes_where_nothing_is_asked_for() -> None:
    model = classifier()
    ranges = calibrate(model, signals())
    assert bytes_of(quantize(model, ranges, TIMESTEPS, Contract.LITERT)) == bytes_of(quantized(model, ()))


def test_litert_is_refused_with_a_reason() -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        quantized(classifier(), {"first"}, Contract.LITERT)
    assert "LiteRT has no kernel" in str(caught.value)


def test_layers_of_our_own_arithmetic_are_refused_beside_int16() -> None:
    first = gru("our_own", SOURCE, 4)
    model = FloatModel("mixed", SOURCE, (first, lstm("wide", first.output, 4)), TIMESTEPS)
    with pytest.raises(UnsupportedModelError) as caught:
        quantized(model, int16_layers(model))
    assert "our_own" in str(caught.value)
    assert "int16" in str(caught.value.hint)


def test_the_header_speaks_of_int16() -> None:
    model = quantized(classifier(), int16_layers(classifier()))
    files = emit(model, Options("ref", "size", "0" * 64, raw_lsb=(0.001,))).files
    header = files["classifier.h"]
    assert "an int16 recurrent network" in header
    assert "void classifier_step(classifier_t *self, const int16_t input[CLASSIFIER_INPUT_SIZE]);" in header
    assert "void classifier_output(classifier_t *self, int16_t output[CLASSIFIER_OUTPUT_SIZE]);" in header
    assert "int8_t" not in header
    assert "clamped to int16" in files["main.c"] or "quantize_input" in files["main.c"]


def test_sensor_counts_become_int16() -> None:
    model = quantized(classifier(), int16_layers(classifier()))
    counts = np.arange(-(2**15), 2**15, 7)[:, None] * np.ones(SOURCE.size, np.int64)
    found = RawInput.of(model, (0.00005,)).apply(counts)
    real = counts * 0.00005 / model.input.quantization.scale
    assert found.dtype == np.int16
    assert np.abs(found - np.clip(real, -(2**15), 2**15 - 1)).max() <= 2.5


def _planted(name: str, **changes: object) -> bytes:
    """The classifier's file, in which every mention of a tensor is another."""
    records = to_tflite_model(quantized(classifier(), int16_layers(classifier())))

    def changed(tensor: TfliteTensor) -> TfliteTensor:
        return replace(tensor, **changes) if tensor.name == name else tensor  # type: ignore[arg-type]

    operators = tuple(
        replace(
            operator,
            inputs=tuple(None if tensor is None else changed(tensor) for tensor in operator.inputs),
            outputs=tuple(map(changed, operator.outputs)),
        )
        for operator in records.operators
    )
    outputs = tuple(map(changed, records.outputs))
    return write_tflite(replace(records, operators=operators, outputs=outputs))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("head/bias", {"data": np.zeros(3, np.int32), "dtype": "int32"}, "bias is int32, not int64"),
        ("first/input_bias", {"data": np.zeros(7, np.int32), "dtype": "int32"}, "bias is int32, not int64"),
        ("head", {"zero_points": (3,)}, "zero point other than 0"),
        ("first", {"zero_points": (3,)}, "zero point other than 0"),
        ("softmax", {"scales": (2.0**-14,)}, "must have the scale"),
        ("first/hidden", {"dtype": "int8"}, "hidden state is not int16"),
    ],
)
def test_faults_that_the_runtime_might_accept_are_named(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelFormatError) as caught:
        check_tflite(_planted(name, **changes))
    assert message in str(caught.value)
