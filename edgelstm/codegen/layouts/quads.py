"""Four rows of one column in four bytes, for cores that multiply bytes: AVR.

Weights and values are biased by 128, so that products are never negative and 24-bit sums need no sign on the way:

    sum of w x = sum of (w + 128)(x + 128) - 128 sum of x - 128 sum of (w + 128)

The last term is part of the start value, the one before it known once a step for all rows. All is modulo 2^24: only
the sums that are true at the end must lie within 24 signed bits.
"""

from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Layout, Words, as_words
from edgelstm.ir import IntArray
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier

_BYTE_SHIFTS = np.array([0, 8, 16, 24])


class Quads(Layout):
    """4 start values; then a word for each column."""

    name: ClassVar[str] = "quads"
    sum_limit: ClassVar[int] = 2**23
    comment: ClassVar[str] = "4 start values, then per column a word of 4 rows, each biased by 128"
    scales_comment: ClassVar[str] = "4 multipliers without their lowest 7 bits, which are 0, below their shifts"

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        biased = rows.astype(np.int64) + 128
        words = (biased.T << _BYTE_SHIFTS).sum(axis=1)
        return np.concatenate([as_words(bias - 128 * biased.sum(axis=1)), as_words(words)])

    def gate_scales(self, multipliers: tuple[Multiplier, ...]) -> tuple[int, ...]:
        """The 24 significant bits of each mantissa, and in the byte above them its shift."""
        return tuple((multiplier.mantissa >> 7) + (multiplier.shift << 24) for multiplier in multipliers)
