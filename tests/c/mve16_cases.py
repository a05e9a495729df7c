"""Arguments for the MVE functions of int16 layers as mve_functions16.c reads them, and what they must leave."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from mve_cases import ALL_INT16, EDGES, GUARD, Case, int16_bytes, int32_bytes

from edgelstm.codegen.mve_layout16 import pack_rows16
from edgelstm.ir import AnyArray
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, requantize, requantize_wide, saturate16

FUNCTIONS = ("rows16", "sigmoid16", "tanh16", "gate_inputs16", "cell16", "hidden16")
_MANTISSAS = (2**30, 2**30 + 2**15, 2**31 - 1, 2**31 - 2**16, 1456789012)


@cache
def rows_cases() -> tuple[Case, ...]:
    """Every number of rows and columns that differs in the code; extremes leave 32 bits."""
    return tuple(_rows_cases())


@cache
def squash_cases() -> tuple[Case, ...]:
    """Every input of every activation, and numbers of values that leave a rest."""
    few = [_squash("sigmoid16", ALL_INT16[k::4001], 3) for k in range(17)]
    short = [_squash("tanh16", EDGES[:count], 3) for count in range(1, 12)]
    whole = [_squash("tanh16", ALL_INT16, bits) for bits in range(4)]
    return (_squash("sigmoid16", ALL_INT16, 3), *whole, *few, *short)


@cache
def step_cases() -> tuple[Case, ...]:
    """Gates, cell and hidden state with all kinds of shifts and bounds."""
    return (*_gate_cases(), *_cell_cases(), *_hidden_cases())


def _rows_cases() -> Iterator[Case]:
    rng = np.random.default_rng(14)
    for columns in (*range(1, 19), 31, 32, 33, 47, 48, 49, 64, 80, 95, 96, 97, 128, 300):
        rows = 1 + (columns * 7) % 27
        yield _rows(rng.integers(-128, 128, (rows, columns)), rng.integers(-32768, 32768, columns), rng)
        yield _rows(rng.choice([-127, 127], (rows, columns)), rng.choice([-32768, 32767], columns), rng)
        yield _rows(np.full((rows, columns), -127), np.full(columns, -32768), rng)
    for rows in (*range(1, 14), 64):
        yield _rows(rng.integers(-127, 128, (rows, 40)), rng.choice([-129, -128, -1, 0, 127, 128], 40), rng)


def _rows(weights: AnyArray, values: AnyArray, rng: np.random.Generator) -> Case:
    rows, columns = weights.shape
    bias = rng.choice([-(2**31), 2**31 - 1, -1, 0, 255, 256, int(rng.integers(-(2**31), 2**31))], rows)
    words = pack_rows16(weights.astype(np.int8), bias).astype("<u4").tobytes()
    sums = bias + weights.astype(np.int64) @ values.astype(np.int64)
    both = np.stack([sums, sums.astype(np.int32).astype(np.int64)], axis=1)
    return Case(
        f"{rows} rows of {columns}",
        _header("rows16", rows, columns) + words + int16_bytes(values),
        _guarded(both.astype("<i8").tobytes()),
    )


def _squash(function: str, values: Int64Array, bits: int) -> Case:
    found = (
        activations.tanh(Contract.TFLM, values, bits)
        if "tanh" in function
        else activations.sigmoid(Contract.TFLM, values)
    )
    record = _header(function, len(values), bits) + int16_bytes(values)
    return Case(f"{function}, {bits} bits, {len(values)} values", record, _guarded(int16_bytes(found)))


def _gate_cases() -> Iterator[Case]:
    rng = np.random.default_rng(15)
    shifts = (-31, -30, -17, -10, -9, -8, -3, -2, -1)
    for index, shift in enumerate(shift for shift in shifts for _ in range(8)):
        units = 1 + index % 19
        factors = [
            Multiplier(int(rng.choice(_MANTISSAS)), int(one)) for one in rng.permutation([shift, rng.choice(shifts)])
        ]
        sums = [_sums(rng, factor, units) for factor in factors]
        z = sum(saturate16(requantize_wide(one, factor)) for one, factor in zip(sums, factors, strict=True))
        facts = [number for factor in factors for number in (factor.reduced_mantissa << 16, factor.shift)]
        record = (
            _header("gate_inputs16", units) + int32_bytes(np.array(facts)) + b"".join(_parts(rng, one) for one in sums)
        )
        yield Case(
            f"gate inputs, {units} units, shifts {facts[1]} and {facts[3]}",
            record,
            saturate16(np.asarray(z)).astype("<i2"),
        )


def _sums(rng: np.random.Generator, multiplier: Multiplier, count: int) -> Int64Array:
    """Sums whose scaled values are around the int16 range and beyond, ties, and ends of int32."""
    reach = min(2.0 ** float(rng.choice([2, 8, 15, 17])) / multiplier.real, 2.0**31 - 1)
    spread = np.rint(rng.uniform(-1, 1, count) * reach).astype(np.int64)
    ends = rng.choice([-(2**31), 2**31 - 1, -1, 0, 1, -(2**30), 2**30], count)
    halves = rng.integers(-300, 300, count) * 2 ** min(-multiplier.shift, 20)
    kind = rng.integers(0, 8, count)
    return np.where(kind == 0, ends, np.where(kind < 3, halves, spread))


def _parts(rng: np.random.Generator, sums: Int64Array) -> bytes:
    """Each sum as 256 * high + low, in one of the many ways to do so."""
    low = (sums & 255) + 256 * rng.integers(-1000, 1000, len(sums))
    return int32_bytes(np.stack([(sums - low) >> 8, low], axis=1).ravel())


def _cell_cases() -> Iterator[Case]:
    rng = np.random.default_rng(16)
    for bits in range(7):
        for limit in (None, 32767, 20000, 1):
            units = int(rng.integers(1, 40))
            for cell in (rng.choice(EDGES, 300), rng.integers(-32768, 32768, units)):
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
    kept = saturate16(requantize(forget_gate * cell, Multiplier(2**30, -14)))
    fresh = saturate16(requantize(input_gate * candidate, Multiplier(2**30, 1 - shift)))
    following = np.clip(saturate16(kept + fresh), low, high)
    record = _header("cell16", len(cell)) + int32_bytes(np.array([2**30, -8, 1 - shift, low, high, excess]))
    record += b"".join(map(int16_bytes, (cell, candidate, input_gate, forget_gate)))
    left = _guarded(int16_bytes(following)).tobytes() + int16_bytes(saturate16(following << excess))
    return Case(f"cell, {len(cell)} units, {bits} bits, limit {limit}", record, np.frombuffer(left, np.uint8))


def _hidden_cases() -> Iterator[Case]:
    rng = np.random.default_rng(17)
    for index, shift in enumerate((0, -1, -8, -13, -14, -14, -15, -15, -16, -31) * 3):
        units = 1 + 7 * index % 41
        multiplier = Multiplier(int(rng.integers(2**30, 2**31)), shift)
        tanh = rng.choice([*EDGES[1:], *rng.integers(-32767, 32768, 30)], units)
        gate = rng.choice([*EDGES[4:], *rng.integers(0, 32768, 30)], units)
        facts = np.array([multiplier.mantissa, shift, -14, -32768, 32767, 0])
        record = _header("hidden16", units) + int32_bytes(facts) + int16_bytes(tanh) + int16_bytes(gate)
        hidden = saturate16(requantize(tanh * gate, multiplier))
        yield Case(f"hidden state, {units} units, shift {shift}", record, _guarded(int16_bytes(hidden)))


def _header(function: str, count: int, second: int = 0) -> bytes:
    return int32_bytes(np.array([FUNCTIONS.index(function), count, second]))


def _guarded(data: bytes) -> AnyArray:
    return np.frombuffer(data + 2 * GUARD, np.uint8)
