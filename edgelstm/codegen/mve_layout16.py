"""How el_mve_rows16 (templates/c/lib/mve_rows16.h) reads int8 rows: 4 rows share the bytes of 16 int16 values.

A value is 256 * high + low + 128. For each 48 columns, for each 4 rows: in the first 48 columns what the sums of each
row start from, that of the high and that of the low bytes, then for each 16 columns 16 bytes of each row. Zeros fill
rows up to a multiple of 4 and columns up to one of 16. Words are little-endian.
"""

import numpy as np

from edgelstm.codegen.layouts.layout import Words
from edgelstm.codegen.mve_layout import GATE_ORDER, VECTOR, stored_columns, stored_rows
from edgelstm.ir import AnyArray

PASS_COLUMNS = 3 * VECTOR
"""Columns that one pass over the rows multiplies."""

ROW_GROUP = 4

MOST_COLUMNS = 2**15
"""Up to which the sum of either bytes has 32 bits."""


def pack_rows16(weights: AnyArray, bias: AnyArray) -> Words:
    """Store int8 rows (rows, columns), none of them empty, and their biases (rows,) of 32 bits."""
    rows, columns = weights.shape
    wide = np.zeros((stored_rows(rows), stored_columns(columns)), np.int8)
    wide[:rows, :columns] = weights
    starts = np.zeros((len(wide), 2), np.int64)
    starts[:rows, 0] = np.asarray(bias, np.int64) >> 8
    starts[:rows, 1] = (np.asarray(bias, np.int64) & 255) + 128 * weights.astype(np.int64).sum(axis=1)
    stream: list[Words] = []
    for first in range(0, columns, PASS_COLUMNS):
        for row in range(0, len(wide), ROW_GROUP):
            if first == 0:
                stream.append((starts[row : row + ROW_GROUP].ravel() & 0xFFFFFFFF).astype(np.uint32))
            block = wide[row : row + ROW_GROUP, first : first + PASS_COLUMNS]
            stream.append(block.reshape(ROW_GROUP, -1, VECTOR).transpose(1, 0, 2).ravel().view("<u4"))
    return np.concatenate(stream)


def pack_gates16(kernel: AnyArray, bias: AnyArray, recurrent_kernel: AnyArray, recurrent_bias: AnyArray) -> Words:
    """Store an LSTM gate by gate; see `mve_layout.pack_gates`."""
    matrices = ((kernel, bias), (recurrent_kernel, recurrent_bias))
    return np.concatenate(
        [pack_rows16(rows[gate::4], starts[gate::4]) for gate in GATE_ORDER for rows, starts in matrices]
    )
