"""RepeatVector: a vector as every step of a sequence, as a decoder needs it."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
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
    TfliteTensor,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.sources import LARGEST_SIZE, integer


@dataclass(frozen=True, eq=False)
class RepeatVectorLayer(KerasLayer):
    """The vector again and again."""

    moves: ClassVar[bool] = True

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Its input is a vector."""
        integer(source, "n")
        return ["repeats a sequence; only a vector can be repeated"] if input_tensor.is_sequence else []

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        output = Tensor(source.name, input_tensor.size, is_sequence=True, timesteps=integer(source, "n"))
        return (cls(source.name, input_tensor, output),)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, size) -> (batch, n, size)."""
        return np.repeat(inputs[:, None], self.output.timesteps or 1, axis=1)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "RepeatVector":
        """Keep the vector's scale."""
        return RepeatVector.of(self.name, input_tensor, self.output.timesteps or 1)


@dataclass(frozen=True, eq=False)
class RepeatVector(UnaryOp):
    """BROADCAST_TO of TensorFlow Lite. It costs nothing in C, which reads the one vector at every step."""

    kind: ClassVar[str] = "repeat_vector"
    is_alias: ClassVar[bool] = True

    count: int

    @classmethod
    def of(cls, name: str, vector: QuantizedTensor, count: int) -> Self:
        """The op that repeats a vector."""
        output = QuantizedTensor(name, vector.size, is_sequence=True, quantization=vector.quantization)
        return cls(name=name, input=vector, output=output, count=count)

    @property
    def repeats(self) -> int:
        """See `Op.repeats`."""
        return self.count

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Pass the vector on."""
        return values, ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a RESHAPE to one step and a BROADCAST_TO all of them."""
        source, result = self.input.to_tflite(batch, 1), self.output.to_tflite(batch, self.count)
        step = QuantizedTensor(f"{self.name}/step", self.input.size, True, self.input.quantization).to_tflite(batch, 1)
        shapes = [
            TfliteTensor(f"{tensor.name}/shape", (3,), "int32", data=np.array(tensor.shape, np.int32))
            for tensor in (step, result)
        ]
        return (
            TfliteOperator("RESHAPE", (source, shapes[0]), (step,), {"new_shape": list(step.shape)}),
            TfliteOperator("BROADCAST_TO", (step, shapes[1]), (result,), version=3),
        )

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a BROADCAST_TO of a vector that a RESHAPE made one step."""
        output = operator.outputs[0]
        if input_tensor.is_sequence or not _is_sequence(output.shape):
            what = f"only a vector along at most {LARGEST_SIZE} steps of time is supported"
            raise UnsupportedModelError([f"BROADCAST_TO {output.name!r}: {what}"])
        return cls.of(output.name, input_tensor, output.shape[1])


def _is_sequence(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[0] == 1 and 1 <= shape[1] <= LARGEST_SIZE
