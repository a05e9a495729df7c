/* The chain4 layout on Armv7E-M, for rows A, B, C, D: halves of A + 256 B, of B + 256 C and of C + 256 D, multiplied as
 * they are, sum up to p = a + 256 b, q = b + 256 c and s = c + 256 d. So 8 products take 3 instructions and nothing is
 * unpacked, at 1.5 bytes a weight. Then a = p - 256 q + 65536 s modulo 2^24, b = (p - a) / 256, and so on.
 *
 * 3 start values, then for each 4 columns 3 words of columns 0 and 2, and 3 of columns 1 and 3. */
#ifndef EDGELSTM_ISA_CHAIN4_H
#define EDGELSTM_ISA_CHAIN4_H

#include "edgelstm_isa.h"

/* Yields p, q, s. */
static inline const el_word *el_chain4_sums(int32_t raw[3], const el_word *weights, const el_wide *values,
                                            unsigned columns)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int32_t p = (int32_t)weights[0], q = (int32_t)weights[1], s = (int32_t)weights[2];
    weights += 3;
    for (unsigned column = 0; column < columns; column += 2u) {
        const uint32_t pair = *pairs++;
        p = el_smlad(weights[0], pair, p);
        q = el_smlad(weights[1], pair, q);
        s = el_smlad(weights[2], pair, s);
        weights += 3;
    }
    raw[0] = p;
    raw[1] = q;
    raw[2] = s;
    return weights;
}

#if EL_ASM
/* The same in assembler: r0, r1, r2 the sums, r7 the values, lr the weights. */
#define EL_CHAIN4_4                                                                                                    \
    "ldmia  r7!, {r11, r12}\n\t"                                                                                       \
    "ldmia  lr!, {r3, r4, r5, r6, r8, r9}\n\t"                                                                         \
    "smlad  r0, r3, r11, r0\n\t"                                                                                       \
    "smlad  r1, r4, r11, r1\n\t"                                                                                       \
    "smlad  r2, r5, r11, r2\n\t"                                                                                       \
    "smlad  r0, r6, r12, r0\n\t"                                                                                       \
    "smlad  r1, r8, r12, r1\n\t"                                                                                       \
    "smlad  r2, r9, r12, r2\n\t"
#define EL_CHAIN4_16 EL_CHAIN4_4 EL_CHAIN4_4 EL_CHAIN4_4 EL_CHAIN4_4
#define EL_CHAIN4_64 EL_CHAIN4_16 EL_CHAIN4_16 EL_CHAIN4_16 EL_CHAIN4_16

/* Straight lines up to 127 columns; beyond, a loop over 64 of them, whose end stands in r10. */
#define EL_CHAIN4_COLUMNS                                                                                              \
    "ldmia  lr!, {r0, r1, r2}\n\t"                                                                                     \
    ".if %c[columns] >= 128\n\t"                                                                                       \
    "movw   r10, #(2 * (%c[columns] & ~63)) & 0xFFFF\n\t"                                                              \
    ".if (2 * (%c[columns] & ~63)) > 0xFFFF\n\t"                                                                       \
    "movt   r10, #(2 * (%c[columns] & ~63)) >> 16\n\t"                                                                 \
    ".endif\n\t"                                                                                                       \
    "add    r10, r10, r7\n"                                                                                            \
    "1:\n\t"                                                                                                           \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] >= 64\n\t" EL_CHAIN4_64 ".endif\n\t"                                                              \
    ".if %c[columns] >= 128\n\t"                                                                                       \
    "cmp    r7, r10\n\t"                                                                                               \
    "bne    1b\n\t"                                                                                                    \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] & 32\n\t" EL_CHAIN4_16 EL_CHAIN4_16 ".endif\n\t"                                                  \
    ".if %c[columns] & 16\n\t" EL_CHAIN4_16 ".endif\n\t"                                                               \
    ".if %c[columns] & 8\n\t" EL_CHAIN4_4 EL_CHAIN4_4 ".endif\n\t"                                                     \
    ".if %c[columns] & 4\n\t" EL_CHAIN4_4 ".endif\n\t"

/* From p, q, s to 256 a, 256 b, 256 c, 256 d in r3, r0, r1, r2; then each times its multiplier. r4 points to 4
 * multipliers and 4 roundings. */
#define EL_CHAIN4_SCALE                                                                                                \
    "ldm    r4, {r4, r5, r6, r8, r9, r10, r11, r12}\n\t"                                                               \
    "sub    r3, r0, r1, lsl #8\n\t"                                                                                    \
    "add    r3, r3, r2, lsl #16\n\t"                                                                                   \
    "lsl    r3, r3, #8\n\t"                                                                                            \
    "sub    r0, r0, r3, asr #8\n\t"                                                                                    \
    "sub    r1, r1, r0, asr #8\n\t"                                                                                    \
    "sub    r2, r2, r1, asr #8\n\t" EL_SCALE("r3", "r4", "r9", "shift0") EL_SCALE("r0", "r5", "r10", "shift1")         \
        EL_SCALE("r1", "r6", "r11", "shift2") EL_SCALE("r2", "r8", "r12", "shift3")
#endif

/* bias + row * values for 4 rows; exact while every sum stays within 24 bits. Returns the weights behind them. */
EL_INLINE const el_word *el_dot4_chain4(int32_t sums[4], const el_word *weights, const el_wide *values,
                                        unsigned columns, int32_t correction)
{
    int32_t raw[3];
    (void)correction;
#if EL_ASM
    register int32_t p __asm__("r0");
    register int32_t q __asm__("r1");
    register int32_t s __asm__("r2");
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r7}\n\t" /* may be the frame pointer */
            "mov    r7, r6\n\t" EL_CHAIN4_COLUMNS "pop    {r7}"
            : "=r"(p), "=r"(q), "=r"(s), "+r"(start), "+r"(stream)
            : [columns] "i"(columns)
            : "r3", "r4", "r5", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    raw[0] = p;
    raw[1] = q;
    raw[2] = s;
    weights = stream;
#else
    weights = el_chain4_sums(raw, weights, values, columns);
#endif
    const uint32_t a256 = ((uint32_t)raw[0] - ((uint32_t)raw[1] << 8) + ((uint32_t)raw[2] << 16)) << 8;
    sums[0] = (int32_t)a256 >> 8;
    sums[1] = (int32_t)((uint32_t)raw[0] - (uint32_t)sums[0]) >> 8;
    sums[2] = (int32_t)((uint32_t)raw[1] - (uint32_t)sums[1]) >> 8;
    sums[3] = (int32_t)((uint32_t)raw[2] - (uint32_t)sums[2]) >> 8;
    return weights;
}

/* The input part of four gates, as el_gates_hybrid; all multipliers are divided by 128. */
EL_INLINE const el_word *el_gates_chain4(int32_t z[4], const el_word *weights, const el_wide *values, unsigned columns,
                                         int32_t correction, const int32_t scales[8], int shift0, int shift1,
                                         int shift2, int shift3, unsigned bits)
{
#if EL_ASM
    register int32_t z1 __asm__("r0");
    register int32_t z2 __asm__("r1");
    register int32_t z3 __asm__("r2");
    register int32_t z0 __asm__("r3");
    register const int32_t *scale __asm__("r4") = scales;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    (void)correction;
    __asm__("push   {r4, r7}\n\t"
            "mov    r7, r6\n\t" EL_CHAIN4_COLUMNS "pop    {r4, r7}\n\t" EL_CHAIN4_SCALE EL_SATURATE("r3", "shift0")
                EL_SATURATE("r0", "shift1") EL_SATURATE("r1", "shift2") EL_SATURATE("r2", "shift3")
            : "=r"(z1), "=r"(z2), "=r"(z3), "=r"(z0), "+r"(scale), "+r"(start), "+r"(stream)
            : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2),
              [shift3] "i"(shift3), [bits] "i"(bits)
            : "r5", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    weights = el_dot4_chain4(z, weights, values, columns, correction);
    z[0] = el_saturate_part(el_requantize(z[0], scales[0] * 128, shift0), bits);
    z[1] = el_saturate_part(el_requantize(z[1], scales[1] * 128, shift1), bits);
    z[2] = el_saturate_part(el_requantize(z[2], scales[2] * 128, shift2), bits);
    z[3] = el_saturate_part(el_requantize(z[3], scales[3] * 128, shift3), bits);
    return weights;
#endif
}

/* The recurrent part: z[r] += sum of row r * multiplier. */
EL_INLINE const el_word *el_gates_add_chain4(int32_t z[4], const el_word *weights, const el_wide *values,
                                             unsigned columns, int32_t correction, const int32_t scales[8], int shift0,
                                             int shift1, int shift2, int shift3)
{
#if EL_ASM
    register int32_t z1 __asm__("r0") = z[1];
    register int32_t z2 __asm__("r1") = z[2];
    register int32_t z3 __asm__("r2") = z[3];
    register int32_t z0 __asm__("r3") = z[0];
    register const int32_t *scale __asm__("r4") = scales;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    (void)correction;
    __asm__(
        "push   {r0, r1, r2, r3, r4, r7}\n\t"
        "mov    r7, r6\n\t" EL_CHAIN4_COLUMNS "ldr    r4, [sp, #16]\n\t" EL_CHAIN4_SCALE
        "pop    {r4, r5, r6, r8, r9}\n\t" EL_ADD("r0", "r4", "shift1") EL_ADD("r1", "r5", "shift2")
            EL_ADD("r2", "r6", "shift3") EL_ADD("r3", "r8", "shift0") "pop    {r7}"
        : "+r"(z1), "+r"(z2), "+r"(z3), "+r"(z0), "+r"(scale), "+r"(start), "+r"(stream)
        : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2), [shift3] "i"(shift3)
        : "r5", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    int32_t sums[4];
    weights = el_dot4_chain4(sums, weights, values, columns, correction);
    z[0] += el_requantize(sums[0], scales[0] * 128, shift0);
    z[1] += el_requantize(sums[1], scales[1] * 128, shift1);
    z[2] += el_requantize(sums[2], scales[2] * 128, shift2);
    z[3] += el_requantize(sums[3], scales[3] * 128, shift3);
    return weights;
#endif
}

#endif
