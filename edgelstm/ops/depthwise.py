"""DepthwiseConv1D: each output sees one value of a window's steps; SeparableConv1D: such outputs, mixed by a Dense."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    Constant,
    FloatArray,
    IntArray,
    Layer,
    Matrix,
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
from edgelstm.ops.options import whole_number
from edgelstm.ops.rows import RoundedRows, has_relu, read_weights
from edgelstm.ops.sources import LARGEST_SIZE, array, integer, option_problems
from edgelstm.ops.window_layer import WindowOptions, tap_values


@dataclass(frozen=True, eq=False)
class DepthwiseConv1DLayer(ConvolutionLayer):
    """A trained DepthwiseConv1D; its kernel is (taps, outputs), as many outputs for each input side by side."""

    @property
    def per_input(self) -> int:
        """Outputs of one input, Keras' depth_multiplier."""
        return self.output.size // self.input.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems, shape = _problems(source, input_tensor, ("valid", "same"))
        outputs = shape[1] * shape[2]
        bias_source = replace(source, weights=tuple(_flat(array) for array in source.weights))
        return problems + kernel_problems(bias_source, (shape[0], outputs))

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        options = WindowOptions.of(source, "kernel_size")
        return cls.of(source, input_tensor, _flat(array(source, 0)), options).with_activation(source)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, input size) -> (batch, results, outputs)."""
        seen = tap_values(self.name, inputs, self.window)
        products = (
            np.repeat(values, self.per_input, axis=-1) * row for values, row in zip(seen, self.kernel, strict=True)
        )
        return self.clamped(reduce(np.add, products) + self.bias)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "DepthwiseConv1D":
        """Round weights with one scale per output."""
        rows = RoundedRows.of(self.kernel.T, self.bias, input_tensor.quantization.scale)
        return DepthwiseConv1D(
            name=self.name,
            input=input_tensor,
            output=self.quantized_output(ranges),
            kernel=rows.kernel,
            kernel_scales=rows.scales,
            bias=rows.bias,
            relu=self.relu,
            window=self.window,
        )


class SeparableConv1DLayer(DepthwiseConv1DLayer):
    """Keras' SeparableConv1D: what it builds is a depthwise layer and a Dense."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems, shape = _problems(source, input_tensor, ("valid", "same", "causal"))
        return problems + kernel_problems(source, shape, (1, shape[1] * shape[2], integer(source, "filters")))

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build both, with the activation behind the second."""
        config = {**source.config, "use_bias": False, "activation": "linear"}
        first = replace(source, name=f"{source.name}/depthwise", config=config)
        options = WindowOptions.of(source, "kernel_size")
        depthwise = DepthwiseConv1DLayer.of(first, input_tensor, _flat(array(source, 0)), options)
        dense = DenseLayer.of(source, depthwise.output, array(source, 1)[0])
        return depthwise, *dense.with_activation(source)


def _problems(
    source: SourceLayer, input_tensor: Tensor, paddings: tuple[str, ...]
) -> tuple[list[str], tuple[int, int, int]]:
    """What is wrong with the options, and the depthwise kernel's shape."""
    options = WindowOptions.of(source, "kernel_size")
    per_input = whole_number(source, "depth_multiplier", 1)
    problems = options.problems(input_tensor, paddings)
    problems += option_problems(source, {"data_format": "channels_last"})
    if per_input * input_tensor.size > LARGEST_SIZE:
        problems.append(f"makes {per_input * input_tensor.size} outputs, more than {LARGEST_SIZE}")
    return problems, (options.taps, input_tensor.size, per_input)


def _flat(kernel: FloatArray) -> FloatArray:
    """(taps, inputs, outputs of one) as (taps, outputs); a bias as it is."""
    return kernel.reshape(kernel.shape[0], -1) if kernel.ndim == 3 else kernel


@dataclass(frozen=True, eq=False)
class DepthwiseConv1D(ConvolutionOp):
    """The integer convolution: its rows have a weight for each tap, and meet that of one input."""

    kind: ClassVar[str] = "depthwise_conv1d"

    @property
    def per_input(self) -> int:
        """Outputs of one input."""
        return self.output.size // self.input.size

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`."""
        seen = np.repeat(taps, self.per_input, axis=-1).astype(np.int64)
        return self.scaled(contract, (seen * self.kernel.T).sum(axis=1) + self.folded_bias())

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """None: no two inputs' rows meet the same values."""
        return ()

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """Weights and biases as they are, and the multipliers."""
        return (
            Constant("kernel", self.kernel, "weights", "for each output a weight of each step, oldest first"),
            Constant("bias", self.folded_bias().astype(np.int32), "weights", "less input zero point * sum of the row"),
            *super().constants(contract),
        )

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a DEPTHWISE_CONV_2D on images of one row."""
        kernel = np.ascontiguousarray(self.kernel.T)[None, None]
        weights = self.weight_tensors(kernel, axis=3)
        options = {**self.image_options, "depth_multiplier": self.per_input}
        return image_operators(self, batch, timesteps, "DEPTHWISE_CONV_2D", weights, options, version=3)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a DEPTHWISE_CONV_2D over time."""
        kernel, bias = read_weights(operator)
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        return cls(
            name=output.name,
            input=input_tensor,
            output=output,
            kernel=np.ascontiguousarray(np.asarray(kernel.data).reshape(-1, kernel.shape[3]).T),
            kernel_scales=kernel.scales,
            bias=bias,
            relu=has_relu(operator),
            window=read_window(operator, (kernel.shape[1], kernel.shape[2])),
        )
