/* The functions of edgelstm_mve_rows16.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_ROWS16_INTRINSICS_H
#define EDGELSTM_MVE_ROWS16_INTRINSICS_H

#include "edgelstm_mve_rows16.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* Takes `count` values apart, 8 at a time: all low bytes, from a whole number of 16 on all high ones, zeros between. */
EL_MVE_INLINE void el_mve_split16(int8_t *bytes, const int16_t *values, unsigned count)
{
    int8_t *high = &bytes[(count + 15u) / 16u * 16u];
    for (unsigned k = 0; k < (count + 15u) / 16u * 16u; k += 8u) {
        const int16x8_t value = vldrhq_z_s16(&values[k], el_mve_first_of_8(count > k ? count - k : 0u));
        vstrbq_s16(&bytes[k], vaddq_n_s16(value, 128));
        vstrbq_s16(&high[k], vshrq_n_s16(value, 8));
    }
}

/* Sums of up to 48 columns from the start values in the stream, or with `continues` those that are there plus them;
 * returns what follows the weights. */
EL_MVE_INLINE const uint32_t *el_mve_pass16(int32_t *sums, const uint32_t *weights, const int8_t *low_bytes,
                                            const int8_t *high_bytes, unsigned columns, unsigned rows,
                                            unsigned continues)
{
    for (unsigned first = 0; first < rows; first += 4u) {
        int32_t sum[8];
        for (unsigned k = 0; k < 8u; k++) {
            sum[k] = continues ? sums[2u * first + k] : (int32_t)*weights++;
        }
        for (unsigned column = 0; column < columns; column += 16u) {
            const int8x16_t high = vldrbq_s8(&high_bytes[column]);
            const int8x16_t low = vldrbq_s8(&low_bytes[column]);
            for (unsigned row = 0; row < 4u; row++) {
                const int8x16_t weight = vldrbq_s8((const int8_t *)weights);
                sum[2u * row] = vmladavaq_s8(sum[2u * row], weight, high);
                sum[2u * row + 1u] = vmladavaq_s8(sum[2u * row + 1u], weight, low);
                weights += 4;
            }
        }
        for (unsigned k = 0; k < 8u; k++) {
            sums[2u * first + k] = sum[k];
        }
    }
    return weights;
}

#endif
#endif
