"""MaxPooling2D and AveragePooling2D in float: the largest value or the mean of a patch, channel by channel."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar

import numpy as np

from edgelstm.ir import (
    FloatArray,
    KerasLayer,
    Layer,
    Observe,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
)
from edgelstm.ops.average_pool2d import AveragePool2D, too_many_values
from edgelstm.ops.max_pool2d import MaxPool2D, PatchPool
from edgelstm.ops.patch_layer import PatchOptions, image, patch_values
from edgelstm.ops.pooling import MOST_PADDED_TAPS
from edgelstm.ops.sources import option_problems
from edgelstm.ops.window import Window


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
        taps = layer.window.taps * layer.across.taps
        if layer.window.behind or layer.across.behind:
            if input_tensor.timesteps is None:
                problems.append("padding='same' needs an input of fixed length: each mean is over what is inside")
            if taps > MOST_PADDED_TAPS:
                problems.append(too_many_values(taps))
        return problems

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `PatchPoolLayer.forward`: padding does not count."""
        counts: FloatArray = reduce(np.add, self.patches(np.ones_like(inputs[:1])))
        return reduce(np.add, self.patches(inputs)) / counts

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> AveragePool2D:
        """Keep the input's scale."""
        output = replace(input_tensor, name=self.output.name, size=self.output.size)
        windows = (self.window, self.across)
        return AveragePool2D.on(self.name, input_tensor, output, windows, self.features, self.input.timesteps or 0)
