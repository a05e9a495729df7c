"""A matrix of a recurrent layer with weights of 4 bits (docs/numerics.md): its rows' scales are multiples of one step.

With so few bits a row's scale matters, but not to the last digit: a factor of a byte for each row is enough to choose
from, takes less flash than a multiplier, and is multiplied by in 32 bits.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from edgelstm.ir import FloatArray, Matrix, Quantization
from edgelstm.numerics.fixedpoint import Int64Array
from edgelstm.ops import scales, weight_bits
from edgelstm.ops.projection import Projection, padded_rows

FACTOR_BITS = 8
LARGEST_SHIFT = 24

_BIAS_STEPS = 2**17
"""At most so many steps are a bias, so that sums stay small: the row's scale is raised for it."""

_TOLERANCE = 2.0**-16
"""By how much, relatively, a scale of a file may miss a multiple of the step."""


@dataclass(frozen=True, eq=False)
class NarrowProjection(Projection):
    """Rows of weights in -7..7. A result is (sum * factor + 2^(shift - 1)) >> shift, with a factor for each row."""

    bits: ClassVar[int] = weight_bits.NARROW

    @classmethod
    def of(cls, weights: FloatArray, bias: FloatArray, value: Quantization, result_scale: float) -> "NarrowProjection":
        """Round float weights (rows, columns) and bias (rows,), with fewer bits for factors where sums are large."""
        for factor_bits in range(FACTOR_BITS, 1, -1):
            found = cls._of(weights, bias, value, result_scale, 2**factor_bits - 1)
            if found.fits():
                break
        return found

    @classmethod
    def _of(
        cls, weights: FloatArray, bias: FloatArray, value: Quantization, result_scale: float, largest: int
    ) -> "NarrowProjection":
        whole = np.abs(weights).max(axis=1) / weight_bits.LARGEST[cls.bits]
        least = np.maximum(np.abs(bias) / (_BIAS_STEPS * value.scale), scales.SMALLEST_RANGE)
        wanted = float(np.maximum(whole, least).max()) * value.scale / result_scale
        shift = min(max(math.floor(math.log2(largest / wanted)), 0), LARGEST_SHIFT)
        step = math.ldexp(result_scale / value.scale, -shift)
        lowest = np.minimum(np.ceil(least / step), largest)
        factors = weight_bits.least_error_factors(weights, step, lowest, largest)
        per_row = (factors * step).astype(np.float32).astype(np.float64)
        return cls(
            weights=weight_bits.round_weights(weights, per_row[:, None], cls.bits),
            scales=tuple(float(scale) for scale in per_row),
            bias=scales.round_bias(bias, per_row * value.scale),
            value=value,
            result_scale=result_scale,
        )

    @cached_property
    def _real_factors(self) -> FloatArray:
        factors: FloatArray = np.array(self.scales) * (self.value.scale / self.result_scale)
        return factors

    @cached_property
    def _scaling(self) -> tuple[Int64Array, int]:
        """Factors and shift, which no power of two shortens."""
        largest = (2**FACTOR_BITS - 0.5) / float(self._real_factors.max())
        shift = min(max(math.floor(math.log2(largest)), 0), LARGEST_SHIFT)
        factors = np.rint(np.ldexp(self._real_factors, shift)).astype(np.int64)
        while shift and not (factors % 2).any():
            factors, shift = factors // 2, shift - 1
        return factors, shift

    def scaled(self, sums: Int64Array) -> Int64Array:
        """See `Projection.scaled`."""
        factors, shift = self._scaling
        scaled: Int64Array = sums * factors + ((1 << shift) >> 1)
        return scaled >> shift

    def matrix(self) -> Matrix:
        """For C: rows of zeros up to a whole number of groups."""
        missing = padded_rows(len(self.weights)) - len(self.weights)
        factors, shift = self._scaling
        return Matrix(
            np.pad(self.weights, ((0, missing), (0, 0))),
            np.pad(self.folded_bias, (0, missing)),
            row_factors=tuple(int(factor) for factor in np.pad(factors, (0, missing))),
            factor_shift=shift,
            bits=self.bits,
        )

    def fits(self) -> bool:
        """Whether scaled sums stay below 2^30, and the scales are multiples of one step."""
        factors, shift = self._scaling
        reach = scales.accumulator_reach(self.weights, self.folded_bias) * factors
        missed = np.abs(np.ldexp(self._real_factors, shift) - factors)
        is_on_steps = bool((factors >= 1).all() and (missed <= factors * _TOLERANCE).all())
        return is_on_steps and int(factors.max()) < 2**FACTOR_BITS and int(reach.max()) < 2**30
