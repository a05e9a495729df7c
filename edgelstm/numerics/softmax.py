"""The fixed-point int8 softmax of TensorFlow Lite's reference kernels (both contracts), with a C twin.

Formats: differences are Q5.26, exponentials Q0.31, their sum Q12.19, the result scale 1/256 with zero point -128.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgelstm.numerics.exponential import exponential, two_over_one_plus
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    Multiplier,
    high_multiply,
    quantize_multiplier,
    rounding_shift,
    saturate32,
    wrap32,
)

DIFFERENCE_INTEGER_BITS = 5
SUM_INTEGER_BITS = 12


@dataclass(frozen=True)
class SoftmaxScaling:
    """How a difference of two inputs becomes Q5.26, and below which difference the result is 0."""

    multiplier: Multiplier
    minimum_difference: int


def softmax_scaling(input_scale: float, beta: float) -> SoftmaxScaling:
    """Derive the scaling from the input's scale."""
    unit = 2.0 ** (31 - DIFFERENCE_INTEGER_BITS)
    multiplier = quantize_multiplier(min(beta * input_scale * unit, 2.0**31 - 1.0))
    largest = (2**DIFFERENCE_INTEGER_BITS - 1) * unit
    return SoftmaxScaling(multiplier, -math.floor(math.ldexp(largest, -multiplier.shift)))


def softmax(values: Int64Array, scaling: SoftmaxScaling) -> Int64Array:
    """Softmax along the last axis of stored int8 values; the result is stored int8."""
    difference = values - values.max(axis=-1, keepdims=True)
    multiplier = scaling.multiplier
    scaled = high_multiply(wrap32(difference << max(multiplier.shift, 0)), multiplier.mantissa)
    counted = difference >= scaling.minimum_difference
    exponentials = np.where(counted, exponential(np.where(counted, scaled, 0), DIFFERENCE_INTEGER_BITS), 0)
    total = rounding_shift(exponentials, SUM_INTEGER_BITS).sum(axis=-1, keepdims=True)
    headroom = 32 - np.floor(np.log2(total)).astype(np.int64) - 1
    inverse = saturate32(two_over_one_plus(((total << headroom) & 0xFFFFFFFF) - 2**31) << 1)
    shift = SUM_INTEGER_BITS - headroom + 31 - 8
    product = high_multiply(inverse, exponentials)
    half = np.left_shift(1, shift - 1)
    result = (product + half - (product < 0)) >> shift
    return np.where(counted, np.clip(result - 128, -128, 127), -128)
