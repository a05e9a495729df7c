"""(q - mean) / sqrt(variance + epsilon) of int8 vectors in integers, as docs/numerics.md has it."""

from fractions import Fraction

import numpy as np

from edgelstm.numerics.fixedpoint import Int64Array, high_multiply
from edgelstm.numerics.reciprocal_root import inverse_root

LARGEST_SIZE = 1 << 14
"""Up to here sums fit 32 bits, and no distance from the mean is ever shifted to the right."""

LARGEST_EPSILON = 1 << 62
"""With it and any variance, the number under the root stays below 2^63."""

FRACTION_BITS = 16
"""Of variance * size^2 under the root, for an epsilon smaller than one step of that."""


def headroom_bits(size: int) -> int:
    """The smallest g >= 1 with 4^(g - 1) >= size - 1: no normalized value of so many is beyond 2^(g - 1)."""
    return 1 + (max(size - 2, 0).bit_length() + 1) // 2


def least_shift(size: int) -> int:
    """How far a distance from the mean is shifted to the left, beside half of the zeros before what is under the root.

    It may be negative; the sum is not, up to LARGEST_SIZE.
    """
    return FRACTION_BITS // 2 - headroom_bits(size)


def normal_step(size: int) -> float:
    """The real value of 1 in what `normalize` returns."""
    return 2.0 ** (headroom_bits(size) - 30)


def gained_step(size: int) -> float:
    """The same after the high half of its product with an int16 gain was taken; the gain's scale is another factor."""
    return normal_step(size) * 2.0**15


def stored_epsilon(epsilon: float, size: int, scale: float) -> int:
    """Epsilon in steps of variance * size^2 with 16 fraction bits, for inputs of this scale; exact, then rounded."""
    return int(Fraction(epsilon) * (size * size << FRACTION_BITS) / Fraction(scale) ** 2 + Fraction(1, 2))


def normalize(values: Int64Array, epsilon: int) -> Int64Array:
    """Stored values (..., size) to their distance from the mean in standard deviations, in units of `normal_step`.

    Args:
        values: int8 numbers; a zero point makes no difference.
        epsilon: as `stored_epsilon` has it, below LARGEST_EPSILON.
    """
    size = values.shape[-1]
    total = values.sum(axis=-1, keepdims=True)
    spread = size * (values * values).sum(axis=-1, keepdims=True) - total * total
    root = inverse_root((np.maximum(spread, 1) << FRACTION_BITS) + epsilon)
    shift = root.half_zeros + least_shift(size)
    return high_multiply((size * values - total) << shift, root.mantissa)
