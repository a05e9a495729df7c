"""Conv1D: float layer, per-channel quantization, and the integer op, the same in both contracts."""

import math
from dataclasses import dataclass, field
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
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier
from edgelstm.ops import scales
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.images import image_operators, read_window
from edgelstm.ops.kernel_layer import KernelLayer, bias_of, fused_ceiling, kernel_problems
from edgelstm.ops.rows import RoundedRows, RowsOp, has_relu, read_weights
from edgelstm.ops.sources import array, integer, option_problems
from edgelstm.ops.window import Window, WindowOp
from edgelstm.ops.window_layer import WindowOptions, tap_values, windowed


@dataclass(frozen=True, eq=False)
class Conv1DLayer(KernelLayer):
    """A trained Conv1D; its kernel is (taps, input size, filters)."""

    window: Window = field(kw_only=True)

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

    @classmethod
    def of(cls, source: SourceLayer, input_tensor: Tensor, kernel: FloatArray, options: WindowOptions) -> "Conv1DLayer":
        """The layer with this kernel and window, and everything else from a Keras layer."""
        filters, ceiling = kernel.shape[-1], fused_ceiling(source)
        window = options.window(input_tensor.timesteps)
        return cls(
            name=source.name,
            input=input_tensor,
            output=windowed(source.name, filters, input_tensor, window),
            kernel=kernel,
            bias=bias_of(source, filters),
            relu=ceiling is not None,
            ceiling=math.inf if ceiling is None else ceiling,
            window=window,
        )

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, input size) -> (batch, results, filters)."""
        seen = tap_values(self.name, inputs, self.window)
        products = (values @ rows for values, rows in zip(seen, self.kernel, strict=True))
        return self.clamped(reduce(np.add, products) + self.bias)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Conv1D":
        """Round weights with one scale per filter."""
        filters = self.kernel.shape[-1]
        rows = RoundedRows.of(self.kernel.reshape(-1, filters).T, self.bias, input_tensor.quantization.scale)
        quantization = scales.output_range(self.output.name, ranges)
        return Conv1D(
            name=self.name,
            input=input_tensor,
            output=QuantizedTensor(self.output.name, filters, is_sequence=True, quantization=quantization),
            kernel=rows.kernel,
            kernel_scales=rows.scales,
            bias=rows.bias,
            relu=self.relu,
            window=self.window,
        )


@dataclass(frozen=True, eq=False)
class Conv1D(WindowOp, RowsOp):
    """The integer convolution: a row for each filter, on the taps of a window side by side."""

    kind: ClassVar[str] = "conv1d"

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header."""
        return ("window",)

    def rounds_once(self, contract: Contract) -> bool:
        """Both runtimes multiply in integers, in two steps."""
        return False

    def multipliers(self, contract: Contract) -> tuple[Multiplier, ...]:
        """One multiplier per filter, from the float64 product of the scales in both contracts."""
        return tuple(quantize_multiplier(factor) for factor in self.factors())

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`."""
        return self.evaluate(contract, taps.reshape(len(taps), -1))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a CONV_2D on images of one row."""
        window = self.window
        kernel = self.kernel.reshape(len(self.kernel), 1, window.taps, self.input.size)
        options = {
            "dilation_w_factor": window.dilation,
            "dilation_h_factor": 1,
            "fused_activation_function": "RELU" if self.relu else "NONE",
        }
        return image_operators(self, batch, timesteps, "CONV_2D", self.weight_tensors(kernel), options, version=3)

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
