"""A matrix of a recurrent layer in the `native` contract: int8 rows with a scale each, and what their sums become."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, IntArray, Matrix, Quantization, TfliteTensor
from edgelstm.numerics.fixedpoint import Int64Array, RowMultipliers
from edgelstm.ops import scales

ROW_GROUP = 4
"""C works on the rows of 4 units at once."""

_SMALLEST_OF_LARGEST = 2.0**-8
"""No row's scale is below this part of the largest: with one shift for all rows, 16 bits remain of its mantissa."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Rows of weights that meet one vector. `bits` is what a weight takes.

    Attributes:
        weights: int8 (rows, columns) in -127..127.
        scales: (rows,), real weight = scale * stored; float32 values.
        bias: int32 (rows,), in steps of value scale * row scale.
        value: scale and zero point of the vector.
        result_scale: of the requantized sums.
    """

    bits: ClassVar[int] = 8

    weights: AnyArray
    scales: tuple[float, ...]
    bias: AnyArray
    value: Quantization
    result_scale: float

    @classmethod
    def of(cls, weights: FloatArray, bias: FloatArray, value: Quantization, result_scale: float) -> "Projection":
        """Round float weights (rows, columns) and bias (rows,)."""
        own = [scales.symmetric_scale(row, start, value.scale) for row, start in zip(weights, bias, strict=True)]
        floor = scales.float32(max(own) * _SMALLEST_OF_LARGEST)
        per_row = np.maximum(own, floor)
        return cls(
            weights=scales.round_weights(weights, per_row[:, None]),
            scales=tuple(float(scale) for scale in per_row),
            bias=scales.round_bias(bias, per_row * value.scale),
            value=value,
            result_scale=result_scale,
        )

    @cached_property
    def folded_bias(self) -> Int64Array:
        """What a row's sum starts from: the bias, less zero point * sum of the row."""
        folded: Int64Array = self.bias.astype(np.int64) - self.value.zero_point * self.weights.astype(np.int64).sum(
            axis=1
        )
        return folded

    @cached_property
    def multipliers(self) -> RowMultipliers:
        """Value scale * row scale / result scale of each row."""
        return RowMultipliers.of(np.array(self.scales) * (self.value.scale / self.result_scale))

    def apply(self, values: IntArray) -> Int64Array:
        """Stored values (batch, columns) to requantized sums (batch, rows), which may exceed 16 bits."""
        product = values.astype(np.float64) @ self.weights.T.astype(np.float64)
        return self.scaled(np.rint(product).astype(np.int64) + self.folded_bias)

    def scaled(self, sums: Int64Array) -> Int64Array:
        """Sums (..., rows) in steps of the result scale."""
        return self.multipliers.requantize(sums)

    @property
    def reach(self) -> int:
        """The largest magnitude of any result, whatever the values."""
        ends = scales.accumulator_range(self.weights, self.folded_bias)
        return max(int(np.abs(self.scaled(end)).max()) for end in ends)

    def matrix(self) -> Matrix:
        """For C: rows of zeros up to a whole number of groups."""
        missing = padded_rows(len(self.weights)) - len(self.weights)
        weights = np.pad(self.weights, ((0, missing), (0, 0)))
        mantissas = np.pad(self.multipliers.mantissas, (0, missing))
        multipliers = RowMultipliers(mantissas, self.multipliers.shift)
        return Matrix(weights, np.pad(self.folded_bias, (0, missing)), row_multipliers=multipliers.of_rows())

    def fits(self) -> bool:
        """Whether sums, before and after they are requantized, stay below 2^30, and the shift is one that C takes."""
        reach = int(scales.accumulator_reach(self.weights, self.folded_bias).max())
        shift = self.multipliers.shift
        return -31 <= shift <= 30 and reach << max(shift, 0) < 2**30


def gates_library(projection: Projection) -> str:
    """The C library header that scales the sums; see `Op.library`."""
    return "gates" if projection.bits == Projection.bits else "narrow_gates"


def padded_rows(rows: int) -> int:
    """Rows up to a whole number of groups."""
    return -(-rows // ROW_GROUP) * ROW_GROUP


def projection_tensors(name: str, projection: Projection) -> tuple[TfliteTensor, TfliteTensor]:
    """Weights and bias as a .tflite file keeps them."""
    zeros = (0,) * len(projection.scales)
    # Those of a bias follow from the weights'; beside weights of 4 bits they would take more than these.
    is_spelled_out = projection.bits == Projection.bits
    bias_scales = tuple(scales.float32(projection.value.scale * scale) for scale in projection.scales * is_spelled_out)
    bias_zeros = zeros * is_spelled_out
    return (
        TfliteTensor(
            name, projection.weights.shape, f"int{projection.bits}", projection.scales, zeros, data=projection.weights
        ),
        TfliteTensor(f"{name}_bias", projection.bias.shape, "int32", bias_scales, bias_zeros, data=projection.bias),
    )
