/* Layer normalization (docs/numerics.md) with MVE: el_mve_moments and el_mve_normalize, in assembler and in the C that
 * defines them. Intrinsics are in edgelstm_mve_normalization_intrinsics.h. */
#ifndef EDGELSTM_MVE_NORMALIZATION_H
#define EDGELSTM_MVE_NORMALIZATION_H

#include "edgelstm_mve_requantize.h"
#include "edgelstm_reciprocal_root.h"

/* What a vector's values have in common: `sum` is theirs, a distance from the mean times the number of values is shifted
 * to the left by `shift` and multiplied by `root`. */
typedef struct {
    int32_t sum;
    int32_t shift;
    int32_t root;
} el_mve_normal;

#if EL_MVE_ASM

/* clang-format off */

/* Sum and sum of squares; LETP predicates the last values. VADDVA and VMLAVA add up in even registers only. */
EL_MVE_INLINE int32_t el_mve_moments(const int8_t *values, unsigned count, uint32_t *squares)
{
    register int32_t sum __asm__("r2") = 0;
    register uint32_t total __asm__("r4") = 0;
    const int8_t *value = values;
    __asm__ volatile(
        "dlstp.8      lr, %[count]\n"
        "1:\n"
        "vldrb.u8     q0, [%[value]], #16\n"
        "vaddva.s8    r2, q0\n"
        "vmlava.s8    r4, q0, q0\n"
        "letp         lr, 1b\n"
        : [value] "+&r"(value), "+r"(sum), "+r"(total)
        : [count] "r"(count)
        : "lr", "q0", "cc", "memory" EL_MVE_PREDICATE);
    *squares = total;
    return sum;
}

/* 4 values at a time; LETP predicates the last ones. */
EL_MVE_INLINE void el_mve_normalize(int8_t *output, const int8_t *values, unsigned count, const el_mve_normal *normal,
                                    const int16_t *gamma, const int32_t *beta, const el_mve_multiplier *multiplier,
                                    int32_t zero_point)
{
    int8_t *next = output;
    const int8_t *value = values;
    __asm__ volatile(
        "dlstp.32     lr, %[count]\n"
        "1:\n"
        "vldrb.s32    q0, [%[value]], #4\n"
        "vldrh.s32    q1, [%[gamma]], #8\n"
        "vmul.i32     q0, q0, %[count]\n"
        "vsub.i32     q0, q0, %[sum]\n"
        "vshl.s32     q0, %[shift]\n"
        "vqrdmulh.s32 q0, q0, %[root]\n"
        "vshl.i32     q1, q1, #16\n"
        "vqrdmulh.s32 q0, q0, q1\n"
        "vldrw.u32    q1, [%[beta]], #16\n"
        "vadd.i32     q0, q0, q1\n"
        EL_MVE_REQUANTIZE("q1", "q0", "%[mantissa]", "%[rounds]", "%[to_right]")
        "vqmovnb.s32  q1, q1\n"
        "vqadd.s16    q1, q1, %[zero_point]\n"
        "vqmovnb.s16  q1, q1\n"
        "vstrb.32     q1, [%[next]], #4\n"
        "letp         lr, 1b\n"
        : [next] "+&l"(next), [value] "+&l"(value), [gamma] "+&l"(gamma), [beta] "+&r"(beta)
        : [count] "r"(count), [sum] "r"(normal->sum), [shift] "r"(normal->shift), [root] "r"(normal->root),
          [mantissa] "r"(multiplier->mantissa), [rounds] "r"(multiplier->rounds), [to_right] "r"(multiplier->right),
          [zero_point] "r"(zero_point)
        : "lr", "q0", "q1", "cc", "memory" EL_MVE_PREDICATE);
}

/* clang-format on */

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_normalization_intrinsics.h"

#else

/* The sum of `count` values, and that of their squares. */
EL_MVE_INLINE int32_t el_mve_moments(const int8_t *values, unsigned count, uint32_t *squares)
{
    int32_t sum = 0;
    *squares = 0;
    for (unsigned k = 0; k < count; k++) {
        sum += values[k];
        *squares += (uint32_t)(values[k] * values[k]);
    }
    return sum;
}

/* output = (normalized values * gamma + beta) * multiplier + zero point; the multiplier's shift is at most 0. */
EL_MVE_INLINE void el_mve_normalize(int8_t *output, const int8_t *values, unsigned count, const el_mve_normal *normal,
                                    const int16_t *gamma, const int32_t *beta, const el_mve_multiplier *multiplier,
                                    int32_t zero_point)
{
    for (unsigned k = 0; k < count; k++) {
        const int32_t distance = (int32_t)((uint32_t)(values[k] * (int32_t)count - normal->sum) << normal->shift);
        const int32_t gained = el_high_product(el_high_product(distance, normal->root), gamma[k] * 65536);
        const int32_t result = el_mve_requantize(gained + beta[k], multiplier) + zero_point;
        output[k] = (int8_t)(result < -128 ? -128 : result > 127 ? 127 : result);
    }
}

#endif
#endif
