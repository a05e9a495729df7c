"""`exact_multiplier`: where it answers, integers equal LiteRT's float64 rounding on every accumulator that occurs."""

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
Interval = tuple[int, int]

LARGEST = 256
"""Results beyond are saturated whatever the zero point is, so that they need not be equal."""

# What an output's sums may be: all, few, and far from zero as where a bias dominates.
INTERVALS: list[Interval] = [
    *((-reach, reach) for reach in (0, 1, 10, 60, 128, 300, 4000)),
    (0, 49), (-103, -103), (2000, 2600), (-90_000, -80_000), (10**6, 10**6 + 5000),
]  # fmt: skip

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


def disagreements(function: Requantize, multiplier: Multiplier, real: float, interval: Interval) -> list[int]:
    """Accumulators whose int8 result differs from the float64 product's."""
    accumulators = np.arange(interval[0], interval[1] + 1, dtype=np.int64)
    wanted = np.clip(round_half_away(accumulators * np.float64(real)), -LARGEST, LARGEST)
    found = np.clip(function(accumulators, multiplier), -LARGEST, LARGEST)
    return [int(value) for value in accumulators[wanted != found]]


@given(st.floats(-1e9, 1e9) | st.integers(-1000, 1000).map(lambda k: math.nextafter(k + 0.5, 0)))
@settings(max_examples=100, deadline=None)
def test_the_reference_rounds_exactly(product: float) -> None:
    exact = math.floor(abs(Fraction(product)) + Fraction(1, 2))
    assert round_half_away(np.array([product])).tolist() == [-exact if product < 0 else exact]


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("factors", ["ties", "near ties", "ratios"])
def test_the_multiplier_agrees_on_every_accumulator(factors: str, interval: Interval) -> None:
    reals = {"ties": TIES, "near ties": NEAR_TIES, "ratios": list(float32_ratios(1, 100))}[factors]
    answers = {real: exact_multiplier(real, *interval) for real in reals}
    wrong = {
        real: found[:4]
        for real, multiplier in answers.items()
        if multiplier is not None and (found := disagreements(requantize_once, multiplier, real, interval))
    }
    assert wrong == {}


@pytest.mark.parametrize("factors", [TIES, NEAR_TIES], ids=["ties", "near ties"])
def test_none_means_that_no_mantissa_nearby_agrees(factors: list[float]) -> None:
    interval = (-4000, 4000)
    for real in factors:
        if exact_multiplier(real, *interval) is None:
            nearest = quantize_multiplier(real)
            for offset in range(-2, 3):
                candidate = Multiplier(nearest.mantissa + offset, nearest.shift)
                assert disagreements(requantize_once, candidate, real, interval)


def test_factors_over_powers_of_two_have_a_multiplier() -> None:
    """Their ties are ties in float64 too, and both sides round them away from zero."""
    assert [real for real in TIES if exact_multiplier(real, -4000, 4000) is None] == []


def test_ordinary_factors_have_a_multiplier() -> None:
    reach = 40 * 127 * 128
    missing = [real for real in float32_ratios(2, 300) if exact_multiplier(real, -reach, reach) is None]
    assert len(missing) <= 3


def test_ties_that_float64_misses_choose_the_mantissa() -> None:
    """49 / 98 is 0.49999999999999994 in float64 and LiteRT rounds it to 0, but 245 / 98 is 2.5."""
    assert (49 * (1 / 98), 245 * (1 / 98)) == (0.49999999999999994, 2.5)
    nearest = quantize_multiplier(1 / 98)
    assert exact_multiplier(1 / 98, -48, 48) == nearest
    assert exact_multiplier(1 / 98, -49, 49) == Multiplier(nearest.mantissa - 1, nearest.shift)
    assert exact_multiplier(1 / 98, -245, 245) is None


@pytest.mark.parametrize("real", [2.0**-33, 1e-12, 1e-30, 1e-130])
def test_a_factor_too_small_for_any_result_is_exactly_zero(real: float) -> None:
    assert exact_multiplier(real, -(2**31), 2**31 - 1) == Multiplier(0, 0)


@pytest.mark.parametrize("real", [2.0**31, 1e30, 1e300])
@pytest.mark.parametrize("reach", [0, 1, 2**31 - 1])
def test_a_factor_too_large_is_refused(real: float, reach: int) -> None:
    assert exact_multiplier(real, -reach, reach) is None


def test_the_comparison_notices_the_other_contract_s_two_roundings() -> None:
    ratios = list(float32_ratios(3, 200))
    assert any(disagreements(requantize, quantize_multiplier(real), real, (-4000, 4000)) for real in ratios)


@pytest.mark.parametrize("offset", [-40, 40])
def test_a_wrong_mantissa_is_never_returned(monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """With a planted fault in the starting point the search returns None or something right, never a wrong one."""

    def planted(real: float) -> Multiplier:
        nearest = quantize_multiplier(real)
        return Multiplier(nearest.mantissa + offset, nearest.shift)

    interval = (-60_000, 60_000)
    monkeypatch.setattr(fixedpoint, "quantize_multiplier", planted)
    answers = [(real, exact_multiplier.__wrapped__(real, *interval)) for real in (*float32_ratios(4, 40), 3 * 2.0**-9)]
    assert any(answer is None for _, answer in answers)
    for real, answer in answers:
        assert answer is None or disagreements(requantize_once, answer, real, interval) == []
