/* Sigmoid and tanh of the `litert` contract, bit for bit LiteRT's (gemmlowp) int16 functions.
 *
 * Both are K(z) = 1 / (1 + exp(-z)) for z >= 0: sigmoid(z) = K, tanh(z / 2) = 2K - 1, and signs by symmetry.
 * K is in Q1.14, exp(-z) in Q0.15, z in Q(n).(15 - n) where n is `exponent_bits`, or in steps of 2^-12 ("Q.12").
 * exp(-z) on [0, 1) is looked up; for tanh of fewer than 2 integer bits it is computed in closed form.
 *
 * An instruction set may bring any of these functions in edgelstm_isa_activations.h and define EL_OWN_<NAME>, as
 * EL_OWN_SIGMOID for el_sigmoid; it may declare and call the others. Its functions give the same bits. */
#ifndef EDGELSTM_ACTIVATIONS_H
#define EDGELSTM_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"
#include "edgelstm_tables.h"
#include "edgelstm_isa_activations.h"

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
    e = el_scale_if(quarters & 1u, e, 25520);      /* exp(-1/4) */
    e = el_scale_if(quarters >> 1 & 1u, e, 19875); /* exp(-1/2) */
    e = el_scale_if(quarters >> 2 & 1u, e, 12055); /* exp(-1) */
    e = el_scale_if(quarters >> 3 & 1u, e, 4435);  /* exp(-2) */
    e = el_scale_if(quarters >> 4 & 1u, e, 600);   /* exp(-4) */
    e = el_scale_if(quarters >> 5 & 1u, e, 11);    /* exp(-8) */
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
    x = el_newton_step(x, half);
    x = el_newton_step(x, half);
    return el_newton_step(x, half);
}
#endif

#ifndef EL_OWN_HALF_SIGMOID
/* K(z) for z >= 0 in steps of 2^(exponent_bits - 15), in closed form. */
static inline int32_t el_half_sigmoid(uint32_t magnitude, unsigned exponent_bits)
{
    return el_reciprocal(el_exponential(magnitude - 1u, exponent_bits));
}
#endif

#ifndef EL_OWN_EXPONENTIAL_Q12
/* exp(-z), where `index` = z - 1 in steps of 2^-12; from index = end on it is `beyond`. */
static inline int32_t el_exponential_q12(uint32_t index, uint32_t end, int32_t beyond)
{
    const EL_FLASH uint32_t *piece = &el_exponential_table[(index >> 4) & 254u];
    const uint32_t k = index & 31u;
    const uint32_t line = piece[0] + (uint32_t)((int16_t)piece[0] * (int32_t)(k << 5 | 8u)); /* Q0.32 */
    int32_t e = (int32_t)((line >> 17) + ((piece[1] >> k | piece[1] << (-k & 31u)) >> 31));
    if (index >= 4096u) {
        e = el_scale_if(index >> 12 & 1u, e, 12055); /* exp(-1) */
        e = el_scale_if(index >> 13 & 1u, e, 4435);  /* exp(-2) */
        e = el_scale_if(index >> 14 & 1u, e, 600);   /* exp(-4) */
        e = el_scale_if(index >> 15 & 1u, e, 11);    /* exp(-8) */
        e = el_exponential_end(e, index, end, beyond);
    }
    return e;
}
#endif

#ifndef EL_OWN_HALF_SIGMOID_Q12
/* K(z) for z >= 0 in steps of 2^-12; the exponential is `beyond` from z = end + 1 on. */
static inline int32_t el_half_sigmoid_q12(uint32_t magnitude, uint32_t end, int32_t beyond)
{
    return el_reciprocal(el_exponential_q12(magnitude - 1u, end, beyond));
}
#endif

#ifndef EL_OWN_SIGMOID
/* Sigmoid of Q3.12, |value| < 2^29 (saturates to int16), result Q0.15. */
static inline int32_t el_sigmoid(int32_t value)
{
    const int32_t sign = value >> 31;
    const uint32_t magnitude = (uint32_t)((value ^ sign) - sign);
    const int32_t doubled = 2 * el_half_sigmoid_q12(magnitude, 32767u, 11);
    return (doubled ^ sign) & 32767; /* of a negative value 32767 - doubled */
}
#endif

#ifndef EL_OWN_TANH_MAGNITUDE
/* tanh of a magnitude in Q(integer_bits).(15 - integer_bits), result Q0.15. */
static inline int32_t el_tanh_magnitude(uint32_t magnitude, unsigned integer_bits)
{
    const int32_t half = integer_bits < 2u ? el_half_sigmoid(magnitude, integer_bits + 1u)
                                           : el_half_sigmoid_q12(magnitude << (integer_bits - 2u), 65536u, 0);
    return 4 * half - 32768 - (half >> 14); /* 1 becomes 32767 */
}
#endif

#ifndef EL_OWN_TANH
/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..6 integer bits, result Q0.15. With 3 integer bits
 * |value| < 2^29, otherwise int16. */
static inline int32_t el_tanh(int32_t value, unsigned integer_bits)
{
    const int32_t sign = value >> 31;
    return (el_tanh_magnitude((uint32_t)((value ^ sign) - sign), integer_bits) ^ sign) - sign;
}
#endif

#ifndef EL_OWN_SIGMOID_TIMES_TANH
/* input_gate * tanh(value as Q3.12) / 2^shift to nearest, ties away from zero; input_gate 0..32767, shift 15..30. */
static inline int32_t el_sigmoid_times_tanh(int32_t input_gate, int32_t value, unsigned shift)
{
    const int32_t sign = value >> 31;
    const int32_t tanh = el_tanh_magnitude((uint32_t)((value ^ sign) - sign), 3u);
    return (el_half_up_product(input_gate, tanh, shift) ^ sign) - sign;
}
#endif

#endif
