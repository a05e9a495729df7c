"""Conv2D: each filter sees all channels of some neighbouring features of a window's steps."""

from dataclasses import dataclass, replace
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
from edgelstm.ops.activation import image_activation_problems
from edgelstm.ops.convolution import ConvolutionOp
from edgelstm.ops.kernel_layer import kernel_problems
from edgelstm.ops.patch import PatchOp, features_of
from edgelstm.ops.patch_images import dilations, patch_operators, read_patch
from edgelstm.ops.patch_layer import PatchLayer, PatchOptions, patch_values
from edgelstm.ops.rows import RoundedRows, has_relu, read_weights
from edgelstm.ops.sources import array, integer, option_problems


@dataclass(frozen=True, eq=False)
class Conv2DLayer(PatchLayer):
    """A trained Conv2D; its kernel is (steps, features, channels, filters)."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        options, filters = PatchOptions.of(source, "kernel_size"), integer(source, "filters")
        problems = options.problems(input_tensor, filters)
        problems += option_problems(source, {"data_format": "channels_last", "groups": 1})
        problems += image_activation_problems(source)
        return problems + kernel_problems(source, (*options.taps, input_tensor.channels, filters))

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        options = PatchOptions.of(source, "kernel_size")
        return cls.over(source, input_tensor, array(source, 0), options).with_activation(source)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, input size) -> (batch, results, output size)."""
        seen = patch_values(self.name, inputs, self.window, self.across, self.features)
        kernels = self.kernel.reshape(-1, *self.kernel.shape[2:])
        products = (values @ rows for values, rows in zip(seen, kernels, strict=True))
        return self.flat(self.clamped(reduce(np.add, products) + self.bias))

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Conv2D":
        """Round weights with one scale per filter."""
        filters = self.kernel.shape[-1]
        rows = RoundedRows.of(self.kernel.reshape(-1, filters).T, self.bias, input_tensor.quantization.scale)
        return Conv2D(
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


def pointwise_layers(source: SourceLayer, image: Tensor, kernel: FloatArray) -> tuple[Layer, ...]:
    """What mixes the channels of each feature, as Keras' Dense on an image does: a Conv2D that sees one of one step.

    Its kernel is (channels, outputs), everything else from a Keras layer.
    """
    return Conv2DLayer.over(source, image, kernel[None, None], PatchOptions.of_row(1)).with_activation(source)


@dataclass(frozen=True, eq=False)
class Conv2D(PatchOp, ConvolutionOp):
    """The integer convolution: its rows meet each patch, the channels of its features side by side, step by step."""

    kind: ClassVar[str] = "conv2d"

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header, and that of patches."""
        return ("window", "patch")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a row of results."""
        return self.kernel.size * self.results

    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """See `PatchOp.apply_patches`."""
        return self.evaluate(contract, patches.reshape(*patches.shape[:2], -1))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a CONV_2D."""
        kernel = self.kernel.reshape(len(self.kernel), self.window.taps, self.across.taps, self.channels)
        weights, options = self.weight_tensors(kernel), {**self.image_options, **dilations(self)}
        return patch_operators(self, batch, timesteps, "CONV_2D", weights, options, version=3)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a CONV_2D over time and features."""
        kernel, bias = read_weights(operator)
        filters, steps, width, channels = kernel.shape
        window, across = read_patch(operator, (steps, width))
        name = operator.outputs[0].name
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        return cls(
            name=name,
            input=input_tensor,
            output=replace(output, size=operator.outputs[0].shape[2] * filters),
            kernel=np.asarray(kernel.data).reshape(filters, -1),
            kernel_scales=kernel.scales,
            bias=bias,
            relu=has_relu(operator),
            window=window,
            across=across,
            features=features_of(input_tensor.size, channels, f"{operator.builtin} {name!r}"),
        )
