/* Compares runtime.c, compiled with the prefix `port_` before its names, with the C library of this computer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *port_memcpy(void *restrict to, const void *restrict from, size_t size);
void *port_memmove(void *to, const void *from, size_t size);
void *port_memset(void *to, int value, size_t size);
int port_memcmp(const void *left, const void *right, size_t size);

enum { SIZE = 96 };

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void fill(uint8_t bytes[SIZE])
{
    for (int index = 0; index < SIZE; index++) {
        bytes[index] = (uint8_t)rand();
    }
}

int main(void)
{
    for (size_t size = 0; size <= 40; size++) {
        for (size_t to = 0; to < 12; to++) {
            for (size_t from = 0; from < 12; from++) {
                uint8_t source[SIZE], expected[SIZE], actual[SIZE];

                fill(source);
                fill(expected);
                memcpy(actual, expected, SIZE);
                memcpy(expected + to, source + from, size);
                if ((port_memcpy(actual + to, source + from, size) != actual + to) || memcmp(actual, expected, SIZE)) {
                    return 1;
                }
                memmove(expected + to, expected + from, size);
                if ((port_memmove(actual + to, actual + from, size) != actual + to) || memcmp(actual, expected, SIZE)) {
                    return 2;
                }
                memset(expected + to, (int)(from * 300), size);
                if ((port_memset(actual + to, (int)(from * 300), size) != actual + to) ||
                    memcmp(actual, expected, SIZE)) {
                    return 3;
                }
                actual[to] ^= (uint8_t)(rand() & 1);
                if (sign(port_memcmp(actual + to, expected + to, size)) !=
                    sign(memcmp(actual + to, expected + to, size))) {
                    return 4;
                }
            }
        }
    }
    return 0;
}
