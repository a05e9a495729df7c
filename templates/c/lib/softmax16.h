/* The softmax of int16 values of TensorFlow Lite Micro: two tables of 513, between whose entries lie 128 inputs. */
#ifndef EDGELSTM_SOFTMAX16_H
#define EDGELSTM_SOFTMAX16_H

#include "edgelstm_fixedpoint.h"

/* A table at an int16 value; both hold Q0.15. */
static inline int32_t el_look_up16(const EL_FLASH int16_t *table, int32_t value)
{
    const unsigned index = (unsigned)(256 + (value >> 7));
    const int32_t low = table[index];
    const int32_t slope = table[index + 1u] - low;
    return low + ((slope * (value & 127) + 64) >> 7);
}

/* The sum of exponentials, not 0, as the table of reciprocals takes it: its leading bits, less 1. */
static inline int32_t el_reciprocal_argument16(uint32_t total, unsigned leading_zeros)
{
    const uint32_t shifted = ((total << (leading_zeros - 1u)) + (UINT32_C(1) << 13)) >> 14;
    return el_clamp((int32_t)shifted - 98304, -32768, 32767);
}

#endif
