"""Masking: steps that do not count. What stands behind leaves its state as it is, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from edgelstm.ir import (
    BoolArray,
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    Pace,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.affine import AffineLayer, Float64Array

_ROUNDING = 2.0**-21
"""By how much a sum may be off in float32, relative to its terms: less than eight times half a unit in the last place,
for factors, offsets, products and sums, here and in Keras."""

_LARGEST = 2.0**100
"""Of a mask's value: beyond, no sensor's number is, nor a float32's square."""


@dataclass(frozen=True, eq=False)
class MaskingLayer(KerasLayer):
    """Leaves out each step of which all features have the value of the mask.

    Attributes:
        value: of the mask.
        tolerance: by how much a feature that is the value in Keras may differ from it here, (size,) or one for all.
    """

    takes_mask: ClassVar[bool] = True

    value: float
    tolerance: Float64Array = field(default_factory=lambda: np.zeros(1))

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """A vector has no steps, and the value must be a number."""
        value: Any = source.config.get("mask_value", 0.0)
        problems = [] if input_tensor.is_sequence else ["masks a single vector, which has no steps"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
            problems.append(f"mask_value={str(value)[:20]!r} is not a number")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        return (cls.of(input_tensor, source.name, float(source.config.get("mask_value", 0.0))),)

    @classmethod
    def of(cls, sequence: Tensor, name: str, value: float) -> "MaskingLayer":
        """The layer that leaves out steps of a sequence."""
        return cls(name, sequence, Tensor(name, sequence.size, is_sequence=True), value)

    def mask(self, inputs: tuple[FloatArray, ...]) -> BoolArray:
        """See `Layer.mask`."""
        distance = np.abs(inputs[0].astype(np.float64) - np.float32(self.value))
        counts: BoolArray = ~(distance <= self.tolerance).all(axis=-1)
        return counts

    def behind(self, affine: Sequence[AffineLayer]) -> "MaskingLayer":
        """The layer on what one affine layer yields after the other, the last first in `affine`.

        Where Keras takes the mean from x and divides then, x that is the mean yields 0; factor * x + offset, which is
        what we compute, yields the rounding error of its terms.
        """
        value, reach, tolerance = np.full(1, self.value), np.ones(1), self.tolerance
        with np.errstate(all="ignore"):
            for layer in affine:
                terms = np.abs(layer.offset) + np.abs(value)
                tolerance = tolerance + reach * terms * _ROUNDING
                reach = reach * np.abs(layer.factor)
                value = np.where(layer.factor == 0.0, 0.0, (value - layer.offset) / layer.factor)
        return replace(self, tolerance=np.where(np.isfinite(tolerance), tolerance, 0.0))

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, size) as it is; the mask travels beside it."""
        return inputs

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Masking":
        """The stored integer that is nearest to the value."""
        quantization = input_tensor.quantization
        limits = np.iinfo(quantization.dtype)
        stored = round(self.value / quantization.scale) + quantization.zero_point
        return Masking.of(self.name, input_tensor, max(int(limits.min), min(int(limits.max), stored)))


@dataclass(frozen=True, eq=False)
class Masking(UnaryOp):
    """The integer Masking: compares stored values.

    Attributes:
        value: what all features of a masked step are, stored.
    """

    kind: ClassVar[str] = "masking"

    value: int

    @classmethod
    def of(cls, name: str, sequence: QuantizedTensor, value: int) -> Self:
        """The op that leaves out steps of a sequence."""
        output = QuantizedTensor(name, sequence.size, is_sequence=True, quantization=sequence.quantization)
        return cls(name=name, input=sequence, output=output, value=value)

    @property
    def is_native(self) -> bool:
        """A .tflite has no masks."""
        return True

    @property
    def pace(self) -> Pace:
        """It yields where values say so."""
        return Pace(name=self.name)

    def yields(self, values: tuple[IntArray, ...], state: tuple[IntArray, ...]) -> BoolArray:
        """See `Op.yields`."""
        counts: BoolArray = (values[0] != self.value).any(axis=-1)
        return counts

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Pass the step on."""
        return values, ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a custom operator: no official interpreter runs it."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        return (TfliteOperator("CUSTOM:edgelstm.masking", (source,), (result,), {"value": self.value}),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the custom operator that `check_tflite` accepts."""
        return cls.of(operator.outputs[0].name, input_tensor, int(operator.options["value"]))
