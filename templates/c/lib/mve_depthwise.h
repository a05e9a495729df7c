/* Depthwise convolutions with MVE, 8 outputs at a time: el_mve_depthwise, in assembler and in the C that defines it.
 * Intrinsics are in edgelstm_mve_depthwise_intrinsics.h. */
#ifndef EDGELSTM_MVE_DEPTHWISE_H
#define EDGELSTM_MVE_DEPTHWISE_H

#include "edgelstm_mve_requantize.h"

/* What an output sees: of each of `rows` rows, `row_distance` bytes from one to the next, `taps` values, `distance`
 * bytes from one to the next. Outputs are not below `lowest`. */
typedef struct {
    uint32_t rows;
    uint32_t row_distance;
    uint32_t taps;
    uint32_t distance;
    int32_t zero_point;
    int32_t lowest;
} el_mve_patch;

#if EL_MVE_ASM

/* clang-format off */

/* sums = 4 sums requantized by what the stream has for them: shifts to the left, mantissas, shifts to the right (<= 0).
 * A product that is negative and shifted right (VAND leaves a sign only there) is lowered by 1: half up of that is half
 * away from zero. */
#define EL_MVE_REQUANTIZE_LANES(sums)              \
    "vldrb.s32    q2, [%[weight]], #4\n"           \
    "vldrw.u32    q3, [%[weight]], #16\n"          \
    "vldrb.s32    q4, [%[weight]], #4\n"           \
    "vshl.s32     " sums ", " sums ", q2\n"        \
    "vqrdmulh.s32 " sums ", " sums ", q3\n"        \
    "vand         q2, " sums ", q4\n"              \
    "vshr.s32     q2, q2, #31\n"                   \
    "vadd.i32     " sums ", " sums ", q2\n"        \
    "vrshl.s32    " sums ", " sums ", q4\n"

/* Sums of even outputs are in q0, of odd ones in q1. `each` predicates what touches the outputs' own bytes. */
#define EL_MVE_DEPTHWISE_8(first_ones, each, load, store)                                                         \
    __asm__ volatile(                                                                                             \
        first_ones                                                                                                \
        "vldrw.u32    q0, [%[weight]], #16\n"                                                                     \
        "vldrw.u32    q1, [%[weight]], #16\n"                                                                     \
        "2:\n"                                                                                                    \
        "ldr          lr, [%[patch], #8]\n" /* taps */                                                            \
        "dls          lr, lr\n"                                                                                   \
        "1:\n"                                                                                                    \
        each load "   q2, [%[value]]\n"                                                                           \
        "vldrb.s16    q3, [%[weight]], #8\n"                                                                      \
        "add          %[value], %[value], %[distance]\n"                                                          \
        "vmullb.s16   q4, q2, q3\n"                                                                               \
        "vmullt.s16   q5, q2, q3\n"                                                                               \
        "vadd.i32     q0, q0, q4\n"                                                                               \
        "vadd.i32     q1, q1, q5\n"                                                                               \
        "le           lr, 1b\n"                                                                                   \
        "add          %[value], %[value], %[to_next_row]\n"                                                       \
        "subs         %[rows], %[rows], #1\n"                                                                     \
        "bne          2b\n"                                                                                       \
        EL_MVE_REQUANTIZE_LANES("q0")                                                                             \
        EL_MVE_REQUANTIZE_LANES("q1")                                                                             \
        "vqmovnb.s32  q0, q0\n"                                                                                   \
        "vqmovnt.s32  q0, q1\n"                                                                                   \
        "ldr          lr, [%[patch], #16]\n" /* zero point */                                                     \
        "vqadd.s16    q0, q0, lr\n"                                                                               \
        "ldr          lr, [%[patch], #20]\n" /* lowest */                                                         \
        "vdup.16      q1, lr\n"                                                                                   \
        "vmax.s16     q0, q0, q1\n"                                                                               \
        "vqmovnb.s16  q0, q0\n"                                                                                   \
        each store "  q0, [%[next]]\n"                                                                            \
        : [value] "+&l"(value), [weight] "+&l"(weight), [rows] "+&r"(rows)                                        \
        : [next] "l"(&output[k]), [left] "r"(outputs - k), [patch] "r"(patch),                                    \
          [distance] "r"(patch->distance), [to_next_row] "r"(patch->row_distance - patch->taps * patch->distance) \
        : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "cc", "memory" EL_MVE_PREDICATE)

/* clang-format on */

EL_MVE_INLINE void el_mve_depthwise(int8_t *output, const uint32_t *weights, const int8_t *seen, unsigned outputs,
                                    const el_mve_patch *patch)
{
    const uint32_t *weight = weights;
    EL_MVE_KEEP_LOOP
    for (unsigned k = 0; k < outputs; k += 8u) {
        const int8_t *value = &seen[k];
        unsigned rows = patch->rows;
        if (outputs % 8u == 0u) {
            EL_MVE_DEPTHWISE_8("", "", "vldrb.s16 ", "vstrb.16 ");
        } else {
            EL_MVE_DEPTHWISE_8("vctp.16      %[left]\n", "vpst\n", "vldrbt.s16", "vstrbt.16");
        }
    }
}

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_depthwise_intrinsics.h"

#else

/* output = sums of products, each output's own, requantized + zero point.
 *
 * Output k sees the values from seen[k] on. For each 8 outputs, rounded up, the weights are
 * (codegen/vector_depthwise.py) 4 even and 4 odd biases, for each value seen 8 bytes, and for the even and then the odd
 * outputs what requantizes them: 4 bytes of shifts to the left, 4 mantissas, 4 bytes of shifts to the right (<= 0). */
EL_MVE_INLINE void el_mve_depthwise(int8_t *output, const uint32_t *weights, const int8_t *seen, unsigned outputs,
                                    const el_mve_patch *patch)
{
    const unsigned kernel_words = 2u * patch->rows * patch->taps;
    for (unsigned k = 0; k < outputs; k++) {
        const unsigned lane = k % 8u / 2u;
        const uint32_t *group = &weights[k / 8u * (20u + kernel_words)];
        const int8_t *kernel = (const int8_t *)&group[8];
        int32_t sum = (int32_t)group[4u * (k % 2u) + lane];
        for (unsigned row = 0; row < patch->rows; row++) {
            for (unsigned tap = 0; tap < patch->taps; tap++) {
                sum += seen[patch->row_distance * row + patch->distance * tap + k] * kernel[k % 8u];
                kernel += 8;
            }
        }
        const uint32_t *scale = &group[8u + kernel_words + 6u * (k % 2u)];
        const int shift = ((const int8_t *)scale)[lane] + ((const int8_t *)&scale[5])[lane];
        output[k] = (int8_t)el_clamp(el_requantize(sum, (int32_t)scale[1u + lane], shift) + patch->zero_point,
                                     patch->lowest, 127);
    }
}

#endif
#endif
