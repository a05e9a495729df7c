/* The steps of GRU and SimpleRNN (docs/numerics.md) behind their sums, 8 units at a time with MVE: see the model's
 * source for their order. Each is assembler beside the C that defines it, and intrinsics in
 * edgelstm_mve_recurrent_intrinsics.h.
 *
 * Arrays of a step's own have room for whole groups of 8 units, which are read and written; the state has exactly
 * `units` elements, and nothing beyond them is touched. */
#ifndef EDGELSTM_MVE_RECURRENT_H
#define EDGELSTM_MVE_RECURRENT_H

#include "edgelstm_mve_requantize.h"

/* What brings a layer's Q0.15 to the hidden state's 8 bits. */
typedef struct {
    el_mve_multiplier factor; /* shift <= 0 */
    int32_t zero_point;
} el_mve_hidden_scale;

/* The multipliers of a matrix: a shift for all rows as in el_mve_multiplier, then a mantissa for each row, up to whole
 * groups of 8. */
enum { EL_MVE_ROUNDS, EL_MVE_RIGHT, EL_MVE_LEFT, EL_MVE_MANTISSAS };

EL_MVE_INLINE const int32_t *el_mve_next_scales(const int32_t *scales, unsigned units)
{
    return &scales[EL_MVE_MANTISSAS + (units + 7u) / 8u * 8u];
}

#if EL_MVE_ASM

/* clang-format off */

/* q2 and q3 = even and odd sums requantized. VQDMULH gives -1 for a negative sum and 0 for others, or 0 for all where
 * nothing is shifted right (rounds = 0): half up of a value that is one lower is half away from zero. */
#define EL_MVE_REQUANTIZE_ROWS                          \
    EL_MVE_LOAD_SUMS("%[sum]")                          \
    "vld20.32     {q2, q3}, [%[mantissa]]\n"            \
    "vld21.32     {q2, q3}, [%[mantissa]]!\n"           \
    "vshl.s32     q0, %[to_left]\n"                     \
    "vshl.s32     q1, %[to_left]\n"                     \
    "vqrdmulh.s32 q2, q2, q0\n"                         \
    "vqrdmulh.s32 q3, q3, q1\n"                         \
    "vqdmulh.s32  q0, q0, %[rounds]\n"                  \
    "vqdmulh.s32  q1, q1, %[rounds]\n"                  \
    "vadd.i32     q2, q2, q0\n"                         \
    "vadd.i32     q3, q3, q1\n"                         \
    "vrshl.s32    q2, %[to_right]\n"                    \
    "vrshl.s32    q3, %[to_right]\n"

/* Parts lie in groups of 8 units, the 4 even ones first. */
#define EL_MVE_ADD_PART                  \
    "vldrw.u32    q0, [%[part]], #16\n"  \
    "vldrw.u32    q1, [%[part]], #16\n"  \
    "vadd.i32     q2, q2, q0\n"          \
    "vadd.i32     q3, q3, q1\n"

#define EL_MVE_STORE_Z                   \
    "vqmovnb.s32  q2, q2\n"              \
    "vqmovnt.s32  q2, q3\n"              \
    "vstrh.u16    q2, [%[next]], #16\n"

#define EL_MVE_PART_LOOP(store, target)                                                                   \
    const int32_t *sum = sums;                                                                            \
    const int32_t *mantissa = &scales[EL_MVE_MANTISSAS];                                                  \
    __asm__ volatile(                                                                                     \
        "dls          lr, %[groups]\n"                                                                    \
        "1:\n"                                                                                            \
        EL_MVE_REQUANTIZE_ROWS                                                                            \
        store                                                                                             \
        "le           lr, 1b\n"                                                                           \
        : target, [sum] "+r"(sum), [mantissa] "+r"(mantissa)                                              \
        : [rounds] "r"(scales[EL_MVE_ROUNDS]), [to_right] "r"(scales[EL_MVE_RIGHT]),                      \
          [to_left] "r"(scales[EL_MVE_LEFT]), [groups] "r"((units + 7u) / 8u)                             \
        : "lr", "q0", "q1", "q2", "q3", "cc", "memory")

/* parts = sums requantized, of 32 bits: only the sum of both parts of a gate is clipped. In whole groups of 8; may be
 * the sums' own array. Returns the multipliers of the next matrix. */
EL_MVE_INLINE const int32_t *el_mve_part(int32_t *parts, const int32_t *sums, const int32_t *scales, unsigned units)
{
    int32_t *next = parts;
    EL_MVE_PART_LOOP("vstrw.32     q2, [%[next]], #16\n"
                     "vstrw.32     q3, [%[next]], #16\n", [next] "+r"(next));
    return mantissa;
}

/* z = saturate16(sums requantized), likewise. */
EL_MVE_INLINE const int32_t *el_mve_narrow_part(int16_t *z, const int32_t *sums, const int32_t *scales, unsigned units)
{
    int16_t *next = z;
    EL_MVE_PART_LOOP(EL_MVE_STORE_Z, [next] "+r"(next));
    return mantissa;
}

/* z = saturate16(parts + sums requantized), likewise. */
EL_MVE_INLINE const int32_t *el_mve_add_part(int16_t *z, const int32_t *parts, const int32_t *sums,
                                             const int32_t *scales, unsigned units)
{
    int16_t *next = z;
    const int32_t *part = parts;
#define EL_MVE_BOTH [next] "+r"(next), [part] "+r"(part)
    EL_MVE_PART_LOOP(EL_MVE_ADD_PART EL_MVE_STORE_Z, EL_MVE_BOTH);
#undef EL_MVE_BOTH
    return mantissa;
}

/* gate = gate * values, Q0.15, half away from zero; LETP predicates the last units. */
EL_MVE_INLINE void el_mve_gate_values(int16_t *gate, const int16_t *values, unsigned units)
{
    int16_t *next_gate = gate;
    const int16_t *next_value = values;
    __asm__ volatile(
        "dlstp.16     lr, %[count]\n"
        "1:\n"
        "vldrh.u16    q0, [%[next_gate]]\n"
        "vldrh.u16    q1, [%[next_value]], #16\n"
        EL_MVE_GATED("q3", "q1", "q0")
        "vstrh.u16    q3, [%[next_gate]], #16\n"
        "letp         lr, 1b\n"
        : [next_gate] "+r"(next_gate), [next_value] "+r"(next_value)
        : [count] "r"(units)
        : "lr", "q0", "q1", "q3", "cc", "memory" EL_MVE_PREDICATE);
}

/* z = saturate16(parts + gate * values / 2^shift), the product half away from zero: VQDMULH by 1 gives -1 for a
 * negative one and 0 for others. In whole groups of 8; z may be followed by values. */
EL_MVE_INLINE void el_mve_add_gated(int16_t *z, const int32_t *parts, const int16_t *gate, const int16_t *values,
                                    unsigned shift, unsigned units)
{
    int16_t *next = z;
    const int32_t *part = parts;
    const int16_t *next_gate = gate;
    const int16_t *next_value = values;
    __asm__ volatile(
        "dls          lr, %[groups]\n"
        "1:\n"
        "vldrh.u16    q0, [%[next_gate]], #16\n"
        "vldrh.u16    q1, [%[next_value]], #16\n"
        "vmullb.s16   q2, q0, q1\n"
        "vmullt.s16   q3, q0, q1\n"
        "vqdmulh.s32  q0, q2, %[one]\n"
        "vqdmulh.s32  q1, q3, %[one]\n"
        "vadd.i32     q2, q2, q0\n"
        "vadd.i32     q3, q3, q1\n"
        "vrshl.s32    q2, %[right]\n"
        "vrshl.s32    q3, %[right]\n"
        EL_MVE_ADD_PART
        EL_MVE_STORE_Z
        "le           lr, 1b\n"
        : [next] "+r"(next), [part] "+r"(part), [next_gate] "+r"(next_gate), [next_value] "+r"(next_value)
        : [groups] "r"((units + 7u) / 8u), [one] "r"(1), [right] "r"(-(int32_t)shift)
        : "lr", "q0", "q1", "q2", "q3", "cc", "memory");
}

/* carried = update * carried + (1 - update) * candidate, Q0.15, half up; the candidate becomes the same.
 *
 * 1 - update may be 2^15, which 16 bits do not hold: its negative, update - 2^15, is subtracted. */
EL_MVE_INLINE void el_mve_carry(int16_t *carried, int16_t *candidate, const int16_t *update, unsigned units)
{
    int16_t *next = carried;
    int16_t *next_candidate = candidate;
    const int16_t *next_update = update;
    unsigned left = units;
    __asm__ volatile(
        "dls          lr, %[groups]\n"
        "1:\n"
        "vctp.16      %[left]\n"
        "vpst\n"
        "vldrht.u16   q0, [%[next]]\n"
        "vldrh.u16    q1, [%[next_update]], #16\n"
        "vldrh.u16    q2, [%[next_candidate]]\n"
        "vmullb.s16   q3, q0, q1\n"
        "vmullt.s16   q4, q0, q1\n"
        "vadd.i16     q1, q1, %[one]\n"
        "vmullb.s16   q0, q2, q1\n"
        "vmullt.s16   q5, q2, q1\n"
        "vsub.i32     q3, q3, q0\n"
        "vsub.i32     q4, q4, q5\n"
        "vrshrnb.i32  q3, q3, #15\n"
        "vrshrnt.i32  q3, q4, #15\n"
        "vstrh.u16    q3, [%[next_candidate]], #16\n"
        "vpst\n"
        "vstrht.u16   q3, [%[next]], #16\n"
        "sub          %[left], %[left], #8\n"
        "le           lr, 1b\n"
        : [next] "+r"(next), [next_candidate] "+r"(next_candidate), [next_update] "+r"(next_update), [left] "+r"(left)
        : [groups] "r"((units + 7u) / 8u), [one] "r"(-32768)
        : "lr", "q0", "q1", "q2", "q3", "q4", "q5", "cc", "memory" EL_MVE_PREDICATE);
}

#define EL_MVE_WIDEN                   \
    "vldrh.u16    q0, [r0], #16\n"     \
    "vmovlb.s16   q2, q0\n"            \
    "vmovlt.s16   q3, q0\n"

/* hidden = values, Q0.15, requantized to int8. */
EL_MVE_INLINE void el_mve_to_hidden(int8_t *hidden, const int16_t *values, const el_mve_hidden_scale *scale,
                                    unsigned units)
{
    EL_MVE_TO_INT8(hidden, values, values, &scale->factor.mantissa, units, EL_MVE_WIDEN)
}

/* hidden = max(values / 2^5, 0) + zero point; half up is half away from zero where a value is not negative. VSTRB of 16-bit
 * values takes a low register for its address. */
EL_MVE_INLINE void el_mve_relu(int8_t *hidden, const int16_t *values, int32_t zero_point, unsigned units)
{
    int8_t *next = hidden;
    const int16_t *next_value = values;
    __asm__ volatile(
        "vmov.i32     q1, #0\n"
        "dlstp.16     lr, %[count]\n"
        "1:\n"
        "vldrh.u16    q0, [%[next_value]], #16\n"
        "vrshr.s16    q0, q0, #5\n"
        "vmax.s16     q0, q0, q1\n"
        "vqadd.s16    q0, q0, %[zero_point]\n"
        "vqmovnb.s16  q0, q0\n"
        "vstrb.16     q0, [%[next]], #8\n"
        "letp         lr, 1b\n"
        : [next] "+l"(next), [next_value] "+r"(next_value)
        : [zero_point] "r"(zero_point), [count] "r"(units)
        : "lr", "q0", "q1", "cc", "memory");
}

/* clang-format on */

#elif EL_MVE_INTRINSICS

#include "edgelstm_mve_recurrent_intrinsics.h"

#else

static inline int32_t el_mve_requantize_row(int32_t sum, const int32_t *scales, unsigned row)
{
    return el_requantize(sum, scales[EL_MVE_MANTISSAS + row], (int)(scales[EL_MVE_LEFT] + scales[EL_MVE_RIGHT]));
}

/* parts = sums requantized, of 32 bits: only the sum of both parts of a gate is clipped. Returns the multipliers of the
 * next matrix. */
EL_MVE_INLINE const int32_t *el_mve_part(int32_t *parts, const int32_t *sums, const int32_t *scales, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        parts[unit] = el_mve_requantize_row(sums[unit], scales, unit);
    }
    return el_mve_next_scales(scales, units);
}

/* z = saturate16(sums requantized), likewise. */
EL_MVE_INLINE const int32_t *el_mve_narrow_part(int16_t *z, const int32_t *sums, const int32_t *scales, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        z[unit] = (int16_t)el_clamp(el_mve_requantize_row(sums[unit], scales, unit), -32768, 32767);
    }
    return el_mve_next_scales(scales, units);
}

/* z = saturate16(parts + sums requantized), likewise. */
EL_MVE_INLINE const int32_t *el_mve_add_part(int16_t *z, const int32_t *parts, const int32_t *sums,
                                             const int32_t *scales, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        z[unit] = (int16_t)el_clamp(parts[unit] + el_mve_requantize_row(sums[unit], scales, unit), -32768, 32767);
    }
    return el_mve_next_scales(scales, units);
}

/* gate = gate * values, Q0.15, half away from zero. */
EL_MVE_INLINE void el_mve_gate_values(int16_t *gate, const int16_t *values, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        gate[unit] = (int16_t)el_rounding_shift(gate[unit] * values[unit], 15u);
    }
}

/* z = saturate16(parts + gate * values / 2^shift), the product half away from zero. */
EL_MVE_INLINE void el_mve_add_gated(int16_t *z, const int32_t *parts, const int16_t *gate, const int16_t *values,
                                    unsigned shift, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        z[unit] = (int16_t)el_clamp(parts[unit] + el_rounding_shift(gate[unit] * values[unit], shift), -32768, 32767);
    }
}

/* carried = update * carried + (1 - update) * candidate, Q0.15, half up; the candidate becomes the same. */
EL_MVE_INLINE void el_mve_carry(int16_t *carried, int16_t *candidate, const int16_t *update, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        const int32_t sum = update[unit] * carried[unit] + (32768 - update[unit]) * candidate[unit];
        carried[unit] = (int16_t)((sum + 16384) >> 15);
        candidate[unit] = carried[unit];
    }
}

/* hidden = values, Q0.15, requantized to int8. */
EL_MVE_INLINE void el_mve_to_hidden(int8_t *hidden, const int16_t *values, const el_mve_hidden_scale *scale,
                                    unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        hidden[unit] = (int8_t)el_clamp(el_mve_requantize(values[unit], &scale->factor) + scale->zero_point, -128, 127);
    }
}

/* hidden = max(values / 2^5, 0) + zero point. */
EL_MVE_INLINE void el_mve_relu(int8_t *hidden, const int16_t *values, int32_t zero_point, unsigned units)
{
    for (unsigned unit = 0; unit < units; unit++) {
        const int32_t value = el_rounding_shift(values[unit], 5u);
        hidden[unit] = (int8_t)el_clamp((value < 0 ? 0 : value) + zero_point, -128, 127);
    }
}

#endif
#endif
