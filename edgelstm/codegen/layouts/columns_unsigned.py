"""Four rows of one column in a word whose parts have no sign, for cores that cut up to 16 bits out of a word at once.

The sums p, q, s are those of `edgelstm.codegen.layouts.columns`, but all four rows are biased by 128: every byte of the
word W is one of A + 128 .. D + 128, so that W >> 8 in 16 bits and W >> 16, both without a sign, are (B + 128) + 256
(C + 128) and (C + 128) + 256 (D + 128). Each row adds 128 X to its sum, where X is the sum of the values. Modulo 2^32,

    q and s come out larger by        128 X + 256 * 128 X             = 257 * 128 X
    p comes out larger by             128 X (1 + 256 + 2^16 + 2^24)   = 65537 * 257 * 128 X

which is known once a step. Less that, p, q, s are those of `Columns`, and so is the bound of 24 bits for each sum.

A gate's sum times its multiplier m of 24 bits, rounded to nearest, is floor((sum m + 2^23) / 2^24). No product may
leave 32 signed bits, so m is cut into parts, and a floor of a floor is the floor of the whole:

    near: m = 2^12 m1 + m0,             floor((sum m1 + floor(sum m0 / 2^12) + 2^11) / 2^12)
    far:  m = 2^16 m2 + 2^8 m1 + m0,    floor((sum m2 + floor((sum m1 + floor(sum m0 / 2^8)) / 2^8) + 2^7) / 2^8)

In `near`, |sum m| / 2^12 < 2^12 |sum| must leave room for 2^11, and for half of what a right shift by up to 9 drops,
2^20: with |sum| <= 2^19 - 257 it is 2^31 - 2^20 - 2^12 at most. In `far`, |sum m| / 2^16 < 2^8 |sum| leaves 2^8 for the
2^7, and the half of a right shift is added when the product is no longer there.
"""

from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Layout, Words, as_words
from edgelstm.ir import IntArray
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier

_BYTE_SHIFTS = np.array([0, 8, 16, 24])


class FarColumns(Layout):
    """Start values of p, q, s; then a word for each column."""

    name: ClassVar[str] = "far_columns"
    sum_limit: ClassVar[int] = 2**23
    comment: ClassVar[str] = "3 start values, then per column a word of 4 rows, each biased by 128"
    scales_comment: ClassVar[str] = "4 multipliers without their lowest 7 bits, which are 0, in bytes, lowest first"

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        words = ((rows.T.astype(np.int64) + 128) << _BYTE_SHIFTS).sum(axis=1)
        a, b, c, d = (int(value) for value in bias)
        starts = [a + (b << 8) + (c << 16) + (d << 24), b + (c << 8), c + (d << 8)]
        return np.concatenate([as_words(np.array(starts)), as_words(words)])

    def gate_scales(self, multipliers: tuple[Multiplier, ...]) -> tuple[int, ...]:
        """The 24 significant bits of each mantissa in bytes."""
        return tuple(multiplier.mantissa >> shift & 255 for multiplier in multipliers for shift in (7, 15, 23))


class NearColumns(FarColumns):
    """The same stream, for sums so small that the gates take a multiplication less each."""

    name: ClassVar[str] = "near_columns"
    sum_limit: ClassVar[int] = 2**19 - 2**8
    scales_comment: ClassVar[str] = "4 multipliers without their lowest 7 bits, which are 0, in halves, lower first"

    def gate_scales(self, multipliers: tuple[Multiplier, ...]) -> tuple[int, ...]:
        """The 24 significant bits of each mantissa in halves of 12."""
        return tuple(multiplier.mantissa >> shift & 4095 for multiplier in multipliers for shift in (7, 19))
