/* The functions of edgelstm_mve_squash16.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_SQUASH16_INTRINSICS_H
#define EDGELSTM_MVE_SQUASH16_INTRINSICS_H

#include "edgelstm_mve_rows.h"
#include "edgelstm_squash16.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

EL_MVE_INLINE uint16x8_t el_mve_magnitude16(int16x8_t values)
{
    return vreinterpretq_u16_s16(vabsq_s16(values));
}

/* The table at u, and how far it rises from there. */
EL_MVE_INLINE uint16x8_t el_mve_rise16(uint16x8_t *low, uint16x8_t u)
{
    *low = vldrhq_gather_shifted_offset_u16(el_sigmoid_table, u);
    return vsubq_u16(vldrhq_gather_shifted_offset_u16(&el_sigmoid_table[1], u), *low);
}

/* Sigmoid of Q3.12, result Q0.15. The table's index is 3 |x| / 2^9. */
EL_MVE_SHARED void el_mve_sigmoid16(int16_t *values, unsigned count)
{
    for (unsigned k = 0; k < count; k += 8u) {
        const mve_pred16_t there = el_mve_first_of_8(count - k);
        const int16x8_t x = vldrhq_z_s16(&values[k], there);
        const uint16x8_t magnitude = el_mve_magnitude16(x);
        uint16x8_t low;
        const uint16x8_t rise = el_mve_rise16(&low, vmulhq_u16(magnitude, vdupq_n_u16(384)));
        const int16x8_t y = vreinterpretq_s16_u16(vrhaddq_u16(low, vmulhq_u16(rise, vmulq_n_u16(magnitude, 384))));
        vstrhq_p_s16(&values[k], vsubq_m_s16(y, vdupq_n_s16(INT16_MIN), y, vcmpltq_n_s16(x, 0)), there);
    }
}

/* 2^8 times the table's index of |x|: 3 |x| / 2^(3 - integer_bits), half up of x itself. With 3 integer bits, where 16
 * bits do not hold it, 3 times what is returned is: there, so much that tanh is 2^15 - 1 stands for all beyond. */
EL_MVE_INLINE uint16x8_t el_mve_steps16(int16x8_t x, unsigned integer_bits)
{
    if (integer_bits == 3u) {
        return vminq_u16(el_mve_magnitude16(x), vdupq_n_u16(21759));
    }
    if (integer_bits == 2u) {
        return vaddq_u16(el_mve_magnitude16(x), el_mve_magnitude16(vrshrq_n_s16(x, 1)));
    }
    return el_mve_magnitude16(vqrdmulhq_n_s16(x, integer_bits == 1u ? 24576 : 12288));
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..3 integer bits, result Q0.15. */
EL_MVE_SHARED void el_mve_tanh16(int16_t *values, unsigned count, unsigned integer_bits)
{
    const uint16_t factor = integer_bits == 3u ? 768 : 256;
    for (unsigned k = 0; k < count; k += 8u) {
        const mve_pred16_t there = el_mve_first_of_8(count - k);
        const int16x8_t x = vldrhq_z_s16(&values[k], there);
        const uint16x8_t steps = el_mve_steps16(x, integer_bits);
        uint16x8_t low;
        const uint16x8_t rise = el_mve_rise16(&low, vmulhq_u16(steps, vdupq_n_u16(factor)));
        const uint16x8_t line = vaddq_u16(low, vrmulhq_u16(rise, vmulq_n_u16(steps, factor)));
        const int16x8_t y = vreinterpretq_s16_u16(vsubq_n_u16(line, 0x8000u));
        vstrhq_p_s16(&values[k], vnegq_m_s16(y, y, vcmpltq_n_s16(x, 0)), there);
    }
}

#endif
#endif
