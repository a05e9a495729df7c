/* 1 / sqrt(w) of 64-bit numbers, without branches or tables. */
#ifndef EDGELSTM_RECIPROCAL_ROOT_H
#define EDGELSTM_RECIPROCAL_ROOT_H

#include "edgelstm_fixedpoint.h"

/* el_high_multiply of any two numbers whose result fits; the same steps for all of them where the compiler's 64-bit
 * product is a function that branches on carries. */
static inline int32_t el_high_product(int32_t one, int32_t other)
{
#if defined(__thumb__) && !defined(__thumb2__)
    const uint32_t low = (uint32_t)one & 0xFFFFu;
    const uint32_t other_low = (uint32_t)other & 0xFFFFu;
    const int32_t inner = (int32_t)low * (other >> 16);
    const int32_t outer = (one >> 16) * (int32_t)other_low;
    const uint32_t middle =
        ((low * other_low) >> 16) + ((uint32_t)inner & 0xFFFFu) + ((uint32_t)outer & 0xFFFFu) + (1u << 14);
    const int32_t high = (one >> 16) * (other >> 16) + (inner >> 16) + (outer >> 16) + (int32_t)(middle >> 16);
    return (int32_t)(((uint32_t)high << 1) | ((middle >> 15) & 1u));
#else
    return el_high_multiply(one, other);
#endif
}

/* squares * size - sum * sum by products of 32 bits, for as many int8 numbers; size <= 2^14. */
static inline uint64_t el_spread(uint32_t squares, uint32_t size, int32_t sum)
{
    const uint32_t high = el_magnitude(sum) >> 11;
    const uint32_t low = el_magnitude(sum) & 2047u;
    const uint64_t scaled = ((uint64_t)((squares >> 14) * size) << 14) + (squares & 16383u) * size;
    return scaled - ((uint64_t)(high * high) << 22) - ((uint64_t)(high * low) << 12) - low * low;
}

/* The leading 24 bits of w * 4^h, in [2^22, 2^24), with h as large as w * 4^h < 2^64 allows; w > 0. */
static inline uint32_t el_even_mantissa(uint64_t w, unsigned *h)
{
    uint32_t high = (uint32_t)(w >> 32);
    uint32_t low = (uint32_t)w;
    uint32_t empty = (uint32_t)(high == 0u);
    EL_KEEP(empty); /* compilers that saw where it comes from might branch */
    high |= low & (0u - empty);
    low &= empty - 1u;
    unsigned zeros = 32u * (unsigned)empty;
    for (unsigned bits = 16; bits >= 2u; bits >>= 1) {
        empty = ((high >> (32u - bits)) - 1u) >> 31;
        EL_KEEP(empty);
        const unsigned shift = bits * (unsigned)empty;
        high = (high << shift) | ((low >> 1) >> (31u - shift));
        low <<= shift;
        zeros += shift;
    }
    *h = zeros / 2u;
    return high >> 8;
}

/* 1 / sqrt(m / 2^24) as Q2.29, for m in [2^22, 2^24), by Newton's steps; 2^-23.9 is the largest relative error. */
static inline int32_t el_reciprocal_root(uint32_t m)
{
    const int32_t a = (int32_t)(m << 7); /* Q0.31 */
    int32_t x = 1143535043 - el_high_product(a, 652298158);
    for (int step = 0; step < 3; step++) {
        const int32_t error = (INT32_C(1) << 27) - el_high_product(el_high_product(x, x), a); /* 1 - a * x^2, Q4.27 */
        x += el_high_product(x, error) * 8;
    }
    return x;
}

#endif
