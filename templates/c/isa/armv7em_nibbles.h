/* Weights of 4 bits on Armv7E-M: a word holds two columns of 4 rows A, B, C, D, biased by 8, from the lowest 4 bits on
 *
 *     A D' C B   A' D C' B'
 *
 * with a stroke for the second column, which the upper half of an operand multiplies.
 *
 * Chain: three pieces of the word, each cut out and rotated in one instruction, sum up to p = a + 256 c, q = c + 16 b
 * and s = b + 256 d. So 8 products take 6 instructions. Then a = p - 256 q + 4096 s modulo 2^20, c = (p - a) / 256, and
 * so on, where all come out larger by 8 times the sum of the values. 3 start values come first.
 *
 * Pairs: the same words for sums of any size, one row at a time. 4 start values come first. */
#ifndef EDGELSTM_ISA_NIBBLES_H
#define EDGELSTM_ISA_NIBBLES_H

#include "edgelstm_isa.h"

#define EL_EVEN_NIBBLES 0x0F0F0F0Fu

/* As el_widen; returns 8 times the sum of the values, by which the sum of every row comes out too large. */
static inline int32_t el_widen_nibbles(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    const el_pair *pairs = (const el_pair *)(const void *)wide;
    int32_t sum = 0;
    (void)el_widen(wide, narrow, columns);
    for (unsigned column = 0; column < columns; column += 4u) {
        sum = el_smlad(*pairs++, 0x00080008u, sum);
        sum = el_smlad(*pairs++, 0x00080008u, sum);
    }
    return sum;
}

/* value rotated to the right by 0 < count < 32. */
EL_INLINE uint32_t el_rotate(uint32_t value, unsigned count)
{
    return value >> count | value << (32u - count);
}

/* bias + row * values for 4 rows. Returns the weights behind them. */
static inline const el_word *el_dot4_nibble_pairs(int32_t sums[4], const el_word *weights, const el_wide *values,
                                                  unsigned columns, int32_t correction)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    for (unsigned row = 0; row < 4u; row++) {
        sums[row] = (int32_t)(weights[row] - (uint32_t)correction);
    }
    weights += 4;
    for (unsigned column = 0; column < columns; column += 2u) {
        const uint32_t word = *weights++, pair = *pairs++;
        sums[0] = el_smlad(word & 0x000F000Fu, pair, sums[0]);
        sums[1] = el_smlad(word >> 12 & 0x000F000Fu, pair, sums[1]);
        sums[2] = el_smlad(word >> 8 & 0x000F000Fu, pair, sums[2]);
        sums[3] = el_smlad(el_rotate(word, 20) & 0x000F000Fu, pair, sums[3]);
    }
    return weights;
}

/* Yields p, q, s. */
static inline const el_word *el_nibble_chain_sums(int32_t raw[3], const el_word *weights, const el_wide *values,
                                                  unsigned columns)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int32_t p = (int32_t)weights[0], q = (int32_t)weights[1], s = (int32_t)weights[2];
    weights += 3;
    for (unsigned column = 0; column < columns; column += 2u) {
        const uint32_t word = *weights++, pair = *pairs++;
        p = el_smlad(word & EL_EVEN_NIBBLES, pair, p);
        q = el_smlad(word >> 8 & 0x00FF00FFu, pair, q);
        s = el_smlad(el_rotate(word, 12) & EL_EVEN_NIBBLES, pair, s);
    }
    raw[0] = p;
    raw[1] = q;
    raw[2] = s;
    return weights;
}

#if EL_ASM
/* The same in assembler: r0, r1, r2 the sums, r3 the mask, r7 the values, lr the weights. */
#define EL_NIBBLES_2(word, pair)                                                                                       \
    "and    r12, r3, " word "\n\t"                                                                                     \
    "smlad  r0, r12, " pair ", r0\n\t"                                                                                 \
    "uxtb16 r12, " word ", ror #8\n\t"                                                                                 \
    "smlad  r1, r12, " pair ", r1\n\t"                                                                                 \
    "and    " word ", r3, " word ", ror #12\n\t"                                                                       \
    "smlad  r2, " word ", " pair ", r2\n\t"
#define EL_NIBBLES_4                                                                                                   \
    "ldmia  lr!, {r4, r5}\n\t"                                                                                         \
    "ldmia  r7!, {r9, r10}\n\t" EL_NIBBLES_2("r4", "r9") EL_NIBBLES_2("r5", "r10")
#define EL_NIBBLES_8                                                                                                   \
    "ldmia  lr!, {r4, r5, r6, r8}\n\t"                                                                                 \
    "ldmia  r7!, {r9, r10}\n\t" EL_NIBBLES_2("r4", "r9")                                                               \
        EL_NIBBLES_2("r5", "r10") "ldmia  r7!, {r9, r10}\n\t" EL_NIBBLES_2("r6", "r9") EL_NIBBLES_2("r8", "r10")
#define EL_NIBBLES_16 EL_NIBBLES_8 EL_NIBBLES_8
#define EL_NIBBLES_32 EL_NIBBLES_16 EL_NIBBLES_16
#define EL_NIBBLES_64 EL_NIBBLES_32 EL_NIBBLES_32

/* Straight lines up to 127 columns; beyond, a loop over 64 of them, whose end stands in r11. */
#define EL_NIBBLES_COLUMNS                                                                                             \
    "ldmia  lr!, {r0, r1, r2}\n\t"                                                                                     \
    "mov    r3, #0x0F0F0F0F\n\t"                                                                                       \
    ".if %c[columns] >= 128\n\t"                                                                                       \
    "movw   r11, #(2 * (%c[columns] & ~63)) & 0xFFFF\n\t"                                                              \
    ".if (2 * (%c[columns] & ~63)) > 0xFFFF\n\t"                                                                       \
    "movt   r11, #(2 * (%c[columns] & ~63)) >> 16\n\t"                                                                 \
    ".endif\n\t"                                                                                                       \
    "add    r11, r11, r7\n"                                                                                            \
    "1:\n\t"                                                                                                           \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] >= 64\n\t" EL_NIBBLES_64 ".endif\n\t"                                                             \
    ".if %c[columns] >= 128\n\t"                                                                                       \
    "cmp    r7, r11\n\t"                                                                                               \
    "bne    1b\n\t"                                                                                                    \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] & 32\n\t" EL_NIBBLES_32 ".endif\n\t"                                                              \
    ".if %c[columns] & 16\n\t" EL_NIBBLES_16 ".endif\n\t"                                                              \
    ".if %c[columns] & 8\n\t" EL_NIBBLES_8 ".endif\n\t"                                                                \
    ".if %c[columns] & 4\n\t" EL_NIBBLES_4 ".endif\n\t"

/* From p, q, s, and 8 times the sum of the values in r7, to a, b, c, d in r3, r1, r0, r2; then each times its factor,
 * of the four bytes that r4 points to, and plus half of what a shift drops. */
#define EL_NIBBLES_SCALE                                                                                               \
    "sub    r3, r0, r1, lsl #8\n\t"                                                                                    \
    "add    r3, r3, r2, lsl #12\n\t"                                                                                   \
    "sub    r3, r3, r7\n\t"                                                                                            \
    "sbfx   r3, r3, #0, #20\n\t"                                                                                       \
    "add    r5, r3, r7\n\t"                                                                                            \
    "sub    r0, r0, r5\n\t"                                                                                            \
    "sub    r1, r1, r0, asr #8\n\t"                                                                                    \
    "sub    r2, r2, r1, asr #4\n\t"                                                                                    \
    "rsb    r0, r7, r0, asr #8\n\t"                                                                                    \
    "rsb    r1, r7, r1, asr #4\n\t"                                                                                    \
    "rsb    r2, r7, r2, asr #8\n\t"                                                                                    \
    "ldr    r4, [r4]\n\t"                                                                                              \
    "mov    r6, #((1 << %c[shift]) >> 1)\n\t"                                                                          \
    "uxtb   r5, r4\n\t"                                                                                                \
    "uxtb   r8, r4, ror #8\n\t"                                                                                        \
    "uxtb   r9, r4, ror #16\n\t"                                                                                       \
    "lsr    r10, r4, #24\n\t"                                                                                          \
    "mla    r3, r3, r5, r6\n\t"                                                                                        \
    "mla    r1, r1, r8, r6\n\t"                                                                                        \
    "mla    r0, r0, r9, r6\n\t"                                                                                        \
    "mla    r2, r2, r10, r6\n\t"

#define EL_NIBBLES_SATURATE(value)                                                                                     \
    ".if %c[shift] > 0\n\t"                                                                                            \
    "ssat   " value ", #%c[bits], " value ", asr #%c[shift]\n\t"                                                       \
    ".else\n\t"                                                                                                        \
    "ssat   " value ", #%c[bits], " value "\n\t"                                                                       \
    ".endif\n\t"

#define EL_NIBBLES_ADD(value, other)                                                                                   \
    ".if %c[shift] > 0\n\t"                                                                                            \
    "add    " value ", " other ", " value ", asr #%c[shift]\n\t"                                                       \
    ".else\n\t"                                                                                                        \
    "add    " value ", " other ", " value "\n\t"                                                                       \
    ".endif\n\t"
#endif

/* bias + row * values for 4 rows; exact while every sum stays within 20 bits, and up to 4096 columns. Returns the
 * weights behind them. */
EL_INLINE const el_word *el_dot4_nibble_chain(int32_t sums[4], const el_word *weights, const el_wide *values,
                                              unsigned columns, int32_t correction)
{
    int32_t raw[3];
#if EL_ASM
    register int32_t p __asm__("r0");
    register int32_t q __asm__("r1");
    register int32_t s __asm__("r2");
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r7}\n\t" /* may be the frame pointer */
            "mov    r7, r6\n\t" EL_NIBBLES_COLUMNS "pop    {r7}"
            : "=r"(p), "=r"(q), "=r"(s), "+r"(start), "+r"(stream)
            : [columns] "i"(columns)
            : "r3", "r4", "r5", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    raw[0] = p;
    raw[1] = q;
    raw[2] = s;
    weights = stream;
#else
    weights = el_nibble_chain_sums(raw, weights, values, columns);
#endif
    const uint32_t p_unsigned = (uint32_t)raw[0], q_unsigned = (uint32_t)raw[1], s_unsigned = (uint32_t)raw[2];
    const uint32_t a4096 = (p_unsigned - (q_unsigned << 8) + (s_unsigned << 12) - (uint32_t)correction) << 12;
    const int32_t a = (int32_t)a4096 >> 12;
    const int32_t c = (int32_t)(p_unsigned - (uint32_t)(a + correction)) >> 8;
    const int32_t b = (int32_t)(q_unsigned - (uint32_t)c) >> 4;
    const int32_t d = (int32_t)(s_unsigned - (uint32_t)b) >> 8;
    sums[0] = a;
    sums[1] = b - correction;
    sums[2] = c - correction;
    sums[3] = d - correction;
    return weights;
}

/* The input part of four gates: z[r] = sum of row r * factor / 2^shift, rounded half up, see el_saturate_part;
 * |sum * factor| < 2^30, shift <= 24. */
EL_INLINE const el_word *el_gates_nibble_chain(int32_t z[4], const el_word *weights, const el_wide *values,
                                               unsigned columns, int32_t correction, const uint8_t factors[4],
                                               unsigned shift, unsigned bits)
{
#if EL_ASM
    register int32_t z2 __asm__("r0");
    register int32_t z1 __asm__("r1");
    register int32_t z3 __asm__("r2");
    register int32_t z0 __asm__("r3");
    register const uint8_t *factor __asm__("r4") = factors;
    register int32_t excess __asm__("r5") = correction;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r4, r5, r7}\n\t"
            "mov    r7, r6\n\t" EL_NIBBLES_COLUMNS "pop    {r4, r7}\n\t" EL_NIBBLES_SCALE EL_NIBBLES_SATURATE("r3")
                EL_NIBBLES_SATURATE("r1") EL_NIBBLES_SATURATE("r0") EL_NIBBLES_SATURATE("r2") "pop    {r7}"
            : "=r"(z2), "=r"(z1), "=r"(z3), "=r"(z0), "+r"(factor), "+r"(excess), "+r"(start), "+r"(stream)
            : [columns] "i"(columns), [shift] "i"(shift), [bits] "i"(bits)
            : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    int32_t sums[4];
    weights = el_dot4_nibble_chain(sums, weights, values, columns, correction);
    for (unsigned row = 0; row < 4u; row++) {
        z[row] = el_saturate_part((sums[row] * factors[row] + (((int32_t)1 << shift) >> 1)) >> shift, bits);
    }
    return weights;
#endif
}

/* The recurrent part: z[r] += sum of row r * factor / 2^shift. */
EL_INLINE const el_word *el_gates_add_nibble_chain(int32_t z[4], const el_word *weights, const el_wide *values,
                                                   unsigned columns, int32_t correction, const uint8_t factors[4],
                                                   unsigned shift)
{
#if EL_ASM
    register int32_t z2 __asm__("r0") = z[2];
    register int32_t z1 __asm__("r1") = z[1];
    register int32_t z3 __asm__("r2") = z[3];
    register int32_t z0 __asm__("r3") = z[0];
    register const uint8_t *factor __asm__("r4") = factors;
    register int32_t excess __asm__("r5") = correction;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r0, r1, r2, r3, r4, r5, r7}\n\t"
            "mov    r7, r6\n\t" EL_NIBBLES_COLUMNS "ldrd   r4, r7, [sp, #16]\n\t" EL_NIBBLES_SCALE
            "pop    {r4, r5, r6, r8, r9, r10}\n\t" EL_NIBBLES_ADD("r0", "r4") EL_NIBBLES_ADD("r1", "r5")
                EL_NIBBLES_ADD("r2", "r6") EL_NIBBLES_ADD("r3", "r8") "pop    {r7}"
            : "+r"(z2), "+r"(z1), "+r"(z3), "+r"(z0), "+r"(factor), "+r"(excess), "+r"(start), "+r"(stream)
            : [columns] "i"(columns), [shift] "i"(shift)
            : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    int32_t sums[4];
    weights = el_dot4_nibble_chain(sums, weights, values, columns, correction);
    for (unsigned row = 0; row < 4u; row++) {
        z[row] += (sums[row] * factors[row] + (((int32_t)1 << shift) >> 1)) >> shift;
    }
    return weights;
#endif
}

#endif
