/* Rows of int8 weights on int16 values, four of them in a word: the layout columns16. In plain C99.
 *
 * A word holds a column of rows A, B, C, D, a byte for each, biased by 128. Times the column's value, the word and its
 * upper 3, 2 and 1 bytes sum up, modulo 2^32, to p = a + 256 q, q = b + 256 r, r = c + 256 s and s = d, each of a, b,
 * c, d 128 times the sum of the values too large. 4 start values, those of p, q, r, s, then a word for each column. */
#ifndef EDGELSTM_ISA_COLUMNS16_H
#define EDGELSTM_ISA_COLUMNS16_H

#include "edgelstm_rows16.h"

typedef struct {
    uint32_t p, q, r, s;
} el_columns16_sums;

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

EL_INLINE void el_column16(el_columns16_sums *sums, el_word word, int16_t value)
{
    const uint32_t x = (uint32_t)value;
    sums->p += word * x;
    sums->q += (word >> 8) * x;
    sums->r += (word >> 16) * x;
    sums->s += (word >> 24) * x;
}

/* bias + row * values for 4 rows. Returns the weights behind them. */
EL_INLINE const el_word *el_dot4_columns16(int32_t sums[4], const el_word *weights, const int16_t *values,
                                           unsigned columns, int32_t correction)
{
    el_columns16_sums raw = {weights[0], weights[1], weights[2], weights[3]};
    const int16_t *end = values + columns;
    weights += 4;
    do {
        el_column16(&raw, weights[0], values[0]);
        el_column16(&raw, weights[1], values[1]);
#if defined(__XTENSA__) /* has no registers for more */
        weights += 2;
        values += 2;
#else
        el_column16(&raw, weights[2], values[2]);
        el_column16(&raw, weights[3], values[3]);
        weights += 4;
        values += 4;
#endif
        EL_KEEP(values); /* or compilers unroll further */
    } while (values != end);
    sums[0] = (int32_t)(raw.p - (raw.q << 8) - (uint32_t)correction);
    sums[1] = (int32_t)(raw.q - (raw.r << 8) - (uint32_t)correction);
    sums[2] = (int32_t)(raw.r - (raw.s << 8) - (uint32_t)correction);
    sums[3] = (int32_t)(raw.s - (uint32_t)correction);
    return weights;
}

#endif
