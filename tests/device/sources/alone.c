/* Runs without a host: tells what it saw on the serial port of the MPS2 board, then resets the board. */
#include "port.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CONTROL REGISTER(0x40004008u)
#define UART_DIVIDER REGISTER(0x40004010u)
#define AIRCR REGISTER(0xE000ED0Cu)

static void put(const char *text)
{
    for (; *text != '\0'; text++) {
        while ((UART_STATE & 1u) != 0u) {
        }
        UART_DATA = (uint32_t)*text;
    }
}

int app_main(void)
{
    char buffer[8] = "abc";

    UART_DIVIDER = 16u;
    UART_CONTROL = 1u;
    put(port_has_host() == 0 ? "no host\n" : "host\n");
    port_print("dropped\n");
    put(port_open_read("input.bin") == -1 ? "open failed\n" : "opened\n");
    put(port_open_write("output.bin") == -1 ? "open failed\n" : "opened\n");
    put(port_read(1, buffer, 4u) == -1 ? "read failed\n" : "read\n");
    put(port_write(1, buffer, 4u) == -1 ? "write failed\n" : "written\n");
    put((port_arguments(buffer, sizeof buffer) == -1) && (buffer[0] == '\0') ? "no arguments\n" : "arguments\n");
    put("still here\n");
    AIRCR = 0x05FA0004u;
    for (;;) {
    }
}
