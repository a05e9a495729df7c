"""LastStep: from a sequence to the vector of its last step. It costs nothing in C: the value already stands there."""

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
from edgelstm.tflite.slices import taken_of

_LAST_STEP_OPTIONS = {"begin_mask": 5, "end_mask": 5, "shrink_axis_mask": 2}


@dataclass(frozen=True, eq=False)
class LastStepLayer(UnaryLayer):
    """Picks the last step; stands for `return_sequences=False`."""

    moves: ClassVar[bool] = True

    takes_mask: ClassVar[bool] = True

    @classmethod
    def after(cls, sequence: Tensor) -> "LastStepLayer":
        """The layer that follows a sequence."""
        name = f"{sequence.name}/last_step"
        return cls(name=name, input=sequence, output=Tensor(name, sequence.size, is_sequence=False))

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) -> (batch, size)."""
        return inputs[:, -1]

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "LastStep":
        """Keep the sequence's scale."""
        return LastStep.of(self.name, input_tensor)


@dataclass(frozen=True, eq=False)
class LastStep(UnaryOp):
    """Ends the loop over time."""

    kind: ClassVar[str] = "last_step"
    is_alias: ClassVar[bool] = True

    @classmethod
    def of(cls, name: str, sequence: QuantizedTensor) -> Self:
        """The op that follows a sequence."""
        output = QuantizedTensor(name, sequence.size, is_sequence=False, quantization=sequence.quantization)
        return cls(name=name, input=sequence, output=output)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Pass the step on."""
        return values, ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a STRIDED_SLICE [:, -1, :]."""
        sequence, last = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        numbers = [
            TfliteTensor(f"{self.name}/{role}", (3,), "int32", data=np.array(values, np.int32))
            for role, values in (("begin", (0, -1, 0)), ("end", (0, 0, 0)), ("strides", (1, 1, 1)))
        ]
        return (TfliteOperator("STRIDED_SLICE", (sequence, *numbers), (last,), _LAST_STEP_OPTIONS, version=2),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a STRIDED_SLICE that takes the last step, in whatever spelling, and nothing else."""
        if not input_tensor.is_sequence or not _takes_last(operator):
            raise UnsupportedModelError([f"STRIDED_SLICE {operator.outputs[0].name!r}: only [:, -1, :] is supported"])
        return cls.of(operator.outputs[0].name, input_tensor)


def _takes_last(operator: TfliteOperator) -> bool:
    """Whether the last index of every axis is taken, and all of the features. (Batch is 1, before or behind time.)"""
    source, taken = operator.inputs[0], taken_of(operator)
    if source is None or not taken or len(source.shape) < 2:
        return False
    return taken == (*(range(size - 1, size) for size in source.shape[:-1]), range(source.shape[-1]))
