/* The functions of edgelstm_mve_attention.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_ATTENTION_INTRINSICS_H
#define EDGELSTM_MVE_ATTENTION_INTRINSICS_H

#include "edgelstm_mve_attention.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* The zero points are taken from sums of whole vectors. */
EL_MVE_INLINE void el_mve_scores(int32_t *sums, const int8_t *keys, const int8_t *query, unsigned steps, unsigned size,
                                 int32_t query_zero, int32_t key_zero)
{
    for (unsigned step = 0; step < steps; step++) {
        int32_t sum = 0;
        int32_t query_sum = -(int32_t)size * query_zero;
        int32_t key_sum = 0;
        for (unsigned k = 0; k < size; k += 16u) {
            const mve_pred16_t first_ones = el_mve_first_of_16(size - k);
            const int8x16_t values = vldrbq_z_s8(&query[k], first_ones);
            const int8x16_t elements = vldrbq_z_s8(&keys[size * step + k], first_ones);
            sum = vmladavaq_s8(sum, values, elements);
            query_sum = vaddvaq_s8(query_sum, values);
            key_sum = vaddvaq_s8(key_sum, elements);
        }
        sums[step] = sum - query_zero * key_sum - key_zero * query_sum;
    }
}

/* output = sums * multiplier + zero point. */
EL_MVE_INLINE void el_mve_to_bytes(int8_t *output, const int32_t *sums, unsigned count,
                                   const el_mve_multiplier *multiplier, int32_t zero_point)
{
    for (unsigned k = 0; k < count; k += 4u) {
        const mve_pred16_t first_ones = el_mve_first_of_4(count - k);
        const int32x4_t value = el_mve_requantize(vldrwq_z_s32(&sums[k], first_ones), multiplier);
        el_mve_store_4(&output[k], value, zero_point, first_ones);
    }
}

/* sums = (weights + 128) * (values - their zero point), 4 at a time. */
EL_MVE_INLINE void el_mve_weigh(int32_t *sums, const int8_t *weights, const int8_t *values, unsigned steps,
                                unsigned size, int32_t zero_point)
{
    for (unsigned k = 0; k < size; k += 4u) {
        const mve_pred16_t first_ones = el_mve_first_of_4(size - k);
        int32x4_t sum = vdupq_n_s32(0);
        for (unsigned step = 0; step < steps; step++) {
            const int32x4_t distance = vsubq_n_s32(vldrbq_z_s32(&values[size * step + k], first_ones), zero_point);
            sum = vmlaq_n_s32(sum, distance, weights[step] + 128);
        }
        vstrwq_p_s32(&sums[k], sum, first_ones);
    }
}

#endif
#endif
