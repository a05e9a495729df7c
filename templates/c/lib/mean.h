/* The mean of a whole sequence. */
#ifndef EDGELSTM_MEAN_H
#define EDGELSTM_MEAN_H

#include "edgelstm_fixedpoint.h"

/* A factor, multiplier * 2^(shift - 31), divided by count: rounded down, with as many bits as the multiplier takes.
 * multiplier >= 0, 0 < count < 2^24. */
static inline void el_divide_multiplier(int32_t *multiplier, int *shift, uint32_t count)
{
    uint32_t quotient = (uint32_t)*multiplier / count;
    uint32_t rest = (uint32_t)*multiplier % count;
    for (uint32_t digits = count; digits > 1u && *shift > -31; digits >>= 1) {
        rest *= 2u;
        quotient *= 2u;
        if (rest >= count) {
            rest -= count;
            quotient++;
        }
        (*shift)--;
    }
    *multiplier = (int32_t)quotient;
}

#endif
