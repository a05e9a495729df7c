"""Arguments for the MVE functions of layers without rows of weights, as mve_values.c reads them, and their results."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from mve_cases import GUARD, Case, int16_bytes, int32_bytes

from edgelstm.codegen.vector_depthwise import pack_outputs
from edgelstm.ir import AnyArray
from edgelstm.numerics.exponential import exponential
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, high_multiply, requantize, rounding_shift, saturate8
from edgelstm.numerics.softmax import (
    DIFFERENCE_INTEGER_BITS,
    SUM_INTEGER_BITS,
    SoftmaxScaling,
    softmax,
    softmax_scaling,
)

FUNCTIONS = ("depthwise", "moments", "normalize", "scores", "to_bytes", "weigh", "softmax", "powers")
COUNTS = (*range(1, 20), 31, 32, 33, 48, 65)
_LARGEST_ROOT = 1 << 30


@cache
def depthwise_cases() -> tuple[Case, ...]:
    """Every rest of 8 outputs, windows and patches, shifts to both sides."""
    return tuple(_depthwise(seed) for seed in range(60))


@cache
def normalization_cases() -> tuple[Case, ...]:
    """Every rest of vectors of 16 and of 4; random values, and extreme ones."""
    return (*_moments_cases(), *(_normalize(seed, count) for seed, count in enumerate((*COUNTS, *COUNTS))))


@cache
def softmax_cases() -> tuple[Case, ...]:
    """Every rest, scales with few and with all differences in range, all values the same."""
    return tuple(_softmax_cases())


@cache
def attention_cases() -> tuple[Case, ...]:
    """Every rest of steps and sizes, zero points at the ends, 0 and between, and sums at the ends of 32 bits."""
    return (*_product_cases(), *_byte_cases())


def _depthwise(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    outputs, rows, taps = 1 + seed % 27, int(rng.integers(1, 4)), int(rng.integers(1, 6))
    distance = outputs + int(rng.integers(0, 5))
    row_distance = distance * taps + int(rng.integers(0, 9))
    seen = rng.integers(-128, 128, row_distance * rows + distance * taps)
    kernel = rng.integers(-128, 128, (outputs, rows * taps))
    shifts = rng.integers(-14, 3, outputs) if seed % 3 == 0 else rng.integers(-11, -8, outputs)
    multipliers = [Multiplier(int(mantissa), int(shift)) for mantissa, shift in zip(
        rng.choice([2**30, *rng.integers(2**30, 2**31, 3)], outputs), shifts, strict=True)]  # fmt: skip
    zero_point, lowest = int(rng.integers(-128, 128)), int(rng.choice([-128, -20, 100]))
    first = (row_distance * np.arange(rows)[:, None] + distance * np.arange(taps)).ravel()
    sums = _sums_about_bytes(rng, multipliers)
    bias = sums - (seen[first + np.arange(outputs)[:, None]] * kernel).sum(axis=1)
    scaled = [int(requantize(sums[k : k + 1], multiplier)[0]) for k, multiplier in enumerate(multipliers)]
    result = np.clip(np.array(scaled) + zero_point, lowest, 127)
    words = pack_outputs(kernel, bias, multipliers)
    facts = np.array([row_distance, distance, zero_point, lowest, words.size, seen.size])
    record = _header("depthwise", outputs, rows, taps) + int32_bytes(facts) + words.tobytes() + int8_bytes(seen)
    return Case(f"depthwise, {outputs} outputs of {rows} x {taps}", record, _guarded(int8_bytes(result)))


def _sums_about_bytes(rng: np.random.Generator, multipliers: Sequence[Multiplier]) -> Int64Array:
    """Sums whose requantized values are bytes, more or less; with a mantissa of 2^30, ties of the second rounding."""
    results = rng.integers(-150, 150, len(multipliers)) * rng.choice([1, 1, 1, 230], len(multipliers))
    ties = [(2 * result + 1) << -multiplier.shift if multiplier.shift < 0 else 0
            for result, multiplier in zip(results.tolist(), multipliers, strict=True)]  # fmt: skip
    plain = np.array([result / multiplier.real for result, multiplier in zip(results, multipliers, strict=True)])
    return np.where([multiplier.mantissa == 2**30 for multiplier in multipliers], ties, np.rint(plain)).astype(np.int64)


def _moments_cases() -> Iterator[Case]:
    rng = np.random.default_rng(11)
    for count in COUNTS:
        for values in (rng.integers(-128, 128, count), np.full(count, -128)):
            found = np.array([values.sum(), (values * values).sum()])
            record = _header("moments", count) + int8_bytes(values)
            yield Case(f"moments of {count}", record, np.frombuffer(int32_bytes(found), "<i4"))


def _normalize(seed: int, count: int) -> Case:
    """Roots and shifts such that products are as large as those of real vectors, or, for every second seed, so small
    that nothing is shifted to the right and the last bit is seen."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, count)
    total, root = int(values.sum()), int(rng.integers(_LARGEST_ROOT // 2, _LARGEST_ROOT))
    distances = count * values - total
    if seed % 2:
        shift, gamma, beta = 0, rng.integers(-900, 900, count), rng.integers(-50, 50, count)
    else:
        shift = 28 - int(np.abs(distances).max()).bit_length()
        gamma = rng.choice([-32767, 32767, 0, *rng.integers(-32767, 32768, 8)], count)
        beta = rng.choice([-(2**29), 2**29, 0, *rng.integers(-(2**27), 2**27, 8)], count)
    multiplier = Multiplier(int(rng.integers(2**30, 2**31)), 0 if seed % 2 else int(rng.choice([-22, -20, -19])))
    zero_point = int(rng.integers(-128, 128))
    gained = high_multiply(high_multiply(distances << shift, root), gamma << 16) + beta
    result = saturate8(requantize(gained, multiplier) + zero_point)
    facts = np.array([total, shift, root, multiplier.mantissa, multiplier.shift, zero_point])
    record = _header("normalize", count) + int32_bytes(facts) + int32_bytes(beta) + int16_bytes(gamma)
    return Case(f"normalize {count}", record + int8_bytes(values), _guarded(int8_bytes(result)))


def _product_cases() -> Iterator[Case]:
    rng = np.random.default_rng(12)
    for index, size in enumerate((*COUNTS, *COUNTS)):
        steps = 1 + 3 * index % 23
        zero, other_zero = (int(rng.choice([-128, 0, 3, 127])) for _ in range(2))
        elements, query = rng.integers(-128, 128, (steps, size)), rng.integers(-128, 128, size)
        sums = ((query - zero) * (elements - other_zero)).sum(axis=1)
        record = _header("scores", steps, size) + int32_bytes(np.array([zero, other_zero]))
        record += int8_bytes(elements) + int8_bytes(query)
        yield Case(f"{steps} scores of {size}", record, _guarded(int32_bytes(sums), 4))
        weights = rng.integers(-128, 128, steps)
        sums = ((weights[:, None] + 128) * (elements - zero)).sum(axis=0)
        record = _header("weigh", steps, size) + int32_bytes(np.array([zero]))
        record += int8_bytes(weights) + int8_bytes(elements)
        yield Case(f"{steps} weights of {size}", record, _guarded(int32_bytes(sums), 4))


def _byte_cases() -> Iterator[Case]:
    rng = np.random.default_rng(13)
    for index, shift in enumerate(shift for shift in (-31, -15, -9, -8, -1, 0, 1, 2) for _ in range(8)):
        count, multiplier = 1 + index % 9, Multiplier(int(rng.integers(2**30, 2**31)), shift)
        largest = (2**31 - 1) >> max(shift, 0)
        about_bytes = np.clip(rng.integers(-300, 300, count) * 2 ** max(-shift, 0), -largest, largest)
        sums = np.where(rng.integers(0, 3, count) == 0, rng.choice([-largest, largest, -1, 0], count), about_bytes)
        zero_point = int(rng.integers(-128, 128))
        result = saturate8(requantize(sums, multiplier) + zero_point)
        record = _header("to_bytes", count) + int32_bytes(np.array([multiplier.mantissa, shift, zero_point]))
        yield Case(f"{count} sums, shift {shift}", record + int32_bytes(sums), _guarded(int8_bytes(result)))


def _softmax_cases() -> Iterator[Case]:
    rng = np.random.default_rng(14)
    for scale in (0.003, 0.02, 0.1, 0.25, 1.0, 7.0):
        for count in (*COUNTS, 511):
            for values in (rng.integers(-128, 128, count), rng.integers(-3, 3, count), np.full(count, -128)):
                yield _softmax(values, scale)
    for scale in (0.03, 0.12, 0.25, 1.0):
        yield _softmax(np.arange(-128, 128), scale)
        yield _powers(np.arange(-128, 128), scale)
        yield _powers(np.arange(-128, 100, 3), scale)


def _softmax(values: Int64Array, scale: float) -> Case:
    scaling = softmax_scaling(scale, 1.0)
    record = _header("softmax", len(values)) + _scaling_bytes(scaling) + int8_bytes(values)
    left = int8_bytes(softmax(values, scaling)) + GUARD + GUARD
    return Case(f"softmax of {len(values)}, scale {scale}", record, np.frombuffer(left, np.int8))


def _powers(values: Int64Array, scale: float) -> Case:
    scaling = softmax_scaling(scale, 1.0)
    differences = values - values.max()
    counted = differences >= scaling.minimum_difference
    scaled = requantize(np.where(counted, differences, 0), scaling.multiplier)
    powers = np.where(counted, exponential(scaled, DIFFERENCE_INTEGER_BITS), 0)
    total = int32_bytes(rounding_shift(powers, SUM_INTEGER_BITS).sum(keepdims=True))
    record = _header("powers", len(values)) + _scaling_bytes(scaling) + int8_bytes(values)
    left = int32_bytes(powers) + 4 * GUARD + total
    return Case(f"powers of {len(values)}, scale {scale}", record, np.frombuffer(left, "<i4"))


def _scaling_bytes(scaling: SoftmaxScaling) -> bytes:
    return int32_bytes(np.array([scaling.multiplier.mantissa, scaling.multiplier.shift, scaling.minimum_difference]))


def _header(function: str, count: int, second: int = 0, third: int = 0) -> bytes:
    return int32_bytes(np.array([FUNCTIONS.index(function), count, second, third]))


def _guarded(data: bytes, width: int = 1) -> AnyArray:
    """The bytes with the guards behind elements of this width."""
    return np.frombuffer(data + GUARD * width, np.int8 if width == 1 else "<i4")


def int8_bytes(values: AnyArray) -> bytes:
    assert np.abs(values).max() <= 128
    return values.astype(np.int8).tobytes()
