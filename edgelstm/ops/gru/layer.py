"""The trained GRU: float forward pass, and its quantization."""

from dataclasses import dataclass

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import FloatArray, Layer, Observe, QuantizedTensor, Ranges, SourceLayer, Tensor
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.gru.op import GATES, Gru
from edgelstm.ops.projection import Projection
from edgelstm.ops.projections import project
from edgelstm.ops.recurrent import RecurrentLayer, as_asked, output_tensor, recurrent_problems
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.sources import array, flag, gate_function, gate_function_problems, option_problems

LARGEST_START = 1.01
"""Of the values that a state starts from, which Q0.15 clips at 1."""


@dataclass(frozen=True, eq=False)
class GruLayer(RecurrentLayer):
    """A trained GRU that yields its hidden state at every step. Gate order is Keras': update, reset, candidate.

    Attributes:
        kernel: (input size, 3 * units).
        recurrent_kernel: (units, 3 * units).
        bias: (3 * units,), of the input part.
        recurrent_bias: (3 * units,); 0 where `reset_after` is false.
        reset_after: whether the reset gate acts on the recurrent sums, or on the hidden state before them.
        gate: the function of update and reset gate.
    """

    kernel: FloatArray
    recurrent_kernel: FloatArray
    bias: FloatArray
    recurrent_bias: FloatArray
    reset_after: bool
    gate: GateFunction

    @property
    def units(self) -> int:
        """Size of the hidden state."""
        return self.output.size

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and biases."""
        biases = self.bias.size + (self.recurrent_bias.size if self.reset_after else 0)
        return self.kernel.size + self.recurrent_kernel.size + biases

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems = option_problems(source, {"activation": "tanh"}) + gate_function_problems(source)
        return problems + recurrent_problems(source, input_tensor, gates=3, biases=2 if _reset_after(source) else 1)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer, followed by a LastStepLayer where `return_sequences` is false."""
        output = output_tensor(source)
        bias = np.zeros((2, 3 * output.size), np.float32)
        if flag(source, "use_bias", default=True):
            stored = array(source, 2)
            bias[: 1 if stored.ndim == 1 else 2] = stored
        layer = cls(
            name=source.name,
            input=input_tensor,
            output=output,
            kernel=array(source, 0),
            recurrent_kernel=array(source, 1),
            bias=bias[0],
            recurrent_bias=bias[1],
            reset_after=_reset_after(source),
            gate=gate_function(source),
        )
        return as_asked(layer, source)

    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `RecurrentLayer.run`."""
        batch, timesteps, _ = inputs.shape
        (hidden,) = states
        outputs = np.empty((batch, timesteps, self.units), inputs.dtype)
        for t in range(timesteps):
            hidden = self._step(inputs[:, t], hidden)
            outputs[:, t] = hidden
        return outputs

    def _step(self, values: FloatArray, hidden: FloatArray) -> FloatArray:
        update, reset, candidate = np.split(values @ self.kernel + self.bias, 3, axis=1)
        both, last = self.recurrent_kernel[:, : 2 * self.units], self.recurrent_kernel[:, 2 * self.units :]
        recalled = np.split(hidden @ both + self.recurrent_bias[: 2 * self.units], 2, axis=1)
        z, r = self.gate.real(update + recalled[0]), self.gate.real(reset + recalled[1])
        if self.reset_after:
            candidate = candidate + r * (hidden @ last + self.recurrent_bias[2 * self.units :])
        else:
            candidate = candidate + (r * hidden) @ last
        stepped: FloatArray = z * hidden + (1.0 - z) * np.tanh(candidate)
        return stepped

    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> RecurrentOp:
        """See `Layer.to_op`; raises UnsupportedModelError where it starts from values that Q0.15 does not hold."""
        reach = {tensor.name: max(map(abs, ranges[tensor.name])) for tensor in self.initial_state}
        problems = [
            f'layer "{self.name}" (GRU): starts from "{name}", whose values reach {largest:.3g}'
            for name, largest in reach.items()
            if largest > LARGEST_START
        ]
        if problems:
            raise UnsupportedModelError(
                problems, "a GRU's state lies between -1 and 1: give it the state of another, or end with a tanh"
            )
        return super().to_op(ranges, inputs)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Gru:
        """Round weights row by row. Where recurrent sums are only ever added, their bias joins the input's."""
        hidden = scales.at_least(scales.output_range(self.output.name, ranges), scales.SMALLEST_Q15_TARGET)
        bias, recurrent_bias = self.bias.copy(), self.recurrent_bias.copy()
        bias[: 2 * self.units] += recurrent_bias[: 2 * self.units]
        recurrent_bias[: 2 * self.units] = 0.0

        def projections(kernel: FloatArray, starts: FloatArray, value: QuantizedTensor) -> tuple[Projection, ...]:
            gates = zip(np.split(kernel, 3, axis=1), np.split(starts, 3), strict=True)
            return tuple(
                project(rows.T, start, value.quantization, scales.GATE_SCALE, self.bits) for rows, start in gates
            )

        output = QuantizedTensor(self.output.name, self.units, is_sequence=True, quantization=hidden)
        inputs = projections(self.kernel, bias, input_tensor)
        recurrent = projections(self.recurrent_kernel, recurrent_bias, output)
        assert len(inputs) == len(recurrent) == len(GATES)
        return Gru(self.name, input_tensor, output, inputs, recurrent, self.reset_after, self.gate)


def _reset_after(source: SourceLayer) -> bool:
    """Keras 1 had no such option; every version that writes these files writes it."""
    return flag(source, "reset_after", default=True)
