"""1 / sqrt(w) of 64-bit integers, with a C twin in `templates/c/lib/reciprocal_root.h`."""

from dataclasses import dataclass

import numpy as np

from edgelstm.numerics.fixedpoint import Int64Array, high_multiply

MANTISSA_BITS = 24
"""Few enough that a test tries every mantissa."""

SEED, SEED_SLOPE = 1143535043, 652298158
"""1 / sqrt(a) is SEED - SEED_SLOPE * a within 9 % for a in [1/4, 1), Q2.29."""

STEPS = 3


@dataclass(frozen=True, eq=False)
class ReciprocalRoot:
    """1 / sqrt(w) = mantissa * 2^(half_zeros - 61) for the elements of an array."""

    mantissa: Int64Array
    half_zeros: Int64Array


def even_mantissa(words: Int64Array) -> tuple[Int64Array, Int64Array]:
    """The leading 24 bits of w * 4^h, in [2^22, 2^24), and h, as large as w * 4^h < 2^64 allows, for w in [1, 2^63)."""
    shifted, half_zeros = words.astype(np.uint64), np.zeros(words.shape, np.int64)
    for bits in (32, 16, 8, 4, 2):
        is_empty = shifted >> np.uint64(64 - bits) == 0
        shifted = np.where(is_empty, shifted << np.uint64(bits), shifted)
        half_zeros += np.where(is_empty, bits // 2, 0)
    return (shifted >> np.uint64(64 - MANTISSA_BITS)).astype(np.int64), half_zeros


def reciprocal_root(mantissas: Int64Array) -> Int64Array:
    """1 / sqrt(m / 2^24) as Q2.29 for m in [2^22, 2^24), by Newton's steps."""
    a = mantissas << 31 - MANTISSA_BITS
    x = SEED - high_multiply(a, SEED_SLOPE)
    for _ in range(STEPS):
        error = 2**27 - high_multiply(high_multiply(x, x), a)
        x = x + high_multiply(x, error) * 8
    return x


def inverse_root(words: Int64Array) -> ReciprocalRoot:
    """1 / sqrt(w) for w in [1, 2^63)."""
    mantissas, half_zeros = even_mantissa(words)
    return ReciprocalRoot(reciprocal_root(mantissas), half_zeros)
