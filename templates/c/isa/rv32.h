/* Primitives for RV32IM, with or without compressed instructions. Same bits as ref.h.
 *
 * Assembler stands where compilers lose most: the column block, beside the C that defines it. Define EL_NO_ASM to
 * compile that C; so does a build without optimization, in which the number of columns is no constant. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if defined(__arm__)
#error "this code is for RISC-V; generate it for your core, or with --target host"
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are written for little-endian cores"
#endif

#if defined(__riscv_mul) && __riscv_xlen == 32 && !defined(EL_NO_ASM) && defined(__OPTIMIZE__)
#define EL_ASM 1
#else
#define EL_ASM 0
#endif

/* Weights are read in words, activations are widened once a step. */
typedef uint32_t el_word;
typedef int16_t el_wide;

/* To -limit - 1 .. limit. */
EL_INLINE int32_t el_saturate(int32_t value, int32_t limit)
{
#if EL_CONSTANT_TIME /* no branch */
    const int32_t sign = value >> 31;
    const int32_t room = limit - (value ^ sign);
    return ((value ^ sign) + (room & (room >> 31))) ^ sign;
#else
    return value < -limit - 1 ? -limit - 1 : value > limit ? limit : value;
#endif
}

EL_INLINE int32_t el_saturate8(int32_t value)
{
    return el_saturate(value, 127);
}

EL_INLINE int32_t el_saturate16(int32_t value)
{
    return el_saturate(value, 32767);
}

/* A part of a gate: with 16 bits saturated, as TensorFlow Lite does; with 32 as it is, where only the sum is to be. */
EL_INLINE int32_t el_saturate_part(int32_t value, unsigned bits)
{
    return bits == 16u ? el_saturate16(value) : value;
}

/* floor(a * b / 2^32), the instruction MULH. */
EL_INLINE int32_t el_mulh(int32_t a, int32_t b)
{
    return (int32_t)((int64_t)a * b >> 32);
}

/* el_requantize(value / 256, multiplier, shift), where value is a multiple of 256 and |value| * 2^max(shift, 0) < 2^31.
 *
 * MULH gives t = floor(value / 256 * multiplier / 2^24). A floor of a floor is one floor, so that the rounded high
 * half, floor((value / 256 * multiplier + 2^30) / 2^31), is floor((t + 64) / 128). A right shift by e, half away from
 * zero, adds 2^(e-1) to it, less 1 if it is negative, and floors again; 128 times as much can be added to t before.
 * Where t is negative and the high half is 0, the 1 less does no harm: 2^(e-1) - 1 and 2^(e-1) both become 0. Nothing
 * overflows: |t| < 2^30 - 128 and 128 * 2^(e-1) <= 2^30, for e <= 24. */
EL_INLINE int32_t el_requantize_256(int32_t value, int32_t multiplier, int shift)
{
    if (shift >= 0) {
        return (el_mulh((int32_t)((uint32_t)value << shift), multiplier) + 64) >> 7;
    }
    const int32_t t = el_mulh(value, multiplier);
    return (t + (64 + (64 << -shift)) + ((t >> 31) & -128)) >> (7 - shift);
}

/* The same for an unsigned b, MULHSU, which compilers do not find for a constant b. */
EL_INLINE int32_t el_mulhsu(int32_t a, uint32_t b)
{
#if EL_ASM
    int32_t high;
    __asm__("mulhsu %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
#else
    return (int32_t)((int64_t)a * b >> 32);
#endif
}

/* el_saturate8(value * multiplier * 2^(shift - 31) + zero_point); |value| < 2^30, multiplier > 0, shift <= 0.
 *
 * t = floor(value * multiplier / 2^30) lies below the multiplier in magnitude, and the rounded high half is
 * floor((t + 1) / 2). Half away from zero joins it as in el_requantize_256 where the sum cannot overflow. */
EL_INLINE int32_t el_requantize8(int32_t value, int32_t multiplier, int shift, int32_t zero_point)
{
    const unsigned right = (unsigned)-shift;
    if (right == 0u || right > 29u || multiplier > INT32_MAX - (1 << right)) {
        return el_saturate8(el_requantize(value, multiplier, shift) + zero_point);
    }
    const int32_t t = el_mulhsu((int32_t)((uint32_t)value << 1), (uint32_t)multiplier << 1);
    return el_saturate8(((t + (1 + (1 << right)) + ((t >> 31) & -2)) >> (right + 1u)) + zero_point);
}

/* int8 to the width in which they are multiplied, zeros up to a whole number of 4 columns. Returns what the columns
 * layout adds to the sums of rows A and B for these values: 128 times their sum, because weights are stored plus 128.
 */
static inline int32_t el_widen(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    int32_t sum = 0;
    for (unsigned column = columns & ~3u; column > 0u; column -= 4u) {
        const int32_t x0 = narrow[0], x1 = narrow[1], x2 = narrow[2], x3 = narrow[3];
        wide[0] = (el_wide)x0;
        EL_KEEP(wide); /* or compilers put halves together to store words, which takes longer */
        wide[1] = (el_wide)x1;
        EL_KEEP(wide);
        wide[2] = (el_wide)x2;
        EL_KEEP(wide);
        wide[3] = (el_wide)x3;
        sum += x0 + x1 + x2 + x3;
        narrow += 4;
        wide += 4;
    }
    if (columns % 4u != 0u) {
        for (unsigned k = 0; k < 4u; k++) {
            const el_wide value = k < columns % 4u ? narrow[k] : 0;
            wide[k] = value;
            sum += value;
        }
    }
    return sum * 128;
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
        const int32_t x0 = values[column], x1 = values[column + 1u];
        const int32_t x2 = values[column + 2u], x3 = values[column + 3u];
        sum0 += bytes[0] * x0 + bytes[1] * x1 + bytes[2] * x2 + bytes[3] * x3;
        sum1 += bytes[4] * x0 + bytes[5] * x1 + bytes[6] * x2 + bytes[7] * x3;
        sum2 += bytes[8] * x0 + bytes[9] * x1 + bytes[10] * x2 + bytes[11] * x3;
        sum3 += bytes[12] * x0 + bytes[13] * x1 + bytes[14] * x2 + bytes[15] * x3;
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
    for (unsigned column = 0; column < columns; column += 4u) {
        total += bytes[column] * values[column] + bytes[column + 1u] * values[column + 1u] +
                 bytes[column + 2u] * values[column + 2u] + bytes[column + 3u] * values[column + 3u];
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

/* The columns layout: 3 start values, then a word for each column, (A + 128) + 2^8 (B + 128) + 2^16 C + 2^24 D, with
 * the weights of four rows. The word, its middle 16 bits and its upper 16 bits, these two with their sign, each times
 * the value, sum up modulo 2^32 to
 *
 *   p = a + 2^8 b + 2^16 c + 2^24 d,  q = b + 2^8 c,  s = c + 2^8 d
 *
 * once the two 128s are taken out: three multiplications for four products. */
typedef struct {
    uint32_t p, q, s;
} el_columns_sums;

#if EL_ASM
#define EL_COLUMN(k)                                                                                                   \
    "lw   %[w], 4*(%c[at]+" k ")(%[weights])\n\t"                                                                      \
    "lh   %[x], 2*(%c[at]+" k ")(%[values])\n\t"                                                                       \
    "slli %[m], %[w], 8\n\t"                                                                                           \
    "srai %[m], %[m], 16\n\t"                                                                                          \
    "srai %[h], %[w], 16\n\t"                                                                                          \
    "mul  %[w], %[w], %[x]\n\t"                                                                                        \
    "mul  %[m], %[m], %[x]\n\t"                                                                                        \
    "mul  %[h], %[h], %[x]\n\t"                                                                                        \
    "add  %[p], %[p], %[w]\n\t"                                                                                        \
    "add  %[q], %[q], %[m]\n\t"                                                                                        \
    "add  %[s], %[s], %[h]\n\t"
#endif

EL_INLINE void el_column(el_columns_sums *sums, el_word word, el_wide value)
{
    const uint32_t x = (uint32_t)value;
    sums->p += word * x;
    sums->q += (uint32_t)((int32_t)(word << 8) >> 16) * x;
    sums->s += (uint32_t)((int32_t)word >> 16) * x;
}

/* Adds 4 columns, the first of which is at `at`, a constant. */
EL_INLINE void el_columns_4(el_columns_sums *sums, const el_word *weights, const el_wide *values, unsigned at)
{
#if EL_ASM
    uint32_t w, m, h, x;
    __asm__(EL_COLUMN("0") EL_COLUMN("1") EL_COLUMN("2") EL_COLUMN("3")
            : [p] "+&r"(sums->p), [q] "+&r"(sums->q), [s] "+&r"(sums->s), [w] "=&r"(w), [m] "=&r"(m), [h] "=&r"(h),
              [x] "=&r"(x)
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
#if !EL_ASM || defined(__OPTIMIZE_SIZE__)
    for (unsigned column = 0; column < columns; column += 4u) {
        el_columns_4(&sums, &weights[column], &values[column], 0u);
    }
#else
    unsigned done = 0;
    if (columns >= 32u) {
        const el_wide *const end = &values[columns & ~15u];
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

/* 256 times bias + row * values for 4 rows, exact while every sum stays within 24 bits: p - 2^8 q is a + 2^24 d, and
 * p - 2^16 s is a + 2^8 b. */
EL_INLINE const el_word *el_columns_256(int32_t sums[4], const el_word *weights, const el_wide *values,
                                        unsigned columns, int32_t correction)
{
    const el_columns_sums raw = el_columns(weights, values, columns);
    const uint32_t p = raw.p - (uint32_t)correction * 0x101u;
    const uint32_t q = raw.q - (uint32_t)correction;
    const uint32_t s = raw.s;
    sums[0] = (int32_t)((p - (q << 8)) << 8);
    sums[1] = (int32_t)(p - (s << 16) - (uint32_t)(sums[0] >> 8));
    sums[2] = (int32_t)(q - (uint32_t)(sums[1] >> 8));
    sums[3] = (int32_t)(s - (uint32_t)(sums[2] >> 8));
    return &weights[3u + columns];
}

/* bias + row * values for 4 rows; exact while every sum stays within 24 bits. Returns the weights behind them. */
EL_INLINE const el_word *el_dot4_columns(int32_t sums[4], const el_word *weights, const el_wide *values,
                                         unsigned columns, int32_t correction)
{
    weights = el_columns_256(sums, weights, values, columns, correction);
    for (unsigned row = 0; row < 4u; row++) {
        sums[row] >>= 8;
    }
    return weights;
}

/* The input part of four gates: z[r] = sum of row r * multiplier, Q3.12, see el_saturate_part. */
EL_INLINE const el_word *el_gates_columns(int32_t z[4], const el_word *weights, const el_wide *values, unsigned columns,
                                          int32_t correction, const int32_t scales[4], int shift0, int shift1,
                                          int shift2, int shift3, unsigned bits)
{
    weights = el_columns_256(z, weights, values, columns, correction);
    z[0] = el_saturate_part(el_requantize_256(z[0], scales[0], shift0), bits);
    z[1] = el_saturate_part(el_requantize_256(z[1], scales[1], shift1), bits);
    z[2] = el_saturate_part(el_requantize_256(z[2], scales[2], shift2), bits);
    z[3] = el_saturate_part(el_requantize_256(z[3], scales[3], shift3), bits);
    return weights;
}

/* The recurrent part: z[r] += sum of row r * multiplier. */
EL_INLINE const el_word *el_gates_add_columns(int32_t z[4], const el_word *weights, const el_wide *values,
                                              unsigned columns, int32_t correction, const int32_t scales[4], int shift0,
                                              int shift1, int shift2, int shift3)
{
    int32_t sums[4];
    weights = el_columns_256(sums, weights, values, columns, correction);
    z[0] += el_requantize_256(sums[0], scales[0], shift0);
    z[1] += el_requantize_256(sums[1], scales[1], shift1);
    z[2] += el_requantize_256(sums[2], scales[2], shift2);
    z[3] += el_requantize_256(sums[3], scales[3], shift3);
    return weights;
}

#endif
