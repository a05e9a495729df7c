/*
 * The functions that the compiler calls for what the LX106 has no instructions for: its libgcc leaves them out, because
 * the chip's ROM has them. Weak, like those in targets/arch/chip/runtime.c.
 */
#include <stdint.h>

#define WEAK __attribute__((weak, used))

WEAK uint32_t __udivsi3(uint32_t dividend, uint32_t divisor);
WEAK uint32_t __umodsi3(uint32_t dividend, uint32_t divisor);
WEAK int32_t __divsi3(int32_t dividend, int32_t divisor);
WEAK int32_t __modsi3(int32_t dividend, int32_t divisor);
WEAK int64_t __muldi3(int64_t left, int64_t right);

/* Quotient, and the rest in `*dividend`: 0 is no divisor, and yields all ones as RISC-V's instruction does. */
static uint32_t divide(uint32_t *dividend, uint32_t divisor)
{
    uint32_t quotient = 0u;
    uint32_t rest = 0u;

    for (int bit = 31; bit >= 0; bit--) {
        const uint32_t carry = rest >> 31;

        rest = rest << 1 | (*dividend >> bit & 1u);
        if ((carry != 0u) || (rest >= divisor)) {
            rest -= divisor;
            quotient |= UINT32_C(1) << bit;
        }
    }
    *dividend = rest;
    return quotient;
}

static uint32_t magnitude(int32_t value)
{
    return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

WEAK uint32_t __udivsi3(uint32_t dividend, uint32_t divisor)
{
    return divide(&dividend, divisor);
}

WEAK uint32_t __umodsi3(uint32_t dividend, uint32_t divisor)
{
    (void)divide(&dividend, divisor);
    return dividend;
}

WEAK int32_t __divsi3(int32_t dividend, int32_t divisor)
{
    uint32_t rest = magnitude(dividend);
    const uint32_t quotient = divide(&rest, magnitude(divisor));

    return (int32_t)((dividend ^ divisor) < 0 ? 0u - quotient : quotient);
}

WEAK int32_t __modsi3(int32_t dividend, int32_t divisor)
{
    uint32_t rest = magnitude(dividend);

    (void)divide(&rest, magnitude(divisor));
    return (int32_t)(dividend < 0 ? 0u - rest : rest);
}

/* Modulo 2^64, by products of 16 bits. */
WEAK int64_t __muldi3(int64_t left, int64_t right)
{
    const uint32_t a = (uint32_t)left;
    const uint32_t b = (uint32_t)right;
    const uint32_t low = (a & 0xFFFFu) * (b & 0xFFFFu);
    const uint32_t cross = (a >> 16) * (b & 0xFFFFu) + (low >> 16);
    const uint32_t other = (a & 0xFFFFu) * (b >> 16) + (cross & 0xFFFFu);
    const uint32_t high = (a >> 16) * (b >> 16) + (cross >> 16) + (other >> 16) + a * (uint32_t)(right >> 32) +
                          (uint32_t)(left >> 32) * b;

    return (int64_t)((uint64_t)high << 32 | (other << 16 | (low & 0xFFFFu)));
}
