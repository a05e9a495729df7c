/* Portable primitives in plain C99. This file defines what every other instruction set header must compute. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include <stdint.h>

#if defined(__GNUC__)
#define EL_ALIGNED __attribute__((aligned(4)))
#else
#define EL_ALIGNED
#endif

static inline int8_t el_saturate8(int32_t value)
{
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}

static inline int16_t el_saturate16(int32_t value)
{
    return (int16_t)(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
}

/* Rounded high half of 2*a*b: floor((a*b + 2^30) / 2^31). The multiplier is never INT32_MIN. */
static inline int32_t el_high_multiply(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << 30)) >> 31);
}

/* int8 to int16, zeros up to a whole number of 4 columns. */
static inline void el_widen(int16_t *wide, const int8_t *narrow, unsigned columns)
{
    unsigned column = 0;
    for (; column < columns; column++) {
        wide[column] = narrow[column];
    }
    for (; column % 4u != 0u; column++) {
        wide[column] = 0;
    }
}

/* sums[r] += row r * values for four rows. The weights hold, for each 4 columns, 4 bytes of each row in turn. */
static inline void el_dot4(int32_t sums[4], const int8_t *weights, const int16_t *values, unsigned columns)
{
    for (unsigned column = 0; column < columns; column += 4u) {
        for (unsigned row = 0; row < 4u; row++) {
            for (unsigned k = 0; k < 4u; k++) {
                sums[row] += weights[4u * row + k] * values[column + k];
            }
        }
        weights += 16;
    }
}

/* sum + row * values for a single row. */
static inline int32_t el_dot1(int32_t sum, const int8_t *weights, const int16_t *values, unsigned columns)
{
    for (unsigned column = 0; column < columns; column++) {
        sum += weights[column] * values[column];
    }
    return sum;
}

#endif
