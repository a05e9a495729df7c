"""What the integer ops of recurrent layers have in common: the states that they start from."""

from dataclasses import dataclass, field
from typing import ClassVar

from edgelstm.ir import QuantizedTensor, UnaryOp


@dataclass(frozen=True, eq=False)
class RecurrentOp(UnaryOp):
    """An op whose hidden state is its output.

    Attributes:
        initial_state: vectors that fill the states one after the other before the first step; () for zeros.
    """

    output_state: ClassVar[str] = "hidden"

    initial_state: tuple[QuantizedTensor, ...] = field(default=(), kw_only=True)

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """The sequence, and what to start from."""
        return self.input, *self.initial_state
