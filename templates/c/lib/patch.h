/* Patches of images: a few neighbouring features of each of a few time steps. A window holds a row for each step, the
 * channels of each feature side by side, with features of padding at both ends where the layer sees such. */
#ifndef EDGELSTM_PATCH_H
#define EDGELSTM_PATCH_H

#include "edgelstm_isa.h"
#include "edgelstm_window.h"

/* Take a step into a window of rows, whose first `before` values and those behind the step are padding. True at every
 * stride-th, when a row of results is due. */
static inline bool el_take_row(int8_t *window, unsigned window_size, unsigned row_size, unsigned before,
                               const int8_t *step, unsigned step_size, int16_t *countdown, int16_t stride)
{
    for (unsigned k = 0; k < window_size - row_size; k++) {
        window[k] = window[k + row_size];
    }
    int8_t *inner = &window[window_size - row_size + before];
    for (unsigned k = 0; k < step_size; k++) {
        inner[k] = step[k];
    }
    *countdown = (int16_t)(*countdown - 1);
    if (*countdown != 0) {
        return false;
    }
    *countdown = stride;
    return true;
}

/* What a result sees, side by side: of each of `taps` rows `parts` times `size` values, `distance` from one to the
 * next. */
EL_INLINE void el_gather_patch(int8_t *patch, const int8_t *seen, unsigned taps, unsigned row_distance, unsigned parts,
                               unsigned distance, unsigned size)
{
    for (unsigned tap = 0; tap < taps; tap++) {
        for (unsigned part = 0; part < parts; part++) {
            const int8_t *values = &seen[row_distance * tap + distance * part];
            for (unsigned k = 0; k < size; k++) {
                *patch++ = values[k];
            }
        }
    }
}

/* el_widen of `size` values, a multiple of 4, of each of `taps` rows. */
EL_INLINE int32_t el_widen_patch(el_wide *wide, const int8_t *seen, unsigned taps, unsigned row_distance, unsigned size)
{
    uint32_t correction = 0;
    for (unsigned tap = 0; tap < taps; tap++) {
        correction += (uint32_t)el_widen(&wide[size * tap], &seen[row_distance * tap], size);
    }
    return (int32_t)correction;
}

/* Products of 4 values with 4 weights, each added to a sum of its own. */
EL_INLINE void el_add_products(int32_t sums[4], const int8_t *values, const EL_FLASH int8_t *weights)
{
    sums[0] += values[0] * weights[0];
    sums[1] += values[1] * weights[1];
    sums[2] += values[2] * weights[2];
    sums[3] += values[3] * weights[3];
}

#endif
