"""Four rows of one column in a word for int16 values, for cores that multiply 32 bits at once.

For rows A, B, C, D a word is W = (A + 128) + 256 (B + 128) + 65536 (C + 128) + 2^24 (D + 128). No part has a sign, so
that shifting W right borrows nothing. Summed over the columns, each times its value x, W and W >> 8, 16, 24 are, modulo
2^32,

    p = a + 256 q,    q = b + 256 r,    r = c + 256 s,    s = d

and each of a, b, c, d comes out larger by 128 times the sum of x: the products on the way may wrap, the sums must not.
That takes 4 multiplications for 4 products, but no instruction to cut a weight out of its word with its sign.
"""

from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Layout, Words, as_words
from edgelstm.ir import IntArray
from edgelstm.numerics.fixedpoint import Int64Array

_BYTE_SHIFTS = np.array([0, 8, 16, 24])


class Columns16(Layout):
    """Start values of p, q, r, s; then a word for each column."""

    name: ClassVar[str] = "columns16"
    widen: ClassVar[str] = "el_widen16"
    sum_limit: ClassVar[int] = 2**31
    comment: ClassVar[str] = "4 start values, then per column a word of 4 rows, each biased by 128"

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        words = ((rows.T.astype(np.int64) + 128) << _BYTE_SHIFTS).sum(axis=1)
        a, b, c, d = (int(value) for value in bias)
        s = d
        r = c + (s << 8)
        q = b + (r << 8)
        return np.concatenate([as_words(np.array([a + (q << 8), q, r, s])), as_words(words)])
