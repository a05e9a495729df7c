"""Arguments for the C library functions, and what their Python twins make of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgelstm.ir import AnyArray
from edgelstm.numerics import activations, exponential, fixedpoint, reciprocal_root
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import INT32_MAX, INT32_MIN, Int64Array, Multiplier
from edgelstm.ops.global_pooling import MOST_STEPS, divided

FUNCTIONS = (
    "saturate8", "saturate16", "clamp", "high_multiply", "rounding_shift", "rounding_product", "requantize",
    "requantize_once", "sigmoid", "tanh", "exponential_q26", "reciprocal_q31", "leading_zeros",
    "larger8", "divided_multiplier", "divided_shift",
    "even_mantissa", "half_zeros", "reciprocal_root",
)  # fmt: skip
"""In the order of twins.c."""

_ALL_INT16 = np.arange(-32768, 32768, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Case:
    """One record of vectors.bin, and the bytes that it must add to results.bin."""

    name: str
    record: bytes
    expected: AnyArray


def cases(contract: Contract) -> tuple[Case, ...]:
    """Everything that the headers of a contract define, but for what reads packed weights."""
    return (*fixedpoint_cases(), *activation_cases(contract), *softmax_cases(), *window_cases(), *root_cases())


@cache
def fixedpoint_cases() -> tuple[Case, ...]:
    """Extremes and random numbers of the documented domains."""
    rng = np.random.default_rng(1)
    values = _int32s(rng, 3000)
    mantissas = rng.choice([0, 2**30, 2**30 + 1, 2**31 - 1, *rng.integers(2**30, 2**31, 20)], len(values))
    shifts = rng.integers(-31, 32, len(values))
    first, second = np.sort(_int32s(rng, 3000)), np.sort(_int32s(rng, 3000))[::-1]
    factors = np.maximum(rng.permutation(values), -INT32_MAX)
    inside = np.abs(values) < INT32_MAX
    return (
        _elementwise("saturate8", fixedpoint.saturate8, values),
        _elementwise("saturate16", fixedpoint.saturate16, values),
        _elementwise("clamp", np.clip, values, np.minimum(first, second), np.maximum(first, second)),
        _elementwise("high_multiply", fixedpoint.high_multiply, values, factors),
        _elementwise("rounding_shift", _rounding_shifts, values[inside], np.abs(shifts)[inside]),
        _rounding_product(rng),
        _requantize(values, mantissas, np.minimum(shifts, 30)),
        _requantize_once(values, mantissas, np.minimum(shifts, 30)),
    )


@cache
def activation_cases(contract: Contract) -> tuple[Case, ...]:
    """Every input of every activation."""

    def tanh(values: Int64Array, bits: Int64Array) -> Int64Array:
        return activations.tanh(contract, values, int(bits[0]))

    tanhs = [_elementwise("tanh", tanh, _ALL_INT16, np.full(65536, bits)) for bits in range(7)]
    return (_elementwise("sigmoid", lambda x: activations.sigmoid(contract, x), _ALL_INT16), *tanhs)


@cache
def softmax_cases() -> tuple[Case, ...]:
    """The exponential's quarters, the reciprocal's ends, every number of leading zeros."""
    rng = np.random.default_rng(2)
    quarters = np.array([[-(k << 24) + offset for offset in (-1, 0, 1)] for k in range(128)]).ravel()
    small = -np.exp2(rng.uniform(0, 31, 4000)).astype(np.int64)
    negative = np.concatenate([quarters[quarters <= 0], small, [INT32_MIN, INT32_MIN + 1]])
    shares = np.concatenate([np.arange(500), INT32_MAX - np.arange(500), rng.integers(0, 2**31, 4000)])
    words = np.concatenate([(1 << np.arange(32)) + offset for offset in (0, 1, -1)] + [rng.integers(1, 2**32, 500)])
    words = words[(words > 0) & (words < 2**32)]
    return (
        _elementwise("exponential_q26", lambda a: exponential.exponential(a, 5), negative),
        _elementwise("reciprocal_q31", _reciprocal, shares),
        _elementwise("leading_zeros", _leading_zeros, words),
    )


@cache
def window_cases() -> tuple[Case, ...]:
    """Every pair of int8; multipliers of every shift divided by counts around powers of two."""
    rng = np.random.default_rng(3)
    one, other = (side.ravel() for side in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    near = np.array([2**bits + offset for bits in range(24) for offset in (-1, 0, 1)])
    counts = np.concatenate([near[(near > 0) & (near <= MOST_STEPS)], rng.integers(1, MOST_STEPS, 2000)])
    mantissas = rng.choice([0, 2**30, 2**30 + 1, 2**31 - 1, *rng.integers(2**30, 2**31, 20)], len(counts))
    columns = mantissas, rng.integers(-31, 32, len(counts)), counts
    results = [divided(Multiplier(*(int(n) for n in row[:2])), int(row[2])) for row in zip(*columns, strict=True)]
    return (
        _elementwise("larger8", np.maximum, one, other),
        _elementwise("divided_multiplier", lambda *_: np.array([result.mantissa for result in results]), *columns),
        _elementwise("divided_shift", lambda *_: np.array([result.shift for result in results]), *columns),
    )


@cache
def root_cases() -> tuple[Case, ...]:
    """Words of every length, and mantissas from end to end."""
    rng = np.random.default_rng(3)
    powers = 1 << np.arange(63)
    spread = np.exp2(rng.uniform(0, 63, 4000)).astype(np.int64)
    words = np.concatenate([powers, powers[1:] - 1, powers[:62] + 1, spread, [2**63 - 1]])
    halves = words >> 32, words & 0xFFFFFFFF
    first, last = np.arange(2**22, 2**22 + 500), np.arange(2**24 - 500, 2**24)
    mantissas = np.concatenate([first, rng.integers(2**22, 2**24, 4000), last])
    return (
        _elementwise("even_mantissa", lambda high, low: reciprocal_root.even_mantissa(high << 32 | low)[0], *halves),
        _elementwise("half_zeros", lambda high, low: reciprocal_root.even_mantissa(high << 32 | low)[1], *halves),
        _elementwise("reciprocal_root", reciprocal_root.reciprocal_root, mantissas),
    )


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
            problems.append(
                f"{case.name}: {len(wrong)} differ, first [{first}]: {values[first]}, not {case.expected[first]}"
            )
    return [*problems, f"{len(found)} bytes too many"] if found else problems


def _int32s(rng: np.random.Generator, count: int) -> Int64Array:
    """Ends of the range, powers of two and their neighbours, small and large random numbers."""
    powers = 1 << np.arange(31)
    near = np.concatenate([sign * powers + offset for sign in (-1, 1) for offset in (-1, 0, 1)])
    ends = [INT32_MIN, INT32_MIN + 1, INT32_MAX, INT32_MAX - 1]
    spread = rng.choice([-1, 1], count) * np.exp2(rng.uniform(0, 31, count)).astype(np.int64)
    chosen = np.concatenate([near, ends, spread])[:count]
    return rng.permutation(np.clip(chosen, INT32_MIN, INT32_MAX)).astype(np.int64)


def _elementwise(name: str, twin: Callable[..., Int64Array], *arguments: Int64Array) -> Case:
    count = len(arguments[0])
    columns = [*arguments, *(np.zeros(count, np.int64) for _ in range(3 - len(arguments)))]
    header = np.array([FUNCTIONS.index(name), count, 0, 0], np.int64)
    record = np.concatenate([header, *columns])
    assert record.min() >= INT32_MIN
    results = np.asarray(twin(*arguments))
    assert results.min() >= INT32_MIN
    assert results.max() <= INT32_MAX
    label = f"{name} {int(arguments[1][0])}" if name == "tanh" else name
    return Case(label, (record & 0xFFFFFFFF).astype("<u4").tobytes(), results.astype("<i4"))


def _rounding_shifts(values: Int64Array, shifts: Int64Array) -> Int64Array:
    return np.array([fixedpoint.rounding_shift(v, int(s)) for v, s in zip(values, shifts, strict=True)], np.int64)


def _rounding_product(rng: np.random.Generator) -> Case:
    """Where |a * b| <= 2^30, ties included."""
    a = np.concatenate([rng.integers(0, 32768, 3000), [32767, 32767, 1, 0, 16384, 16384]])
    b = np.concatenate([rng.integers(-32768, 32768, 3000), [-32768, 32767, -1, -5, -3, 3]])
    shifts = np.concatenate([rng.integers(1, 31, 3000), np.full(6, 15)])

    def twin(a: Int64Array, b: Int64Array, shifts: Int64Array) -> Int64Array:
        rounded: Int64Array = np.sign(b) * ((np.abs(a * b) + (1 << (shifts - 1))) >> shifts)
        return rounded

    return _elementwise("rounding_product", twin, a, b, shifts)


def _requantize(values: Int64Array, mantissas: Int64Array, shifts: Int64Array) -> Case:
    return _elementwise("requantize", lambda *c: _each(fixedpoint.requantize, *c), values, mantissas, shifts)


def _requantize_once(values: Int64Array, mantissas: Int64Array, shifts: Int64Array) -> Case:
    """Where the result fits 32 bits, which the generator guarantees."""
    fits = np.abs(values * mantissas.astype(np.float64) * np.exp2(shifts - 31.0)) < 2.0**31 - 1
    columns = values[fits], mantissas[fits], shifts[fits]
    return _elementwise("requantize_once", lambda *c: _each(fixedpoint.requantize_once, *c), *columns)


def _each(
    function: Callable[[Int64Array, Multiplier], Int64Array],
    values: Int64Array,
    mantissas: Int64Array,
    shifts: Int64Array,
) -> Int64Array:
    rows = zip(values, mantissas, shifts, strict=True)
    return np.array([function(value, Multiplier(int(m), int(s))) for value, m, s in rows], np.int64)


def _reciprocal(values: Int64Array) -> Int64Array:
    return fixedpoint.saturate32(exponential.two_over_one_plus(values) << 1)


def _leading_zeros(words: Int64Array) -> Int64Array:
    return np.array([32 - int(word).bit_length() for word in words], np.int64)
