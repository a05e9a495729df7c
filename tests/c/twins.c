/* Runs library functions on arguments from vectors.bin and writes what they return to results.bin.
 *
 * vectors.bin is a row of records of int32: function, count, columns, offset, then for an elementwise function three
 * arrays of `count` arguments; for WIDEN_AND_DOT packed weights (count rows, bytes), values (columns bytes) and
 * `count` biases. The numbers of the functions are those of twin_cases.py. */
#include "edgelstm_activations.h"
#include "edgelstm_fixedpoint.h"
#include "edgelstm_softmax.h"
#include "port.h"

enum { MOST_ARGUMENTS = 65536, MOST_ROWS = 16, MOST_COLUMNS = 40, SENTINEL = 0x5A5A };

enum function {
    SATURATE8,
    SATURATE16,
    CLAMP,
    HIGH_MULTIPLY,
    ROUNDING_SHIFT,
    REQUANTIZE,
    REQUANTIZE_ONCE,
    SIGMOID,
    TANH,
    EXPONENTIAL,
    RECIPROCAL,
    LEADING_ZEROS,
    WIDEN_AND_DOT
};

static int32_t arguments[3][MOST_ARGUMENTS];
static int32_t results[MOST_ARGUMENTS];

static int32_t apply(int32_t function, int32_t a, int32_t b, int32_t c)
{
    switch (function) {
    case SATURATE8:
        return el_saturate8(a);
    case SATURATE16:
        return el_saturate16(a);
    case CLAMP:
        return el_clamp(a, b, c);
    case HIGH_MULTIPLY:
        return el_high_multiply(a, b);
    case ROUNDING_SHIFT:
        return el_rounding_shift(a, (unsigned)b);
    case REQUANTIZE:
        return el_requantize(a, b, c);
    case REQUANTIZE_ONCE:
        return el_requantize_once(a, b, c);
    case SIGMOID:
        return el_sigmoid(a);
    case TANH:
        return el_tanh(a, (unsigned)b);
    case EXPONENTIAL:
        return el_exponential_q26(a);
    case RECIPROCAL:
        return el_reciprocal_q31(a);
    default:
        return (int32_t)el_leading_zeros((uint32_t)a);
    }
}

static int elementwise(int input, int output, int32_t function, int32_t count)
{
    const int32_t size = count * (int32_t)sizeof(int32_t);
    for (unsigned k = 0; k < 3u; k++) {
        if (port_read(input, arguments[k], (uint32_t)size) != size) {
            return 0;
        }
    }
    for (int32_t k = 0; k < count; k++) {
        results[k] = apply(function, arguments[0][k], arguments[1][k], arguments[2][k]);
    }
    return port_write(output, results, (uint32_t)size) == size;
}

/* As the generated layers do it: groups of four rows, then single ones. The values start `offset` bytes behind an
 * aligned address; the sentinels show whether el_widen writes too far. */
static int widen_and_dot(int input, int output, int32_t rows, int32_t columns, int32_t offset)
{
    static EL_ALIGNED int8_t weights[MOST_ROWS * MOST_COLUMNS];
    static EL_ALIGNED int8_t narrow[MOST_COLUMNS + 4];
    static EL_ALIGNED int16_t wide[MOST_COLUMNS + 4];
    static int32_t sums[MOST_ROWS];
    const int32_t padded = (columns + 3) / 4 * 4;
    const int32_t bias_size = rows * (int32_t)sizeof(int32_t);
    int32_t row = 0;

    if (port_read(input, weights, (uint32_t)(rows * padded)) != rows * padded ||
        port_read(input, narrow + offset, (uint32_t)columns) != columns ||
        port_read(input, sums, (uint32_t)bias_size) != bias_size) {
        return 0;
    }
    for (unsigned k = 0; k < MOST_COLUMNS + 4u; k++) {
        wide[k] = SENTINEL;
    }
    el_widen(wide, narrow + offset, (unsigned)columns);
    for (; row + 4 <= rows; row += 4) {
        el_dot4(&sums[row], &weights[padded * row], wide, (unsigned)padded);
    }
    for (; row < rows; row++) {
        sums[row] = el_dot1(sums[row], &weights[padded * row], wide, (unsigned)padded);
    }
    return port_write(output, wide, sizeof wide) == (int32_t)sizeof wide &&
           port_write(output, sums, (uint32_t)bias_size) == bias_size;
}

int app_main(void)
{
    const int input = port_open_read("vectors.bin");
    const int output = port_open_write("results.bin");
    int32_t header[4];
    int good = input >= 0 && output >= 0;
    while (good && port_read(input, header, sizeof header) == (int32_t)sizeof header) {
        good = header[0] == WIDEN_AND_DOT ? widen_and_dot(input, output, header[1], header[2], header[3])
                                          : elementwise(input, output, header[0], header[1]);
    }
    port_close(input);
    port_close(output);
    return good ? 0 : 1;
}
