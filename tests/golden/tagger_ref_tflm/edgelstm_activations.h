/* Sigmoid and tanh of the `tflm` contract, bit for bit TensorFlow Lite Micro's: a table with linear interpolation. */
#ifndef EDGELSTM_ACTIVATIONS_H
#define EDGELSTM_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"
#include "edgelstm_tables.h"

/* The table at magnitude / 2^bits, result Q0.(16 + bits). */
static inline int32_t el_interpolate(uint32_t magnitude, unsigned bits, int32_t beyond)
{
    const uint32_t index = magnitude >> bits;
    if (index >= 255u) {
        return beyond;
    }
    const uint32_t low = el_sigmoid_table[index];
    const uint32_t rise = el_sigmoid_table[index + 1u] - low;
    return (int32_t)((low << bits) + (magnitude & ((1u << bits) - 1u)) * rise);
}

/* Sigmoid of Q3.12, result Q0.15. */
static inline int32_t el_sigmoid(int32_t value)
{
    const int32_t scaled = 3 * value;
    if (scaled >= 0) {
        return (el_interpolate((uint32_t)scaled, 9u, INT32_C(0x7FFF) << 10) + 512) >> 10;
    }
    return ((INT32_C(1) << 25) - el_interpolate((uint32_t)-scaled, 9u, INT32_C(0x7FFF) << 10) + 511) >> 10;
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..6 integer bits, result Q0.15. */
static inline int32_t el_tanh(int32_t value, unsigned integer_bits)
{
    /* 3 << (integer_bits - 3), where a negative shift rounds. */
    const int32_t scaled = integer_bits >= 3u ? value * (int32_t)(3u << (integer_bits - 3u))
                                              : (3 * value + (int32_t)(1u << (2u - integer_bits))) >> (3u - integer_bits);
    if (scaled >= 0) {
        return (el_interpolate((uint32_t)scaled, 8u, INT32_C(0xFFFF) << 8) - (INT32_C(1) << 23) + 128) >> 8;
    }
    return ((INT32_C(1) << 23) - el_interpolate((uint32_t)-scaled, 8u, INT32_C(0xFFFF) << 8) + 127) >> 8;
}

#endif
