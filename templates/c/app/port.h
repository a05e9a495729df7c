/*
 * What a firmware needs of its surroundings: files on the host, text, arguments, time and stack use.
 *
 * On a microcontroller the host is a debugger or an emulator that answers semihosting requests; on a PC it is the
 * operating system. An application is the same source on both. Without a host (a board running on its own) every
 * call below still returns: opening, reading and writing fail, text waits in RAM for a debug probe that reads RTT.
 */
#ifndef EDGELSTM_PORT_H
#define EDGELSTM_PORT_H

#include <stdint.h>

/* The application. The port calls it once; its result becomes the exit code of the run. */
int app_main(void);

/* 1 if a host answers, else 0. */
int port_has_host(void);

/* Open a file of the host, relative to the folder of the run. Returns a file number >= 0, or -1. */
int port_open_read(const char *path);
int port_open_write(const char *path);

/* Transfer up to `size` bytes. Returns the bytes transferred, fewer than `size` only at the end of the file; or -1. */
int32_t port_read(int file, void *buffer, uint32_t size);
int32_t port_write(int file, const void *buffer, uint32_t size);
void port_close(int file);

/* Show zero-terminated text to whoever watches the run. */
void port_print(const char *text);

/*
 * The arguments of the run, joined by single spaces and zero-terminated. Returns their length, or -1 with an empty
 * `buffer` if there is no host or `size` is too small.
 */
int port_arguments(char *buffer, uint32_t size);

/* End the run with an exit code. Does not return; without a host it waits for ever. */
void port_exit(int code);

/*
 * A free-running counter. Its unit is the port's own: processor clocks on a chip, a fixed number of instructions in
 * an emulator, always 0 on a PC. Only differences mean something, and only below 2^24.
 */
uint32_t port_ticks(void);
uint32_t port_ticks_since(uint32_t start);

/*
 * Stack use of the calls between the two functions, in bytes below the caller's own frame:
 *     port_stack_paint(); work(); bytes = port_stack_used();
 * Always 0 on a PC.
 */
void port_stack_paint(void);
uint32_t port_stack_used(void);

#endif
