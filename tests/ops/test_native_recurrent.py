"""GRU, SimpleRNN and LSTM with hard_sigmoid in integers: against docs/numerics.md number by number, and float."""

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from random_models import random_inputs
from random_native import random_native_model

from edgelstm.errors import EdgelstmError, ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import (
    FloatArray,
    FloatModel,
    IntArray,
    Layer,
    Model,
    Op,
    Quantization,
    QuantizedTensor,
    Tensor,
)
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import quantize_multiplier
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.gru import Gru, GruLayer
from edgelstm.ops.lstm import Lstm, LstmLayer, LstmRows
from edgelstm.ops.narrow_projection import NarrowProjection
from edgelstm.ops.projection import Projection
from edgelstm.ops.simple_rnn import SimpleRnn, SimpleRnnLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import dequantize_array, quantize_array, simulate, simulate_steps
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model

SEEDS = range(60)
TIMESTEPS = 40


def saturate(value: int, bits: int) -> int:
    return max(-(1 << bits - 1), min((1 << bits - 1) - 1, value))


def away(value: int, shift: int) -> int:
    """value / 2^shift, halves away from zero."""
    magnitude = (2 * abs(value) + (1 << shift) >> shift + 1) if shift else abs(value)
    return magnitude if value >= 0 else -magnitude


def scaled(value: int, mantissa: int, shift: int) -> int:
    if shift > 0:
        value <<= shift
    return away((value * mantissa + 2**30) >> 31, max(-shift, 0))


def row_result(projection: Projection, row: int, values: list[int]) -> int:
    weights = [int(weight) for weight in projection.weights[row]]
    total = int(projection.bias[row]) + sum(
        w * (v - projection.value.zero_point) for w, v in zip(weights, values, strict=True)
    )
    if isinstance(projection, NarrowProjection):
        return narrow_result(projection, row, total)
    multipliers = projection.multipliers
    return scaled(total, int(multipliers.mantissas[row]), multipliers.shift)


def narrow_result(projection: NarrowProjection, row: int, total: int) -> int:
    """The factor is the scale in steps of the largest power of two of which all scales are whole multiples."""
    real = [scale * projection.value.scale / projection.result_scale for scale in projection.scales]
    whole = next(shift for shift in range(25) if all(abs(one * 2**shift % 1 - 0.5) > 0.499 for one in real))
    return (total * round(real[row] * 2**whole) + 2**whole // 2) // 2**whole


def gate(function: GateFunction, value: int) -> int:
    if function is GateFunction.SIGMOID:
        return int(activations.sigmoid(Contract.LITERT, np.array(value)))
    slope = {GateFunction.HARD_SIGMOID_6: 43691, GateFunction.HARD_SIGMOID_5: 52429}[function]
    return max(0, min(32767, (value * slope + 16384 >> 15) + 16384))


def tanh(value: int, integer_bits: int = 3) -> int:
    return int(activations.tanh(Contract.LITERT, np.array(value), integer_bits))


def to_hidden(value: int, hidden: Quantization) -> int:
    multiplier = quantize_multiplier(2.0**-15 / hidden.scale)
    return saturate(scaled(value, multiplier.mantissa, multiplier.shift) + hidden.zero_point, 8)


def recalled_part(projection: Projection) -> tuple[int, Projection]:
    """Un of a GRU with `reset_after`, and k: 2^(k - 12) are the smallest steps in which no result exceeds 16 bits."""
    for doublings in range(15):
        coarse = replace(projection, result_scale=projection.result_scale * 2**doublings)
        rows = [
            row_result(coarse, row, [low if weight > 0 else high for weight in weights])
            for row, weights in enumerate(projection.weights)
            for low, high in ((-128, 127), (127, -128))
        ]
        if max(map(abs, rows)) < 2**15:
            break
    return doublings, coarse


def gru_step(op: Gru, x: list[int], h: list[int], carried: list[int]) -> tuple[list[int], list[int]]:
    """docs/numerics.md, section GRU, one number at a time."""
    zs, rs = (
        [
            gate(
                op.gate,
                saturate(row_result(kernel, u, x) + row_result(recurrent, u, h), 16),
            )
            for u in range(op.units)
        ]
        for kernel, recurrent in zip(op.kernels[:2], op.recurrent_kernels[:2], strict=True)
    )
    doublings, recalled = recalled_part(op.recurrent_kernels[2])
    kept = [to_hidden(away(r * c, 15), op.output.quantization) for r, c in zip(rs, carried, strict=True)]
    stored, fine = [], []
    for u in range(op.units):
        candidate = row_result(op.kernels[2], u, x)
        if op.reset_after:
            candidate += away(rs[u] * row_result(recalled, u, h), 15 - doublings)
        else:
            candidate += row_result(op.recurrent_kernels[2], u, kept)
        fine.append((zs[u] * carried[u] + (32768 - zs[u]) * tanh(saturate(candidate, 16)) + 16384) >> 15)
        stored.append(to_hidden(fine[-1], op.output.quantization))
    return stored, fine


def plain_result(weights: IntArray, bias: int, scale: float, value: Quantization, values: list[int]) -> int:
    """W or U of an LSTM, whose rows share one multiplier."""
    total = bias + sum(int(w) * (v - value.zero_point) for w, v in zip(weights, values, strict=True))
    multiplier = quantize_multiplier(scales.float32(scale * value.scale) * 2.0**12)
    return scaled(total, multiplier.mantissa, multiplier.shift)


def lstm_step(op: Lstm, x: list[int], h: list[int], cell: list[int]) -> tuple[list[int], list[int]]:
    """docs/numerics.md, section LSTM with hard_sigmoid."""
    source, hidden, c = op.input.quantization, op.output.quantization, round(np.log2(op.cell.scale))
    output = quantize_multiplier(scales.float32(2.0**-30 / hidden.scale))
    limit = int(scales.float32(op.cell_clip) / op.cell.scale) or 32768
    stored, following = [], []
    for u in range(op.units):
        z = []
        for one in op.gates:
            from_input = plain_result(one.kernel[u], int(one.bias[u]), one.kernel_scale, source, x)
            from_hidden = plain_result(one.recurrent_kernel[u], 0, one.recurrent_scale, hidden, h)
            z.append(saturate(saturate(from_input, 16) + from_hidden, 16))
        i, f, o = (gate(op.gate, z[index]) for index in (0, 1, 3))
        wanted = saturate(away(f * cell[u], 15) + away(i * tanh(z[2]), 30 + c), 16)
        following.append(max(-limit, min(limit, wanted)))
        value = o * tanh(following[-1], 15 + c)
        stored.append(saturate(scaled(value, output.mantissa, output.shift) + hidden.zero_point, 8))
    return stored, following


def lstm_rows_step(op: LstmRows, x: list[int], h: list[int], cell: list[int]) -> tuple[list[int], list[int]]:
    """docs/numerics.md, section Weights of 4 bits."""
    hidden, c = op.output.quantization, round(np.log2(op.cell.scale))
    output = quantize_multiplier(scales.float32(2.0**-30 / hidden.scale))
    stored, following = [], []
    for u in range(op.units):
        rows = range(4 * u, 4 * u + 4)
        z = [
            saturate(saturate(row_result(op.kernel, row, x), 16) + row_result(op.recurrent_kernel, row, h), 16)
            for row in rows
        ]
        i, f, o = (gate(op.gate, z[index]) for index in (0, 1, 3))
        following.append(saturate(away(f * cell[u], 15) + away(i * tanh(z[2]), 30 + c), 16))
        value = o * tanh(following[-1], 15 + c)
        stored.append(saturate(scaled(value, output.mantissa, output.shift) + hidden.zero_point, 8))
    return stored, following


def rnn_step(op: SimpleRnn, x: list[int], h: list[int]) -> list[int]:
    """docs/numerics.md, section SimpleRNN."""
    hidden, stored = op.output.quantization, []
    for u in range(op.units):
        value = saturate(row_result(op.kernel, u, x) + row_result(op.recurrent_kernel, u, h), 16)
        if op.function == "tanh":
            stored.append(to_hidden(tanh(value), hidden))
        else:
            stored.append(saturate(max(away(value, 5), 0) + hidden.zero_point, 8))
    return stored


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_layer_follows_the_document(seed: int) -> None:
    whole = random_native_model(seed)
    model = replace(whole, ops=whole.ops[:1], timesteps=4)
    require_documented(model, random_inputs(model, seed, 2))


def require_documented(model: Model, inputs: IntArray) -> None:
    """Compare every state of a model of one layer with the formulas of docs/numerics.md."""
    (op,) = model.ops
    for sequence in inputs:
        first, second = [op.state[0].initial] * op.output.size, [0] * op.output.size
        for t, step in enumerate(simulate_steps(model, sequence[None])):
            x = [int(value) for value in sequence[t]]
            if isinstance(op, Gru):
                first, second = gru_step(op, x, first, second)
            elif isinstance(op, Lstm):
                first, second = lstm_step(op, x, first, second)
            elif isinstance(op, LstmRows):
                first, second = lstm_rows_step(op, x, first, second)
            else:
                assert isinstance(op, SimpleRnn)
                first = rnn_step(op, x, first)
            found = [array[0].tolist() for array in step.state[0]]
            assert found == [first, second][: len(found)]


def gru_layer(rng: np.random.Generator, source: Tensor, units: int, reset_after: bool, gate: GateFunction) -> GruLayer:
    shapes = (source.size, 3 * units), (units, 3 * units), (3 * units,), (3 * units,)
    sizes = source.size**-0.5, units**-0.5, 0.2, 0.2 if reset_after else 0.0
    one, two, three, four = (
        rng.normal(0, size, shape).astype(np.float32) for size, shape in zip(sizes, shapes, strict=True)
    )
    return GruLayer("rnn", source, Tensor("rnn", units, True), one, two, three, four, reset_after, gate)


def lstm_layer(rng: np.random.Generator, source: Tensor, units: int, gate: GateFunction) -> LstmLayer:
    shapes = (source.size, 4 * units), (units, 4 * units), (4 * units,)
    sizes = source.size**-0.5, units**-0.5, 0.2
    one, two, three = (rng.normal(0, size, shape).astype(np.float32) for size, shape in zip(sizes, shapes, strict=True))
    return LstmLayer("rnn", source, Tensor("rnn", units, True), one, two, three, gate)


def rnn_layer(rng: np.random.Generator, source: Tensor, units: int, function: str) -> SimpleRnnLayer:
    shapes = (source.size, units), (units, units), (units,)
    sizes = source.size**-0.5, 0.7 * units**-0.5, 0.2
    one, two, three = (rng.normal(0, size, shape).astype(np.float32) for size, shape in zip(sizes, shapes, strict=True))
    return SimpleRnnLayer("rnn", source, Tensor("rnn", units, True), one, two, three, function)


def sqnr_db(reference: FloatArray, found: FloatArray) -> float:
    return float(10 * np.log10(np.mean(reference**2) / np.mean((reference - found) ** 2)))


def quantized(layer: Layer, source: Tensor, inputs: FloatArray) -> tuple[FloatModel, Model]:
    float_model = FloatModel("smooth", source, (layer,), inputs.shape[1])
    return float_model, quantize(float_model, calibrate(float_model, inputs), inputs.shape[1], Contract.LITERT)


LAYERS = {
    **{
        f"gru {reset_after} {gate.value}": (lambda rng, source, r=reset_after, g=gate: gru_layer(rng, source, 13, r, g))
        for reset_after, gate in product((True, False), GateFunction)
    },
    **{
        f"lstm {gate.value}": (lambda rng, source, g=gate: lstm_layer(rng, source, 13, g))
        for gate in (GateFunction.HARD_SIGMOID_6, GateFunction.HARD_SIGMOID_5)
    },
    "rnn tanh": lambda rng, source: rnn_layer(rng, source, 13, "tanh"),
    "rnn relu": lambda rng, source: rnn_layer(rng, source, 13, "relu"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_integers_follow_the_float_model(name: str) -> None:
    rng = np.random.default_rng(5)
    source = Tensor("input", 4, True)
    inputs = np.cumsum(rng.normal(0, 0.3, (60, TIMESTEPS, 4)), axis=1).astype(np.float32)
    float_model, model = quantized(LAYERS[name](rng, source), source, inputs)
    assert model.contract is Contract.NATIVE
    assert [problem for op in model.ops for problem in op.problems(model.contract)] == []
    found = dequantize_array(
        simulate(model, quantize_array(inputs, model.input.quantization)), model.output.quantization
    )
    assert sqnr_db(float_model.forward(inputs), found) > 28


@pytest.mark.parametrize("name", ["gru True sigmoid", "gru False sigmoid", "rnn tanh"])
@pytest.mark.parametrize("seed", range(4))
def test_large_parts_of_a_gate_cancel_out(name: str, seed: int) -> None:
    """With weights of a few units an input part of 12 and a recurrent part of -11 are common; Q3.12 ends at 8."""
    rng = np.random.default_rng(seed)
    source = Tensor("input", 4, True)
    layer = LAYERS[name](rng, source)
    for array in (layer.kernel, layer.recurrent_kernel, layer.bias, getattr(layer, "recurrent_bias", layer.bias[:0])):
        array[...] = 8 * array
    inputs = rng.normal(0, 1, (300, 4, 4)).astype(np.float32)
    assert sqnr_db(*answers(layer, source, inputs)) > 22


def test_the_reset_gate_acts_on_all_of_a_large_recurrent_part() -> None:
    """A reset gate of 1/12 brings a recurrent part of 24 back to 2, and one that is clipped at 8 to 0.7."""
    source = Tensor("input", 1, True)
    rng = np.random.default_rng(3)
    layer = gru_layer(rng, source, 4, True, GateFunction.SIGMOID)
    for array in (layer.kernel, layer.recurrent_kernel, layer.bias, layer.recurrent_bias):
        array[...] = 0
    layer.kernel[:, 8:] = rng.uniform(-1, 1, 4)
    layer.recurrent_kernel[:, 8:] = np.diag([24.0, -24.0, 24.0, -24.0])
    layer.bias[:4], layer.bias[4:8] = -3.0, -np.log(11.0)
    inputs = rng.uniform(-1, 1, (40, 30, 1)).astype(np.float32)
    expected, found = answers(layer, source, inputs)
    assert np.abs(expected).max() > 0.9
    assert sqnr_db(expected, found) > 22


def answers(layer: Layer, source: Tensor, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of the float model and of the integers."""
    float_model, model = quantized(layer, source, inputs)
    stored = simulate(model, quantize_array(inputs, model.input.quantization))
    return float_model.forward(inputs), dequantize_array(stored, model.output.quantization)


def test_a_slow_gru_keeps_what_8_bits_would_lose() -> None:
    """An update gate near 1 moves the state by less than a step of int8 at a time."""
    rng = np.random.default_rng(6)
    source = Tensor("input", 2, True)
    layer = gru_layer(rng, source, 8, True, GateFunction.SIGMOID)
    layer.bias[:8] = 4.5
    inputs = np.ones((4, 300, 2), np.float32) * rng.choice([-1, 1], (4, 1, 2)).astype(np.float32)
    float_model, model = quantized(layer, source, inputs)
    expected = float_model.forward(inputs)
    found = dequantize_array(
        simulate(model, quantize_array(inputs, model.input.quantization)), model.output.quantization
    )
    assert float(np.abs(np.diff(expected, axis=1)).max()) < 2.0**-5
    assert float(np.abs(found - expected).max()) < 4 * model.output.quantization.scale


@pytest.mark.parametrize("weight_size", [0.0, 1e-30, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("bias_size", [0.0, 1e-30, 1e6, 1e12])
def test_absurd_layers_compute_or_tell(weight_size: float, bias_size: float) -> None:
    rng = np.random.default_rng(7)
    source = Tensor("input", 3, True)
    stored = QuantizedTensor("input", 3, True, Quantization(2.0**-7, 7))
    for build in LAYERS.values():
        layer = build(rng, source)
        for name in ("kernel", "recurrent_kernel"):
            getattr(layer, name)[...] *= np.float32(weight_size)
        layer.bias[...] *= np.float32(bias_size)
        op = layer.quantize({"rnn": (-0.9, 0.9), "rnn/cell": (-3.0, 2.0)}, stored)
        if not op.problems(Contract.NATIVE):
            model = Model("absurd", stored, (op,), 3, Contract.NATIVE)
            inputs = rng.integers(-128, 128, (1, 3, 3)).astype(np.int8)
            # The sums of an LSTM wrap where LiteRT's do.
            if isinstance(op, Lstm):
                simulate(model, inputs)
            else:
                require_documented(model, inputs)
        else:
            assert max(weight_size, bias_size) >= 1e6


@pytest.mark.parametrize("seed", range(20))
def test_the_tflite_keeps_every_integer(seed: int) -> None:
    model = random_native_model(seed)
    data = write_tflite(to_tflite_model(model))
    check_tflite(data)
    again = model_from_tflite(data, "x", Contract.LITERT)
    assert again.contract is Contract.NATIVE
    inputs = random_inputs(model, seed, 3)
    for wanted, found in zip(simulate_steps(model, inputs), simulate_steps(again, inputs), strict=True):
        np.testing.assert_array_equal(wanted.output, found.output)
        for one, other in zip(wanted.state, found.state, strict=True):
            for mine, its in zip(one, other, strict=True):
                np.testing.assert_array_equal(mine, its)
    assert write_tflite(to_tflite_model(again)) == data


def first_with(kind: type[Op]) -> Model:
    """The first random model that begins with such an op."""
    return next(model for model in map(random_native_model, range(40)) if isinstance(model.ops[0], kind))


def test_tflm_has_no_such_layers() -> None:
    data = write_tflite(to_tflite_model(random_native_model(1)))
    with pytest.raises(UnsupportedModelError, match="no integer kernel"):
        model_from_tflite(data, "x", Contract.TFLM)


@pytest.mark.parametrize("kind", [Gru, SimpleRnn, Lstm])
def test_damaged_custom_operators_are_refused_or_read(kind: type[Op]) -> None:
    """Every byte of the options and a sample of all others."""
    data = write_tflite(to_tflite_model(first_with(kind)))
    start = data.index(b'{"')
    rng = np.random.default_rng(8)
    for position in [*range(start, start + 60), *rng.integers(0, len(data), 120).tolist()]:
        for value in (0, 255, data[position] ^ 1):
            damaged = data[:position] + bytes([value]) + data[position + 1 :]
            try:
                model_from_tflite(damaged, "x", Contract.LITERT)
            except EdgelstmError as error:
                assert error.message


@pytest.mark.parametrize(("old", "new"), [("reset_after", "reset_aftex"), ("gate", "gaze"), ("sigmoid", "sigmoix")])
def test_options_that_mean_nothing_are_refused(old: str, new: str) -> None:
    data = write_tflite(to_tflite_model(first_with(Gru)))
    assert old.encode() in data
    with pytest.raises(ModelFormatError, match="option"):
        model_from_tflite(data.replace(old.encode(), new.encode(), 1), "x", Contract.LITERT)


@pytest.mark.parametrize("clip", ["-1.0", "1", "1e999", "NaN", "true", '"1.0"', "-Infinity"])
def test_a_cell_clip_is_a_finite_number(clip: str) -> None:
    whole = first_with(Lstm)
    op = whole.ops[0]
    assert isinstance(op, Lstm)
    data = write_tflite(to_tflite_model(replace(whole, ops=(replace(op, cell_clip=12345.678),))))
    assert model_from_tflite(data, "x", Contract.LITERT).contract is Contract.NATIVE
    with pytest.raises(ModelFormatError, match="option"):
        model_from_tflite(data.replace(b"12345.678", clip.rjust(9).encode(), 1), "x", Contract.LITERT)


def test_a_sigmoid_lstm_is_no_operator_of_ours() -> None:
    data = write_tflite(to_tflite_model(first_with(Lstm)))
    changed = re.sub(rb'"hard_sigmoid_[56]"', b'"sigmoid"       ', data, count=1)
    assert changed != data
    with pytest.raises(ModelFormatError, match="option gate"):
        model_from_tflite(changed, "x", Contract.LITERT)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_yields_nothing_builds(name: str) -> None:
    """Its scales have no range to follow."""
    source = Tensor("input", 3, True)
    layer = LAYERS[name](np.random.default_rng(1), source)
    for weights in ("kernel", "recurrent_kernel", "bias"):
        getattr(layer, weights)[...] = -1.0 if name == "rnn relu" and weights == "kernel" else 0.0
    inputs = np.abs(np.random.default_rng(2).normal(size=(20, 5, 3))).astype(np.float32)
    float_model, model = quantized(layer, source, inputs)
    assert [problem for op in model.ops for problem in op.problems(model.contract)] == []
    stored = simulate(model, quantize_array(inputs, model.input.quantization))
    found = dequantize_array(stored, model.output.quantization)
    assert float(np.abs(found - float_model.forward(inputs)).max()) < 0.01
