/* Attention with MVE: el_mve_scores and el_mve_weigh for the products, el_mve_to_bytes for what becomes of their sums.
 * In assembler and in the C that defines them; intrinsics are in edgelstm_mve_attention_intrinsics.h. */
#ifndef EDGELSTM_MVE_ATTENTION_H
#define EDGELSTM_MVE_ATTENTION_H

#include "edgelstm_isa.h"
#include "edgelstm_mve_requantize.h"

#if EL_MVE_ASM

/* clang-format off */

/* The sum of `count` values; VADDVA adds up in even registers only. LETP predicates the last values. */
EL_MVE_INLINE int32_t el_mve_sum(const int8_t *values, unsigned count)
{
    register int32_t sum __asm__("r2") = 0;
    const int8_t *value = values;
    __asm__ volatile(
        "dlstp.8      lr, %[count]\n"
        "1:\n"
        "vldrb.u8     q0, [%[value]], #16\n"
        "vaddva.s8    r2, q0\n"
        "letp         lr, 1b\n"
        : [value] "+&r"(value), "+r"(sum)
        : [count] "r"(count)
        : "lr", "q0", "cc", "memory" EL_MVE_PREDICATE);
    return sum;
}

/* Products of values as they are stored, less what the zero points make of them. */
EL_MVE_INLINE void el_mve_scores(int32_t *sums, const int8_t *keys, const int8_t *query, unsigned steps, unsigned size,
                                 int32_t query_zero, int32_t key_zero)
{
    const int32_t start = key_zero == 0 ? 0 : ((int32_t)size * query_zero - el_mve_sum(query, size)) * key_zero;
    EL_MVE_KEEP_LOOP
    for (unsigned step = 0; step < steps; step++) {
        register int32_t sum __asm__("r4") = start;
        register int32_t key_sum __asm__("r6") = 0;
        const int8_t *value = query;
        const int8_t *element = &keys[size * step];
        __asm__ volatile(
            "dlstp.8      lr, %[size]\n"
            "1:\n"
            "vldrb.u8     q0, [%[value]], #16\n"
            "vldrb.u8     q1, [%[element]], #16\n"
            "vmlava.s8    r4, q0, q1\n"
            "vaddva.s8    r6, q1\n"
            "letp         lr, 1b\n"
            : [value] "+&r"(value), [element] "+&r"(element), "+&r"(sum), "+&r"(key_sum)
            : [size] "r"(size)
            : "lr", "q0", "q1", "cc", "memory" EL_MVE_PREDICATE);
        sums[step] = sum - query_zero * key_sum;
    }
}

/* 4 sums at a time; LETP predicates the last ones. VAND leaves a sign where a sum is negative and shifted right: half up of
 * a value that is one lower is half away from zero. */
EL_MVE_INLINE void el_mve_to_bytes(int8_t *output, const int32_t *sums, unsigned count,
                                   const el_mve_multiplier *multiplier, int32_t zero_point)
{
    const int32_t *sum = sums;
    const int32_t *facts = &multiplier->mantissa;
    int8_t *next = output;
    __asm__ volatile(
        "ldr          lr, [%[facts], #12]\n"
        "vdup.32      q2, lr\n" /* left */
        "ldr          lr, [%[facts], #8]\n"
        "vdup.32      q3, lr\n" /* right */
        "ldr          %[facts], [%[facts]]\n" /* mantissa */
        "dlstp.32     lr, %[count]\n"
        "1:\n"
        "vldrw.u32    q0, [%[sum]], #16\n"
        "vshl.s32     q0, q0, q2\n"
        "vand         q1, q0, q3\n"
        "vshr.s32     q1, q1, #31\n"
        "vqrdmlah.s32 q1, q0, %[facts]\n"
        "vrshl.s32    q1, q1, q3\n"
        "vqmovnb.s32  q1, q1\n"
        "vqadd.s16    q1, q1, %[zero_point]\n"
        "vqmovnb.s16  q1, q1\n"
        "vstrb.32     q1, [%[next]], #4\n"
        "letp         lr, 1b\n"
        : [next] "+&l"(next), [sum] "+&r"(sum), [facts] "+&r"(facts)
        : [count] "r"(count), [zero_point] "r"(zero_point)
        : "lr", "q0", "q1", "q2", "q3", "cc", "memory" EL_MVE_PREDICATE);
}

/* Whole groups of 16 sums, and then 4 at a time, of which the last may be fewer. */
EL_MVE_INLINE void el_mve_weigh(int32_t *sums, const int8_t *weights, const int8_t *values, unsigned steps,
                                unsigned size, int32_t zero_point)
{
    const int32_t start = zero_point == 0 ? 0 : -zero_point * (el_mve_sum(weights, steps) + 128 * (int32_t)steps);
    unsigned k = 0;
    EL_MVE_KEEP_LOOP
    for (; size - k >= 16u; k += 16u) {
        const int8_t *value = &values[k];
        const int8_t *weight = weights;
        int32_t share;
        __asm__ volatile(
            "vdup.32      q0, %[start]\n"
            "vdup.32      q1, %[start]\n"
            "vdup.32      q2, %[start]\n"
            "vdup.32      q3, %[start]\n"
            "dls          lr, %[steps]\n"
            "1:\n"
            "ldrsb        %[share], [%[weight]], #1\n"
            "add          %[share], %[share], #128\n"
            "vldrb.s32    q4, [%[value]]\n"
            "vldrb.s32    q5, [%[value], #4]\n"
            "vldrb.s32    q6, [%[value], #8]\n"
            "vldrb.s32    q7, [%[value], #12]\n"
            "vmla.s32     q0, q4, %[share]\n"
            "vmla.s32     q1, q5, %[share]\n"
            "vmla.s32     q2, q6, %[share]\n"
            "vmla.s32     q3, q7, %[share]\n"
            "add          %[value], %[value], %[size]\n"
            "le           lr, 1b\n"
            "vstrw.32     q0, [%[next]]\n"
            "vstrw.32     q1, [%[next], #16]\n"
            "vstrw.32     q2, [%[next], #32]\n"
            "vstrw.32     q3, [%[next], #48]\n"
            : [value] "+&l"(value), [weight] "+&r"(weight), [share] "=&r"(share)
            : [start] "r"(start), [steps] "r"(steps), [size] "r"(size), [next] "r"(&sums[k])
            : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory");
    }
    EL_MVE_KEEP_LOOP
    for (; k < size; k += 4u) {
        const int8_t *value = &values[k];
        const int8_t *weight = weights;
        int32_t share;
        __asm__ volatile(
            "vctp.32      %[left]\n"
            "vdup.32      q0, %[start]\n"
            "dls          lr, %[steps]\n"
            "1:\n"
            "ldrsb        %[share], [%[weight]], #1\n"
            "add          %[share], %[share], #128\n"
            "vpst\n"
            "vldrbt.s32   q1, [%[value]]\n"
            "vmla.s32     q0, q1, %[share]\n"
            "add          %[value], %[value], %[size]\n"
            "le           lr, 1b\n"
            "vpst\n"
            "vstrwt.32    q0, [%[next]]\n"
            : [value] "+&l"(value), [weight] "+&r"(weight), [share] "=&r"(share)
            : [start] "r"(start), [steps] "r"(steps), [size] "r"(size), [next] "r"(&sums[k]), [left] "r"(size - k)
            : "lr", "q0", "q1", "cc", "memory" EL_MVE_PREDICATE);
    }
}

/* clang-format on */

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_attention_intrinsics.h"

#else

/* sums = (query - its zero point) * (key - the keys' zero point) for each of `steps` keys of `size` values. */
EL_MVE_INLINE void el_mve_scores(int32_t *sums, const int8_t *keys, const int8_t *query, unsigned steps, unsigned size,
                                 int32_t query_zero, int32_t key_zero)
{
    for (unsigned step = 0; step < steps; step++) {
        sums[step] = 0;
        for (unsigned k = 0; k < size; k++) {
            sums[step] += (query[k] - query_zero) * (keys[size * step + k] - key_zero);
        }
    }
}

/* output = sums * multiplier + zero point. */
EL_MVE_INLINE void el_mve_to_bytes(int8_t *output, const int32_t *sums, unsigned count,
                                   const el_mve_multiplier *multiplier, int32_t zero_point)
{
    for (unsigned k = 0; k < count; k++) {
        output[k] = (int8_t)el_saturate8(el_mve_requantize(sums[k], multiplier) + zero_point);
    }
}

/* sums = (weights + 128) * (values - their zero point), where each of `steps` weights belongs to `size` values. */
EL_MVE_INLINE void el_mve_weigh(int32_t *sums, const int8_t *weights, const int8_t *values, unsigned steps,
                                unsigned size, int32_t zero_point)
{
    for (unsigned k = 0; k < size; k++) {
        sums[k] = 0;
        for (unsigned step = 0; step < steps; step++) {
            sums[k] += (weights[step] + 128) * (values[size * step + k] - zero_point);
        }
    }
}

#endif
#endif
