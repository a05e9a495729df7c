/* The activations of edgelstm_activations.h in numbers of 16 bits, which all of them fit. */
#ifndef EDGELSTM_ISA_ACTIVATIONS_H
#define EDGELSTM_ISA_ACTIVATIONS_H

#include <stdbool.h>

#include "edgelstm_fixedpoint.h"
#include "edgelstm_tables.h"

#if !EL_CONSTANT_TIME /* which multiplies by 32768, too */

/* Rounded Q0.15 product: floor(a * b / 2^15 + 1/2); not both -32768. */
EL_NOINLINE int16_t el_multiply15(int16_t a, int16_t b)
{
#if defined(__AVR_HAVE_MUL__) && !defined(EL_NO_ASM)
    int16_t result;
    uint8_t low;
    __asm__("muls %B[a], %B[b]\n\tmovw %A[result], r0\n\t"
            "mul %A[a], %A[b]\n\tmov %[low], r1\n\t"
            "mulsu %B[a], %A[b]\n\tsbc %B[result], %[zero]\n\t"
            "add %[low], r0\n\tadc %A[result], r1\n\tadc %B[result], %[zero]\n\t"
            "mulsu %B[b], %A[a]\n\tsbc %B[result], %[zero]\n\t"
            "add %[low], r0\n\tadc %A[result], r1\n\tadc %B[result], %[zero]\n\t"
            "subi %[low], 0xC0\n\tsbci %A[result], 0xFF\n\tsbci %B[result], 0xFF\n\t" /* + 2^14 */
            "lsl %[low]\n\trol %A[result]\n\trol %B[result]\n\tclr r1"
            : [result] "=&d"(result), [low] "=&d"(low)
            : [a] "a"(a), [b] "a"(b), [zero] "r"((uint8_t)0));
    return result;
#else
    return (int16_t)(((int32_t)a * b + (1 << 14)) >> 15);
#endif
}

#define EL_OWN_ROUND_MULTIPLY
/* For what is portable. */
EL_INLINE int32_t el_round_multiply(int32_t a, int32_t b)
{
    return el_multiply15((int16_t)a, (int16_t)b);
}

EL_INLINE int32_t el_exponential_end(int32_t e, uint32_t index, uint32_t end, int32_t beyond);

/* e times exp of minus each power of two, from 1/4 or from 1 on, whose bit is set. */
EL_NOINLINE int16_t el_scale_by_bits(int16_t e, uint8_t bits, const EL_FLASH int16_t *factor)
{
    for (; bits != 0u; bits >>= 1) {
        if ((bits & 1u) != 0u) {
            e = el_multiply15(e, *factor);
        }
        factor++;
    }
    return e;
}

/* exp(-1/4), exp(-1/2) .. exp(-8), Q0.15. */
static const EL_FLASH int16_t el_exponential_powers[6] = {25520, 19875, 12055, 4435, 600, 11};

#define EL_OWN_EXPONENTIAL
/* exp(-z) in closed form, where `index` = z - 1 in steps of 2^(exponent_bits - 15); exponent_bits 1..7. */
EL_NOINLINE int32_t el_exponential(uint32_t index, unsigned exponent_bits)
{
    uint16_t rest = (uint16_t)index & 1023u; /* of z modulo 1/4; with 3 bits nothing is shifted by a variable */
    uint16_t middle = 511u;
    uint8_t quarters = (uint8_t)((uint16_t)index >> 10);
    bool is_beyond = index > 65535u;
    if (exponent_bits != 3u) {
        const uint8_t quarter_bits = (uint8_t)(13u - exponent_bits);
        middle = (uint16_t)((1u << (quarter_bits - 1u)) - 1u);
        rest = (uint16_t)index & (uint16_t)(2u * middle + 1u);
        quarters = (uint8_t)((uint16_t)index >> quarter_bits);
        is_beyond = index >= UINT32_C(64) << quarter_bits || is_beyond;
    }
    if (is_beyond) {
        return el_exponential_end(0, index, 0u, 0);
    }
    const int16_t u = (int16_t)((int16_t)(middle - rest) * (int16_t)(1u << exponent_bits));
    const int16_t u2 = el_multiply15(u, u);
    const int16_t u3 = el_multiply15(u2, u);
    const int16_t u4 = (int16_t)((int16_t)(((int32_t)u2 * u2 + 81920) >> 16) >> 1); /* u^4 / 4 */
    const int16_t series = (int16_t)(el_multiply15((int16_t)(u4 + u3), 10923) + u2);
    const int16_t e = (int16_t)(28918 + el_multiply15((int16_t)(u + ((series + 1) >> 1)), 28918));
    return el_scale_by_bits(e, quarters, el_exponential_powers);
}

#define EL_OWN_RECIPROCAL
/* 1 / (1 + e), Q1.14, as 1 / half in Q2.13 by three Newton steps. */
EL_NOINLINE int32_t el_reciprocal(int32_t e)
{
    const int16_t half = (int16_t)(((uint16_t)e >> 1) + 16384u); /* (1 + e) / 2, Q0.15 */
    int16_t x = (int16_t)(23130 + el_multiply15(half, -15420));  /* 48/17 - 32/17 half */
    for (uint8_t step = 0; step < 3u; step++) {
        x = (int16_t)(x + el_multiply15(x, (int16_t)(8192 - el_multiply15(half, x))) * 4);
    }
    return x;
}

#if EL_SMALL
#define EL_OWN_HALF_TANH
/* tanh(z / 2), Q0.15, for z in steps of 2^(exponent_bits - 15), |z| < 2^31: called by everything below. */
EL_NOINLINE int32_t el_half_tanh(int32_t z, unsigned exponent_bits)
{
    const uint32_t magnitude = (uint32_t)(z < 0 ? -z : z);
    const uint16_t half = (uint16_t)el_reciprocal(el_exponential(magnitude - 1u, exponent_bits));
    const int16_t result = (int16_t)(4u * half - 32768u - (uint16_t)(half >= 16384u)); /* 1 becomes 32767 */
    return z < 0 ? -result : result;
}
#endif

#if EL_EXPONENTIAL_TABLE
#define EL_OWN_EXPONENTIAL_Q12
/* exp(-z), where `index` = z - 1 in steps of 2^-12; from index = end on it is `beyond`. */
EL_NOINLINE int32_t el_exponential_q12(uint32_t index, uint32_t end, int32_t beyond)
{
    const EL_FLASH uint32_t *piece = &el_exponential_table[(uint8_t)((uint16_t)index >> 4) & 254u];
    const uint8_t k = (uint8_t)index & 31u;
    const uint8_t bit = (uint8_t)(k - 1u) & 31u; /* which comes on top */
    const uint32_t first = piece[0];
    const uint16_t line = (uint16_t)((first + (uint32_t)((int32_t)(int16_t)first * (int16_t)(32 * k + 8))) >> 16);
    const uint8_t carry = (uint8_t)(((const EL_FLASH uint8_t *)&piece[1])[bit >> 3] >> (bit & 7u)) & 1u;
    int16_t e = (int16_t)((line >> 1) + carry);
    if (index < 4096u) {
        return e;
    }
    e = el_scale_by_bits(e, (uint8_t)((uint16_t)index >> 12), &el_exponential_powers[2]);
    return el_exponential_end(e, index, end, beyond);
}
#endif

#endif

#endif
