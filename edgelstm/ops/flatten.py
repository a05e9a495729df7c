"""Flatten: all steps of a sequence side by side, as one vector."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from edgelstm.ir import (
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
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
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.reshape import reshape
from edgelstm.ops.sources import LARGEST_SIZE, option_problems


@dataclass(frozen=True, eq=False)
class FlattenLayer(KerasLayer):
    """A sequence of a fixed length as a vector. Where it is shorter the rest is 0, where it is longer none is taken."""

    reads_images: ClassVar[bool] = True

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """The length must be known, and the vector one that fits a chip."""
        problems = option_problems(source, {"data_format": "channels_last"})
        return problems + _size_problems(input_tensor)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; none for what is a vector already."""
        if not input_tensor.is_sequence:
            return ()
        if input_tensor.timesteps == 1:
            return (LastStepLayer.after(input_tensor),)
        size = (input_tensor.timesteps or 1) * input_tensor.size
        return (cls(source.name, input_tensor, Tensor(source.name, size, is_sequence=False)),)

    @classmethod
    def view(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> Tensor:
        """See `Layer.view`: a vector that was a row of an image is one no more."""
        return replace(inputs[0], channels=0)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) -> (batch, time * size)."""
        timesteps = self.output.size // self.input.size
        missing = max(0, timesteps - inputs.shape[1])
        whole = np.pad(inputs[:, :timesteps], ((0, 0), (0, missing), (0, 0)))
        return whole.reshape(len(inputs), -1)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Flatten":
        """Keep the sequence's scale."""
        return Flatten.of(self.name, input_tensor, self.output.size // self.input.size)


class ReshapeLayer(FlattenLayer):
    """Keras' Reshape, where it is a Flatten, or leaves time alone: then it says what the values of a step are."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Shapes that mix time with features, or make a sequence of a vector."""
        found: Any = source.config.get("target_shape")
        timesteps = input_tensor.timesteps or 1 if input_tensor.is_sequence else 1
        if isinstance(found, list | tuple) and list(found) in ([-1], [timesteps * input_tensor.size]):
            return _size_problems(input_tensor)
        if _step_shape(found, input_tensor) is None:
            wanted = f"[-1] (a single vector){_STEP_SHAPES if input_tensor.is_sequence else ''}"
            return [f"target_shape={str(found)[:40]} is not supported, only {wanted}"]
        return []

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; none where time stays."""
        if _step_shape(source.config.get("target_shape"), input_tensor) is not None:
            return ()
        return super().from_keras(source, input_tensor)

    @classmethod
    def view(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> Tensor:
        """See `Layer.view`."""
        shape = _step_shape(source.config.get("target_shape"), inputs[0]) or (0,)
        return replace(inputs[0], channels=shape[1] if len(shape) == 2 else 0)


_STEP_SHAPES = ", [time, features] and [time, features, channels] with the time steps and values a step that there are"


def _step_shape(target: Any, tensor: Tensor) -> tuple[int, ...] | None:
    """The shape of a step in a `target_shape` that keeps the time steps; None where it is none."""
    is_shape = isinstance(target, list | tuple) and len(target) in (2, 3) and all(type(size) is int for size in target)
    if not is_shape or not tensor.is_sequence:
        return None
    time, *shape = target
    known = math.prod(size for size in shape if size != -1)
    sizes = [tensor.size // max(1, known) if size == -1 else size for size in shape]
    keeps_time = time == tensor.timesteps or (time == -1 and -1 not in shape)
    is_whole = shape.count(-1) <= 1 and min(sizes) > 0 and math.prod(sizes) == tensor.size
    # Keras takes a size of -1 from the number of all values, so that only a known number of steps settles it.
    return tuple(sizes) if keeps_time and is_whole else None


def _size_problems(input_tensor: Tensor) -> list[str]:
    if not input_tensor.is_sequence:
        return []
    if input_tensor.timesteps is None:
        return ["needs an input of fixed length; give the model's input its number of time steps"]
    size = input_tensor.timesteps * input_tensor.size
    return [f"makes a vector of {size} values, more than {LARGEST_SIZE}"] if size > LARGEST_SIZE else []


@dataclass(frozen=True, eq=False)
class Flatten(Reduction):
    """Keeps each step where it belongs in the vector."""

    kind: ClassVar[str] = "flatten"
    output_state: ClassVar[str] = "values"

    @classmethod
    def of(cls, name: str, sequence: QuantizedTensor, timesteps: int) -> Self:
        """The op on a sequence of that length."""
        output = replace(sequence, name=name, size=timesteps * sequence.size, is_sequence=False, timesteps=None)
        return cls(name, sequence, output)

    @property
    def timesteps(self) -> int:
        """How many steps there is room for."""
        return self.output.size // self.input.size

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The vector, and how many steps are in it."""
        quantization = self.output.quantization
        return (
            StateArray("values", "int8", self.output.size, quantization.zero_point, quantization, is_in_tflite=False),
            StateArray("count", "int32", 1, 0, Quantization(1.0, 0, "int32"), is_in_tflite=False),
        )

    def problems(self, contract: Contract) -> list[str]:
        """The vector must fit a chip."""
        if self.output.size <= LARGEST_SIZE:
            return []
        return [f"layer {self.name!r}: makes a vector of {self.output.size} values, more than {LARGEST_SIZE}"]

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        vector, count = state[0].copy(), state[1]
        rows = np.flatnonzero(count[:, 0] < self.timesteps)
        vector.reshape(len(vector), self.timesteps, -1)[rows, count[rows, 0]] = values[rows]
        return vector, (vector, np.minimum(count + 1, self.timesteps).astype(np.int32))

    def finish(self, contract: Contract, state: tuple[IntArray, ...]) -> IntArray:
        """See `Reduction.finish`."""
        return state[0]

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a RESHAPE, behind a PAD where the sequence is shorter."""
        source, result = self.input.to_tflite(batch, timesteps), self.output.to_tflite(batch, timesteps)
        missing = self.timesteps - timesteps
        if missing <= 0:
            return (reshape(source, result),)
        whole = replace(source, name=f"{self.name}/whole", shape=(batch, self.timesteps, self.input.size))
        widths = np.array([(0, 0), (0, missing), (0, 0)], np.int32)
        constant = TfliteTensor(f"{self.name}/widths", widths.shape, "int32", data=widths)
        return TfliteOperator("PAD", (source, constant), (whole,), version=2), reshape(whole, result)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a RESHAPE of a whole sequence to a vector."""
        output = operator.outputs[0]
        return cls.of(output.name, input_tensor, output.shape[-1] // input_tensor.size)
