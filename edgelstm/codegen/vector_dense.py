"""What rows of weights on vectors (`templates/c/ops/rows.j2`) need beside the op's own facts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Words
from edgelstm.codegen.mve_layout import ROW_GROUP, pack_rows, stored_rows
from edgelstm.ir import Op
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.rows import RowsOp

BLOCK_ROWS = 4 * ROW_GROUP
"""Rows whose sums are on the stack at a time."""


@dataclass(frozen=True, eq=False)
class VectorDense:
    """A Dense or a convolution, block by block.

    Attributes:
        words: the weight stream: each block as `pack_rows` stores it.
        comment: what to say of it.
        block_rows: rows of a whole block.
        blocked_rows: rows in whole blocks.
        last_rows: rows after these.
        last_sums: sums that el_mve_rows makes of the last rows.
    """

    parts: ClassVar[tuple[str, ...]] = ("rows",)
    replaced: ClassVar[frozenset[str]] = frozenset()

    words: Words
    comment: str
    block_rows: int
    blocked_rows: int
    last_rows: int
    last_sums: int


def vector_dense(op: Op, contract: Contract) -> VectorDense | None:
    """The facts, if the op has such rows."""
    if not isinstance(op, RowsOp) or not op.matrices(contract):
        return None
    (matrix,) = op.matrices(contract)
    rows = len(matrix.weights)
    blocked_rows = rows // BLOCK_ROWS * BLOCK_ROWS
    starts = range(0, rows, BLOCK_ROWS)
    blocks = [pack_rows(matrix.weights[row : row + BLOCK_ROWS], matrix.bias[row : row + BLOCK_ROWS]) for row in starts]
    return VectorDense(
        words=np.concatenate(blocks),
        comment="See el_mve_rows." if rows <= BLOCK_ROWS else f"{BLOCK_ROWS} rows after each other; see el_mve_rows.",
        block_rows=BLOCK_ROWS,
        blocked_rows=blocked_rows,
        last_rows=rows - blocked_rows,
        last_sums=stored_rows(rows - blocked_rows),
    )
