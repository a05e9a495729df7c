"""GlobalAveragePooling1D and GlobalMaxPooling1D: from a sequence to the mean or the largest of all its steps."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    Op,
    Quantization,
    QuantizedTensor,
    Ranges,
    Reduction,
    SourceLayer,
    StateArray,
    Tensor,
    TfliteOperator,
    TfliteTensor,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier, requantize, saturate8
from edgelstm.ops import scales
from edgelstm.ops.sources import option_problems

MOST_STEPS = 1 << 23
"""A mean is over so many first steps at most: then its sums fit 32 bits."""


@dataclass(frozen=True, eq=False)
class GlobalPool(Reduction):
    """A reduction over time; `builtin` stands for it in a .tflite file."""

    builtin: ClassVar[str]

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one operator along the axis of time."""
        axis = TfliteTensor(f"{self.name}/axis", (1,), "int32", data=np.array([1], np.int32))
        source, result = self.input.to_tflite(batch, timesteps), self.output.to_tflite(batch, timesteps)
        return (TfliteOperator(self.builtin, (source, axis), (result,), {"keep_dims": False}, version=2),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from an operator along the axis of time alone."""
        source, axis = operator.inputs[:2]
        output = operator.outputs[0]
        numbers = [] if axis is None or axis.data is None else [int(number) for number in axis.data.ravel()]
        if source is None or numbers not in ([1], [1 - len(source.shape)]) or operator.options["keep_dims"]:
            raise UnsupportedModelError([f"{operator.builtin} {output.name!r}: only along time is supported"])
        return cls(output.name, input_tensor, QuantizedTensor.from_tflite(output, is_sequence=False))


@dataclass(frozen=True, eq=False)
class GlobalMax(GlobalPool):
    """The int8 REDUCE_MAX of TensorFlow Lite."""

    kind: ClassVar[str] = "global_max"
    builtin: ClassVar[str] = "REDUCE_MAX"
    output_state: ClassVar[str] = "largest"

    @property
    def library(self) -> tuple[str, ...]:
        """Its maximum of two."""
        return ("window",)

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The largest values so far."""
        return (StateArray("largest", "int8", self.input.size, -128, self.input.quantization, is_in_tflite=False),)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        largest = np.maximum(state[0], values).astype(np.int8)
        return largest, (largest,)

    def finish(self, contract: Contract, state: tuple[IntArray, ...]) -> IntArray:
        """See `Reduction.finish`."""
        return state[0]


@dataclass(frozen=True)
class MeanFacts:
    """Input scale / output scale, which is divided by the number of steps when the mean is taken."""

    multiplier: Multiplier
    most_steps: int = MOST_STEPS


@dataclass(frozen=True, eq=False)
class GlobalAverage(GlobalPool):
    """The int8 MEAN of TensorFlow Lite, the same in both contracts."""

    kind: ClassVar[str] = "global_average"
    builtin: ClassVar[str] = "MEAN"

    @property
    def library(self) -> tuple[str, ...]:
        """The division of a multiplier."""
        return ("mean",)

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The sums of the stored values, and how many steps they are of."""
        wide = replace(self.input.quantization, dtype="int32")
        return (
            StateArray("sum", "int32", self.input.size, 0, wide, is_in_tflite=False),
            StateArray("count", "int32", 1, 0, Quantization(1.0, 0, "int32"), is_in_tflite=False),
        )

    def facts(self, contract: Contract) -> MeanFacts:
        """See MeanFacts."""
        return MeanFacts(quantize_multiplier(self.input.quantization.scale / self.output.quantization.scale))

    def problems(self, contract: Contract) -> list[str]:
        """Means in steps of the output scale must fit 32 bits."""
        ratio = self.input.quantization.scale / self.output.quantization.scale
        if ratio < 2.0**20:
            return []
        return [f"layer {self.name!r}: its input scale is {ratio:g} times its output scale"]

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        sums, count = state
        is_taken = count < MOST_STEPS
        new = ((sums + np.where(is_taken, values, 0)).astype(np.int32), (count + is_taken).astype(np.int32))
        return self.finish(contract, new), new

    def finish(self, contract: Contract, state: tuple[IntArray, ...]) -> IntArray:
        """See `Reduction.finish`; real 0 before any step."""
        sums, counts = state[0].astype(np.int64), state[1].astype(np.int64)
        multiplier = self.facts(contract).multiplier
        result = np.full(sums.shape, self.output.quantization.zero_point, np.int64)
        for count in np.unique(counts[counts > 0]):
            rows = counts[:, 0] == count
            real = sums[rows] - int(count) * self.input.quantization.zero_point
            result[rows] += requantize(real, divided(multiplier, int(count)))
        return saturate8(result).astype(np.int8)


def divided(multiplier: Multiplier, count: int) -> Multiplier:
    """A multiplier divided by a positive number, as TensorFlow Lite does it: rounded down, to 31 bits where it can be.

    C's `el_divide_multiplier` is its twin.
    """
    shift = min(count.bit_length() - 1, 31 + multiplier.shift)
    return Multiplier((multiplier.mantissa << shift) // count, multiplier.shift - shift)


@dataclass(frozen=True, eq=False)
class GlobalPoolLayer(KerasLayer):
    """A reduction over time in float."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options we do not compile."""
        problems = option_problems(source, {"data_format": "channels_last", "keepdims": False})
        if not input_tensor.is_sequence:
            problems.append("needs a sequence; set return_sequences=True on the layer before it")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        return (cls(source.name, input_tensor, Tensor(source.name, input_tensor.size, is_sequence=False)),)

    @abstractmethod
    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) -> (batch, size)."""


class GlobalMaxLayer(GlobalPoolLayer):
    """Keras' GlobalMaxPooling1D."""

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `GlobalPoolLayer.forward`."""
        largest: FloatArray = inputs.max(axis=1)
        return largest

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Op:
        """Keep the input's scale."""
        output = replace(input_tensor, name=self.output.name, is_sequence=False, timesteps=None)
        return GlobalMax(self.name, input_tensor, output)


class GlobalAverageLayer(GlobalPoolLayer):
    """Keras' GlobalAveragePooling1D. With a mask that leaves out every step Keras yields NaN, ours 0."""

    takes_mask: ClassVar[bool] = True

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `GlobalPoolLayer.forward`."""
        mean: FloatArray = inputs.mean(axis=1)
        return mean

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Op:
        """Means lie closer together than what they are of, and get a scale of their own."""
        observed = scales.output_range(self.output.name, ranges)
        quantization = scales.at_least(observed, input_tensor.quantization.scale * 2.0**-16)
        output = QuantizedTensor(self.output.name, input_tensor.size, is_sequence=False, quantization=quantization)
        return GlobalAverage(self.name, input_tensor, output)
