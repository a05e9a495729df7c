/* Rows of int8 weights on int16 values for Cortex-M4, M7 and M33: the layout pairs16.
 *
 * For rows A, B a half of a word holds A + 256 B, and multiplied as it is sums up to a + 256 b in 64 bits, two columns
 * an instruction. The low bytes alone give a, in 32 bits. So 16 products take 14 instructions. 6 start values, those of
 * a + 256 b (low, high), a, c + 256 d (low, high) and c; then for each 4 columns 2 words of A, B and 2 of C, D. */
#ifndef EDGELSTM_ISA_PAIRS16_H
#define EDGELSTM_ISA_PAIRS16_H

#include "edgelstm_isa.h"

#define EL_OWN_REQUANTIZE16 1
#define EL_OWN_COPY16 1

#include "edgelstm_rows16.h"

typedef struct __attribute__((packed, may_alias)) {
    uint32_t word;
} el_unaligned_pair;

/* Values, and zeros up to a whole number of 4. */
EL_INLINE void el_copy16(int16_t *copy, const int16_t *values, unsigned count)
{
    el_pair *pairs = (el_pair *)(void *)copy;
    const el_unaligned_pair *source = (const el_unaligned_pair *)(const void *)values;
    for (unsigned k = 0; k < count / 2u; k++) {
        *pairs++ = (source++)->word;
    }
    for (unsigned k = count & ~1u; k % 4u != 0u || k < count; k++) {
        copy[k] = k < count ? values[k] : 0;
    }
}

/* sum * multiplier / 2^shift to nearest, half up; multiplier below 2^15, shift 8..46. */
EL_INLINE int32_t el_requantize16(int32_t sum, int32_t multiplier, unsigned shift)
{
    if (shift < 17u) {
        return el_requantize_long16(sum, multiplier, shift);
    }
    int32_t product;
    const int32_t half = (int32_t)(UINT32_C(1) << (shift - 17u));
    __asm__("smlawb %0, %1, %2, %3" : "=r"(product) : "r"(sum), "r"(multiplier), "r"(half) : "cc");
    return product >> (shift - 16u);
}

/* sum + a.low * b.low + a.high * b.high in 64 bits. */
EL_INLINE int64_t el_smlald(uint32_t a, uint32_t b, int64_t sum)
{
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
}

EL_INLINE int64_t el_start16(const el_word *start)
{
    return (int64_t)((uint64_t)start[1] << 32 | start[0]);
}

#if EL_ASM
/* r0, r1 = a + 256 b, r2 = a, r3, r4 = c + 256 d, r5 = c; r7 the values, lr the weights. */
#define EL_PAIRS16_4                                                                                                   \
    "ldmia  r7!, {r11, r12}\n\t"                                                                                       \
    "ldmia  lr!, {r6, r8, r9, r10}\n\t"                                                                                \
    "smlald r0, r1, r6, r11\n\t"                                                                                       \
    "smlald r3, r4, r9, r11\n\t"                                                                                       \
    "smlald r0, r1, r8, r12\n\t"                                                                                       \
    "smlald r3, r4, r10, r12\n\t"                                                                                      \
    "sxtb16 r6, r6\n\t"                                                                                                \
    "sxtb16 r9, r9\n\t"                                                                                                \
    "sxtb16 r8, r8\n\t"                                                                                                \
    "sxtb16 r10, r10\n\t"                                                                                              \
    "smlad  r2, r6, r11, r2\n\t"                                                                                       \
    "smlad  r5, r9, r11, r5\n\t"                                                                                       \
    "smlad  r2, r8, r12, r2\n\t"                                                                                       \
    "smlad  r5, r10, r12, r5\n\t"
#define EL_PAIRS16_8 EL_PAIRS16_4 EL_PAIRS16_4
#define EL_PAIRS16_16 EL_PAIRS16_8 EL_PAIRS16_8
#define EL_PAIRS16_32 EL_PAIRS16_16 EL_PAIRS16_16

/* A loop over blocks of as many columns as `block` has, whose end lies on the stack. */
#define EL_PAIRS16_LOOP(label, columns, mask, block)                                                                   \
    "movw   r6, #(2 * (%c[" columns "] & ~" mask ")) & 0xFFFF\n\t"                                                     \
    ".if (2 * (%c[" columns "] & ~" mask ")) > 0xFFFF\n\t"                                                             \
    "movt   r6, #(2 * (%c[" columns "] & ~" mask ")) >> 16\n\t"                                                        \
    ".endif\n\t"                                                                                                       \
    "add    r6, r6, r7\n\t"                                                                                            \
    "push   {r6}\n" label ":\n\t" block "ldr    r6, [sp]\n\t"                                                          \
    "cmp    r7, r6\n\t"                                                                                                \
    "bne    " label "b\n\t"                                                                                            \
    "add    sp, #4\n\t"

#if defined(__OPTIMIZE_SIZE__)
#define EL_PAIRS16_COLUMNS(label, columns)                                                                             \
    "ldmia  lr!, {r0, r1, r2, r3, r4, r5}\n\t" EL_PAIRS16_LOOP(label, columns, "3", EL_PAIRS16_4)
#else
/* Straight lines up to 127 columns; beyond, a loop over 64 of them. The assembler leaves out what a number of columns
 * does not need. */
#define EL_PAIRS16_COLUMNS(label, columns)                                                                             \
    "ldmia  lr!, {r0, r1, r2, r3, r4, r5}\n\t"                                                                         \
    ".if %c[" columns "] >= 128\n\t" EL_PAIRS16_LOOP(                                                                  \
        label, columns, "63", EL_PAIRS16_32 EL_PAIRS16_32) ".endif\n\t"                                                \
                                                           ".if %c[" columns "] < 128 && (%c[" columns                 \
                                                           "] & 64)\n\t" EL_PAIRS16_32 EL_PAIRS16_32 ".endif\n\t"      \
                                                           ".if %c[" columns "] & 32\n\t" EL_PAIRS16_32 ".endif\n\t"   \
                                                           ".if %c[" columns "] & 16\n\t" EL_PAIRS16_16 ".endif\n\t"   \
                                                           ".if %c[" columns "] & 8\n\t" EL_PAIRS16_8 ".endif\n\t"     \
                                                           ".if %c[" columns "] & 4\n\t" EL_PAIRS16_4 ".endif\n\t"
#endif

/* r2, r0, r5, r3 = a, b, c, d. */
#define EL_PAIRS16_PART                                                                                                \
    "subs   r0, r0, r2\n\t"                                                                                            \
    "sbc    r1, r1, r2, asr #31\n\t"                                                                                   \
    "lsr    r0, r0, #8\n\t"                                                                                            \
    "orr    r0, r0, r1, lsl #24\n\t"                                                                                   \
    "subs   r3, r3, r5\n\t"                                                                                            \
    "sbc    r4, r4, r5, asr #31\n\t"                                                                                   \
    "lsr    r3, r3, #8\n\t"                                                                                            \
    "orr    r3, r3, r4, lsl #24\n\t"

/* Each times its multiplier, rounded and saturated; r4 points to 4 multipliers in halves and 4 roundings. */
#define EL_PAIRS16_SCALE(shift0, shift1, shift2, shift3)                                                               \
    "ldmia  r4!, {r6, r8, r9, r10, r11, r12}\n\t"                                                                      \
    "smlawb r2, r2, r6, r9\n\t"                                                                                        \
    "smlawt r0, r0, r6, r10\n\t"                                                                                       \
    "smlawb r5, r5, r8, r11\n\t"                                                                                       \
    "smlawt r3, r3, r8, r12\n\t"                                                                                       \
    "ssat   r2, #16, r2, asr #(%c[" shift0 "] - 16)\n\t"                                                               \
    "ssat   r0, #16, r0, asr #(%c[" shift1 "] - 16)\n\t"                                                               \
    "ssat   r5, #16, r5, asr #(%c[" shift2 "] - 16)\n\t"                                                               \
    "ssat   r3, #16, r3, asr #(%c[" shift3 "] - 16)\n\t"
#endif

/* bias + row * values for 4 rows. Returns the weights behind them. */
EL_INLINE const el_word *el_dot4_pairs16(int32_t sums[4], const el_word *weights, const int16_t *values,
                                         unsigned columns)
{
#if EL_ASM
    register int32_t sum1 __asm__("r0");
    register int32_t sum0 __asm__("r2");
    register int32_t sum3 __asm__("r3");
    register int32_t sum2 __asm__("r5");
    register const int16_t *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r7}\n\t" /* may be the frame pointer */
            "mov    r7, r6\n\t" EL_PAIRS16_COLUMNS("1", "columns") EL_PAIRS16_PART "pop    {r7}"
            : "=r"(sum1), "=r"(sum0), "=r"(sum3), "=r"(sum2), "+r"(start), "+r"(stream)
            : [columns] "i"(columns)
            : "r1", "r4", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
    return stream;
#else
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int64_t both0 = el_start16(&weights[0]), both1 = el_start16(&weights[3]);
    int32_t low0 = (int32_t)weights[2], low1 = (int32_t)weights[5];
    weights += 6;
    for (unsigned column = 0; column < columns; column += 4u) {
        for (unsigned k = 0; k < 2u; k++) {
            const uint32_t pair = *pairs++;
            both0 = el_smlald(weights[k], pair, both0);
            both1 = el_smlald(weights[2u + k], pair, both1);
            low0 = el_smlad(el_sxtb16(weights[k]), pair, low0);
            low1 = el_smlad(el_sxtb16(weights[2u + k]), pair, low1);
        }
        weights += 4;
    }
    sums[0] = low0;
    sums[1] = (int32_t)((both0 - low0) >> 8);
    sums[2] = low1;
    sums[3] = (int32_t)((both1 - low1) >> 8);
    return weights;
#endif
}

/* Four gates: z[r] = saturate16(saturate16(sum of row r on x * multiplier) + saturate16(that on h)), Q3.12. `scales`
 * holds, for x and then for h, the multipliers in halves and the roundings 2^(shift - 17); shifts are 17..46. */
EL_INLINE const el_word *el_gates_pairs16(int32_t z[4], const el_word *weights, const int16_t *x, unsigned x_columns,
                                          const int16_t *h, unsigned h_columns, const int32_t scales[12], int x_shift0,
                                          int x_shift1, int x_shift2, int x_shift3, int h_shift0, int h_shift1,
                                          int h_shift2, int h_shift3)
{
#if EL_ASM
    register int32_t z1 __asm__("r0");
    register int32_t z0 __asm__("r2");
    register int32_t z3 __asm__("r3");
    register const int32_t *scale __asm__("r4") = scales;
    register const int16_t *second __asm__("r5") = h; /* holds z[2] in the end */
    register const int16_t *first __asm__("r6") = x;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r4, r5, r7}\n\t"
            "mov    r7, r6\n\t" EL_PAIRS16_COLUMNS("1", "x_columns") EL_PAIRS16_PART
            "ldrd   r4, r7, [sp]\n\t" EL_PAIRS16_SCALE("x_shift0", "x_shift1", "x_shift2",
                                                       "x_shift3") "str    r4, [sp]\n\t"
                                                                   "push   {r0, r2, r3, r5}\n\t" EL_PAIRS16_COLUMNS(
                                                                       "2", "h_columns") EL_PAIRS16_PART
            "ldr    r4, [sp, #16]\n\t" EL_PAIRS16_SCALE("h_shift0", "h_shift1", "h_shift2",
                                                        "h_shift3") "pop    {r6, r8, r9, r10}\n\t"
                                                                    "add    r0, r0, r6\n\t"
                                                                    "add    r2, r2, r8\n\t"
                                                                    "add    r3, r3, r9\n\t"
                                                                    "add    r5, r5, r10\n\t"
                                                                    "ssat   r0, #16, r0\n\t"
                                                                    "ssat   r2, #16, r2\n\t"
                                                                    "ssat   r3, #16, r3\n\t"
                                                                    "ssat   r5, #16, r5\n\t"
                                                                    "pop    {r4, r6, r7}"
            : "=r"(z1), "=r"(z0), "=r"(z3), "+r"(scale), "+r"(second), "+r"(first), "+r"(stream)
            : [x_columns] "i"(x_columns), [h_columns] "i"(h_columns), [x_shift0] "i"(x_shift0),
              [x_shift1] "i"(x_shift1), [x_shift2] "i"(x_shift2), [x_shift3] "i"(x_shift3), [h_shift0] "i"(h_shift0),
              [h_shift1] "i"(h_shift1), [h_shift2] "i"(h_shift2), [h_shift3] "i"(h_shift3)
            : "r1", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = (int32_t)second;
    z[3] = z3;
    return stream;
#else
    const int x_shifts[4] = {x_shift0, x_shift1, x_shift2, x_shift3};
    const int h_shifts[4] = {h_shift0, h_shift1, h_shift2, h_shift3};
    int32_t from_h[4];
    weights = el_dot4_pairs16(z, weights, x, x_columns);
    weights = el_dot4_pairs16(from_h, weights, h, h_columns);
    for (unsigned k = 0; k < 4u; k++) {
        const int32_t x_factor = scales[k / 2u] >> 16u * (k % 2u) & 0x7FFF;
        const int32_t h_factor = scales[6u + k / 2u] >> 16u * (k % 2u) & 0x7FFF;
        z[k] = el_saturate16(el_saturate16(el_requantize16(z[k], x_factor, (unsigned)x_shifts[k])) +
                             el_saturate16(el_requantize16(from_h[k], h_factor, (unsigned)h_shifts[k])));
    }
    return weights;
#endif
}

#endif
