/* port.h for RV32: time from mcycle, stack use from paint. */
#include "port.h"

#define PAINT 0xA5A5A5A5u

extern uint32_t ld_stack_bottom[];

/* Assembler names it, which link-time optimization does not see. */
__attribute__((used)) uint32_t stack_painted_top;

/*
 * A core without mcycle (ESP32-C3) traps at the label, and the trap handler, which changes t0 and t1, answers with a
 * constant: no time seems to pass. Not inlined, so that there is one label.
 */
__attribute__((noinline, used)) uint32_t port_ticks(void)
{
    register uint32_t cycles __asm__("a0");

    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     ".globl mcycle_read\n"
                     "mcycle_read:\n"
                     "csrr %0, mcycle\n"
                     ".option pop\n"
                     : "=r"(cycles)
                     :
                     : "t0", "t1");
    return cycles;
}

uint32_t port_ticks_since(uint32_t start)
{
    return port_ticks() - start;
}

/* Naked, so that it needs no stack itself: it paints right up to the caller's frame. */
__attribute__((naked)) void port_stack_paint(void)
{
    __asm__ volatile("la   t0, stack_painted_top\n"
                     "sw   sp, 0(t0)\n"
                     "la   t0, ld_stack_bottom\n"
                     "li   t1, %0\n"
                     "1:\n"
                     "bgeu t0, sp, 2f\n"
                     "sw   t1, 0(t0)\n"
                     "addi t0, t0, 4\n"
                     "j    1b\n"
                     "2:\n"
                     "ret\n"
                     :
                     : "i"(PAINT));
}

uint32_t port_stack_used(void)
{
    const volatile uint32_t *word = ld_stack_bottom;

    while (((uint32_t)(uintptr_t)word < stack_painted_top) && (*word == PAINT)) {
        word++;
    }
    return stack_painted_top - (uint32_t)(uintptr_t)word;
}
