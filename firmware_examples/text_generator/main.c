/* The firmware around text_generator: a self-test, then text, character by character. */
#include "text_generator.h"
#include "port.h"
#include "replay.h"

#define CHARACTERS 1000
#define SEED 2463534242u

/* As in data.py: a character's id is its place. */
static const char alphabet[TEXT_GENERATOR_VOCABULARY + 1] = " abcdefghijklmnopqrstuvwxyz,;:.?!'";

static const char beginning[] = "and it came to pass ";

static text_generator_t network;
static uint32_t random_state = SEED;

/* Marsaglia's xorshift: 32 bits, never 0. */
static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static int16_t id_of(char character)
{
    int16_t id = 0;
    while (alphabet[id] != character) {
        id++;
    }
    return id;
}

/* How likely a character is chosen: its probability, 256ths above -128, squared, which is sampling at a temperature of
 * 1/2. What is less likely than 1/512 is never chosen. */
static uint32_t odds(int8_t output)
{
    const uint32_t probability = (uint32_t)(output + 128);
    return probability * probability;
}

static int16_t sample(const int8_t output[TEXT_GENERATOR_OUTPUT_SIZE])
{
    uint32_t total = 0;
    for (int k = 0; k < TEXT_GENERATOR_OUTPUT_SIZE; k++) {
        total += odds(output[k]);
    }
    uint32_t left = next_random() % total;
    int16_t id = 0;
    while (left >= odds(output[id])) {
        left -= odds(output[id]);
        id++;
    }
    return id;
}

static void print_id(int16_t id)
{
    const char text[2] = {alphabet[id], '\0'};
    port_print(text);
}

static void write_text(void)
{
    int8_t output[TEXT_GENERATOR_OUTPUT_SIZE];
    text_generator_reset(&network);
    for (unsigned k = 0; beginning[k] != '\0'; k++) {
        const int16_t id = id_of(beginning[k]);
        text_generator_step(&network, &id, output);
        print_id(id);
    }
    for (int k = 0; k < CHARACTERS; k++) {
        const int16_t id = sample(output);
        text_generator_step(&network, &id, output);
        print_id(id);
    }
    port_print("\n");
}

/* Whether the host asks for a replay: `edgelstm verify` names its files "in=..." and "out=...". */
static bool replay_is_wanted(void)
{
    char arguments[128];
    if (port_arguments(arguments, sizeof arguments) < 0) {
        return false;
    }
    for (const char *text = arguments; *text != '\0'; text++) {
        if (text[0] == 'i' && text[1] == 'n' && text[2] == '=') {
            return true;
        }
    }
    return false;
}

int app_main(void)
{
    const bool passed = text_generator_selftest(&network);
    port_print(passed ? "selftest passed\n" : "selftest failed\n");
    if (replay_is_wanted()) {
        const int result = replay(&network);
        return passed ? result : 1;
    }
    if (passed) {
        write_text();
    }
    return passed ? 0 : 1;
}
