/* The steps of an LSTM on int16 values behind its sums, 8 units at a time with MVE: see the model's source for their
 * order. Each is assembler beside the C that defines it, and intrinsics in edgelstm_mve_lstm16_intrinsics.h.
 *
 * Arrays of a step's own have room for whole groups of 8 units, which the assembler reads and writes; the state has
 * exactly `units` elements, and nothing beyond them is touched. */
#ifndef EDGELSTM_MVE_LSTM16_H
#define EDGELSTM_MVE_LSTM16_H

#include "edgelstm_mve_requantize.h"
#include "edgelstm_mve_rows16.h"
#include "edgelstm_rows16.h"

/* What brings a gate's two sums to Q3.12: multipliers of 15 bits, times 2^16, and what is shifted beyond 2^15, -1..-31.
 */
typedef struct {
    int32_t input;
    int32_t input_right;
    int32_t recurrent;
    int32_t recurrent_right;
} el_mve_gate16;

/* Everything else that a layer's step needs to know. */
typedef struct {
    el_mve_multiplier hidden; /* from Q0.30 to the hidden state's scale; shift <= 0 */
    int32_t fresh_right;      /* 1 - n, where input gate * candidate / 2^n has the cell state's scale; n 15..21 */
    int32_t cell_low;         /* bounds of the cell state */
    int32_t cell_high;
    int32_t cell_excess; /* integer bits of the cell state beyond 3: tanh takes Q3.12, saturated */
} el_mve_lstm16;

#if EL_MVE_ASM

/* clang-format off */

/* result = 8 sums at `from` times a multiplier, saturated: VLD4 takes the parts of even and of odd units apart. VQDMULH
 * leaves floor(sum * multiplier / 2^15), and VRSHL rounds the rest half up. r5 = 256. */
#define EL_MVE_SCALE16(result, from, multiplier, right) \
    "vld40.32     {q0, q1, q2, q3}, [" from "]\n"       \
    "vld41.32     {q0, q1, q2, q3}, [" from "]\n"       \
    "vld42.32     {q0, q1, q2, q3}, [" from "]\n"       \
    "vld43.32     {q0, q1, q2, q3}, [" from "]!\n"      \
    "vmla.s32     q1, q0, r5\n"                         \
    "vmla.s32     q3, q2, r5\n"                         \
    "vqdmulh.s32  q1, q1, " multiplier "\n"             \
    "vqdmulh.s32  q3, q3, " multiplier "\n"             \
    "vrshl.s32    q1, " right "\n"                      \
    "vrshl.s32    q3, " right "\n"                      \
    "vqmovnb.s32  " result ", q1\n"                     \
    "vqmovnt.s32  " result ", q3\n"

/* z = saturate16(input sums scaled + hidden sums scaled), each saturated before, Q3.12, in whole groups of 8. Returns
 * where the next gate begins. r1, r7 and r11 stay free, for what a loop over gates and el_mve_rows16 keeps. */
EL_MVE_INLINE int16_t *el_mve_gate_inputs16(int16_t *z, const int32_t *input_sums, const int32_t *hidden_sums,
                                            const el_mve_gate16 *gate, unsigned units)
{
    register const el_mve_gate16 *factors __asm__("r0") = gate;
    register const int32_t *from_input __asm__("r10") = input_sums;
    register const int32_t *from_hidden __asm__("r12") = hidden_sums;
    register unsigned groups __asm__("lr") = (units + 7u) / 8u;
    const unsigned beyond = (units + 7u) / 8u * 8u - units;
    __asm__ volatile(
        "ldm          r0, {r0, r2, r3, r4}\n"
        "mov          r5, #256\n"
        "dls          lr, lr\n"
        "1:\n"
        EL_MVE_SCALE16("q4", "r10", "r0", "r2")
        EL_MVE_SCALE16("q5", "r12", "r3", "r4")
        "vqadd.s16    q4, q4, q5\n"
        "vstrh.u16    q4, [%[next]], #16\n"
        "le           lr, 1b\n"
        : [next] "+r"(z), "+r"(factors), "+r"(from_input), "+r"(from_hidden), "+r"(groups)
        :
        : "r2", "r3", "r4", "r5", "q0", "q1", "q2", "q3", "q4", "q5", "cc", "memory");
    return z - beyond;
}

/* q4 = the products of q0 and the other vector, times 2^30 / 2^31 and shifted right, saturated. */
#define EL_MVE_PRODUCT16(other, result, mantissa, rounds, right) \
    "vmullb.s16   q2, q0, " other "\n"                           \
    "vmullt.s16   q3, q0, " other "\n"                           \
    EL_MVE_REQUANTIZE("q0", "q2", mantissa, rounds, right)       \
    EL_MVE_REQUANTIZE("q1", "q3", mantissa, rounds, right)       \
    "vqmovnb.s32  " result ", q0\n"                              \
    "vqmovnt.s32  " result ", q1\n"

/* cell = forget gate * cell + input gate * candidate, within its bounds. The candidate becomes what tanh takes. */
EL_MVE_INLINE void el_mve_cell16(int16_t *cell, int16_t *candidate, const int16_t *input_gate,
                                 const int16_t *forget_gate, const el_mve_lstm16 *layer, unsigned units)
{
    register int16_t *next __asm__("r0") = cell;
    register int16_t *next_candidate __asm__("r1") = candidate;
    register const int16_t *next_input __asm__("r2") = input_gate;
    register const int16_t *next_forget __asm__("r3") = forget_gate;
    register const int32_t *facts __asm__("r4") = &layer->fresh_right;
    register unsigned left __asm__("r10") = units;
    register unsigned groups __asm__("lr") = (units + 7u) / 8u;
    __asm__ volatile(
        "ldm          r4, {r4, r5, r6, r8}\n" /* shift, lower and upper bound, excess */
        "vdup.16      q6, r5\n"
        "vdup.16      q7, r6\n"
        "mov          r5, #1\n"
        "mov          r6, #0x40000000\n"
        "mvn          r9, #13\n"
        "dls          lr, lr\n"
        "1:\n"
        "vctp.16      r10\n"
        "vpst\n"
        "vldrht.u16   q5, [r0]\n"
        "vldrh.u16    q0, [r2], #16\n"
        "vldrh.u16    q1, [r1]\n"
        EL_MVE_PRODUCT16("q1", "q4", "r6", "r5", "r4")
        "vldrh.u16    q0, [r3], #16\n"
        EL_MVE_PRODUCT16("q5", "q0", "r6", "r5", "r9")
        "vqadd.s16    q0, q0, q4\n"
        "vmax.s16     q0, q0, q6\n"
        "vmin.s16     q0, q0, q7\n"
        "vpst\n"
        "vstrht.u16   q0, [r0], #16\n"
        "vqshl.s16    q0, r8\n"
        "vstrh.u16    q0, [r1], #16\n"
        "sub          r10, r10, #8\n"
        "le           lr, 1b\n"
        : "+r"(next), "+r"(next_candidate), "+r"(next_input), "+r"(next_forget), "+r"(facts), "+r"(left), "+r"(groups)
        :
        : "r5", "r6", "r8", "r9", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory" EL_MVE_PREDICATE);
}

/* hidden = output gate * tanh(cell), requantized; `squashed` is tanh(cell). */
EL_MVE_INLINE void el_mve_hidden16(int16_t *hidden, const int16_t *squashed, const int16_t *output_gate,
                                   const el_mve_lstm16 *layer, unsigned units)
{
    register const int16_t *first __asm__("r0") = squashed;
    register const int16_t *second __asm__("r1") = output_gate;
    register int16_t *next __asm__("r2") = hidden;
    register unsigned left __asm__("r3") = units;
    register const int32_t *facts __asm__("r4") = &layer->hidden.mantissa;
    register unsigned groups __asm__("lr") = (units + 7u) / 8u;
    __asm__ volatile(
        "ldm          r4, {r4, r5, r6}\n" /* mantissa, rounds, right */
        "dls          lr, lr\n"
        "1:\n"
        "vldrh.u16    q0, [r0], #16\n"
        "vldrh.u16    q1, [r1], #16\n"
        EL_MVE_PRODUCT16("q1", "q0", "r4", "r5", "r6")
        "vctp.16      r3\n"
        "vpst\n"
        "vstrht.u16   q0, [r2], #16\n"
        "sub          r3, r3, #8\n"
        "le           lr, 1b\n"
        : "+r"(first), "+r"(second), "+r"(next), "+r"(left), "+r"(facts), "+r"(groups)
        :
        : "r5", "r6", "q0", "q1", "q2", "q3", "cc", "memory" EL_MVE_PREDICATE);
}

/* clang-format on */

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_lstm16_intrinsics.h"

#else

EL_MVE_INLINE int16_t *el_mve_gate_inputs16(int16_t *z, const int32_t *input_sums, const int32_t *hidden_sums,
                                            const el_mve_gate16 *gate, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        const int32_t input_part = el_requantize16(el_mve_sum16(&input_sums[2u * unit]), gate->input >> 16,
                                                   (unsigned)(15 - gate->input_right));
        const int32_t hidden_part = el_requantize16(el_mve_sum16(&hidden_sums[2u * unit]), gate->recurrent >> 16,
                                                    (unsigned)(15 - gate->recurrent_right));
        z[unit] = (int16_t)el_saturate16(el_saturate16(input_part) + el_saturate16(hidden_part));
    }
    return &z[units];
}

EL_MVE_INLINE void el_mve_cell16(int16_t *cell, int16_t *candidate, const int16_t *input_gate,
                                 const int16_t *forget_gate, const el_mve_lstm16 *layer, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        const int32_t kept = el_saturate16(el_requantize(forget_gate[unit] * cell[unit], 1073741824, -14));
        const int32_t fresh =
            el_saturate16(el_requantize(input_gate[unit] * candidate[unit], 1073741824, (int)layer->fresh_right));
        cell[unit] = (int16_t)el_clamp(kept + fresh, layer->cell_low, layer->cell_high);
        candidate[unit] = (int16_t)el_clamp(cell[unit] * (1 << layer->cell_excess), -32768, 32767);
    }
}

EL_MVE_INLINE void el_mve_hidden16(int16_t *hidden, const int16_t *squashed, const int16_t *output_gate,
                                   const el_mve_lstm16 *layer, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        hidden[unit] = (int16_t)el_saturate16(el_mve_requantize(output_gate[unit] * squashed[unit], &layer->hidden));
    }
}

#endif
#endif
