"""An LSTM of which single parts are rounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgelstm.ir import FloatArray, Observe
from edgelstm.numerics import activations
from edgelstm.numerics.fixedpoint import Int64Array
from edgelstm.ops import scales
from edgelstm.ops.lstm import Lstm, Lstm16, LstmLayer
from edgelstm.ops.lstm.arithmetic import GATES
from edgelstm.verification.cells.parts import FUNCTION, STATE, SUM, WEIGHTS, GateRows, Part, Rounding, stored_rows

CELL, HIDDEN = "cell state", "hidden state"


@dataclass(frozen=True, eq=False)
class MixedLstm(LstmLayer):
    """See `MixedCell`."""

    op: Lstm | Lstm16 = field(kw_only=True)
    rounding: Rounding = field(default=Rounding(), kw_only=True)

    @classmethod
    def of(cls, layer: LstmLayer, op: Lstm | Lstm16) -> "MixedLstm":
        """The layer with nothing rounded yet."""
        return cls(**vars(layer), op=op)

    def with_rounding(self, rounding: Rounding) -> "MixedLstm":
        """See `MixedCell.with_rounding`."""
        return replace(self, rounding=rounding)

    @property
    def gates(self) -> tuple[str, ...]:
        """See `MixedCell.gates`."""
        return tuple(f"{name} gate" for name in GATES)

    @property
    def parts(self) -> tuple[Part, ...]:
        """See `MixedCell.parts`; the function of the cell state is the tanh before the output gate."""
        of_gates = tuple(Part(gate, what) for gate in self.gates for what in (WEIGHTS, SUM, FUNCTION))
        return (*of_gates, Part(CELL, STATE), Part(CELL, FUNCTION), Part(HIDDEN, STATE))

    def rows(self) -> Iterator[GateRows]:
        """See `MixedCell.rows`."""
        for name, gate in zip(self.gates, self.op.gates, strict=True):
            yield GateRows(name, "kernel", gate.kernel)
            yield GateRows(name, "recurrent kernel", gate.recurrent_kernel)

    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `RecurrentLayer.run`; reports what gates yield, too."""
        hidden, cell = states
        weights = self._weights()
        outputs: list[FloatArray] = []
        for t in range(inputs.shape[1]):
            yielded = []
            for name, (kernel, recurrent, bias) in zip(self.gates, weights, strict=True):
                sums = self.rounding.sum(name, inputs[:, t] @ kernel + hidden @ recurrent + bias)
                yielded.append(self._function(name, sums))
                observe(f"{self.name}/{name}", yielded[-1])
            i, f, g, o = yielded
            cell = self.rounding.state(CELL, f * cell + i * g, self.op.cell)
            observe(self.cell_range_name, cell)
            squashed = self.rounding.function(CELL, cell, np.tanh, self._squash, self.op.cell)
            hidden = self.rounding.state(HIDDEN, o * squashed, self.op.output.quantization)
            outputs.append(hidden)
        return np.stack(outputs, axis=1)

    def _function(self, name: str, sums: FloatArray) -> FloatArray:
        contract = self.rounding.contract
        if name == self.gates[GATES.index("cell")]:
            return self.rounding.function(name, sums, np.tanh, lambda z: activations.tanh(contract, z, 3))
        return self.rounding.function(name, sums, self.gate.real, lambda z: self.gate.integers(contract, z))

    def _squash(self, cell: Int64Array) -> Int64Array:
        integer_bits = self.op.facts(self.rounding.contract).cell_integer_bits
        return activations.tanh(self.rounding.contract, cell, integer_bits)

    def _weights(self) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """Kernel, recurrent kernel and bias of each gate."""
        kernels, recurrents = (np.split(array, 4, axis=1) for array in (self.kernel, self.recurrent_kernel))
        found = []
        for index, (name, gate) in enumerate(zip(self.gates, self.op.gates, strict=True)):
            bias_scale = scales.float32(self.op.input.quantization.scale * gate.kernel_scale)
            pairs = (
                (kernels[index], stored_rows(gate.kernel, gate.kernel_scale)),
                (recurrents[index], stored_rows(gate.recurrent_kernel, gate.recurrent_scale)),
                (np.split(self.bias, 4)[index], gate.bias * bias_scale),
            )
            kernel, recurrent, bias = (self.rounding.weights(name, real, stored) for real, stored in pairs)
            found.append((kernel, recurrent, bias))
        return found
