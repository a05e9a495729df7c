"""Requantize: from int8 to int16 and back, or to another scale, where layers of both kinds meet."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import IntArray, Quantization, QuantizedTensor, Ranges, TfliteOperator, UnaryOp
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier, requantize
from edgelstm.ops import scales

_LARGEST_SHIFTS = {"int8": 21, "int16": 13}
"""With which a value's distance from its zero point stays below 2^30."""


@dataclass(frozen=True, eq=False)
class Requantize(UnaryOp):
    """The same values in another scale; TFLite's QUANTIZE, in the kernels of TensorFlow Lite Micro."""

    kind: ClassVar[str] = "requantize"
    needs_tflm: ClassVar[bool] = True

    @classmethod
    def to_int16(cls, tensor: QuantizedTensor) -> Self:
        """From int8: exactly, because a value less its zero point has 9 bits."""
        step = tensor.quantization.scale / scales.WIDEST_INT8_STEP
        return cls.to(tensor, Quantization(step, 0, "int16"), "int16")

    @classmethod
    def to_int8(cls, tensor: QuantizedTensor, ranges: Ranges) -> Self:
        """From int16, whose range was observed."""
        return cls.to(tensor, scales.output_range(tensor.name, ranges), "int8")

    @classmethod
    def to(cls, tensor: QuantizedTensor, quantization: Quantization, ending: str) -> Self:
        """To a scale of one's choice; `ending` stands behind the tensor's name."""
        output = replace(tensor, name=f"{tensor.name}/{ending}", quantization=quantization, scaling=None)
        return cls(output.name, tensor, output)

    def named(self, name: str) -> Self:
        """The same op with another name."""
        return replace(self, name=name, output=replace(self.output, name=name))

    def facts(self, contract: Contract) -> Multiplier:
        """Input scale / output scale."""
        return quantize_multiplier(self.input.quantization.scale / self.output.quantization.scale)

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest stored value of the output."""
        found = np.iinfo(self.output.quantization.dtype)
        return int(found.min), int(found.max)

    def problems(self, contract: Contract) -> list[str]:
        """32 bits must hold all that is computed on the way."""
        shift = self.facts(contract).shift
        if shift <= _LARGEST_SHIFTS[self.input.quantization.dtype]:
            return []
        return [f"layer {self.name!r}: its scale is 2^{shift - 1} times finer than that of its input, or more"]

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        distances = values.astype(np.int64) - self.input.quantization.zero_point
        scaled = requantize(distances, self.facts(contract)) + self.output.quantization.zero_point
        return np.clip(scaled, *self.limits).astype(self.output.quantization.dtype), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one QUANTIZE."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        return (TfliteOperator("QUANTIZE", (source,), (result,), version=3),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a QUANTIZE of integers."""
        if len(operator.outputs[0].scales) != 1 or input_tensor.vocabulary:
            raise UnsupportedModelError([f"QUANTIZE {operator.outputs[0].name!r}: only of integers with one scale"])
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=input_tensor.is_sequence)
        output = replace(output, size=input_tensor.size, channels=input_tensor.channels)
        return cls(output.name, input_tensor, output)
