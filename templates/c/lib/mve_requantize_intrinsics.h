/* The operations of edgelstm_mve_requantize.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_REQUANTIZE_INTRINSICS_H
#define EDGELSTM_MVE_REQUANTIZE_INTRINSICS_H

#include "edgelstm_mve_requantize.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* VQDMULH gives -1 for a negative value and 0 for others, or 0 for all where nothing is shifted right (rounds = 0):
 * half up of a value that is one lower is half away from zero. */
EL_MVE_INLINE int32x4_t el_mve_requantize(int32x4_t value, const el_mve_multiplier *multiplier)
{
    const int32x4_t shifted = vshlq_r_s32(value, multiplier->left);
    const int32x4_t correction = vqdmulhq_n_s32(shifted, multiplier->rounds);
    return vrshlq_n_s32(vqrdmlahq_n_s32(correction, shifted, multiplier->mantissa), multiplier->right);
}

EL_MVE_INLINE int32x4_t el_mve_saturate16(int32x4_t value)
{
    return vmaxq_s32(vminq_s32(value, vdupq_n_s32(INT16_MAX)), vdupq_n_s32(INT16_MIN));
}

/* 8 values of 16 bits, saturated, from the even and the odd ones. */
EL_MVE_INLINE int16x8_t el_mve_narrow(int32x4_t even, int32x4_t odd)
{
    return vqmovntq_s32(vqmovnbq_s32(vdupq_n_s16(0), even), odd);
}

EL_MVE_INLINE int16x8_t el_mve_negate_where_negative(int16x8_t magnitude, int16x8_t value)
{
    return vnegq_m_s16(magnitude, magnitude, vcmpltq_n_s16(value, 0));
}

/* values * gate / 2^15, half away from zero, as |values| * 2 gate / 2^16, rounded and unsigned because |values| may be
 * 32768. */
EL_MVE_INLINE int16x8_t el_mve_gated(int16x8_t values, int16x8_t gate)
{
    const uint16x8_t twice_gate = vreinterpretq_u16_s16(vshlq_n_s16(gate, 1));
    const uint16x8_t magnitude = vrmulhq_u16(vreinterpretq_u16_s16(vabsq_s16(values)), twice_gate);
    return el_mve_negate_where_negative(vreinterpretq_s16_u16(magnitude), values);
}

/* Stores up to 8 values + zero point. */
EL_MVE_INLINE void el_mve_store_int8(int8_t *to, int16x8_t values, int32_t zero_point, unsigned count)
{
    const int16x8_t sum = vqaddq_n_s16(values, (int16_t)zero_point);
    const int16x8_t bounded = vmaxq_s16(vminq_s16(sum, vdupq_n_s16(INT8_MAX)), vdupq_n_s16(INT8_MIN));
    vstrbq_p_s16(to, bounded, el_mve_first_of_8(count));
}

#endif
#endif
