/* AVR knows no faults. An interrupt that nobody asked for is a bug, and reported as one. */
#include <avr/interrupt.h>

#include "port.h"

#define EXIT_FAULT 99

ISR(BADISR_vect)
{
    port_print("fault: an interrupt without a handler\n");
    port_exit(EXIT_FAULT);
}
