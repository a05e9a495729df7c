/* Vector table and reset for every Cortex-M (Armv6-M to Armv8.1-M). Needs no CMSIS and no C library. */
#include <stdint.h>

#include "port.h"

/* Addresses from link.ld. */
extern uint32_t ld_stack_top[];
extern const uint32_t ld_data_load[];
extern uint32_t ld_data_start[], ld_data_end[];
extern uint32_t ld_bss_start[], ld_bss_end[];

void reset_handler(void);
void fault_handler(void);

typedef union {
    void (*handler)(void);
    uint32_t *initial_stack;
} vector_t;

/*
 * Core exceptions only: device interrupts stay disabled. All of them are there although only two are meant to be
 * taken, because a wild write can raise any and all shall end in a report. Reserved entries are zero: the boot ROM of
 * some chips (NXP's LPC55) takes them for the header of a signed image.
 */
__attribute__((section(".vectors"), used)) const vector_t vectors[16] = {
    [0] = {.initial_stack = ld_stack_top}, /* loaded before Reset */
    [1] = {.handler = reset_handler},      /* Reset */
    [2] = {.handler = fault_handler},      /* NMI */
    [3] = {.handler = fault_handler},      /* HardFault */
    [4] = {.handler = fault_handler},      /* MemManage */
    [5] = {.handler = fault_handler},      /* BusFault */
    [6] = {.handler = fault_handler},      /* UsageFault */
    [7] = {.handler = fault_handler},      /* SecureFault */
    [11] = {.handler = fault_handler},     /* SVCall */
    [12] = {.handler = fault_handler},     /* DebugMonitor */
    [14] = {.handler = fault_handler},     /* PendSV */
    [15] = {.handler = fault_handler},     /* SysTick */
};

/* System Control Space, Armv7-M Architecture Reference Manual B3.2.2 and B3.3.2. Armv6-M ignores writes to VTOR. */
#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

__attribute__((noreturn, used)) static void start(void)
{
    const uint32_t *load = ld_data_load;

    /* A boot loader or a debugger may have started us with its own table in place. */
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= 0xFu << 20; /* full access to the FPU and MVE, CP10 and CP11 */
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    for (uint32_t *word = ld_data_start; word < ld_data_end; word++) {
        *word = *load++;
    }
    for (uint32_t *word = ld_bss_start; word < ld_bss_end; word++) {
        *word = 0u;
    }

    SYST_RVR = 0x00FFFFFFu;
    SYST_CVR = 0u;
    SYST_CSR = 5u; /* processor clock, no interrupt, enabled */

    port_exit(app_main());
    for (;;) {
    }
}

/* Naked: nothing may touch the stack before it is set, and a debugger that loads a program sets only the PC. */
__attribute__((naked, noreturn)) void reset_handler(void)
{
    __asm__ volatile(".syntax unified\n"
                     "ldr r0, =ld_stack_top\n"
                     "mov sp, r0\n"
                     "bl %c0\n"
                     ".pool\n"
                     :
                     : "i"(start));
}
