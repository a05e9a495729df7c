/* Runs without a host, and prints numbered lines for ever. */
#include "port.h"

int app_main(void)
{
    char line[] = "tick 00000\n";

    port_print("selftest passed\n");
    for (;;) {
        for (int digit = 9; (digit > 4) && (++line[digit] > '9'); digit--) {
            line[digit] = '0';
        }
        port_print(line);
        for (volatile int pause = 0; pause < 20000; pause++) {
        }
    }
}
