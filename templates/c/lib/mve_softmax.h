/* Softmax of int8 values with MVE, 4 at a time: el_mve_softmax, with the arithmetic of edgelstm_softmax.h, in assembler
 * and in the C that defines it. Intrinsics are in edgelstm_mve_softmax_intrinsics.h. */
#ifndef EDGELSTM_MVE_SOFTMAX_H
#define EDGELSTM_MVE_SOFTMAX_H

#include "edgelstm_mve_rows.h"
#include "edgelstm_softmax.h"

/* What brings differences to Q5.26: mantissa * 2^(left - 31), for those that are not below `minimum_difference`. */
typedef struct {
    int32_t mantissa;
    int32_t left; /* 0..30 */
    int32_t minimum_difference;
} el_mve_exponent;

#if EL_MVE_ASM

/* 1/4 Q5.26; 1/8, 1/3 and exp(-1/8) Q0.31; exp(-1/4), exp(-1/2) ... exp(-16) Q0.31; the largest exponential. */
static const int32_t el_mve_softmax_constants[12] = {1 << 24,    1 << 28,    715827883, 1895147668,
                                                     1672461947, 1302514674, 790015084, 290630308,
                                                     39332535,   720401,     242,       INT32_MAX};

/* clang-format off */

EL_MVE_INLINE int32_t el_mve_largest(const int8_t *values, unsigned count)
{
    const int8_t *value = values;
    int32_t largest = -128;
    __asm__ volatile(
        "dlstp.8      lr, %[count]\n"
        "1:\n"
        "vldrb.u8     q0, [%[value]], #16\n"
        "vmaxv.s8     %[largest], q0\n"
        "letp         lr, 1b\n"
        : [value] "+&r"(value), [largest] "+&r"(largest)
        : [count] "r"(count)
        : "lr", "q0", "cc", "memory" EL_MVE_PREDICATE);
    return largest;
}

#define EL_MVE_CONSTANT(index) "ldr %[constant], [%[constants], #4 * " index "]\n"

/* q2 * exp(-2^(bit - 2)) where y, q3, has 2^(24 + bit). */
#define EL_MVE_EXPONENTIAL_BIT(to_sign, index)        \
    EL_MVE_CONSTANT(index)                            \
    "vshl.i32     q4, q3, #" to_sign "\n"             \
    "vpt.s32      lt, q4, zr\n"                       \
    "vqrdmulht.s32 q2, q2, %[constant]\n"

/* As el_exponential_q26: q1 = a, q3 = y = remainder - a, q2 = x, then the result. What is rounded by VRSHR is never
 * negative. */
#define EL_MVE_EXPONENTIAL                            \
    "vmov         q2, q1\n"                           \
    "vbic.i32     q2, #0xff000000\n"                  \
    EL_MVE_CONSTANT("0")                              \
    "vsub.i32     q2, q2, %[constant]\n"              \
    "vsub.i32     q3, q2, q1\n"                       \
    "vshl.i32     q2, q2, #5\n"                       \
    EL_MVE_CONSTANT("1")                              \
    "vadd.i32     q2, q2, %[constant]\n"              \
    "vqrdmulh.s32 q4, q2, q2\n"                       \
    "vqrdmulh.s32 q5, q4, q2\n"                       \
    "vqrdmulh.s32 q6, q4, q4\n"                       \
    "vrshr.s32    q6, q6, #2\n"                       \
    "vadd.i32     q5, q5, q6\n"                       \
    EL_MVE_CONSTANT("2")                              \
    "vqrdmulh.s32 q5, q5, %[constant]\n"              \
    "vadd.i32     q5, q5, q4\n"                       \
    "vrshr.s32    q5, q5, #1\n"                       \
    "vadd.i32     q2, q2, q5\n"                       \
    EL_MVE_CONSTANT("3")                              \
    "vqrdmulh.s32 q2, q2, %[constant]\n"              \
    "vadd.i32     q2, q2, %[constant]\n"              \
    EL_MVE_EXPONENTIAL_BIT("7", "4")                  \
    EL_MVE_EXPONENTIAL_BIT("6", "5")                  \
    EL_MVE_EXPONENTIAL_BIT("5", "6")                  \
    EL_MVE_EXPONENTIAL_BIT("4", "7")                  \
    EL_MVE_EXPONENTIAL_BIT("3", "8")                  \
    EL_MVE_EXPONENTIAL_BIT("2", "9")                  \
    EL_MVE_EXPONENTIAL_BIT("1", "10")                 \
    EL_MVE_CONSTANT("11")                             \
    "vpt.i32      eq, q1, zr\n"                       \
    "vdupt.32     q2, %[constant]\n"

/* Exponentials in Q0.31, and their sum in Q12.19. */
EL_MVE_INLINE uint32_t el_mve_softmax_powers(int32_t *exponentials, const int8_t *values, unsigned count,
                                           const el_mve_exponent *exponent)
{
    register uint32_t total __asm__("r4") = 0;
    const int32_t largest = el_mve_largest(values, count);
    const int8_t *value = values;
    int32_t *next = exponentials;
    int32_t constant;
    __asm__ volatile(
        "dlstp.32     lr, %[count]\n"
        "1:\n"
        "vldrb.s32    q0, [%[value]], #4\n"
        "vsub.i32     q0, q0, %[largest]\n"
        "vmov         q1, q0\n"
        "ldr          %[constant], [%[exponent], #4]\n"
        "vshl.s32     q1, %[constant]\n"
        "ldr          %[constant], [%[exponent]]\n"
        "vqrdmulh.s32 q1, q1, %[constant]\n"
        EL_MVE_EXPONENTIAL
        "ldr          %[constant], [%[exponent], #8]\n"
        "vpt.s32      lt, q0, %[constant]\n"
        "veort        q2, q2, q2\n"
        "vstrw.32     q2, [%[next]], #16\n"
        "vrshr.s32    q2, q2, #12\n"
        "vaddva.u32   r4, q2\n"
        "letp         lr, 1b\n"
        : [value] "+&l"(value), [next] "+&r"(next), [constant] "=&r"(constant), "+&r"(total)
        : [count] "r"(count), [largest] "r"(largest), [exponent] "r"(exponent),
          [constants] "r"(el_mve_softmax_constants)
        : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "cc", "memory" EL_MVE_PREDICATE);
    return total;
}

/* output = exponentials * inverse / 2^(31 - to_left) - 128, which fits 16 bits. */
EL_MVE_INLINE void el_mve_shares(int8_t *output, const int32_t *exponentials, unsigned count, int32_t inverse,
                                 int32_t to_left)
{
    int8_t *next = output;
    const int32_t *exponential = exponentials;
    __asm__ volatile(
        "dlstp.32     lr, %[count]\n"
        "1:\n"
        "vldrw.u32    q0, [%[exponential]], #16\n"
        "vqrdmulh.s32 q0, q0, %[inverse]\n"
        "vrshl.s32    q0, %[to_left]\n"
        "vsub.i32     q0, q0, %[half]\n"
        "vqmovnb.s16  q0, q0\n"
        "vstrb.32     q0, [%[next]], #4\n"
        "letp         lr, 1b\n"
        : [next] "+&l"(next), [exponential] "+&r"(exponential)
        : [count] "r"(count), [inverse] "r"(inverse), [to_left] "r"(to_left), [half] "r"(128)
        : "lr", "q0", "cc", "memory" EL_MVE_PREDICATE);
}

/* clang-format on */

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_softmax_intrinsics.h"

#else

/* Exponentials of the differences from the largest value in Q0.31, and their sum in Q12.19. */
EL_MVE_INLINE uint32_t el_mve_softmax_powers(int32_t *exponentials, const int8_t *values, unsigned count,
                                             const el_mve_exponent *exponent)
{
    int32_t largest = values[0];
    uint32_t total = 0;
    for (unsigned k = 1; k < count; k++) {
        largest = el_larger(values[k], largest);
    }
    for (unsigned k = 0; k < count; k++) {
        const int32_t difference = values[k] - largest;
        exponentials[k] = 0;
        if (difference >= exponent->minimum_difference) {
            exponentials[k] = el_exponential_q26(el_requantize(difference, exponent->mantissa, (int)exponent->left));
        }
        total += (uint32_t)el_rounding_shift(exponentials[k], 12u);
    }
    return total;
}

/* output = exponentials * inverse / 2^(31 - to_left) - 128; to_left < 0. */
EL_MVE_INLINE void el_mve_shares(int8_t *output, const int32_t *exponentials, unsigned count, int32_t inverse,
                                 int32_t to_left)
{
    for (unsigned k = 0; k < count; k++) {
        const int32_t share = el_rounding_shift(el_high_multiply(exponentials[k], inverse), (unsigned)-to_left) - 128;
        output[k] = (int8_t)(share > 127 ? 127 : share);
    }
}

#endif

/* output = softmax of the values, scale 1/256 and zero point -128; both may be one array. `exponentials` has room for
 * as many. */
EL_MVE_SHARED void el_mve_softmax(int8_t *output, int32_t *exponentials, const int8_t *values, unsigned count,
                                  const el_mve_exponent *exponent)
{
    const uint32_t total = el_mve_softmax_powers(exponentials, values, count, exponent);
    const unsigned headroom = el_leading_zeros(total);
    const int32_t inverse = el_reciprocal_q31((int32_t)((total << headroom) - 0x80000000u));
    el_mve_shares(output, exponentials, count, inverse, (int32_t)headroom - 35);
}

#endif
