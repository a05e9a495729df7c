/* Sigmoid and tanh of the `litert` contract, bit for bit LiteRT's (gemmlowp) int16 functions, in closed form.
 *
 * Both are K(z) = 1 / (1 + exp(-z)) for z > 0 in Q1.14: sigmoid = 2K, tanh(z / 2) = 4K - 2 (as Q0.15: 4K - 32768).
 * Each was compared with the definition on all 65,536 inputs when edgelstm was tested.
 * No table: exp(-z) is a polynomial on a quarter, times exp of the whole quarters.
 */
#ifndef EDGELSTM_ACTIVATIONS_H
#define EDGELSTM_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"

/* Rounded Q0.15 product; the operands are small enough never to saturate. */
static inline int32_t el_round_multiply(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}

/* exp(-z), Q0.15, where `index` = z - 1 in steps of 2^(exponent_bits - 15); exponent_bits 1..7. */
static inline int32_t el_exponential(uint32_t index, unsigned exponent_bits)
{
    const unsigned quarter_bits = 13u - exponent_bits;
    const int32_t quarter = (int32_t)(1u << quarter_bits);
    const int32_t in_quarter = (int32_t)(index & (uint32_t)(quarter - 1));
    /* -z modulo 1/4, seen from the middle of the quarter: u in [-1/8, 1/8) in Q0.15. */
    const int32_t u = (quarter / 2 - 1 - in_quarter) * (int32_t)(1u << exponent_bits);
    const int32_t u2 = el_round_multiply(u, u);
    const int32_t u3 = el_round_multiply(u2, u);
    const int32_t u4 = (u2 * u2 + 81920) >> 17;                  /* u^4 / 4 */
    const int32_t series = el_round_multiply(u4 + u3, 10923) + u2; /* u^2 + u^3/3 + u^4/12 */
    int32_t result = 28918 + el_round_multiply(u + ((series + 1) >> 1), 28918); /* times exp(-1/8) */
    const uint32_t quarters = index >> quarter_bits;
    if ((quarters & 1u) != 0u) {
        result = el_round_multiply(result, 25520); /* exp(-1/4) */
    }
    if ((quarters & 2u) != 0u) {
        result = el_round_multiply(result, 19875); /* exp(-1/2) */
    }
    if ((quarters & 4u) != 0u) {
        result = el_round_multiply(result, 12055); /* exp(-1) */
    }
    if ((quarters & 8u) != 0u) {
        result = el_round_multiply(result, 4435); /* exp(-2) */
    }
    if ((quarters & 16u) != 0u) {
        result = el_round_multiply(result, 600); /* exp(-4) */
    }
    if ((quarters & 32u) != 0u) {
        result = el_round_multiply(result, 11); /* exp(-8) */
    }
    return quarters > 63u ? 0 : result;
}

/* 1 / (1 + e), Q1.14, for e in Q0.15, by three Newton steps. */
static inline int32_t el_reciprocal(int32_t e)
{
    const int32_t half = (e + 32768) >> 1;
    int32_t x = ((23130 << 15) + (1 << 14) - 15420 * half) >> 15;
    for (int step = 0; step < 3; step++) {
        const int32_t error = (half * x + (1 << 14) - (1 << 28)) >> 15;
        x += (((1 << 14) - x * error) >> 15) * 4;
    }
    return x;
}

/* K(z), Q1.14, for z > 0 in steps of 2^(exponent_bits - 15). */
static inline int32_t el_half_sigmoid(uint32_t magnitude, unsigned exponent_bits)
{
    return el_reciprocal(el_exponential(magnitude - 1u, exponent_bits));
}

/* Sigmoid of Q3.12, result Q0.15. */
static inline int32_t el_sigmoid(int32_t value)
{
    if (value == 0) {
        return 16384;
    }
    const uint32_t magnitude = (uint32_t)(value < 0 ? -value : value);
    const int32_t doubled = 2 * el_half_sigmoid(magnitude, 3u);
    const int32_t result = doubled > 32767 ? 32767 : doubled;
    return value < 0 ? 32767 - result : result;
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..6 integer bits, result Q0.15. */
static inline int32_t el_tanh(int32_t value, unsigned integer_bits)
{
    if (value == 0) {
        return 0;
    }
    const uint32_t magnitude = (uint32_t)(value < 0 ? -value : value);
    const int32_t quadrupled = 4 * el_half_sigmoid(magnitude, integer_bits + 1u);
    const int32_t result = quadrupled > 65535 ? 32767 : quadrupled - 32768;
    return value < 0 ? -result : result;
}

#endif
