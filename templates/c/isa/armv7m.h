/* Primitives for Armv7-M: Cortex-M3. Same bits as ref.h.
 *
 * Assembler stands where compilers lose most: the column block and the requantization of the gates, each beside the C
 * that defines it. Define EL_NO_ASM to compile that C; so does a build without optimization, which has not enough
 * registers. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if !defined(__ARM_ARCH_7M__)
#error "this code is for Armv7-M (Cortex-M3); generate it for your core, or with --target host"
#endif

#if !defined(EL_NO_ASM) && defined(__OPTIMIZE__) && !defined(__PIC__) && !defined(__ARM_ROPI) && !defined(__ARM_RWPI)
#define EL_ASM 1
#else
#define EL_ASM 0
#endif

/* What is called rather than inlined where code should be small. */
#if defined(__OPTIMIZE_SIZE__)
#define EL_SHARED EL_NOINLINE
#define EL_ASM_GATES 0
#else
#define EL_SHARED EL_INLINE
#define EL_ASM_GATES EL_ASM
#endif

/* The column block is one string, longer than C99 promises to take; all compilers that know this assembler do. */
#pragma GCC diagnostic ignored "-Woverlength-strings"

/* Weights are read in words; activations are widened once a step to what LDM loads and MLA multiplies. */
typedef uint32_t el_word;
typedef int32_t el_wide;

EL_INLINE int32_t el_saturate8(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value) : "cc");
    return result;
}

EL_INLINE int32_t el_saturate16(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(value) : "cc");
    return result;
}

/* A part of a gate: with 16 bits saturated, as TensorFlow Lite does; with 32 as it is, where only the sum is to be. */
EL_INLINE int32_t el_saturate_part(int32_t value, unsigned bits)
{
    return bits == 16u ? el_saturate16(value) : value;
}

/* el_saturate8(value * multiplier * 2^(shift - 31) + zero_point); |value| < 2^30, shift <= 0.
 * Half away from zero is half up of a value that is one lower where it is negative; SMLAL adds that to the high half.
 */
EL_INLINE int32_t el_requantize8(int32_t value, int32_t multiplier, int shift, int32_t zero_point)
{
    const unsigned right = (unsigned)-shift;
    const uint32_t rounding = right > 0u ? (1u << (right - 1u)) - ((uint32_t)value >> 31) : 0u;
    const int64_t start = (int64_t)((uint64_t)rounding << 32 | 0x80000000u);
    const int64_t sum = start + (int64_t)(int32_t)((uint32_t)value << 1) * multiplier;
    return el_saturate8(((int32_t)(sum >> 32) >> right) + zero_point);
}

/* int8 to int32, zeros up to a whole number of 4 columns. Returns the part of the columns layout's sums that its offset
 * of 128 adds for these values. */
static inline int32_t el_widen(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    int32_t sum = 0;
    const el_wide *end = wide + columns;
    while (wide != end) {
        const int32_t value = *narrow++;
        *wide++ = value;
        sum += value;
    }
    for (; columns % 4u != 0u; columns++) {
        *wide++ = 0;
    }
    return 128 * sum;
}

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
static inline const el_word *el_dot4_rows(int32_t sums[4], const el_word *weights, const el_wide *values,
                                          unsigned columns, int32_t correction)
{
    int32_t sum0 = (int32_t)weights[0], sum1 = (int32_t)weights[1];
    int32_t sum2 = (int32_t)weights[2], sum3 = (int32_t)weights[3];
    const int8_t *bytes = (const int8_t *)&weights[4];
    (void)correction;
    for (unsigned column = 0; column < columns; column += 4u) {
        for (unsigned k = 0; k < 4u; k++) {
            const int32_t value = *values++;
            sum0 += bytes[k] * value;
            sum1 += bytes[k + 4u] * value;
            sum2 += bytes[k + 8u] * value;
            sum3 += bytes[k + 12u] * value;
        }
        bytes += 16;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
    return &weights[4u + columns];
}

/* The same for a single row: its bias, then its bytes. */
static inline const el_word *el_dot1(int32_t *sum, const el_word *weights, const el_wide *values, unsigned columns)
{
    const int8_t *bytes = (const int8_t *)&weights[1];
    int32_t total = (int32_t)weights[0];
    for (unsigned column = 0; column < columns; column++) {
        total += bytes[column] * values[column];
    }
    *sum = total;
    return &weights[1u + columns / 4u];
}

/* The sum of values, as el_widen leaves them, times any number of bytes at any address. */
static inline int32_t el_dot_bytes(const int8_t *bytes, const el_wide *values, unsigned count)
{
    int32_t sum = 0;
    for (unsigned k = 0; k < count; k++) {
        sum += bytes[k] * values[k];
    }
    return sum;
}

/* The columns layout, for rows A, B, C, D. A word holds a column, W = (A + 128) + 256 (B + 128) + 65536 C + 2^24 D.
 * Times the column's value x, W and two parts of it that one instruction cuts out of it sum up to
 *
 *   p of W:                 a + 256 b + 65536 c + 2^24 d + 257 correction
 *   q of W >> 8 in 16 bits: b + 256 c + correction
 *   s of W >> 16:           c + 256 d
 *
 * modulo 2^32, where correction = 128 * sum of x. That suffices for a, b, c, d of 24 bits (see el_columns_decode), so
 * that 4 products take 3 multiplications. 3 start values, then a word for each column.
 *
 * Yields raw = {p, q, s}. */
EL_INLINE const el_word *el_columns_sums(uint32_t raw[3], const el_word *weights, const el_wide *values,
                                         unsigned columns)
{
    uint32_t p = weights[0], q = weights[1], s = weights[2];
    const el_wide *end = values + columns;
    weights += 3;
    do {
        for (unsigned k = 0; k < 4u; k++) {
            const uint32_t value = (uint32_t)*values++;
            const el_word word = *weights++;
            p += word * value;
            q += (uint32_t)(int16_t)(word >> 8) * value;
            s += (uint32_t)((int32_t)word >> 16) * value;
        }
    } while (values != end);
    raw[0] = p;
    raw[1] = q;
    raw[2] = s;
    return weights;
}

/* a = (p - 256 q) modulo 2^24, and so on; every difference is 256 times what is sought, in 32 bits. */
EL_INLINE void el_columns_decode(int32_t sums[4], const uint32_t raw[3], int32_t correction)
{
    const uint32_t q = raw[1] - (uint32_t)correction;
    const uint32_t p = raw[0] - 257u * (uint32_t)correction;
    sums[0] = (int32_t)((p - (q << 8)) << 8) >> 8;
    sums[1] = (int32_t)(p - (raw[2] << 16) - (uint32_t)sums[0]) >> 8;
    sums[2] = (int32_t)(q - (uint32_t)sums[1]) >> 8;
    sums[3] = (int32_t)(raw[2] - (uint32_t)sums[2]) >> 8;
}

#if EL_ASM
/* The sums in assembler: r0, r1, r2 are p, q, s, r7 points to the values, lr to the weights. */
#define EL_COLUMN(word, value)                                                                                         \
    "mla    r0, " word ", " value ", r0\n\t"                                                                           \
    "sbfx   r3, " word ", #8, #16\n\t"                                                                                 \
    "asr    " word ", " word ", #16\n\t"                                                                               \
    "mla    r1, r3, " value ", r1\n\t"                                                                                 \
    "mla    r2, " word ", " value ", r2\n\t"
#define EL_COLUMNS_4                                                                                                   \
    "ldmia  r7!, {r9, r10, r11, r12}\n\t"                                                                              \
    "ldmia  lr!, {r4, r5, r6, r8}\n\t" EL_COLUMN("r4", "r9") EL_COLUMN("r5", "r10") EL_COLUMN("r6", "r11")             \
        EL_COLUMN("r8", "r12")
#define EL_COLUMNS_8 EL_COLUMNS_4 EL_COLUMNS_4
#define EL_COLUMNS_16 EL_COLUMNS_8 EL_COLUMNS_8
#define EL_COLUMNS_32 EL_COLUMNS_16 EL_COLUMNS_16

#if defined(__OPTIMIZE_SIZE__)
#define EL_COLUMNS                                                                                                     \
    "ldmia  lr!, {r0, r1, r2}\n\t"                                                                                     \
    "push   {r5}\n"                                                                                                    \
    "1:\n\t" EL_COLUMNS_4 "ldr    r3, [sp]\n\t"                                                                        \
    "cmp    r7, r3\n\t"                                                                                                \
    "bne    1b\n\t"                                                                                                    \
    "add    sp, #4\n\t"
#define EL_COLUMNS_OPERAND
#else
#define EL_COLUMNS_OPERAND [columns] "i"(columns)
/* Straight lines up to 127 columns; beyond, a loop over 64 of them, whose end lies on the stack. The assembler leaves
 * out what a number of columns does not need; lines are spelled out because compilers count them to know how far they
 * jump. */
#define EL_COLUMNS                                                                                                     \
    "ldmia  lr!, {r0, r1, r2}\n\t"                                                                                     \
    ".if %c[columns] >= 128\n\t"                                                                                       \
    "movw   r3, #(4 * (%c[columns] & ~63)) & 0xFFFF\n\t"                                                               \
    ".if (4 * (%c[columns] & ~63)) > 0xFFFF\n\t"                                                                       \
    "movt   r3, #(4 * (%c[columns] & ~63)) >> 16\n\t"                                                                  \
    ".endif\n\t"                                                                                                       \
    "add    r3, r3, r7\n\t"                                                                                            \
    "push   {r3}\n"                                                                                                    \
    "1:\n\t"                                                                                                           \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] >= 64\n\t" EL_COLUMNS_32 EL_COLUMNS_32 ".endif\n\t"                                               \
    ".if %c[columns] >= 128\n\t"                                                                                       \
    "ldr    r3, [sp]\n\t"                                                                                              \
    "cmp    r7, r3\n\t"                                                                                                \
    "bne    1b\n\t"                                                                                                    \
    "add    sp, #4\n\t"                                                                                                \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] & 32\n\t" EL_COLUMNS_32 ".endif\n\t"                                                              \
    ".if %c[columns] & 16\n\t" EL_COLUMNS_16 ".endif\n\t"                                                              \
    ".if %c[columns] & 8\n\t" EL_COLUMNS_8 ".endif\n\t"                                                                \
    ".if %c[columns] & 4\n\t" EL_COLUMNS_4 ".endif\n\t"
#endif
#endif

#if EL_ASM_GATES
/* From p, q, s and the correction in r7 to 256 times the sums in r3, r0, r1, r2. */
#define EL_DECODE                                                                                                      \
    "sub    r1, r1, r7\n\t"                                                                                            \
    "sub    r0, r0, r7\n\t"                                                                                            \
    "sub    r0, r0, r7, lsl #8\n\t"                                                                                    \
    "sub    r3, r0, r1, lsl #8\n\t"                                                                                    \
    "sub    r0, r0, r2, lsl #16\n\t"                                                                                   \
    "lsl    r3, r3, #8\n\t"                                                                                            \
    "sub    r0, r0, r3, asr #8\n\t"                                                                                    \
    "sub    r1, r1, r0, asr #8\n\t"                                                                                    \
    "sub    r2, r2, r1, asr #8\n\t"

/* sum * multiplier * 2^(shift - 31) in `high`, shifted right only at the end, by the instruction that uses it. `sum` is
 * 256 times what it is called and `multiplier` a 128th, so that the high half of the product is wanted: its rounding is
 * the low half at the start. `high` holds 2^(-shift - 1) before; one less for a negative sum makes half up half away
 * from zero. */
#define EL_SCALE(sum, multiplier, high, shift)                                                                         \
    "mov    r7, #0x80000000\n\t"                                                                                       \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "sub    " high ", " high ", " sum ", lsr #31\n\t"                                                                  \
    ".elseif %c[" shift "] > 0\n\t"                                                                                    \
    "lsl    " sum ", " sum ", #%c[" shift "]\n\t"                                                                      \
    ".endif\n\t"                                                                                                       \
    "smlal  r7, " high ", " sum ", " multiplier "\n\t"

/* r4 points to 4 multipliers and 4 roundings; the results are in r9, r10, r11, r12. */
#define EL_SCALE_4                                                                                                     \
    EL_DECODE                                                                                                          \
    "ldm    r4, {r4, r5, r6, r8, r9, r10, r11, r12}\n\t" EL_SCALE("r3", "r4", "r9", "shift0")                          \
        EL_SCALE("r0", "r5", "r10", "shift1") EL_SCALE("r1", "r6", "r11", "shift2")                                    \
            EL_SCALE("r2", "r8", "r12", "shift3")

#define EL_SATURATE(result, value, shift)                                                                              \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "ssat   " result ", #%c[bits], " value ", asr #(-(%c[" shift "]))\n\t"                                             \
    ".else\n\t"                                                                                                        \
    "ssat   " result ", #%c[bits], " value "\n\t"                                                                      \
    ".endif\n\t"

#define EL_ADD(result, value, shift)                                                                                   \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "add    " result ", " result ", " value ", asr #(-(%c[" shift "]))\n\t"                                            \
    ".else\n\t"                                                                                                        \
    "add    " result ", " result ", " value "\n\t"                                                                     \
    ".endif\n\t"
#endif

/* bias + row * values for 4 rows; exact while every sum stays within 24 bits. Returns the weights behind them. */
EL_SHARED const el_word *el_dot4_columns(int32_t sums[4], const el_word *weights, const el_wide *values,
                                         unsigned columns, int32_t correction)
{
    uint32_t raw[3];
#if EL_ASM
    register uint32_t p __asm__("r0");
    register uint32_t q __asm__("r1");
    register uint32_t s __asm__("r2");
    register const el_wide *end __asm__("r5") = values + columns; /* of the loop that small code has */
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r7}\n\t" /* may be the frame pointer */
            "mov    r7, r6\n\t" EL_COLUMNS "pop    {r7}"
            : "=r"(p), "=r"(q), "=r"(s), "+r"(end), "+r"(start), "+r"(stream)
            : EL_COLUMNS_OPERAND
            : "r3", "r4", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    raw[0] = p;
    raw[1] = q;
    raw[2] = s;
    weights = stream;
#else
    weights = el_columns_sums(raw, weights, values, columns);
#endif
    el_columns_decode(sums, raw, correction);
    return weights;
}

/* el_requantize by 128 * multiplier; |sum| < 2^23, also after a left shift. Half away from zero is half up of a value
 * that is one lower where it is negative; the high half of the product starts from that. */
EL_INLINE int32_t el_scale(int32_t sum, int32_t multiplier, int shift)
{
    const int32_t value = (int32_t)((uint32_t)sum << (8 + (shift > 0 ? shift : 0)));
    const uint32_t rounding = shift < 0 ? (1u << (-shift - 1)) - ((uint32_t)value >> 31) : 0u;
    const int64_t start = (int64_t)((uint64_t)rounding << 32 | 0x80000000u);
    return (int32_t)((start + (int64_t)value * multiplier) >> 32) >> (shift < 0 ? -shift : 0);
}

/* The input part of four gates: z[r] = sum of row r * multiplier, Q3.12, see el_saturate_part. `scales` holds 128ths of
 * the multipliers and the roundings 2^(-shift - 1), 0 for shifts >= 0. */
EL_INLINE const el_word *el_gates_columns(int32_t z[4], const el_word *weights, const el_wide *values, unsigned columns,
                                          int32_t correction, const int32_t scales[8], int shift0, int shift1,
                                          int shift2, int shift3, unsigned bits)
{
#if EL_ASM_GATES
    register int32_t z1 __asm__("r0");
    register int32_t z2 __asm__("r1");
    register int32_t z3 __asm__("r2");
    register int32_t z0 __asm__("r3");
    register const int32_t *scale __asm__("r4") = scales;
    register int32_t offset __asm__("r5") = correction;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r4, r5, r7}\n\t"
            "mov    r7, r6\n\t" EL_COLUMNS "pop    {r4, r7}\n\t" EL_SCALE_4 EL_SATURATE("r3", "r9", "shift0")
                EL_SATURATE("r0", "r10", "shift1") EL_SATURATE("r1", "r11", "shift2")
                    EL_SATURATE("r2", "r12", "shift3") "pop    {r7}"
            : "=r"(z1), "=r"(z2), "=r"(z3), "=r"(z0), "+r"(scale), "+r"(offset), "+r"(start), "+r"(stream)
            : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2),
              [shift3] "i"(shift3), [bits] "i"(bits)
            : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    weights = el_dot4_columns(z, weights, values, columns, correction);
    z[0] = el_saturate_part(el_scale(z[0], scales[0], shift0), bits);
    z[1] = el_saturate_part(el_scale(z[1], scales[1], shift1), bits);
    z[2] = el_saturate_part(el_scale(z[2], scales[2], shift2), bits);
    z[3] = el_saturate_part(el_scale(z[3], scales[3], shift3), bits);
    return weights;
#endif
}

/* The recurrent part: z[r] += sum of row r * multiplier. */
EL_INLINE const el_word *el_gates_add_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                              unsigned columns, int32_t correction, const int32_t scales[8], int shift0,
                                              int shift1, int shift2, int shift3)
{
#if EL_ASM_GATES
    register int32_t z1 __asm__("r0") = z[1];
    register int32_t z2 __asm__("r1") = z[2];
    register int32_t z3 __asm__("r2") = z[3];
    register int32_t z0 __asm__("r3") = z[0];
    register const int32_t *scale __asm__("r4") = scales;
    register int32_t offset __asm__("r5") = correction;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__(
        "push   {r0, r1, r2, r3, r4, r5, r7}\n\t"
        "mov    r7, r6\n\t" EL_COLUMNS "ldrd   r4, r7, [sp, #16]\n\t" EL_SCALE_4
        "pop    {r0, r1, r2, r3, r4, r5, r7}\n\t" EL_ADD("r3", "r9", "shift0") EL_ADD("r0", "r10", "shift1")
            EL_ADD("r1", "r11", "shift2") EL_ADD("r2", "r12", "shift3")
        : "+r"(z1), "+r"(z2), "+r"(z3), "+r"(z0), "+r"(scale), "+r"(offset), "+r"(start), "+r"(stream)
        : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2), [shift3] "i"(shift3)
        : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    int32_t sums[4];
    weights = el_dot4_columns(sums, weights, values, columns, correction);
    z[0] += el_scale(sums[0], scales[0], shift0);
    z[1] += el_scale(sums[1], scales[1], shift1);
    z[2] += el_scale(sums[2], scales[2], shift2);
    z[3] += el_scale(sums[3], scales[3], shift3);
    return weights;
#endif
}

#endif
