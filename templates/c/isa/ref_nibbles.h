/* Weights of 4 bits: a word holds two columns of 4 rows, a byte for each row, the first column in its lower half, and
 * all biased by 8. Portable. */
#ifndef EDGELSTM_ISA_NIBBLES_H
#define EDGELSTM_ISA_NIBBLES_H

#include "edgelstm_isa.h"

/* As el_widen; returns 8 times the sum of the values, by which the sum of every row comes out too large. */
static inline int32_t el_widen_nibbles(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    int32_t sum = 0;
    (void)el_widen(wide, narrow, columns);
    for (unsigned column = 0; column < columns; column++) {
        sum += narrow[column];
    }
    return sum * 8;
}

/* bias + row * values for 4 rows a, b, c, d. Multiplied as they are, 4 bytes sum up to a + 256 b + 65536 c + 2^24 d
 * modulo 2^32, without the lowest to b + 256 c + 65536 d, and so on; the differences are exact. Returns the weights
 * behind them. */
static inline const el_word *el_dot4_nibbles(int32_t sums[4], const el_word *weights, const el_wide *values,
                                             unsigned columns, int32_t correction)
{
    const el_word *biases = weights;
    uint32_t all = 0, upper3 = 0, upper2 = 0, last = 0;
    weights += 4;
    for (unsigned column = 0; column < columns; column += 2u) {
        const uint32_t word = *weights++;
        const uint32_t first = word & 0x0F0F0F0Fu, second = word >> 4 & 0x0F0F0F0Fu;
        const uint32_t x = (uint32_t)values[column], y = (uint32_t)values[column + 1u];
        all += first * x + second * y;
        upper3 += (first >> 8) * x + (second >> 8) * y;
        upper2 += (first >> 16) * x + (second >> 16) * y;
        last += (first >> 24) * x + (second >> 24) * y;
    }
    sums[0] = (int32_t)(biases[0] - (uint32_t)correction + all - (upper3 << 8));
    sums[1] = (int32_t)(biases[1] - (uint32_t)correction + upper3 - (upper2 << 8));
    sums[2] = (int32_t)(biases[2] - (uint32_t)correction + upper2 - (last << 8));
    sums[3] = (int32_t)(biases[3] - (uint32_t)correction + last);
    return weights;
}

typedef struct {
    uint32_t p, q, s;
} el_nibble_sums;

/* Adds a column: a byte of each row, times its value. */
EL_INLINE void el_nibble_column(el_nibble_sums *sums, uint32_t bytes, el_wide value)
{
    const uint32_t x = (uint32_t)value;
    sums->p += bytes * x;
    sums->q += (bytes >> 8 & 0xFFFFu) * x;
    sums->s += (bytes >> 16) * x;
}

/* The same words behind 3 start values, for sums within 24 bits: p = a + 256 b + 65536 c + 2^24 d, q = b + 256 c and
 * s = c + 256 d, modulo 2^32, are enough, and take a multiplication less for 4 products. */
static inline const el_word *el_dot4_nibble_columns(int32_t sums[4], const el_word *weights, const el_wide *values,
                                                    unsigned columns, int32_t correction)
{
    const el_wide *const end = &values[columns];
    el_nibble_sums raw = {weights[0], weights[1], weights[2]};
    weights += 3;
    while (values != end) {
        const uint32_t word = weights[0], next = weights[1];
        el_nibble_column(&raw, word & 0x0F0F0F0Fu, values[0]);
        el_nibble_column(&raw, word >> 4 & 0x0F0F0F0Fu, values[1]);
        el_nibble_column(&raw, next & 0x0F0F0F0Fu, values[2]);
        el_nibble_column(&raw, next >> 4 & 0x0F0F0F0Fu, values[3]);
        weights += 2;
        values += 4;
    }
    const uint32_t p = raw.p - (uint32_t)correction * 0x01010101u;
    const uint32_t q = raw.q - (uint32_t)correction * 0x101u;
    const uint32_t s = raw.s - (uint32_t)correction * 0x101u;
    sums[0] = (int32_t)((p - (q << 8)) << 8) >> 8;
    sums[1] = (int32_t)(p - (s << 16) - (uint32_t)sums[0]) >> 8;
    sums[2] = (int32_t)(q - (uint32_t)sums[1]) >> 8;
    sums[3] = (int32_t)(s - (uint32_t)sums[2]) >> 8;
    return weights;
}

#endif
