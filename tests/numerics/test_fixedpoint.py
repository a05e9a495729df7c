"""Each fixed-point function equals exact rational arithmetic, rounded once at the end."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelstm.numerics import fixedpoint
from edgelstm.numerics.fixedpoint import INT32_MAX, INT32_MIN, Int64Array, Multiplier, quantize_multiplier

EXTREMES = sorted(
    {
        sign * (1 << power) + offset
        for power in (0, 1, 7, 8, 15, 16, 24, 29, 30, 31)
        for sign in (-1, 1)
        for offset in (-1, 0, 1)
    }
    | {INT32_MIN + 1, INT32_MAX - 1}
)
INT32 = [value for value in EXTREMES if INT32_MIN <= value <= INT32_MAX]

int32 = st.sampled_from(INT32) | st.integers(INT32_MIN, INT32_MAX)
int32s = st.lists(int32, min_size=1, max_size=40)
mantissas = st.sampled_from([0, 2**30, 2**30 + 1, 2**31 - 1]) | st.integers(2**30, 2**31 - 1)

thorough = settings(max_examples=100, deadline=None)


def half_away(value: Fraction) -> int:
    """To nearest, ties away from zero."""
    return math.floor(abs(value) + Fraction(1, 2)) * (-1 if value < 0 else 1)


def half_up(value: Fraction) -> int:
    """To nearest, ties towards plus infinity."""
    return math.floor(value + Fraction(1, 2))


def wrapped(value: int) -> int:
    """The low 32 bits read as a signed number."""
    return int.from_bytes((value & 0xFFFFFFFF).to_bytes(4, "little"), "little", signed=True)


def high_product(a: int, b: int) -> int:
    return min(half_up(Fraction(a * b, 2**31)), INT32_MAX)


def requantized(value: int, multiplier: Multiplier) -> int:
    left, right = max(multiplier.shift, 0), max(-multiplier.shift, 0)
    return half_away(Fraction(high_product(wrapped(value << left), multiplier.mantissa), 2**right))


def requantized_once(value: int, multiplier: Multiplier) -> int:
    return half_away(Fraction(value * multiplier.mantissa, 2 ** (31 - multiplier.shift)))


def array(values: Sequence[int]) -> Int64Array:
    return np.array(values, np.int64)


def tie_neighbours(shift: int) -> list[int]:
    """Values on and beside the ties of a division by 2^shift, of both signs, near zero and near the ends."""
    half, step = (1 << shift) // 2, 1 << shift
    last = (INT32_MAX - half) // step
    ties = [k * step + half for k in (-last - 1, -3, -2, -1, 0, 1, 2, last)]
    return [t + offset for t in ties for offset in (-1, 0, 1) if INT32_MIN <= t + offset <= INT32_MAX]


def rounding_shift_errors(function: Callable[[Int64Array, int], Int64Array]) -> int:
    """How many of the ties and extremes a rounding shift gets wrong."""
    errors = 0
    for shift in range(32):
        values = tie_neighbours(shift) + INT32
        expected = [half_away(Fraction(value, 2**shift)) for value in values]
        errors += int((function(array(values), shift) != expected).sum())
    return errors


def test_rounding_shift_on_all_ties_and_extremes() -> None:
    assert rounding_shift_errors(fixedpoint.rounding_shift) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda values, shift: values >> shift,
        lambda values, shift: (values + (1 << shift >> 1)) >> shift,
        lambda values, shift: (values + (1 << shift >> 1) - (values > 0)) >> shift,
        lambda values, shift: np.rint(values / 2.0**shift).astype(np.int64),
        lambda values, shift: fixedpoint.rounding_shift(
            fixedpoint.rounding_shift(values, shift // 2), shift - shift // 2
        ),
    ],
    ids=["floor", "ties up", "ties towards zero", "ties to even", "floor, then nearest"],
)
def test_the_check_of_rounding_shift_notices(wrong: Callable[[Int64Array, int], Int64Array]) -> None:
    assert rounding_shift_errors(wrong) > 0


@given(int32s, st.integers(0, 31))
@thorough
def test_rounding_shift(values: list[int], shift: int) -> None:
    expected = [half_away(Fraction(value, 2**shift)) for value in values]
    assert fixedpoint.rounding_shift(array(values), shift).tolist() == expected


@given(st.lists(st.integers(-(2**62) + 1, 2**62 - 1), min_size=1), st.integers(0, 62))
@thorough
def test_rounding_shift_of_64_bit_products(values: list[int], shift: int) -> None:
    expected = [half_away(Fraction(value, 2**shift)) for value in values]
    assert fixedpoint.rounding_shift(array(values), shift).tolist() == expected


def test_high_multiply_of_all_pairs_of_extremes() -> None:
    a, b = (grid.ravel() for grid in np.meshgrid(INT32, INT32))
    expected = [high_product(int(x), int(y)) for x, y in zip(a, b, strict=True)]
    assert fixedpoint.high_multiply(a, b).tolist() == expected
    assert fixedpoint.high_multiply(array([INT32_MIN]), INT32_MIN).tolist() == [INT32_MAX]


@given(st.lists(st.tuples(int32, int32), min_size=1, max_size=40))
@thorough
def test_high_multiply(pairs: list[tuple[int, int]]) -> None:
    a, b = (array(values) for values in zip(*pairs, strict=True))
    assert fixedpoint.high_multiply(a, b).tolist() == [high_product(x, y) for x, y in pairs]


def test_high_multiply_rounds_ties_up_for_both_signs() -> None:
    assert fixedpoint.high_multiply(array([1, -1, 3, -3]), 2**30).tolist() == [1, 0, 2, -1]


@given(st.lists(st.integers(-(2**40), 2**40) | int32, min_size=1))
@thorough
def test_saturation_and_wrapping(values: list[int]) -> None:
    given_values = array(values)
    assert fixedpoint.saturate8(given_values).tolist() == [sorted((-128, v, 127))[1] for v in values]
    assert fixedpoint.saturate16(given_values).tolist() == [sorted((-32768, v, 32767))[1] for v in values]
    assert fixedpoint.saturate32(given_values).tolist() == [sorted((INT32_MIN, v, INT32_MAX))[1] for v in values]
    assert fixedpoint.wrap32(given_values).tolist() == [wrapped(v) for v in values]
    assert given_values.tolist() == values


@pytest.mark.parametrize("shift", range(-31, 32))
def test_requantize_of_extremes_at_every_shift(shift: int) -> None:
    for mantissa in (0, 2**30, 2**30 + 1, 0x55555555, 2**31 - 1):
        multiplier = Multiplier(mantissa, shift)
        expected = [requantized(value, multiplier) for value in INT32]
        assert fixedpoint.requantize(array(INT32), multiplier).tolist() == expected


@pytest.mark.parametrize("shift", range(-31, 31))
def test_requantize_once_of_extremes_at_every_shift(shift: int) -> None:
    for mantissa in (0, 2**30, 2**30 + 1, 0x55555555, 2**31 - 1):
        multiplier = Multiplier(mantissa, shift)
        expected = [requantized_once(value, multiplier) for value in INT32]
        assert fixedpoint.requantize_once(array(INT32), multiplier).tolist() == expected


@given(int32s, mantissas, st.integers(-31, 31))
@thorough
def test_requantize(values: list[int], mantissa: int, shift: int) -> None:
    multiplier = Multiplier(mantissa, shift)
    expected = [requantized(value, multiplier) for value in values]
    assert fixedpoint.requantize(array(values), multiplier).tolist() == expected


@given(int32s, mantissas, st.integers(-31, 30))
@thorough
def test_requantize_once(values: list[int], mantissa: int, shift: int) -> None:
    multiplier = Multiplier(mantissa, shift)
    expected = [requantized_once(value, multiplier) for value in values]
    assert fixedpoint.requantize_once(array(values), multiplier).tolist() == expected


def test_one_rounding_is_not_two() -> None:
    """0.4999.. becomes 0.5 in the first rounding and 1 in the second."""
    multiplier = Multiplier(2**31 - 1, -1)
    assert fixedpoint.requantize(array([1, -1]), multiplier).tolist() == [1, -1]
    assert fixedpoint.requantize_once(array([1, -1]), multiplier).tolist() == [0, 0]


@given(st.floats(2.0**-31, 2.0**31, exclude_max=True))
@thorough
def test_a_quantized_multiplier_is_the_nearest(real: float) -> None:
    multiplier = quantize_multiplier(real)
    assert 2**30 <= multiplier.mantissa < 2**31
    unit = Fraction(2) ** (multiplier.shift - 31)
    assert multiplier.real == multiplier.mantissa * unit
    # The mantissa just below a power of two rolls over, after which the unit is twice as large.
    assert abs(multiplier.mantissa * unit - Fraction(real)) <= unit / 2
    if multiplier.mantissa > 2**30:
        assert multiplier.mantissa == half_away(Fraction(real) / unit)


@pytest.mark.parametrize(
    ("real", "mantissa", "shift"),
    [
        (0.0, 0, 0),
        (1.0, 2**30, 1),
        (0.5, 2**30, 0),
        (2.0**-15, 2**30, -14),
        (math.nextafter(1.0, 0.0), 2**30, 1),
        (1.0 - 2.0**-31, 2**31 - 1, 0),
        (1.0 - 2.0**-32, 2**30, 1),
        (1.0 - 3 * 2.0**-32, 2**31 - 1, 0),
        (0.75, 3 * 2**29, 0),
        (2.0**-32, 2**30, -31),
        (math.nextafter(2.0**-32, 0.0), 2**30, -31),
        (2.0**-33, 0, 0),
        (5e-324, 0, 0),
        (3.0 * 2.0**29, 3 * 2**29, 31),
    ],
)
def test_quantized_multipliers_at_the_edges(real: float, mantissa: int, shift: int) -> None:
    assert quantize_multiplier(real) == Multiplier(mantissa, shift)
