/* Layer normalization (docs/numerics.md) with MVE: el_mve_moments and el_mve_normalize, in assembler and in the C that
 * defines them. Intrinsics are in edgelstm_mve_normalization_intrinsics.h. */
#ifndef EDGELSTM_MVE_NORMALIZATION_H
#define EDGELSTM_MVE_NORMALIZATION_H

#include "edgelstm_isa.h"
#include "edgelstm_mve_rows.h"
#include "edgelstm_reciprocal_root.h"

/* What a vector's values have in common: `sum` is theirs, and a distance from the mean times the number of values is
 * shifted to the left by `shift` and multiplied by `root`. mantissa * 2^(right - 31), right <= 0, and zero_point make
 * bytes of what gamma and beta make of that. */
typedef struct {
    int32_t sum;
    int32_t shift;
    int32_t root;
    int32_t right;
    int32_t zero_point;
    int32_t mantissa;
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

/* 4 values at a time; LETP predicates the last ones. VAND leaves a sign where a value is negative and shifted right: half
 * up of a value that is one lower is half away from zero. */
EL_MVE_INLINE void el_mve_normalize(int8_t *output, const int8_t *values, unsigned count, const el_mve_normal *normal,
                                    const int16_t *gamma, const int32_t *beta)
{
    int8_t *next = output;
    const int8_t *value = values;
    const int32_t *facts = &normal->sum;
    __asm__ volatile(
        "ldr          lr, [%[facts]], #4\n"
        "vdup.32      q2, lr\n" /* sum */
        "ldr          lr, [%[facts]], #4\n"
        "vdup.32      q3, lr\n" /* shift */
        "ldr          lr, [%[facts]], #4\n"
        "vdup.32      q4, lr\n" /* root */
        "ldr          lr, [%[facts]], #4\n"
        "vdup.32      q5, lr\n" /* right */
        "ldr          lr, [%[facts]], #4\n"
        "vdup.16      q6, lr\n" /* zero point */
        "ldr          %[facts], [%[facts]]\n" /* mantissa */
        "dlstp.32     lr, %[count]\n"
        "1:\n"
        "vldrb.s32    q0, [%[value]], #4\n"
        "vldrh.s32    q1, [%[gamma]], #8\n"
        "vmul.i32     q0, q0, %[count]\n"
        "vsub.i32     q0, q0, q2\n"
        "vshl.s32     q0, q0, q3\n"
        "vqrdmulh.s32 q0, q0, q4\n"
        "vshl.i32     q1, q1, #16\n"
        "vqrdmulh.s32 q0, q0, q1\n"
        "vldrw.u32    q1, [%[beta]], #16\n"
        "vadd.i32     q0, q0, q1\n"
        "vand         q1, q0, q5\n"
        "vshr.s32     q1, q1, #31\n"
        "vqrdmlah.s32 q1, q0, %[facts]\n"
        "vrshl.s32    q1, q1, q5\n"
        "vqmovnb.s32  q1, q1\n"
        "vqadd.s16    q1, q1, q6\n"
        "vqmovnb.s16  q1, q1\n"
        "vstrb.32     q1, [%[next]], #4\n"
        "letp         lr, 1b\n"
        : [next] "+&l"(next), [value] "+&l"(value), [gamma] "+&l"(gamma), [beta] "+&r"(beta), [facts] "+&r"(facts)
        : [count] "r"(count)
        : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "cc", "memory" EL_MVE_PREDICATE);
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

/* output = normalized values * gamma + beta, in bytes. */
EL_MVE_INLINE void el_mve_normalize(int8_t *output, const int8_t *values, unsigned count, const el_mve_normal *normal,
                                    const int16_t *gamma, const int32_t *beta)
{
    for (unsigned k = 0; k < count; k++) {
        const int32_t distance = (int32_t)((uint32_t)(values[k] * (int32_t)count - normal->sum) << normal->shift);
        const int32_t gained = el_high_product(el_high_product(distance, normal->root), gamma[k] * 65536);
        output[k] = (int8_t)el_saturate8(el_requantize(gained + beta[k], normal->mantissa, (int)normal->right) +
                                         normal->zero_point);
    }
}

#endif
#endif
