/* The functions of edgelstm_mve_normalization.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_NORMALIZATION_INTRINSICS_H
#define EDGELSTM_MVE_NORMALIZATION_INTRINSICS_H

#include "edgelstm_mve_normalization.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* Sum and sum of squares. */
EL_MVE_INLINE int32_t el_mve_moments(const int8_t *values, unsigned count, uint32_t *squares)
{
    int32_t sum = 0;
    int32_t total = 0;
    for (unsigned k = 0; k < count; k += 16u) {
        const int8x16_t some = vldrbq_z_s8(&values[k], el_mve_first_of_16(count - k));
        sum = vaddvaq_s8(sum, some);
        total = vmladavaq_s8(total, some, some);
    }
    *squares = (uint32_t)total;
    return sum;
}

/* 4 values at a time. */
EL_MVE_INLINE void el_mve_normalize(int8_t *output, const int8_t *values, unsigned count, const el_mve_normal *normal,
                                    const int16_t *gamma, const int32_t *beta)
{
    for (unsigned k = 0; k < count; k += 4u) {
        const mve_pred16_t first_ones = el_mve_first_of_4(count - k);
        const int32x4_t scaled = vmulq_n_s32(vldrbq_z_s32(&values[k], first_ones), (int32_t)count);
        const int32x4_t distance = vshlq_r_s32(vsubq_n_s32(scaled, normal->sum), normal->shift);
        const int32x4_t gain = vshlq_n_s32(vldrhq_z_s32(&gamma[k], first_ones), 16);
        const int32x4_t gained = vqrdmulhq_s32(vqrdmulhq_n_s32(distance, normal->root), gain);
        const int32x4_t sum = vaddq_s32(gained, vldrwq_z_s32(&beta[k], first_ones));
        const int32x4_t lowered = vshrq_n_s32(vandq_s32(sum, vdupq_n_s32(normal->right)), 31);
        const int32x4_t result = vrshlq_n_s32(vqrdmlahq_n_s32(lowered, sum, normal->mantissa), normal->right);
        el_mve_store_4(&output[k], result, normal->zero_point, first_ones);
    }
}

#endif
#endif
