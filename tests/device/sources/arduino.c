/* An Arduino: simavr with a boot loader behind a pseudo terminal. Arguments: MCU CLOCK_HZ BOOT_LOADER_HEX LINK
 *
 * LINK becomes a link to the terminal. The board gets its power with the first byte that arrives, as opening a serial
 * port resets a real one, and never runs faster than real time. What the program behind the boot loader sends is shown
 * on standard output, too. It ends by itself after LIMIT_S seconds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_hex.h>
#include <simavr/sim_irq.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_S = 60, MCUSR = 0x54, EXTERNAL_RESET = 2, POLL_CYCLES = 4000 };

static int terminal;
static int may_send = 1;
static int shows;

static void be_silent(avr_t *avr, const int level, const char *format, va_list values)
{
    (void)avr, (void)level, (void)format, (void)values;
}

static void on_output(avr_irq_t *irq, uint32_t value, void *data)
{
    const char byte = (char)value;

    (void)irq, (void)data;
    if (write(terminal, &byte, 1) == 1 && shows) {
        (void)putchar(byte);
        (void)fflush(stdout);
    }
}

static void on_room(avr_irq_t *irq, uint32_t value, void *data)
{
    (void)irq, (void)value;
    may_send = data != NULL;
}

static void do_not_wait(avr_t *avr, avr_cycle_count_t cycles)
{
    (void)avr, (void)cycles;
}

static avr_irq_t *connect_serial_line(avr_t *avr)
{
    const uint32_t serial = AVR_IOCTL_UART_GETIRQ('0');
    uint32_t flags = 0;

    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(avr, serial, UART_IRQ_OUTPUT), on_output, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, serial, UART_IRQ_OUT_XON), on_room, &may_send);
    avr_irq_register_notify(avr_io_getirq(avr, serial, UART_IRQ_OUT_XOFF), on_room, NULL);
    return avr_io_getirq(avr, serial, UART_IRQ_INPUT);
}

static int open_terminal(const char *link)
{
    int other;
    char name[128];
    struct termios settings;

    if (openpty(&terminal, &other, name, NULL, NULL) != 0 || tcgetattr(other, &settings) != 0) {
        return 0;
    }
    cfmakeraw(&settings);
    return tcsetattr(other, TCSANOW, &settings) == 0 && symlink(name, link) == 0;
}

static void keep_pace(const avr_t *avr, const struct timespec *begin)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double passed = (double)(now.tv_sec - begin->tv_sec) + 1e-9 * (double)(now.tv_nsec - begin->tv_nsec);
    const double ahead = (double)avr->cycle / avr->frequency - passed;

    if (ahead > 0.002) {
        usleep((useconds_t)(1e6 * ahead));
    }
}

static void run(avr_t *avr, uint32_t loader)
{
    avr_irq_t *input = connect_serial_line(avr);
    uint8_t bytes[256];
    ssize_t count = read(terminal, bytes, sizeof bytes); /* waits: no power yet */
    ssize_t sent = 0;
    avr_cycle_count_t next_poll = 0;
    struct timespec begin;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    fcntl(terminal, F_SETFL, O_NONBLOCK);
    for (int state = cpu_Running; state != cpu_Done && state != cpu_Crashed; state = avr_run(avr)) {
        if (avr->cycle >= next_poll) {
            next_poll = avr->cycle + POLL_CYCLES;
            keep_pace(avr, &begin);
            if (sent >= count) {
                count = read(terminal, bytes, sizeof bytes);
                sent = 0;
            }
        }
        if (may_send && sent < count) {
            avr_raise_irq(input, bytes[sent++]);
        }
        shows = avr->pc < loader;
    }
}

int main(int count, char **argument)
{
    ihex_chunk_p chunks = NULL;
    const int chunks_count = count == 5 ? read_ihex_chunks(argument[3], &chunks) : 0;
    avr_t *avr = chunks_count <= 0 ? NULL : avr_make_mcu_by_name(argument[1]);

    avr_global_logger_set(be_silent);
    if (avr == NULL || avr_init(avr) != 0 || !open_terminal(argument[4])) {
        return 2;
    }
    uint32_t loader = avr->flashend;
    for (int index = 0; index < chunks_count; index++) {
        if (chunks[index].baseaddr + chunks[index].size > avr->flashend + 1) {
            fprintf(stderr, "%s is larger than the flash\n", argument[3]);
            return 3;
        }
        loader = chunks[index].baseaddr < loader ? chunks[index].baseaddr : loader;
        memcpy(&avr->flash[chunks[index].baseaddr], chunks[index].data, chunks[index].size);
    }
    alarm(LIMIT_S);
    avr->frequency = (uint32_t)strtoul(argument[2], NULL, 0);
    avr->sleep = do_not_wait;
    avr->pc = avr->reset_pc = loader; /* as its fuses have it */
    avr->codeend = avr->flashend;
    avr->data[MCUSR] |= EXTERNAL_RESET; /* else optiboot goes on at once */
    run(avr, loader);
    return 0;
}
