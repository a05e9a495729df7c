"""What the integer ops of an LSTM have in common: two states, and four gates that read the input and one of them."""

from dataclasses import dataclass, field
from typing import ClassVar

from edgelstm.ir import Quantization, StateArray
from edgelstm.ops import scales
from edgelstm.ops.recurrent_op import RecurrentOp

GATES = 4
"""Input, forget, cell, output."""


@dataclass(frozen=True, eq=False)
class LstmOp(RecurrentOp):
    """An integer LSTM step.

    Attributes:
        cell: scale of the cell state, a power of two.
    """

    filled: ClassVar[tuple[tuple[str, ...], ...]] = (("hidden",), ("cell",))

    cell: Quantization = field(kw_only=True)

    @property
    def units(self) -> int:
        """Size of the hidden and cell state."""
        return self.output.size

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return GATES * self.units * (self.input.size + self.units)

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and bias."""
        return self.macs + GATES * self.units

    @property
    def hidden(self) -> Quantization:
        """That with which the gates read the hidden state."""
        return self.output.quantization

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The hidden state is also the output; the cell state is int16."""
        return (
            scales.hidden_state(self.units, self.hidden),
            StateArray("cell", "int16", self.units, 0, self.cell),
        )
