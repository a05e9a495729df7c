"""The trained LSTM: float forward pass, and its quantization."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.ir import (
    FloatArray,
    Layer,
    Observe,
    Op,
    Quantization,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
)
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales, weight_bits
from edgelstm.ops.lstm.arithmetic import Gate
from edgelstm.ops.lstm.op import Lstm
from edgelstm.ops.lstm.op16 import Lstm16
from edgelstm.ops.lstm.rows import LstmRows
from edgelstm.ops.projection import Projection
from edgelstm.ops.projections import project
from edgelstm.ops.recurrent import RecurrentLayer, as_asked, output_tensor, recurrent_problems
from edgelstm.ops.sources import array, flag, gate_function, gate_function_problems, option_problems


@dataclass(frozen=True, eq=False)
class LstmLayer(RecurrentLayer):
    """A trained LSTM that yields its hidden state at every step.

    Attributes:
        kernel: (input size, 4 * units).
        recurrent_kernel: (units, 4 * units).
        bias: (4 * units,).
        gate: the function of input, forget and output gate.
        cell_clip: the bound of the cell state, 0 for none.
    """

    observed_parts: ClassVar[tuple[str, ...]] = ("cell",)
    state_parts: ClassVar[tuple[str, ...]] = ("", "cell")

    kernel: FloatArray
    recurrent_kernel: FloatArray
    bias: FloatArray
    gate: GateFunction = GateFunction.SIGMOID
    cell_clip: float = 0.0

    @property
    def units(self) -> int:
        """Size of the hidden and cell state."""
        return self.output.size

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and bias."""
        return self.kernel.size + self.recurrent_kernel.size + self.bias.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems = option_problems(source, {"activation": "tanh"}) + gate_function_problems(source)
        return problems + recurrent_problems(source, input_tensor, gates=4)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer, followed by a LastStepLayer where `return_sequences` is false."""
        output = output_tensor(source)
        has_bias = flag(source, "use_bias", default=True)
        layer = cls(
            name=source.name,
            input=input_tensor,
            output=output,
            kernel=array(source, 0),
            recurrent_kernel=array(source, 1),
            bias=array(source, 2) if has_bias else np.zeros(4 * output.size, np.float32),
            gate=gate_function(source),
        )
        return as_asked(layer, source)

    @property
    def cell_range_name(self) -> str:
        """The name under which `forward` reports the cell state."""
        return f"{self.name}/cell"

    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `RecurrentLayer.run`."""
        batch, timesteps, _ = inputs.shape
        hidden, cell = states
        outputs = np.empty((batch, timesteps, self.units), inputs.dtype)
        for t in range(timesteps):
            gates = inputs[:, t] @ self.kernel + hidden @ self.recurrent_kernel + self.bias
            i, f, g, o = np.split(gates, 4, axis=1)
            cell = self.gate.real(f) * cell + self.gate.real(i) * np.tanh(g)
            if self.cell_clip:
                cell = np.clip(cell, -self.cell_clip, self.cell_clip)
            observe(self.cell_range_name, cell)
            hidden = self.gate.real(o) * np.tanh(cell)
            outputs[:, t] = hidden
        return outputs

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Lstm | LstmRows:
        """Round weights per gate, or per row where they have 4 bits; the cell scale follows the largest cell value."""
        if self.bits == weight_bits.NARROW:
            return self._by_rows(ranges, input_tensor)
        return self.by_gates(ranges, input_tensor)

    def by_gates(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Lstm:
        """The op of TensorFlow Lite: weights of 8 bits with a scale for each gate."""
        output = self._output(scales.output_range(self.output.name, ranges))
        return Lstm(
            name=self.name,
            input=input_tensor,
            output=output,
            gates=self._gates(input_tensor, output, "int32"),
            cell=self._cell(ranges),
            cell_clip=self.cell_clip,
            gate=self.gate,
        )

    def _by_rows(self, ranges: Ranges, input_tensor: QuantizedTensor) -> LstmRows:
        output = self._output(scales.output_range(self.output.name, ranges))

        def projection(kernel: FloatArray, bias: FloatArray, value: QuantizedTensor) -> Projection:
            rows, starts = (array.T.reshape(4, self.units, -1).swapaxes(0, 1) for array in (kernel, bias))
            return project(
                rows.reshape(4 * self.units, -1), starts.ravel(), value.quantization, scales.GATE_SCALE, self.bits
            )

        return LstmRows(
            name=self.name,
            input=input_tensor,
            output=output,
            kernel=projection(self.kernel, self.bias, input_tensor),
            recurrent_kernel=projection(self.recurrent_kernel, np.zeros_like(self.bias), output),
            cell=self._cell(ranges),
            gate=self.gate,
        )

    @property
    def has_int16(self) -> bool:
        """TFLM's kernel knows sigmoid alone, and starts from zeros."""
        return self.gate is GateFunction.SIGMOID and not self.initial_state

    def to_ops16(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """See `Layer.to_ops16`."""
        output = self._output(scales.output_range16(self.output.name, ranges))
        gates = self._gates(inputs[0], output, "int64")
        return (Lstm16(self.name, inputs[0], output, gates, cell=self._cell(ranges)),)

    def _output(self, quantization: Quantization) -> QuantizedTensor:
        return QuantizedTensor(self.output.name, self.units, is_sequence=True, quantization=quantization)

    def _cell(self, ranges: Ranges) -> Quantization:
        low, high = ranges[self.cell_range_name]
        return scales.cell_quantization(max(-low, high))

    def _gates(self, source: QuantizedTensor, output: QuantizedTensor, bias_type: str) -> tuple[Gate, ...]:
        value_scales = source.quantization.scale, output.quantization.scale
        return tuple(
            _quantize_gate(kernel.T, recurrent.T, bias, *value_scales, bias_type)
            for kernel, recurrent, bias in zip(
                np.split(self.kernel, 4, axis=1),
                np.split(self.recurrent_kernel, 4, axis=1),
                np.split(self.bias, 4),
                strict=True,
            )
        )


def _quantize_gate(
    kernel: FloatArray,
    recurrent_kernel: FloatArray,
    bias: FloatArray,
    input_scale: float,
    hidden_scale: float,
    bias_type: str,
) -> Gate:
    kernel_scale = scales.symmetric_scale(kernel, bias, input_scale)
    recurrent_scale = scales.symmetric_scale(recurrent_kernel, np.zeros(1), hidden_scale)
    return Gate(
        kernel=scales.round_weights(kernel, kernel_scale),
        kernel_scale=kernel_scale,
        recurrent_kernel=scales.round_weights(recurrent_kernel, recurrent_scale),
        recurrent_scale=recurrent_scale,
        bias=scales.round_bias(bias, scales.float32(input_scale * kernel_scale), bias_type),
    )
