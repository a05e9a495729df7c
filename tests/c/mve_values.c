/* Runs the MVE functions of layers without rows of weights as mve_functions.c does the others. */
#include "edgelstm_mve_attention.h"
#include "edgelstm_mve_depthwise.h"
#include "edgelstm_mve_normalization.h"
#include "edgelstm_mve_softmax.h"
#include "port.h"

enum { MOST_VALUES = 2048, GUARD = 8, GUARD_VALUE = 0x5A };

enum function { DEPTHWISE, MOMENTS, NORMALIZE, SCORES, TO_BYTES, WEIGH, SOFTMAX, POWERS };

static int input, output;
static int32_t words[2][MOST_VALUES + GUARD];
static int16_t factors[MOST_VALUES];
static int8_t bytes[3][MOST_VALUES + GUARD];

static int take(void *to, uint32_t size)
{
    return port_read(input, to, size) == (int32_t)size;
}

static int give(const void *from, uint32_t size)
{
    return port_write(output, from, size) == (int32_t)size;
}

static void guard(void *end, uint32_t size)
{
    for (uint32_t k = 0; k < size; k++) {
        ((uint8_t *)end)[k] = GUARD_VALUE;
    }
}

/* Distances and the output's facts, weights, what is seen; to bytes. */
static int depthwise(uint32_t outputs, uint32_t rows, uint32_t taps)
{
    int32_t facts[6];
    if (!take(facts, sizeof facts) || !take(words[0], 4u * (uint32_t)facts[4]) || !take(bytes[1], (uint32_t)facts[5])) {
        return 0;
    }
    const el_mve_patch patch = {rows, (uint32_t)facts[0], taps, (uint32_t)facts[1], facts[2], facts[3]};
    guard(&bytes[0][outputs], GUARD);
    el_mve_depthwise(bytes[0], (const uint32_t *)words[0], bytes[1], outputs, &patch);
    return give(bytes[0], outputs + GUARD);
}

/* Values; to their sum and that of their squares. */
static int moments(uint32_t count)
{
    uint32_t found[2];
    if (!take(bytes[0], count)) {
        return 0;
    }
    guard(&bytes[0][count], GUARD);
    found[0] = (uint32_t)el_mve_moments(bytes[0], count, &found[1]);
    return give(found, sizeof found);
}

/* Sum, shift, root, mantissa, shift and zero point, beta, gamma, values; to bytes. */
static int normalize(uint32_t count)
{
    int32_t facts[6];
    if (!take(facts, sizeof facts) || !take(words[0], 4u * count) || !take(factors, 2u * count) ||
        !take(bytes[1], count)) {
        return 0;
    }
    const el_mve_normal normal = {facts[0], facts[1], facts[2], facts[4], facts[5], facts[3]};
    guard(&bytes[0][count], GUARD);
    el_mve_normalize(bytes[0], bytes[1], count, &normal, factors, words[0]);
    return give(bytes[0], count + GUARD);
}

/* Both zero points, keys, query; to sums. */
static int scores(uint32_t steps, uint32_t size)
{
    int32_t zero_points[2];
    if (!take(zero_points, sizeof zero_points) || !take(bytes[0], steps * size) || !take(bytes[1], size)) {
        return 0;
    }
    guard(&bytes[0][steps * size], GUARD);
    guard(&bytes[1][size], GUARD);
    guard(&words[0][steps], 4u * GUARD);
    el_mve_scores(words[0], bytes[0], bytes[1], steps, size, zero_points[0], zero_points[1]);
    return give(words[0], 4u * (steps + GUARD));
}

/* Mantissa, shift, zero point, sums; to bytes. */
static int to_bytes(uint32_t count)
{
    int32_t facts[3];
    if (!take(facts, sizeof facts) || !take(words[0], 4u * count)) {
        return 0;
    }
    const el_mve_multiplier multiplier = EL_MVE_MULTIPLIER(facts[0], facts[1]);
    guard(&bytes[0][count], GUARD);
    el_mve_to_bytes(bytes[0], words[0], count, &multiplier, facts[2]);
    return give(bytes[0], count + GUARD);
}

/* The zero point, weights, values; to sums. */
static int weigh(uint32_t steps, uint32_t size)
{
    int32_t zero_point;
    if (!take(&zero_point, sizeof zero_point) || !take(bytes[1], steps) || !take(bytes[0], steps * size)) {
        return 0;
    }
    guard(&words[0][size], 4u * GUARD);
    el_mve_weigh(words[0], bytes[1], bytes[0], steps, size, zero_point);
    return give(words[0], 4u * (size + GUARD));
}

/* Mantissa, shift, smallest difference, values; to bytes in the same array, or to exponentials and their sum. */
static int softmax(uint32_t function, uint32_t count)
{
    int32_t facts[3];
    if (!take(facts, sizeof facts) || !take(bytes[0], count)) {
        return 0;
    }
    const el_mve_exponent exponent = {facts[0], facts[1], facts[2]};
    guard(&bytes[0][count], GUARD);
    guard(&words[0][count], 4u * GUARD);
    if (function == POWERS) {
        const uint32_t total = el_mve_softmax_powers(words[0], bytes[0], count, &exponent);
        return give(words[0], 4u * (count + GUARD)) && give(&total, sizeof total);
    }
    el_mve_softmax(bytes[0], words[0], bytes[0], count, &exponent);
    return give(bytes[0], count + GUARD) && give(&words[0][count], GUARD);
}

static int apply(uint32_t function, uint32_t count, uint32_t second, uint32_t third)
{
    switch (function) {
    case DEPTHWISE:
        return depthwise(count, second, third);
    case MOMENTS:
        return moments(count);
    case NORMALIZE:
        return normalize(count);
    case SCORES:
        return scores(count, second);
    case TO_BYTES:
        return to_bytes(count);
    case WEIGH:
        return weigh(count, second);
    default:
        return softmax(function, count);
    }
}

int app_main(void)
{
    uint32_t header[4];
    int good = 1;
    input = port_open_read("vectors.bin");
    output = port_open_write("results.bin");
    while (good && take(header, sizeof header)) {
        good = apply(header[0], header[1], header[2], header[3]);
    }
    port_close(input);
    port_close(output);
    return good ? 0 : 1;
}
