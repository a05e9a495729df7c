/*
 * Traps. Three kinds arrive here:
 *
 * - A semihosting request that nobody answered, because no debugger or emulator is attached. The request gets the
 *   answer -1 and the program goes on, so that one ELF runs with and without a host.
 * - A read of mcycle (measure.c) on a core that has none. It gets the same answer.
 * - Everything else is a bug, which is reported.
 */
#include <stdint.h>

#include "port.h"

extern const uint8_t ld_stack_bottom[], ld_stack_top[];

void trap_handler(void);
void fault_print(const char *label, uint32_t value);
int32_t semihosting_request(uint32_t operation, const void *parameters);

#define EXIT_FAULT 99

/*
 * The three instructions of "RISC-V Semihosting": uncompressed, and aligned so that no page boundary divides them.
 * Naked, because the calling convention has everything in place: operation and result in a0, parameters in a1.
 * Nobody expects t0 and t1 to survive a call, so the trap handler may change them.
 */
__attribute__((naked, noinline)) int32_t semihosting_request(uint32_t operation __attribute__((unused)),
                                                             const void *parameters __attribute__((unused)))
{
    __asm__ volatile(".option push\n"
                     ".balign 16\n"
                     ".option norvc\n"
                     "slli  x0, x0, 0x1f\n"
                     ".globl semihosting_ebreak\n"
                     "semihosting_ebreak:\n"
                     "ebreak\n"
                     "srai  x0, x0, 7\n"
                     ".option pop\n"
                     "ret\n");
}

__attribute__((noreturn, used)) static void report(uint32_t cause, uint32_t pc, uint32_t address, uint32_t ra,
                                                   uint32_t sp)
{
    const int is_stack_lost = (sp < (uint32_t)(uintptr_t)ld_stack_bottom) || (sp > (uint32_t)(uintptr_t)ld_stack_top);

    port_print(is_stack_lost ? "fault: stack overflow" : "fault");
    fault_print(": cause 0x", cause);
    fault_print(" pc 0x", pc);
    fault_print(" ra 0x", ra);
    fault_print(" mtval 0x", address);
    port_print("\n");
    port_exit(EXIT_FAULT);
    for (;;) {
    }
}

/*
 * A report starts from a fresh stack, because the fault may be that there was none left. Aligned for cores whose mtvec
 * has no lower bits (ESP32-C3).
 */
__attribute__((naked, aligned(256))) void trap_handler(void)
{
    __asm__ volatile(".option push\n"
                     ".option arch, +zicsr\n"
                     "csrr  t0, mepc\n"
                     "la    t1, semihosting_ebreak\n"
                     "beq   t0, t1, 1f\n"
                     "la    t1, mcycle_read\n"
                     "bne   t0, t1, 2f\n"
                     "1:\n"
                     "addi  t0, t0, 4\n"
                     "csrw  mepc, t0\n"
                     "li    a0, -1\n"
                     "mret\n"
                     "2:\n"
                     "csrr  a0, mcause\n"
                     "mv    a1, t0\n"
                     "csrr  a2, mtval\n"
                     "mv    a3, ra\n"
                     "mv    a4, sp\n"
                     "la    sp, ld_stack_top\n"
                     ".option pop\n"
                     "tail  %0\n"
                     :
                     : "i"(report));
}
