/* Counts instructions and processor clocks of the calls of chosen functions. Addresses are those of the program memory,
 * in bytes. */
#ifndef COUNT_H
#define COUNT_H

#include <stdbool.h>
#include <stdint.h>

/* Take an argument of the run: "out=PATH", "after=ADDRESS", "region=ADDRESS:CALLS". False if it is none of these. */
bool count_option(const char *argument);

/* Whether there is anything to count. */
bool count_is_wanted(void);

/* Room for a program memory, in which a return address has `return_bytes`; false if there is none. */
bool count_begin(uint32_t flash_bytes, uint32_t return_bytes);

/* An instruction of `size` bytes at `address` has run and taken `clocks`; `next` is where the program goes on.
 * Before it the stack pointer was `stack`, behind it `new_stack`. */
void count_instruction(uint32_t address, uint32_t size, uint32_t clocks, uint32_t next, uint32_t stack,
                       uint32_t new_stack);

/* Write what was counted, if it was asked for. False if that failed.
 *   call REGION INSTRUCTIONS CLOCKS
 *   block REGION ADDRESS BYTES 1 EXECUTED TAKEN     an instruction; taken: another than the one behind it came next
 *   end OPEN                                        last; 1 if the run ended within a call */
bool count_end(void);

#endif
