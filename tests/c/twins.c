/* Runs library functions on arguments from vectors.bin and writes what they return to results.bin.
 *
 * vectors.bin is a row of records of int32: function, count, 0, 0, then three arrays of `count` arguments. The numbers
 * of the functions are those of twin_cases.py. */
#include "edgelstm_activations.h"
#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"
#include "edgelstm_mean.h"
#include "edgelstm_reciprocal_root.h"
#include "edgelstm_softmax.h"
#include "edgelstm_window.h"
#include "port.h"

enum { MOST_ARGUMENTS = 65536 };

enum function {
    SATURATE8,
    SATURATE16,
    CLAMP,
    HIGH_MULTIPLY,
    ROUNDING_SHIFT,
    ROUNDING_PRODUCT,
    REQUANTIZE,
    REQUANTIZE_ONCE,
    SIGMOID,
    TANH,
    EXPONENTIAL,
    RECIPROCAL,
    LEADING_ZEROS,
    LARGER8,
    DIVIDED_MULTIPLIER,
    DIVIDED_SHIFT,
    EVEN_MANTISSA,
    HALF_ZEROS,
    RECIPROCAL_ROOT
};

static int32_t arguments[3][MOST_ARGUMENTS];
static int32_t results[MOST_ARGUMENTS];

static int32_t even_mantissa(int32_t high, int32_t low, int wants_mantissa)
{
    unsigned half_zeros;
    const uint32_t mantissa = el_even_mantissa(((uint64_t)(uint32_t)high << 32) | (uint32_t)low, &half_zeros);
    return (int32_t)(wants_mantissa ? mantissa : half_zeros);
}

static int32_t divided(int32_t multiplier, int32_t shift, int32_t count, int wants_multiplier)
{
    int left = shift;
    el_divide_multiplier(&multiplier, &left, (uint32_t)count);
    return wants_multiplier ? multiplier : left;
}

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
    case ROUNDING_PRODUCT:
        return el_rounding_product(a, b, (unsigned)c);
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
    case LEADING_ZEROS:
        return (int32_t)el_leading_zeros((uint32_t)a);
    case LARGER8:
        return el_larger8(a, b);
    case DIVIDED_MULTIPLIER:
        return divided(a, b, c, 1);
    case DIVIDED_SHIFT:
        return divided(a, b, c, 0);
    case EVEN_MANTISSA:
        return even_mantissa(a, b, 1);
    case HALF_ZEROS:
        return even_mantissa(a, b, 0);
    default:
        return el_reciprocal_root((uint32_t)a);
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

int app_main(void)
{
    const int input = port_open_read("vectors.bin");
    const int output = port_open_write("results.bin");
    int32_t header[4];
    int good = input >= 0 && output >= 0;
    while (good && port_read(input, header, sizeof header) == (int32_t)sizeof header) {
        good = elementwise(input, output, header[0], header[1]);
    }
    port_close(input);
    port_close(output);
    return good ? 0 : 1;
}
