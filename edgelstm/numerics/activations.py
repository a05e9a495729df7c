"""Exact int16 sigmoid and tanh of the two contracts.

`sigmoid` and `tanh` define the functions: slow, direct transcriptions of what the runtimes compute. `half_sigmoid`
is the twin of the closed form in `templates/c/lib/litert_activations.h.j2`; its tables are in `activation_tables`. A
test compares all of them on all 65,536 inputs, in Python and in compiled C.

Formats: inputs are Q(n).(15-n) with n integer bits (sigmoid: 3), outputs Q0.15.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, rounding_shift, saturate16

# exp(-2^k) for k = -2..4 in Q0.15, rounded from gemmlowp's 32-bit constants.
_EXP_FACTORS = {-2: 25520, -1: 19875, 0: 12055, 1: 4435, 2: 600, 3: 11, 4: 0}
_EXP_MINUS_EIGHTH = 28918
_ONE_THIRD = 10923
_NEWTON_48_17 = 23130  # Q2.13
_NEWTON_32_17 = 15420  # Q2.13

# TFLM's table is round(65536 / (1 + exp(-i / 24))), off by one (upwards) at these indices.
_TFLM_TABLE_PLUS_ONE = (
    *(
        4,
        8,
        12,
        14,
        15,
        16,
        17,
        19,
        20,
        21,
        22,
        25,
        27,
        28,
        29,
        30,
        31,
        33,
        34,
        35,
        37,
        39,
        40,
        41,
        43,
        44,
        45,
    ),
    *(46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255),
)


def _mul(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """Rounded Q0.15 product: floor((a*b + 2^14) / 2^15), saturated to int16."""
    return np.minimum((a * b + 2**14) >> 15, 32767)


def _exp_on_negative(values: Int64Array, integer_bits: int) -> Int64Array:
    """exp(a) for a <= 0 in Q(integer_bits), result Q0.15 (gemmlowp exp_on_negative_values)."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    remainder = (values & (quarter - 1)) - quarter
    x = saturate16(remainder << integer_bits) + 4096
    x2 = _mul(x, x)
    x3 = _mul(x2, x)
    x4 = _mul(x2, x2)
    series = rounding_shift(_mul(rounding_shift(x4, 2) + x3, _ONE_THIRD) + x2, 1)
    result = saturate16(_EXP_MINUS_EIGHTH + _mul(x + series, _EXP_MINUS_EIGHTH))
    steps = remainder - values
    for exponent, factor in _EXP_FACTORS.items():
        if exponent < integer_bits:
            bit = 1 << (fraction_bits + exponent)
            result = np.where(steps & bit, _mul(result, factor), result)
    if integer_bits > 5:
        result = np.where(values < -(1 << (20 - integer_bits)), 0, result)
    return np.where(values == 0, 32767, result)


def _two_over_one_plus(values: Int64Array) -> Int64Array:
    """2 / (1 + a) for a in Q0.15, result Q2.13, by three Newton steps."""
    total = values + 32767
    half = np.where(total >= 0, (total + 1) // 2, -((1 - total) // 2))
    x = _NEWTON_48_17 + _mul(half, -_NEWTON_32_17)
    for _ in range(3):
        error = 8192 - _mul(half, x)
        x = x + saturate16(_mul(x, error) << 2)
    return x


def _litert_sigmoid(values: Int64Array) -> Int64Array:
    magnitude = np.where(values == -32768, -32768, -np.abs(values))
    result = saturate16(_two_over_one_plus(_exp_on_negative(magnitude, 3)) << 1)
    return np.where(values == 0, 16384, np.where(values > 0, result, 32767 - result))


def _litert_tanh(values: Int64Array, integer_bits: int) -> Int64Array:
    magnitude = -np.abs(values)
    ratio = _two_over_one_plus(_exp_on_negative(magnitude, integer_bits + 1))
    result = saturate16((ratio - 8192) << 2)
    return np.where(values == 0, 0, np.sign(values) * result)


def tflm_table() -> npt.NDArray[np.uint16]:
    """TFLM's 256-entry sigmoid table, sigmoid(i / 24) in Q0.16 (the last entry is 65535)."""
    index = np.arange(256)
    table = np.floor(65536.0 / (1.0 + np.exp(-index / 24.0)) + 0.5).astype(np.int64)
    table[list(_TFLM_TABLE_PLUS_ONE)] += 1
    limited: npt.NDArray[np.uint16] = np.minimum(table, 65535).astype(np.uint16)
    return limited


def _interpolate(magnitude: Int64Array, bits: int) -> Int64Array:
    """Linear interpolation in the TFLM table at magnitude / 2^bits, result Q0.(16 + bits)."""
    table = tflm_table().astype(np.int64)
    index = np.minimum(magnitude >> bits, 254)
    inside = (table[index] << bits) + (magnitude & ((1 << bits) - 1)) * (table[index + 1] - table[index])
    beyond = (0x7FFF << 10) if bits == 9 else (0xFFFF << 8)
    return np.where((magnitude >> bits) >= 255, beyond, inside)


def tflm_squash(function: str, arguments: Int64Array) -> Int64Array:
    """TFLM's "sigmoid" or "tanh", result Q0.15, of real numbers in steps of 1 / (3 * 2^12)."""
    if function == "sigmoid":
        result = _interpolate(np.abs(arguments), 9)
        return np.where(arguments >= 0, (result + 512) >> 10, ((1 << 25) - result + 511) >> 10)
    result = _interpolate(np.abs(arguments), 8)
    return np.where(arguments >= 0, (result - 2**23 + 128) >> 8, (-result + 2**23 + 127) >> 8)


def _tflm_tanh(values: Int64Array, integer_bits: int) -> Int64Array:
    left = integer_bits - 3
    return tflm_squash("tanh", values * (3 << left) if left >= 0 else (3 * values + (1 << (-left - 1))) >> -left)


@lru_cache(maxsize=16)
def _lookup(contract: Contract, function: str, integer_bits: int) -> npt.NDArray[np.int16]:
    """All 65,536 results, indexed by the input's unsigned 16-bit pattern."""
    values = np.arange(65536, dtype=np.int64)
    values = np.where(values >= 32768, values - 65536, values)
    if contract is not Contract.TFLM:
        result = _litert_sigmoid(values) if function == "sigmoid" else _litert_tanh(values, integer_bits)
    else:
        result = tflm_squash(function, 3 * values) if function == "sigmoid" else _tflm_tanh(values, integer_bits)
    table = result.astype(np.int16)
    table.setflags(write=False)
    return table


def sigmoid(contract: Contract, values: Int64Array) -> Int64Array:
    """Sigmoid of Q3.12 values, result Q0.15."""
    result: Int64Array = _lookup(contract, "sigmoid", 3)[values & 0xFFFF].astype(np.int64)
    return result


def tanh(contract: Contract, values: Int64Array, integer_bits: int) -> Int64Array:
    """Hyperbolic tangent of Q(integer_bits).(15 - integer_bits) values, 0..6 integer bits, result Q0.15."""
    result: Int64Array = _lookup(contract, "tanh", integer_bits)[values & 0xFFFF].astype(np.int64)
    return result


def _round_mul(a: Int64Array, b: Int64Array | int) -> Int64Array:
    return (a * b + 2**14) >> 15


def exponential(index: Int64Array, exponent_bits: int) -> Int64Array:
    """exp of the negated argument in closed form; `index` is |x| - 1 in steps of 2^(exponent_bits - 15).

    Equals `_exp_on_negative` in Q0.15 for 1..7 exponent bits; restated so that C needs neither saturation nor signs.
    """
    quarter_bits = 13 - exponent_bits
    quarter = 1 << quarter_bits
    u = ((quarter >> 1) - 1 - (index & (quarter - 1))) << exponent_bits
    u2 = _round_mul(u, u)
    u3 = _round_mul(u2, u)
    u4 = (u2 * u2 + 81920) >> 17
    series = _round_mul(u4 + u3, _ONE_THIRD) + u2
    result = _EXP_MINUS_EIGHTH + _round_mul(u + ((series + 1) >> 1), _EXP_MINUS_EIGHTH)
    for bit, factor in enumerate((25520, 19875, 12055, 4435, 600, 11)):
        result = np.where((index >> (quarter_bits + bit)) & 1, _round_mul(result, factor), result)
    return np.where(index >> (quarter_bits + 6), 0, result)


def reciprocal(exponent: Int64Array) -> Int64Array:
    """1 / (1 + e) for e in Q0.15, result Q1.14: three Newton steps on values that stay in range."""
    half = (exponent + 32768) >> 1
    x = (_NEWTON_48_17 * 2**15 + 2**14 - _NEWTON_32_17 * half) >> 15
    for _ in range(3):
        error = (half * x + 2**14 - 2**28) >> 15
        x = x + (((2**14 - x * error) >> 15) << 2)
    return x


def half_sigmoid(magnitude: Int64Array, exponent_bits: int) -> Int64Array:
    """1 / (1 + exp(-z)) in Q1.14 for magnitude > 0 in Q(exponent_bits): the one function behind both activations.

    sigmoid = min(2K, 32767) with 3 exponent bits, tanh = min(4K - 32768, 32767) with one more than the input has.
    """
    return np.where(magnitude == 0, 8192, reciprocal(exponential(magnitude - 1, exponent_bits)))
