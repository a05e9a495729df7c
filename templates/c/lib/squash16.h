/* Sigmoid and tanh of int16 values, bit for bit TensorFlow Lite Micro's, result Q0.15.
 *
 * Arguments are steps of 1 / (3 * 2^12). With the table they fall into 512 pieces, in each of which sigmoid times 2^25,
 * roundings included, is a line: neither branches nor signs are left. tanh(x) = 2 sigmoid(2 x) - 1 holds to the bit. */
#ifndef EDGELSTM_SQUASH16_H
#define EDGELSTM_SQUASH16_H

#include "edgelstm_activations.h"

#if EL_SQUASH_TABLE
/* |steps| at most 2^17. */
EL_INLINE int32_t el_squash_line(int32_t steps)
{
    const EL_FLASH int32_t *line = &el_squash_table[2 * ((steps >> 9) + 256)];
    return line[0] + line[1] * steps;
}

EL_INLINE int32_t el_squash_clamp(int32_t steps)
{
    return el_clamp(steps, -131072, 131071);
}

/* Of any argument below 2^30. */
EL_INLINE int32_t el_sigmoid_of_steps(int32_t steps)
{
    return el_clamp(el_squash_line(el_squash_clamp(steps)) >> 10, 1, 32767);
}

EL_INLINE int32_t el_tanh_of_steps(int32_t steps)
{
    return (el_squash_line(el_squash_clamp(2 * steps)) - 16777472) >> 9;
}

/* Of Q3.12, int16. */
EL_INLINE int32_t el_sigmoid16(int32_t value)
{
    return el_squash_line(3 * value) >> 10;
}

/* Of Q(integer_bits).(15 - integer_bits), int16, 0..6 integer bits. */
EL_INLINE int32_t el_tanh16(int32_t value, unsigned integer_bits)
{
    /* 3 << (integer_bits - 3), where a negative shift rounds. */
    const int32_t steps = integer_bits >= 3u
                              ? value * (int32_t)(UINT32_C(3) << (integer_bits - 3u))
                              : (3 * value + (int32_t)(UINT32_C(1) << (2u - integer_bits))) >> (3u - integer_bits);
    const int32_t doubled = integer_bits >= 3u ? el_squash_clamp(2 * steps) : 2 * steps;
    return (el_squash_line(doubled) - 16777472) >> 9;
}
#else
static inline int32_t el_sigmoid_of_steps(int32_t steps)
{
    if (steps >= 0) {
        return (el_interpolate((uint32_t)steps, 9u, INT32_C(0x7FFF) << 10) + 512) >> 10;
    }
    return ((INT32_C(1) << 25) - el_interpolate((uint32_t)-steps, 9u, INT32_C(0x7FFF) << 10) + 511) >> 10;
}

static inline int32_t el_tanh_of_steps(int32_t steps)
{
    if (steps >= 0) {
        return (el_interpolate((uint32_t)steps, 8u, INT32_C(0xFFFF) << 8) - (INT32_C(1) << 23) + 128) >> 8;
    }
    return ((INT32_C(1) << 23) - el_interpolate((uint32_t)-steps, 8u, INT32_C(0xFFFF) << 8) + 127) >> 8;
}

EL_INLINE int32_t el_sigmoid16(int32_t value)
{
    return el_sigmoid(value);
}

EL_INLINE int32_t el_tanh16(int32_t value, unsigned integer_bits)
{
    return el_tanh(value, integer_bits);
}
#endif

#endif
