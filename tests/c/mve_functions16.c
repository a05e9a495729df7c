/* Runs the MVE functions of int16 layers on arguments from vectors.bin and writes what they leave to results.bin.
 *
 * vectors.bin is a row of records: int32 function, count and columns or bits, then what the function below reads.
 * Arrays that must end exactly are written out with the guard behind them. */
#include "edgelstm_mve_lstm16.h"
#include "edgelstm_mve_squash16.h"
#include "port.h"

enum { MOST_VALUES = 65536, MOST_ROWS = 136, MOST_COLUMNS = 320, GUARD = 16, GUARD_VALUE = 0x5A };

enum function { ROWS16, SIGMOID16, TANH16, GATE_INPUTS16, CELL16, HIDDEN16 };

static int input, output;
static int32_t sums[2][2 * MOST_ROWS];
static int16_t values[4][MOST_VALUES + 8];

static int take(void *to, uint32_t size)
{
    return port_read(input, to, size) == (int32_t)size;
}

static int give(const void *from, uint32_t size)
{
    return port_write(output, from, size) == (int32_t)size;
}

static void guard(void *end)
{
    for (uint32_t k = 0; k < GUARD; k++) {
        ((uint8_t *)end)[k] = GUARD_VALUE;
    }
}

/* The stream and the values; to each sum in 64 and in 32 bits. */
static int rows(uint32_t count, uint32_t columns)
{
    static uint32_t weights[MOST_ROWS * (MOST_COLUMNS / 4 + 2)];
    static int8_t bytes[2 * MOST_COLUMNS];
    const uint32_t stored_rows = (count + 3u) / 4u * 4u;
    const uint32_t words = stored_rows * (2u + (columns + 15u) / 16u * 4u);
    if (!take(weights, 4u * words) || !take(values[0], 2u * columns)) {
        return 0;
    }
    guard(&sums[0][2u * stored_rows]);
    el_mve_split16(bytes, values[0], columns);
    if (el_mve_rows16(sums[0], weights, bytes, columns, count) != &weights[words]) {
        return 0;
    }
    for (uint32_t row = 0; row < count; row++) {
        const int64_t both[2] = {el_mve_long_sum16(&sums[0][2u * row]), el_mve_sum16(&sums[0][2u * row])};
        if (!give(both, sizeof both)) {
            return 0;
        }
    }
    return give(&sums[0][2u * stored_rows], GUARD);
}

/* Values; to values. */
static int squashed(uint32_t function, uint32_t count, uint32_t bits)
{
    if (!take(values[0], 2u * count)) {
        return 0;
    }
    guard(&values[0][count]);
    if (function == SIGMOID16) {
        el_mve_sigmoid16(values[0], count);
    } else {
        el_mve_tanh16(values[0], count, bits);
    }
    return give(values[0], 2u * count + GUARD);
}

/* The gate's factors, the parts of both sums; to z. */
static int gate_inputs(uint32_t units)
{
    el_mve_gate16 gate;
    if (!take(&gate, sizeof gate) || !take(sums[0], 8u * units) || !take(sums[1], 8u * units)) {
        return 0;
    }
    return el_mve_gate_inputs16(values[0], sums[0], sums[1], &gate, units) == &values[0][units] &&
           give(values[0], 2u * units);
}

/* Mantissa, shift and the rest of the layer; cell, candidate, input gate, forget gate to cell and candidate, or tanh of
 * the cell and output gate to hidden. */
static int state(uint32_t function, uint32_t units)
{
    int32_t facts[6];
    if (!take(facts, sizeof facts)) {
        return 0;
    }
    for (uint32_t k = 0; k < (function == CELL16 ? 4u : 2u); k++) {
        if (!take(values[k], 2u * units)) {
            return 0;
        }
    }
    const el_mve_lstm16 layer = {EL_MVE_MULTIPLIER(facts[0], facts[1]), facts[2], facts[3], facts[4], facts[5]};
    if (function == CELL16) {
        guard(&values[0][units]);
        el_mve_cell16(values[0], values[1], values[2], values[3], &layer, units);
        return give(values[0], 2u * units + GUARD) && give(values[1], 2u * units);
    }
    guard(&values[2][units]);
    el_mve_hidden16(values[2], values[0], values[1], &layer, units);
    return give(values[2], 2u * units + GUARD);
}

static int apply(uint32_t function, uint32_t count, uint32_t second)
{
    switch (function) {
    case ROWS16:
        return rows(count, second);
    case SIGMOID16:
    case TANH16:
        return squashed(function, count, second);
    case GATE_INPUTS16:
        return gate_inputs(count);
    default:
        return state(function, count);
    }
}

int app_main(void)
{
    uint32_t header[3];
    int good = 1;
    input = port_open_read("vectors.bin");
    output = port_open_write("results.bin");
    while (good && take(header, sizeof header)) {
        good = apply(header[0], header[1], header[2]);
    }
    port_close(input);
    port_close(output);
    return good ? 0 : 1;
}
