"""Sums of int8 weights on int16 values, and what bounds them."""

from collections.abc import Sequence

import numpy as np

from edgelstm.ir import AnyArray, IntArray
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier
from edgelstm.ops import scales

LARGEST_BIAS = 2**31
"""C starts a sum from 32 bits."""

_SHIFTS = range(-31, 8)
"""TensorFlow Lite's kernels promise a result for these alone."""

_LARGEST_SUM, _LARGEST_RESULT = 2**47, 2**30


def exact_products(values: IntArray, weights: AnyArray) -> Int64Array:
    """(batch, columns) by int8 (rows, columns): exact in float64, which has a fast matrix product."""
    exact: Int64Array = np.rint(values.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)
    return exact


def sum_problems(where: str, weights: AnyArray, bias: Int64Array, multipliers: Sequence[Multiplier]) -> list[str]:
    """Biases must fit 32 bits, sums 48, and requantized sums 31.

    Args:
        where: what the sums are of, as a message begins.
        weights: int8 (rows, columns).
        bias: (rows,).
        multipliers: of each row, or one for all.
    """
    reach = int(scales.accumulator_reach16(weights, bias).max())
    largest = max(multiplier.real for multiplier in multipliers)
    if any(multiplier.shift not in _SHIFTS for multiplier in multipliers):
        return [f"{where} sums are multiplied by {largest:g}, which the int16 kernels are not made for"]
    if int(np.abs(bias).max()) < LARGEST_BIAS and reach < _LARGEST_SUM and reach * largest < _LARGEST_RESULT:
        return []
    return [f"{where} sums up to {reach} times {largest:g} do not fit"]
