"""The softmax of int16 values of TensorFlow Lite Micro's reference kernel, with a C twin.

Both tables span the 65,536 values of an int16 in steps of 128, between which it interpolates. Formats: exponentials and
the results Q0.15.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, quantize_multiplier, requantize, saturate16

_STEPS = 512
_RANGE = 65535
EXPONENTIAL_SPAN = 10.0
"""What exp's argument reaches, below 0."""


def difference_multiplier(input_scale: float, beta: float) -> Multiplier:
    """Brings the difference of two inputs to steps of EXPONENTIAL_SPAN / 65535."""
    return quantize_multiplier(input_scale * beta / (EXPONENTIAL_SPAN / _RANGE))


@lru_cache(maxsize=1)
def exponential_table() -> npt.NDArray[np.int16]:
    """exp(x) for x from -10 to 0."""
    return _table(np.float32(np.float32(EXPONENTIAL_SPAN) / np.float32(_RANGE)), 32767, np.exp)


@lru_cache(maxsize=1)
def reciprocal_table() -> npt.NDArray[np.int16]:
    """1 / (1 + x) for x from 0 to 1."""
    return _table(np.float32(np.float32(1.0) / np.float32(_RANGE)), -32768, lambda values: 1.0 / (1.0 + values))


def _table(
    step: np.float32, zero_point: int, function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
) -> npt.NDArray[np.int16]:
    """`function` at the 513 ends of the steps, lowered by half of what a straight line is too high between them.

    TFLite computes it in float32.
    """
    f32 = np.float32
    low, high = step * f32(-32768 - zero_point), step * f32(32767 - zero_point)
    width = f32((high - low) / f32(_STEPS))
    output_step = f32(f32(2.0) / f32(_RANGE))
    to_stored = f32(f32(65536.0) / (output_step * f32(32767) - output_step * f32(-32768)))
    index = np.arange(_STEPS, dtype=f32)

    def at(arguments: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return function(arguments.astype(np.float64)).astype(f32) * to_stored

    ends = _round(at(low + index * width))
    middles = _round(at(low + index * width + f32(width / f32(2))))
    following = at(low + (index + f32(1)) * width)
    error = _round((following + ends) / f32(2)) - middles
    stored = np.append(ends - _round(error / f32(2)), _round(at(np.array([high], f32))))
    return np.clip(stored, -32768, 32767).astype(np.int16)


def _round(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """To nearest, ties away from zero."""
    rounded: npt.NDArray[np.float32] = np.trunc(values + np.copysign(np.float32(0.5), values))
    return rounded


def look_up(table: npt.NDArray[np.int16], values: Int64Array) -> Int64Array:
    """A table of the two at int16 values."""
    wide = table.astype(np.int64)
    index = 256 + (values >> 7)
    found: Int64Array = wide[index] + (((wide[index + 1] - wide[index]) * (values & 127) + 64) >> 7)
    return found


def softmax16(values: Int64Array, multiplier: Multiplier) -> Int64Array:
    """Softmax along the last axis of stored values; see `difference_multiplier`."""
    differences = values - values.max(axis=-1, keepdims=True)
    exponentials = look_up(exponential_table(), saturate16(requantize(differences, multiplier) + 32767))
    total = exponentials.sum(axis=-1, keepdims=True)
    bits = np.floor(np.log2(np.maximum(total, 1))).astype(np.int64) + 1
    shifted = ((total << (31 - bits)) + (1 << 13)) >> 14
    inverse = look_up(reciprocal_table(), saturate16(shifted - (2**15 + 2**16)))
    right = bits - 1
    shares: Int64Array = np.clip((exponentials * inverse + (1 << (right - 1))) >> right, 0, 32767)
    return shares
