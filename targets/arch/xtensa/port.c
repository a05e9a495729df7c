/*
 * port.h for Xtensa: files, text and arguments through SIMCALL ("Xtensa Instruction Set Architecture Reference Manual",
 * 4.3.16), with the numbers that its simulators share. Where none answers, which a chip does not, opening, reading and
 * writing fail, and text goes to UART0 at the speed that the ROM has set.
 */
#include "port.h"

enum {
    SYS_EXIT = 1,
    SYS_READ = 3,
    SYS_WRITE = 4,
    SYS_OPEN = 5,
    SYS_CLOSE = 6,
    SYS_ARGC = 1000,
    SYS_ARGV_SIZE = 1001,
    SYS_ARGV = 1002
};

/* To write, create and truncate: as newlib has it, and as Linux. QEMU before 8 takes the number of its own host. */
enum { OPEN_READ = 0, OPEN_WRITE = 0x601, OPEN_WRITE_LINUX = 0x241 };
enum { STANDARD_OUTPUT = 1, MODE = 0644, ARGUMENTS_BYTES = 256 };
enum { UART_FIFO_LIMIT = 126 }; /* of 128 bytes */

#define UART0_FIFO (*(volatile uint32_t *)0x60000000u)
#define UART0_STATUS (*(volatile uint32_t *)0x6000001Cu)

int32_t simulator_request(uint32_t number, uint32_t first, uint32_t second, uint32_t third);

/*
 * Arguments and result are in the registers of the calling convention. A chip takes the instruction for nothing, or for
 * an illegal one, which fault.c answers with -1.
 */
__asm__(".section .text.simulator_request, \"ax\"\n"
        ".global simulator_request\n"
        ".global simulator_simcall\n"
        ".type   simulator_request, @function\n"
        ".align  4\n"
        "simulator_request:\n"
        "simulator_simcall:\n"
        "simcall\n"
        "ret\n"
        ".size   simulator_request, . - simulator_request\n"
        ".text\n");

static uint32_t text_length(const char *text)
{
    uint32_t length = 0u;

    while (text[length] != '\0') {
        length++;
    }
    return length;
}

static uint32_t address_of(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

/* Repeats a request that moves a part of the buffer at a time. */
static int32_t transfer(uint32_t number, int file, uint32_t buffer, uint32_t size)
{
    uint32_t done = 0u;

    if (port_has_host() == 0) {
        return -1;
    }
    while (done < size) {
        const int32_t moved = simulator_request(number, (uint32_t)file, buffer + done, size - done);

        if ((moved < 0) || ((uint32_t)moved > size - done)) {
            return -1;
        }
        if (moved == 0) {
            break;
        }
        done += (uint32_t)moved;
    }
    return (int32_t)done;
}

static int open_file(const char *path, uint32_t flags)
{
    return port_has_host() != 0 ? (int)simulator_request(SYS_OPEN, address_of(path), flags, MODE) : -1;
}

/* Where SIMCALL does nothing, the number of the request comes back. */
int port_has_host(void)
{
    static enum { UNKNOWN, PRESENT, ABSENT } host;

    if (host == UNKNOWN) {
        const int32_t arguments = simulator_request(SYS_ARGC, 0u, 0u, 0u);

        host = (arguments >= 0) && (arguments != SYS_ARGC) ? PRESENT : ABSENT;
    }
    return host == PRESENT;
}

int port_open_read(const char *path)
{
    return open_file(path, OPEN_READ);
}

int port_open_write(const char *path)
{
    const int file = open_file(path, OPEN_WRITE);

    return file >= 0 ? file : open_file(path, OPEN_WRITE_LINUX);
}

int32_t port_read(int file, void *buffer, uint32_t size)
{
    return transfer(SYS_READ, file, address_of(buffer), size);
}

int32_t port_write(int file, const void *buffer, uint32_t size)
{
    return transfer(SYS_WRITE, file, address_of(buffer), size);
}

void port_close(int file)
{
    if (port_has_host() != 0) {
        (void)simulator_request(SYS_CLOSE, (uint32_t)file, 0u, 0u);
    }
}

void port_print(const char *text)
{
    if (port_has_host() != 0) {
        (void)transfer(SYS_WRITE, STANDARD_OUTPUT, address_of(text), text_length(text));
        return;
    }
    for (; *text != '\0'; text++) {
        while ((UART0_STATUS >> 16 & 0xFFu) >= UART_FIFO_LIMIT) {
        }
        UART0_FIFO = (uint8_t)*text;
    }
}

/* The host writes a pointer for each argument, a zero, and the texts behind them. */
int port_arguments(char *buffer, uint32_t size)
{
    char given[ARGUMENTS_BYTES];
    uint32_t length = 0u;
    int32_t skipped;
    int32_t needed;

    if (size == 0u) {
        return -1;
    }
    buffer[0] = '\0';
    if (port_has_host() == 0) {
        return -1;
    }
    skipped = 4 * (simulator_request(SYS_ARGC, 0u, 0u, 0u) + 1);
    needed = simulator_request(SYS_ARGV_SIZE, 0u, 0u, 0u);
    if ((needed <= skipped) || (needed > ARGUMENTS_BYTES) || ((uint32_t)(needed - skipped) > size)) {
        return -1;
    }
    (void)simulator_request(SYS_ARGV, address_of(given), 0u, 0u);
    for (int32_t from = skipped; from < needed; from++) {
        buffer[length++] = (char)(given[from] == '\0' ? ' ' : given[from]);
    }
    buffer[--length] = '\0';
    return (int)length;
}

void port_exit(int code)
{
    (void)simulator_request(SYS_EXIT, (uint32_t)code, 0u, 0u);
    for (;;) {
    }
}
