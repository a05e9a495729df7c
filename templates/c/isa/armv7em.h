/* Primitives for Armv7E-M and Armv8-M with the DSP extension: Cortex-M4, M7, M33. Same bits as ref.h.
 *
 * Weights stand in words of 4 columns, bytes in the order 0, 2, 1, 3: SXTB16 widens bytes 0 and 2, that is columns
 * 0 and 1, and after a rotation by 8 columns 2 and 3, so that SMLAD meets the activations in their natural order. */
#ifndef EDGELSTM_ISA_H
#define EDGELSTM_ISA_H

#include <stdint.h>

#if !defined(__ARM_FEATURE_DSP)
#error "this code is for cores with the DSP extension (Cortex-M4); generate it for yours, or with --target host"
#endif

#define EL_ALIGNED __attribute__((aligned(4)))

/* Words read from int8 and int16 arrays; those may be unaligned that the caller owns. */
typedef uint32_t __attribute__((may_alias)) el_word;
typedef struct __attribute__((packed, may_alias)) {
    uint32_t word;
} el_unaligned_word;

static inline int8_t el_saturate8(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value) : "cc");
    return (int8_t)result;
}

static inline int16_t el_saturate16(int32_t value)
{
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(value) : "cc");
    return (int16_t)result;
}

/* Rounded high half of 2*a*b: floor((a*b + 2^30) / 2^31). The multiplier is never INT32_MIN. */
static inline int32_t el_high_multiply(int32_t value, int32_t multiplier)
{
    return (int32_t)(((int64_t)value * multiplier + (INT64_C(1) << 30)) >> 31);
}

static inline uint32_t el_sxtb16(uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtb16 %0, %1" : "=r"(halves) : "r"(bytes));
    return halves;
}

static inline uint32_t el_sxtb16_ror8(uint32_t bytes)
{
    uint32_t halves;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(bytes));
    return halves;
}

/* sum + a.low * b.low + a.high * b.high; wraps, and then sets the sticky Q flag, which nothing here reads. */
static inline int32_t el_smlad(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum) : "cc");
    return result;
}

/* int8 to int16, zeros up to a whole number of 4 columns. */
static inline void el_widen(int16_t *wide, const int8_t *narrow, unsigned columns)
{
    el_word *pairs = (el_word *)(void *)wide;
    const unsigned whole = columns & ~3u;
    for (unsigned column = 0; column < whole; column += 4u) {
        const uint32_t bytes = ((const el_unaligned_word *)(const void *)&narrow[column])->word;
        const uint32_t even = el_sxtb16(bytes);
        const uint32_t odd = el_sxtb16_ror8(bytes);
        *pairs++ = (even & 0xFFFFu) | (odd << 16);
        *pairs++ = (even >> 16) | (odd & 0xFFFF0000u);
    }
    if (whole != columns) {
        for (unsigned k = 0; k < 4u; k++) {
            wide[whole + k] = whole + k < columns ? narrow[whole + k] : 0;
        }
    }
}

/* sums[r] += row r * values for four rows. The weights hold, for each 4 columns, 4 bytes of each row in turn. */
static inline void el_dot4(int32_t sums[4], const int8_t *weights, const int16_t *values, unsigned columns)
{
    const el_word *rows = (const el_word *)(const void *)weights;
    const el_word *pairs = (const el_word *)(const void *)values;
    int32_t sum0 = sums[0], sum1 = sums[1], sum2 = sums[2], sum3 = sums[3];
    for (unsigned column = 0; column < columns; column += 4u) {
        const uint32_t low = pairs[0], high = pairs[1];
        const uint32_t row0 = rows[0], row1 = rows[1], row2 = rows[2], row3 = rows[3];
        sum0 = el_smlad(el_sxtb16(row0), low, sum0);
        sum1 = el_smlad(el_sxtb16(row1), low, sum1);
        sum2 = el_smlad(el_sxtb16(row2), low, sum2);
        sum3 = el_smlad(el_sxtb16(row3), low, sum3);
        sum0 = el_smlad(el_sxtb16_ror8(row0), high, sum0);
        sum1 = el_smlad(el_sxtb16_ror8(row1), high, sum1);
        sum2 = el_smlad(el_sxtb16_ror8(row2), high, sum2);
        sum3 = el_smlad(el_sxtb16_ror8(row3), high, sum3);
        pairs += 2;
        rows += 4;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* sum + row * values for a single row. */
static inline int32_t el_dot1(int32_t sum, const int8_t *weights, const int16_t *values, unsigned columns)
{
    const el_word *row = (const el_word *)(const void *)weights;
    const el_word *pairs = (const el_word *)(const void *)values;
    for (unsigned column = 0; column < columns; column += 4u) {
        const uint32_t bytes = *row++;
        sum = el_smlad(el_sxtb16(bytes), pairs[0], sum);
        sum = el_smlad(el_sxtb16_ror8(bytes), pairs[1], sum);
        pairs += 2;
    }
    return sum;
}

#endif
