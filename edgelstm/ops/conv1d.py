"""Conv1D: each filter sees all values of a window's steps."""

from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    FloatArray,
    IntArray,
    Layer,
    Observe,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.convolution import ConvolutionLayer, ConvolutionOp
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.images import image_operators, read_window
from edgelstm.ops.kernel_layer import kernel_problems
from edgelstm.ops.rows import RoundedRows, has_relu, read_weights
from edgelstm.ops.sources import array, integer, option_problems
from edgelstm.ops.window_layer import WindowOptions, tap_values


@dataclass(frozen=True, eq=False)
class Conv1DLayer(ConvolutionLayer):
    """A trained Conv1D; its kernel is (taps, input size, filters)."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        options = WindowOptions.of(source, "kernel_size")
        shape = (options.taps, input_tensor.size, integer(source, "filters"))
        problems = options.problems(input_tensor, ("valid", "same", "causal"))
        problems += option_problems(source, {"data_format": "channels_last", "groups": 1})
        return problems + kernel_problems(source, shape)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer: one that sees each step alone as the Dense that it is."""
        options = WindowOptions.of(source, "kernel_size")
        kernel = array(source, 0)
        if options.span == options.stride == 1:
            return DenseLayer.of(source, input_tensor, kernel[0]).with_activation(source)
        return cls.of(source, input_tensor, kernel, options).with_activation(source)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, input size) -> (batch, results, filters)."""
        seen = tap_values(self.name, inputs, self.window)
        products = (values @ rows for values, rows in zip(seen, self.kernel, strict=True))
        return self.clamped(reduce(np.add, products) + self.bias)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Conv1D":
        """Round weights with one scale per filter."""
        filters = self.kernel.shape[-1]
        rows = RoundedRows.of(self.kernel.reshape(-1, filters).T, self.bias, input_tensor.quantization.scale)
        return Conv1D(
            name=self.name,
            input=input_tensor,
            output=self.quantized_output(ranges),
            kernel=rows.kernel,
            kernel_scales=rows.scales,
            bias=rows.bias,
            relu=self.relu,
            window=self.window,
        )


@dataclass(frozen=True, eq=False)
class Conv1D(ConvolutionOp):
    """The integer convolution: its rows meet the taps of a window side by side."""

    kind: ClassVar[str] = "conv1d"

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`."""
        return self.evaluate(contract, taps.reshape(len(taps), -1))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a CONV_2D on images of one row."""
        kernel = self.kernel.reshape(len(self.kernel), 1, self.window.taps, self.input.size)
        weights = self.weight_tensors(kernel)
        return image_operators(self, batch, timesteps, "CONV_2D", weights, self.image_options, version=3)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a CONV_2D over time."""
        kernel, bias = read_weights(operator)
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        return cls(
            name=output.name,
            input=input_tensor,
            output=output,
            kernel=np.asarray(kernel.data).reshape(kernel.shape[0], -1),
            kernel_scales=kernel.scales,
            bias=bias,
            relu=has_relu(operator),
            window=read_window(operator, (kernel.shape[1], kernel.shape[2])),
        )
