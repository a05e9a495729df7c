"""The functions on int16 values: against exact integers, against what they approximate, and table against table."""

import math

import numpy as np
import pytest

from edgelstm.numerics.activations import sigmoid, tflm_squash
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier, requantize_wide
from edgelstm.numerics.softmax16 import difference_multiplier, exponential_table, look_up, reciprocal_table, softmax16
from edgelstm.numerics.squash16 import squash_line

LOWEST, HIGHEST = -(2**17), 2**17 - 1


@pytest.mark.parametrize("real", [2.0**-30, 3e-5, 0.001, 0.25, 0.999999, 1.0, 100.0])
def test_wide_sums_are_rounded_once_and_half_up(real: float) -> None:
    multiplier = quantize_multiplier(real)
    rng = np.random.default_rng(0)
    sums = np.concatenate([rng.integers(-(2**40), 2**40, 2000), np.arange(-200, 200)])
    factor, shift = multiplier.reduced_mantissa, 15 - multiplier.shift
    exact = [math.floor((2 * int(one) * factor + 2**shift) / 2 ** (shift + 1)) for one in sums[-400:]]
    assert requantize_wide(sums, multiplier)[-400:].tolist() == exact
    wanted = sums * real
    assert np.abs(requantize_wide(sums, multiplier) - wanted).max() <= 0.5 + np.abs(wanted).max() * 2.0**-15


def test_the_largest_mantissa_stays_within_15_bits() -> None:
    assert Multiplier(2**31 - 1, 0).reduced_mantissa == 0x7FFF
    assert Multiplier(0x7FFEFFFF, 0).reduced_mantissa == 0x7FFF
    assert Multiplier(2**30 + 0x7FFF, 0).reduced_mantissa == 2**14
    assert Multiplier(2**30 + 0x8000, 0).reduced_mantissa == 2**14 + 1


def test_the_lines_are_the_table() -> None:
    steps = np.arange(LOWEST - 5000, HIGHEST + 5000)
    line = squash_line(np.clip(steps, LOWEST, HIGHEST))
    assert np.array_equal(np.clip(line >> 10, 1, 32767), tflm_squash("sigmoid", steps))
    doubled = squash_line(np.clip(2 * steps, LOWEST, HIGHEST))
    assert np.array_equal((doubled - 2**24 - 256) >> 9, tflm_squash("tanh", steps))
    gates = np.arange(-(2**15), 2**15)
    assert np.array_equal(squash_line(3 * gates) >> 10, sigmoid(Contract.TFLM, gates))


def test_softmax_tables_hold_what_they_stand_for() -> None:
    values = np.arange(-(2**15), 2**15)
    powers = np.exp((values - 32767) * 10 / 65535) * 2**15
    assert np.abs(look_up(exponential_table(), values) - powers).max() < 8
    inverses = 2**15 / (1 + (values + 2**15) / 65535)
    assert np.abs(look_up(reciprocal_table(), values) - inverses).max() < 2


@pytest.mark.parametrize("scale", [1e-5, 2.0**-12, 0.003])
def test_softmax_is_near_the_real_one(scale: float) -> None:
    values = np.random.default_rng(1).integers(-(2**15), 2**15, (300, 7))
    powers = np.exp((values - values.max(axis=1, keepdims=True)) * scale)
    real = powers / powers.sum(axis=1, keepdims=True)
    found = softmax16(values, difference_multiplier(scale, 1.0))
    assert np.abs(found / 2**15 - real).max() < 5e-4
