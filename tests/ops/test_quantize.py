"""Quantization keeps small errors on smooth models and stays in range on absurd ones."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelstm.ir import AnyArray, FloatArray, FloatModel, Layer, Quantization, QuantizedTensor, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import dense as dense_module
from edgelstm.ops import scales
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.dense import Dense, DenseLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import dequantize_array, quantize_array, simulate

Stack = Callable[[np.random.Generator, Tensor], list[Layer]]

TIMESTEPS = 12


def lstm(rng: np.random.Generator, name: str, source: Tensor, units: int) -> LstmLayer:
    """Glorot-like weights, a forget bias of 1."""
    bias = np.concatenate([np.zeros(units), np.ones(units), np.zeros(2 * units)]).astype(np.float32)
    return LstmLayer(
        name,
        source,
        Tensor(name, units, is_sequence=True),
        (rng.normal(size=(source.size, 4 * units)) / source.size**0.5).astype(np.float32),
        (rng.normal(size=(units, 4 * units)) / (2 * units) ** 0.5).astype(np.float32),
        bias + rng.normal(0, 0.1, 4 * units).astype(np.float32),
    )


def dense(rng: np.random.Generator, name: str, source: Tensor, units: int, *, relu: bool = False) -> DenseLayer:
    kernel = (rng.normal(size=(source.size, units)) / source.size**0.5).astype(np.float32)
    bias = rng.normal(0, 0.2, units).astype(np.float32)
    return DenseLayer(name, source, Tensor(name, units, source.is_sequence), kernel, bias, relu)


def head(function: str) -> Stack:
    def build(rng: np.random.Generator, source: Tensor) -> list[Layer]:
        layers: list[Layer] = [lstm(rng, "lstm", source, 16)]
        layers.append(LastStepLayer.after(layers[-1].output))
        layers.append(dense(rng, "dense", layers[-1].output, 5, relu=function == "relu"))
        name = "linear" if function == "relu" else function
        return [*layers, *activation_layers(f"dense/{name}", name, layers[-1].output)]

    return build


def two_over_time(rng: np.random.Generator, source: Tensor) -> list[Layer]:
    first = lstm(rng, "first", source, 20)
    second = lstm(rng, "second", first.output, 12)
    return [first, second, dense(rng, "scores", second.output, 4)]


STACKS: dict[str, Stack] = {
    "two over time": two_over_time,
    **{function: head(function) for function in ("linear", "relu", "sigmoid", "tanh", "softmax")},
}


def sqnr_db(reference: FloatArray, found: FloatArray) -> float:
    return float(10 * np.log10(np.mean(reference**2) / np.mean((reference - found) ** 2)))


def smooth_inputs(rng: np.random.Generator, count: int) -> FloatArray:
    """Sine waves of random frequency, phase and size."""
    time = np.arange(TIMESTEPS)[None, :, None]
    frequency, phase, size = (rng.uniform(low, high, (count, 1, 4)) for low, high in ((0.1, 1), (0, 6.3), (0.3, 1.5)))
    waves: FloatArray = size * np.sin(frequency * time + phase)
    return waves.astype(np.float32)


@pytest.mark.parametrize("contract", Contract)
@pytest.mark.parametrize("stack", STACKS)
def test_integers_follow_the_float_model(stack: str, contract: Contract) -> None:
    rng = np.random.default_rng(3)
    source = Tensor("input", 4, is_sequence=True)
    float_model = FloatModel("smooth", source, tuple(STACKS[stack](rng, source)), TIMESTEPS)
    inputs = smooth_inputs(rng, 60)
    model = quantize(float_model, calibrate(float_model, inputs), TIMESTEPS, contract)
    assert [problem for op in model.ops for problem in op.problems(contract)] == []
    stored = simulate(model, quantize_array(inputs, model.input.quantization))
    found = dequantize_array(stored, model.output.quantization)
    assert sqnr_db(float_model.forward(inputs), found) > 20


def test_the_measure_notices_wrong_integers() -> None:
    rng = np.random.default_rng(3)
    source = Tensor("input", 4, is_sequence=True)
    float_model = FloatModel("smooth", source, tuple(two_over_time(rng, source)), TIMESTEPS)
    inputs = smooth_inputs(rng, 60)
    ranges = calibrate(float_model, inputs)
    low, high = ranges["second"]
    model = quantize(float_model, {**ranges, "second": (low / 4, high / 4)}, TIMESTEPS, Contract.LITERT)
    stored = simulate(model, quantize_array(inputs, model.input.quantization))
    assert sqnr_db(float_model.forward(inputs), dequantize_array(stored, model.output.quantization)) < 20


# Weights and biases of one layer, by what they are multiplied with.
SIZES = [0.0, 1e-30, 1e-6, 1.0, 1e6, 1e12]
INPUT_SCALES = [2.0**-20 / 255, 1 / 128, 1000.0]


def source_tensor(size: int, scale: float, *, is_sequence: bool) -> QuantizedTensor:
    return QuantizedTensor("input", size, is_sequence, Quantization(scales.float32(scale), 7))


def check_integers(kernel: AnyArray, bias: AnyArray) -> None:
    assert kernel.dtype == np.int8
    assert bias.dtype == np.int32
    assert int(kernel.min()) >= -127
    assert int(np.abs(bias.astype(np.int64)).max()) <= 2**30


@pytest.mark.parametrize("weight_size", SIZES)
@pytest.mark.parametrize("bias_size", SIZES)
@pytest.mark.parametrize("input_scale", INPUT_SCALES)
def test_absurd_dense_layers_stay_in_range(weight_size: float, bias_size: float, input_scale: float) -> None:
    """One row of each size beside ordinary ones; the range is that of the layer on inputs in [-1, 1]."""
    rng = np.random.default_rng(4)
    kernel, bias = rng.normal(size=(6, 4)), rng.normal(size=4)
    kernel[:, 1:3] *= weight_size
    bias[1:3] *= bias_size
    layer = DenseLayer(
        "dense",
        Tensor("input", 6, is_sequence=False),
        Tensor("dense", 4, is_sequence=False),
        kernel.astype(np.float32),
        bias.astype(np.float32),
        relu=False,
    )
    inputs = (np.linspace(-128 * input_scale, 127 * input_scale, 64)[:, None] * rng.choice([-1, 1], 6)).astype(
        np.float32
    )
    outputs = layer.forward(inputs, lambda name, values: None)
    ranges = {"dense": (float(outputs.min()), float(outputs.max()))}
    op = layer.quantize(ranges, source_tensor(6, input_scale, is_sequence=False))
    check_integers(op.kernel, op.bias)
    for contract in Contract:
        assert op.problems(contract) == []
        op.simulate(contract, rng.integers(-128, 128, (3, 6)).astype(np.int8), ())
        op.constants(contract)


@pytest.mark.parametrize("weight_size", SIZES)
@pytest.mark.parametrize("bias_size", SIZES)
def test_absurd_lstm_layers_stay_in_range(weight_size: float, bias_size: float) -> None:
    """Either they compute, or the problem is told."""
    rng = np.random.default_rng(5)
    layer = LstmLayer(
        "lstm",
        Tensor("input", 3, is_sequence=True),
        Tensor("lstm", 4, is_sequence=True),
        (rng.normal(size=(3, 16)) * weight_size).astype(np.float32),
        (rng.normal(size=(4, 16)) * weight_size).astype(np.float32),
        (rng.normal(size=16) * bias_size).astype(np.float32),
    )
    ranges = {"lstm": (-0.9, 0.9), "lstm/cell": (-3.0, 5.0)}
    op = layer.quantize(ranges, source_tensor(3, 1 / 128, is_sequence=True))
    for gate in op.gates:
        check_integers(gate.kernel, gate.bias)
        assert int(gate.recurrent_kernel.min()) >= -127
    assert op.cell.scale == 2.0**-12
    for contract in Contract:
        problems = op.problems(contract)
        assert bool(problems) == (weight_size >= 1e12 or (weight_size == 0 and bias_size >= 1e12)), problems
        if not problems:
            state = tuple(np.full((2, array.size), array.initial, array.dtype) for array in op.state)
            op.simulate(contract, rng.integers(-128, 128, (2, 3)).astype(np.int8), state)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8),
    st.floats(-1e9, 1e9, width=32),
    st.sampled_from(INPUT_SCALES),
)
@settings(max_examples=200, deadline=None)
def test_symmetric_scales(weights: list[float], bias: float, input_scale: float) -> None:
    """The largest weight reaches 127 unless the bias would not fit; every bias fits."""
    row, biases = np.array(weights), np.array([bias])
    scale = scales.symmetric_scale(row, biases, input_scale)
    assert scale == scales.float32(scale) > 0
    rounded = scales.round_weights(row, scale)
    assert np.abs(rounded.astype(int)).max() <= 127
    stored = scales.round_bias(biases, input_scale * scale)
    assert abs(stored[0] * input_scale * scale - bias) <= input_scale * scale * (0.5 + 2.0**-22 * abs(int(stored[0])))
    if abs(bias) < input_scale * scale * 2.0**28 and np.abs(row).max() > 1e-3:
        assert np.abs(rounded.astype(int)).max() == 127


@pytest.mark.parametrize("counts", [1.0, 2.0**15, 2.0**23, 1e10])
def test_weights_of_raw_counts_keep_their_bits(counts: float) -> None:
    """Inputs in counts of an ADC have weights as small as the counts are large."""
    row, bias = np.array([0.5, -0.25, 0.01]) / counts, np.array([0.3])
    scale = scales.symmetric_scale(row, bias, counts / 255.0)
    assert scales.round_weights(row, scale).tolist() == [127, -64, 3]
    assert scales.round_bias(bias, scale * counts / 255.0)[0] * scale * counts / 255.0 == pytest.approx(0.3, rel=1e-2)


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
@settings(max_examples=200, deadline=None)
def test_asymmetric_ranges_hold_zero_exactly(first: float, second: float) -> None:
    low, high = sorted((first, second))
    quantization = scales.asymmetric_int8(low, high)
    assert quantization.scale == scales.float32(quantization.scale) > 0
    assert -128 <= quantization.zero_point <= 127
    reach = [(stored - quantization.zero_point) * quantization.scale for stored in (-128, 127)]
    assert reach[0] <= min(low, 0) + 0.51 * quantization.scale
    assert reach[1] >= max(high, 0) - 0.51 * quantization.scale


@pytest.mark.parametrize(
    ("largest", "exponent"),
    [(0.0, -15), (1e-9, -15), (0.99, -15), (1.0, -15), (1.0001, -14), (2.0, -14), (2.1, -13), (63.9, -9), (1e6, -9)],
)
def test_cell_scales_are_powers_of_two_that_hold_the_range(largest: float, exponent: int) -> None:
    assert scales.cell_quantization(largest) == Quantization(2.0**exponent, 0, "int16")


def tied_layer() -> tuple[DenseLayer, dict[str, tuple[float, float]], QuantizedTensor]:
    """A factor of 1/98, at which LiteRT's float64 is below a tie at 49 and on one at 245."""
    layer = DenseLayer(
        "dense",
        Tensor("input", 1, is_sequence=False),
        Tensor("dense", 1, is_sequence=False),
        np.array([[127 / 32]], np.float32),
        np.zeros(1, np.float32),
        relu=False,
    )
    width = 255 * 98 * 2.0**-10
    return layer, {"dense": (-width / 2, width / 2)}, source_tensor(1, 2.0**-5, is_sequence=False)


def test_an_output_scale_moves_away_from_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, ranges, source = tied_layer()
    moved = layer.quantize(ranges, source)
    assert moved.inexact_outputs(Contract.LITERT) == []
    monkeypatch.setattr(dense_module, "_away_from_ties", lambda dense: dense)
    tied = layer.quantize(ranges, source)
    assert tied.factors() == (1 / 98,)
    assert tied.inexact_outputs(Contract.LITERT) == [0]
    assert "ties" in tied.problems(Contract.LITERT)[0]
    assert tied.problems(Contract.TFLM) == []
    step = float(np.spacing(np.float32(tied.output.quantization.scale)))
    assert 0 < moved.output.quantization.scale - tied.output.quantization.scale <= 32 * step


@pytest.mark.parametrize(("input_scale", "output_scale"), [(1e30, 1e-30), (1e-30, 1e30), (1.0, 2.0**-40)])
def test_hostile_scales_are_a_problem_or_zero(input_scale: float, output_scale: float) -> None:
    """As a .tflite file may state them; a row of zeros included."""
    for kernel in (np.zeros((2, 3), np.int8), np.array([[0, 0, 0], [1, -2, 127]], np.int8)):
        result = QuantizedTensor("dense", 2, False, Quantization(scales.float32(output_scale)))
        source = source_tensor(3, input_scale, is_sequence=False)
        op = Dense("dense", source, result, kernel, (1.0, 1.0), np.zeros(2, np.int32), relu=False)
        for contract in Contract:
            problems = op.problems(contract)
            assert bool(problems) == (output_scale < input_scale)
            if not problems:
                outputs, _ = op.simulate(contract, np.array([[1, 2, 3]], np.int8), ())
                assert outputs.tolist() == [[0, 0]]


def test_lstm_reports_sums_beyond_32_bits() -> None:
    rng = np.random.default_rng(6)
    layer = lstm(rng, "lstm", Tensor("input", 3, is_sequence=True), 2)
    ranges = {"lstm": (-1.0, 1.0), "lstm/cell": (-1.0, 1.0)}
    op = layer.quantize(ranges, source_tensor(3, 1e12, is_sequence=True))
    assert any("do not fit 32 bits" in problem for problem in op.problems(Contract.LITERT))
