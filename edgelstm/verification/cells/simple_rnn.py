"""A SimpleRNN of which single parts are rounded."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgelstm.ir import FloatArray, Observe, Quantization
from edgelstm.numerics import activations
from edgelstm.ops.simple_rnn import SimpleRnn, SimpleRnnLayer
from edgelstm.verification.cells.parts import FUNCTION, STATE, SUM, WEIGHTS, GateRows, Part, Rounding, stored_rows

HIDDEN, UNITS = "hidden state", "units"


@dataclass(frozen=True, eq=False)
class MixedSimpleRnn(SimpleRnnLayer):
    """See `MixedCell`. Its units are its one gate."""

    op: SimpleRnn = field(kw_only=True)
    rounding: Rounding = field(default=Rounding(), kw_only=True)

    @classmethod
    def of(cls, layer: SimpleRnnLayer, op: SimpleRnn) -> "MixedSimpleRnn":
        """The layer with nothing rounded yet."""
        return cls(**vars(layer), op=op)

    def with_rounding(self, rounding: Rounding) -> "MixedSimpleRnn":
        """See `MixedCell.with_rounding`."""
        return replace(self, rounding=rounding)

    @property
    def gates(self) -> tuple[str, ...]:
        """See `MixedCell.gates`."""
        return (UNITS,)

    @property
    def parts(self) -> tuple[Part, ...]:
        """See `MixedCell.parts`; relu is exact."""
        function = (Part(UNITS, FUNCTION),) if self.function == "tanh" else ()
        return (Part(UNITS, WEIGHTS), Part(UNITS, SUM), *function, Part(HIDDEN, STATE))

    def rows(self) -> Iterator[GateRows]:
        """See `MixedCell.rows`."""
        yield GateRows(UNITS, "kernel", self.op.kernel.weights)
        yield GateRows(UNITS, "recurrent kernel", self.op.recurrent_kernel.weights)

    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `RecurrentLayer.run`; reports what units yield, too."""
        (hidden,) = states
        kernel, recurrent, bias = self._weights()
        outputs: list[FloatArray] = []
        for t in range(inputs.shape[1]):
            sums = self.rounding.sum(UNITS, inputs[:, t] @ kernel + hidden @ recurrent + bias, self._sums)
            squashed = self._squash(sums)
            observe(f"{self.name}/{UNITS}", squashed)
            hidden = self.rounding.state(HIDDEN, squashed, self.op.output.quantization)
            outputs.append(hidden)
        return np.stack(outputs, axis=1)

    def _squash(self, sums: FloatArray) -> FloatArray:
        if self.function != "tanh":
            return np.maximum(sums, 0.0)
        contract = self.rounding.contract
        return self.rounding.function(UNITS, sums, np.tanh, lambda z: activations.tanh(contract, z, 3))

    @property
    def _sums(self) -> Quantization:
        return Quantization(self.op.kernel.result_scale, 0, "int16")

    def _weights(self) -> tuple[FloatArray, ...]:
        kernel, recurrent = self.op.kernel, self.op.recurrent_kernel
        pairs = (
            (self.kernel, stored_rows(kernel.weights, np.array(kernel.scales))),
            (self.recurrent_kernel, stored_rows(recurrent.weights, np.array(recurrent.scales))),
            (self.bias, kernel.bias * np.array(kernel.scales) * kernel.value.scale),
        )
        return tuple(self.rounding.weights(UNITS, real, stored) for real, stored in pairs)
