/* Fixed-point arithmetic with the roundings of TensorFlow Lite.
 *
 * Right shifts of negative numbers are arithmetic in every compiler for these targets (implementation-defined in C99).
 * Call with constant multipliers and shifts where possible: everything below is inline and folds. */
#ifndef EDGELSTM_FIXEDPOINT_H
#define EDGELSTM_FIXEDPOINT_H

#include <stdint.h>

/* In front of the type of every constant array, and of what pointers to one point to: where data memory does not
 * show the program's, as on AVR, constants stay there and are read from there. */
#if defined(__FLASH)
#define EL_FLASH __flash
#else
#define EL_FLASH
#endif

#if defined(__GNUC__)
#define EL_ALIGNED __attribute__((aligned(4)))
#define EL_INLINE static inline __attribute__((always_inline))
#define EL_NOINLINE static __attribute__((noinline, unused))
#define EL_UNLIKELY(condition) __builtin_expect((condition), 0)
/* Hides where a variable's value comes from: compilers then keep it instead of computing it again. */
#define EL_KEEP(variable) __asm__("" : "+r"(variable))
#else
#define EL_ALIGNED
#define EL_INLINE static inline
#define EL_NOINLINE static
#define EL_UNLIKELY(condition) (condition)
#define EL_KEEP(variable) ((void)0)
#endif

/* 1: neither branches nor table misses depend on data. */
#if !defined(EL_CONSTANT_TIME)
#define EL_CONSTANT_TIME 0
#endif

/* low and high at most 2^16 in magnitude, value less than 2^30. */
EL_INLINE int32_t el_clamp(int32_t value, int32_t low, int32_t high)
{
#if EL_CONSTANT_TIME
    const int32_t below = value - low;
    value -= below & (below >> 31);
    const int32_t above = high - value;
    return value + (above & (above >> 31));
#else
    return value < low ? low : value > high ? high : value;
#endif
}

/* base + 2 * residual; Thumb-2 shifts operands for free, where compilers would multiply. */
EL_INLINE int32_t el_base_and_twice(int32_t base, int32_t residual)
{
#if defined(__thumb2__)
    int32_t result;
    __asm__("add %0, %1, %2, lsl #1" : "=r"(result) : "r"(base), "r"(residual));
    return result;
#else
    return base + 2 * residual;
#endif
}

/* |value|; compilers for Thumb-2 would branch around a negation, or predicate it. */
EL_INLINE uint32_t el_magnitude(int32_t value)
{
#if defined(__thumb2__)
    uint32_t result;
    __asm__("eor %0, %1, %1, asr #31\n\tsub %0, %0, %1, asr #31" : "=&r"(result) : "r"(value));
    return result;
#else
    const int32_t sign = value >> 31;
    return (uint32_t)((value ^ sign) - sign);
#endif
}

/* magnitude with the sign of value, whose magnitude need not be the same; Thumb-2 shifts operands for free. */
EL_INLINE int32_t el_with_sign_of(int32_t value, int32_t magnitude)
{
#if defined(__thumb2__)
    int32_t result;
    __asm__("eor %0, %1, %2, asr #31\n\tsub %0, %0, %2, asr #31" : "=&r"(result) : "r"(magnitude), "r"(value));
    return result;
#else
    const int32_t sign = value >> 31;
    return (magnitude ^ sign) - sign;
#endif
}

/* All bits of mask flipped where value is negative. */
EL_INLINE int32_t el_flip_if_negative(int32_t value, int32_t mask)
{
#if defined(__thumb2__)
    int32_t result;
    __asm__("eor %0, %1, %2, asr #31" : "=r"(result) : "r"(mask), "r"(value));
    return result;
#else
    return mask ^ (value >> 31);
#endif
}

/* Rounded high half of 2*a*b: floor((a*b + 2^30) / 2^31). The multiplier is never INT32_MIN. */
EL_INLINE int32_t el_high_multiply(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << 30)) >> 31);
}

/* value / 2^shift to nearest, ties away from zero; |value| < INT32_MAX, shift 0..31. */
EL_INLINE int32_t el_rounding_shift(int32_t value, unsigned shift)
{
    if (shift == 0u) {
        return value;
    }
    return (((value - (value < 0)) >> (shift - 1u)) + 1) >> 1;
}

/* a * b / 2^shift to nearest, ties away from zero; a >= 0, |a * b| <= 2^30, shift 1..30. The sign is that of b. */
EL_INLINE int32_t el_rounding_product(int32_t a, int32_t b, unsigned shift)
{
    return (a * b + (int32_t)((UINT32_C(1) << (shift - 1u)) - ((uint32_t)b >> 31))) >> shift;
}

/* value * multiplier * 2^(shift - 31) with two roundings; a left shift wraps as in TensorFlow Lite. */
EL_INLINE int32_t el_requantize(int32_t value, int32_t multiplier, int shift)
{
    if (shift > 0) {
        value = (int32_t)((uint32_t)value << shift);
        return el_high_multiply(value, multiplier);
    }
    return el_rounding_shift(el_high_multiply(value, multiplier), (unsigned)-shift);
}

/* value * multiplier * 2^(shift - 31) with one rounding, ties away from zero; shift -31..30. */
EL_INLINE int32_t el_requantize_once(int32_t value, int32_t multiplier, int shift)
{
    const int64_t product = (int64_t)value * multiplier;
    const unsigned right = (unsigned)(31 - shift);
    const int64_t half = INT64_C(1) << (right - 1u);
    return (int32_t)((product + half - (product < 0)) >> right);
}

#endif
