"""DepthwiseConv2D: each output sees one channel of its features; SeparableConv2D: such outputs, mixed feature by
feature."""

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
from edgelstm.ops.activation import image_activation_problems
from edgelstm.ops.conv2d import pointwise_layers
from edgelstm.ops.convolution import ConvolutionOp
from edgelstm.ops.kernel_layer import kernel_problems
from edgelstm.ops.options import whole_number
from edgelstm.ops.patch import PatchOp, features_of
from edgelstm.ops.patch_images import dilations, patch_operators, read_patch
from edgelstm.ops.patch_layer import PatchLayer, PatchOptions, patch_values
from edgelstm.ops.rows import RoundedRows, has_relu, read_weights
from edgelstm.ops.sources import array, integer, option_problems

_GROUP = 4
"""Outputs whose sums stay in registers."""


@dataclass(frozen=True, eq=False)
class DepthwiseConv2DLayer(PatchLayer):
    """A trained DepthwiseConv2D; its kernel is (steps, features, outputs), as many outputs for each channel side by
    side."""

    @property
    def per_input(self) -> int:
        """Outputs of one channel, Keras' depth_multiplier."""
        return self.kernel.shape[-1] * self.features // self.input.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems, shape = _problems(source, input_tensor)
        problems += image_activation_problems(source)
        bias_source = replace(source, weights=tuple(_flat(array) for array in source.weights))
        return problems + kernel_problems(bias_source, (*shape[:2], shape[2] * shape[3]))

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        options = PatchOptions.of(source, "kernel_size")
        return cls.over(source, input_tensor, _flat(array(source, 0)), options).with_activation(source)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, input size) -> (batch, results, output size)."""
        seen = patch_values(self.name, inputs, self.window, self.across, self.features)
        kernel = self.kernel.reshape(-1, self.kernel.shape[-1])
        products = (np.repeat(values, self.per_input, axis=-1) * row for values, row in zip(seen, kernel, strict=True))
        return self.flat(self.clamped(reduce(np.add, products) + self.bias))

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "DepthwiseConv2D":
        """Round weights with one scale per output."""
        outputs = self.kernel.shape[-1]
        rows = RoundedRows.of(self.kernel.reshape(-1, outputs).T, self.bias, input_tensor.quantization.scale)
        return DepthwiseConv2D(
            name=self.name,
            input=input_tensor,
            output=self.quantized_output(ranges),
            kernel=rows.kernel,
            kernel_scales=rows.scales,
            bias=rows.bias,
            relu=self.relu,
            window=self.window,
            across=self.across,
            features=self.features,
        )


class SeparableConv2DLayer(DepthwiseConv2DLayer):
    """Keras' SeparableConv2D: what it builds is a depthwise layer and a Conv2D that mixes the channels."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems, shape = _problems(source, input_tensor)
        problems += image_activation_problems(source)
        mixing = (1, 1, shape[2] * shape[3], integer(source, "filters"))
        return problems + kernel_problems(source, shape, mixing)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build both, with the activation behind the second."""
        config = {**source.config, "use_bias": False, "activation": "linear"}
        first = replace(source, name=f"{source.name}/depthwise", config=config)
        options = PatchOptions.of(source, "kernel_size")
        depthwise = DepthwiseConv2DLayer.over(first, input_tensor, _flat(array(source, 0)), options)
        return depthwise, *pointwise_layers(source, depthwise.output, array(source, 1)[0, 0])


def _problems(source: SourceLayer, input_tensor: Tensor) -> tuple[list[str], tuple[int, int, int, int]]:
    """What is wrong with the options, and the depthwise kernel's shape."""
    options = PatchOptions.of(source, "kernel_size")
    per_input = whole_number(source, "depth_multiplier", 1)
    problems = options.problems(input_tensor, per_input * input_tensor.channels)
    problems += option_problems(source, {"data_format": "channels_last"})
    return problems, (*options.taps, input_tensor.channels, per_input)


def _flat(kernel: FloatArray) -> FloatArray:
    """(steps, features, channels, outputs of one) as (steps, features, outputs); a bias as it is."""
    return kernel.reshape(*kernel.shape[:2], -1) if kernel.ndim == 4 else kernel


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(PatchOp, ConvolutionOp):
    """The integer convolution: its rows have a weight for each step and feature, and meet those of one channel."""

    kind: ClassVar[str] = "depthwise_conv2d"

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header, and that of patches."""
        return ("window", "patch")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a row of results."""
        return self.kernel.size * self.results

    @property
    def per_input(self) -> int:
        """Outputs of one channel."""
        return len(self.kernel) // self.channels

    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """See `PatchOp.apply_patches`."""
        batch, results, _, _, channels = patches.shape
        seen = np.repeat(patches.reshape(batch, results, -1, channels), self.per_input, axis=-1).astype(np.int64)
        return self.scaled(contract, (seen * self.kernel.T).sum(axis=2) + self.folded_bias())

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """None: no two channels' rows meet the same values."""
        return ()

    @property
    def grouped_rows(self) -> int:
        """Outputs that C computes in groups, because the values that they see lie side by side."""
        return len(self.kernel) // _GROUP * _GROUP if self.per_input == 1 else 0

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """Weights, group by group, biases as they are, and the multipliers."""
        groups = self.kernel[: self.grouped_rows].reshape(-1, _GROUP, self.kernel.shape[1]).swapaxes(1, 2)
        stream = np.concatenate([groups.ravel(), self.kernel[self.grouped_rows :].ravel()])
        comment = "for each output a weight of each feature seen, step by step"
        if self.grouped_rows:
            comment = f"for {_GROUP} outputs at a time, the weights of each feature seen side by side, step by step"
        return (
            Constant("kernel", stream, "weights", comment),
            Constant("bias", self.folded_bias().astype(np.int32), "weights", "less input zero point * sum of the row"),
            *super().constants(contract),
        )

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a DEPTHWISE_CONV_2D."""
        shape = (1, self.window.taps, self.across.taps, len(self.kernel))
        weights = self.weight_tensors(np.ascontiguousarray(self.kernel.T).reshape(shape), axis=3)
        options = {**self.image_options, **dilations(self), "depth_multiplier": self.per_input}
        return patch_operators(self, batch, timesteps, "DEPTHWISE_CONV_2D", weights, options, version=3)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a DEPTHWISE_CONV_2D over time and features."""
        kernel, bias = read_weights(operator)
        _, steps, width, outputs = kernel.shape
        window, across = read_patch(operator, (steps, width))
        name = operator.outputs[0].name
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        channels = outputs // max(1, operator.options["depth_multiplier"])
        return cls(
            name=name,
            input=input_tensor,
            output=replace(output, size=operator.outputs[0].shape[2] * outputs),
            kernel=np.ascontiguousarray(np.asarray(kernel.data).reshape(-1, outputs).T),
            kernel_scales=kernel.scales,
            bias=bias,
            relu=has_relu(operator),
            window=window,
            across=across,
            features=features_of(input_tensor.size, channels, f"{operator.builtin} {name!r}"),
        )
