"""Weights of 4 bits: the quantizer, docs/numerics.md number by number, the .tflite, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import random_inputs
from random_narrow import random_narrow_model
from test_native_recurrent import LAYERS, TIMESTEPS, gru_layer, lstm_layer, require_documented, sqnr_db

from edgelstm.errors import EdgelstmError, ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import FloatModel, Layer, Model, Quantization, QuantizedTensor, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.dense import Dense, DenseLayer
from edgelstm.ops.gru import Gru
from edgelstm.ops.lstm import LstmRows
from edgelstm.ops.narrow_projection import NarrowProjection
from edgelstm.ops.simple_rnn import SimpleRnn
from edgelstm.ops.weight_bits import LEAST_DENSE_WEIGHTS
from edgelstm.quantization import calibrate, narrow_layers, quantize, with_narrow_weights
from edgelstm.simulate import dequantize_array, quantize_array, simulate, simulate_steps
from edgelstm.step_graph import to_step_graph
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model

SOURCE = Tensor("input", 4, True)
VALUE = Quantization(2.0**-6, 3)
GATE = 2.0**-12
ALL_LAYERS = {**LAYERS, "lstm sigmoid": lambda rng, source: lstm_layer(rng, source, 13, GateFunction.SIGMOID)}


@pytest.mark.parametrize("seed", range(60))
def test_the_first_layer_follows_the_document(seed: int) -> None:
    whole = random_narrow_model(seed)
    model = replace(whole, ops=whole.ops[:1], timesteps=4)
    require_documented(model, random_inputs(model, seed, 2))


@pytest.mark.parametrize("name", ALL_LAYERS)
def test_integers_follow_the_float_model(name: str) -> None:
    rng = np.random.default_rng(5)
    inputs = np.cumsum(rng.normal(0, 0.3, (60, TIMESTEPS, 4)), axis=1).astype(np.float32)
    float_model = FloatModel("smooth", SOURCE, (ALL_LAYERS[name](rng, SOURCE),), TIMESTEPS)
    ranges = calibrate(float_model, inputs)
    model = quantize(with_narrow_weights(float_model), ranges, TIMESTEPS, Contract.LITERT)
    assert model.contract is Contract.NATIVE
    assert narrow_layers(model) == ("rnn",)
    found = dequantize_array(
        simulate(model, quantize_array(inputs, model.input.quantization)), model.output.quantization
    )
    assert sqnr_db(float_model.forward(inputs), found) > 14


@pytest.mark.parametrize("seed", range(10))
def test_scales_are_the_best_of_their_steps(seed: int) -> None:
    """Among factors from 0.4 of what the largest weight asks for none is much better; every hundredth is tried."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(3, (12, 40)) * rng.uniform(0.1, 1.0, (12, 1))
    narrow = NarrowProjection.of(rows, np.zeros(12), VALUE, GATE)
    plain = np.abs(rows).max(axis=1) / 7

    def error(row: int, scale: float) -> float:
        return float(((rows[row] - scale * np.clip(np.rint(rows[row] / scale), -7, 7)) ** 2).sum())

    unit = narrow.scales[0] / narrow.matrix().row_factors[0]
    for row, scale in enumerate(narrow.scales):
        candidates = range(max(1, round(0.4 * plain[row] / unit)), round(plain[row] / unit) + 1)
        assert error(row, scale) <= 1.06 * min(error(row, factor * unit) for factor in candidates)
    total = sum(error(row, scale) for row, scale in enumerate(narrow.scales))
    assert total < 1.001 * sum(error(row, scale) for row, scale in enumerate(plain))


def test_a_large_bias_raises_its_row() -> None:
    narrow = NarrowProjection.of(np.full((4, 3), 0.001), np.array([5.0, 0.0, 0.0, 0.0]), VALUE, GATE)
    assert narrow.fits()
    assert abs(int(narrow.bias[0])) <= 2**17
    real = narrow.bias[0] * narrow.scales[0] * VALUE.scale
    assert abs(real - 5.0) < GATE


def test_steps_too_coarse_for_the_weights_are_told_and_not_clipped() -> None:
    """Raw counts in steps of 16: a weight of 0.02 is 1311 steps of Q3.12, one of 0.5 is 32768, and 7 * 255 are held."""
    coarse = Quantization(16.0, 0)
    held = NarrowProjection.of(np.full((4, 3), 0.02), np.zeros(4), coarse, GATE)
    assert held.fits()
    assert np.allclose(held.weights * np.array(held.scales)[:, None], 0.02, rtol=0.01)
    assert not NarrowProjection.of(np.full((4, 3), 0.5), np.zeros(4), coarse, GATE).fits()


def test_many_columns_get_factors_of_fewer_bits() -> None:
    rng = np.random.default_rng(3)
    narrow = NarrowProjection.of(rng.choice([-1.0, 1.0], (4, 9000)), np.zeros(4), VALUE, GATE)
    assert narrow.fits()
    assert max(narrow.matrix().row_factors) < 2**7


@pytest.mark.parametrize("weight_size", [0.0, 1e-30, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("bias_size", [0.0, 1e-30, 1e6, 1e12])
def test_absurd_layers_compute_or_tell(weight_size: float, bias_size: float) -> None:
    rng = np.random.default_rng(7)
    stored = QuantizedTensor("input", 4, True, Quantization(2.0**-7, 7))
    for build in ALL_LAYERS.values():
        layer = build(rng, SOURCE)
        for name in ("kernel", "recurrent_kernel"):
            getattr(layer, name)[...] *= np.float32(weight_size)
        layer.bias[...] *= np.float32(bias_size)
        op = layer.with_narrow_weights().quantize({"rnn": (-0.9, 0.9), "rnn/cell": (-3.0, 2.0)}, stored)
        if not op.problems(Contract.NATIVE):
            model = Model("absurd", stored, (op,), 3, Contract.NATIVE)
            require_documented(model, rng.integers(-128, 128, (1, 3, 4)).astype(np.int8))
        else:
            assert max(weight_size, bias_size) >= 1e6


def test_a_small_dense_keeps_8_bits() -> None:
    def layer(rows: int) -> Layer:
        kernel = np.ones((32, rows), np.float32)
        return DenseLayer("dense", Tensor("in", 32, False), Tensor("dense", rows, False), kernel, np.zeros(rows), False)

    value = QuantizedTensor("in", 32, False, VALUE)
    least = LEAST_DENSE_WEIGHTS // 32
    for rows, bits in ((least - 1, 8), (least, 4)):
        op = layer(rows).with_narrow_weights().to_op({"dense": (-9.0, 9.0)}, (value,))
        assert isinstance(op, Dense)
        assert (op.bits, op.is_native, op.matrices(Contract.LITERT)[0].bits) == (bits, bits == 4, bits)


@pytest.mark.parametrize("seed", range(30))
def test_the_tflite_keeps_every_integer(seed: int) -> None:
    model = random_narrow_model(seed)
    data = write_tflite(to_tflite_model(model))
    check_tflite(data)
    again = model_from_tflite(data, "x", Contract.LITERT)
    assert again.contract is Contract.NATIVE
    assert narrow_layers(again) == narrow_layers(model)
    inputs = random_inputs(model, seed, 3)
    for wanted, found in zip(simulate_steps(model, inputs), simulate_steps(again, inputs), strict=True):
        np.testing.assert_array_equal(wanted.output, found.output)
        for one, other in zip(wanted.state, found.state, strict=True):
            for mine, its in zip(one, other, strict=True):
                np.testing.assert_array_equal(mine, its)
    assert write_tflite(to_tflite_model(again)) == data


def test_the_tflite_shrinks() -> None:
    rng = np.random.default_rng(9)
    inputs = rng.normal(0, 1, (60, TIMESTEPS, 4)).astype(np.float32)
    float_model = FloatModel("large", SOURCE, (lstm_layer(rng, SOURCE, 64, GateFunction.SIGMOID),), TIMESTEPS)
    ranges = calibrate(float_model, inputs)
    wide, narrow = (
        len(write_tflite(to_tflite_model(quantize(one, ranges, TIMESTEPS, Contract.LITERT))))
        for one in (float_model, with_narrow_weights(float_model))
    )
    assert narrow < 0.9 * wide


def test_tflm_has_no_such_layers() -> None:
    data = write_tflite(to_tflite_model(random_narrow_model(1)))
    with pytest.raises(UnsupportedModelError, match="no integer kernel"):
        model_from_tflite(data, "x", Contract.TFLM)


@pytest.mark.parametrize("kind", [Gru, SimpleRnn, LstmRows])
def test_damaged_files_are_refused_or_read(kind: type[Gru | SimpleRnn | LstmRows]) -> None:
    """Every byte of the options and a sample of all others."""
    model = next(model for model in map(random_narrow_model, range(40)) if isinstance(model.ops[0], kind))
    data = write_tflite(to_tflite_model(model))
    start = data.index(b'{"')
    rng = np.random.default_rng(8)
    for position in [*range(start, start + 30), *rng.integers(0, len(data), 60).tolist()]:
        for value in (0, 255, data[position] ^ 1):
            damaged = data[:position] + bytes([value]) + data[position + 1 :]
            try:
                model_from_tflite(damaged, "x", Contract.LITERT)
            except EdgelstmError as error:
                assert error.message


def test_scales_that_share_no_step_are_refused() -> None:
    model = next(model for model in map(random_narrow_model, range(40)) if isinstance(model.ops[0], LstmRows))
    op = model.ops[0]
    assert isinstance(op, LstmRows)
    kernel = replace(op.kernel, scales=(float(np.float32(op.kernel.scales[0] * 1.37)), *op.kernel.scales[1:]))
    data = write_tflite(to_tflite_model(replace(model, ops=(replace(op, kernel=kernel), *model.ops[1:]))))
    with pytest.raises(UnsupportedModelError, match="scales"):
        model_from_tflite(data, "x", Contract.LITERT)


def test_the_lowest_integer_is_refused() -> None:
    model = next(model for model in map(random_narrow_model, range(40)) if isinstance(model.ops[0], LstmRows))
    op = model.ops[0]
    assert isinstance(op, LstmRows)
    weights = op.kernel.weights.copy()
    weights[0, 0] = -8
    kernel = replace(op.kernel, weights=weights)
    data = write_tflite(to_tflite_model(replace(model, ops=(replace(op, kernel=kernel), *model.ops[1:]))))
    with pytest.raises(ModelFormatError, match="symmetric"):
        model_from_tflite(data, "x", Contract.LITERT)


def test_a_graph_of_one_step_has_bytes_for_weights() -> None:
    """TensorFlow Lite Micro refuses others."""
    rng = np.random.default_rng(2)
    layer = gru_layer(rng, SOURCE, 32, True, GateFunction.SIGMOID)
    head = DenseLayer("head", layer.output, Tensor("head", 16, True), rng.normal(0, 1, (32, 16)), np.zeros(16), False)
    float_model = FloatModel("stepped", SOURCE, (layer, head), TIMESTEPS)
    ranges = calibrate(float_model, rng.normal(0, 1, (20, TIMESTEPS, 4)).astype(np.float32))
    model = quantize(with_narrow_weights(float_model), ranges, TIMESTEPS, Contract.LITERT)
    assert narrow_layers(model) == ("rnn", "head")
    tensors = [tensor for operator in to_step_graph(model).operators for tensor in operator.inputs if tensor]
    assert tensors
    assert all(tensor.dtype != "int4" for tensor in tensors)
