"""The integer LSTM step of the `native` contract whose rows of weights have scales of their own (docs/numerics.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    IntArray,
    Matrix,
    Quantization,
    QuantizedTensor,
    TfliteOperator,
)
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    Multiplier,
    quantize_multiplier,
    requantize,
    rounding_shift,
    saturate8,
    saturate16,
)
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.lstm.base import GATES, LstmOp
from edgelstm.ops.projection import Projection, gates_library, projection_tensors
from edgelstm.ops.projections import projections_from


@dataclass(frozen=True)
class LstmRowsFacts:
    """What the template needs beside the op.

    Attributes:
        cell_integer_bits: n of the cell state's Q(n).(15 - n).
        cell_shift: right shift that brings i * g to the cell's scale.
        cell_limit: None: the cell state has no bound but int16.
        output_multiplier: brings o * tanh(c), Q0.30, to the hidden state's scale.
        hidden_zero_point: zero point of the hidden state.
    """

    cell_integer_bits: int
    cell_shift: int
    cell_limit: None
    output_multiplier: Multiplier
    hidden_zero_point: int


@dataclass(frozen=True, eq=False)
class LstmRows(LstmOp):
    """The integer LSTM step.

    Attributes:
        kernel: (4 * units, input size), unit by unit: the rows of its four gates stand together.
        recurrent_kernel: (4 * units, units).
        gate: the function of input, forget and output gate.
        shows_cell: whether other ops read the cell state.
    """

    kind: ClassVar[str] = "lstm_rows"

    kernel: Projection
    recurrent_kernel: Projection
    gate: GateFunction = GateFunction.SIGMOID
    shows_cell: bool = False

    @property
    def is_native(self) -> bool:
        """The runtimes' integer LSTM has one scale for all rows of a gate."""
        return True

    @property
    def exposed(self) -> Mapping[str, QuantizedTensor]:
        """See `Op.exposed`."""
        tensor = QuantizedTensor(f"{self.output.name}/cell_steps", self.units, True, self.cell)
        return {"cell": tensor} if self.shows_cell else {}

    def exposing(self, array: str) -> Self:
        """See `Op.exposing`."""
        return replace(self, shows_cell=True) if array == "cell" else super().exposing(array)

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("activations", gates_library(self.kernel), *(("hard_sigmoid",) if self.gate.factor else ()))

    @cached_property
    def _facts(self) -> LstmRowsFacts:
        exponent, hidden = int(np.log2(self.cell.scale)), self.output.quantization
        return LstmRowsFacts(
            cell_integer_bits=15 + exponent,
            cell_shift=30 + exponent,
            cell_limit=None,
            output_multiplier=quantize_multiplier(scales.float32(2.0**-30 / hidden.scale)),
            hidden_zero_point=hidden.zero_point,
        )

    def facts(self, contract: Contract) -> LstmRowsFacts:
        """See LstmRowsFacts."""
        return self._facts

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """Kernel and recurrent kernel."""
        return self.kernel.matrix(), self.recurrent_kernel.matrix()

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit 32 bits, and the hidden scale must not be absurdly small."""
        found = self.initial_problems()
        if not (self.kernel.fits() and self.recurrent_kernel.fits()):
            found.append(f"layer {self.name!r}: its sums do not fit 32 bits, or its scales lie too far apart")
        if self._facts.output_multiplier.shift > 0:
            found.append(f"layer {self.name!r}: hidden scale {self.output.quantization.scale:g} is below 2^-31")
        return found

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one step; see `Op.simulate`."""
        facts, cell = self._facts, state[1].astype(np.int64)
        sums = saturate16(saturate16(self.kernel.apply(values)) + self.recurrent_kernel.apply(state[0]))
        z = [sums[:, gate::GATES] for gate in range(GATES)]
        i, f, o = (self.gate.integers(contract, z[index]) for index in (0, 1, 3))
        g = activations.tanh(contract, z[2], 3)
        cell = saturate16(rounding_shift(f * cell, 15) + rounding_shift(i * g, facts.cell_shift))
        squashed = activations.tanh(contract, cell, facts.cell_integer_bits)
        hidden = saturate8(requantize(squashed * o, facts.output_multiplier) + facts.hidden_zero_point)
        output = hidden.astype(np.int8)
        return output, (output, cell.astype(np.int16))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a custom operator: it keeps the layer, no official interpreter runs it."""
        tensors = [
            *projection_tensors(f"{self.output.name}/kernel", self.kernel),
            *projection_tensors(f"{self.output.name}/recurrent_kernel", self.recurrent_kernel),
        ]
        states = [state.to_tflite(f"{self.output.name}/{state.name}", batch) for state in self.state]
        exposed = [tensor.to_tflite(batch, timesteps) for tensor in self.exposed.values()]
        return (
            TfliteOperator(
                "CUSTOM:edgelstm.lstm_rows",
                (self.input.to_tflite(batch, timesteps), *tensors, *states, *self.vectors_to_tflite(batch)),
                (self.output.to_tflite(batch, timesteps), *exposed),
                {"gate": self.gate.value},
            ),
        )

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the custom operator that `check_tflite` accepts."""
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        values = (input_tensor.quantization, output.quantization)
        kernel, recurrent_kernel = projections_from(operator.inputs[1:5], values, (scales.GATE_SCALE,) * 2)
        cell = operator.inputs[6]
        assert cell is not None
        return cls(
            name=output.name,
            input=input_tensor,
            output=output,
            kernel=kernel,
            recurrent_kernel=recurrent_kernel,
            cell=Quantization(cell.scales[0], 0, "int16"),
            gate=GateFunction(operator.options["gate"]),
            shows_cell=len(operator.outputs) > 1,
        )
