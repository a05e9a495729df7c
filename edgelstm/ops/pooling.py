"""MaxPooling1D and AveragePooling1D: the largest value or the mean of a window, feature by feature, at one scale."""

from abc import abstractmethod
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
from edgelstm.ops.images import image_operators, read_window
from edgelstm.ops.sources import option_problems
from edgelstm.ops.window import Window, WindowOp
from edgelstm.ops.window_layer import WindowOptions, tap_values, windowed


@dataclass(frozen=True, eq=False)
class PoolOp(WindowOp):
    """A pool in integers; `builtin` stands for it in a .tflite file."""

    builtin: ClassVar[str]

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header."""
        return ("window",)

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one operator on images of one row."""
        options = {"filter_width": self.window.taps, "filter_height": 1}
        return image_operators(self, batch, timesteps, self.builtin, options=options, version=2)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from its operator."""
        name = operator.outputs[0].name
        taps = (operator.options["filter_height"], operator.options["filter_width"])
        return cls(name, input_tensor, replace(input_tensor, name=name), read_window(operator, taps))


@dataclass(frozen=True, eq=False)
class MaxPool(PoolOp):
    """The int8 MAX_POOL_2D of TensorFlow Lite, which no padding ever wins."""

    kind: ClassVar[str] = "max_pool"
    builtin: ClassVar[str] = "MAX_POOL_2D"

    @property
    def padding(self) -> int:
        """See `Op.padding`."""
        return -128

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`."""
        largest: IntArray = taps.max(axis=1)
        return largest


@dataclass(frozen=True)
class AverageFacts:
    """How C divides a sum by the number of taps: (sum + half) * reciprocal / 2^shift, rounded down."""

    half: int
    reciprocal: int
    shift: int

    @classmethod
    def of(cls, taps: int) -> Self:
        """Exact for sums of so many int8 values: the reciprocal exceeds the true one by too little to matter."""
        largest = 128 * taps + taps // 2
        shift = next(shift for shift in range(1, 63) if largest * (-(2**shift) % taps) < 2**shift)
        return cls(taps // 2, -(-(2**shift) // taps), shift)


@dataclass(frozen=True, eq=False)
class AveragePool(PoolOp):
    """The int8 AVERAGE_POOL_2D of TensorFlow Lite: the mean of the stored values, ties away from stored 0."""

    kind: ClassVar[str] = "average_pool"
    builtin: ClassVar[str] = "AVERAGE_POOL_2D"

    def facts(self, contract: Contract) -> AverageFacts:
        """See AverageFacts."""
        return AverageFacts.of(self.window.taps)

    def problems(self, contract: Contract) -> list[str]:
        """TensorFlow Lite divides by the number of steps without padding, which a stream cannot know at its end."""
        found = super().problems(contract)
        if self.window.before or self.window.behind:
            found.append(f"layer {self.name!r}: an average over windows with padding is not supported")
        return found

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`."""
        sums = taps.astype(np.int64).sum(axis=1)
        count = self.window.taps
        mean: IntArray = (np.sign(sums) * ((np.abs(sums) + count // 2) // count)).astype(np.int8)
        return mean


@dataclass(frozen=True, eq=False)
class PoolLayer(KerasLayer):
    """A pool in float. `op` is the class of its integer op."""

    op: ClassVar[type[PoolOp]]

    window: Window

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options we do not compile."""
        problems = WindowOptions.of(source, "pool_size").problems(input_tensor, ("valid", "same"))
        return problems + option_problems(source, {"data_format": "channels_last"})

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        window = WindowOptions.of(source, "pool_size").window(input_tensor.timesteps)
        return (cls(source.name, input_tensor, windowed(source.name, input_tensor.size, input_tensor, window), window),)

    @abstractmethod
    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) -> (batch, results, size)."""

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> PoolOp:
        """Keep the input's scale."""
        return self.op(self.name, input_tensor, replace(input_tensor, name=self.output.name), self.window)


class MaxPoolLayer(PoolLayer):
    """Keras' MaxPooling1D."""

    op: ClassVar[type[PoolOp]] = MaxPool

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `PoolLayer.forward`."""
        return reduce(np.maximum, tap_values(self.name, inputs, self.window, padding=-np.inf))


class AveragePoolLayer(PoolLayer):
    """Keras' AveragePooling1D."""

    op: ClassVar[type[PoolOp]] = AveragePool

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Windows whose padding would count for nothing, beside those of every pool."""
        problems = super().keras_problems(source, input_tensor)
        if problems:
            return problems
        window = WindowOptions.of(source, "pool_size").window(input_tensor.timesteps)
        if window.before or window.behind:
            problems.append(
                "padding='same' is supported only where windows meet no border, because each mean is over the steps "
                "inside; set padding='valid'"
            )
        return problems

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `PoolLayer.forward`."""
        seen = tap_values(self.name, inputs, self.window)
        return reduce(np.add, seen) / self.window.taps
