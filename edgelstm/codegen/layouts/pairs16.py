"""Two rows in a word of halves for int16 values: 0.875 instructions a product on Armv7E-M.

For rows A and B a half holds A + 256 B. Multiplied as it is it sums up to a + 256 b, in 64 bits; the low bytes alone
give a, in 32. Then b = ((a + 256 b) - a) >> 8.
"""

from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import COLUMN_BLOCK, Layout, Words, as_words
from edgelstm.ir import IntArray
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier


class Pairs16(Layout):
    """Rows A, B, C, D: start values, then per 4 columns 2 words of A, B and 2 of C, D."""

    name: ClassVar[str] = "pairs16"
    widen: ClassVar[str] = "el_copy16"
    sum_limit: ClassVar[int] = 2**31
    lowest_weight: ClassVar[int] = -127
    scales_comment: ClassVar[str] = "of the input and of the recurrent part 4 multipliers in halves, and 4 roundings"
    comment: ClassVar[str] = (
        "pairs of rows in halves (low + 256 * high), 6 start values, then per 4 columns 2 words of each pair"
    )

    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """See `Layout.group`."""
        wide = rows.astype(np.int64)
        starts, blocks = [], []
        for low, high, low_bias, high_bias in ((wide[0], wide[1], *bias[:2]), (wide[2], wide[3], *bias[2:])):
            both = int(low_bias) + 256 * int(high_bias)
            starts += [both, both >> 32, int(low_bias)]
            halves = (low + 256 * high).reshape(-1, COLUMN_BLOCK)
            blocks.append((halves[:, 0::2] & 0xFFFF) | (halves[:, 1::2] << 16))
        return np.concatenate([as_words(np.array(starts)), as_words(np.concatenate(blocks, axis=1)).ravel()])

    def gate_scales(self, multipliers: tuple[Multiplier, ...]) -> tuple[int, ...]:
        """4 multipliers of 15 bits, two to a word, and half of what is shifted out for each, less 16 bits."""
        a, b, c, d = (multiplier.reduced_mantissa for multiplier in multipliers)
        roundings = (1 << (15 - multiplier.shift - 17) for multiplier in multipliers)
        return a | b << 16, c | d << 16, *roundings
