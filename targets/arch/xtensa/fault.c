/*
 * Exceptions. Two kinds arrive here:
 *
 * - A request that nobody answered, because no simulator runs this. It gets the answer -1 and the program goes on, so
 *   that one ELF runs with and without a host. Nobody expects a9 and a10 to survive a call.
 * - Everything else is a bug, which is reported from a fresh stack, because the fault may be that there was none left.
 */
#include <stdint.h>

#include "port.h"

extern const uint8_t ld_stack_bottom[], ld_stack_top[];

void fault_handler(void);
void fault_print(const char *label, uint32_t value);

#define EXIT_FAULT 99

__attribute__((noreturn, used)) static void report(uint32_t cause, uint32_t pc, uint32_t address, uint32_t ra,
                                                   uint32_t sp)
{
    const int is_stack_lost = (sp < (uint32_t)(uintptr_t)ld_stack_bottom) || (sp > (uint32_t)(uintptr_t)ld_stack_top);

    port_print(is_stack_lost ? "fault: stack overflow" : "fault");
    fault_print(": cause 0x", cause);
    fault_print(" pc 0x", pc);
    fault_print(" ra 0x", ra);
    fault_print(" excvaddr 0x", address);
    port_print("\n");
    port_exit(EXIT_FAULT);
    for (;;) {
    }
}

/* PS as after reset: a fault of the report itself is a fault again. */
__asm__(".section .text.fault_handler, \"ax\"\n"
        ".global fault_handler\n"
        ".type   fault_handler, @function\n"
        ".align  4\n"
        "fault_handler:\n"
        "rsr     a9, epc1\n"
        "movi    a10, simulator_simcall\n"
        "bne     a9, a10, 1f\n"
        "addi    a9, a9, 3\n"
        "wsr     a9, epc1\n"
        "movi    a2, -1\n"
        "rfe\n"
        "1:\n"
        "rsr     a2, exccause\n"
        "rsr     a3, epc1\n"
        "rsr     a4, excvaddr\n"
        "mov     a5, a0\n"
        "mov     a6, a1\n"
        "movi    a1, ld_stack_top\n"
        "movi    a0, 0x2F\n"
        "wsr     a0, ps\n"
        "rsync\n"
        "movi    a0, report\n"
        "jx      a0\n"
        ".size   fault_handler, . - fault_handler\n"
        ".text\n");
