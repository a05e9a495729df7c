"""Arguments for the MVE functions of the layers of our own, as mve_functions.c reads them, and their results."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from mve_cases import ALL_INT16, EDGES, GUARD, Case, activation_case, header, int16_bytes, int32_bytes

from edgelstm.codegen.mve_layout import whole_vectors
from edgelstm.codegen.vector_native import row_scales
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    Multiplier,
    RowMultipliers,
    requantize,
    rounding_shift,
    saturate8,
    saturate16,
)
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.simple_rnn import RELU_FRACTION_BITS

_SHIFTS = (-31, -30, -17, -10, -9, -8, -7, -2, -1, 0, 1, 2, 9, 25)


@cache
def recurrent_cases() -> tuple[Case, ...]:
    """Sums of rows with multipliers of their own, gated values, the carried state, and the two ways to 8 bits."""
    return (*_part_cases(), *_gated_cases(), *_carry_cases(), *_hidden_cases(), *_relu_cases())


@cache
def hard_sigmoid_cases() -> tuple[Case, ...]:
    """Every input for both slopes, and numbers of values that leave a rest."""
    hard = [gate for gate in GateFunction if gate.factor]
    inputs = [ALL_INT16, *(ALL_INT16[k::4001] for k in range(17))]
    return tuple(
        activation_case("hard_sigmoid", gate.integers(Contract.NATIVE, values), values, gate.factor)
        for gate in hard
        for values in inputs
    )


def _part_cases() -> Iterator[Case]:
    rng = np.random.default_rng(9)
    for index, shift in enumerate(shift for shift in _SHIFTS for _ in range(8)):
        units = 1 + 5 * index % 43
        mantissas = rng.choice([0, 2**23, 2**24 - 1, *rng.integers(2**15, 2**24, 6)], units) * 128
        multipliers = RowMultipliers(mantissas.astype(np.int64), shift)
        sums, others = _sums(rng, shift, units), _sums(rng, shift, units)
        part = multipliers.requantize(sums)
        both = saturate16(part + multipliers.requantize(others))
        yield _part("narrow_part", multipliers, sums, b"", saturate16(part))
        yield _part("add_part", multipliers, sums, int32_bytes(others), both)
        yield from _gated_part_cases(rng, multipliers, sums)


def _gated_part_cases(rng: np.random.Generator, multipliers: RowMultipliers, sums: Int64Array) -> Iterator[Case]:
    """Products of 15 bits each that are shifted by less than 15, too, beside parts that 16 bits do not hold."""
    shift = int(rng.choice([15, 15, 14, 12, 1]))
    values = rng.choice([-32767, *EDGES[4:], *rng.integers(-32767, 32768, 30)], len(sums))
    gate = rng.choice([*EDGES[4:], *rng.integers(0, 32768, 30)], len(sums))
    given = int16_bytes(gate) + int16_bytes(values)
    expected = saturate16(multipliers.requantize(sums) + rounding_shift(gate * values, shift))
    yield _part("add_gated", multipliers, sums, given, expected, shift)


def _sums(rng: np.random.Generator, shift: int, units: int) -> Int64Array:
    """Within 2^30 after a left shift: ends, ties of the second rounding, results about as large as 16 bits."""
    largest = (2**30 - 1) >> max(shift, 0)
    ends = rng.choice([-largest, largest, -1, 0, 1], units)
    ties = rng.integers(-300, 300, units) * 2 ** min(max(-shift, 0), 20)
    spread = np.rint(rng.uniform(-1, 1, units) * 2.0 ** float(rng.choice([16, 18, 30])) / 2.0**shift)
    kind = rng.integers(0, 8, units)
    return np.clip(np.where(kind == 0, ends, np.where(kind < 3, ties, spread)), -largest, largest).astype(np.int64)


def _part(
    function: str, multipliers: RowMultipliers, sums: Int64Array, more: bytes, expected: Int64Array, shift: int = 0
) -> Case:
    units = len(sums)
    scales = row_scales(multipliers.of_rows(), units)
    assert len(scales) == 3 + whole_vectors(units)
    vectors = header(function, units, shift) + int32_bytes(scales) + int32_bytes(sums) + more
    return Case(f"{function}, {units} units, shift {multipliers.shift}", vectors, expected.astype("<i2"))


def _gated_cases() -> Iterator[Case]:
    rng = np.random.default_rng(10)
    for units in (*range(1, 20), 500):
        values = rng.choice([*EDGES, *rng.integers(-32768, 32768, 30)], units)
        gate = rng.choice([*EDGES[4:], *rng.integers(0, 32768, 30)], units)
        yield _state("gate_values", (gate, values), rounding_shift(gate * values, 15))


def _carry_cases() -> Iterator[Case]:
    rng = np.random.default_rng(11)
    for units in (*range(1, 20), 500):
        carried, candidate = rng.choice([*EDGES, *rng.integers(-32768, 32768, 30)], (2, units))
        update = rng.choice([*EDGES[4:], *rng.integers(0, 32768, 30)], units)
        following = (update * carried + (2**15 - update) * candidate + 2**14) >> 15
        yield _state("carry", (carried, candidate, update), following, following)


def _state(function: str, arrays: tuple[Int64Array, ...], first: Int64Array, second: Int64Array | None = None) -> Case:
    left = int16_bytes(first) + 2 * GUARD + (b"" if second is None else int16_bytes(second))
    vectors = header(function, len(first)) + b"".join(map(int16_bytes, arrays))
    return Case(f"{function}, {len(first)} units", vectors, np.frombuffer(left, "<i2"))


def _hidden_cases() -> Iterator[Case]:
    rng = np.random.default_rng(12)
    for index, shift in enumerate((0, -1, -6, -7, -8, -9, -15, -31) * 2):
        multiplier = Multiplier(int(rng.integers(2**30, 2**31)), shift)
        zero_point = int(rng.choice([-128, 127, 0, 5]))
        values = ALL_INT16 if index < 8 else ALL_INT16[index :: 2000 * index + 1]
        stored = saturate8(requantize(values, multiplier) + zero_point)
        yield _bytes("to_hidden", values, multiplier, zero_point, stored)


def _relu_cases() -> Iterator[Case]:
    for zero_point in (-128, -127, 0, 100, 127):
        for values in (ALL_INT16, ALL_INT16[zero_point + 200 :: 5003]):
            stored = saturate8(np.maximum(rounding_shift(values, RELU_FRACTION_BITS), 0) + zero_point)
            yield _bytes("relu", values, Multiplier(2**30, 0), zero_point, stored)


def _bytes(function: str, values: Int64Array, multiplier: Multiplier, zero_point: int, stored: Int64Array) -> Case:
    facts = np.array([multiplier.mantissa, multiplier.shift, zero_point])
    vectors = header(function, len(values)) + int32_bytes(facts) + int16_bytes(values)
    left = np.frombuffer(stored.astype(np.int8).tobytes() + GUARD, np.int8)
    return Case(f"{function}, {len(values)} values, shift {multiplier.shift}, zero point {zero_point}", vectors, left)
