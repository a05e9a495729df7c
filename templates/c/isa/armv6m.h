/* Primitives for Armv6-M: Cortex-M0, M0+. Same bits as ref.h.
 *
 * Nothing here multiplies to more than 32 bits, which these cores leave to a library. Assembler stands where compilers
 * lose most: the column block and the requantization of the gates, each beside the C that defines it. Define EL_NO_ASM
 * to compile that C; so does a build without optimization, which has not enough registers. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if !defined(__ARM_ARCH_6M__)
#error "this code is for Armv6-M (Cortex-M0, M0+); generate it for your core, or with --target host"
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

/* Weights are read in words; activations are widened once a step to what LDM loads and MULS multiplies. */
typedef uint32_t el_word;
typedef int32_t el_wide;

/* To -limit - 1 .. limit; `narrow` is value in as many bits. */
EL_INLINE int32_t el_saturate(int32_t value, int32_t narrow, int32_t limit)
{
#if EL_CONSTANT_TIME /* no branch */
    const int32_t sign = value >> 31;
    const int32_t room = limit - (value ^ sign);
    (void)narrow;
    return ((value ^ sign) + (room & (room >> 31))) ^ sign;
#else
    return narrow == value ? value : (value >> 31) ^ limit;
#endif
}

EL_INLINE int32_t el_saturate8(int32_t value)
{
    return el_saturate(value, (int8_t)value, 127);
}

EL_INLINE int32_t el_saturate16(int32_t value)
{
    return el_saturate(value, (int16_t)value, 32767);
}

/* A part of a gate: with 16 bits saturated, as TensorFlow Lite does; with 32 as it is, where only the sum is to be. */
EL_INLINE int32_t el_saturate_part(int32_t value, unsigned bits)
{
    return bits == 16u ? el_saturate16(value) : value;
}

/* el_high_multiply by four products of 16 bits; |value| <= 2^30, multiplier >= 0, so that no sum overflows: a high half
 * of 2^14 goes with a low half <= 0. */
EL_INLINE int32_t el_high_multiply_by_halves(int32_t value, int32_t multiplier)
{
    const int32_t low = (int16_t)value;
    const int32_t high = (value - low) >> 16;
    const int32_t multiplier_low = multiplier & 0xFFFF;
    const int32_t multiplier_high = multiplier >> 16;
    const int32_t middle =
        ((low * multiplier_low) >> 16) + low * multiplier_high + (1 << 14) + high * multiplier_low; /* times 2^16 */
    return 2 * high * multiplier_high + (middle >> 15);
}

/* el_saturate8(value * multiplier * 2^(shift - 31) + zero_point); |value| <= 2^30, multiplier >= 0, shift <= 0.
 * Half away from zero is half up of a value that is one lower where it is negative. */
EL_INLINE int32_t el_requantize8(int32_t value, int32_t multiplier, int shift, int32_t zero_point)
{
    const unsigned right = (unsigned)-shift;
    int32_t result = el_high_multiply_by_halves(value, multiplier);
    if (right > 0u) {
        result = (result + (value >> 31) + (int32_t)(1u << (right - 1u))) >> right;
    }
    return el_saturate8(result + zero_point);
}

/* int8 to int32, zeros up to a whole number of 4 columns. Returns the part of a sum C + 256 D in the layout
 * biased_columns that its offset of 128 adds for these values. */
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
    return (int32_t)(0x8080u * (uint32_t)sum);
}

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
static inline const el_word *el_dot4_rows(int32_t sums[4], const el_word *weights, const el_wide *values,
                                          unsigned columns, int32_t correction)
{
    (void)correction;
    for (unsigned row = 0; row < 4u; row++) {
        const el_word *stream = &weights[4u + row];
        int32_t sum = (int32_t)weights[row];
        for (unsigned column = 0; column < columns; column += 4u) {
            const el_word word = *stream;
            sum += (int8_t)word * values[column];
            sum += (int8_t)(word >> 8) * values[column + 1u];
            sum += (int8_t)(word >> 16) * values[column + 2u];
            sum += ((int32_t)word >> 24) * values[column + 3u];
            stream += 4;
        }
        sums[row] = sum;
    }
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

/* The layout biased_columns, for rows A, B, C, D. A word holds a column, W = A + 256 B + 65536 C + 2^24 D, each biased
 * by 128. Times the column's value x, W and two parts of it that one instruction makes of it sum up to
 *
 *   p of W:                            a + 256 b + 65536 c + 2^24 d + 65537 correction
 *   r of W with swapped bytes (REV16): b + 256 a + 65536 d + 2^24 c + 65537 correction
 *   s of W >> 16:                      c + 256 d + correction
 *
 * modulo 2^32, where correction = 128 * 257 * sum of x. That suffices for a, b, c, d of 24 bits (see
 * el_biased_columns_decode), so that 4 products take 3 multiplications. 3 start values, then a word for each column.
 *
 * Yields raw = {p, r, s}. */
EL_INLINE const el_word *el_biased_columns_sums(uint32_t raw[3], const el_word *weights, const el_wide *values,
                                                unsigned columns)
{
    uint32_t p = weights[0], r = weights[1], s = weights[2];
    const el_wide *end = values + columns;
    weights += 3;
    do {
        const uint32_t value = (uint32_t)*values++;
        const el_word word = *weights++;
        p += word * value;
        r += ((word >> 8 & 0x00FF00FFu) | (word << 8 & 0xFF00FF00u)) * value;
        s += (word >> 16) * value;
    } while (values != end);
    raw[0] = p;
    raw[1] = r;
    raw[2] = s;
    return weights;
}

/* l = a + 256 b and r - 256 l = b modulo 2^16, so a = l - 256 b is known modulo 2^24; the same for c and d. */
EL_INLINE void el_biased_columns_decode(int32_t sums[4], const uint32_t raw[3], int32_t correction)
{
    const uint32_t s = raw[2] - (uint32_t)correction;
    const uint32_t r = raw[1] - 65537u * (uint32_t)correction;
    const uint32_t l = raw[0] - 65537u * (uint32_t)correction - (s << 16);
    const uint32_t a = (l << 8) - ((r - (l << 8)) << 16); /* times 256, as b, c and d */
    const uint32_t b = l - (uint32_t)((int32_t)a >> 8);
    const uint32_t n = r - a - (uint32_t)((int32_t)b >> 8); /* (d + 256 c) * 65536 */
    const uint32_t c = (s << 8) + (s << 24) - n;
    const uint32_t d = s - (uint32_t)((int32_t)c >> 8);
    sums[0] = (int32_t)a >> 8;
    sums[1] = (int32_t)b >> 8;
    sums[2] = (int32_t)c >> 8;
    sums[3] = (int32_t)d >> 8;
}

/* el_requantize by a multiplier of 24 significant bits, given in `bytes`, lowest first; |sum << shift| < 2^23 for shift
 * > 0, else |sum| < 2^23. floor((sum * multiplier + 2^23) / 2^24) byte by byte: a floor of a floor is the floor of the
 * whole, and no product or sum leaves 32 bits, as |sum| * 255 + 2^23 + 128 < 2^31. */
EL_SHARED int32_t el_scale_by_bytes(int32_t sum, const int32_t bytes[3], int shift)
{
    const int32_t value = shift > 0 ? (int32_t)((uint32_t)sum << shift) : sum;
    const int32_t low = (value * bytes[0]) >> 8;
    const int32_t middle = (value * bytes[1] + low) >> 8;
    const int32_t result = (value * bytes[2] + middle + 128) >> 8;
    return shift < 0 ? el_rounding_shift(result, (unsigned)-shift) : result;
}

#if EL_ASM
/* The sums in assembler: r8, r9, r10 are p, r, s, r0 points to the values, r1 to the weights. */
#define EL_COLUMN(word, value)                                                                                         \
    "rev16  r7, " word "\n\t"                                                                                          \
    "muls   r7, " value ", r7\n\t"                                                                                     \
    "add    r9, r7\n\t"                                                                                                \
    "lsrs   r7, " word ", #16\n\t"                                                                                     \
    "muls   r7, " value ", r7\n\t"                                                                                     \
    "add    r10, r7\n\t"                                                                                               \
    "muls   " word ", " value ", " word "\n\t"                                                                         \
    "add    r8, " word "\n\t"
#define EL_COLUMNS_2                                                                                                   \
    "ldmia  r0!, {r5, r6}\n\t"                                                                                         \
    "ldmia  r1!, {r2, r3}\n\t" EL_COLUMN("r2", "r5") EL_COLUMN("r3", "r6")
#define EL_COLUMNS_4 EL_COLUMNS_2 EL_COLUMNS_2
#define EL_COLUMNS_6                                                                                                   \
    "ldmia  r0!, {r5, r6}\n\t"                                                                                         \
    "ldmia  r1!, {r2, r3, r4}\n\t" EL_COLUMN("r2", "r5") EL_COLUMN("r3", "r6") "ldmia  r0!, {r5, r6}\n\t" EL_COLUMN(   \
        "r4", "r5") "ldmia  r1!, {r2, r3, r4}\n\t" EL_COLUMN("r2", "r6") "ldmia  r0!, {r5, r6}\n\t" EL_COLUMN("r3",    \
                                                                                                              "r5")    \
        EL_COLUMN("r4", "r6")

/* Blocks of 12 columns, as far as a conditional jump reaches, up to the end in r11; then the rest. The assembler leaves
 * out what a number of columns does not need; lines are spelled out because compilers count them to know how far they
 * jump. */
#if defined(__OPTIMIZE_SIZE__)
#define EL_BLOCK 4u
#define EL_COLUMNS_OPERAND
#define EL_COLUMNS                                                                                                     \
    "1:\n\t" EL_COLUMNS_4 "cmp    r0, r11\n\t"                                                                         \
    "bne    1b\n\t"
#else
#define EL_BLOCK 12u
#define EL_COLUMNS_OPERAND [columns] "i"(columns)
#define EL_COLUMNS                                                                                                     \
    "1:\n\t"                                                                                                           \
    ".if %c[columns] >= 12\n\t" EL_COLUMNS_6 EL_COLUMNS_6 ".endif\n\t"                                                 \
    ".if %c[columns] >= 24\n\t"                                                                                        \
    "cmp    r0, r11\n\t"                                                                                               \
    "bne    1b\n\t"                                                                                                    \
    ".endif\n\t"                                                                                                       \
    ".if %c[columns] - %c[columns] / 12 * 12 == 8\n\t" EL_COLUMNS_6 EL_COLUMNS_2 ".endif\n\t"                          \
    ".if %c[columns] - %c[columns] / 12 * 12 == 4\n\t" EL_COLUMNS_4 ".endif\n\t"
#endif
#endif

#if EL_ASM_GATES
/* Start values, less the correction in r3 and 65537 times it in r4. */
#define EL_START                                                                                                       \
    "ldmia  r1!, {r5, r6, r7}\n\t"                                                                                     \
    "subs   r5, r5, r4\n\t"                                                                                            \
    "subs   r6, r6, r4\n\t"                                                                                            \
    "subs   r7, r7, r3\n\t"                                                                                            \
    "mov    r8, r5\n\t"                                                                                                \
    "mov    r9, r6\n\t"                                                                                                \
    "mov    r10, r7\n\t"

/* From p, r, s to the sums in r2, r3, r4, r5. */
#define EL_DECODE                                                                                                      \
    "mov    r3, r8\n\t"                                                                                                \
    "mov    r4, r9\n\t"                                                                                                \
    "mov    r5, r10\n\t"                                                                                               \
    "lsls   r2, r5, #16\n\t"                                                                                           \
    "subs   r3, r3, r2\n\t"                                                                                            \
    "lsls   r2, r3, #8\n\t"                                                                                            \
    "subs   r6, r4, r2\n\t"                                                                                            \
    "lsls   r6, r6, #16\n\t"                                                                                           \
    "subs   r2, r2, r6\n\t"                                                                                            \
    "subs   r4, r4, r2\n\t"                                                                                            \
    "asrs   r2, r2, #8\n\t"                                                                                            \
    "subs   r3, r3, r2\n\t"                                                                                            \
    "asrs   r3, r3, #8\n\t"                                                                                            \
    "subs   r4, r4, r3\n\t"                                                                                            \
    "lsls   r6, r5, #24\n\t"                                                                                           \
    "subs   r4, r6, r4\n\t"                                                                                            \
    "lsls   r6, r5, #8\n\t"                                                                                            \
    "adds   r4, r4, r6\n\t"                                                                                            \
    "asrs   r4, r4, #8\n\t"                                                                                            \
    "subs   r5, r5, r4\n\t"                                                                                            \
    "asrs   r5, r5, #8\n\t"

/* el_scale_by_bytes of `sum`, with the last bit that is shifted out, the rounding, still in the carry; r0 points to the
 * bytes. Half up becomes half away from zero by the sign of the sum, which the carry of the first rounding is added
 * with. */
#define EL_SCALE(sum, shift)                                                                                           \
    "ldmia  r0!, {r1, r6, r7}\n\t"                                                                                     \
    ".if %c[" shift "] > 0\n\t"                                                                                        \
    "lsls   " sum ", " sum ", #%c[" shift "]\n\t"                                                                      \
    ".endif\n\t"                                                                                                       \
    "muls   r1, " sum ", r1\n\t"                                                                                       \
    "asrs   r1, r1, #8\n\t"                                                                                            \
    "muls   r6, " sum ", r6\n\t"                                                                                       \
    "adds   r6, r6, r1\n\t"                                                                                            \
    "asrs   r6, r6, #8\n\t"                                                                                            \
    "muls   r7, " sum ", r7\n\t"                                                                                       \
    "adds   r7, r7, r6\n\t"                                                                                            \
    ".if %c[" shift "] < 0\n\t"                                                                                        \
    "asrs   " sum ", " sum ", #31\n\t"                                                                                 \
    "asrs   r7, r7, #8\n\t"                                                                                            \
    "adcs   r7, r7, " sum "\n\t"                                                                                       \
    "asrs   r7, r7, #(-(%c[" shift "]))\n\t"                                                                           \
    ".else\n\t"                                                                                                        \
    "asrs   r7, r7, #8\n\t"                                                                                            \
    ".endif\n\t"

#if EL_CONSTANT_TIME
#define EL_SATURATE(value)                                                                                             \
    "asrs   r1, " value ", #31\n\t"                                                                                    \
    "eors   " value ", r1\n\t"                                                                                         \
    "movs   r6, #255\n\t"                                                                                              \
    "lsls   r6, r6, #7\n\t"                                                                                            \
    "adds   r6, #127\n\t"                                                                                              \
    "subs   r6, r6, " value "\n\t"                                                                                     \
    "asrs   r7, r6, #31\n\t"                                                                                           \
    "ands   r6, r7\n\t"                                                                                                \
    "adds   " value ", " value ", r6\n\t"                                                                              \
    "eors   " value ", r1\n\t"
#else
#define EL_SATURATE(value)                                                                                             \
    "sxth   r1, " value "\n\t"                                                                                         \
    "cmp    r1, " value "\n\t"                                                                                         \
    "beq    2f\n\t"                                                                                                    \
    "asrs   " value ", " value ", #31\n\t"                                                                             \
    "movs   r1, #255\n\t"                                                                                              \
    "lsls   r1, r1, #7\n\t"                                                                                            \
    "adds   r1, #127\n\t"                                                                                              \
    "eors   " value ", r1\n"                                                                                           \
    "2:\n\t"
#endif

#define EL_SCALE_AND_SATURATE(sum, shift)                                                                              \
    EL_SCALE(sum, shift)                                                                                               \
    "movs   " sum ", #0\n\t" /* keeps the carry */                                                                     \
    "adcs   " sum ", " sum ", r7\n\t"                                                                                  \
    ".if %c[bits] == 16\n\t" EL_SATURATE(sum) ".endif\n\t"

#define EL_SCALE_AND_ADD(sum, shift, other)                                                                            \
    EL_SCALE(sum, shift)                                                                                               \
    "ldr    " sum ", [sp, #" other "]\n\t"                                                                             \
    "adcs   " sum ", " sum ", r7\n\t"
#endif

/* bias + row * values for 4 rows; exact while every sum stays within 24 bits. Returns the weights behind them. */
EL_SHARED const el_word *el_dot4_biased_columns(int32_t sums[4], const el_word *weights, const el_wide *values,
                                                unsigned columns, int32_t correction)
{
    uint32_t raw[3];
#if EL_ASM
    register const el_wide *start __asm__("r0") = values;
    register const el_word *stream __asm__("r1") = weights;
    register uint32_t p __asm__("r2");
    register uint32_t r __asm__("r3");
    register uint32_t s __asm__("r4");
    register const el_wide *end __asm__("r5") = values + columns / EL_BLOCK * EL_BLOCK;
    __asm__ volatile(".syntax unified\n\t"
                     "push   {r7}\n\t" /* may be the frame pointer */
                     "mov    r11, r5\n\t"
                     "ldmia  r1!, {r2, r3, r4}\n\t"
                     "mov    r8, r2\n\t"
                     "mov    r9, r3\n\t"
                     "mov    r10, r4\n" EL_COLUMNS "mov    r2, r8\n\t"
                     "mov    r3, r9\n\t"
                     "mov    r4, r10\n\t"
                     "pop    {r7}"
                     : "+r"(start), "+r"(stream), "=r"(p), "=r"(r), "=r"(s), "+r"(end)
                     : EL_COLUMNS_OPERAND
                     : "r6", "r8", "r9", "r10", "r11", "cc", "memory");
    raw[0] = p;
    raw[1] = r;
    raw[2] = s;
    weights = stream;
#else
    weights = el_biased_columns_sums(raw, weights, values, columns);
#endif
    el_biased_columns_decode(sums, raw, correction);
    return weights;
}

/* The input part of four gates: z[r] = sum of row r * multiplier, Q3.12, see el_saturate_part. `scales` holds the 24
 * significant bits of the multipliers, 3 bytes each. */
EL_INLINE const el_word *el_gates_biased_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                                 unsigned columns, int32_t correction, const int32_t scales[12],
                                                 int shift0, int shift1, int shift2, int shift3, unsigned bits)
{
#if EL_ASM_GATES
    register const el_wide *start __asm__("r0") = values;
    register const el_word *stream __asm__("r1") = weights;
    register const int32_t *scale __asm__("r2") = scales;
    register int32_t offset __asm__("r3") = correction;
    register int32_t offsets __asm__("r4") = (int32_t)((uint32_t)correction * 65537u);
    register const el_wide *end __asm__("r5") = values + columns / EL_BLOCK * EL_BLOCK;
    register int32_t *result __asm__("r6") = z;
    __asm__ volatile(".syntax unified\n\t"
                     "push   {r2, r6, r7}\n\t" /* r7 may be the frame pointer */
                     "mov    r11, r5\n\t" EL_START EL_COLUMNS EL_DECODE "mov    r8, r1\n\t"
                     "pop    {r0}\n\t" EL_SCALE_AND_SATURATE("r2", "shift0") EL_SCALE_AND_SATURATE("r3", "shift1")
                         EL_SCALE_AND_SATURATE("r4", "shift2")
                             EL_SCALE_AND_SATURATE("r5", "shift3") "pop    {r6, r7}\n\t"
                                                                   "stmia  r6!, {r2, r3, r4, r5}\n\t"
                                                                   "mov    r1, r8"
                     : "+r"(start), "+r"(stream), "+r"(scale), "+r"(offset), "+r"(offsets), "+r"(end), "+r"(result)
                     : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2),
                       [shift3] "i"(shift3), [bits] "i"(bits)
                     : "r8", "r9", "r10", "r11", "cc", "memory");
    return stream;
#else
    weights = el_dot4_biased_columns(z, weights, values, columns, correction);
    z[0] = el_saturate_part(el_scale_by_bytes(z[0], &scales[0], shift0), bits);
    z[1] = el_saturate_part(el_scale_by_bytes(z[1], &scales[3], shift1), bits);
    z[2] = el_saturate_part(el_scale_by_bytes(z[2], &scales[6], shift2), bits);
    z[3] = el_saturate_part(el_scale_by_bytes(z[3], &scales[9], shift3), bits);
    return weights;
#endif
}

/* The recurrent part: z[r] += sum of row r * multiplier. */
EL_INLINE const el_word *el_gates_add_biased_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                                     unsigned columns, int32_t correction, const int32_t scales[12],
                                                     int shift0, int shift1, int shift2, int shift3)
{
#if EL_ASM_GATES
    register const el_wide *start __asm__("r0") = values;
    register const el_word *stream __asm__("r1") = weights;
    register const int32_t *scale __asm__("r2") = scales;
    register int32_t offset __asm__("r3") = correction;
    register int32_t offsets __asm__("r4") = (int32_t)((uint32_t)correction * 65537u);
    register const el_wide *end __asm__("r5") = values + columns / EL_BLOCK * EL_BLOCK;
    register int32_t *result __asm__("r6") = z;
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r2, r6, r7}\n\t"
        "mov    r11, r5\n\t"
        "ldmia  r6, {r2, r5, r6, r7}\n\t"
        "push   {r2, r5, r6, r7}\n\t" EL_START EL_COLUMNS EL_DECODE "mov    r8, r1\n\t"
        "ldr    r0, [sp, #16]\n\t" EL_SCALE_AND_ADD("r2", "shift0", "0") EL_SCALE_AND_ADD("r3", "shift1", "4")
            EL_SCALE_AND_ADD("r4", "shift2", "8")
                EL_SCALE_AND_ADD("r5", "shift3", "12") "add    sp, #20\n\t"
                                                       "pop    {r6, r7}\n\t"
                                                       "stmia  r6!, {r2, r3, r4, r5}\n\t"
                                                       "mov    r1, r8"
        : "+r"(start), "+r"(stream), "+r"(scale), "+r"(offset), "+r"(offsets), "+r"(end), "+r"(result)
        : [columns] "i"(columns), [shift0] "i"(shift0), [shift1] "i"(shift1), [shift2] "i"(shift2), [shift3] "i"(shift3)
        : "r8", "r9", "r10", "r11", "cc", "memory");
    return stream;
#else
    int32_t sums[4];
    weights = el_dot4_biased_columns(sums, weights, values, columns, correction);
    z[0] += el_scale_by_bytes(sums[0], &scales[0], shift0);
    z[1] += el_scale_by_bytes(sums[1], &scales[3], shift1);
    z[2] += el_scale_by_bytes(sums[2], &scales[6], shift2);
    z[3] += el_scale_by_bytes(sums[3], &scales[9], shift3);
    return weights;
#endif
}

#endif
