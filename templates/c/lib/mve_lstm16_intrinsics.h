/* The steps of edgelstm_mve_lstm16.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_LSTM16_INTRINSICS_H
#define EDGELSTM_MVE_LSTM16_INTRINSICS_H

#include "edgelstm_mve_lstm16.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* 256 * high + low times a multiplier: VQDMULH leaves floor(sum * multiplier / 2^15), and VRSHL rounds the rest. */
EL_MVE_INLINE int32x4_t el_mve_scale16(int32x4_t high, int32x4_t low, int32_t multiplier, int32_t right)
{
    return vrshlq_n_s32(vqdmulhq_n_s32(vmlaq_n_s32(low, high, 256), multiplier), right);
}

/* 8 sums scaled and saturated; VLD4 takes the parts of even and of odd units apart. */
EL_MVE_INLINE int16x8_t el_mve_scaled16(const int32_t *sums, int32_t multiplier, int32_t right)
{
    const int32x4x4_t parts = vld4q_s32(sums);
    return el_mve_narrow(el_mve_scale16(parts.val[0], parts.val[1], multiplier, right),
                         el_mve_scale16(parts.val[2], parts.val[3], multiplier, right));
}

EL_MVE_INLINE int16_t *el_mve_gate_inputs16(int16_t *z, const int32_t *input_sums, const int32_t *hidden_sums,
                                            const el_mve_gate16 *gate, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const int16x8_t from_input = el_mve_scaled16(&input_sums[2u * unit], gate->input, gate->input_right);
        const int16x8_t from_hidden = el_mve_scaled16(&hidden_sums[2u * unit], gate->recurrent, gate->recurrent_right);
        vstrhq_s16(&z[unit], vqaddq_s16(from_input, from_hidden));
    }
    return &z[units];
}

/* The products of both, requantized and saturated. */
EL_MVE_INLINE int16x8_t el_mve_product16(int16x8_t a, int16x8_t b, const el_mve_multiplier *multiplier)
{
    return el_mve_narrow(el_mve_requantize(vmullbq_int_s16(a, b), multiplier),
                         el_mve_requantize(vmulltq_int_s16(a, b), multiplier));
}

EL_MVE_INLINE void el_mve_cell16(int16_t *cell, int16_t *candidate, const int16_t *input_gate,
                                 const int16_t *forget_gate, const el_mve_lstm16 *layer, unsigned units)
{
    const el_mve_multiplier keeping = EL_MVE_MULTIPLIER(1073741824, -14);
    const el_mve_multiplier adding = EL_MVE_MULTIPLIER(1073741824, layer->fresh_right);
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const mve_pred16_t there = el_mve_first_of_8(units - unit);
        const int16x8_t g = vldrhq_z_s16(&candidate[unit], there);
        const int16x8_t fresh = el_mve_product16(vldrhq_z_s16(&input_gate[unit], there), g, &adding);
        const int16x8_t c = vldrhq_z_s16(&cell[unit], there);
        const int16x8_t kept = el_mve_product16(vldrhq_z_s16(&forget_gate[unit], there), c, &keeping);
        int16x8_t next = vmaxq_s16(vqaddq_s16(fresh, kept), vdupq_n_s16((int16_t)layer->cell_low));
        next = vminq_s16(next, vdupq_n_s16((int16_t)layer->cell_high));
        vstrhq_p_s16(&cell[unit], next, there);
        vstrhq_p_s16(&candidate[unit], vqshlq_r_s16(next, layer->cell_excess), there);
    }
}

EL_MVE_INLINE void el_mve_hidden16(int16_t *hidden, const int16_t *squashed, const int16_t *output_gate,
                                   const el_mve_lstm16 *layer, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit += 8u) {
        const mve_pred16_t there = el_mve_first_of_8(units - unit);
        const int16x8_t tanh = vldrhq_z_s16(&squashed[unit], there);
        const int16x8_t gate = vldrhq_z_s16(&output_gate[unit], there);
        vstrhq_p_s16(&hidden[unit], el_mve_product16(gate, tanh, &layer->hidden), there);
    }
}

#endif
#endif
