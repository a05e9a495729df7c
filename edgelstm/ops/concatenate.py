"""Concatenate: several tensors one behind the other, brought to one scale."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    FloatArray,
    IntArray,
    Layer,
    Observe,
    Op,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier, requantize, saturate8
from edgelstm.ops import scales
from edgelstm.ops.merge import merge_problems, require_mergeable
from edgelstm.ops.requantize import Requantize


@dataclass(frozen=True, eq=False)
class ConcatenateLayer(Layer):
    """Joins tensors along their features."""

    takes_mask: ClassVar[bool] = True

    others: tuple[Tensor, ...]

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All of them, in order."""
        return self.input, *self.others

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> Self:
        """See `Layer.with_inputs`."""
        return replace(self, input=inputs[0], others=inputs[1:])

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        axis = source.config.get("axis", -1)
        last = (-1, 2 if inputs and inputs[0].is_sequence else 1)
        problems = [] if axis in last else [f"axis={str(axis)[:20]} is not supported, only the last"]
        return problems + merge_problems(inputs, same_size=False)

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        output = Tensor(source.name, sum(tensor.size for tensor in inputs), inputs[0].is_sequence)
        return (cls(source.name, inputs[0], output, inputs[1:]),)

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `Layer.compute`."""
        return np.concatenate(inputs, axis=-1)

    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> Op:
        """Keep the scale where all inputs share one."""
        kept = inputs[0].quantization if len({tensor.quantization for tensor in inputs}) == 1 else None
        quantization = kept or scales.output_range(self.output.name, ranges)
        output = QuantizedTensor(self.output.name, self.output.size, self.output.is_sequence, quantization)
        return Concatenate(self.name, inputs[0], output, inputs[1:])

    @property
    def has_int16(self) -> bool:
        """See `Layer.has_int16`."""
        return True

    def to_ops16(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """See `Layer.to_ops16`: what has another scale is requantized by an op of its own."""
        common = {tensor.quantization for tensor in inputs}
        quantization = common.pop() if len(common) == 1 else scales.output_range16(self.output.name, ranges)
        before = {
            tensor.name: Requantize.to(tensor, quantization, f"for_{self.name}")
            for tensor in inputs
            if tensor.quantization != quantization
        }
        parts = tuple(before[tensor.name].output if tensor.name in before else tensor for tensor in inputs)
        output = QuantizedTensor(self.output.name, self.output.size, self.output.is_sequence, quantization)
        return *before.values(), Concatenate(self.name, parts[0], output, parts[1:])


@dataclass(frozen=True)
class Part:
    """One input's place in the result; `multiplier` is None where it is copied as it is."""

    size: int
    start: int
    zero_point: int
    multiplier: Multiplier | None


@dataclass(frozen=True, eq=False)
class Concatenate(Op):
    """CONCATENATION of TensorFlow Lite behind a QUANTIZE for each input of another scale."""

    kind: ClassVar[str] = "concatenate"

    others: tuple[QuantizedTensor, ...]

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """All of them, in order."""
        return self.input, *self.others

    def facts(self, contract: Contract) -> tuple[Part, ...]:
        """Where each input goes, and its factor to the output's scale."""
        result = self.output.quantization
        starts = np.cumsum([0, *(tensor.size for tensor in self.inputs)])
        return tuple(
            Part(
                tensor.size,
                int(start),
                tensor.quantization.zero_point,
                None
                if tensor.quantization == result
                else quantize_multiplier(tensor.quantization.scale / result.scale),
            )
            for tensor, start in zip(self.inputs, starts, strict=False)
        )

    def problems(self, contract: Contract) -> list[str]:
        """8 bits must not be shifted out of 32."""
        return [
            f"layer {self.name!r}: output scale {self.output.quantization.scale:g} is absurdly small"
            for part in self.facts(contract)
            if part.multiplier is not None and part.multiplier.shift > 21
        ][:1]

    def step(
        self, contract: Contract, values: tuple[IntArray, ...], state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        parts = []
        for stored, part in zip(values, self.facts(contract), strict=True):
            if part.multiplier is None:
                parts.append(stored)
                continue
            scaled = requantize(stored.astype(np.int64) - part.zero_point, part.multiplier)
            parts.append(saturate8(scaled + self.output.quantization.zero_point).astype(np.int8))
        return np.concatenate(parts, axis=-1), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """See the class."""
        operators: list[TfliteOperator] = []
        sources = []
        for index, tensor in enumerate(self.inputs):
            source = tensor.to_tflite(batch, timesteps)
            if tensor.quantization != self.output.quantization:
                scaled = replace(tensor, name=f"{self.name}/input_{index}", quantization=self.output.quantization)
                operators.append(TfliteOperator("QUANTIZE", (source,), (scaled.to_tflite(batch, timesteps),)))
                source = operators[-1].outputs[0]
            sources.append(source)
        result = self.output.to_tflite(batch, timesteps)
        options = {"axis": len(result.shape) - 1, "fused_activation_function": "NONE"}
        return (*operators, TfliteOperator("CONCATENATION", tuple(sources), (result,), options, version=2))

    @classmethod
    def read_tflite(cls, operator: TfliteOperator, inputs: tuple[QuantizedTensor, ...]) -> Self:
        """See `Op.read_tflite`."""
        require_mergeable(operator, inputs, same_size=False)
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=inputs[0].is_sequence)
        return cls(output.name, inputs[0], output, inputs[1:])
