/* Matrix times vector for int16 values with MVE: el_mve_rows16, in assembler, in intrinsics
 * (edgelstm_mve_rows16_intrinsics.h) and in C.
 *
 * A value is 256 * high + low + 128 with both in int8. Sums of the products of each take no more than 32 bits, and a
 * vector of weights that is loaded once meets both: 3 instructions for 16 products, exact whatever the sum is. */
#ifndef EDGELSTM_MVE_ROWS16_H
#define EDGELSTM_MVE_ROWS16_H

#include "edgelstm_mve_rows.h"

/* Columns that one pass multiplies: 3 vectors of low and 3 of high bytes stay in q0..q5, q7 holds weights. */
#define EL_MVE_PASS_COLUMNS16 48u

#if EL_MVE_ASM

/* clang-format off */

/* Takes `count` values apart, 8 at a time: all low bytes, from a whole number of 16 on all high ones. LETP predicates
 * the last ones; what then lies up to 16 meets weights of 0. */
EL_MVE_INLINE void el_mve_split16(int8_t *bytes, const int16_t *values, unsigned count)
{
    register const int16_t *value __asm__("r0") = values;
    register int8_t *low __asm__("r2") = bytes;
    register int8_t *high __asm__("r3") = &bytes[(count + 15u) / 16u * 16u];
    register unsigned left __asm__("lr") = count;
    __asm__ volatile(
        "mov          r4, #128\n"
        "dlstp.16     lr, lr\n"
        "1:\n"
        "vldrh.u16    q0, [r0], #16\n"
        "vadd.i16     q1, q0, r4\n"
        "vstrb.16     q1, [r2], #8\n"
        "vshr.s16     q0, q0, #8\n"
        "vstrb.16     q0, [r3], #8\n"
        "letp         lr, 1b\n"
        : "+r"(value), "+r"(low), "+r"(high), "+r"(left)
        :
        : "r4", "q0", "q1", "cc", "memory" EL_MVE_PREDICATE);
}

/* 16 products of each of 4 rows with high and low bytes. VMLAVA adds up in even registers only; lr is r14. */
#define EL_MVE_ROW16(high_sum, low_sum, high, low) \
    "vldrb.u8 q7, [r1], #16\n"                     \
    "vmlava.s8 " high_sum ", q7, " high "\n"       \
    "vmlava.s8 " low_sum ", q7, " low "\n"
#define EL_MVE_4_ROWS16(high, low)                                            \
    EL_MVE_ROW16("r0", "r2", high, low) EL_MVE_ROW16("r4", "r6", high, low)   \
    EL_MVE_ROW16("r8", "r10", high, low) EL_MVE_ROW16("r12", "lr", high, low)

#define EL_MVE_EACH16_1(what) what("q0", "q1")
#define EL_MVE_EACH16_2(what) EL_MVE_EACH16_1(what) what("q2", "q3")
#define EL_MVE_EACH16_3(what) EL_MVE_EACH16_2(what) what("q4", "q5")

#define EL_MVE_LOAD16(high, low)         \
    "vldrb.u8 " low ", [r0], #16\n"      \
    "vldrb.u8 " high ", [r2], #16\n"

#define EL_MVE_PASS16(from, vectors)                            \
    __asm__ volatile(                                           \
        EL_MVE_EACH16_##vectors(EL_MVE_LOAD16)                  \
        "1:\n"                                                  \
        "ldmia " from ", {r0, r2, r4, r6, r8, r10, r12, lr}\n"  \
        EL_MVE_EACH16_##vectors(EL_MVE_4_ROWS16)                \
        "stmia r5!, {r0, r2, r4, r6, r8, r10, r12, lr}\n"       \
        "subs r9, r9, #1\n"                                     \
        "bne 1b\n"                                              \
        : "+r"(low), "+r"(weight), "+r"(high), "+r"(sum), "+r"(groups) \
        :                                                       \
        : "r4", "r6", "r8", "r10", "r12", "lr", "q0", "q1", "q2", "q3", "q4", "q5", "q7", "cc", "memory")

#define EL_MVE_PASSES16(from)                 \
    if (columns > 32u) {                      \
        EL_MVE_PASS16(from, 3);               \
    } else if (columns > 16u) {               \
        EL_MVE_PASS16(from, 2);               \
    } else {                                  \
        EL_MVE_PASS16(from, 1);               \
    }

/* clang-format on */

/* Sums of up to 48 columns from the start values in the stream, or with `continues` those that are there plus them;
 * returns what follows the weights. */
EL_MVE_INLINE const uint32_t *el_mve_pass16(int32_t *sums, const uint32_t *weights, const int8_t *low_bytes,
                                            const int8_t *high_bytes, unsigned columns, unsigned rows,
                                            unsigned continues)
{
    register const int8_t *low __asm__("r0") = low_bytes;
    register const uint32_t *weight __asm__("r1") = weights;
    register const int8_t *high __asm__("r2") = high_bytes;
    register int32_t *sum __asm__("r5") = sums;
    register unsigned groups __asm__("r9") = (rows + 3u) / 4u;
    if (continues) {
        EL_MVE_PASSES16(EL_MVE_FROM_SUMS)
    } else {
        EL_MVE_PASSES16(EL_MVE_FROM_BIASES)
    }
    return weight;
}

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_rows16_intrinsics.h"

#else

EL_MVE_INLINE void el_mve_split16(int8_t *bytes, const int16_t *values, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        bytes[k] = (int8_t)((values[k] & 255) - 128);
        bytes[(count + 15u) / 16u * 16u + k] = (int8_t)(values[k] >> 8);
    }
}

EL_MVE_INLINE const uint32_t *el_mve_pass16(int32_t *sums, const uint32_t *weights, const int8_t *low_bytes,
                                            const int8_t *high_bytes, unsigned columns, unsigned rows,
                                            unsigned continues)
{
    for (unsigned first = 0; first < rows; first += 4u) {
        int32_t *sum = &sums[2u * first];
        for (unsigned k = 0; k < 8u && !continues; k++) {
            sum[k] = (int32_t)*weights++;
        }
        for (unsigned column = 0; column < columns; column += 16u) {
            for (unsigned row = 0; row < 4u; row++) {
                const int8_t *bytes = (const int8_t *)weights;
                for (unsigned k = 0; k < 16u && column + k < columns; k++) {
                    sum[2u * row] += bytes[k] * high_bytes[column + k];
                    sum[2u * row + 1u] += bytes[k] * low_bytes[column + k];
                }
                weights += 4;
            }
        }
    }
    return weights;
}

#endif

/* sums[2 r], sums[2 r + 1]: the parts of bias r + row r of the weights * values, which is 256 times the first plus the
 * second. Returns what follows the weights.
 *
 * Rows are rounded up to a multiple of 4, in `sums`, too. The weights are in the order of codegen/mve_layout16.py: for
 * each 48 columns, for each 4 rows: in the first 48 columns two start values for each row, then for each 16 columns 16
 * bytes of each row. `bytes` are the values as el_mve_split16 leaves them. Best called with constant columns and rows.
 */
EL_MVE_INLINE const uint32_t *el_mve_rows16(int32_t *sums, const uint32_t *weights, const int8_t *bytes,
                                            unsigned columns, unsigned rows)
{
    const int8_t *high_bytes = &bytes[(columns + 15u) / 16u * 16u];
    const unsigned full_passes = (columns - 1u) / EL_MVE_PASS_COLUMNS16;
    for (unsigned pass = 0; pass < full_passes; pass++) {
        weights = el_mve_pass16(sums, weights, bytes, high_bytes, EL_MVE_PASS_COLUMNS16, rows, pass);
        bytes += EL_MVE_PASS_COLUMNS16;
        high_bytes += EL_MVE_PASS_COLUMNS16;
    }
    return el_mve_pass16(sums, weights, bytes, high_bytes, columns - EL_MVE_PASS_COLUMNS16 * full_passes, rows,
                         full_passes);
}

/* One sum of its two parts, where it has 32 bits and where it may have more. */
static inline int32_t el_mve_sum16(const int32_t parts[2])
{
    return (int32_t)(256u * (uint32_t)parts[0] + (uint32_t)parts[1]);
}

static inline int64_t el_mve_long_sum16(const int32_t parts[2])
{
    return 256 * (int64_t)parts[0] + parts[1];
}

#endif
