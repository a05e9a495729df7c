"""Four rows of two columns in a word: a byte for each row, the first column in its lower half, all biased by 8.

For rows A, B, C, D the lower halves of a word's bytes are W = A' + 256 B' + 65536 C' + 2^24 D', where A' = A + 8 is in
1..15. Nothing borrows, so that W >> 8, W >> 16 and W >> 24 are the same sum without its first terms. Summed over the
columns, each times its value, the four are

    p = a' + 256 q,    q = b' + 256 s,    s = c' + 256 d',    d'

and each difference is a row's sum: modulo 2^32, which is exact for any sums of 32 bits. Each a' is a plus 8 times the
sum of the values, known once a step.

`NibbleColumns` has the same words for sums of 24 bits, which follow from three such sums of products, without those 8s,

    p = a + 256 b + 65536 c + 2^24 d,    q = b + 256 c,    s = c + 256 d    modulo 2^32

as in `edgelstm.codegen.layouts.columns`: the bytes in the middle are two of 16 bits without a sign.
"""

from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import NARROW_BIAS, Layout, Words, as_words
from edgelstm.ir import IntArray
from edgelstm.numerics.fixedpoint import Int64Array

_ROW_SHIFTS = np.array([0, 8, 16, 24])


class Nibbles(Layout):
    """4 biases, then a word for each 2 columns."""

    name: ClassVar[str] = "nibbles"
    header: ClassVar[str] = "nibbles"
    widen: ClassVar[str] = "el_widen_nibbles"
    sum_limit: ClassVar[int] = 2**31
    lowest_weight: ClassVar[int] = -NARROW_BIAS
    comment: ClassVar[str] = (
        "4 biases, then per 2 columns a word with a byte of each row, the first in its lower half, biased by 8"
    )

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        return np.concatenate([as_words(bias), _words(rows)])


class NibbleColumns(Nibbles):
    """Start values of p, q, s; then a word for each 2 columns."""

    name: ClassVar[str] = "nibble_columns"
    has_gates: ClassVar[bool] = False
    sum_limit: ClassVar[int] = 2**23
    comment: ClassVar[str] = (
        "3 start values, then per 2 columns a word with a byte of each row, the first in its lower half, biased by 8"
    )

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        a, b, c, d = (int(value) for value in bias)
        starts = [a + (b << 8) + (c << 16) + (d << 24), b + (c << 8), c + (d << 8)]
        return np.concatenate([as_words(np.array(starts)), _words(rows)])


def _words(rows: IntArray) -> Words:
    biased = rows.T.astype(np.int64) + NARROW_BIAS
    pairs = biased[0::2] + (biased[1::2] << 4)
    return as_words((pairs << _ROW_SHIFTS).sum(axis=1))
