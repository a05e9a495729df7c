"""gemmlowp's 32-bit exponential and reciprocal, on which TensorFlow Lite's int8 softmax, sigmoid and tanh rest."""

import numpy as np

from edgelstm.numerics.fixedpoint import INT32_MAX, Int64Array, high_multiply, rounding_shift, saturate32

# exp(-2^k) in Q0.31 for k = -2..4.
_EXP_FACTORS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}
_EXP_MINUS_EIGHTH = 1895147668
_ONE_THIRD = 715827883
_NEWTON_48_17 = 1515870810  # Q2.29
_NEWTON_32_17 = 1010580540  # Q2.29


def exponential(values: Int64Array, integer_bits: int) -> Int64Array:
    """exp(a) for a <= 0 in Q(integer_bits).(31 - integer_bits), result Q0.31."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    remainder = (values & (quarter - 1)) - quarter
    x = (remainder << integer_bits) + (1 << 28)
    x2 = high_multiply(x, x)
    x3 = high_multiply(x2, x)
    x4 = high_multiply(x2, x2)
    series = rounding_shift(high_multiply(rounding_shift(x4, 2) + x3, _ONE_THIRD) + x2, 1)
    result = _EXP_MINUS_EIGHTH + high_multiply(x + series, _EXP_MINUS_EIGHTH)
    steps = remainder - values
    for exponent, factor in _EXP_FACTORS.items():
        if exponent < integer_bits:
            bit = (steps >> (fraction_bits + exponent)) & 1
            result = np.where(bit, high_multiply(result, factor), result)
    return np.where(values == 0, INT32_MAX, result)


def two_over_one_plus(values: Int64Array) -> Int64Array:
    """2 / (1 + a) for a in [0, 1) in Q0.31, result Q2.29, by three Newton steps."""
    half = (values + INT32_MAX + 1) >> 1
    x = _NEWTON_48_17 + high_multiply(half, -_NEWTON_32_17)
    for _ in range(3):
        error = (1 << 29) - high_multiply(half, x)
        x = x + saturate32(high_multiply(x, error) << 2)
    return x
