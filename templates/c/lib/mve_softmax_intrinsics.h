/* The functions of edgelstm_mve_softmax.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_SOFTMAX_INTRINSICS_H
#define EDGELSTM_MVE_SOFTMAX_INTRINSICS_H

#include "edgelstm_mve_softmax.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

EL_MVE_INLINE int32_t el_mve_largest(const int8_t *values, unsigned count)
{
    int32_t largest = -128;
    for (unsigned k = 0; k < count; k += 16u) {
        const mve_pred16_t first_ones = el_mve_first_of_16(count - k);
        const int8x16_t some = vldrbq_z_s8(&values[k], first_ones);
        largest = vmaxvq_p_s8((int8_t)largest, some, first_ones);
    }
    return largest;
}

/* As el_exponential_q26; what is rounded by VRSHR is never negative. */
EL_MVE_INLINE int32x4_t el_mve_exponential_q26(int32x4_t a)
{
    const int32x4_t remainder = vsubq_n_s32(vandq_s32(a, vdupq_n_s32((1 << 24) - 1)), 1 << 24);
    const int32x4_t quarters = vsubq_s32(remainder, a);
    const int32x4_t x = vaddq_n_s32(vshlq_n_s32(remainder, 5), 1 << 28);
    const int32x4_t x2 = vqrdmulhq_s32(x, x);
    const int32x4_t x3 = vqrdmulhq_s32(x2, x);
    const int32x4_t x4 = vqrdmulhq_s32(x2, x2);
    const int32x4_t cubic = vqrdmulhq_n_s32(vaddq_s32(vrshrq_n_s32(x4, 2), x3), 715827883);
    const int32x4_t series = vrshrq_n_s32(vaddq_s32(cubic, x2), 1);
    int32x4_t result = vaddq_n_s32(vqrdmulhq_n_s32(vaddq_s32(x, series), 1895147668), 1895147668);
    for (int bit = 0; bit < 7; bit++) {
        const mve_pred16_t is_set = vcmpltq_n_s32(vshlq_r_s32(quarters, 7 - bit), 0);
        result = vpselq_s32(vqrdmulhq_n_s32(result, el_exponential_factors[bit]), result, is_set);
    }
    return vpselq_s32(vdupq_n_s32(INT32_MAX), result, vcmpeqq_n_s32(a, 0));
}

/* Exponentials in Q0.31, and their sum in Q12.19. */
EL_MVE_INLINE uint32_t el_mve_softmax_powers(int32_t *exponentials, const int8_t *values, unsigned count,
                                             const el_mve_exponent *exponent)
{
    const int32_t largest = el_mve_largest(values, count);
    int32_t total = 0;
    for (unsigned k = 0; k < count; k += 4u) {
        const mve_pred16_t first_ones = el_mve_first_of_4(count - k);
        const int32x4_t difference = vsubq_n_s32(vldrbq_z_s32(&values[k], first_ones), largest);
        const int32x4_t a = vqrdmulhq_n_s32(vshlq_r_s32(difference, exponent->left), exponent->mantissa);
        const mve_pred16_t counted = vcmpgeq_n_s32(difference, exponent->minimum_difference);
        const int32x4_t result = vpselq_s32(el_mve_exponential_q26(a), vdupq_n_s32(0), counted);
        vstrwq_p_s32(&exponentials[k], result, first_ones);
        total = vaddvaq_p_s32(total, vrshrq_n_s32(result, 12), first_ones);
    }
    return (uint32_t)total;
}

/* output = exponentials * inverse / 2^(31 - to_left) - 128. */
EL_MVE_INLINE void el_mve_shares(int8_t *output, const int32_t *exponentials, unsigned count, int32_t inverse,
                                 int32_t to_left)
{
    for (unsigned k = 0; k < count; k += 4u) {
        const mve_pred16_t first_ones = el_mve_first_of_4(count - k);
        const int32x4_t product = vqrdmulhq_n_s32(vldrwq_z_s32(&exponentials[k], first_ones), inverse);
        const int32x4_t share = vsubq_n_s32(vrshlq_n_s32(product, to_left), 128);
        vstrbq_p_s32(&output[k], vminq_s32(share, vdupq_n_s32(INT8_MAX)), first_ones);
    }
}

#endif
#endif
