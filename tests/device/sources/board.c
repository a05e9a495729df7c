/* The least that shows a board working: text, arguments, initialised data, time, stack use, exit code, faults. */
#include "port.h"

static volatile int32_t initialised = 5;

int app_main(void)
{
    char arguments[32];
    const uint32_t start = port_ticks();

    port_stack_paint();
    (void)port_arguments(arguments, sizeof arguments);
    port_print(arguments);
    port_print("\n");
    if (arguments[0] == 'f') {
        __asm__ volatile("udf #0");
    }
    if ((port_ticks_since(start) == 0u) || (port_stack_used() == 0u)) {
        return 1;
    }
    return (int)initialised;
}
