/* The exponential and reciprocal behind TensorFlow Lite's fixed-point int8 softmax (gemmlowp, 32 bits). */
#ifndef EDGELSTM_SOFTMAX_H
#define EDGELSTM_SOFTMAX_H

#include "edgelstm_fixedpoint.h"

/* exp(-1/4), exp(-1/2), exp(-1), exp(-2), exp(-4), exp(-8), exp(-16), Q0.31. */
static const EL_FLASH int32_t el_exponential_factors[7] = {1672461947, 1302514674, 790015084, 290630308,
                                                           39332535,   720401,     242};

#if EL_CONSTANT_TIME
/* value where mask is all ones, 0 where it is 0; compilers that saw where the mask comes from would branch. */
EL_INLINE int32_t el_masked(int32_t mask, int32_t value)
{
    EL_KEEP(mask);
    return mask & value;
}
#endif

EL_INLINE int32_t el_larger(int32_t a, int32_t b)
{
#if EL_CONSTANT_TIME /* |a - b| < 2^31 */
    const int32_t difference = a - b;
    return a - el_masked(difference >> 31, difference);
#else
    return a > b ? a : b;
#endif
}

/* exp(a) for a <= 0 in Q5.26, result Q0.31. */
static inline int32_t el_exponential_q26(int32_t a)
{
#if !EL_CONSTANT_TIME
    if (a == 0) {
        return INT32_MAX;
    }
#endif
    const int32_t quarter = INT32_C(1) << 24;
    const int32_t remainder = (int32_t)((uint32_t)a & (uint32_t)(quarter - 1)) - quarter; /* in [-1/4, 0) */
    const uint32_t quarters = (uint32_t)(remainder - a) >> 24;
    const int32_t x = remainder * 32 + (INT32_C(1) << 28); /* from the middle of the quarter, Q0.31 */
    const int32_t x2 = el_high_multiply(x, x);
    const int32_t x3 = el_high_multiply(x2, x);
    const int32_t x4 = el_high_multiply(x2, x2);
    const int32_t cubic = el_high_multiply(el_rounding_shift(x4, 2u) + x3, 715827883); /* / 3 */
    const int32_t series = el_rounding_shift(cubic + x2, 1u);
    int32_t result = 1895147668 + el_high_multiply(x + series, 1895147668); /* times exp(-1/8) */
    for (unsigned bit = 0; bit < 7u; bit++) {
#if EL_CONSTANT_TIME
        const int32_t lower = el_high_multiply(result, el_exponential_factors[bit]);
        result += el_masked(-(int32_t)((quarters >> bit) & 1u), lower - result);
#else
        if (((quarters >> bit) & 1u) != 0u) {
            result = el_high_multiply(result, el_exponential_factors[bit]);
        }
#endif
    }
#if EL_CONSTANT_TIME
    return INT32_MAX - el_masked(a >> 31, INT32_MAX - result); /* INT32_MAX where a is 0 */
#else
    return result;
#endif
}

/* 1 / (1 + a) for a in [0, 1) in Q0.31, result Q0.31. */
static inline int32_t el_reciprocal_q31(int32_t a)
{
    const int32_t half = (int32_t)(((uint32_t)a + 0x80000000u) >> 1);
    int32_t x = 1515870810 + el_high_multiply(half, -1010580540); /* Q2.29 */
    for (int step = 0; step < 3; step++) {
        const int32_t error = (INT32_C(1) << 29) - el_high_multiply(half, x);
        x += el_high_multiply(x, error) * 4;
    }
#if EL_CONSTANT_TIME
    const uint32_t above = (uint32_t)(((INT32_C(1) << 30) - 1 - x) >> 31);
    return (int32_t)(((uint32_t)x * 2u | above) & (uint32_t)INT32_MAX);
#else
    return x >= (INT32_C(1) << 30) ? INT32_MAX : x * 2;
#endif
}

/* Leading zeros of a number that is not 0. Cores without an instruction for it would call a function that branches. */
static inline unsigned el_leading_zeros(uint32_t value)
{
#if EL_CONSTANT_TIME
    unsigned zeros = 0;
    for (unsigned bits = 16; bits != 0u; bits >>= 1) {
        const int32_t empty = (int32_t)((value >> (32u - bits)) - 1u) >> 31;
        const unsigned skipped = (unsigned)el_masked(empty, (int32_t)bits);
        value <<= skipped;
        zeros += skipped;
    }
    return zeros;
#elif defined(__GNUC__) && __SIZEOF_INT__ == 4
    return (unsigned)__builtin_clz(value);
#else
    unsigned zeros = 0;
    while ((value & 0x80000000u) == 0u) {
        value <<= 1;
        zeros++;
    }
    return zeros;
#endif
}

#endif
