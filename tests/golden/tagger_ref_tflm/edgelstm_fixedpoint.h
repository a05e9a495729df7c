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
#if defined(__AVR__)
#define EL_INLINE static inline /* 32-bit arithmetic is long there, and calls are short */
#else
#define EL_INLINE static inline __attribute__((always_inline))
#endif
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

/* value >> shift; compilers for AVR shift bit by bit. */
EL_INLINE int32_t el_shift_right(int32_t value, unsigned shift)
{
#if defined(__AVR__)
    if ((shift & 16u) != 0u) {
        value >>= 16;
    }
    if ((shift & 8u) != 0u) {
        value >>= 8;
    }
    shift &= 7u;
#endif
    return value >> shift;
}

#if defined(__AVR_HAVE_MUL__) && !defined(EL_NO_ASM)
/* Rounded high half of 2*a*b: floor((a*b + 2^30) / 2^31). With A = a + 2^31 and B = b + 2^31, which are not negative,
 * that is floor((A*B + 2^30) / 2^31) - (a + b + 2^31) modulo 2^32. The sum waits on the stack while A*B is summed up
 * column by column in r26, r27, r30, of which the one that has become a byte of the result goes on to the next. */
EL_NOINLINE int32_t el_high_multiply(int32_t value, int32_t multiplier)
{
    __asm__("movw r26, %A0\n\tmovw r30, %C0\n\t"
            "subi %D0, 0x80\n\tsubi %D1, 0x80\n\t"
            "add r26, %A1\n\tadc r27, %B1\n\tadc r30, %C1\n\tadc r31, %D1\n\t"
            "push r31\n\tpush r30\n\tpush r27\n\tpush r26\n\t"
            "clr r31\n\tclr r27\n\tclr r30\n\t"
            "mul %A0, %A1\n\tmov r26, r1\n\t"
            "mul %A0, %B1\n\tadd r26, r0\n\tadc r27, r1\n\t"
            "mul %B0, %A1\n\tadd r26, r0\n\tadc r27, r1\n\tadc r30, r31\n\t"
            "clr r26\n\t"
            "mul %A0, %C1\n\tadd r27, r0\n\tadc r30, r1\n\tadc r26, r31\n\t"
            "mul %B0, %B1\n\tadd r27, r0\n\tadc r30, r1\n\tadc r26, r31\n\t"
            "mul %C0, %A1\n\tadd r27, r0\n\tadc r30, r1\n\tadc r26, r31\n\t"
            "clr r27\n\t"
            "mul %A0, %D1\n\tadd r30, r0\n\tadc r26, r1\n\tadc r27, r31\n\t"
            "mul %B0, %C1\n\tadd r30, r0\n\tadc r26, r1\n\tadc r27, r31\n\t"
            "mul %C0, %B1\n\tadd r30, r0\n\tadc r26, r1\n\tadc r27, r31\n\t"
            "mul %D0, %A1\n\tadd r30, r0\n\tadc r26, r1\n\tadc r27, r31\n\t"
            "clr %A1\n\tclr %A0\n\t"
            "mul %B0, %D1\n\tadd r26, r0\n\tadc r27, r1\n\tadc %A1, r31\n\t"
            "mul %C0, %C1\n\tadd r26, r0\n\tadc r27, r1\n\tadc %A1, r31\n\t"
            "mul %D0, %B1\n\tadd r26, r0\n\tadc r27, r1\n\tadc %A1, r31\n\t"
            "mul %C0, %D1\n\tadd r27, r0\n\tadc %A1, r1\n\tadc %A0, r31\n\t"
            "mul %D0, %C1\n\tadd r27, r0\n\tadc %A1, r1\n\tadc %A0, r31\n\t"
            "mul %D0, %D1\n\tadd %A1, r0\n\tadc %A0, r1\n\t"
            "subi r30, 0xC0\n\tsbci r26, 0xFF\n\tsbci r27, 0xFF\n\tsbci %A1, 0xFF\n\tsbci %A0, 0xFF\n\t" /* + 2^30 */
            "lsl r30\n\trol r26\n\trol r27\n\trol %A1\n\trol %A0\n\t"
            "mov %D0, %A0\n\tmov %C0, %A1\n\tmovw %A0, r26\n\t"
            "clr r1\n\t"
            "pop r0\n\tsub %A0, r0\n\tpop r0\n\tsbc %B0, r0\n\tpop r0\n\tsbc %C0, r0\n\tpop r0\n\tsbc %D0, r0"
            : "+d"(value), "+d"(multiplier)
            :
            : "r26", "r27", "r30", "r31");
    return value;
}
#elif defined(__XTENSA__)
/* Rounded high half of 2*a*b: floor((a*b + 2^30) / 2^31), by products of 16 bits: LX106 has none beyond 32. The
 * multiplier is never INT32_MIN. No sum overflows: 2^16 - 1 goes with a product of at most (2^16 - 1) (2^15 - 1). */
EL_INLINE int32_t el_high_multiply(int32_t value, int32_t multiplier)
{
    const uint32_t low = (uint32_t)value & 0xFFFFu, multiplier_low = (uint32_t)multiplier & 0xFFFFu;
    const int32_t high = value >> 16, multiplier_high = multiplier >> 16;
    const int32_t left = high * (int32_t)multiplier_low + (int32_t)(low * multiplier_low >> 16); /* times 2^16 */
    const int32_t right = (int32_t)low * multiplier_high + (left & 0xFFFF) + (1 << 14);
    return 2 * (high * multiplier_high + (left >> 16)) + (right >> 15);
}
#else
/* Rounded high half of 2*a*b: floor((a*b + 2^30) / 2^31). The multiplier is never INT32_MIN. */
EL_INLINE int32_t el_high_multiply(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << 30)) >> 31);
}
#endif

/* value / 2^shift to nearest, ties away from zero; |value| < INT32_MAX, shift 0..31. */
EL_INLINE int32_t el_rounding_shift(int32_t value, unsigned shift)
{
    if (shift == 0u) {
        return value;
    }
    return (el_shift_right(value - (value < 0), shift - 1u) + 1) >> 1;
}

/* a * b / 2^shift to nearest, ties away from zero; a >= 0, |a * b| <= 2^30, shift 1..30. The sign is that of b. */
EL_INLINE int32_t el_rounding_product(int32_t a, int32_t b, unsigned shift)
{
    return el_shift_right(a * b + (int32_t)((UINT32_C(1) << (shift - 1u)) - ((uint32_t)b >> 31)), shift);
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
