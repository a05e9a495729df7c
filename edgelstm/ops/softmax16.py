"""Softmax over int16 features, as TensorFlow Lite Micro computes it."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import Constant, IntArray, QuantizedTensor, TfliteOperator, UnaryOp
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier
from edgelstm.numerics.softmax16 import difference_multiplier, exponential_table, reciprocal_table, softmax16
from edgelstm.ops import scales

MOST_CLASSES = 1 << 15
"""The sum of so many exponentials fits 31 bits."""

_LARGEST_SHIFT = 13


@dataclass(frozen=True, eq=False)
class Softmax16(UnaryOp):
    """The integer softmax; `beta` is what differences are multiplied by."""

    kind: ClassVar[str] = "softmax16"
    needs_tflm: ClassVar[bool] = True

    beta: float = 1.0

    @classmethod
    def on(cls, name: str, tensor: QuantizedTensor, beta: float = 1.0) -> Self:
        """The op that follows `tensor`; its scale is fixed."""
        return cls(name, tensor, QuantizedTensor(name, tensor.size, tensor.is_sequence, scales.Q15), beta)

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("softmax", "softmax16")

    def facts(self, contract: Contract) -> Multiplier:
        """See `difference_multiplier`."""
        return difference_multiplier(self.input.quantization.scale, self.beta)

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """The two tables."""
        return (
            Constant("exponentials", exponential_table(), "tables", "exp(x), Q0.15, for x from -10 to 0"),
            Constant("reciprocals", reciprocal_table(), "tables", "1 / (1 + x), Q0.15, for x from 0 to 1"),
        )

    def problems(self, contract: Contract) -> list[str]:
        """The sum must fit, and a difference in the table's steps."""
        found = []
        if self.input.size >= MOST_CLASSES:
            found.append(f"layer {self.name!r}: softmax over {self.input.size} values; fewer than {MOST_CLASSES}")
        if self.facts(contract).shift > _LARGEST_SHIFT or self.facts(contract).mantissa == 0:
            found.append(f"layer {self.name!r}: input scale {self.input.quantization.scale:g} is absurd")
        return found

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        return softmax16(values.astype(np.int64), self.facts(contract)).astype(np.int16), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one SOFTMAX."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        return (TfliteOperator("SOFTMAX", (source,), (result,), {"beta": self.beta}, version=3),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a SOFTMAX."""
        return cls.on(operator.outputs[0].name, input_tensor, float(operator.options.get("beta", 1.0)))
