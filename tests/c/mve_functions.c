/* Runs the MVE functions on arguments from vectors.bin and writes what they leave to results.bin.
 *
 * vectors.bin is a row of records: int32 function, count, columns and offset, then what the function below reads.
 * Arrays that must end exactly are written out with the guard behind them. */
#include "edgelstm_mve_activations.h"
#include "edgelstm_mve_hard_sigmoid.h"
#include "edgelstm_mve_lstm.h"
#include "edgelstm_mve_recurrent.h"
#include "port.h"

enum { MOST_VALUES = 65536, MOST_ROWS = 136, MOST_COLUMNS = 320, GUARD = 8, GUARD_VALUE = 0x5A };

enum function {
    ROWS,
    SIGMOID,
    TANH,
    HARD_SIGMOID,
    GATE_INPUTS,
    CELL,
    HIDDEN,
    NARROW_PART,
    ADD_PART,
    GATE_VALUES,
    ADD_GATED,
    CARRY,
    TO_HIDDEN,
    RELU
};

static int input, output;
static int32_t sums[2][MOST_ROWS];
static int16_t values[4][MOST_VALUES + GUARD];
static int8_t bytes[MOST_VALUES + GUARD];

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

/* The first arrays of values. */
static int take_values(uint32_t arrays, uint32_t count)
{
    for (uint32_t k = 0; k < arrays; k++) {
        if (!take(values[k], 2u * count)) {
            return 0;
        }
    }
    return 1;
}

/* Weights, values; to sums. */
static int rows(uint32_t count, uint32_t columns, uint32_t offset)
{
    static uint32_t weights[MOST_ROWS * (MOST_COLUMNS / 4 + 1)];
    static int8_t vector[MOST_COLUMNS];
    const uint32_t stored_rows = (count + 3u) / 4u * 4u;
    const uint32_t words = stored_rows * (1u + (columns + 15u) / 16u * 4u);
    if (!take(weights, 4u * words) || !take(vector + offset, columns)) {
        return 0;
    }
    guard(&sums[0][stored_rows], 4u * GUARD);
    if (el_mve_rows(sums[0], weights, vector + offset, columns, count) != &weights[words]) {
        return 0;
    }
    return give(sums[0], 4u * count) && give(&sums[0][stored_rows], 4u * GUARD);
}

/* Values; to values. */
static int activation(uint32_t function, uint32_t count, uint32_t bits_or_factor)
{
    if (!take(values[0], 2u * count)) {
        return 0;
    }
    guard(&values[0][count], 2u * GUARD);
    if (function == SIGMOID) {
        el_mve_sigmoid(values[0], count);
    } else if (function == HARD_SIGMOID) {
        el_mve_hard_sigmoid(values[0], count, (int32_t)bits_or_factor);
    } else {
        el_mve_tanh(values[0], count, bits_or_factor);
    }
    return give(values[0], 2u * (count + GUARD));
}

/* Mantissas and shifts of both parts, both sums; to z. */
static int gate_inputs(uint32_t units, uint32_t hidden_fits)
{
    int32_t factors[4];
    if (!take(factors, sizeof factors) || !take(sums[0], 4u * units) || !take(sums[1], 4u * units)) {
        return 0;
    }
    const el_mve_gate gate = {EL_MVE_MULTIPLIER(factors[0], factors[1]), EL_MVE_MULTIPLIER(factors[2], factors[3])};
    const int16_t *end = el_mve_gate_inputs(values[0], sums[0], sums[1], &gate, units, (uint32_t)gate.input.left,
                                            (uint32_t)gate.recurrent.left, hidden_fits);
    if (end != &values[0][units]) {
        return 0;
    }
    return give(values[0], 2u * units);
}

/* Mantissa, shift and the rest of the layer; cell, candidate, input gate, forget gate to cell and candidate, or tanh of
 * the cell and output gate to hidden. */
static int state(uint32_t function, uint32_t units)
{
    int32_t facts[7];
    if (!take(facts, sizeof facts) || !take_values(function == CELL ? 4u : 2u, units)) {
        return 0;
    }
    const el_mve_lstm layer = {EL_MVE_MULTIPLIER(facts[0], facts[1]), facts[2], facts[3], facts[4], facts[5], facts[6]};
    guard(&values[0][units], 2u * GUARD);
    guard(&bytes[units], GUARD);
    if (function == CELL) {
        el_mve_cell(values[0], values[1], values[2], values[3], &layer, units);
        return give(values[0], 2u * (units + GUARD)) && give(values[1], 2u * units);
    }
    el_mve_hidden(bytes, values[0], values[1], &layer, units);
    return give(bytes, units + GUARD);
}

/* The multipliers of a matrix, its sums, and another's sums with the same multipliers, or gate and values with the
 * shift of their product; to z. */
static int part(uint32_t function, uint32_t units, uint32_t shift)
{
    static int32_t scales[MOST_ROWS];
    const uint32_t count = 3u + (units + 7u) / 8u * 8u;
    if (!take(scales, 4u * count) || !take(sums[0], 4u * units)) {
        return 0;
    }
    const int32_t *end = &scales[count];
    if (function == NARROW_PART) {
        end = el_mve_narrow_part(values[0], sums[0], scales, units);
    } else if (el_mve_part(sums[0], sums[0], scales, units) != end) {
        return 0;
    } else if (function == ADD_PART) {
        if (!take(sums[1], 4u * units)) {
            return 0;
        }
        end = el_mve_add_part(values[0], sums[0], sums[1], scales, units);
    } else {
        if (!take_values(2u, units)) {
            return 0;
        }
        el_mve_add_gated(values[2], sums[0], values[0], values[1], shift, units);
        return give(values[2], 2u * units);
    }
    return end == &scales[count] && give(values[0], 2u * units);
}

/* Gate and values, or carried, candidate and update; to the first, and to the candidate. */
static int carried(uint32_t function, uint32_t units)
{
    if (!take_values(function == GATE_VALUES ? 2u : 3u, units)) {
        return 0;
    }
    guard(&values[0][units], 2u * GUARD);
    if (function == GATE_VALUES) {
        el_mve_gate_values(values[0], values[1], units);
    } else {
        el_mve_carry(values[0], values[1], values[2], units);
    }
    return give(values[0], 2u * (units + GUARD)) && (function != CARRY || give(values[1], 2u * units));
}

/* Mantissa, shift and zero point; values to bytes. */
static int output_bytes(uint32_t function, uint32_t units)
{
    int32_t facts[3];
    if (!take(facts, sizeof facts) || !take_values(1u, units)) {
        return 0;
    }
    const el_mve_hidden_scale scale = {EL_MVE_MULTIPLIER(facts[0], facts[1]), facts[2]};
    guard(&bytes[units], GUARD);
    if (function == TO_HIDDEN) {
        el_mve_to_hidden(bytes, values[0], &scale, units);
    } else {
        el_mve_relu(bytes, values[0], facts[2], units);
    }
    return give(bytes, units + GUARD);
}

static int apply(uint32_t function, uint32_t count, uint32_t columns, uint32_t offset)
{
    switch (function) {
    case ROWS:
        return rows(count, columns, offset);
    case SIGMOID:
    case TANH:
    case HARD_SIGMOID:
        return activation(function, count, columns);
    case GATE_INPUTS:
        return gate_inputs(count, columns);
    case CELL:
    case HIDDEN:
        return state(function, count);
    case NARROW_PART:
    case ADD_PART:
    case ADD_GATED:
        return part(function, count, columns);
    case TO_HIDDEN:
    case RELU:
        return output_bytes(function, count);
    default:
        return carried(function, count);
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
