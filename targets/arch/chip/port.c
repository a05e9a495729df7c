/*
 * port.h for microcontrollers: files, text and arguments through semihosting ("Semihosting for AArch32 and AArch64",
 * Arm; RISC-V has the same requests). Where no host answers, fault.c answers every request with -1.
 */
#include "port.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_ERRNO = 0x13,
    SYS_GET_CMDLINE = 0x15,
    SYS_EXIT = 0x18,
    SYS_EXIT_EXTENDED = 0x20
};
enum { MODE_READ_BINARY = 1, MODE_WRITE_BINARY = 5 };
enum { ADP_RUN_TIME_ERROR = 0x20023, ADP_APPLICATION_EXIT = 0x20026 };

int32_t semihosting_request(uint32_t operation, const void *parameters); /* in fault.c of the architecture */
void rtt_write(const char *text);

static uint32_t text_length(const char *text)
{
    uint32_t length = 0u;

    while (text[length] != '\0') {
        length++;
    }
    return length;
}

static int open_file(const char *path, uint32_t mode)
{
    const uint32_t parameters[3] = {(uint32_t)(uintptr_t)path, mode, text_length(path)};

    return (int)semihosting_request(SYS_OPEN, parameters);
}

/* Repeats a request that moves a part of the buffer at a time, as hosts on a serial line or a pipe do. */
static int32_t transfer(uint32_t operation, int file, uint32_t buffer, uint32_t size)
{
    uint32_t done = 0u;

    while (done < size) {
        const uint32_t parameters[3] = {(uint32_t)file, buffer + done, size - done};
        const uint32_t left = (uint32_t)semihosting_request(operation, parameters);

        if (left > size - done) {
            return -1;
        }
        if (left == size - done) {
            break;
        }
        done = size - left;
    }
    return (int32_t)done;
}

/* Asked once: under a debugger that does not serve semihosting, each request stops the core. */
int port_has_host(void)
{
    static enum { UNKNOWN, PRESENT, ABSENT } host;

    if (host == UNKNOWN) {
        host = semihosting_request(SYS_ERRNO, 0) != -1 ? PRESENT : ABSENT; /* the one request no host may refuse */
    }
    return host == PRESENT;
}

int port_open_read(const char *path)
{
    return open_file(path, MODE_READ_BINARY);
}

int port_open_write(const char *path)
{
    return open_file(path, MODE_WRITE_BINARY);
}

int32_t port_read(int file, void *buffer, uint32_t size)
{
    return transfer(SYS_READ, file, (uint32_t)(uintptr_t)buffer, size);
}

int32_t port_write(int file, const void *buffer, uint32_t size)
{
    return transfer(SYS_WRITE, file, (uint32_t)(uintptr_t)buffer, size);
}

void port_close(int file)
{
    const uint32_t parameters[1] = {(uint32_t)file};

    (void)semihosting_request(SYS_CLOSE, parameters);
}

void port_print(const char *text)
{
    if (port_has_host() != 0) {
        (void)semihosting_request(SYS_WRITE0, text);
    } else {
        rtt_write(text);
    }
}

int port_arguments(char *buffer, uint32_t size)
{
    const uint32_t parameters[2] = {(uint32_t)(uintptr_t)buffer, size};

    if (size == 0u) {
        return -1;
    }
    buffer[0] = '\0';
    if (semihosting_request(SYS_GET_CMDLINE, parameters) != 0) {
        return -1;
    }
    return (int)text_length(buffer);
}

void port_exit(int code)
{
    const uint32_t parameters[2] = {ADP_APPLICATION_EXIT, (uint32_t)code};

    (void)semihosting_request(SYS_EXIT_EXTENDED, parameters);
    /* Older hosts know only success and failure. */
    (void)semihosting_request(SYS_EXIT,
                              (const void *)(uintptr_t)(code == 0 ? ADP_APPLICATION_EXIT : ADP_RUN_TIME_ERROR));
    for (;;) {
    }
}
