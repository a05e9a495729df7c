"""What the templates of int16 layers on vectors (`*16_mve.c.j2`) need beside the op's own facts."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Words
from edgelstm.codegen.mve_layout import GATE_ORDER, stored_columns, stored_rows, whole_vectors
from edgelstm.codegen.mve_layout16 import MOST_COLUMNS, pack_gates16, pack_rows16
from edgelstm.codegen.vector_dense import BLOCK_ROWS
from edgelstm.ir import Op
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.dense16 import Dense16
from edgelstm.ops.lstm import Lstm16
from edgelstm.ops.lstm.arithmetic import GateArithmetic
from edgelstm.ops.scales import accumulator_reach16

_LARGEST_SUM = 2**31
"""Sums of gates have 32 bits on vectors."""


@dataclass(frozen=True, eq=False)
class VectorLstm16:
    """An LSTM gate by gate over all units.

    Attributes:
        words: the weight stream.
        gates: input, forget, output, cell: those with a sigmoid stand together.
        padded_units: units up to whole vectors.
        gate_buffer: values of four gates, of which the last is padded.
        input_bytes: of the input, taken apart.
        hidden_bytes: of the hidden state.
        cell_low: smallest cell state.
        cell_high: largest cell state.
        cell_excess: integer bits of the cell state beyond 3, the most that el_mve_tanh16 takes.
        tanh_bits: integer bits that el_mve_tanh16 then sees.
    """

    parts: ClassVar[tuple[str, ...]] = ("rows", "requantize", "rows16", "squash16", "lstm16")
    replaced: ClassVar[frozenset[str]] = frozenset()
    comment: ClassVar[str] = (
        "input, forget, output, cell gate: of each the rows for the input, then those for h (see el_mve_rows16)"
    )

    words: Words
    gates: tuple[GateArithmetic, ...]
    padded_units: int
    gate_buffer: int
    input_bytes: int
    hidden_bytes: int
    cell_low: int
    cell_high: int
    cell_excess: int
    tanh_bits: int


@dataclass(frozen=True, eq=False)
class VectorDense16:
    """A Dense, block by block.

    Attributes:
        words: the weight stream: each block as `pack_rows16` stores it.
        comment: what to say of it.
        block_rows: rows of a whole block.
        blocked_rows: rows in whole blocks.
        last_rows: rows after these.
        most_sums: parts of sums that el_mve_rows16 makes at a time.
        input_bytes: of the input, taken apart.
        sum: the C function that puts the parts of a sum together.
        sum_type: what it returns.
    """

    parts: ClassVar[tuple[str, ...]] = ("rows", "rows16")
    replaced: ClassVar[frozenset[str]] = frozenset()

    words: Words
    comment: str
    block_rows: int
    blocked_rows: int
    last_rows: int
    most_sums: int
    input_bytes: int
    sum: str
    sum_type: str


def vector_lstm16(op: Op, contract: Contract) -> VectorLstm16 | None:
    """The facts, if the op is an LSTM on int16 values whose sums fit 32 bits and are scaled down."""
    if not isinstance(op, Lstm16):
        return None
    facts = op.facts(contract)
    kernel, recurrent = op.matrices(contract)
    reach = max(int(accumulator_reach16(matrix.weights, matrix.bias).max()) for matrix in (kernel, recurrent))
    shifts = [multiplier.shift for matrix in (kernel, recurrent) for multiplier in matrix.multipliers]
    if reach >= _LARGEST_SUM or max(shifts) >= 0:
        return None
    padded_units = whole_vectors(op.units)
    limit = facts.cell_limit
    return VectorLstm16(
        words=pack_gates16(kernel.weights, kernel.bias, recurrent.weights, recurrent.bias),
        gates=tuple(facts.gates[gate] for gate in GATE_ORDER),
        padded_units=padded_units,
        gate_buffer=3 * op.units + padded_units,
        input_bytes=2 * stored_columns(op.input.size),
        hidden_bytes=2 * stored_columns(op.units),
        cell_low=-32768 if limit is None else -limit,
        cell_high=32767 if limit is None else limit,
        cell_excess=max(facts.cell_integer_bits - 3, 0),
        tanh_bits=min(facts.cell_integer_bits, 3),
    )


def vector_dense16(op: Op, contract: Contract) -> VectorDense16 | None:
    """The facts, if the op is a Dense on int16 values."""
    if not isinstance(op, Dense16) or op.input.size > MOST_COLUMNS:
        return None
    (matrix,) = op.matrices(contract)
    rows = len(matrix.weights)
    is_long = int(accumulator_reach16(matrix.weights, matrix.bias).max()) >= _LARGEST_SUM
    starts = range(0, rows, BLOCK_ROWS)
    blocks = [
        pack_rows16(matrix.weights[row : row + BLOCK_ROWS], matrix.bias[row : row + BLOCK_ROWS]) for row in starts
    ]
    return VectorDense16(
        words=np.concatenate(blocks),
        comment="See el_mve_rows16."
        if rows <= BLOCK_ROWS
        else f"{BLOCK_ROWS} rows after each other; see el_mve_rows16.",
        block_rows=BLOCK_ROWS,
        blocked_rows=rows // BLOCK_ROWS * BLOCK_ROWS,
        last_rows=rows % BLOCK_ROWS,
        most_sums=2 * stored_rows(min(rows, BLOCK_ROWS)),
        input_bytes=2 * stored_columns(op.input.size),
        sum="el_mve_long_sum16" if is_long else "el_mve_sum16",
        sum_type="int64_t" if is_long else "int32_t",
    )
