/* Primitives for Xtensa LX106 (ESP8266). Same bits as ref.h.
 *
 * Nothing here multiplies to more than 32 bits, which this core leaves to a library. It reads bytes without their sign,
 * but cuts up to 16 bits out of a word in one instruction: weights are biased, so that no part of a word has a sign.
 *
 * Assembler stands where compilers lose most: the column block, beside the C that defines it. Define EL_NO_ASM to
 * compile that C; so does a build without optimization, in which the number of columns is no constant. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if defined(__arm__) || defined(__riscv)
#error "this code is for Xtensa LX106; generate it for your core, or with --target host"
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are written for little-endian cores"
#endif

#if defined(__XTENSA__) && !defined(EL_NO_ASM) && defined(__OPTIMIZE__)
#define EL_ASM 1
#else
#define EL_ASM 0
#endif

/* What is called rather than inlined where code should be small. */
#if defined(__OPTIMIZE_SIZE__)
#define EL_SHARED EL_NOINLINE
#else
#define EL_SHARED EL_INLINE
#endif

/* Weights are read in words, activations are widened once a step. */
typedef uint32_t el_word;
typedef int16_t el_wide;

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

/* int8 to the width in which they are multiplied, zeros up to a whole number of 4 columns. Returns what the biased
 * columns below add to their sums q and s for these values: 128 * 257 times their sum. */
static inline int32_t el_widen(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    int32_t sum = 0;
    const el_wide *end = wide + columns;
    while (wide != end) {
        const int32_t value = *narrow++;
        *wide++ = (el_wide)value;
        sum += value;
    }
    for (; columns % 4u != 0u; columns++) {
        *wide++ = 0;
    }
    return (int32_t)(0x8080u * (uint32_t)sum);
}

/* The 4 bytes of a word, times 4 values. */
EL_INLINE int32_t el_dot_word(el_word word, int32_t x0, int32_t x1, int32_t x2, int32_t x3)
{
    return (int8_t)word * x0 + (int8_t)(word >> 8) * x1 + (int8_t)(word >> 16) * x2 + ((int32_t)word >> 24) * x3;
}

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
static inline const el_word *el_dot4_rows(int32_t sums[4], const el_word *weights, const el_wide *values,
                                          unsigned columns, int32_t correction)
{
    int32_t sum0 = (int32_t)weights[0], sum1 = (int32_t)weights[1];
    int32_t sum2 = (int32_t)weights[2], sum3 = (int32_t)weights[3];
    const el_wide *end = values + columns;
    (void)correction;
    for (weights += 4; values != end; values += 4) {
        const int32_t x0 = values[0], x1 = values[1], x2 = values[2], x3 = values[3];
        sum0 += el_dot_word(weights[0], x0, x1, x2, x3);
        sum1 += el_dot_word(weights[1], x0, x1, x2, x3);
        sum2 += el_dot_word(weights[2], x0, x1, x2, x3);
        sum3 += el_dot_word(weights[3], x0, x1, x2, x3);
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
    const el_wide *end = values + columns;
    int32_t total = (int32_t)*weights++;
    for (; values != end; values += 4) {
        total += el_dot_word(*weights++, values[0], values[1], values[2], values[3]);
    }
    *sum = total;
    return weights;
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

/* The layouts near_columns and far_columns: 3 start values, then a word for each column, W = A + 256 B + 65536 C +
 * 2^24 D with the weights of four rows, each biased by 128. W, its middle 16 bits and its upper 16 bits, each times the
 * column's value, sum up modulo 2^32 to
 *
 *   p = a + 256 b + 65536 c + 2^24 d + 65537 correction,  q = b + 256 c + correction,  s = c + 256 d + correction
 *
 * where correction = 128 * 257 * sum of the values: three multiplications for four products. */
typedef struct {
    uint32_t p, q, s;
} el_columns_sums;

EL_INLINE void el_column(el_columns_sums *sums, el_word word, el_wide value)
{
    const uint32_t x = (uint32_t)value;
    sums->p += word * x;
    sums->q += (word >> 8 & 0xFFFFu) * x;
    sums->s += (word >> 16) * x;
}

#if EL_ASM
/* 2 columns: nothing waits for what was loaded or multiplied just before. */
#define EL_COLUMNS_2(first, second)                                                                                    \
    "l32i  %[w], %[weights], 4*(%c[at]+" first ")\n\t"                                                                 \
    "l16si %[x], %[values], 2*(%c[at]+" first ")\n\t"                                                                  \
    "l32i  %[v], %[weights], 4*(%c[at]+" second ")\n\t"                                                                \
    "l16si %[y], %[values], 2*(%c[at]+" second ")\n\t"                                                                 \
    "extui %[m], %[w], 8, 16\n\t"                                                                                      \
    "extui %[h], %[w], 16, 16\n\t"                                                                                     \
    "mull  %[w], %[w], %[x]\n\t"                                                                                       \
    "mull  %[m], %[m], %[x]\n\t"                                                                                       \
    "mull  %[h], %[h], %[x]\n\t"                                                                                       \
    "add   %[p], %[p], %[w]\n\t"                                                                                       \
    "add   %[q], %[q], %[m]\n\t"                                                                                       \
    "add   %[s], %[s], %[h]\n\t"                                                                                       \
    "extui %[m], %[v], 8, 16\n\t"                                                                                      \
    "extui %[h], %[v], 16, 16\n\t"                                                                                     \
    "mull  %[v], %[v], %[y]\n\t"                                                                                       \
    "mull  %[m], %[m], %[y]\n\t"                                                                                       \
    "mull  %[h], %[h], %[y]\n\t"                                                                                       \
    "add   %[p], %[p], %[v]\n\t"                                                                                       \
    "add   %[q], %[q], %[m]\n\t"                                                                                       \
    "add   %[s], %[s], %[h]\n\t"
#endif

/* Adds 4 columns, the first of which is at `at`, a constant. */
EL_INLINE void el_columns_4(el_columns_sums *sums, const el_word *weights, const el_wide *values, unsigned at)
{
#if EL_ASM
    uint32_t w, v, m, h, x, y;
    __asm__(EL_COLUMNS_2("0", "1") EL_COLUMNS_2("2", "3")
            : [p] "+&r"(sums->p), [q] "+&r"(sums->q), [s] "+&r"(sums->s), [w] "=&r"(w), [v] "=&r"(v), [m] "=&r"(m),
              [h] "=&r"(h), [x] "=&r"(x), [y] "=&r"(y)
            : [weights] "r"(weights), [values] "r"(values), [at] "i"(at)
            : "memory");
#else
    el_column(sums, weights[at], values[at]);
    el_column(sums, weights[at + 1u], values[at + 1u]);
    el_column(sums, weights[at + 2u], values[at + 2u]);
    el_column(sums, weights[at + 3u], values[at + 3u]);
#endif
}

EL_INLINE void el_columns_8(el_columns_sums *sums, const el_word *weights, const el_wide *values, unsigned at)
{
    el_columns_4(sums, weights, values, at);
    el_columns_4(sums, weights, values, at + 4u);
}

EL_INLINE void el_columns_16(el_columns_sums *sums, const el_word *weights, const el_wide *values, unsigned at)
{
    el_columns_8(sums, weights, values, at);
    el_columns_8(sums, weights, values, at + 8u);
}

/* The sums of 4 rows times `columns` values, a constant: loops over what is short enough to stand in a line. */
EL_INLINE el_columns_sums el_columns(const el_word *weights, const el_wide *values, unsigned columns)
{
    el_columns_sums sums = {weights[0], weights[1], weights[2]};
    weights += 3;
#if defined(__OPTIMIZE_SIZE__) || !defined(__OPTIMIZE__)
    const el_wide *const end = values + columns;
    while (values != end) {
        el_columns_4(&sums, weights, values, 0u);
        weights += 4;
        values += 4;
        EL_KEEP(values);
    }
#else
    unsigned done = 0;
    if (columns >= 32u) {
        const el_wide *const end = values + (columns & ~15u);
        while (values != end) {
            el_columns_16(&sums, weights, values, 0u);
            weights += 16;
            values += 16;
            EL_KEEP(values); /* or compilers unroll further */
        }
    } else if ((columns & 16u) != 0u) {
        el_columns_16(&sums, weights, values, 0u);
        done = 16u;
    }
    if ((columns & 8u) != 0u) {
        el_columns_8(&sums, weights, values, done);
        done += 8u;
    }
    if ((columns & 4u) != 0u) {
        el_columns_4(&sums, weights, values, done);
    }
#endif
    return sums;
}

/* bias + row * values for 4 rows; exact while every sum stays within 24 bits: p - 256 q is a + 2^24 d, and p - 65536 s
 * is a + 256 b. Returns the weights behind them. */
EL_SHARED const el_word *el_dot4_far_columns(int32_t sums[4], const el_word *weights, const el_wide *values,
                                             unsigned columns, int32_t correction)
{
    const el_columns_sums raw = el_columns(weights, values, columns);
    const uint32_t p = raw.p - (uint32_t)correction * 65537u;
    const uint32_t q = raw.q - (uint32_t)correction;
    const uint32_t s = raw.s - (uint32_t)correction;
    const int32_t a = (int32_t)((p - (q << 8)) << 8) >> 8;
    const int32_t b = (int32_t)(p - (s << 16) - (uint32_t)a) >> 8;
    const int32_t c = (int32_t)(q - (uint32_t)b) >> 8;
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = (int32_t)(s - (uint32_t)c) >> 8;
    return &weights[3u + columns];
}

/* The same stream. */
EL_INLINE const el_word *el_dot4_near_columns(int32_t sums[4], const el_word *weights, const el_wide *values,
                                              unsigned columns, int32_t correction)
{
    return el_dot4_far_columns(sums, weights, values, columns, correction);
}

/* product / 2^bits rounded, half up, and that by el_rounding_shift where shift < 0. The sign of the sum decides ties:
 * where it is negative, but the rounded product 0, both signs give 0. */
EL_INLINE int32_t el_scale_end(int32_t product, int32_t sum, unsigned bits, int shift)
{
    if (shift >= 0) {
        return (product + (1 << (bits - 1u))) >> bits;
    }
    if (shift >= -9 && bits == 12u) { /* half of what each of the shifts drops, where there is room for both */
        const int32_t halves = (1 << (bits - 1u)) + (1 << (bits - 1u - (unsigned)shift));
        return (((product + halves) >> bits) + (sum >> 31)) >> -shift;
    }
    return (((product + (1 << (bits - 1u))) >> bits) + (sum >> 31) + (1 << (-shift - 1))) >> -shift;
}

/* el_requantize by a multiplier of 24 significant bits, given in halves of 12, the lower first; |sum| < 2^19 - 2^8,
 * also after a left shift. floor((sum * multiplier + 2^23) / 2^24) half by half: a floor of a floor is the floor of the
 * whole. No product or sum leaves 32 bits, as |sum| * 2^24 / 2^12 + 2^11 + 2^20 < 2^31. */
EL_SHARED int32_t el_scale_near(int32_t sum, const int32_t halves[2], int shift)
{
    const int32_t value = shift > 0 ? (int32_t)((uint32_t)sum << shift) : sum;
    const int32_t low = (value * halves[0]) >> 12;
    return el_scale_end(value * halves[1] + low, sum, 12u, shift);
}

/* The same by a multiplier given in bytes, lowest first; |sum| < 2^23, as |sum| * 2^24 / 2^16 + 2^7 < 2^31. */
EL_SHARED int32_t el_scale_far(int32_t sum, const int32_t bytes[3], int shift)
{
    const int32_t value = shift > 0 ? (int32_t)((uint32_t)sum << shift) : sum;
    const int32_t low = (value * bytes[0]) >> 8;
    const int32_t middle = (value * bytes[1] + low) >> 8;
    return el_scale_end(value * bytes[2] + middle, sum, 8u, shift);
}

/* The input part of four gates: z[r] = sum of row r * multiplier, Q3.12, see el_saturate_part. */
EL_INLINE const el_word *el_gates_near_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                               unsigned columns, int32_t correction, const int32_t scales[8],
                                               int shift0, int shift1, int shift2, int shift3, unsigned bits)
{
    int32_t sums[4];
    weights = el_dot4_near_columns(sums, weights, values, columns, correction);
    z[0] = el_saturate_part(el_scale_near(sums[0], &scales[0], shift0), bits);
    z[1] = el_saturate_part(el_scale_near(sums[1], &scales[2], shift1), bits);
    z[2] = el_saturate_part(el_scale_near(sums[2], &scales[4], shift2), bits);
    z[3] = el_saturate_part(el_scale_near(sums[3], &scales[6], shift3), bits);
    return weights;
}

/* The recurrent part: z[r] += sum of row r * multiplier. */
EL_INLINE const el_word *el_gates_add_near_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                                   unsigned columns, int32_t correction, const int32_t scales[8],
                                                   int shift0, int shift1, int shift2, int shift3)
{
    int32_t sums[4];
    weights = el_dot4_near_columns(sums, weights, values, columns, correction);
    z[0] += el_scale_near(sums[0], &scales[0], shift0);
    z[1] += el_scale_near(sums[1], &scales[2], shift1);
    z[2] += el_scale_near(sums[2], &scales[4], shift2);
    z[3] += el_scale_near(sums[3], &scales[6], shift3);
    return weights;
}

/* The same two with multipliers in bytes. */
EL_INLINE const el_word *el_gates_far_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                              unsigned columns, int32_t correction, const int32_t scales[12],
                                              int shift0, int shift1, int shift2, int shift3, unsigned bits)
{
    int32_t sums[4];
    weights = el_dot4_far_columns(sums, weights, values, columns, correction);
    z[0] = el_saturate_part(el_scale_far(sums[0], &scales[0], shift0), bits);
    z[1] = el_saturate_part(el_scale_far(sums[1], &scales[3], shift1), bits);
    z[2] = el_saturate_part(el_scale_far(sums[2], &scales[6], shift2), bits);
    z[3] = el_saturate_part(el_scale_far(sums[3], &scales[9], shift3), bits);
    return weights;
}

EL_INLINE const el_word *el_gates_add_far_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                                  unsigned columns, int32_t correction, const int32_t scales[12],
                                                  int shift0, int shift1, int shift2, int shift3)
{
    int32_t sums[4];
    weights = el_dot4_far_columns(sums, weights, values, columns, correction);
    z[0] += el_scale_far(sums[0], &scales[0], shift0);
    z[1] += el_scale_far(sums[1], &scales[3], shift1);
    z[2] += el_scale_far(sums[2], &scales[6], shift2);
    z[3] += el_scale_far(sums[3], &scales[9], shift3);
    return weights;
}

#endif
