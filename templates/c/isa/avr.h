/* Primitives for AVR: weights are read from program memory, and int has 16 bits. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include "edgelstm_fixedpoint.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the weights are written for little-endian cores"
#endif

/* Weights are read in words, activations are widened once a step. */
typedef const EL_FLASH uint32_t el_word;
typedef int16_t el_wide;

EL_INLINE int32_t el_saturate8(int32_t value)
{
    return value < -128 ? -128 : value > 127 ? 127 : value;
}

EL_INLINE int32_t el_saturate16(int32_t value)
{
    return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

/* A part of a gate: with 16 bits saturated, as TensorFlow Lite does; with 32 as it is, where only the sum is to be. */
EL_INLINE int32_t el_saturate_part(int32_t value, unsigned bits)
{
    return bits == 16u ? el_saturate16(value) : value;
}

/* el_saturate8(value * multiplier * 2^(shift - 31) + zero_point); |value| < 2^30, shift <= 0. */
EL_INLINE int32_t el_requantize8(int32_t value, int32_t multiplier, int shift, int32_t zero_point)
{
    return el_saturate8(el_requantize(value, multiplier, shift) + zero_point);
}

/* int8 to the width in which they are multiplied, zeros up to a whole number of 4 columns. Returns what the layout
 * `quads` adds to the sum of every row for these values: -128 times their sum. */
static inline int32_t el_widen(el_wide *wide, const int8_t *narrow, unsigned columns)
{
    int32_t sum = 0;
    unsigned column = 0;
    for (; column < columns; column++) {
        wide[column] = narrow[column];
        sum += narrow[column];
    }
    for (; column % 4u != 0u; column++) {
        wide[column] = 0;
    }
    return sum * -128;
}

/* bias + row * values for 4 rows, whose weights begin with the 4 biases. Returns the weights behind them. */
EL_NOINLINE el_word *el_dot4_rows(int32_t sums[4], el_word *weights, const el_wide *values, unsigned columns,
                                  int32_t correction)
{
    (void)correction;
    for (unsigned row = 0; row < 4u; row++) {
        const EL_FLASH int8_t *bytes = (const EL_FLASH int8_t *)&weights[4u + row];
        int32_t sum = (int32_t)weights[row];
        for (unsigned column = 0; column < columns; column += 4u) {
            for (unsigned k = 0; k < 4u; k++) {
                sum += bytes[4u * column + k] * values[column + k];
            }
        }
        sums[row] = sum;
    }
    return &weights[4u + columns];
}

/* The same for a single row: its bias, then its bytes. */
EL_NOINLINE el_word *el_dot1(int32_t *sum, el_word *weights, const el_wide *values, unsigned columns)
{
    const EL_FLASH int8_t *bytes = (const EL_FLASH int8_t *)&weights[1];
    *sum = (int32_t)weights[0];
    for (unsigned column = 0; column < columns; column++) {
        *sum += bytes[column] * values[column];
    }
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

/* Start value + row * values for 4 rows, modulo 2^24: weights begin with the 4 start values, then for each column
 * there is a byte of each row, biased by 128, as values are here. Returns the weights behind them. */
EL_NOINLINE el_word *el_quads_sums(uint32_t sums[4], el_word *weights, const el_wide *values, unsigned columns,
                                   int32_t correction)
{
    uint32_t a = weights[0] + (uint32_t)correction;
    uint32_t b = weights[1] + (uint32_t)correction;
    uint32_t c = weights[2] + (uint32_t)correction;
    uint32_t d = weights[3] + (uint32_t)correction;
    weights += 4;
#if defined(__AVR_HAVE_MUL__) && !defined(EL_NO_ASM)
    uint8_t value;
    uint8_t weight;
    __asm__("1:\n\tld %[value], %a[values]+\n\tadiw %[values], 1\n\tsubi %[value], 0x80\n\t"
            "lpm %[weight], Z+\n\tmul %[weight], %[value]\n\tadd %A[a], r0\n\tadc %B[a], r1\n\tadc %C[a], %[zero]\n\t"
            "lpm %[weight], Z+\n\tmul %[weight], %[value]\n\tadd %A[b], r0\n\tadc %B[b], r1\n\tadc %C[b], %[zero]\n\t"
            "lpm %[weight], Z+\n\tmul %[weight], %[value]\n\tadd %A[c], r0\n\tadc %B[c], r1\n\tadc %C[c], %[zero]\n\t"
            "lpm %[weight], Z+\n\tmul %[weight], %[value]\n\tadd %A[d], r0\n\tadc %B[d], r1\n\tadc %C[d], %[zero]\n\t"
            "subi %A[columns], 1\n\tsbci %B[columns], 0\n\tbrne 1b\n\tclr r1"
            : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [weights] "+z"(weights), [values] "+x"(values),
              [columns] "+d"(columns), [value] "=&d"(value), [weight] "=&r"(weight)
            : [zero] "r"((uint8_t)0)
            : "memory");
#else
    for (unsigned column = 0; column < columns; column++) {
        const uint32_t word = *weights++;
        const uint32_t value = (uint32_t)(values[column] + 128);
        a += (word & 255u) * value;
        b += (word >> 8 & 255u) * value;
        c += (word >> 16 & 255u) * value;
        d += (word >> 24) * value;
    }
#endif
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    return weights;
}

/* 24 bits with their sign. */
EL_INLINE int32_t el_signed24(uint32_t value)
{
    return (int32_t)(value << 8) >> 8;
}

/* The same sums with their sign. */
EL_NOINLINE el_word *el_dot4_quads(int32_t sums[4], el_word *weights, const el_wide *values, unsigned columns,
                                   int32_t correction)
{
    uint32_t found[4];
    weights = el_quads_sums(found, weights, values, columns, correction);
    for (unsigned row = 0; row < 4u; row++) {
        sums[row] = el_signed24(found[row]);
    }
    return weights;
}

/* el_requantize of a sum of 24 bits; the scale is a multiplier / 128, below its shift. |sum| * 2^shift < 2^23. */
EL_NOINLINE int32_t el_scale24(uint32_t sum, int32_t scale)
{
    const int shift = (int)(scale >> 24);
    if (shift > 0) {
        sum <<= shift;
    }
#if defined(__AVR_HAVE_MUL__) && !defined(EL_NO_ASM)
    /* The product of 48 bits, less multiplier * 2^24 where the sum is negative; its upper half, rounded, is left. */
    uint32_t high;
    uint8_t low;
    __asm__("clr %B[high]\n\tclr %C[high]\n\tclr %D[high]\n\tclr %[low]\n\t"
            "mul %A[sum], %A[scale]\n\tmov %A[high], r1\n\t"
            "mul %A[sum], %B[scale]\n\tadd %A[high], r0\n\tadc %[low], r1\n\t"
            "mul %B[sum], %A[scale]\n\tadd %A[high], r0\n\tadc %[low], r1\n\tadc %B[high], %D[high]\n\t"
            "clr %A[high]\n\t"
            "mul %A[sum], %C[scale]\n\tadd %[low], r0\n\tadc %B[high], r1\n\tadc %A[high], %D[high]\n\t"
            "mul %B[sum], %B[scale]\n\tadd %[low], r0\n\tadc %B[high], r1\n\tadc %A[high], %D[high]\n\t"
            "mul %C[sum], %A[scale]\n\tadd %[low], r0\n\tadc %B[high], r1\n\tadc %A[high], %D[high]\n\t"
            "mul %B[sum], %C[scale]\n\tadd %B[high], r0\n\tadc %A[high], r1\n\tadc %C[high], %D[high]\n\t"
            "mul %C[sum], %B[scale]\n\tadd %B[high], r0\n\tadc %A[high], r1\n\tadc %C[high], %D[high]\n\t"
            "mul %C[sum], %C[scale]\n\tadd %A[high], r0\n\tadc %C[high], r1\n\t"
            "clr r1\n\t"
            "sbrs %C[sum], 7\n\trjmp 1f\n\t"
            "sub %B[high], %A[scale]\n\tsbc %A[high], %B[scale]\n\tsbc %C[high], %C[scale]\n"
            "1:\n\tlsl %[low]\n\tadc %B[high], r1\n\tadc %A[high], r1\n\tadc %C[high], r1\n\t"
            "mov r0, %A[high]\n\tmov %A[high], %B[high]\n\tmov %B[high], r0\n\t"
            "sbrc %C[high], 7\n\tcom %D[high]"
            : [high] "=&r"(high), [low] "=&r"(low)
            : [sum] "r"(sum), [scale] "r"(scale));
    const int32_t value = (int32_t)high;
#else
    const int32_t value = (int32_t)(((int64_t)el_signed24(sum) * (scale & 0xFFFFFF) + (INT64_C(1) << 23)) >> 24);
#endif
    return shift < 0 ? el_rounding_shift(value, (unsigned)-shift) : value;
}

/* Scaled sums of 4 rows, added to z. The scales hold the shifts. */
EL_NOINLINE el_word *el_add_scaled(int32_t z[4], el_word *weights, const el_wide *values, unsigned columns,
                                   int32_t correction, const EL_FLASH int32_t *scales)
{
    uint32_t sums[4];
    weights = el_quads_sums(sums, weights, values, columns, correction);
    for (uint8_t row = 0; row < 4u; row++) {
        z[row] += el_scale24(sums[row], scales[row]);
    }
    return weights;
}

/* The input part of 4 gates: z[r] = the scaled sum of row r, see el_saturate_part. */
static inline el_word *el_gates_quads(int32_t z[4], el_word *weights, const el_wide *values, unsigned columns,
                                      int32_t correction, const EL_FLASH int32_t *scales, int shift0, int shift1,
                                      int shift2, int shift3, unsigned bits)
{
    (void)shift0, (void)shift1, (void)shift2, (void)shift3;
    for (uint8_t row = 0; row < 4u; row++) {
        z[row] = 0;
    }
    weights = el_add_scaled(z, weights, values, columns, correction, scales);
    for (uint8_t row = 0; row < 4u; row++) {
        z[row] = el_saturate_part(z[row], bits);
    }
    return weights;
}

/* The recurrent part, added; what follows saturates. */
static inline el_word *el_gates_add_quads(int32_t z[4], el_word *weights, const el_wide *values, unsigned columns,
                                          int32_t correction, const EL_FLASH int32_t *scales, int shift0, int shift1,
                                          int shift2, int shift3)
{
    (void)shift0, (void)shift1, (void)shift2, (void)shift3;
    return el_add_scaled(z, weights, values, columns, correction, scales);
}

#endif
