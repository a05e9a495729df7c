/* Primitives for Armv7E-M and Armv8-M with the DSP extension: Cortex-M4, M7, M33. Same bits as ref.h.
 *
 * Assembler stands where compilers lose most: the column block and the requantization of the gates, each beside the C
 * that defines it. Define EL_NO_ASM to compile that C; so does a build without optimization, which has not enough
 * registers. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if !defined(__ARM_FEATURE_DSP)
#error "this code is for cores with the DSP extension (Cortex-M4, M7, M33); generate it for yours"
#endif

#if !defined(EL_NO_ASM) && defined(__OPTIMIZE__) && !defined(__PIC__) && !defined(__ARM_ROPI) && !defined(__ARM_RWPI)
#define EL_ASM 1
#else
#define EL_ASM 0
#endif

/* The column block is one string, longer than C99 promises to take; all compilers that know this assembler do. */
#pragma GCC diagnostic ignored "-Woverlength-strings"

/* Weights are read in words; of 4 activations, widened once a step, the first word holds 0 and 2, the second 1 and 3.
 */
typedef uint32_t el_word;
typedef int16_t el_wide;
typedef uint32_t __attribute__((may_alias)) el_pair;
typedef struct __attribute__((packed, may_alias)) {
    uint32_t word;
} el_unaligned_word;

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

/* Bytes 0 and 2 of a word as two halves. */
EL_INLINE uint32_t el_sxtb16(uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* Bytes 1 and 3 of a word as two halves. */
EL_INLINE uint32_t el_sxtb16_ror8(uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* halves + el_sxtb16(bytes), half by half. */
EL_INLINE uint32_t el_sxtab16(uint32_t halves, uint32_t bytes)
{
    uint32_t sums;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sums) : "r"(halves), "r"(bytes));
    return sums;
}

/* sum + a.low * b.low + a.high * b.high; wraps, and then sets the sticky Q flag, which nothing here reads. */
EL_INLINE int32_t el_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum) : "cc");
    return result;
}

/* sum + rounded high half of a * b. */
EL_INLINE int32_t el_smmlar(int32_t a, int32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* rounded high half of a * b. */
EL_INLINE int32_t el_smmulr(int32_t a, int32_t b)
{
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

/* el_saturate8(value * multiplier * 2^(shift - 31) + zero_point); |value| < 2^30, shift <= 0. Half away from zero is
 * half up of a value that is one lower where it is negative; the zero point joins the rounding where it fits 31 bits.
 */
EL_INLINE int32_t el_requantize8(int32_t value, int32_t multiplier, int shift, int32_t zero_point)
{
    const unsigned right = (unsigned)-shift;
    const int is_joined = right <= 23u;
    int32_t rounding = is_joined ? (int32_t)((uint32_t)zero_point << right) : 0;
    if (right > 0u) {
        rounding += (int32_t)(1u << (right - 1u));
        EL_KEEP(rounding); /* one constant, from which the sign can be taken in one instruction */
        rounding -= (int32_t)((uint32_t)value >> 31);
    }
    const int32_t scaled = el_smmlar((int32_t)((uint32_t)value << 1), multiplier, rounding);
    if (!is_joined) {
        return el_saturate8((scaled >> right) + zero_point);
    }
#if EL_ASM
    if (right > 0u) {
        int32_t result;
        __asm__("ssat %0, #8, %1, asr %2" : "=r"(result) : "r"(scaled), "i"(right) : "cc");
        return result;
    }
#endif
    return el_saturate8(scaled >> right);
}

/* int8 to int16 in the order that the layouts expect, zeros up to a whole number of 4 columns. Returns the part of the
 * hybrid layout's low sums that these values alone decide: the sum of x0 * x2 + x1 * x3 (see el_hybrid_sums). */
static inline int32_t el_widen(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    el_pair *pairs = (el_pair *)(void *)wide;
    int32_t correction = 0;
    const unsigned whole = columns & ~3u;
    unsigned column = 0;
#if EL_ASM && !defined(__OPTIMIZE_SIZE__)
    for (; column + 8u <= whole; column += 8u) {
        uint32_t even, odd, even2, odd2;
        __asm__ volatile("ldr    %[even], [%[narrow]], #4\n\t" /* may be unaligned, as LDM must not */
                         "ldr    %[even2], [%[narrow]], #4\n\t"
                         "sxtb16 %[odd], %[even], ror #8\n\t"
                         "sxtb16 %[even], %[even]\n\t"
                         "sxtb16 %[odd2], %[even2], ror #8\n\t"
                         "sxtb16 %[even2], %[even2]\n\t"
                         "smlad  %[sum], %[even], %[odd], %[sum]\n\t"
                         "smlad  %[sum], %[even2], %[odd2], %[sum]\n\t"
                         "strd   %[even], %[odd], [%[pairs]], #8\n\t"
                         "strd   %[even2], %[odd2], [%[pairs]], #8"
                         : [even] "=&r"(even), [odd] "=&r"(odd), [even2] "=&r"(even2), [odd2] "=&r"(odd2),
                           [narrow] "+r"(narrow), [pairs] "+r"(pairs), [sum] "+r"(correction)
                         :
                         : "cc", "memory");
    }
    narrow -= column;
#endif
    for (; column < whole; column += 4u) {
        const uint32_t bytes = ((const el_unaligned_word *)(const void *)&narrow[column])->word;
        const uint32_t even = el_sxtb16(bytes);
        const uint32_t odd = el_sxtb16_ror8(bytes);
        correction = el_smlad(even, odd, correction);
        *pairs++ = even;
        *pairs++ = odd;
    }
    if (whole != columns) {
        uint32_t bytes = (uint8_t)narrow[whole];
        for (unsigned k = 1; whole + k < columns; k++) {
            bytes |= (uint32_t)(uint8_t)narrow[whole + k] << (8u * k);
        }
        pairs[0] = el_sxtb16(bytes);
        pairs[1] = el_sxtb16_ror8(bytes);
        correction = el_smlad(pairs[0], pairs[1], correction);
    }
    return correction;
}

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
static inline const el_word *el_dot4_rows(int32_t sums[4], const el_word *weights, const el_wide *values,
                                          unsigned columns, int32_t correction)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int32_t sum0 = (int32_t)weights[0], sum1 = (int32_t)weights[1];
    int32_t sum2 = (int32_t)weights[2], sum3 = (int32_t)weights[3];
    (void)correction;
    weights += 4;
    for (unsigned column = 0; column < columns; column += 4u) {
        const uint32_t even = *pairs++, odd = *pairs++;
        sum0 = el_smlad(el_sxtb16(weights[0]), even, sum0);
        sum1 = el_smlad(el_sxtb16(weights[1]), even, sum1);
        sum2 = el_smlad(el_sxtb16(weights[2]), even, sum2);
        sum3 = el_smlad(el_sxtb16(weights[3]), even, sum3);
        sum0 = el_smlad(el_sxtb16_ror8(weights[0]), odd, sum0);
        sum1 = el_smlad(el_sxtb16_ror8(weights[1]), odd, sum1);
        sum2 = el_smlad(el_sxtb16_ror8(weights[2]), odd, sum2);
        sum3 = el_smlad(el_sxtb16_ror8(weights[3]), odd, sum3);
        weights += 4;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
    return weights;
}

/* The same for a single row: its bias, then its bytes. */
static inline const el_word *el_dot1(int32_t *sum, const el_word *weights, const el_wide *values, unsigned columns)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int32_t total = (int32_t)*weights++;
    for (unsigned column = 0; column < columns; column += 4u) {
        total = el_smlad(el_sxtb16(*weights), *pairs++, total);
        total = el_smlad(el_sxtb16_ror8(*weights++), *pairs++, total);
    }
    *sum = total;
    return weights;
}

/* The sum of values, as el_widen leaves them, times any number of bytes at any address. */
static inline int32_t el_dot_bytes(const int8_t *bytes, const el_wide *values, unsigned count)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int32_t sum = 0;
    unsigned k = 0;
    for (; k + 4u <= count; k += 4u) {
        const uint32_t word = ((const el_unaligned_word *)(const void *)&bytes[k])->word;
        sum = el_smlad(el_sxtb16(word), *pairs++, sum);
        sum = el_smlad(el_sxtb16_ror8(word), *pairs++, sum);
    }
    for (; k < count; k++) {
        const unsigned place = k % 4u; /* 0, 2, 1, 3 */
        sum += bytes[k] * values[k - place + place % 2u * 2u + place / 2u];
    }
    return sum;
}

/* The hybrid layout, for rows A, B, C, D. A half of a word holds A + 256 B, and multiplied as it is sums up to a + 256
 * b. The low bytes alone give a by Winograd's inner product, (A0 + x2) * (A2 + x0) + (A1 + x3) * (A3 + x1), which is a
 * plus x0 * x2 + x1 * x3, the same for all rows, plus A0 * A2 + A1 * A3, which the start value has taken out. So 8
 * products take 5 instructions. 4 start values, then for each 4 columns 2 words of A, B and 2 of C, D.
 *
 * Yields the raw sums: {a + 256 b, a + correction, c + 256 d, c + correction}. */
static inline const el_word *el_hybrid_sums(int32_t raw[4], const el_word *weights, const el_wide *values,
                                            unsigned columns)
{
    const el_pair *pairs = (const el_pair *)(const void *)values;
    int32_t pair0 = (int32_t)weights[0], low0 = (int32_t)weights[1];
    int32_t pair1 = (int32_t)weights[2], low1 = (int32_t)weights[3];
    weights += 4;
    for (unsigned column = 0; column < columns; column += 4u) {
        const uint32_t even = *pairs++, odd = *pairs++;
        pair0 = el_smlad(weights[0], even, pair0);
        pair0 = el_smlad(weights[1], odd, pair0);
        low0 = el_smlad(el_sxtab16(odd, weights[0]), el_sxtab16(even, weights[1]), low0);
        pair1 = el_smlad(weights[2], even, pair1);
        pair1 = el_smlad(weights[3], odd, pair1);
        low1 = el_smlad(el_sxtab16(odd, weights[2]), el_sxtab16(even, weights[3]), low1);
        weights += 4;
    }
    raw[0] = pair0;
    raw[1] = low0;
    raw[2] = pair1;
    raw[3] = low1;
    return weights;
}

#if EL_ASM
/* The same in assembler: r0..r3 the raw sums, r7 the values, lr the weights. */
#define EL_HYBRID_4                                                                                                    \
    "ldmia  r7!, {r9, r10}\n\t"                                                                                        \
    "ldmia  lr!, {r4, r5, r6, r8}\n\t"                                                                                 \
    "smlad  r0, r4, r9, r0\n\t"                                                                                        \
    "smlad  r2, r6, r9, r2\n\t"                                                                                        \
    "smlad  r0, r5, r10, r0\n\t"                                                                                       \
    "smlad  r2, r8, r10, r2\n\t"                                                                                       \
    "sxtab16 r4, r10, r4\n\t"                                                                                          \
    "sxtab16 r5, r9, r5\n\t"                                                                                           \
    "sxtab16 r6, r10, r6\n\t"                                                                                          \
    "sxtab16 r8, r9, r8\n\t"                                                                                           \
    "smlad  r1, r4, r5, r1\n\t"                                                                                        \
    "smlad  r3, r6, r8, r3\n\t"
#define EL_HYBRID_8                                                                                                    \
    "ldmia  r7!, {r9, r10, r11, r12}\n\t"                                                                              \
    "ldmia  lr!, {r4, r5, r6, r8}\n\t"                                                                                 \
    "smlad  r0, r4, r9, r0\n\t"                                                                                        \
    "smlad  r2, r6, r9, r2\n\t"                                                                                        \
    "smlad  r0, r5, r10, r0\n\t"                                                                                       \
    "smlad  r2, r8, r10, r2\n\t"                                                                                       \
    "sxtab16 r4, r10, r4\n\t"                                                                                          \
    "sxtab16 r5, r9, r5\n\t"                                                                                           \
    "sxtab16 r6, r10, r6\n\t"                                                                                          \
    "sxtab16 r8, r9, r8\n\t"                                                                                           \
    "smlad  r1, r4, r5, r1\n\t"                                                                                        \
    "smlad  r3, r6, r8, r3\n\t"                                                                                        \
    "ldmia  lr!, {r4, r5, r6, r8}\n\t"                                                                                 \
    "smlad  r0, r4, r11, r0\n\t"                                                                                       \
    "smlad  r2, r6, r11, r2\n\t"                                                                                       \
    "smlad  r0, r5, r12, r0\n\t"                                                                                       \
    "smlad  r2, r8, r12, r2\n\t"                                                                                       \
    "sxtab16 r4, r12, r4\n\t"                                                                                          \
    "sxtab16 r5, r11, r5\n\t"                                                                                          \
    "sxtab16 r6, r12, r6\n\t"                                                                                          \
    "sxtab16 r8, r11, r8\n\t"                                                                                          \
    "smlad  r1, r4, r5, r1\n\t"                                                                                        \
    "smlad  r3, r6, r8, r3\n\t"
#define EL_HYBRID_16 EL_HYBRID_8 EL_HYBRID_8
#define EL_HYBRID_32 EL_HYBRID_16 EL_HYBRID_16

#if defined(__OPTIMIZE_SIZE__)
#define EL_HYBRID_COLUMNS                                                                                              \
    "ldmia  lr!, {r0, r1, r2, r3}\n\t"                                                                                 \
    "movw   r11, #(2 * %c[columns]) & 0xFFFF\n\t"                                                                      \
    ".if (2 * %c[columns]) > 0xFFFF\n\t"                                                                               \
    "movt   r11, #(2 * %c[columns]) >> 16\n\t"                                                                         \
    ".endif\n\t"                                                                                                       \
    "add    r11, r11, r7\n"                                                                                            \
    "1:\n\t" EL_HYBRID_4 "cmp    r7, r11\n\t"                                                                          \
    "bne    1b\n\t"
#else
/* Straight lines up to 255 columns; beyond, a loop over 128 of them, whose end lies on the stack. The assembler leaves
 * out what a number of columns does not need; lines are spelled out because compilers count them to know how far they
 * jump. */
#define EL_HYBRID_64 EL_HYBRID_32 EL_HYBRID_32
#define EL_HYBRID_COLUMNS                                                                                              \
    "ldmia  lr!, {r0, r1, r2, r3}\n\t"                                                                                 \
    ".if %c[columns] >= 256\n\t"                                                                                       \
    "movw   r4, #(2 * (%c[columns] & ~127)) & 0xFFFF\n\t"                                                              \
    ".if (2 * (%c[columns] & ~127)) > 0xFFFF\n\t"                                                                      \
    "movt   r4, #(2 * (%c[columns] & ~127)) >> 16\n\t"                                                                 \
    ".endif\n\t"                                                                                                       \
    "add    r4, r4, r7\n\t"                                                                                            \
    "push   {r4}\n"                                                                                                    \
    "1:\n\t"                                                                                                           \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] >= 128\n\t" EL_HYBRID_64 EL_HYBRID_64 ".endif\n\t"                                                \
    ".if %c[columns] >= 256\n\t"                                                                                       \
    "ldr    r4, [sp]\n\t"                                                                                              \
    "cmp    r7, r4\n\t"                                                                                                \
    "bne    1b\n\t"                                                                                                    \
    "add    sp, #4\n\t"                                                                                                \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] & 64\n\t" EL_HYBRID_64 ".endif\n\t"                                                               \
    ".if %c[columns] & 32\n\t" EL_HYBRID_32 ".endif\n\t"                                                               \
    ".if %c[columns] & 16\n\t" EL_HYBRID_16 ".endif\n\t"                                                               \
    ".if %c[columns] & 8\n\t" EL_HYBRID_8 ".endif\n\t"                                                                 \
    ".if %c[columns] & 4\n\t" EL_HYBRID_4 ".endif\n\t"
#endif

/* sum * multiplier * 2^(shift - 31), shifted right only at the end, by the instruction that uses it. `rounding` is
 * 2^(-shift - 1); one less for a negative sum makes half up half away from zero. */
#define EL_SCALE(sum, multiplier, rounding, shift)                                                                     \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "sub    " rounding ", " rounding ", " sum ", lsr #31\n\t"                                                          \
    "smmlar " sum ", " sum ", " multiplier ", " rounding "\n\t"                                                        \
    ".else\n\t"                                                                                                        \
    "lsl    " sum ", " sum ", #%c[" shift "]\n\t"                                                                      \
    "smmulr " sum ", " sum ", " multiplier "\n\t"                                                                      \
    ".endif\n\t"

/* From raw sums to 2 a, 256 b, 2 c and 256 d in r1, r0, r3, r2; then each times its multiplier. r4 points to 4
 * multipliers and 4 roundings, r7 holds twice the correction. */
#define EL_SCALE_4                                                                                                     \
    "ldm    r4, {r4, r5, r6, r8, r9, r10, r11, r12}\n\t"                                                               \
    "rsb    r1, r7, r1, lsl #1\n\t"                                                                                    \
    "rsb    r3, r7, r3, lsl #1\n\t"                                                                                    \
    "sub    r0, r0, r1, asr #1\n\t"                                                                                    \
    "sub    r2, r2, r3, asr #1\n\t" EL_SCALE("r1", "r4", "r9", "shift0") EL_SCALE("r0", "r5", "r10", "shift1")         \
        EL_SCALE("r3", "r6", "r11", "shift2") EL_SCALE("r2", "r8", "r12", "shift3")

#define EL_SATURATE(value, shift)                                                                                      \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "ssat   " value ", #%c[bits], " value ", asr #(-(%c[" shift "]))\n\t"                                              \
    ".else\n\t"                                                                                                        \
    "ssat   " value ", #%c[bits], " value "\n\t"                                                                       \
    ".endif\n\t"

#define EL_ADD(value, other, shift)                                                                                    \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "add    " value ", " other ", " value ", asr #(-(%c[" shift "]))\n\t"                                              \
    ".else\n\t"                                                                                                        \
    "add    " value ", " other ", " value "\n\t"                                                                       \
    ".endif\n\t"
#endif

/* bias + row * values for 4 rows; exact while every sum stays within 24 bits. Returns the weights behind them. */
EL_INLINE const el_word *el_dot4_hybrid(int32_t sums[4], const el_word *weights, const el_wide *values,
                                        unsigned columns, int32_t correction)
{
    int32_t raw[4];
#if EL_ASM
    register int32_t pair0 __asm__("r0");
    register int32_t low0 __asm__("r1");
    register int32_t pair1 __asm__("r2");
    register int32_t low1 __asm__("r3");
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r7}\n\t" /* may be the frame pointer */
            "mov    r7, r6\n\t" EL_HYBRID_COLUMNS "pop    {r7}"
            : "=r"(pair0), "=r"(low0), "=r"(pair1), "=r"(low1), "+r"(start), "+r"(stream)
            : [columns] "i"(columns)
            : "r4", "r5", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    raw[0] = pair0;
    raw[1] = low0;
    raw[2] = pair1;
    raw[3] = low1;
    weights = stream;
#else
    weights = el_hybrid_sums(raw, weights, values, columns);
#endif
    sums[0] = raw[1] - correction;
    sums[1] = (int32_t)((uint32_t)raw[0] - (uint32_t)sums[0]) >> 8;
    sums[2] = raw[3] - correction;
    sums[3] = (int32_t)((uint32_t)raw[2] - (uint32_t)sums[2]) >> 8;
    return weights;
}

/* The input part of four gates: z[r] = sum of row r * multiplier, Q3.12, see el_saturate_part. `scales` holds the
 * multipliers of a, b / 128, c, d / 128 and the roundings 2^(-shift - 1), 0 for shifts >= 0.
 *
 * In assembler a and c are doubled and b and d times 256: then the rounded high half of a product is what
 * el_high_multiply yields, and the decoding needs no shifts. */
EL_INLINE const el_word *el_gates_hybrid(int32_t z[4], const el_word *weights, const el_wide *values, unsigned columns,
                                         int32_t correction, const int32_t scales[8], int shift0, int shift1,
                                         int shift2, int shift3, unsigned bits)
{
#if EL_ASM
    register int32_t z1 __asm__("r0");
    register int32_t z0 __asm__("r1");
    register int32_t z3 __asm__("r2");
    register int32_t z2 __asm__("r3");
    register const int32_t *scale __asm__("r4") = scales;
    register int32_t doubled __asm__("r5") = correction * 2;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__("push   {r4, r5, r7}\n\t"
            "mov    r7, r6\n\t" EL_HYBRID_COLUMNS "pop    {r4, r7}\n\t" EL_SCALE_4 EL_SATURATE("r1", "shift0")
                EL_SATURATE("r0", "shift1") EL_SATURATE("r3", "shift2") EL_SATURATE("r2", "shift3") "pop    {r7}"
            : "=r"(z1), "=r"(z0), "=r"(z3), "=r"(z2), "+r"(scale), "+r"(doubled), "+r"(start), "+r"(stream)
            : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2),
              [shift3] "i"(shift3), [bits] "i"(bits)
            : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    weights = el_dot4_hybrid(z, weights, values, columns, correction);
    z[0] = el_saturate_part(el_requantize(z[0], scales[0], shift0), bits);
    z[1] = el_saturate_part(el_requantize(z[1], scales[1] * 128, shift1), bits);
    z[2] = el_saturate_part(el_requantize(z[2], scales[2], shift2), bits);
    z[3] = el_saturate_part(el_requantize(z[3], scales[3] * 128, shift3), bits);
    return weights;
#endif
}

/* The recurrent part: z[r] += sum of row r * multiplier. */
EL_INLINE const el_word *el_gates_add_hybrid(int32_t z[4], const el_word *weights, const el_wide *values,
                                             unsigned columns, int32_t correction, const int32_t scales[8], int shift0,
                                             int shift1, int shift2, int shift3)
{
#if EL_ASM
    register int32_t z1 __asm__("r0") = z[1];
    register int32_t z0 __asm__("r1") = z[0];
    register int32_t z3 __asm__("r2") = z[3];
    register int32_t z2 __asm__("r3") = z[2];
    register const int32_t *scale __asm__("r4") = scales;
    register int32_t doubled __asm__("r5") = correction * 2;
    register const el_wide *start __asm__("r6") = values;
    register const el_word *stream __asm__("lr") = weights;
    __asm__(
        "push   {r0, r1, r2, r3, r4, r5, r7}\n\t"
        "mov    r7, r6\n\t" EL_HYBRID_COLUMNS "ldrd   r4, r7, [sp, #16]\n\t" EL_SCALE_4
        "pop    {r4, r5, r6, r8, r9, r10}\n\t" EL_ADD("r0", "r4", "shift1") EL_ADD("r1", "r5", "shift0")
            EL_ADD("r2", "r6", "shift3") EL_ADD("r3", "r8", "shift2") "pop    {r7}"
        : "+r"(z1), "+r"(z0), "+r"(z3), "+r"(z2), "+r"(scale), "+r"(doubled), "+r"(start), "+r"(stream)
        : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2), [shift3] "i"(shift3)
        : "r8", "r9", "r10", "r11", "r12", "cc", "memory");
    z[0] = z0;
    z[1] = z1;
    z[2] = z2;
    z[3] = z3;
    return stream;
#else
    int32_t sums[4];
    weights = el_dot4_hybrid(sums, weights, values, columns, correction);
    z[0] += el_requantize(sums[0], scales[0], shift0);
    z[1] += el_requantize(sums[1], scales[1] * 128, shift1);
    z[2] += el_requantize(sums[2], scales[2], shift2);
    z[3] += el_requantize(sums[3], scales[3] * 128, shift3);
    return weights;
#endif
}

#endif
