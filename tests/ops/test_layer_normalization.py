"""LayerNormalization in integers: against docs/numerics.md number by number, and against float."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from random_layer_normalization import extreme_vectors, random_normalization, random_normalized_model
from random_models import _quantization, random_inputs

from edgelstm.errors import EdgelstmError, ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import FloatArray, Quantization, QuantizedTensor, SourceLayer, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import quantize_multiplier
from edgelstm.numerics.layer_normalization import LARGEST_SIZE
from edgelstm.ops import scales
from edgelstm.ops.layer_normalization import LayerNormalization, LayerNormalizationLayer
from edgelstm.simulate import simulate
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model

SEEDS = range(40)
LARGEST_ERROR = 0.51
"""Steps between the stored output and the exact normalization of the same int8 input: half of one is its rounding."""


def high(a: int, b: int) -> int:
    return (a * b + 2**30) >> 31


def away(value: int, shift: int) -> int:
    return (2 * abs(value) + (1 << shift) >> shift + 1) * (1 if value >= 0 else -1) if shift else value


def documented(op: LayerNormalization, values: list[int]) -> list[int]:
    """docs/numerics.md, section LayerNormalization, one number at a time."""
    n = len(values)
    g = next(g for g in range(1, 20) if 4 ** (g - 1) >= n - 1)
    s, v = sum(values), n * sum(value * value for value in values) - sum(values) ** 2
    e = int(Fraction(op.epsilon) * n * n * 2**16 / Fraction(op.input.quantization.scale) ** 2 + Fraction(1, 2))
    w = max(v, 1) * 2**16 + e
    h = (64 - w.bit_length()) // 2
    a = (w * 4**h >> 40) * 128
    x = 1143535043 - high(a, 652298158)
    for _ in range(3):
        x += 8 * high(x, 2**27 - high(high(x, x), a))
    multiplier = quantize_multiplier(op.gamma_scale * 2.0 ** (g - 15) / op.output.quantization.scale)
    results = []
    for value, gamma, beta in zip(values, op.gamma.tolist(), op.beta.tolist(), strict=True):
        d = n * value - s << h + 8 - g
        assert -(2**31) <= d < 2**31
        total = high(high(d, x), 65536 * gamma) + beta
        assert abs(total) < 2**30
        stored = away(high(total, multiplier.mantissa), -multiplier.shift) + op.output.quantization.zero_point
        results.append(max(-128, min(127, stored)))
    return results


@pytest.mark.parametrize("seed", SEEDS)
def test_it_follows_the_document(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = [1, 2, 3, 4, 5, 6, 17, 18, 63, 66, 1024, LARGEST_SIZE][seed % 12]
    op = random_normalization(rng, "normal", QuantizedTensor("input", size, False, _quantization(rng)))
    assert op.problems(Contract.NATIVE) == []
    values = extreme_vectors(rng, size)
    found, _ = op.simulate(Contract.NATIVE, values, ())
    for vector, result in zip(values[:: 1 if size < 5000 else 4], found[:: 1 if size < 5000 else 4], strict=True):
        assert result.tolist() == documented(op, vector.tolist())


def layer_of(rng: np.random.Generator, size: int, epsilon: float) -> LayerNormalizationLayer:
    gamma, beta = (rng.normal(0, rng.choice([0.01, 1.0, 10.0]), size).astype(np.float32) for _ in range(2))
    source, output = Tensor("input", size, False), Tensor("normal", size, False)
    return LayerNormalizationLayer("normal", source, output, gamma, beta, epsilon)


def quantized(layer: LayerNormalizationLayer, source: Quantization, results: FloatArray) -> LayerNormalization:
    ranges = {layer.output.name: (float(results.min()), float(results.max()))}
    return layer.quantize(ranges, QuantizedTensor("input", layer.input.size, False, source))


@pytest.mark.parametrize("epsilon", [0.0, 1e-12, 1e-5, 1e-3, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 65, 128, 1024, LARGEST_SIZE])
def test_it_is_the_float_layer_but_for_rounding(size: int, epsilon: float) -> None:
    rng = np.random.default_rng([size, int(1e6 * epsilon)])
    for _ in range(6):
        scale = max(float(np.exp(rng.uniform(-9, 0))), epsilon**0.5 / 100)
        source = Quantization(scales.float32(scale), int(rng.integers(-128, 128)))
        spread = float(rng.choice([0.6, 3.0, 30.0, 1000.0]))
        noise = np.clip(np.rint(rng.normal(0, spread, (8, size))), -128, 127).astype(np.int8)
        values = np.concatenate([noise, extreme_vectors(rng, size)])
        layer = layer_of(rng, size, epsilon)
        exact = layer.forward((values.astype(np.float64) - source.zero_point) * source.scale, lambda name, array: None)
        op = quantized(layer, source, exact)
        assert op.problems(Contract.NATIVE) == []
        result = op.output.quantization
        wanted = np.clip(exact / result.scale + result.zero_point, -128, 127)
        found, _ = op.simulate(Contract.NATIVE, values, ())
        assert float(np.abs(found - wanted).max()) < LARGEST_ERROR


@pytest.mark.parametrize("value", [-128, -3, 0, 127])
def test_a_constant_vector_becomes_beta(value: int) -> None:
    layer = layer_of(np.random.default_rng(1), 9, 0.0)
    op = quantized(layer, Quantization(0.25, 7), np.array([-4.0, 4.0]) * float(np.abs(layer.beta).max()))
    found, _ = op.simulate(Contract.NATIVE, np.full((1, 9), value, np.int8), ())
    result = op.output.quantization
    assert float(np.abs(found[0] - result.zero_point - layer.beta / result.scale).max()) < LARGEST_ERROR


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-6, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("beta", [0.0, 1e-30, 1.0, 1e12, 1e30])
@pytest.mark.parametrize("yields_nothing", [True, False])
def test_absurd_weights_compute(size: float, beta: float, yields_nothing: bool) -> None:
    rng = np.random.default_rng(2)
    layer = layer_of(rng, 5, 1e-3)
    layer = replace(layer, gamma=(layer.gamma * size).astype(np.float32), beta=(layer.beta * beta).astype(np.float32))
    results = np.zeros(2) if yields_nothing else np.array([-30.0, 30.0]) * max(size, beta)
    op = quantized(layer, Quantization(2.0**-7, 3), results)
    assert op.problems(Contract.NATIVE) == []
    values = extreme_vectors(rng, 5)
    found, _ = op.simulate(Contract.NATIVE, values, ())
    for vector, result in zip(values, found, strict=True):
        assert result.tolist() == documented(op, vector.tolist())


def op_of(scale: float, size: int = 4, epsilon: float = 1e-3, result_scale: float = 2.0**-5) -> LayerNormalization:
    rng = np.random.default_rng(3)
    op = random_normalization(rng, "normal", QuantizedTensor("input", size, False, Quantization(scale, 0)))
    output = replace(op.output, quantization=Quantization(result_scale, 0))
    return replace(op, epsilon=epsilon, output=output, gamma_scale=2.0**-15)


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (op_of(2.0**-7, LARGEST_SIZE + 1), "at most 16384"),
        (op_of(2.0**-30, 64, 1e-3), "input scale"),
        (op_of(1.0, 2, 1e30), "input scale"),
        (op_of(2.0**-7, result_scale=2.0**-40), "output scale"),
    ],
)
def test_what_does_not_fit_is_refused(op: LayerNormalization, reason: str) -> None:
    (problem,) = op.problems(Contract.NATIVE)
    assert reason in problem


def source_of(options: dict[str, Any], shapes: tuple[int, ...] = (4, 4)) -> SourceLayer:
    weights = tuple(np.ones(shape, np.float32) for shape in shapes)
    return SourceLayer("LayerNormalization", "normal", {"axis": -1, "epsilon": 1e-3, **options}, weights)


@pytest.mark.parametrize(
    ("options", "shapes", "reason"),
    [
        ({"axis": 1}, (4, 4), "axis"),
        ({"axis": [1, 2]}, (4, 4), "axis"),
        ({"rms_scaling": True}, (4,), "rms_scaling"),
        ({"epsilon": -1e-3}, (4, 4), "epsilon"),
        ({}, (4,), "weight arrays"),
        ({"scale": False}, (4, 4), "weight arrays"),
        ({}, (4, 5), "shape"),
    ],
)
def test_what_keras_has_and_we_have_not(options: dict[str, Any], shapes: tuple[int, ...], reason: str) -> None:
    problems = LayerNormalizationLayer.keras_problems(source_of(options, shapes), Tensor("input", 4, True))
    assert any(reason in problem for problem in problems)


@pytest.mark.parametrize("epsilon", ["x", None, [1, 2], float("nan"), float("inf"), True])
def test_an_epsilon_that_is_no_number_is_damage(epsilon: object) -> None:
    with pytest.raises(ModelFormatError, match="epsilon"):
        LayerNormalizationLayer.keras_problems(source_of({"epsilon": epsilon}), Tensor("input", 4, True))


def test_too_many_features_are_refused() -> None:
    size = LARGEST_SIZE + 1
    problems = LayerNormalizationLayer.keras_problems(source_of({}, (size, size)), Tensor("input", size, True))
    assert problems == [f"normalizes {size} features, more than {LARGEST_SIZE}"]


@pytest.mark.parametrize("seed", range(12))
def test_the_tflite_keeps_every_integer(seed: int) -> None:
    model = random_normalized_model(seed)
    data = write_tflite(to_tflite_model(model))
    check_tflite(data)
    again = model_from_tflite(data, "x", Contract.LITERT)
    assert again.contract is Contract.NATIVE
    inputs = random_inputs(model, seed, 3)
    np.testing.assert_array_equal(simulate(model, inputs), simulate(again, inputs))
    assert write_tflite(to_tflite_model(again)) == data
    with pytest.raises(UnsupportedModelError, match="no integer kernel"):
        model_from_tflite(data, "x", Contract.TFLM)


def file_of(**changes: Any) -> bytes:
    """Of a model of one normalization, changed so."""
    op = op_of(2.0**-7)
    op = replace(op, input=replace(op.input, is_sequence=True), output=replace(op.output, is_sequence=True), **changes)
    return write_tflite(to_tflite_model(replace(random_normalized_model(0), input=op.input, ops=(op,))))


def test_damaged_custom_operators_are_refused_or_read() -> None:
    """Every byte of the options and a sample of all others."""
    data = file_of()
    model_from_tflite(data, "x", Contract.LITERT)
    start = data.index(b'{"')
    rng = np.random.default_rng(8)
    for position in [*range(start, start + 20), *rng.integers(0, len(data), 150).tolist()]:
        for value in (0, 255, data[position] ^ 1):
            damaged = data[:position] + bytes([value]) + data[position + 1 :]
            try:
                model_from_tflite(damaged, "x", Contract.LITERT)
            except EdgelstmError as error:
                assert error.message


@pytest.mark.parametrize("epsilon", ["-0.1", "1", "1e999", "NaN", "true", '"0.1"'])
def test_an_epsilon_in_a_file_is_a_finite_number(epsilon: str) -> None:
    data = file_of()
    assert data.count(b"0.001") == 1
    with pytest.raises(ModelFormatError, match="option"):
        model_from_tflite(data.replace(b"0.001", epsilon.rjust(5).encode(), 1), "x", Contract.LITERT)


@pytest.mark.parametrize(
    ("role", "numbers"),
    [
        ("gamma", np.full(4, -32768, np.int16)),
        ("beta", np.full(4, 2**29 + 1, np.int32)),
        ("beta", np.full(4, -(2**31), np.int32)),
    ],
)
def test_numbers_beyond_their_bound_are_refused(role: str, numbers: np.ndarray) -> None:
    with pytest.raises(ModelFormatError, match=f"{role} holds a number beyond"):
        check_tflite(file_of(**{role: numbers}))
