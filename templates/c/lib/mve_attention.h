/* Attention with MVE: el_mve_scores and el_mve_weigh for the products, el_mve_to_bytes for what becomes of their sums. In
 * assembler and in the C that defines them; intrinsics are in edgelstm_mve_attention_intrinsics.h. */
#ifndef EDGELSTM_MVE_ATTENTION_H
#define EDGELSTM_MVE_ATTENTION_H

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

/* From query * key + start, with the query as it is stored, its zero point times the key is taken. */
EL_MVE_INLINE void el_mve_scores(int32_t *sums, const int8_t *keys, const int8_t *query, unsigned steps, unsigned size,
                                 int32_t query_zero, int32_t key_zero)
{
    register int32_t sum __asm__("r4");
    register int32_t keys_sum __asm__("r6");
    const int32_t start = key_zero == 0 ? 0 : ((int32_t)size * query_zero - el_mve_sum(query, size)) * key_zero;
    const int8_t *key = keys;
    const int8_t *value;
    const int8_t *element;
    int32_t *next = sums;
    unsigned left = steps;
    __asm__ volatile(
        "1:\n"
        "mov          %[value], %[query]\n"
        "mov          %[element], %[key]\n"
        "mov          r4, %[start]\n"
        "movs         r6, #0\n"
        "dlstp.8      lr, %[size]\n"
        "2:\n"
        "vldrb.u8     q0, [%[value]], #16\n"
        "vldrb.u8     q1, [%[element]], #16\n"
        "vmlava.s8    r4, q0, q1\n"
        "vaddva.s8    r6, q1\n"
        "letp         lr, 2b\n"
        "mls          r4, r6, %[query_zero], r4\n"
        "str          r4, [%[next]], #4\n"
        "add          %[key], %[key], %[size]\n"
        "subs         %[left], %[left], #1\n"
        "bne          1b\n"
        : [value] "=&r"(value), [element] "=&r"(element), "=&r"(sum), "=&r"(keys_sum), [key] "+&r"(key),
          [next] "+&r"(next), [left] "+&r"(left)
        : [query] "r"(query), [start] "r"(start), [size] "r"(size), [query_zero] "r"(query_zero)
        : "lr", "q0", "q1", "cc", "memory" EL_MVE_PREDICATE);
}

EL_MVE_INLINE void el_mve_to_bytes(int8_t *output, const int32_t *sums, unsigned count,
                                   const el_mve_multiplier *multiplier, int32_t zero_point)
{
    const int32_t *sum = sums;
    int8_t *next = output;
    __asm__ volatile(
        "dlstp.32     lr, %[count]\n"
        "1:\n"
        "vldrw.u32    q0, [%[sum]], #16\n"
        "vshl.s32     q0, %[to_left]\n"
        EL_MVE_REQUANTIZE("q1", "q0", "%[mantissa]", "%[rounds]", "%[to_right]")
        "vqmovnb.s32  q1, q1\n"
        "vqadd.s16    q1, q1, %[zero_point]\n"
        "vqmovnb.s16  q1, q1\n"
        "vstrb.32     q1, [%[next]], #4\n"
        "letp         lr, 1b\n"
        : [next] "+&l"(next), [sum] "+&r"(sum)
        : [count] "r"(count), [mantissa] "r"(multiplier->mantissa), [rounds] "r"(multiplier->rounds),
          [to_right] "r"(multiplier->right), [to_left] "r"(multiplier->left), [zero_point] "r"(zero_point)
        : "lr", "q0", "q1", "cc", "memory" EL_MVE_PREDICATE);
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
        const int32_t value = el_mve_requantize(sums[k], multiplier) + zero_point;
        output[k] = (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
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
