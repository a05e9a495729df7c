/* The host's side of the requests in ../arch/avr/port.c. The firmware is not trusted: it reaches regular files of the
 * current folder alone, a few at a time, and writes no more than WRITTEN_LIMIT bytes. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RUNNING = -1 };

/* Take a byte from the firmware: text, which is shown, or part of a request. `arguments` are those of the run. */
void host_take(uint8_t byte, const char *arguments);

/* The next byte for the firmware; false if there is none. */
bool host_give(uint8_t *byte);

/* The exit code that the firmware asked for, or RUNNING. */
int host_exit_code(void);

#endif
