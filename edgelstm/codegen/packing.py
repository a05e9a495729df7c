"""Weight layouts: how an int8 matrix is stored for an instruction set.

Every layout pads columns to a multiple of 4 with zeros and stores rows in groups of 4, for which one pass over the
activations feeds four accumulators. Rows left over after the last whole group follow one by one.
"""

from dataclasses import dataclass

import numpy as np

from edgelstm.ir import AnyArray

COLUMN_BLOCK = 4
ROW_GROUP = 4


@dataclass(frozen=True)
class Layout:
    """Within a group, 4 columns of each of the 4 rows stand together: 4 words of 4 bytes.

    Attributes:
        name: as `targets/*.toml` and the C header call it.
        byte_order: which of a row's 4 columns stands in each byte of its word.
    """

    name: str
    byte_order: tuple[int, int, int, int]


LAYOUTS = {
    "ref": Layout("ref", (0, 1, 2, 3)),
    # SXTB16 widens bytes 0 and 2 of a word; with columns 0 and 1 there, the pair matches two adjacent activations.
    "armv7em": Layout("armv7em", (0, 2, 1, 3)),
}
"""The layout of each instruction set header in templates/c/isa."""


def padded(columns: int) -> int:
    """Columns rounded up to whole words."""
    return -(-columns // COLUMN_BLOCK) * COLUMN_BLOCK


def pack(matrix: AnyArray, layout: Layout) -> AnyArray:
    """Store int8 (rows, columns) as a flat int8 array of rows * padded(columns) bytes."""
    rows, columns = matrix.shape
    wide = np.zeros((rows, padded(columns)), np.int8)
    wide[:, :columns] = matrix
    words = wide.reshape(rows, -1, COLUMN_BLOCK)[:, :, list(layout.byte_order)]
    whole = rows - rows % ROW_GROUP
    blocks = words.shape[1]
    groups = words[:whole].reshape(whole // ROW_GROUP, ROW_GROUP, blocks, COLUMN_BLOCK).transpose(0, 2, 1, 3)
    return np.concatenate([groups.ravel(), words[whole:].ravel()])
