/* Weights of 4 bits: a word holds two columns of 4 rows, a byte for each row, the first column in its lower half, and
 * all biased by 8. */
#ifndef EDGELSTM_ISA_NIBBLES_H
#define EDGELSTM_ISA_NIBBLES_H

#include "edgelstm_isa.h"

/* As el_widen; returns 8 times the sum of the values, by which the sum of every row comes out too large. */
static inline int32_t el_widen_nibbles(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    return el_widen(wide, narrow, columns) / -16; /* that is -128 times the sum */
}

/* bias + row * values for 4 rows. Two products fit 16 bits: 2 * 15 * 128 is the most. Returns the weights behind them.
 */
EL_NOINLINE el_word *el_dot4_nibbles(int32_t sums[4], el_word *weights, const el_wide *values, unsigned columns,
                                     int32_t correction)
{
    const EL_FLASH uint8_t *bytes = (const EL_FLASH uint8_t *)&weights[4];
    uint32_t found[4];
    for (unsigned row = 0; row < 4u; row++) {
        found[row] = weights[row] - (uint32_t)correction;
    }
    for (unsigned column = 0; column < columns; column += 2u) {
        const int8_t x = (int8_t)values[column], y = (int8_t)values[column + 1u];
        for (unsigned row = 0; row < 4u; row++) {
            const uint8_t byte = *bytes++;
            const int8_t first = (int8_t)(byte & 15u), second = (int8_t)(byte >> 4);
            found[row] += (uint32_t)(int32_t)(first * x + second * y);
        }
    }
    for (unsigned row = 0; row < 4u; row++) {
        sums[row] = (int32_t)found[row];
    }
    return &weights[4u + columns / 2u];
}

#endif
