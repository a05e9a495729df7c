/* The steps of edgelstm_mve_recurrent.h, which includes this file where it is wanted, in intrinsics.
 *
 * Arrays are taken anew where values of 16 bits are widened: clang 16 miscompiles the widening of what it has seen
 * narrowed. */
#ifndef EDGELSTM_MVE_RECURRENT_INTRINSICS_H
#define EDGELSTM_MVE_RECURRENT_INTRINSICS_H

#include "edgelstm_mve_recurrent.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

#define EL_MVE_TAKE_ANEW(array) __asm__ volatile("" : "+r"(array) : : "memory")

/* VQDMULH gives -1 for a negative sum and 0 for others, or 0 for all where nothing is shifted right. */
EL_MVE_INLINE int32x4x2_t el_mve_requantize_rows(const int32_t *sums, const int32_t *scales, unsigned first)
{
    const int32x4x2_t mantissas = vld2q_s32(&scales[EL_MVE_MANTISSAS + first]);
    int32x4x2_t part = vld2q_s32(&sums[first]);
    for (unsigned odd = 0; odd < 2u; odd++) {
        const int32x4_t sum = vshlq_r_s32(part.val[odd], scales[EL_MVE_LEFT]);
        const int32x4_t correction = vqdmulhq_n_s32(sum, scales[EL_MVE_ROUNDS]);
        const int32x4_t high = vaddq_s32(vqrdmulhq_s32(sum, mantissas.val[odd]), correction);
        part.val[odd] = vrshlq_n_s32(high, scales[EL_MVE_RIGHT]);
    }
    return part;
}

/* Parts lie in groups of 8 units, the 4 even ones first. */
EL_MVE_INLINE const int32_t *el_mve_part(int32_t *parts, const int32_t *sums, const int32_t *scales, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int32x4x2_t part = el_mve_requantize_rows(sums, scales, unit);
        vstrwq_s32(&parts[unit], part.val[0]);
        vstrwq_s32(&parts[unit + 4u], part.val[1]);
    }
    return el_mve_next_scales(scales, units);
}

EL_MVE_INLINE const int32_t *el_mve_narrow_part(int16_t *z, const int32_t *sums, const int32_t *scales, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int32x4x2_t part = el_mve_requantize_rows(sums, scales, unit);
        vstrhq_s16(&z[unit], el_mve_narrow(part.val[0], part.val[1]));
    }
    return el_mve_next_scales(scales, units);
}

EL_MVE_INLINE const int32_t *el_mve_add_part(int16_t *z, const int32_t *parts, const int32_t *sums,
                                             const int32_t *scales, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int32x4x2_t part = el_mve_requantize_rows(sums, scales, unit);
        const int32x4_t even = vaddq_s32(part.val[0], vldrwq_s32(&parts[unit]));
        const int32x4_t odd = vaddq_s32(part.val[1], vldrwq_s32(&parts[unit + 4u]));
        vstrhq_s16(&z[unit], el_mve_narrow(even, odd));
    }
    return el_mve_next_scales(scales, units);
}

EL_MVE_INLINE void el_mve_gate_values(int16_t *gate, const int16_t *values, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const mve_pred16_t there = el_mve_first_of_8(units - unit);
        const int16x8_t product = el_mve_gated(vldrhq_z_s16(&values[unit], there), vldrhq_z_s16(&gate[unit], there));
        vstrhq_p_s16(&gate[unit], product, there);
    }
}

/* VQDMULH by 1 gives -1 for a negative product and 0 for others: half up of that is half away from zero. */
EL_MVE_INLINE int32x4_t el_mve_rounded_product(int32x4_t product, int32_t right)
{
    return vrshlq_n_s32(vaddq_s32(product, vqdmulhq_n_s32(product, 1)), right);
}

EL_MVE_INLINE void el_mve_add_gated(int16_t *z, const int32_t *parts, const int16_t *gate, const int16_t *values,
                                    unsigned shift, unsigned units)
{
    const int32_t right = -(int32_t)shift;
    EL_MVE_TAKE_ANEW(gate);
    EL_MVE_TAKE_ANEW(values);
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int16x8_t g = vldrhq_s16(&gate[unit]);
        const int16x8_t v = vldrhq_s16(&values[unit]);
        const int32x4_t even = el_mve_rounded_product(vmullbq_int_s16(g, v), right);
        const int32x4_t odd = el_mve_rounded_product(vmulltq_int_s16(g, v), right);
        const int32x4_t even_sum = vaddq_s32(even, vldrwq_s32(&parts[unit]));
        const int32x4_t odd_sum = vaddq_s32(odd, vldrwq_s32(&parts[unit + 4u]));
        vstrhq_s16(&z[unit], el_mve_narrow(even_sum, odd_sum));
    }
}

/* 1 - update may be 2^15, which 16 bits do not hold: its negative, update - 2^15, is subtracted. */
EL_MVE_INLINE void el_mve_carry(int16_t *carried, int16_t *candidate, const int16_t *update, unsigned units)
{
    EL_MVE_TAKE_ANEW(candidate);
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const mve_pred16_t there = el_mve_first_of_8(units - unit);
        const int16x8_t h = vldrhq_z_s16(&carried[unit], there);
        const int16x8_t n = vldrhq_s16(&candidate[unit]);
        const int16x8_t z = vldrhq_s16(&update[unit]);
        const int16x8_t less_one = vaddq_n_s16(z, INT16_MIN);
        const int32x4_t even = vsubq_s32(vmullbq_int_s16(h, z), vmullbq_int_s16(n, less_one));
        const int32x4_t odd = vsubq_s32(vmulltq_int_s16(h, z), vmulltq_int_s16(n, less_one));
        const int16x8_t next = vrshrntq_n_s32(vrshrnbq_n_s32(vdupq_n_s16(0), even, 15), odd, 15);
        vstrhq_p_s16(&carried[unit], next, there);
        vstrhq_s16(&candidate[unit], next);
    }
}

EL_MVE_INLINE void el_mve_to_hidden(int8_t *hidden, const int16_t *values, const el_mve_hidden_scale *scale,
                                    unsigned units)
{
    EL_MVE_TAKE_ANEW(values);
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int16x8_t wide = vldrhq_s16(&values[unit]);
        const int32x4_t even = el_mve_requantize(vmovlbq_s16(wide), &scale->factor);
        const int32x4_t odd = el_mve_requantize(vmovltq_s16(wide), &scale->factor);
        el_mve_store_int8(&hidden[unit], el_mve_narrow(even, odd), scale->zero_point, units - unit);
    }
}

EL_MVE_INLINE void el_mve_relu(int8_t *hidden, const int16_t *values, int32_t zero_point, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int16x8_t value = vmaxq_s16(vrshrq_n_s16(vldrhq_s16(&values[unit]), 5), vdupq_n_s16(0));
        el_mve_store_int8(&hidden[unit], value, zero_point, units - unit);
    }
}

#endif
#endif
