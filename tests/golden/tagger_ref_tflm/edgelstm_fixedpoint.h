/* Fixed-point arithmetic on the primitives of edgelstm_isa.h, with the roundings of TensorFlow Lite.
 *
 * Right shifts of negative numbers are arithmetic in every compiler for these targets (implementation-defined in C99).
 * Call with constant multipliers and shifts where possible: everything below is inline and folds. */
#ifndef EDGELSTM_FIXEDPOINT_H
#define EDGELSTM_FIXEDPOINT_H

#include "edgelstm_isa.h"

static inline int32_t el_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* value / 2^shift to nearest, ties away from zero; |value| < INT32_MAX, shift 0..31. */
static inline int32_t el_rounding_shift(int32_t value, unsigned shift)
{
    if (shift == 0u) {
        return value;
    }
    return (((value - (value < 0)) >> (shift - 1u)) + 1) >> 1;
}

/* value * multiplier * 2^(shift - 31) with two roundings; a left shift wraps as in TensorFlow Lite. */
static inline int32_t el_requantize(int32_t value, int32_t multiplier, int shift)
{
    if (shift > 0) {
        value = (int32_t)((uint32_t)value << shift);
        return el_high_multiply(value, multiplier);
    }
    return el_rounding_shift(el_high_multiply(value, multiplier), (unsigned)-shift);
}

/* value * multiplier * 2^(shift - 31) with one rounding, ties away from zero; shift -31..30. */
static inline int32_t el_requantize_once(int32_t value, int32_t multiplier, int shift)
{
    const int64_t product = (int64_t)value * multiplier;
    const unsigned right = (unsigned)(31 - shift);
    const int64_t half = INT64_C(1) << (right - 1u);
    return (int32_t)((product + half - (product < 0)) >> right);
}

#endif
