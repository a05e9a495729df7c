/* Sigmoid and tanh of 8 int16 values at a time with MVE, bit for bit TensorFlow Lite Micro's, by its table.
 *
 * With u and f the whole part and the fraction of the table's index and L = table[u] + f * (table[u + 1] - table[u]),
 * rounded down for sigmoid and to nearest for tanh, sigmoid(|x|) is L / 2, half up, and tanh(|x|) is L - 2^15. TFLM's
 * own roundings make sigmoid(-x) = 2^15 - sigmoid(x) and tanh(-x) = -tanh(x) hold to the bit. */
#ifndef EDGELSTM_MVE_SQUASH16_H
#define EDGELSTM_MVE_SQUASH16_H

#include "edgelstm_mve_rows.h"
#include "edgelstm_squash16.h"

#if EL_MVE_ASM

/* clang-format off */

/* A loop over `count` values in place, x in q0 and the result in q3; LETP predicates the last ones. r1 and r2 are the
 * table and its second entry, q7 holds 2^15. `before` and `body` may use r3 and r4. */
#define EL_MVE_FOR_ALL16(before, body)                                                     \
    register int16_t *next __asm__("r0") = values;                                         \
    register const uint16_t *table __asm__("r1") = el_sigmoid_table;                       \
    register unsigned left __asm__("lr") = count;                                          \
    __asm__ volatile(                                                                      \
        "adds         r2, r1, #2\n"                                                        \
        "vmov.i16     q7, #0x8000\n"                                                       \
        before                                                                             \
        "dlstp.16     lr, lr\n"                                                            \
        "1:\n"                                                                             \
        "vldrh.u16    q0, [r0]\n"                                                          \
        body                                                                               \
        "vstrh.u16    q3, [r0], #16\n"                                                     \
        "letp         lr, 1b\n"                                                            \
        : "+r"(next), "+r"(left)                                                           \
        : "r"(table)                                                                       \
        : "r2", "r3", "r4", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "cc", "memory" \
          EL_MVE_PREDICATE)

/* q3 = table[q2], and q4 what q1 / 2^16 adds to it. */
#define EL_MVE_LINE16(multiply)               \
    "vldrh.u16    q3, [r1, q2, uxtw #1]\n"    \
    "vldrh.u16    q4, [r2, q2, uxtw #1]\n"    \
    "vsub.i16     q4, q4, q3\n"               \
    multiply " q4, q4, q1\n"

/* q1 = fraction and q2 = whole part of q1 * r3 / 2^16; q6 holds r3, too. */
#define EL_MVE_INDEX16                        \
    "vmulh.u16    q2, q1, q6\n"               \
    "vmul.i16     q1, q1, r3\n"

/* The same of q1 / 2^8. */
#define EL_MVE_BYTES16                        \
    "vshr.u16     q2, q1, #8\n"               \
    "vshl.i16     q1, q1, #8\n"

#define EL_MVE_TANH_END16                     \
    EL_MVE_LINE16("vrmulh.u16  ")             \
    "vadd.i16     q3, q3, q4\n"               \
    "vsub.i16     q3, q3, q7\n"               \
    "vpt.s16      lt, q0, zr\n"               \
    "vnegt.s16    q3, q3\n"

/* clang-format on */

/* Sigmoid of Q3.12, result Q0.15. The index is 3 |x| / 2^9. */
static inline void el_mve_sigmoid16(int16_t *values, unsigned count)
{
    EL_MVE_FOR_ALL16("mov r3, #384\n vdup.16 q6, r3\n",
                     "vabs.s16     q1, q0\n" EL_MVE_INDEX16 EL_MVE_LINE16("vmulh.u16   ") "vrhadd.u16   q3, q3, q4\n"
                                                                                          "vpt.s16      lt, q0, zr\n"
                                                                                          "vsubt.i16    q3, q7, q3\n");
}

/* The index is 3 |x| / 2^8, at most 254 and so much of the last piece that L is 2^16 - 1, as beyond. */
EL_MVE_SHARED void el_mve_tanh16_q3(int16_t *values, unsigned count)
{
    EL_MVE_FOR_ALL16("movw r4, #21759\n vdup.16 q5, r4\n mov r3, #768\n vdup.16 q6, r3\n",
                     "vabs.s16     q1, q0\n"
                     "vmin.u16     q1, q1, q5\n" EL_MVE_INDEX16 EL_MVE_TANH_END16);
}

/* 3 x / 2, half up, is x plus x / 2, half up; it may exceed int16, but its magnitude has 16 bits. */
EL_MVE_SHARED void el_mve_tanh16_q2(int16_t *values, unsigned count)
{
    EL_MVE_FOR_ALL16("", "vrshr.s16    q1, q0, #1\n"
                         "vabs.s16     q1, q1\n"
                         "vabs.s16     q2, q0\n"
                         "vadd.i16     q1, q1, q2\n" EL_MVE_BYTES16 EL_MVE_TANH_END16);
}

/* 3 x / 4 and 3 x / 8, half up. */
EL_MVE_SHARED void el_mve_tanh16_q1(int16_t *values, unsigned count)
{
    EL_MVE_FOR_ALL16("mov r3, #24576\n", "vqrdmulh.s16 q1, q0, r3\n"
                                         "vabs.s16     q1, q1\n" EL_MVE_BYTES16 EL_MVE_TANH_END16);
}

EL_MVE_SHARED void el_mve_tanh16_q0(int16_t *values, unsigned count)
{
    EL_MVE_FOR_ALL16("mov r3, #12288\n", "vqrdmulh.s16 q1, q0, r3\n"
                                         "vabs.s16     q1, q1\n" EL_MVE_BYTES16 EL_MVE_TANH_END16);
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..3 integer bits, result Q0.15. */
EL_MVE_INLINE void el_mve_tanh16(int16_t *values, unsigned count, unsigned integer_bits)
{
    switch (integer_bits) {
    case 0:
        el_mve_tanh16_q0(values, count);
        break;
    case 1:
        el_mve_tanh16_q1(values, count);
        break;
    case 2:
        el_mve_tanh16_q2(values, count);
        break;
    default:
        el_mve_tanh16_q3(values, count);
        break;
    }
}

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_squash16_intrinsics.h"

#else

/* Sigmoid of Q3.12, result Q0.15. */
static inline void el_mve_sigmoid16(int16_t *values, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        values[k] = (int16_t)el_sigmoid16(values[k]);
    }
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..3 integer bits, result Q0.15. */
static inline void el_mve_tanh16(int16_t *values, unsigned count, unsigned integer_bits)
{
    for (unsigned k = 0; k < count; k++) {
        values[k] = (int16_t)el_tanh16(values[k], integer_bits);
    }
}

#endif
#endif
