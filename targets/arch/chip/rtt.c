/*
 * Text for a debug probe where no host answers semihosting: the block that probes look for in RAM ("SEGGER RTT" in the
 * J-Link manual UM08001, chapter RTT), with one channel up and none down. Text stays until a probe has taken it; one
 * that finds no room is dropped whole, so that the first report of a firmware is there whenever a probe comes.
 */
#include <stdint.h>

void rtt_write(const char *text);

enum { BUFFER_BYTES = 128 }; /* a power of two: the smallest cores cannot divide */
enum { DROP_WHAT_HAS_NO_ROOM = 0 };

typedef struct {
    const char *name;
    volatile char *buffer;
    uint32_t size;
    uint32_t write;
    uint32_t read; /* moved by the probe */
    uint32_t mode;
} channel_t;

static volatile char buffer[BUFFER_BYTES];
static volatile struct {
    char id[16];
    int32_t up_count;
    int32_t down_count;
    channel_t up;
} block;

/* The name comes last and backwards: a probe that reads meanwhile must not find half a block. */
static void announce(void)
{
    static const char id[16] = "SEGGER RTT";

    block.up_count = 1;
    block.up.name = "Terminal";
    block.up.buffer = buffer;
    block.up.size = BUFFER_BYTES;
    block.up.mode = DROP_WHAT_HAS_NO_ROOM;
    for (int index = 15; index >= 0; index--) {
        block.id[index] = id[index];
    }
}

void rtt_write(const char *text)
{
    uint32_t write, room;
    uint32_t length = 0u;

    if (block.id[0] == '\0') {
        announce();
    }
    while (text[length] != '\0') {
        length++;
    }
    write = block.up.write;
    room = (block.up.read - write - 1u) % BUFFER_BYTES;
    if (length > room) {
        return;
    }
    for (; *text != '\0'; text++) {
        buffer[write] = *text;
        write = (write + 1u) % BUFFER_BYTES;
    }
    block.up.write = write;
}
