/* Reset and exception vectors for the LX106, which has neither register windows nor a second stack. */
#include <stdint.h>

#include "port.h"

/* Addresses from link.ld. */
extern uint32_t ld_bss_start[], ld_bss_end[];

void reset_handler(void);
void fault_handler(void);

__attribute__((noreturn, used)) static void start(void)
{
    for (uint32_t *word = ld_bss_start; word < ld_bss_end; word++) {
        *word = 0u;
    }
    port_exit(app_main());
    for (;;) {
    }
}

/*
 * The entry point: code and data are in memory, because the chip's ROM has loaded them, or an emulator. The ROM leaves
 * a watchdog behind that would reset the chip after some seconds; bit 0 of WDT_CTL turns it off.
 *
 * Exceptions are on once PS.EXCM is off; PS.UM sends all of them to one vector. Interrupts stay disabled.
 */
__asm__(".section .reset, \"ax\"\n"
        ".global reset_handler\n"
        ".type   reset_handler, @function\n"
        ".align  4\n"
        "reset_handler:\n"
        "movi    a0, vectors\n"
        "wsr     a0, vecbase\n"
        "movi    a0, 0x2F\n" /* PS: UM, INTLEVEL 15 */
        "wsr     a0, ps\n"
        "rsync\n"
        "movi    a2, 0x60000900\n" /* WDT_CTL */
        "memw\n"
        "l32i    a3, a2, 0\n"
        "movi    a4, -2\n"
        "and     a3, a3, a4\n"
        "s32i    a3, a2, 0\n"
        "memw\n"
        "movi    a1, ld_stack_top\n"
        "movi    a0, 0\n"
        "call0   start\n"
        ".size   reset_handler, . - reset_handler\n"
        ".text\n");

/* By their offsets from VECBASE: debug 0x10, NMI 0x20, kernel 0x30, user 0x50, double exception 0x70. */
__asm__(".section .vectors, \"ax\"\n"
        ".align  256\n"
        "vectors:\n"
        ".org    vectors + 0x10\n"
        "j       fault_handler\n"
        ".org    vectors + 0x20\n"
        "j       fault_handler\n"
        ".org    vectors + 0x30\n"
        "j       fault_handler\n"
        ".org    vectors + 0x50\n"
        "j       fault_handler\n"
        ".org    vectors + 0x70\n"
        "j       fault_handler\n"
        ".text\n");
