"""Arguments for the MVE functions as mve_functions.c reads them, and what they must leave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgelstm.codegen.mve_layout import pack_rows
from edgelstm.ir import AnyArray
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Int64Array,
    Multiplier,
    requantize,
    rounding_shift,
    saturate8,
    saturate16,
)

FUNCTIONS = (
    "rows", "sigmoid", "tanh", "hard_sigmoid", "gate_inputs", "cell", "hidden",
    "narrow_part", "add_part", "gate_values", "add_gated", "carry", "to_hidden", "relu",
)  # fmt: skip
GUARD = b"\x5a" * 8
ALL_INT16 = np.arange(-32768, 32768, dtype=np.int64)
EDGES = np.array([-32768, -32767, -16384, -1, 0, 1, 2, 3, 16384, 32766, 32767], np.int64)


@dataclass(frozen=True, eq=False)
class Case:
    """One record of vectors.bin, and what it must add to results.bin."""

    name: str
    record: bytes
    expected: AnyArray


def differences(found: bytes, expected: Sequence[Case]) -> list[str]:
    """Each case whose results are not the expected ones, with the first difference."""
    problems = []
    for case in expected:
        size = case.expected.nbytes
        values = np.frombuffer(found[:size].ljust(size, b"\0"), case.expected.dtype)
        found = found[size:]
        wrong = np.flatnonzero(values != case.expected)
        if len(wrong):
            first = wrong[0]
            problems.append(f"{case.name}: {len(wrong)} differ, [{first}]: {values[first]}, not {case.expected[first]}")
    return [*problems, f"{len(found)} bytes too many"] if found else problems


def rows_cases() -> Iterator[Case]:
    """Every number of rows and columns that differs in the code: random numbers, extremes, whole rows of one sign."""
    rng = np.random.default_rng(4)
    columns_of_interest = (*range(1, 35), 47, 48, 63, 64, 79, 80, 95, 96, 100, 111, 112, 113, 128, 224, 225, 300)
    for columns in columns_of_interest:
        rows = 1 + (columns * 7) % 27
        yield _rows(rng.integers(-127, 128, (rows, columns)), rng.integers(-128, 128, columns), columns % 16)
        yield _rows(rng.choice([-127, 127], (rows, columns)), rng.choice([-128, 127], columns), (columns + 5) % 16)
        yield _rows(np.full((rows, columns), -127), np.full(columns, -128), 1)
        yield _rows(np.full((rows, columns), 127), np.full(columns, -128), 0)
    for rows in (*range(1, 26), 64, 128):
        for columns in (5, 40, 112, 128):
            yield _rows(rng.integers(-127, 128, (rows, columns)), rng.integers(-128, 128, columns), rows % 4)


@cache
def activation_cases() -> tuple[Case, ...]:
    """Every input of every activation, and numbers of values that leave a rest."""

    def tanh(values: Int64Array, bits: int) -> Int64Array:
        return activations.tanh(Contract.LITERT, values, bits)

    def sigmoid(values: Int64Array, _: int) -> Int64Array:
        return activations.sigmoid(Contract.LITERT, values)

    few = [activation_case("sigmoid", sigmoid(ALL_INT16[k::4001], 0), ALL_INT16[k::4001], 0) for k in range(17)]
    short = [activation_case("tanh", tanh(EDGES[:count], 3), EDGES[:count], 3) for count in range(1, 12)]
    whole = [activation_case("tanh", tanh(ALL_INT16, bits), ALL_INT16, bits) for bits in range(4)]
    return (activation_case("sigmoid", sigmoid(ALL_INT16, 0), ALL_INT16, 0), *whole, *few, *short)


@cache
def step_cases() -> tuple[Case, ...]:
    """Gates, cell and hidden state with all kinds of shifts and bounds."""
    return (*_gate_cases(), *_cell_cases(), *_hidden_cases())


def _gate_cases() -> Iterator[Case]:
    rng = np.random.default_rng(5)
    mantissas = [0, 2**30, 2**30 + 1, 2**31 - 1, *map(int, rng.integers(2**30, 2**31, 4))]
    shifts = [-31, -30, -17, -10, -9, -8, -2, -1, 0, 1, 2, 9, 30]
    for index, shift in enumerate(shift for shift in shifts for _ in range(12)):
        units = 1 + index % 19
        factors = [Multiplier(int(rng.choice(mantissas)), int(s)) for s in rng.permutation([shift, rng.choice(shifts)])]
        yield _gate(factors[0], factors[1], _sums(rng, factors[0], units), _sums(rng, factors[1], units))


def _sums(rng: np.random.Generator, multiplier: Multiplier, count: int) -> Int64Array:
    """Sums whose requantized values are around the int16 range and beyond, ties of both roundings, ends of int32."""
    reach = 2.0 ** float(rng.choice([2, 8, 15, 17])) / max(multiplier.real, 2.0**-31)
    spread = np.rint(rng.uniform(-1, 1, count) * min(reach, 2.0**31 - 1)).astype(np.int64)
    ends = rng.choice([INT32_MIN, INT32_MAX, -1, 0, 1, -(2**30), 2**30], count)
    halves = rng.integers(-300, 300, count) * 2 ** min(max(-multiplier.shift, 0), 20)
    kind = rng.integers(0, 8, count)
    return np.clip(np.where(kind == 0, ends, np.where(kind < 3, halves, spread)), INT32_MIN, INT32_MAX)


def _gate(a: Multiplier, b: Multiplier, from_input: Int64Array, from_hidden: Int64Array) -> Case:
    recurrent = requantize(from_hidden, b)
    z = saturate16(saturate16(requantize(from_input, a)) + recurrent)
    fits = bool((saturate16(recurrent) == recurrent).all())
    record = header("gate_inputs", len(z), fits) + int32_bytes(np.array([a.mantissa, a.shift, b.mantissa, b.shift]))
    name = f"gate inputs, {len(z)} units, shifts {a.shift} and {b.shift}"
    return Case(name, record + int32_bytes(from_input) + int32_bytes(from_hidden), z.astype("<i2"))


def _cell_cases() -> Iterator[Case]:
    rng = np.random.default_rng(6)
    for bits in range(7):
        for limit in (None, 32767, 20000, 1):
            units = int(rng.integers(1, 40))
            states = [rng.choice(EDGES, 300), rng.integers(-32768, 32768, units)]
            for cell in states:
                candidate = rng.choice([*EDGES[1:], *rng.integers(-32767, 32768, 20)], len(cell))
                input_gate, forget_gate = rng.choice([*EDGES[4:], *rng.integers(0, 32768, 20)], (2, len(cell)))
                yield _cell(cell, candidate, input_gate, forget_gate, bits, limit)


def _cell(
    cell: Int64Array,
    candidate: Int64Array,
    input_gate: Int64Array,
    forget_gate: Int64Array,
    bits: int,
    limit: int | None,
) -> Case:
    low, high = (-32768, 32767) if limit is None else (-limit, limit)
    shift, excess = 15 + bits, max(bits - 3, 0)
    following = rounding_shift(forget_gate * cell, 15) + rounding_shift(input_gate * candidate, shift)
    following = np.clip(saturate16(following), low, high)
    record = header("cell", len(cell)) + int32_bytes(np.array([2**30, -8, 0, 15 - shift, low, high, excess]))
    record += b"".join(map(int16_bytes, (cell, candidate, input_gate, forget_gate)))
    left = int16_bytes(following) + 2 * GUARD + int16_bytes(saturate16(following << excess))
    return Case(f"cell, {len(cell)} units, {bits} bits, limit {limit}", record, np.frombuffer(left, "<i2"))


def _hidden_cases() -> Iterator[Case]:
    rng = np.random.default_rng(7)
    for index, shift in enumerate((0, -1, -8, -15, -22, -22, -22, -23, -23, -23, -31) * 3):
        units = 1 + 7 * index % 41
        multiplier = Multiplier(int(rng.integers(2**30, 2**31)), shift)
        zero_point = int(rng.choice([-128, 127, 0, 5]))
        tanh = rng.choice([*EDGES[1:], *rng.integers(-32767, 32768, 30)], units)
        gate = rng.choice([*EDGES[4:], *rng.integers(0, 32768, 30)], units)
        hidden = saturate8(requantize(tanh * gate, multiplier) + zero_point).astype(np.int8)
        facts = np.array([multiplier.mantissa, shift, zero_point, 0, -32768, 32767, 0])
        record = header("hidden", units) + int32_bytes(facts) + int16_bytes(tanh) + int16_bytes(gate)
        left = np.frombuffer(hidden.tobytes() + GUARD, np.int8)
        yield Case(f"hidden, {units} units, shift {shift}, zero point {zero_point}", record, left)


def _rows(matrix: Int64Array, values: Int64Array, offset: int) -> Case:
    rows, columns = matrix.shape
    bias = np.arange(rows, dtype=np.int64) * 1_000_003 - 5_000_000
    packed = pack_rows(matrix.astype(np.int8), bias)
    record = header("rows", rows, columns, offset) + packed.astype("<u4").tobytes()
    left = int32_bytes(matrix @ values + bias) + 4 * GUARD
    return Case(
        f"{rows} rows, {columns} columns", record + values.astype(np.int8).tobytes(), np.frombuffer(left, "<i4")
    )


def activation_case(function: str, result: Int64Array, values: Int64Array, bits: int) -> Case:
    record = header(function, len(values), bits) + int16_bytes(values)
    return Case(
        f"{function}, {len(values)} values, {bits} bits", record, np.frombuffer(int16_bytes(result) + 2 * GUARD, "<i2")
    )


def header(function: str, count: int, columns: int = 0, offset: int = 0) -> bytes:
    return int32_bytes(np.array([FUNCTIONS.index(function), count, columns, offset]))


def int32_bytes(values: AnyArray) -> bytes:
    assert values.min() >= INT32_MIN
    assert values.max() <= INT32_MAX
    return values.astype("<i4").tobytes()


def int16_bytes(values: AnyArray) -> bytes:
    assert values.min() >= -32768
    assert values.max() <= 32767
    return values.astype("<i2").tobytes()
