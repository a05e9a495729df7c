"""Unflatten: a vector as the steps of a sequence, one behind the other."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    FloatArray,
    IntArray,
    Observe,
    QuantizedTensor,
    Ranges,
    Tensor,
    TfliteOperator,
    UnaryLayer,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.reshape import reshape


def held_name(name: str) -> str:
    """Of the sequence in an input that is given whole."""
    return f"{name}/steps"


@dataclass(frozen=True, eq=False)
class UnflattenLayer(UnaryLayer):
    """Takes a vector apart."""

    moves: ClassVar[bool] = True

    @classmethod
    def of(cls, name: str, vector: Tensor, timesteps: int, channels: int = 0) -> Self:
        """The layer that makes a sequence of that length; with channels, of rows of an image."""
        output = Tensor(name, vector.size // timesteps, is_sequence=True, timesteps=timesteps, channels=channels)
        return cls(name, vector, replace(output, vocabulary=vector.vocabulary))

    @classmethod
    def of_held(cls, vector: Tensor) -> Self:
        """The layer behind an input that holds a whole sequence."""
        return cls.of(held_name(vector.name), vector, vector.timesteps or 1, vector.channels)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time * size) -> (batch, time, size)."""
        return inputs.reshape(len(inputs), -1, self.output.size)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Unflatten":
        """Keep the vector's scale."""
        return Unflatten.of(self.name, input_tensor, self.input.size // self.output.size)


@dataclass(frozen=True, eq=False)
class Unflatten(UnaryOp):
    """RESHAPE of TensorFlow Lite. It costs nothing in C, which looks each step up where the vector stands."""

    kind: ClassVar[str] = "unflatten"
    is_alias: ClassVar[bool] = True
    reads_ids: ClassVar[bool] = True

    @classmethod
    def of(cls, name: str, vector: QuantizedTensor, timesteps: int) -> Self:
        """The op that makes a sequence of that length."""
        output = replace(vector, name=name, size=vector.size // timesteps, is_sequence=True, timesteps=None)
        return cls(name=name, input=vector, output=output)

    @classmethod
    def of_held(cls, vector: QuantizedTensor) -> Self:
        """The op behind an input that holds a whole sequence."""
        return cls.of(held_name(vector.name), vector, vector.timesteps or 1)

    @property
    def repeats(self) -> int:
        """See `Op.repeats`."""
        return self.input.size // self.output.size

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """All steps of the vector (batch, time * size): (batch, time, size)."""
        return np.reshape(values, (len(values), -1, self.output.size)), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a RESHAPE; of an input that holds a sequence, to the shape that it has."""
        return (reshape(self.input.to_tflite(batch, 1), self.output.to_tflite(batch, self.repeats)),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a RESHAPE of a vector to (1, time, size)."""
        output = operator.outputs[0]
        return cls.of(output.name, input_tensor, output.shape[1])
