/* el_mve_depthwise of edgelstm_mve_depthwise.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_DEPTHWISE_INTRINSICS_H
#define EDGELSTM_MVE_DEPTHWISE_INTRINSICS_H

#include "edgelstm_mve_depthwise.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* 4 sums requantized by shifts to the left, mantissas and shifts to the right; half up of a value that is one lower
 * where it is negative and shifted right is half away from zero. */
EL_MVE_INLINE int32x4_t el_mve_requantize_lanes(int32x4_t sums, const uint32_t *scale)
{
    const int32x4_t right = vldrbq_s32((const int8_t *)&scale[5]);
    const int32x4_t shifted = vshlq_s32(sums, vldrbq_s32((const int8_t *)scale));
    const int32x4_t product = vqrdmulhq_s32(shifted, vldrwq_s32((const int32_t *)&scale[1]));
    return vrshlq_s32(vaddq_s32(product, vshrq_n_s32(vandq_s32(product, right), 31)), right);
}

EL_MVE_INLINE void el_mve_depthwise(int8_t *output, const uint32_t *weights, const int8_t *seen, unsigned outputs,
                                    const el_mve_patch *patch)
{
    for (unsigned k = 0; k < outputs; k += 8u) {
        const mve_pred16_t first_ones = el_mve_first_of_8(outputs - k);
        int32x4_t even = vldrwq_s32((const int32_t *)weights);
        int32x4_t odd = vldrwq_s32((const int32_t *)&weights[4]);
        weights += 8;
        for (unsigned row = 0; row < patch->rows; row++) {
            for (unsigned tap = 0; tap < patch->taps; tap++) {
                const int8_t *value = &seen[patch->row_distance * row + patch->distance * tap + k];
                const int16x8_t values = vldrbq_z_s16(value, first_ones);
                const int16x8_t kernel = vldrbq_s16((const int8_t *)weights);
                even = vaddq_s32(even, vmullbq_int_s16(values, kernel));
                odd = vaddq_s32(odd, vmulltq_int_s16(values, kernel));
                weights += 2;
            }
        }
        even = el_mve_requantize_lanes(even, weights);
        odd = el_mve_requantize_lanes(odd, &weights[6]);
        weights += 12;
        const int16x8_t sum = vqaddq_n_s16(el_mve_narrow(even, odd), (int16_t)patch->zero_point);
        const int16x8_t bounded = vminq_s16(vmaxq_s16(sum, vdupq_n_s16((int16_t)patch->lowest)), vdupq_n_s16(INT8_MAX));
        vstrbq_p_s16(&output[k], bounded, first_ones);
    }
}

#endif
#endif
