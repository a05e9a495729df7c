"""Flatten: all steps of a sequence side by side, as one vector."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

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

    moves: ClassVar[bool] = True

    reads_images: ClassVar[bool] = True

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """The length must be known, and the vector one that fits a chip."""
        problems = option_problems(source, {"data_format": "channels_last"})
        return problems + size_problems(input_tensor)

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


def size_problems(input_tensor: Tensor) -> list[str]:
    """Why all steps of a tensor side by side are no vector for a chip."""
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
            StateArray(
                "values",
                quantization.dtype,
                self.output.size,
                quantization.zero_point,
                quantization,
                is_in_tflite=False,
            ),
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
