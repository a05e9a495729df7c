"""`exact_multiplier`: where it answers, integers equal LiteRT's float64 rounding on every accumulator in reach."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelstm.numerics import fixedpoint
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    Multiplier,
    exact_multiplier,
    quantize_multiplier,
    requantize,
    requantize_once,
)

Requantize = Callable[[Int64Array, Multiplier], Int64Array]

REACH = 4000
LARGEST = 256
"""Results beyond are saturated whatever the zero point is, so that they need not be equal."""

# A tie k + 1/2 is hit exactly where the factor is an odd number over a power of two.
TIES = [odd * 2.0**-power for power in range(1, 12) for odd in (1, 3, 5, 7, 9, 11, 13, 127, 255, 1023)]
# An odd multiple of 1/(2n) is a tie in exact arithmetic, and just missed or just hit in float64.
NEAR_TIES = [1 / (2 * n) for n in range(1, 120)] + [k / 206 for k in (1, 3, 5)] + [k / 214 for k in (1, 3, 5)]


def float32_ratios(seed: int, count: int) -> Iterator[float]:
    """Input scale * kernel scale / output scale, as models have them: float32 numbers, multiplied in float64."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        source, kernel = (float(np.float32(value)) for value in np.exp(rng.uniform(-8, -1, 2)))
        yield source * kernel / float(np.float32(source * kernel / np.exp(rng.uniform(-8, 0))))


def round_half_away(product: npt.NDArray[np.float64]) -> Int64Array:
    """std::round: exact, because a float64 minus its whole part is."""
    whole = np.floor(np.abs(product))
    rounded = whole + (np.abs(product) - whole >= 0.5)
    return np.copysign(rounded, product).astype(np.int64)


def disagreements(function: Requantize, multiplier: Multiplier, real: float, reach: int) -> Int64Array:
    """Accumulators within +-reach whose int8 result differs from the float64 product's."""
    accumulators = np.arange(-reach, reach + 1, dtype=np.int64)
    wanted = np.clip(round_half_away(accumulators * np.float64(real)), -LARGEST, LARGEST)
    found = np.clip(function(accumulators, multiplier), -LARGEST, LARGEST)
    return accumulators[wanted != found]


@given(st.floats(-1e9, 1e9) | st.integers(-1000, 1000).map(lambda k: math.nextafter(k + 0.5, 0)))
@settings(max_examples=100, deadline=None)
def test_the_reference_rounds_exactly(product: float) -> None:
    exact = math.floor(abs(Fraction(product)) + Fraction(1, 2))
    assert round_half_away(np.array([product])).tolist() == [-exact if product < 0 else exact]


@pytest.mark.parametrize("reach", [1, 10, 60, 128, 300, REACH])
@pytest.mark.parametrize("factors", [TIES, NEAR_TIES, list(float32_ratios(1, 100))], ids=["ties", "near ties", "ratios"])
def test_the_multiplier_agrees_on_every_accumulator(factors: list[float], reach: int) -> None:
    """A row whose reach is small may have a multiplier that would fail further out."""
    wrong = {}
    for real in factors:
        multiplier = exact_multiplier(real, reach)
        if multiplier is not None:
            found = disagreements(requantize_once, multiplier, real, reach)
            if len(found):
                wrong[real] = found.tolist()[:4]
    assert wrong == {}


@pytest.mark.parametrize("factors", [TIES, NEAR_TIES], ids=["ties", "near ties"])
def test_none_means_that_no_mantissa_nearby_agrees(factors: list[float]) -> None:
    for real in factors:
        if exact_multiplier(real, REACH) is None:
            nearest = quantize_multiplier(real)
            for offset in range(-2, 3):
                candidate = Multiplier(nearest.mantissa + offset, nearest.shift)
                assert len(disagreements(requantize_once, candidate, real, REACH))


def test_factors_over_powers_of_two_have_a_multiplier() -> None:
    """Their ties are ties in float64 too, and both sides round them away from zero."""
    assert [real for real in TIES if exact_multiplier(real, REACH) is None] == []


def test_ordinary_factors_have_a_multiplier() -> None:
    missing = [real for real in float32_ratios(2, 300) if exact_multiplier(real, 40 * 127 * 128) is None]
    assert len(missing) <= 3


@pytest.mark.parametrize("real", [2.0**-33, 1e-12, 1e-30, 5e-324])
def test_a_factor_too_small_for_any_result_is_exactly_zero(real: float) -> None:
    assert exact_multiplier(real, 2**31 - 1) == Multiplier(0, 0)


@pytest.mark.parametrize("real", [2.0**31, 1e30, 1e300])
@pytest.mark.parametrize("reach", [0, 1, 2**31 - 1])
def test_a_factor_too_large_is_refused(real: float, reach: int) -> None:
    """Where every accumulator is 0, any multiplier is right."""
    answer = exact_multiplier(real, reach)
    assert answer is None or (reach == 0 and requantize_once(np.zeros(1, np.int64), answer) == 0)


def test_the_comparison_notices_the_other_contract_s_two_roundings() -> None:
    ratios = list(float32_ratios(3, 200))
    assert any(len(disagreements(requantize, quantize_multiplier(real), real, REACH)) for real in ratios)


@pytest.mark.parametrize("offset", [-40, 40])
def test_a_wrong_mantissa_is_never_returned(monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """With a planted fault in the starting point the search returns None or something right, never a wrong one."""

    def planted(real: float) -> Multiplier:
        nearest = quantize_multiplier(real)
        return Multiplier(nearest.mantissa + offset, nearest.shift)

    ratios = list(float32_ratios(4, 40)) + [3 * 2.0**-9]
    reach = 60_000
    monkeypatch.setattr(fixedpoint, "quantize_multiplier", planted)
    answers = [(real, exact_multiplier.__wrapped__(real, reach)) for real in ratios]
    assert any(answer is None for _, answer in answers)
    for real, answer in answers:
        assert answer is None or len(disagreements(requantize_once, answer, real, reach)) == 0
