/* Gate pre-activations from the sums of 4 rows, for weight layouts that do not come with el_gates_<layout>. */
#ifndef EDGELSTM_GATES_H
#define EDGELSTM_GATES_H

#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"

/* The input part of 4 gates: z[r] = sums[r] * multipliers[r] * 2^(shift - 31), see el_saturate_part. */
EL_INLINE void el_gates_of_sums(int32_t z[4], const int32_t sums[4], const EL_FLASH int32_t multipliers[4], int shift,
                                unsigned bits)
{
    for (unsigned row = 0; row < 4u; row++) {
        z[row] = el_saturate_part(el_requantize(sums[row], multipliers[row], shift), bits);
    }
}

/* The recurrent part, added and saturated. */
EL_INLINE void el_gates_add_of_sums(int32_t z[4], const int32_t sums[4], const EL_FLASH int32_t multipliers[4],
                                    int shift)
{
    for (unsigned row = 0; row < 4u; row++) {
        z[row] = el_saturate16(z[row] + el_requantize(sums[row], multipliers[row], shift));
    }
}

#endif
