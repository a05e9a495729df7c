/* Gate pre-activations from the sums of 4 rows whose weights have 4 bits, and whose scales are factors of a byte. */
#ifndef EDGELSTM_NARROW_GATES_H
#define EDGELSTM_NARROW_GATES_H

#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"

/* sum * factor / 2^shift, rounded half up; |sum * factor| < 2^30, shift <= 24. */
EL_INLINE int32_t el_scale_by_factor(int32_t sum, uint8_t factor, unsigned shift)
{
    return (sum * factor + (((int32_t)1 << shift) >> 1)) >> shift;
}

/* The input part of 4 gates, see el_saturate_part. */
EL_INLINE void el_narrow_gates_of_sums(int32_t z[4], const int32_t sums[4], const EL_FLASH uint8_t factors[4],
                                       unsigned shift, unsigned bits)
{
    for (unsigned row = 0; row < 4u; row++) {
        z[row] = el_saturate_part(el_scale_by_factor(sums[row], factors[row], shift), bits);
    }
}

/* The recurrent part, added and saturated. */
EL_INLINE void el_narrow_gates_add_of_sums(int32_t z[4], const int32_t sums[4], const EL_FLASH uint8_t factors[4],
                                           unsigned shift)
{
    for (unsigned row = 0; row < 4u; row++) {
        z[row] = el_saturate16(z[row] + el_scale_by_factor(sums[row], factors[row], shift));
    }
}

#endif
