/* Rows of int8 weights on int16 values, as TensorFlow Lite Micro sums and rounds them. In plain C99; an instruction set
 * that has better of a function defines EL_OWN_<NAME>. */
#ifndef EDGELSTM_ROWS16_H
#define EDGELSTM_ROWS16_H

#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"

#if !defined(EL_OWN_COPY16)
/* Values, and zeros up to a whole number of 4. */
static inline void el_copy16(int16_t *copy, const int16_t *values, unsigned count)
{
    unsigned k = 0;
    for (; k < count; k++) {
        copy[k] = values[k];
    }
    for (; k % 4u != 0u; k++) {
        copy[k] = 0;
    }
}
#endif

/* sum * multiplier / 2^shift to nearest, half up; multiplier below 2^15, shift 8..46. */
EL_INLINE int32_t el_requantize_long16(int64_t sum, int32_t multiplier, unsigned shift)
{
    return (int32_t)((sum * multiplier + (INT64_C(1) << (shift - 1u))) >> shift);
}

#if !defined(EL_OWN_REQUANTIZE16)
/* The same of 32 bits. The floor of a floor is the floor of the whole: from 17 on, 32 bits hold all there is. */
EL_INLINE int32_t el_requantize16(int32_t sum, int32_t multiplier, unsigned shift)
{
    if (shift < 17u) {
        return el_requantize_long16(sum, multiplier, shift);
    }
    const uint32_t low = ((uint32_t)sum & 0xFFFFu) * (uint32_t)multiplier;
    const int32_t product = (sum >> 16) * multiplier + (int32_t)(low >> 16);
    return el_shift_right(product + (int32_t)(UINT32_C(1) << (shift - 17u)), shift - 16u);
}
#endif

/* el_requantize(product, 2^30, -shift), |product| < 2^30, shift 1..30: half of it, half up, then to nearest, half away
 * from zero, which is half up of a value that is one lower where it is negative. */
EL_INLINE int32_t el_scale_twice16(int32_t product, unsigned shift)
{
    const int32_t half = (product + 1) >> 1;
    return el_shift_right(half + (half >> 31) + (int32_t)(UINT32_C(1) << (shift - 1u)), shift);
}

#if !defined(EL_OWN_REQUANTIZE_PRODUCT)
/* el_requantize of |product| < 2^30; shift <= 0. */
EL_INLINE int32_t el_requantize_product(int32_t product, int32_t multiplier, int shift)
{
    return el_requantize(product, multiplier, shift);
}
#endif

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
static inline const el_word *el_dot4_rows16(int32_t sums[4], const el_word *weights, const int16_t *values,
                                            unsigned columns)
{
    for (unsigned row = 0; row < 4u; row++) {
        const EL_FLASH int8_t *bytes = (const EL_FLASH int8_t *)&weights[4u + row];
        int32_t sum = (int32_t)weights[row];
        for (unsigned column = 0; column < columns; column += 4u) {
            for (unsigned k = 0; k < 4u; k++) {
                sum += (int32_t)bytes[4u * column + k] * values[column + k];
            }
        }
        sums[row] = sum;
    }
    return &weights[4u + columns];
}

/* The same for a single row: its bias, then its bytes. */
static inline const el_word *el_dot1_rows16(int32_t *sum, const el_word *weights, const int16_t *values,
                                            unsigned columns)
{
    const EL_FLASH int8_t *bytes = (const EL_FLASH int8_t *)&weights[1];
    *sum = (int32_t)weights[0];
    for (unsigned column = 0; column < columns; column++) {
        *sum += (int32_t)bytes[column] * values[column];
    }
    return &weights[1u + columns / 4u];
}

/* Both for rows whose sums may leave 32 bits. */
static inline const el_word *el_dot4_long16(int64_t sums[4], const el_word *weights, const int16_t *values,
                                            unsigned columns)
{
    for (unsigned row = 0; row < 4u; row++) {
        const EL_FLASH int8_t *bytes = (const EL_FLASH int8_t *)&weights[4u + row];
        int64_t sum = (int32_t)weights[row];
        for (unsigned column = 0; column < columns; column += 4u) {
            for (unsigned k = 0; k < 4u; k++) {
                sum += (int32_t)bytes[4u * column + k] * values[column + k];
            }
        }
        sums[row] = sum;
    }
    return &weights[4u + columns];
}

static inline const el_word *el_dot1_long16(int64_t *sum, const el_word *weights, const int16_t *values,
                                            unsigned columns)
{
    const EL_FLASH int8_t *bytes = (const EL_FLASH int8_t *)&weights[1];
    *sum = (int32_t)weights[0];
    for (unsigned column = 0; column < columns; column++) {
        *sum += (int32_t)bytes[column] * values[column];
    }
    return &weights[1u + columns / 4u];
}

#endif
