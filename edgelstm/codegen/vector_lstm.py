"""What the template of an LSTM on vectors (`templates/c/ops/lstm_mve.c.j2`) needs beside the op's own facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from edgelstm.codegen.layouts.layout import Words
from edgelstm.codegen.mve_layout import GATE_ORDER, GATES_COMMENT, pack_gates, parts_fit, whole_vectors
from edgelstm.ir import Op
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.lstm.arithmetic import GateArithmetic


@dataclass(frozen=True, eq=False)
class VectorLstm:
    """An LSTM gate by gate over all units.

    Attributes:
        parts: of the vector library.
        words: the weight stream, and what to say of it.
        gates: input, forget, output, cell: those with a sigmoid stand together.
        padded_units: units up to whole vectors.
        gate_buffer: values of four gates, of which the last is padded.
        input_left: 1 if a multiplier of an input part shifts to the left.
        recurrent_left: 1 if one of a recurrent part does.
        recurrent_part_fits: 1 if the requantized recurrent parts fit 16 bits for any hidden state.
        fresh_right: shift of input gate * candidate beyond 15.
        cell_low: smallest cell state.
        cell_high: largest cell state.
        cell_excess: integer bits of the cell state beyond 3, the most that el_mve_tanh takes.
        tanh_bits: integer bits that el_mve_tanh then sees.
    """

    replaced: ClassVar[frozenset[str]] = frozenset()

    parts: tuple[str, ...]
    words: Words
    comment: str
    gates: tuple[GateArithmetic, ...]
    padded_units: int
    gate_buffer: int
    input_left: int
    recurrent_left: int
    recurrent_part_fits: int
    fresh_right: int
    cell_low: int
    cell_high: int
    cell_excess: int
    tanh_bits: int


def vector_lstm(op: Op, contract: Contract) -> VectorLstm | None:
    """The facts, if the op is an LSTM whose contract the vector kernels follow."""
    if not isinstance(op, Lstm) or contract is Contract.TFLM:
        return None
    facts = op.facts(contract)
    kernel, recurrent = op.matrices(contract)
    padded_units = whole_vectors(op.units)
    limit = facts.cell_limit
    gate_function = ("hard_sigmoid",) if op.gate.factor else ()
    return VectorLstm(
        parts=("rows", "activations", "requantize", "lstm", *gate_function),
        words=pack_gates(kernel.weights, kernel.bias, recurrent.weights, recurrent.bias),
        comment=GATES_COMMENT,
        gates=tuple(facts.gates[gate] for gate in GATE_ORDER),
        padded_units=padded_units,
        gate_buffer=3 * op.units + padded_units,
        input_left=_any_left(kernel.multipliers),
        recurrent_left=_any_left(recurrent.multipliers),
        recurrent_part_fits=int(parts_fit(recurrent.weights, recurrent.bias, recurrent.multipliers)),
        fresh_right=15 - facts.cell_shift,
        cell_low=-32768 if limit is None else -limit,
        cell_high=32767 if limit is None else limit,
        cell_excess=max(facts.cell_integer_bits - 3, 0),
        tanh_bits=min(facts.cell_integer_bits, 3),
    )


def _any_left(multipliers: Sequence[Multiplier]) -> int:
    return int(any(multiplier.shift > 0 for multiplier in multipliers))
