"""MaxPooling1D and AveragePooling1D: the largest value or the mean of a window, feature by feature, at one scale."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    AnyArray,
    Constant,
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    Quantization,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    StateArray,
    Tensor,
    TfliteOperator,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.images import image_operators, read_window
from edgelstm.ops.sources import option_problems
from edgelstm.ops.window import Window, WindowOp, same_window
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


MOST_PADDED_TAPS = 4000
"""Of an average with padding: so many reciprocals fit 32 bits with one shift."""


def too_many_taps(taps: int) -> str:
    """Why an average with padding is refused."""
    return f"an average of {taps} steps with padding is too long; at most {MOST_PADDED_TAPS} are supported"


@dataclass(frozen=True)
class PaddedAverageFacts:
    """As AverageFacts, with a reciprocal for each number of steps."""

    shift: int


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


def shared_reciprocals(taps: int) -> tuple[AnyArray, int]:
    """(reciprocals, shift) of `AverageFacts` for every number of steps up to MOST_PADDED_TAPS, with one shift."""
    counts = np.arange(1, taps + 1, dtype=np.int64)
    largest = 128 * counts + counts // 2
    shift = next(shift for shift in range(1, 32) if (largest * (-(2**shift) % counts) < 2**shift).all())
    return (-(-(2**shift) // counts)).astype(np.uint32), shift


def reciprocals_constant(taps: int) -> Constant:
    """What C multiplies by."""
    reciprocals, shift = shared_reciprocals(taps)
    return Constant("reciprocals", reciprocals, "other_constants", f"2^{shift} / n for n from 1, rounded up")


TICKS = StateArray("ticks", "int32", 1, 0, Quantization(1.0, 0, "int32"), is_in_tflite=False)
"""How many steps there have been, those of the padding behind too."""


def steps_inside(ticks: IntArray, taps: int, length: int) -> IntArray:
    """Steps in a window that ends with the last of so many, of a sequence of `length`."""
    inside: IntArray = np.minimum(ticks, length) - np.maximum(ticks - taps, 0)
    return inside


@dataclass(frozen=True, eq=False)
class AveragePool(PoolOp):
    """The int8 AVERAGE_POOL_2D of TensorFlow Lite: the mean of the stored values, ties away from stored 0.

    Padding does not count.

    Attributes:
        length: time steps of the input where there is padding, which tells its end from steps; else 0.
    """

    kind: ClassVar[str] = "average_pool"
    builtin: ClassVar[str] = "AVERAGE_POOL_2D"

    length: int = 0

    @classmethod
    def on(cls, name: str, sequence: QuantizedTensor, window: Window, length: int) -> Self:
        """The op on a sequence of `length` steps."""
        return cls(name, sequence, replace(sequence, name=name), window, length if window.behind else 0)

    @property
    def padding(self) -> int:
        """See `Op.padding`: what adds nothing to a sum."""
        return 0

    @property
    def state(self) -> tuple[StateArray, ...]:
        """See `WindowOp.state`; with padding, also how many ticks there have been."""
        return (*super().state, *([TICKS] if self.length else []))

    def facts(self, contract: Contract) -> AverageFacts | PaddedAverageFacts:
        """How C divides."""
        if self.length:
            return PaddedAverageFacts(shared_reciprocals(self.window.taps)[1])
        return AverageFacts.of(self.window.taps)

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """With padding, a reciprocal for each number of steps in a window."""
        if not self.length:
            return ()
        return (reciprocals_constant(self.window.taps),)

    def problems(self, contract: Contract) -> list[str]:
        """Padding is that of a whole sequence, as TensorFlow Lite pads it."""
        found, window = super().problems(contract), self.window
        if (window.before or window.behind) and window != same_window(window.taps, window.stride, 1, self.length):
            found.append(f"layer {self.name!r}: this padding of an average is not supported")
        if self.length and window.taps > MOST_PADDED_TAPS:
            found.append(f"layer {self.name!r}: {too_many_taps(window.taps)}")
        return found

    def padded(self, before: int, behind: int) -> Self:
        """See `WindowOp.padded`; what an operator before this one pads does count."""
        raise UnsupportedModelError([f"layer {self.name!r}: an average that counts padding is not supported"])

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        _, after = super().simulate(contract, values, state[:2])
        counts = np.full((len(values), 1), self.window.taps)
        if self.length:
            ticks = state[2] + np.int32(1)
            counts = steps_inside(ticks, self.window.taps, self.length)
            after = (*after, ticks)
        return _mean(after[0].reshape(len(values), self.window.taps, -1), counts), after

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`: as if all counted."""
        return _mean(taps, np.full((len(taps), 1), self.window.taps))

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """See `PoolOp.from_tflite`."""
        op, source = super().from_tflite(operator, input_tensor), operator.inputs[0]
        assert source is not None
        return cls.on(op.name, op.input, op.window, source.shape[1] * source.shape[2])


def _mean(taps: IntArray, counts: IntArray) -> IntArray:
    """(batch, taps, size) divided by (batch, 1); a count of no steps is of a result that nobody sees."""
    sums, counts = taps.astype(np.int64).sum(axis=1), np.maximum(counts, 1)
    mean: IntArray = (np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)).astype(np.int8)
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
        if window.behind and input_tensor.timesteps is None:
            problems.append("padding='same' needs an input of fixed length: each mean is over the steps inside")
        if window.behind and window.taps > MOST_PADDED_TAPS:
            problems.append(too_many_taps(window.taps))
        return problems

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `PoolLayer.forward`: padding does not count."""
        sums = reduce(np.add, tap_values(self.name, inputs, self.window))
        counts: FloatArray = reduce(np.add, tap_values(self.name, np.ones_like(inputs[:1, :, :1]), self.window))
        return sums / counts

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> AveragePool:
        """Keep the input's scale."""
        return AveragePool.on(self.name, input_tensor, self.window, self.input.timesteps or 0)
