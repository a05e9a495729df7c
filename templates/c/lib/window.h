/* Windows over the last time steps of a sequence, for layers that look at a few neighbouring ones. */
#ifndef EDGELSTM_WINDOW_H
#define EDGELSTM_WINDOW_H

#include <stdbool.h>

#include "edgelstm_fixedpoint.h"

/* Take a step into a window: the oldest leaves it. True at every stride-th, when a result is due. */
static inline bool el_take_step(int8_t *window, unsigned window_size, const int8_t *step, unsigned step_size,
                                int16_t *countdown, int16_t stride)
{
    const unsigned kept = window_size - step_size;
    for (unsigned k = 0; k < kept; k++) {
        window[k] = window[k + step_size];
    }
    for (unsigned k = 0; k < step_size; k++) {
        window[kept + k] = step[k];
    }
    *countdown = (int16_t)(*countdown - 1);
    if (*countdown != 0) {
        return false;
    }
    *countdown = stride;
    return true;
}

EL_INLINE int32_t el_larger8(int32_t a, int32_t b)
{
#if EL_CONSTANT_TIME
    const int32_t difference = a - b;
    return a - (difference & (difference >> 31));
#else
    return a > b ? a : b;
#endif
}

/* sum / n to nearest, ties away from zero; half is n / 2, and 1 / n is reciprocal / 2^shift. */
EL_INLINE int32_t el_mean_of(int32_t sum, uint32_t half, uint32_t reciprocal, unsigned shift)
{
    const uint64_t product = (uint64_t)(el_magnitude(sum) + half) * reciprocal;
    return el_with_sign_of(sum, (int32_t)(product >> shift));
}

#endif
