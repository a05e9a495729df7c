"""Add and Multiply: two tensors of one size, element by element. More inputs make a chain of them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
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
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, quantize_multiplier, requantize, saturate8
from edgelstm.ops import scales
from edgelstm.ops.sources import LARGEST_SIZE

MOST_INPUTS = 64
"""Tensors that one layer may merge."""

ADD_LEFT_SHIFT = 20
"""Bits by which TFLite widens both inputs of an addition before it scales them."""


def merge_problems(inputs: Sequence[Tensor], *, same_size: bool) -> list[str]:
    """A line for each reason why tensors cannot be merged."""
    if not 2 <= len(inputs) <= MOST_INPUTS:
        return [f"has {len(inputs)} inputs; 2 to {MOST_INPUTS} are supported"]
    problems = []
    if len({tensor.is_sequence for tensor in inputs}) > 1:
        problems.append("merges a sequence with a single vector; repeat the vector or take the sequence's last step")
    lengths = {tensor.timesteps for tensor in inputs if tensor.is_sequence} - {None}
    if len(lengths) > 1:
        problems.append(f"merges sequences of {' and '.join(map(str, sorted(filter(None, lengths))))} time steps")
    sizes = [tensor.size for tensor in inputs]
    if sum(sizes) > LARGEST_SIZE and not same_size:
        problems.append(f"makes {sum(sizes)} features of its inputs, more than {LARGEST_SIZE}")
    if same_size and len({tensor.channels for tensor in inputs}) > 1:
        problems.append("merges images of different shapes, or an image with what is none")
    elif same_size and len(set(sizes)) > 1:
        problems.append(f"merges tensors of {', '.join(map(str, sizes))} values; only equal sizes are supported")
    return problems


def require_mergeable(operator: TfliteOperator, inputs: Sequence[Tensor], *, same_size: bool) -> None:
    """Raise UnsupportedModelError unless an operator's inputs can be merged; `check_tflite` has seen their shapes."""
    problems = merge_problems(inputs, same_size=same_size)
    if problems:
        name = operator.outputs[0].name
        raise UnsupportedModelError([f"{operator.builtin} {name!r}: {problem}" for problem in problems])


@dataclass(frozen=True, eq=False)
class _Merge(Op):
    """Two int8 tensors to one, element by element."""

    builtin: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = MappingProxyType({"fused_activation_function": "NONE"})

    other: QuantizedTensor

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """Both."""
        return self.input, self.other

    @abstractmethod
    def combine(self, contract: Contract, one: Int64Array, other: Int64Array) -> Int64Array:
        """Values relative to their zero points to those of the result, not clamped."""

    def step(
        self, contract: Contract, values: tuple[IntArray, ...], state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        one, other = (
            stored.astype(np.int64) - tensor.quantization.zero_point
            for stored, tensor in zip(values, self.inputs, strict=True)
        )
        merged = self.combine(contract, one, other) + self.output.quantization.zero_point
        return saturate8(merged).astype(np.int8), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """One builtin operator."""
        sources = tuple(tensor.to_tflite(batch, timesteps) for tensor in self.inputs)
        result = self.output.to_tflite(batch, timesteps)
        return (TfliteOperator(self.builtin, sources, (result,), dict(self.options), version=2),)

    @classmethod
    def read_tflite(cls, operator: TfliteOperator, inputs: tuple[QuantizedTensor, ...]) -> Self:
        """See `Op.read_tflite`."""
        require_mergeable(operator, inputs, same_size=True)
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=inputs[0].is_sequence)
        return cls(output.name, inputs[0], output, inputs[1])


@dataclass(frozen=True)
class AddFacts:
    """The factors of an addition: of each input to twice the larger input scale, and from that to the output's."""

    one: Multiplier
    other: Multiplier
    result: Multiplier
    left_shift: int = ADD_LEFT_SHIFT


@dataclass(frozen=True, eq=False)
class Add(_Merge):
    """The int8 ADD of TensorFlow Lite, the same in both contracts."""

    kind: ClassVar[str] = "add"
    builtin: ClassVar[str] = "ADD"
    options: ClassVar[Mapping[str, object]] = MappingProxyType(
        {"fused_activation_function": "NONE", "pot_scale_int16": False}
    )

    def facts(self, contract: Contract) -> AddFacts:
        """See AddFacts."""
        one, other = (tensor.quantization.scale for tensor in self.inputs)
        reference = 2.0 * max(one, other)
        result = reference / (2.0**ADD_LEFT_SHIFT * self.output.quantization.scale)
        return AddFacts(
            quantize_multiplier(one / reference), quantize_multiplier(other / reference), quantize_multiplier(result)
        )

    def problems(self, contract: Contract) -> list[str]:
        """The runtimes take an output scale that is not 2^19 times finer than the inputs'."""
        if self.facts(contract).result.shift <= 0:
            return []
        return [f"layer {self.name!r}: output scale {self.output.quantization.scale:g} is absurdly small"]

    def combine(self, contract: Contract, one: Int64Array, other: Int64Array) -> Int64Array:
        """See `_Merge.combine`."""
        facts = self.facts(contract)
        left = requantize(one << ADD_LEFT_SHIFT, facts.one) + requantize(other << ADD_LEFT_SHIFT, facts.other)
        return requantize(left, facts.result)


@dataclass(frozen=True)
class MultiplyFacts:
    """The factor of a product: of the input scales to the output's."""

    result: Multiplier


@dataclass(frozen=True, eq=False)
class Multiply(_Merge):
    """The int8 MUL of TensorFlow Lite."""

    kind: ClassVar[str] = "multiply"
    builtin: ClassVar[str] = "MUL"

    def facts(self, contract: Contract) -> MultiplyFacts:
        """LiteRT computes the factor in float32, TensorFlow Lite Micro in float64."""
        one, other = (tensor.quantization.scale for tensor in self.inputs)
        result = self.output.quantization.scale
        if contract is Contract.TFLM:
            return MultiplyFacts(quantize_multiplier(one * other / result))
        return MultiplyFacts(quantize_multiplier(scales.float32(scales.float32(one * other) / result)))

    def problems(self, contract: Contract) -> list[str]:
        """A product of 16 bits must not be shifted out of 32."""
        one, other = (tensor.quantization.scale for tensor in self.inputs)
        if one * other / self.output.quantization.scale < 2.0**13:
            return []
        return [f"layer {self.name!r}: output scale {self.output.quantization.scale:g} is absurdly small"]

    def combine(self, contract: Contract, one: Int64Array, other: Int64Array) -> Int64Array:
        """See `_Merge.combine`."""
        return requantize(one * other, self.facts(contract).result)


@dataclass(frozen=True, eq=False)
class MergeLayer(Layer):
    """Two tensors of one size to one. `op` is the class of its integer op."""

    takes_mask: ClassVar[bool] = True
    reads_images: ClassVar[bool] = True

    op: ClassVar[type[_Merge]]

    other: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Both."""
        return self.input, self.other

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> Self:
        """See `Layer.with_inputs`."""
        return replace(self, input=inputs[0], other=inputs[1])

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        return merge_problems(inputs, same_size=True)

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """One layer for each input after the first."""
        layers: list[MergeLayer] = []
        current = inputs[0]
        for index, other in enumerate(inputs[1:], 2):
            name = source.name if index == len(inputs) else f"{source.name}/of_{index}"
            result = Tensor(name, current.size, current.is_sequence, channels=current.channels)
            layers.append(cls(name, current, result, other))
            current = result
        return tuple(layers)

    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> Op:
        """See `Layer.to_op`."""
        output = self.output
        quantization = scales.output_range(output.name, ranges)
        result = QuantizedTensor(output.name, output.size, output.is_sequence, quantization)
        return self.op(self.name, inputs[0], result, inputs[1])


class AddLayer(MergeLayer):
    """Keras' Add."""

    op: ClassVar[type[_Merge]] = Add

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `Layer.compute`."""
        return inputs[0] + inputs[1]


class MultiplyLayer(MergeLayer):
    """Keras' Multiply."""

    op: ClassVar[type[_Merge]] = Multiply

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `Layer.compute`."""
        return inputs[0] * inputs[1]
