"""Whether what follows an LSTM's gates can run as one piece of assembler, and its constants."""

from dataclasses import dataclass

from edgelstm.codegen.options import Options
from edgelstm.ir import Op
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.lstm import Lstm, LstmRows

FUSED_CELL = ("armv7em",)
"""Instruction sets with `el_lstm_cell` in templates/c/isa/<isa>_cell.h."""

_INTEGER_BITS = range(2, 6)
_FRESH_SHIFTS = range(17, 31)
_RIGHT_SHIFTS = range(1, 24)


@dataclass(frozen=True)
class CellUpdate:
    """Constants of `el_lstm_cell`.

    Attributes:
        multiplier: mantissa of the hidden state's multiplier.
        rounding: zero point << right, and half of what is shifted out.
        fresh_shift: brings input gate * candidate to the cell's scale.
        integer_bits: of the cell state.
        right: shift of the hidden state's multiplier, to the right.
    """

    multiplier: int
    rounding: int
    fresh_shift: int
    integer_bits: int
    right: int


def cell_update(op: Op, contract: Contract, options: Options) -> CellUpdate | None:
    """The constants, if the instruction set has the piece, its tables are there, and the numbers fit it."""
    if options.isa not in FUSED_CELL or options.optimize != "speed" or options.constant_time:
        return None
    if not isinstance(op, Lstm | LstmRows) or contract is Contract.TFLM or op.gate is not GateFunction.SIGMOID:
        return None
    if isinstance(op, Lstm) and op.is_native:
        return None
    facts = op.facts(contract)
    right = -facts.output_multiplier.shift
    is_in_range = (
        facts.cell_integer_bits in _INTEGER_BITS
        and facts.cell_shift in _FRESH_SHIFTS
        and right in _RIGHT_SHIFTS
        and facts.cell_limit is None
    )
    if not is_in_range:
        return None
    return CellUpdate(
        multiplier=facts.output_multiplier.mantissa,
        rounding=(facts.hidden_zero_point << right) + (1 << (right - 1)),
        fresh_shift=facts.cell_shift,
        integer_bits=facts.cell_integer_bits,
        right=right,
    )
