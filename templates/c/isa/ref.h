/* Portable primitives in plain C99. This file defines what every other instruction set header must compute. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are written for little-endian cores"
#endif

/* Weights are read in words, activations are widened once a step. */
typedef uint32_t el_word;
typedef int16_t el_wide;

EL_INLINE int32_t el_saturate8(int32_t value)
{
    return value < -128 ? -128 : value > 127 ? 127 : value;
}

EL_INLINE int32_t el_saturate16(int32_t value)
{
    return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

/* A part of a gate: with 16 bits saturated, as TensorFlow Lite does; with 32 as it is, where only the sum is to be. */
EL_INLINE int32_t el_saturate_part(int32_t value, unsigned bits)
{
    return bits == 16u ? el_saturate16(value) : value;
}

/* el_saturate8(value * multiplier * 2^(shift - 31) + zero_point); |value| < 2^30, shift <= 0. */
EL_INLINE int32_t el_requantize8(int32_t value, int32_t multiplier, int shift, int32_t zero_point)
{
    return el_saturate8(el_requantize(value, multiplier, shift) + zero_point);
}

/* int8 to the width in which they are multiplied, zeros up to a whole number of 4 columns. Returns what the weight
 * layout adds to the sum of every row for these values: here nothing. */
static inline int32_t el_widen(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    unsigned column = 0;
    for (; column < columns; column++) {
        wide[column] = narrow[column];
    }
    for (; column % 4u != 0u; column++) {
        wide[column] = 0;
    }
    return 0;
}

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
static inline const el_word *el_dot4_rows(int32_t sums[4], const el_word *weights, const el_wide *values,
                                          unsigned columns, int32_t correction)
{
    (void)correction;
    for (unsigned row = 0; row < 4u; row++) {
        const int8_t *bytes = (const int8_t *)&weights[4u + row];
        int32_t sum = (int32_t)weights[row];
        for (unsigned column = 0; column < columns; column += 4u) {
            for (unsigned k = 0; k < 4u; k++) {
                sum += bytes[4u * column + k] * values[column + k];
            }
        }
        sums[row] = sum;
    }
    return &weights[4u + columns];
}

/* The same for a single row: its bias, then its bytes. */
static inline const el_word *el_dot1(int32_t *sum, const el_word *weights, const el_wide *values, unsigned columns)
{
    const int8_t *bytes = (const int8_t *)&weights[1];
    *sum = (int32_t)weights[0];
    for (unsigned column = 0; column < columns; column++) {
        *sum += bytes[column] * values[column];
    }
    return &weights[1u + columns / 4u];
}

/* The sum of values, as el_widen leaves them, times any number of bytes at any address. */
static inline int32_t el_dot_bytes(const int8_t *bytes, const el_wide *values, unsigned count)
{
    int32_t sum = 0;
    for (unsigned k = 0; k < count; k++) {
        sum += bytes[k] * values[k];
    }
    return sum;
}

#endif
