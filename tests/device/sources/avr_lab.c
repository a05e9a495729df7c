/* A firmware for AVR that does what its first argument says; the tests know what must come of it. */
#include "port.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

static int initialised[3] = {11, -22, 33};
static int zeroed[3];

static void print_number(const char *label, uint32_t number)
{
    char text[12];
    uint8_t position = 11;

    text[position] = '\0';
    do {
        text[--position] = (char)('0' + (uint8_t)(number % 10u));
        number /= 10u;
    } while (number != 0u);
    port_print(label);
    port_print(&text[position]);
    port_print("\n");
}

/* input.bin -> output.bin, every byte inverted. */
static int invert_file(void)
{
    static uint8_t piece[300];
    int32_t size;
    const int from = port_open_read("input.bin");
    const int to = port_open_write("output.bin");

    if ((from < 0) || (to < 0)) {
        return 3;
    }
    do {
        size = port_read(from, piece, sizeof piece);
        for (int16_t index = 0; index < size; index++) {
            piece[index] = (uint8_t)~piece[index];
        }
        if ((size < 0) || (port_write(to, piece, (uint32_t)size) != size)) {
            return 4;
        }
    } while (size == (int32_t)sizeof piece);
    port_close(from);
    port_close(to);
    return 0;
}

static int count_open_escapes(void)
{
    return (port_open_read("../secret.txt") >= 0) + (port_open_write("../written.txt") >= 0) +
           (port_open_read("/etc/hostname") >= 0) + (port_open_read("link.txt") >= 0) + (port_open_read(".") >= 0) +
           (port_open_write("link.txt") >= 0) + (port_read(5, initialised, 1) >= 0) + (port_open_read("pipe") >= 0);
}

/* 4 clocks a turn. */
__attribute__((noinline)) void spin(uint16_t turns);
__attribute__((noinline)) void spin(uint16_t turns)
{
    __asm__ volatile("1: sbiw %0, 1\n\tbrne 1b" : "+w"(turns));
}

__attribute__((noinline)) void time_spins(void);
__attribute__((noinline)) void time_spins(void)
{
    uint32_t start = port_ticks(); /* of the clock, too: it does not interrupt the first 2^16 clocks */
    uint32_t of_short;
    uint32_t of_long;

    spin(500u);
    of_short = port_ticks_since(start);
    start = port_ticks();
    spin(10500u);
    of_long = port_ticks_since(start);
    print_number("short ", of_short);
    print_number("long ", of_long);
}

__attribute__((noinline)) static void use_stack(void)
{
    volatile uint8_t room[200];

    for (uint8_t index = 0; index < 200u; index++) {
        room[index] = index;
    }
    (void)room[0];
}

static void measure_stack(void)
{
    uint32_t nothing;

    port_stack_paint();
    nothing = port_stack_used();
    port_stack_paint();
    use_stack();
    print_number("used ", port_stack_used());
    print_number("nothing ", nothing);
}

__attribute__((noinline)) static int overflow_stack(volatile int *deeper)
{
    volatile int room[50];

    room[0] = *deeper;
    return room[0] == 0 ? 0 : overflow_stack(room) + 1;
}

static int crash(char how)
{
    volatile int one = 1;
    void (*volatile nowhere)(void) = (void (*)(void))0x3000; /* behind the program */

    switch (how) {
    case 'n':
        nowhere();
        return 0;
    case 'o':
        return overflow_stack(&one);
    case 'z':
        cli();
        sleep_enable();
        sleep_cpu();
        return 0;
    case 'i':
        TIMSK0 = _BV(TOIE0);
        TCCR0B = _BV(CS00);
        sei();
        for (;;) {
        }
    default:
        return 1;
    }
}

int app_main(void)
{
    char arguments[64];
    const int length = port_arguments(arguments, sizeof arguments);

    switch (arguments[0]) {
    case 'p':
        port_print(arguments);
        print_number("\nlength ", (uint32_t)length);
        return 0;
    case 'e':
        return (arguments[1] - '0') * 10 + (arguments[2] - '0');
    case 'f':
        return invert_file();
    case 'q':
        return count_open_escapes();
    case 'd':
        return (initialised[0] == 11) && (initialised[2] == 33) && (zeroed[2] == 0) ? 0 : 1;
    case 'm':
        time_spins();
        measure_stack();
        return 0;
    case 'l':
        port_print("looping\n");
        for (;;) {
        }
    case 'c':
        return crash(arguments[1]);
    default:
        return 7;
    }
}
