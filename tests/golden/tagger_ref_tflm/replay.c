/* See replay.h. Files are little-endian.
 *   in:  "ELV1", sequences, time steps (uint32 each), then 2 bytes for each step
 *   out: for each step the state arrays and the output, then ticks of all steps and of all outputs (uint64 each) and
 *        the stack bytes of a step and of an output (uint32 each) */
#include "replay.h"

#include "port.h"

static uint64_t step_ticks;
static uint64_t output_ticks;

/* The file name behind `key` in the arguments, cut off at the next space; 0 if there is none. */
static const char *argument(char *arguments, const char *key)
{
    for (char *start = arguments; *start != '\0'; start++) {
        unsigned k = 0;
        while (key[k] != '\0' && start[k] == key[k]) {
            k++;
        }
        if (key[k] == '\0' && (start == arguments || start[-1] == ' ')) {
            return &start[k];
        }
    }
    return 0;
}

static void end_words(char *arguments)
{
    for (; *arguments != '\0'; arguments++) {
        if (*arguments == ' ') {
            *arguments = '\0';
        }
    }
}

/* Ticks since `start`, without those of asking. */
static uint32_t elapsed(uint32_t start, uint32_t overhead)
{
    const uint32_t ticks = port_ticks_since(start);
    return ticks > overhead ? ticks - overhead : 0u;
}

static void advance(tagger_2_3_t *network, const int8_t input[TAGGER_2_3_INPUT_SIZE], int8_t *output)
{
    uint32_t start = port_ticks();
    const uint32_t overhead = port_ticks_since(start);
    start = port_ticks();
    tagger_2_3_step(network, input, output);
    step_ticks += elapsed(start, overhead);
}

static int write_step(int file, const tagger_2_3_t *network, const int8_t *output)
{
    int complete = 1;
    complete &= port_write(file, network->lstm_hidden, sizeof network->lstm_hidden) == (int32_t)sizeof network->lstm_hidden;
    complete &= port_write(file, network->lstm_cell, sizeof network->lstm_cell) == (int32_t)sizeof network->lstm_cell;
    complete &= port_write(file, output, TAGGER_2_3_OUTPUT_SIZE) == TAGGER_2_3_OUTPUT_SIZE;
    return complete;
}

static int write_costs(int file, tagger_2_3_t *network, const int8_t input[TAGGER_2_3_INPUT_SIZE], int8_t *output)
{
    uint32_t stack_bytes[2] = {0, 0};
    port_stack_paint();
    tagger_2_3_step(network, input, output);
    stack_bytes[0] = port_stack_used();
    return port_write(file, &step_ticks, sizeof step_ticks) == (int32_t)sizeof step_ticks &&
           port_write(file, &output_ticks, sizeof output_ticks) == (int32_t)sizeof output_ticks &&
           port_write(file, stack_bytes, sizeof stack_bytes) == (int32_t)sizeof stack_bytes;
}

int replay(tagger_2_3_t *network)
{
    char arguments[128];
    if (port_arguments(arguments, sizeof arguments) < 0) {
        return 0;
    }
    const char *in = argument(arguments, "in=");
    const char *out = argument(arguments, "out=");
    if (in == 0 || out == 0) {
        return 0;
    }
    end_words(arguments);
    const int source = port_open_read(in);
    const int result = port_open_write(out);
    uint32_t header[3];
    if (source < 0 || result < 0 || port_read(source, header, sizeof header) != (int32_t)sizeof header ||
        header[0] != 0x31564C45u) {
        port_print("replay: cannot open the vectors\n");
        return 2;
    }

    int8_t input[TAGGER_2_3_INPUT_SIZE];
    int8_t output[TAGGER_2_3_OUTPUT_SIZE];
    for (uint32_t sequence = 0; sequence < header[1]; sequence++) {
        tagger_2_3_reset(network);
        for (uint32_t t = 0; t < header[2]; t++) {
            if (port_read(source, input, sizeof input) != (int32_t)sizeof input) {
                port_print("replay: the vectors end early\n");
                return 3;
            }
            advance(network, input, output);
            if (!write_step(result, network, output)) {
                port_print("replay: cannot write the results\n");
                return 4;
            }
        }
    }
    const int written = write_costs(result, network, input, output);
    port_close(result);
    return written ? 0 : 4;
}
