"""MaxPooling2D and AveragePooling2D: the largest value or the mean of a patch, channel by channel, at one scale."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.patch import PatchOp, features_of
from edgelstm.ops.patch_images import patch_operators, read_patch
from edgelstm.ops.patch_layer import PatchOptions, image, patch_values
from edgelstm.ops.pooling import AverageFacts
from edgelstm.ops.sources import option_problems
from edgelstm.ops.window import Window


@dataclass(frozen=True, eq=False)
class PatchPool(PatchOp):
    """A pool in integers; `builtin` stands for it in a .tflite file."""

    builtin: ClassVar[str]

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header, and that of patches."""
        return ("window", "patch")

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one operator."""
        options = {"filter_height": self.window.taps, "filter_width": self.across.taps}
        return patch_operators(self, batch, timesteps, self.builtin, options=options, version=2)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from its operator."""
        result = operator.outputs[0]
        taps = (operator.options["filter_height"], operator.options["filter_width"])
        window, across = read_patch(operator, taps)
        features = features_of(input_tensor.size, result.shape[3], f"{operator.builtin} {result.name!r}")
        output = replace(input_tensor, name=result.name, size=result.shape[2] * result.shape[3])
        return cls(result.name, input_tensor, output, window, across, features)


@dataclass(frozen=True, eq=False)
class MaxPool2D(PatchPool):
    """The int8 MAX_POOL_2D of TensorFlow Lite, which no padding ever wins."""

    kind: ClassVar[str] = "max_pool2d"
    builtin: ClassVar[str] = "MAX_POOL_2D"

    @property
    def padding(self) -> int:
        """See `Op.padding`."""
        return -128

    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """See `PatchOp.apply_patches`."""
        largest: IntArray = patches.max(axis=(2, 3))
        return largest


@dataclass(frozen=True, eq=False)
class AveragePool2D(PatchPool):
    """The int8 AVERAGE_POOL_2D of TensorFlow Lite: the mean of the stored values, ties away from stored 0."""

    kind: ClassVar[str] = "average_pool2d"
    builtin: ClassVar[str] = "AVERAGE_POOL_2D"

    @property
    def count(self) -> int:
        """Values of which each result is the mean."""
        return self.window.taps * self.across.taps

    def facts(self, contract: Contract) -> AverageFacts:
        """See AverageFacts."""
        return AverageFacts.of(self.count)

    def problems(self, contract: Contract) -> list[str]:
        """TensorFlow Lite divides by the number of values without padding, which differs from patch to patch."""
        found = super().problems(contract)
        if any(one.before or one.behind for one in (self.window, self.across)):
            found.append(f"layer {self.name!r}: an average over windows with padding is not supported")
        if self.count >= 1 << 16:
            found.append(f"layer {self.name!r}: an average of {self.count} values is too large")
        return found

    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """See `PatchOp.apply_patches`."""
        sums = patches.astype(np.int64).sum(axis=(2, 3))
        mean: IntArray = (np.sign(sums) * ((np.abs(sums) + self.count // 2) // self.count)).astype(np.int8)
        return mean


@dataclass(frozen=True, eq=False)
class PatchPoolLayer(KerasLayer):
    """A pool in float. `op` is the class of its integer op."""

    reads_images: ClassVar[bool] = True
    op: ClassVar[type[PatchPool]]

    window: Window
    across: Window
    features: int

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options we do not compile."""
        problems = PatchOptions.of(source, "pool_size").problems(input_tensor, input_tensor.channels)
        return problems + option_problems(source, {"data_format": "channels_last"})

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        return (cls.over(source.name, input_tensor, PatchOptions.of(source, "pool_size")),)

    @classmethod
    def over(cls, name: str, input_tensor: Tensor, options: PatchOptions) -> "PatchPoolLayer":
        """The layer with these windows."""
        features = input_tensor.size // input_tensor.channels
        window, across = options.time.window(input_tensor.timesteps), options.across.window(features)
        output = image(name, input_tensor.channels, input_tensor, window, across)
        return cls(name, input_tensor, output, window, across, features)

    def patches(self, inputs: FloatArray, padding: float = 0.0) -> Iterator[FloatArray]:
        """What each tap sees of (batch, time, size), in turn: (batch, results, size)."""
        for seen in patch_values(self.name, inputs, self.window, self.across, self.features, padding):
            yield seen.reshape(*seen.shape[:2], -1)

    @abstractmethod
    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) -> (batch, results, output size)."""

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> PatchPool:
        """Keep the input's scale."""
        output = replace(input_tensor, name=self.output.name, size=self.output.size)
        return self.op(self.name, input_tensor, output, self.window, self.across, self.features)


class MaxPool2DLayer(PatchPoolLayer):
    """Keras' MaxPooling2D."""

    op: ClassVar[type[PatchPool]] = MaxPool2D

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `PatchPoolLayer.forward`."""
        return reduce(np.maximum, self.patches(inputs, padding=-np.inf))


class AveragePool2DLayer(PatchPoolLayer):
    """Keras' AveragePooling2D."""

    op: ClassVar[type[PatchPool]] = AveragePool2D

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Windows whose padding would count for nothing, beside those of every pool."""
        problems = super().keras_problems(source, input_tensor)
        if problems:
            return problems
        layer = cls.over(source.name, input_tensor, PatchOptions.of(source, "pool_size"))
        if any(one.before or one.behind for one in (layer.window, layer.across)):
            problems.append(
                "padding='same' is supported only where windows meet no border, because each mean is over what is "
                "inside; set padding='valid'"
            )
        return problems

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `PatchPoolLayer.forward`."""
        return reduce(np.add, self.patches(inputs)) / (self.window.taps * self.across.taps)
