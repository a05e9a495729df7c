/* The firmware around tagger_2_3: a self-test, then one result for each sample of your sensor. Yours to change. */
#include "tagger_2_3.h"
#include "port.h"
#include "replay.h"

static tagger_2_3_t network;

/* Put the next sample into `input` and return true; return false while there is none.
 * A real value becomes an input by real / TAGGER_2_3_INPUT_SCALE + TAGGER_2_3_INPUT_ZERO_POINT, rounded and clamped to int8.
 * The firmware has no C library: no math.h, no printf. */
static bool read_sensor(int8_t input[TAGGER_2_3_INPUT_SIZE])
{
    (void)input;
    return false;
}

/* Act on a result: real = TAGGER_2_3_OUTPUT_SCALE * (output - TAGGER_2_3_OUTPUT_ZERO_POINT). */
static void use_result(const int8_t output[TAGGER_2_3_OUTPUT_SIZE])
{
    (void)output;
}

int app_main(void)
{
    const bool passed = tagger_2_3_selftest(&network);
    port_print(passed ? "selftest passed\n" : "selftest failed\n");
    if (port_has_host() != 0) {
        const int result = replay(&network); /* under a debugger or emulator: run the vectors it names, if any, and end */
        return passed ? result : 1;
    }
    if (!passed) {
        return 1;
    }

    /* A sequence begins. The network was measured on sequences of 4 steps: reset it where yours end. What
     * becomes of a stream that never ends, `edgelstm drift` tells. */
    tagger_2_3_reset(&network);
    for (;;) {
        int8_t input[TAGGER_2_3_INPUT_SIZE];
        int8_t output[TAGGER_2_3_OUTPUT_SIZE];
        if (read_sensor(input)) {
            tagger_2_3_step(&network, input, output);
            use_result(output);
        }
    }
}
