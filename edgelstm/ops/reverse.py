"""Reverse: a sequence from its end. Stands for `go_backwards` and for the backward half of Bidirectional."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    FloatArray,
    IntArray,
    Observe,
    QuantizedTensor,
    Ranges,
    Tensor,
    TfliteOperator,
    TfliteTensor,
    UnaryLayer,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract

_TIME_AXIS = (1, -2)


@dataclass(frozen=True, eq=False)
class ReverseLayer(UnaryLayer):
    """The last step first."""

    moves: ClassVar[bool] = True

    takes_mask: ClassVar[bool] = True

    @classmethod
    def of(cls, sequence: Tensor, name: str) -> "ReverseLayer":
        """The layer that turns a sequence around."""
        return cls(name, sequence, Tensor(name, sequence.size, is_sequence=True, timesteps=sequence.timesteps))

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) -> (batch, time, size)."""
        return inputs[:, ::-1]

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Reverse":
        """Keep the sequence's scale."""
        return Reverse.of(self.name, input_tensor)


@dataclass(frozen=True, eq=False)
class Reverse(UnaryOp):
    """REVERSE_V2 of TensorFlow Lite along time. It costs nothing in C, which reads the stored sequence backwards."""

    kind: ClassVar[str] = "reverse"
    is_alias: ClassVar[bool] = True
    needs_whole_input: ClassVar[bool] = True

    @classmethod
    def of(cls, name: str, sequence: QuantizedTensor) -> Self:
        """The op that turns a sequence around."""
        output = QuantizedTensor(name, sequence.size, is_sequence=True, quantization=sequence.quantization)
        return cls(name=name, input=sequence, output=output)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Pass an element on; which one it is, the schedule says."""
        return values, ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """See the class."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        axis = TfliteTensor(f"{self.name}/axis", (1,), "int32", data=np.array([1], np.int32))
        return (TfliteOperator("REVERSE_V2", (source, axis), (result,), version=3),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a REVERSE_V2 along time."""
        axis = operator.inputs[1].data if len(operator.inputs) == 2 and operator.inputs[1] is not None else None
        name = operator.outputs[0].name
        if axis is None or axis.size != 1 or int(axis.ravel()[0]) not in _TIME_AXIS or not input_tensor.is_sequence:
            raise UnsupportedModelError([f"REVERSE_V2 {name!r}: only a sequence along its time axis is supported"])
        # TensorFlow's converter may give the result another scale; the bytes are moved all the same.
        return cls(name, input_tensor, QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True))
