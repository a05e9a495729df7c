/* Sigmoid and tanh of int16 values of any scale, as layers of TensorFlow Lite Micro: those of its LSTM behind a scaling. */
#ifndef EDGELSTM_SQUASH16_H
#define EDGELSTM_SQUASH16_H

#include "edgelstm_activations.h"

/* Sigmoid of a real number in steps of 1 / (3 * 2^12), result Q0.15. */
static inline int32_t el_sigmoid_of_steps(int32_t steps)
{
    if (steps >= 0) {
        return (el_interpolate((uint32_t)steps, 9u, INT32_C(0x7FFF) << 10) + 512) >> 10;
    }
    return ((INT32_C(1) << 25) - el_interpolate((uint32_t)-steps, 9u, INT32_C(0x7FFF) << 10) + 511) >> 10;
}

/* Hyperbolic tangent, likewise. */
static inline int32_t el_tanh_of_steps(int32_t steps)
{
    if (steps >= 0) {
        return (el_interpolate((uint32_t)steps, 8u, INT32_C(0xFFFF) << 8) - (INT32_C(1) << 23) + 128) >> 8;
    }
    return ((INT32_C(1) << 23) - el_interpolate((uint32_t)-steps, 8u, INT32_C(0xFFFF) << 8) + 127) >> 8;
}

#endif
