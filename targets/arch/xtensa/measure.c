/* port.h for Xtensa: time from CCOUNT, stack use from paint. */
#include "port.h"

#define PAINT 0xA5A5A5A5u

extern uint32_t ld_stack_bottom[];

static uint32_t stack_painted_top;

uint32_t port_ticks(void)
{
    uint32_t cycles;

    __asm__ volatile("rsr %0, ccount" : "=r"(cycles));
    return cycles;
}

uint32_t port_ticks_since(uint32_t start)
{
    return port_ticks() - start;
}

/* Nothing of the function itself lies on the stack while it paints: it calls nothing and needs few registers. */
__attribute__((noinline)) void port_stack_paint(void)
{
    uint32_t *top;

    __asm__ volatile("mov %0, a1" : "=r"(top));
    stack_painted_top = (uint32_t)(uintptr_t)top;
    for (volatile uint32_t *word = ld_stack_bottom; word < top; word++) {
        *word = PAINT;
    }
}

__attribute__((noinline)) uint32_t port_stack_used(void)
{
    const volatile uint32_t *word = ld_stack_bottom;

    while (((uint32_t)(uintptr_t)word < stack_painted_top) && (*word == PAINT)) {
        word++;
    }
    return stack_painted_top - (uint32_t)(uintptr_t)word;
}
