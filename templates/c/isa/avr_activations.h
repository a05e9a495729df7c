/* What AVR computes more briefly than the portable functions of edgelstm_activations.h. */
#ifndef EDGELSTM_ISA_ACTIVATIONS_H
#define EDGELSTM_ISA_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"

#if !EL_CONSTANT_TIME /* which multiplies by 32768, too */
#define EL_OWN_ROUND_MULTIPLY
/* Rounded Q0.15 product: floor(a * b / 2^15 + 1/2), of numbers of 16 bits, as all are. */
EL_NOINLINE int32_t el_round_multiply(int32_t a, int32_t b)
{
    const int32_t product = (int32_t)(int16_t)a * (int16_t)b + (1 << 14);
    return (int32_t)(int16_t)(product >> 16) * 2 + (int32_t)((uint16_t)product >> 15);
}
#endif

#endif
