"""A GRU of which single parts are rounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgelstm.ir import FloatArray, Observe
from edgelstm.numerics import activations
from edgelstm.ops.gru import Gru, GruLayer
from edgelstm.ops.gru.op import GATES, HIDDEN_Q15
from edgelstm.verification.cells.parts import FUNCTION, STATE, SUM, WEIGHTS, GateRows, Part, Rounding, stored_rows

HIDDEN, CARRIED = "hidden state", "hidden state in 16 bits"


@dataclass(frozen=True, eq=False)
class MixedGru(GruLayer):
    """See `MixedCell`. A candidate's sum is rounded once, where the op rounds both parts of it."""

    op: Gru = field(kw_only=True)
    rounding: Rounding = field(default=Rounding(), kw_only=True)

    @classmethod
    def of(cls, layer: GruLayer, op: Gru) -> "MixedGru":
        """The layer with nothing rounded yet."""
        return cls(**vars(layer), op=op)

    def with_rounding(self, rounding: Rounding) -> "MixedGru":
        """See `MixedCell.with_rounding`."""
        return replace(self, rounding=rounding)

    @property
    def gates(self) -> tuple[str, ...]:
        """See `MixedCell.gates`."""
        return "update gate", "reset gate", "candidate"

    @property
    def parts(self) -> tuple[Part, ...]:
        """See `MixedCell.parts`."""
        of_gates = tuple(Part(gate, what) for gate in self.gates for what in (WEIGHTS, SUM, FUNCTION))
        return (*of_gates, Part(HIDDEN, STATE), Part(CARRIED, STATE))

    def rows(self) -> Iterator[GateRows]:
        """See `MixedCell.rows`."""
        for name, kernel, recurrent in zip(self.gates, self.op.kernels, self.op.recurrent_kernels, strict=True):
            yield GateRows(name, "kernel", kernel.weights)
            yield GateRows(name, "recurrent kernel", recurrent.weights)

    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `RecurrentLayer.run`; reports what gates yield, too."""
        (carried,) = states
        hidden = self._hidden(carried)
        update, reset, candidate = self._weights()
        outputs: list[FloatArray] = []
        for t in range(inputs.shape[1]):
            z, r = (
                self._gate(name, inputs[:, t] @ kernel + bias + hidden @ recurrent + more)
                for name, (kernel, recurrent, bias, more) in zip(self.gates, (update, reset), strict=False)
            )
            kernel, recurrent, bias, more = candidate
            kept = hidden @ recurrent + more if self.reset_after else self._hidden(r * carried) @ recurrent
            n = self._candidate(inputs[:, t] @ kernel + bias + (r * kept if self.reset_after else kept))
            for name, values in zip(self.gates, (z, r, n), strict=True):
                observe(f"{self.name}/{name}", values)
            carried = self.rounding.state(CARRIED, z * carried + (1.0 - z) * n, HIDDEN_Q15)
            hidden = self._hidden(carried)
            outputs.append(hidden)
        return np.stack(outputs, axis=1)

    def _gate(self, name: str, values: FloatArray) -> FloatArray:
        sums = self.rounding.sum(name, values)
        return self.rounding.function(
            name, sums, self.gate.real, lambda z: self.gate.integers(self.rounding.contract, z)
        )

    def _candidate(self, values: FloatArray) -> FloatArray:
        name, contract = self.gates[-1], self.rounding.contract
        sums = self.rounding.sum(name, values)
        return self.rounding.function(name, sums, np.tanh, lambda z: activations.tanh(contract, z, 3))

    def _hidden(self, values: FloatArray) -> FloatArray:
        """The state as kernels and the next layer see it."""
        return self.rounding.state(HIDDEN, values, self.op.output.quantization)

    def _weights(self) -> list[tuple[FloatArray, ...]]:
        """Kernel, recurrent kernel and both biases of each gate; the op has one where both are only added."""
        real = (self.kernel, self.recurrent_kernel, self.bias, self.recurrent_bias)
        split = [np.split(array, len(GATES), axis=-1) for array in real]
        found = []
        for index, name in enumerate(self.gates):
            stored = []
            pair = (self.op.kernels[index], self.op.recurrent_kernels[index])
            for one in pair:
                row_scales = np.array(one.scales)
                stored.append((stored_rows(one.weights, row_scales), one.bias * row_scales * one.value.scale))
            both = (stored[0][0], stored[1][0], stored[0][1], stored[1][1])
            found.append(
                tuple(
                    self.rounding.weights(name, trained[index], kept) for trained, kept in zip(split, both, strict=True)
                )
            )
        return found
