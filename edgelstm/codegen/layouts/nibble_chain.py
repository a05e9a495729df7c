"""Four rows of two columns in a word, for Armv7E-M, which multiplies two halves at once: 6 instructions for 8 products.

A half of a word must hold weights of one column, for the other half meets another value. For rows A, B, C, D and two
columns, the second with a stroke, the word's 4 bits are, from the lowest:

    A D' C B   A' D C' B'

Three pieces of it, each cut out by one instruction that also rotates, then have one column in each half:

    W & 0x0F0F0F0F               A + 256 C       sums up to  p = a + 256 c
    (W >> 8) & 0x00FF00FF        C + 16 B                    q = c + 16 b
    (W rotated by 12) & 0x0F..   B + 256 D                   s = b + 256 d

All are biased by 8, so that no piece has a sign. With e, 8 times the sum of the values, p, q and s are then of a + e
and so on. p - 256 q + 4096 s is a + e modulo 2^20, so that a follows if it lies within 20 signed bits; then c + e is
(p - (a + e)) / 256, b + e is (q - (c + e)) / 16, and d + e is (s - (b + e)) / 256. That is exact while these lie within
24 signed bits: 2^19 for the sum, and for e 2^10 a column, of which there may be 4096.

`NibblePairs` has the same words for sums of any size: each row is cut out alone, in 8 instructions.
"""

from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import COLUMN_BLOCK, NARROW_BIAS, VALUE_ORDER, Layout, Words, as_words
from edgelstm.ir import IntArray
from edgelstm.numerics.fixedpoint import Int64Array

_FIRST_SHIFTS = (0, 12, 8, 20)
_SECOND_SHIFTS = (16, 28, 24, 4)
"""Where the weights of rows A, B, C, D stand, of the column in the lower half and that in the upper half."""


def _words(rows: IntArray) -> Words:
    biased = rows.astype(np.int64) + NARROW_BIAS
    blocks = biased.reshape(len(rows), -1, COLUMN_BLOCK)[:, :, VALUE_ORDER].reshape(len(rows), -1)
    first, second = blocks[:, 0::2], blocks[:, 1::2]
    parts = zip(first, second, _FIRST_SHIFTS, _SECOND_SHIFTS, strict=True)
    return as_words(sum((one << at) + (other << behind) for one, other, at, behind in parts))


class NibbleChain(Layout):
    """Start values of p, q, s; then a word for each 2 columns."""

    name: ClassVar[str] = "nibble_chain"
    header: ClassVar[str] = "nibbles"
    widen: ClassVar[str] = "el_widen_nibbles"
    sum_limit: ClassVar[int] = 2**19
    most_columns: ClassVar[int] = 4096
    lowest_weight: ClassVar[int] = -NARROW_BIAS
    comment: ClassVar[str] = "3 start values, then per 2 columns a word of 4 rows, biased by 8"

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        a, b, c, d = (int(value) for value in bias)
        return np.concatenate([as_words(np.array([a + 256 * c, c + 16 * b, b + 256 * d])), _words(rows)])


class NibblePairs(Layout):
    """4 biases, then a word for each 2 columns."""

    name: ClassVar[str] = "nibble_pairs"
    header: ClassVar[str] = "nibbles"
    widen: ClassVar[str] = "el_widen_nibbles"
    sum_limit: ClassVar[int] = 2**31
    lowest_weight: ClassVar[int] = -NARROW_BIAS
    comment: ClassVar[str] = "4 biases, then per 2 columns a word of 4 rows, biased by 8"

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        return np.concatenate([as_words(bias), _words(rows)])
