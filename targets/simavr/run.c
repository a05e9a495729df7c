/*
 * Runs an AVR firmware in simavr. Arguments:
 *   MCU CLOCK_HZ STACK_LIMIT ARGUMENTS [out=PATH after=ADDRESS region=ADDRESS:CALLS ...]
 * STACK_LIMIT is the first address of data memory that the stack may use, ARGUMENTS what the firmware is told, joined
 * by blanks; the rest is explained in count.h. Standard input is the content of program memory, from address 0.
 *
 * It ends with the firmware's exit code, or EXIT_FAULT: the stack left its room, the program ran out of its memory, or
 * it went to sleep for ever. Whoever starts it sets a time limit.
 */
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>
#include <simavr/sim_cycle_timers.h>
#include <simavr/sim_irq.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "host.h"

enum { EXIT_FAULT = 99, EXIT_USAGE = 125, ARGUMENTS_FIRST = 5 };
enum { CALLS_FIRST = 0x940C, CALLS_MASK = 0xFE0C, ACCESS_FIRST = 0x9000, ACCESS_MASK = 0xFC0F };

/* A byte with start and stop bit at the highest speed of the serial line, a bit in 8 clocks. */
enum { CLOCKS_PER_BYTE = 80 };

static const char *arguments;
static bool may_send;
static bool may_have_reply;
static int exit_code = RUNNING;
static avr_uart_t *serial_line;

static void be_silent(avr_t *avr, const int level, const char *format, va_list values)
{
    (void)avr, (void)level, (void)format, (void)values;
}

static void do_not_wait(avr_t *avr, avr_cycle_count_t cycles)
{
    (void)avr, (void)cycles;
}

static void on_output(avr_irq_t *irq, uint32_t value, void *data)
{
    (void)irq, (void)data;
    if (serial_line != NULL) {
        serial_line->cycles_per_byte = CLOCKS_PER_BYTE; /* only waiting becomes shorter */
    }
    host_take((uint8_t)value, arguments);
    may_have_reply = true;
    exit_code = host_exit_code();
}

static void on_room(avr_irq_t *irq, uint32_t value, void *data)
{
    (void)irq, (void)value;
    may_send = data != NULL;
}

static avr_irq_t *connect_serial_line(avr_t *avr)
{
    const uint32_t serial = AVR_IOCTL_UART_GETIRQ('0');
    uint32_t flags = 0;

    for (avr_io_t *port = avr->io_port; port != NULL; port = port->next) {
        if (strcmp(port->kind, "uart") == 0 && ((avr_uart_t *)port)->name == '0') {
            serial_line = (avr_uart_t *)port;
        }
    }
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(avr, serial, UART_IRQ_OUTPUT), on_output, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, serial, UART_IRQ_OUT_XON), on_room, &may_send);
    avr_irq_register_notify(avr_io_getirq(avr, serial, UART_IRQ_OUT_XOFF), on_room, NULL);
    return avr_io_getirq(avr, serial, UART_IRQ_INPUT);
}

static uint32_t stack_of(const avr_t *avr)
{
    return avr->data[R_SPL] | (uint32_t)avr->data[R_SPH] << 8;
}

/* JMP and CALL, LDS and STS have 4 bytes ("AVR Instruction Set Manual", Microchip DS40002198). */
static uint32_t size_of(const avr_t *avr, uint32_t address)
{
    const unsigned opcode = avr->flash[address] | (unsigned)avr->flash[address + 1] << 8;

    return (opcode & CALLS_MASK) == CALLS_FIRST || (opcode & ACCESS_MASK) == ACCESS_FIRST ? 4 : 2;
}

static int fault(const avr_t *avr, const char *what, uint32_t address)
{
    (void)fflush(stdout);
    (void)printf("fault: %s pc 0x%08lx sp 0x%04lx\n", what, (unsigned long)address, (unsigned long)stack_of(avr));
    return EXIT_FAULT;
}

/* One instruction, as avr_run() does it, which looks at all timers and interrupts each time: most often nothing is due.
 */
static int step(avr_t *avr)
{
    if (avr->state != cpu_Running || avr->gdb != NULL || avr->interrupt_state != 0) {
        return avr_run(avr);
    }
    avr->pc = avr_run_one(avr);
    const avr_cycle_timer_slot_t *next = avr->cycle_timers.timer;
    if (next != NULL && next->when <= avr->cycle) {
        (void)avr_cycle_timer_process(avr);
    }
    if (avr->interrupt_state != 0) {
        avr_service_interrupts(avr);
    }
    return avr->state;
}

/* The same, counted. */
static int counted_step(avr_t *avr)
{
    const uint32_t address = avr->pc;
    const uint32_t stack = stack_of(avr);
    const avr_cycle_count_t cycle = avr->cycle;
    const int state = step(avr);

    count_instruction(address, size_of(avr, address), (uint32_t)(avr->cycle - cycle), avr->pc, stack, stack_of(avr));
    return state;
}

static void reply(avr_irq_t *input)
{
    uint8_t byte;

    may_have_reply = host_give(&byte);
    if (may_have_reply) {
        avr_raise_irq(input, byte);
    }
}

static int run(avr_t *avr, uint32_t stack_limit, uint32_t code_end)
{
    avr_irq_t *input = connect_serial_line(avr);
    const bool counts = count_is_wanted();
    bool has_stack = false; /* start-up sets it before anything uses it */

    for (;;) {
        const uint32_t address = avr->pc;

        if (address >= code_end) {
            return fault(avr, "the program left its memory", address);
        }
        if (may_send && may_have_reply) {
            reply(input);
        }
        const int state = counts ? counted_step(avr) : step(avr);
        const uint32_t stack = stack_of(avr);
        has_stack = has_stack || stack == avr->ramend;
        if (exit_code != RUNNING) {
            return exit_code;
        }
        if (has_stack && stack + 1 < stack_limit) {
            return fault(avr, "stack overflow", address);
        }
        if (state == cpu_Done || state == cpu_Crashed) {
            return fault(avr, state == cpu_Done ? "asleep without interrupts" : "crash", address);
        }
    }
}

int main(int count, char **argument)
{
    if (count < ARGUMENTS_FIRST) {
        return EXIT_USAGE;
    }
    for (int index = ARGUMENTS_FIRST; index < count; index++) {
        if (!count_option(argument[index])) {
            fprintf(stderr, "%s is no option\n", argument[index]);
            return EXIT_USAGE;
        }
    }
    avr_global_logger_set(be_silent);
    avr_t *avr = avr_make_mcu_by_name(argument[1]);
    if (avr == NULL) {
        fprintf(stderr, "simavr does not know %s\n", argument[1]);
        return EXIT_USAGE;
    }
    avr_init(avr);
    avr->frequency = (uint32_t)strtoul(argument[2], NULL, 0);
    avr->sleep = do_not_wait;
    avr->codeend = avr->flashend;
    arguments = argument[4];
    const size_t code_bytes = fread(avr->flash, 1, (size_t)avr->flashend + 1, stdin);
    if (getchar() != EOF || !count_begin(avr->flashend + 1, avr->address_size)) {
        fprintf(stderr, "the program is too large for %s\n", argument[1]);
        return EXIT_USAGE;
    }
    const int result = run(avr, (uint32_t)strtoul(argument[3], NULL, 0), (uint32_t)code_bytes);
    return count_end() ? result : EXIT_USAGE;
}
