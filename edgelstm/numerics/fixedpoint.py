"""Fixed-point primitives on int64 arrays that hold int32 values. Those that a step
computes have a C twin `el_<name>` in `templates/c/isa` or `templates/c/lib/fixedpoint.h`.

Formulas: gemmlowp's fixedpoint.h and TensorFlow Lite's quantization_util.h, as measured in the project's numerics
notes. `>>` is an arithmetic shift, that is division rounded towards minus infinity.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Multiplier:
    """A positive real number as mantissa * 2^(shift - 31), mantissa in [2^30, 2^31), or 0."""

    mantissa: int
    shift: int

    @property
    def real(self) -> float:
        """The number it stands for."""
        return math.ldexp(self.mantissa, self.shift - 31)

    @property
    def reduced_mantissa(self) -> int:
        """The mantissa in 15 bits, by which sums on int16 values are multiplied: see `requantize_wide`."""
        return (self.mantissa + 2**15) >> 16 if self.mantissa < 0x7FFF0000 else 0x7FFF


def quantize_multiplier(real: float) -> Multiplier:
    """Express a real multiplier by a 31-bit mantissa and a power of two; below 2^-32 it becomes 0."""
    if real == 0.0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * 2.0**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = 2**30, shift + 1
    if shift < -31:
        return Multiplier(0, 0)
    return Multiplier(mantissa, shift)


def saturate8(values: Int64Array) -> Int64Array:
    """Clamp to int8."""
    return np.clip(values, -128, 127)


def saturate16(values: Int64Array) -> Int64Array:
    """Clamp to int16."""
    return np.clip(values, -32768, 32767)


def saturate32(values: Int64Array) -> Int64Array:
    """Clamp to int32."""
    return np.clip(values, INT32_MIN, INT32_MAX)


def wrap32(values: Int64Array) -> Int64Array:
    """Keep the low 32 bits as a signed number, as two's complement arithmetic does."""
    return ((values + 2**31) & 0xFFFFFFFF) - 2**31


def high_multiply(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """Rounded high half of 2*a*b for int32 (VQRDMULH): floor((a*b + 2^30) / 2^31), saturated."""
    return np.minimum((a * b + 2**30) >> 31, INT32_MAX)


def rounding_shift(values: Int64Array, shift: int) -> Int64Array:
    """Divide by 2^shift, to nearest, ties away from zero."""
    if shift == 0:
        return values
    half = 1 << (shift - 1)
    return (values + half - (values < 0)) >> shift


def requantize(accumulator: Int64Array, multiplier: Multiplier) -> Int64Array:
    """Multiply by a real factor with two roundings: left shift (wrapping), high multiply, rounding right shift."""
    shifted = wrap32(accumulator << max(multiplier.shift, 0))
    return rounding_shift(high_multiply(shifted, multiplier.mantissa), max(-multiplier.shift, 0))


def requantize_once(accumulator: Int64Array, multiplier: Multiplier) -> Int64Array:
    """Multiply by a real factor with one rounding, ties away from zero.

    LiteRT's reference kernel does this in float64, and so rounds exact ties away from zero; `exact_multiplier`
    finds the mantissa with which both agree.
    """
    return rounding_shift(accumulator * multiplier.mantissa, 31 - multiplier.shift)


def requantize_wide(accumulator: Int64Array, multiplier: Multiplier) -> Int64Array:
    """Multiply by a real factor with one rounding, half up: TFLite Micro's way with sums on int16 values."""
    shift = 15 - multiplier.shift
    return (accumulator * multiplier.reduced_mantissa + (1 << (shift - 1))) >> shift


@dataclass(frozen=True, eq=False)
class RowMultipliers:
    """Real factors, one for each row of a matrix, as mantissa * 2^(shift - 31) with one shift for all.

    Mantissas are multiples of 128 in [0, 2^31): 24 bits are what the weight layouts of all cores multiply by.
    """

    mantissas: Int64Array
    shift: int

    @classmethod
    def of(cls, real: npt.NDArray[np.float64]) -> "RowMultipliers":
        """The nearest to positive factors (rows,); the shift is that of the largest."""
        shift = math.frexp(float(real.max()))[1]
        mantissas = np.floor(np.ldexp(real, 24 - shift) + 0.5).astype(np.int64)
        if mantissas.max() == 2**24:
            shift += 1
            mantissas = np.floor(np.ldexp(real, 24 - shift) + 0.5).astype(np.int64)
        return cls(mantissas * 128, shift)

    def of_rows(self) -> tuple[Multiplier, ...]:
        """One by one; mantissas of small factors are below 2^30."""
        return tuple(Multiplier(int(mantissa), self.shift) for mantissa in self.mantissas)

    def requantize(self, sums: Int64Array) -> Int64Array:
        """`requantize` of sums (..., rows)."""
        shifted = wrap32(sums << max(self.shift, 0))
        return rounding_shift(high_multiply(shifted, self.mantissas), max(-self.shift, 0))


@lru_cache(maxsize=4096)
def exact_multiplier(real: float, low: int, high: int) -> Multiplier | None:
    """The multiplier with which `requantize_once` equals a float64 product rounded half away from zero.

    Both are monotone, so they agree everywhere if they agree around each of the accumulators where an int8 result
    steps. The nearest mantissa nearly always does; its neighbours serve where a step falls on a tie.

    Args:
        real: the factor, positive.
        low: the smallest accumulator that occurs.
        high: the largest.

    Returns:
        None if no mantissa near `real` agrees for all accumulators from low to high.
    """
    nearest = quantize_multiplier(real)
    if nearest.shift > 30:
        return None
    steps = np.arange(-257, 257, dtype=np.float64) + 0.5
    around = np.rint(steps / real)[:, None] + np.arange(-2.0, 3.0)
    accumulators = around[(around >= low) & (around <= high)].astype(np.int64)
    wanted = _round_half_away(accumulators.astype(np.float64) * real)
    for offset in (0, 1, -1, 2, -2):
        candidate = Multiplier(nearest.mantissa + offset, nearest.shift)
        is_normal = 2**30 <= candidate.mantissa < 2**31
        if (is_normal or candidate == nearest) and np.array_equal(requantize_once(accumulators, candidate), wanted):
            return candidate
    return None


def _round_half_away(values: npt.NDArray[np.float64]) -> Int64Array:
    """As C's round(): adding 0.5 first would itself round, at the number just below 0.5 for one."""
    magnitude = np.abs(values)
    whole = np.floor(magnitude)
    rounded: Int64Array = np.copysign(whole + (magnitude - whole >= 0.5), values).astype(np.int64)
    return rounded
