/* Rows of int8 weights on int16 values for Cortex-M0 and M0+: the layout columns16.
 *
 * A word holds a column of rows A, B, C, D, a byte for each, biased by 128. Times the column's value, the word and its
 * upper 3, 2 and 1 bytes sum up, modulo 2^32, to p = a + 256 q, q = b + 256 r, r = c + 256 s and s = d, each of a, b,
 * c, d 128 times the sum of the values too large. 4 start values, those of p, q, r, s, then a word for each column. */
#ifndef EDGELSTM_ISA_COLUMNS16_H
#define EDGELSTM_ISA_COLUMNS16_H

#include "edgelstm_rows16.h"

/* Values, zeros up to a whole number of 4. Returns by how much every row comes out too large for them. */
static inline int32_t el_widen16(int16_t *copy, const int16_t *values, unsigned count)
{
    int32_t sum = 0;
    for (unsigned k = 0; k < count; k++) {
        const int16_t value = values[k];
        copy[k] = value;
        sum += value;
    }
    for (; count % 4u != 0u; count++) {
        copy[count] = 0;
    }
    return (int32_t)(128u * (uint32_t)sum);
}

#if EL_ASM
/* r8, r9, r10, r12 are p, q, r, s, r0 points to the values, r1 to the weights. */
#define EL_COLUMN16(word, value)                                                                                       \
    "lsrs   r4, " word ", #8\n\t"                                                                                      \
    "muls   r4, " value ", r4\n\t"                                                                                     \
    "add    r9, r4\n\t"                                                                                                \
    "lsrs   r4, " word ", #16\n\t"                                                                                     \
    "muls   r4, " value ", r4\n\t"                                                                                     \
    "add    r10, r4\n\t"                                                                                               \
    "lsrs   r4, " word ", #24\n\t"                                                                                     \
    "muls   r4, " value ", r4\n\t"                                                                                     \
    "add    r12, r4\n\t"                                                                                               \
    "muls   " word ", " value ", " word "\n\t"                                                                         \
    "add    r8, " word "\n\t"
#define EL_COLUMNS16_2                                                                                                 \
    "ldmia  r0!, {r6}\n\t"                                                                                             \
    "ldmia  r1!, {r2, r3}\n\t"                                                                                         \
    "sxth   r5, r6\n\t" EL_COLUMN16("r2", "r5") "asrs   r6, r6, #16\n\t" EL_COLUMN16("r3", "r6")
#define EL_COLUMNS16_4 EL_COLUMNS16_2 EL_COLUMNS16_2

/* Blocks of 8 columns, about as far as a conditional jump reaches, up to the end in r11; then the rest. */
#if defined(__OPTIMIZE_SIZE__)
#define EL_BLOCK16 4u
#define EL_COLUMNS16_OPERAND
#define EL_COLUMNS16                                                                                                   \
    "1:\n\t" EL_COLUMNS16_4 "cmp    r0, r11\n\t"                                                                       \
    "bne    1b\n\t"
#else
#define EL_BLOCK16 8u
#define EL_COLUMNS16_OPERAND [columns] "i"(columns)
#define EL_COLUMNS16                                                                                                   \
    "1:\n\t"                                                                                                           \
    ".if %c[columns] >= 8\n\t" EL_COLUMNS16_4 EL_COLUMNS16_4 ".endif\n\t"                                              \
    ".if %c[columns] >= 16\n\t"                                                                                        \
    "cmp    r0, r11\n\t"                                                                                               \
    "bne    1b\n\t"                                                                                                    \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] & 4\n\t" EL_COLUMNS16_4 ".endif\n\t"
#endif
#endif

/* bias + row * values for 4 rows. Returns the weights behind them. */
EL_SHARED const el_word *el_dot4_columns16(int32_t sums[4], const el_word *weights, const int16_t *values,
                                           unsigned columns, int32_t correction)
{
    uint32_t p, q, r, s;
#if EL_ASM
    register const int16_t *start __asm__("r0") = values;
    register const el_word *stream __asm__("r1") = weights;
    register uint32_t found_p __asm__("r2");
    register uint32_t found_q __asm__("r3");
    register uint32_t found_r __asm__("r4");
    register uint32_t found_s __asm__("r5");
    register const int16_t *end __asm__("r6") = values + columns / EL_BLOCK16 * EL_BLOCK16;
    __asm__ volatile(".syntax unified\n\t"
                     "mov    r11, r6\n\t"
                     "ldmia  r1!, {r2, r3, r4, r5}\n\t"
                     "mov    r8, r2\n\t"
                     "mov    r9, r3\n\t"
                     "mov    r10, r4\n\t"
                     "mov    r12, r5\n" EL_COLUMNS16 "mov    r2, r8\n\t"
                     "mov    r3, r9\n\t"
                     "mov    r4, r10\n\t"
                     "mov    r5, r12"
                     : "+r"(start), "+r"(stream), "=r"(found_p), "=r"(found_q), "=r"(found_r), "=r"(found_s), "+r"(end)
                     : EL_COLUMNS16_OPERAND
                     : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    p = found_p;
    q = found_q;
    r = found_r;
    s = found_s;
    weights = stream;
#else
    const int16_t *end = values + columns;
    p = *weights++;
    q = *weights++;
    r = *weights++;
    s = *weights++;
    do {
        const uint32_t value = (uint32_t)*values++;
        const el_word word = *weights++;
        p += word * value;
        q += (word >> 8) * value;
        r += (word >> 16) * value;
        s += (word >> 24) * value;
    } while (values != end);
#endif
    sums[0] = (int32_t)(p - (q << 8) - (uint32_t)correction);
    sums[1] = (int32_t)(q - (r << 8) - (uint32_t)correction);
    sums[2] = (int32_t)(r - (s << 8) - (uint32_t)correction);
    sums[3] = (int32_t)(s - (uint32_t)correction);
    return weights;
}

#endif
