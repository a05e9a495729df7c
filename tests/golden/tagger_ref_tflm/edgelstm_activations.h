/* Sigmoid and tanh of the `tflm` contract, bit for bit TensorFlow Lite Micro's: a table with linear interpolation. */
#ifndef EDGELSTM_ACTIVATIONS_H
#define EDGELSTM_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"

/* sigmoid(k / 24), Q0.16. */
static const uint16_t el_sigmoid_table[256] = {
    32768u, 33451u, 34133u, 34813u, 35493u, 36169u, 36843u, 37513u, 38180u, 38841u, 39498u, 40149u, 40794u,
    41432u, 42064u, 42688u, 43304u, 43912u, 44511u, 45102u, 45683u, 46255u, 46817u, 47369u, 47911u, 48443u,
    48964u, 49475u, 49975u, 50464u, 50942u, 51409u, 51865u, 52311u, 52745u, 53169u, 53581u, 53983u, 54374u,
    54755u, 55125u, 55485u, 55834u, 56174u, 56503u, 56823u, 57133u, 57433u, 57724u, 58007u, 58280u, 58544u,
    58800u, 59048u, 59288u, 59519u, 59743u, 59959u, 60168u, 60370u, 60565u, 60753u, 60935u, 61110u, 61279u,
    61441u, 61599u, 61750u, 61896u, 62036u, 62172u, 62302u, 62428u, 62549u, 62666u, 62778u, 62886u, 62990u,
    63090u, 63186u, 63279u, 63368u, 63454u, 63536u, 63615u, 63691u, 63765u, 63835u, 63903u, 63968u, 64030u,
    64090u, 64148u, 64204u, 64257u, 64308u, 64357u, 64405u, 64450u, 64494u, 64536u, 64576u, 64614u, 64652u,
    64687u, 64721u, 64754u, 64786u, 64816u, 64845u, 64873u, 64900u, 64926u, 64950u, 64974u, 64997u, 65019u,
    65039u, 65060u, 65079u, 65097u, 65115u, 65132u, 65149u, 65164u, 65179u, 65194u, 65208u, 65221u, 65234u,
    65246u, 65258u, 65269u, 65280u, 65291u, 65301u, 65310u, 65319u, 65328u, 65337u, 65345u, 65352u, 65360u,
    65367u, 65374u, 65381u, 65387u, 65393u, 65399u, 65404u, 65410u, 65415u, 65420u, 65425u, 65429u, 65433u,
    65438u, 65442u, 65445u, 65449u, 65453u, 65456u, 65459u, 65462u, 65465u, 65468u, 65471u, 65474u, 65476u,
    65479u, 65481u, 65483u, 65485u, 65488u, 65489u, 65491u, 65493u, 65495u, 65497u, 65498u, 65500u, 65501u,
    65503u, 65504u, 65505u, 65507u, 65508u, 65509u, 65510u, 65511u, 65512u, 65513u, 65514u, 65515u, 65516u,
    65517u, 65517u, 65518u, 65519u, 65520u, 65520u, 65521u, 65522u, 65522u, 65523u, 65523u, 65524u, 65524u,
    65525u, 65525u, 65526u, 65526u, 65526u, 65527u, 65527u, 65528u, 65528u, 65528u, 65529u, 65529u, 65529u,
    65529u, 65530u, 65530u, 65530u, 65530u, 65531u, 65531u, 65531u, 65531u, 65531u, 65532u, 65532u, 65532u,
    65532u, 65532u, 65532u, 65533u, 65533u, 65533u, 65533u, 65533u, 65533u, 65533u, 65533u, 65534u, 65534u,
    65534u, 65534u, 65534u, 65534u, 65534u, 65534u, 65534u, 65534u, 65535u,
};

/* The table at magnitude / 2^bits, result Q0.(16 + bits). */
static inline int32_t el_interpolate(uint32_t magnitude, unsigned bits, int32_t beyond)
{
    const uint32_t index = magnitude >> bits;
    if (index >= 255u) {
        return beyond;
    }
    const uint32_t low = el_sigmoid_table[index];
    const uint32_t rise = el_sigmoid_table[index + 1u] - low;
    return (int32_t)((low << bits) + (magnitude & ((1u << bits) - 1u)) * rise);
}

/* Sigmoid of Q3.12, result Q0.15. */
static inline int32_t el_sigmoid(int32_t value)
{
    const int32_t scaled = 3 * value;
    if (scaled >= 0) {
        return (el_interpolate((uint32_t)scaled, 9u, 0x7FFF << 10) + 512) >> 10;
    }
    return ((1 << 25) - el_interpolate((uint32_t)-scaled, 9u, 0x7FFF << 10) + 511) >> 10;
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..6 integer bits, result Q0.15. */
static inline int32_t el_tanh(int32_t value, unsigned integer_bits)
{
    /* 3 << (integer_bits - 3), where a negative shift rounds. */
    const int32_t scaled = integer_bits >= 3u ? value * (int32_t)(3u << (integer_bits - 3u))
                                              : (3 * value + (int32_t)(1u << (2u - integer_bits))) >> (3u - integer_bits);
    if (scaled >= 0) {
        return (el_interpolate((uint32_t)scaled, 8u, 0xFFFF << 8) - (1 << 23) + 128) >> 8;
    }
    return ((1 << 23) - el_interpolate((uint32_t)-scaled, 8u, 0xFFFF << 8) + 127) >> 8;
}

#endif
