/* el_mve_pass of edgelstm_mve_rows.h, which includes this file where it is wanted, in intrinsics. */
#ifndef EDGELSTM_MVE_ROWS_INTRINSICS_H
#define EDGELSTM_MVE_ROWS_INTRINSICS_H

#include "edgelstm_mve_rows.h"

#if EL_MVE_INTRINSICS
#include <arm_mve.h>

/* Predicates of the first `count` of 16 bytes, of 8 int16 values, and of 4 int32 values. clang 22 crashes on one that
 * it can take out of a loop, so that it must not know where the number comes from. */
EL_MVE_INLINE mve_pred16_t el_mve_first_of_16(unsigned count)
{
    __asm__ volatile("" : "+r"(count));
    return vctp8q(count);
}

EL_MVE_INLINE mve_pred16_t el_mve_first_of_8(unsigned count)
{
    __asm__ volatile("" : "+r"(count));
    return vctp16q(count);
}

EL_MVE_INLINE mve_pred16_t el_mve_first_of_4(unsigned count)
{
    __asm__ volatile("" : "+r"(count));
    return vctp32q(count);
}

/* Stores those of 4 values + zero point that `first_ones` names. */
EL_MVE_INLINE void el_mve_store_4(int8_t *to, int32x4_t values, int32_t zero_point, mve_pred16_t first_ones)
{
    const int32x4_t sum = vqaddq_n_s32(values, zero_point);
    const int32x4_t bounded = vmaxq_s32(vminq_s32(sum, vdupq_n_s32(INT8_MAX)), vdupq_n_s32(INT8_MIN));
    vstrbq_p_s32(to, bounded, first_ones);
}

EL_MVE_INLINE void el_mve_add_products(int32_t *sums, const int8_t *weights, int8x16_t values)
{
    sums[0] = vmladavaq_s8(sums[0], vldrbq_s8(&weights[0]), values);
    sums[1] = vmladavaq_s8(sums[1], vldrbq_s8(&weights[16]), values);
    sums[2] = vmladavaq_s8(sums[2], vldrbq_s8(&weights[32]), values);
    sums[3] = vmladavaq_s8(sums[3], vldrbq_s8(&weights[48]), values);
}

/* Adds the products of 4 rows to their sums; the rows' vectors follow each other, those for the next 16 columns `next`
 * bytes later. Weights beyond the last column are 0, values are not there to be read. */
EL_MVE_INLINE void el_mve_add_4_rows(int32_t *sums, const int8_t *weights, unsigned next, const int8_t *values,
                                     unsigned columns)
{
    int32_t sum[4] = {sums[0], sums[1], sums[2], sums[3]};
    for (; columns >= 16u; columns -= 16u) {
        el_mve_add_products(sum, weights, vldrbq_s8(values));
        weights += next;
        values += 16;
    }
    if (columns != 0u) {
        el_mve_add_products(sum, weights, vldrbq_z_s8(values, el_mve_first_of_16(columns)));
    }
    for (unsigned row = 0; row < 4u; row++) {
        sums[row] = sum[row];
    }
}

/* sums = biases + weights * values for up to 112 columns, or with `continues` sums + weights * values; returns what
 * follows the weights. */
EL_MVE_INLINE const uint32_t *el_mve_pass(int32_t *sums, const uint32_t *weights, const int8_t *values,
                                          unsigned columns, unsigned rows, unsigned continues)
{
    const unsigned stored_rows = (rows + 3u) / 4u * 4u;
    const unsigned vectors = (columns + 15u) / 16u;
    for (unsigned first = 0; first < stored_rows; first += 8u) {
        const unsigned group = stored_rows - first < 8u ? 4u : 8u;
        for (unsigned row = first; row < first + group && !continues; row++) {
            sums[row] = (int32_t)*weights++;
        }
        for (unsigned row = 0; row < group; row += 4u) {
            el_mve_add_4_rows(&sums[first + row], (const int8_t *)&weights[4u * row], 16u * group, values, columns);
        }
        weights += 4u * group * vectors;
    }
    return weights;
}

#endif
#endif
