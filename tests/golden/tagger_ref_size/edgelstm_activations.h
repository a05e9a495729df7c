/* Sigmoid and tanh of the `litert` contract, bit for bit LiteRT's (gemmlowp) int16 functions.
 *
 * Both are K(z) = 1 / (1 + exp(-z)) for z >= 0: sigmoid(z) = K, tanh(z / 2) = 2K - 1, and signs by symmetry.
 * K is in Q1.14, exp(-z) in Q0.15, z in Q(n).(15 - n) where n is `exponent_bits`, or in steps of 2^-12 ("Q.12").
 * No table: exp(-z) is a polynomial on a quarter, times exp of the whole quarters.
 *
 * An instruction set may bring any of these functions in edgelstm_isa_activations.h and define EL_OWN_<NAME>, as
 * EL_OWN_SIGMOID for el_sigmoid; it may declare and call the others. Its functions give the same bits. */
#ifndef EDGELSTM_ACTIVATIONS_H
#define EDGELSTM_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"
#include "edgelstm_tables.h"

/* exp(-0): LiteRT sets sigmoid(0) apart, and 1 / (1 + e) is 1/2 exactly for this e. Its index is 0 - 1. */
#define EL_EXPONENTIAL_OF_ZERO 32758

#ifndef EL_OWN_ROUND_MULTIPLY
/* Rounded Q0.15 product: floor(a * b / 2^15 + 1/2); |a|, |b| <= 32768. */
EL_INLINE int32_t el_round_multiply(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}
#endif

#ifndef EL_OWN_HALF_UP_PRODUCT
/* a * b / 2^shift to nearest, ties upwards; a, b >= 0, a below 2^15, b below 2^16, shift 14..30. */
EL_INLINE int32_t el_half_up_product(int32_t a, int32_t b, unsigned shift)
{
    return el_shift_right(a * b + (int32_t)(UINT32_C(1) << (shift - 1u)), shift);
}
#endif

#ifndef EL_OWN_SCALE_IF
/* value * factor (Q0.15) if `bit` is 1, value if it is 0. */
EL_INLINE int32_t el_scale_if(uint32_t bit, int32_t value, int32_t factor)
{
    return bit != 0u ? el_round_multiply(value, factor) : value;
}
#endif

/* The exponential of an index >= end, which is `beyond`, except for an index of 0 - 1; else e. */
EL_INLINE int32_t el_exponential_end(int32_t e, uint32_t index, uint32_t end, int32_t beyond)
{
    return index < end ? e : index == UINT32_MAX ? EL_EXPONENTIAL_OF_ZERO : beyond;
}

#ifndef EL_OWN_EXPONENTIAL
/* exp(-z) in closed form, where `index` = z - 1 in steps of 2^(exponent_bits - 15); exponent_bits 1..7. */
static inline int32_t el_exponential(uint32_t index, unsigned exponent_bits)
{
    const unsigned quarter_bits = 13u - exponent_bits;
    /* -z modulo 1/4, seen from the middle of the quarter, sign-extended: u in [-1/8, 1/8) in Q0.15. */
    const uint32_t from_middle = (1u << (quarter_bits - 1u)) - 1u - index;
    const int32_t u = (int32_t)(from_middle << (19u + exponent_bits)) >> 19;
    const int32_t u2 = el_round_multiply(u, u);
    const int32_t u3 = el_round_multiply(u2, u);
    const int32_t u4 = (u2 * u2 + 81920) >> 17;                            /* u^4 / 4 */
    const int32_t series = el_round_multiply(u4 + u3, 10923) + u2;         /* u^2 + u^3/3 + u^4/12 */
    int32_t e = 28918 + el_round_multiply(u + ((series + 1) >> 1), 28918); /* times exp(-1/8) */
    const uint32_t quarters = index >> quarter_bits;
    static const EL_FLASH uint16_t factors[6] = {25520, 19875, 12055, 4435, 600, 11}; /* exp(-1/4), exp(-1/2) .. exp(-8) */
    const EL_FLASH uint16_t *factor = factors;
    for (uint32_t rest = quarters & 63u; rest != 0u; rest >>= 1) {
        e = el_scale_if(rest & 1u, e, *factor++);
    }
    return el_exponential_end(e, index, UINT32_C(64) << quarter_bits, 0);
}
#endif

#ifndef EL_OWN_RECIPROCAL
/* x, Q2.13, nearer to 1 / half, half in Q0.15. */
EL_INLINE int32_t el_newton_step(int32_t x, int32_t half)
{
    return x + el_round_multiply(x, 8192 - el_round_multiply(half, x)) * 4;
}

/* 1 / (1 + e), Q1.14, as 1 / half in Q2.13 by three Newton steps. */
static inline int32_t el_reciprocal(int32_t e)
{
    const int32_t half = (e + 32768) >> 1;               /* (1 + e) / 2, Q0.15 */
    int32_t x = 23130 + el_round_multiply(half, -15420); /* 48/17 - 32/17 half */
    for (unsigned step = 0; step < 3u; step++) {
        x = el_newton_step(x, half);
    }
    return x;
}
#endif

#ifndef EL_OWN_HALF_TANH
/* tanh(z / 2), Q0.15, for z in steps of 2^(exponent_bits - 15), |z| < 2^31: called by everything below. */
EL_NOINLINE int32_t el_half_tanh(int32_t z, unsigned exponent_bits)
{
    const int32_t sign = z >> 31;
    const uint32_t magnitude = (uint32_t)((z ^ sign) - sign);
    const int32_t half = el_reciprocal(el_exponential(magnitude - 1u, exponent_bits));
    return ((4 * half - 32768 - (half >> 14)) ^ sign) - sign; /* 1 becomes 32767 */
}
#endif

#ifndef EL_OWN_SIGMOID
/* Sigmoid of Q3.12, |value| < 2^29 (saturates to int16), result Q0.15: (1 + tanh(z / 2)) / 2, one less if negative. */
EL_NOINLINE int32_t el_sigmoid(int32_t value)
{
    value = el_saturate16(value);
    return 16384 + (value >> 31) + (el_half_tanh(value, 3u) >> 1);
}
#endif

#ifndef EL_OWN_TANH
/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..6 integer bits, result Q0.15. With 3 integer bits
 * |value| < 2^29, otherwise int16. */
static inline int32_t el_tanh(int32_t value, unsigned integer_bits)
{
    return integer_bits < 2u ? el_half_tanh(value, integer_bits + 1u)
                             : el_half_tanh(value * (int32_t)(1u << (integer_bits - 2u)), 3u);
}
#endif

#ifndef EL_OWN_SIGMOID_TIMES_TANH
/* input_gate * tanh(value as Q3.12) / 2^shift to nearest, ties away from zero; input_gate 0..32767, shift 15..30. */
static inline int32_t el_sigmoid_times_tanh(int32_t input_gate, int32_t value, unsigned shift)
{
    return el_rounding_shift(input_gate * el_tanh(value, 3u), shift);
}
#endif

#endif
