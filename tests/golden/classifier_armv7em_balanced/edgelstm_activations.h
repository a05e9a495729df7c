/* Sigmoid and tanh of the `litert` contract, bit for bit LiteRT's (gemmlowp) int16 functions, in closed form.
 *
 * Both are K(z) = 1 / (1 + exp(-z)) for z > 0 in Q1.14: sigmoid = 2K, tanh(z / 2) = 4K - 2 (as Q0.15: 4K - 32768).
 * Each was compared with the definition on all 65,536 inputs when edgelstm was tested.
 * exp(-z) on [0, 1) comes from a table of 1024 bytes.
 */
#ifndef EDGELSTM_ACTIVATIONS_H
#define EDGELSTM_ACTIVATIONS_H

#include "edgelstm_fixedpoint.h"

/* Rounded Q0.15 product; the operands are small enough never to saturate. */
static inline int32_t el_round_multiply(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}

/* exp(-z), Q0.15, where `index` = z - 1 in steps of 2^(exponent_bits - 15); exponent_bits 1..7. */
static inline int32_t el_exponential(uint32_t index, unsigned exponent_bits)
{
    const unsigned quarter_bits = 13u - exponent_bits;
    const int32_t quarter = (int32_t)(1u << quarter_bits);
    const int32_t in_quarter = (int32_t)(index & (uint32_t)(quarter - 1));
    /* -z modulo 1/4, seen from the middle of the quarter: u in [-1/8, 1/8) in Q0.15. */
    const int32_t u = (quarter / 2 - 1 - in_quarter) * (int32_t)(1u << exponent_bits);
    const int32_t u2 = el_round_multiply(u, u);
    const int32_t u3 = el_round_multiply(u2, u);
    const int32_t u4 = (u2 * u2 + 81920) >> 17;                  /* u^4 / 4 */
    const int32_t series = el_round_multiply(u4 + u3, 10923) + u2; /* u^2 + u^3/3 + u^4/12 */
    int32_t result = 28918 + el_round_multiply(u + ((series + 1) >> 1), 28918); /* times exp(-1/8) */
    const uint32_t quarters = index >> quarter_bits;
    if ((quarters & 1u) != 0u) {
        result = el_round_multiply(result, 25520); /* exp(-1/4) */
    }
    if ((quarters & 2u) != 0u) {
        result = el_round_multiply(result, 19875); /* exp(-1/2) */
    }
    if ((quarters & 4u) != 0u) {
        result = el_round_multiply(result, 12055); /* exp(-1) */
    }
    if ((quarters & 8u) != 0u) {
        result = el_round_multiply(result, 4435); /* exp(-2) */
    }
    if ((quarters & 16u) != 0u) {
        result = el_round_multiply(result, 600); /* exp(-4) */
    }
    if ((quarters & 32u) != 0u) {
        result = el_round_multiply(result, 11); /* exp(-8) */
    }
    return quarters > 63u ? 0 : result;
}

/* 1 / (1 + e), Q1.14, for e in Q0.15, by three Newton steps. */
static inline int32_t el_reciprocal(int32_t e)
{
    const int32_t half = (e + 32768) >> 1;
    int32_t x = ((23130 << 15) + (1 << 14) - 15420 * half) >> 15;
    for (int step = 0; step < 3; step++) {
        const int32_t error = (half * x + (1 << 14) - (1 << 28)) >> 15;
        x += (((1 << 14) - x * error) >> 15) * 4;
    }
    return x;
}

/* K(z), Q1.14, for z > 0 in steps of 2^(exponent_bits - 15). */
static inline int32_t el_half_sigmoid(uint32_t magnitude, unsigned exponent_bits)
{
    return el_reciprocal(el_exponential(magnitude - 1u, exponent_bits));
}

/* exp(-(k + 1) / 4096), Q0.15, for k < 4096, in pieces of 32: base << 9 | slope, and one bit per k that the line
 * base - slope * k leaves over. */
static const uint32_t el_exponential_pieces[128] = {
    1073495550u, 1065145338u, 1056860152u, 1048622577u, 1040477167u, 1032380907u, 1024316389u, 1016362465u,
    1008465887u, 1000615901u, 992807893u, 985105877u, 977430481u, 969828814u, 962267080u, 954786758u,
    947354562u, 939985342u, 932677564u, 925421496u, 918225846u, 911047087u, 903972781u, 896939435u,
    889957799u, 883031971u, 876153247u, 869346205u, 862574489u, 855871383u, 849202067u, 842603409u,
    836055438u, 829550474u, 823089032u, 816691589u, 810334082u, 804026750u, 797746042u, 791544182u,
    785408374u, 779276658u, 773189484u, 767187819u, 761235818u, 755304295u, 749421411u, 743594337u,
    737812319u, 732062555u, 726370137u, 720720214u, 715122005u, 709543249u, 704023886u, 698544972u,
    693113674u, 687717703u, 682361668u, 677055810u, 671776574u, 666552124u, 661364538u, 656222008u,
    651114294u, 646040882u, 641028914u, 636023597u, 631075627u, 626188587u, 621269797u, 616457507u,
    611672867u, 606908705u, 602177821u, 597484315u, 592842009u, 588240153u, 583655189u, 579113747u,
    574622995u, 570128654u, 565708558u, 561294602u, 556928776u, 552590086u, 548308230u, 544042756u,
    539794689u, 535591166u, 531415804u, 527284474u, 523181816u, 519124728u, 515068660u, 511063794u,
    507104498u, 503150318u, 499248367u, 495340267u, 491500779u, 487682281u, 483863781u, 480102115u,
    476380387u, 472661217u, 468974813u, 465335517u, 461712091u, 458133211u, 454548183u, 451018967u,
    447509717u, 444029651u, 440571601u, 437154001u, 433742542u, 430360268u, 427011274u, 423681736u,
    420400840u, 417112772u, 413884614u, 410649282u, 407465666u, 404279487u, 401143998u, 398036670u,
};

static const uint32_t el_exponential_residuals[128] = {
    403279868u, 3821018172u, 4227592707u, 2415980414u, 1153994205u, 2473368429u, 2684409535u, 2818594175u,
    4205477919u, 4104131927u, 2454267062u, 4131389442u, 4257776119u, 1069342743u, 235077182u, 3229154847u,
    2155839743u, 1041203224u, 4290838016u, 1057982542u, 4212101488u, 370068461u, 1116861054u, 3219105411u,
    947857978u, 878754941u, 243964478u, 1424160590u, 3331102141u, 2811539651u, 4019725023u, 4046917230u,
    1579878812u, 637538416u, 3655062083u, 2469423048u, 3724264525u, 2472839459u, 3120943871u, 2726976894u,
    4271525955u, 2961196927u, 2521675519u, 3527718511u, 2978627942u, 1065014422u, 176290494u, 2150298909u,
    1434288298u, 3020866237u, 2908846922u, 890685550u, 4214067537u, 917293544u, 319935574u, 426191523u,
    947227182u, 916575464u, 111022654u, 350484464u, 3469509913u, 47624431u, 3213140475u, 2017336894u,
    1014597580u, 567837818u, 3119314499u, 1255423u, 1224777727u, 2473368425u, 2684409535u, 2684365823u,
    4118708887u, 4095738623u, 3122464426u, 3043152879u, 2905096574u, 4156338309u, 3407933977u, 2422528286u,
    4152213520u, 839632511u, 2002377762u, 826739322u, 437163902u, 2996325157u, 1539436598u, 3377446913u,
    4278157344u, 3160445987u, 2766117119u, 249689662u, 1819047292u, 3214841865u, 2664569075u, 1628770030u,
    1025016914u, 33816696u, 2094694401u, 2468734971u, 4261094601u, 325503273u, 2316606315u, 2861586877u,
    2009766229u, 2728553407u, 2182421179u, 3797162667u, 965501782u, 796034050u, 1112132412u, 2494748250u,
    2524549323u, 3298287833u, 2440131170u, 2141161474u, 3087917425u, 1454951160u, 331437688u, 3242717123u,
    544582368u, 2102760u, 3354926593u, 14940158u, 4027352351u, 48234479u, 4286586883u, 1543372800u,
};

/* exp(-z), Q0.15, where `index` = z - 1 in steps of 2^-12. */
static inline int32_t el_exponential_q12(uint32_t index)
{
    const uint32_t piece = el_exponential_pieces[(index >> 5) & 127u];
    const uint32_t k = index & 31u;
    const uint32_t line = (piece >> 9) - (piece & 511u) * k;
    int32_t result = (int32_t)((line >> 6) + ((el_exponential_residuals[(index >> 5) & 127u] >> k) & 1u));
    const uint32_t ones = index >> 12;
    if (ones != 0u) {
        if ((ones & 1u) != 0u) {
            result = el_round_multiply(result, 12055); /* exp(-1) */
        }
        if ((ones & 2u) != 0u) {
            result = el_round_multiply(result, 4435); /* exp(-2) */
        }
        if ((ones & 4u) != 0u) {
            result = el_round_multiply(result, 600); /* exp(-4) */
        }
        if ((ones & 8u) != 0u) {
            result = el_round_multiply(result, 11); /* exp(-8) */
        }
        if (ones > 15u) {
            result = 0;
        }
    }
    return result;
}

/* K(z), Q1.14, for z > 0 in steps of 2^-12. */
static inline int32_t el_half_sigmoid_q12(uint32_t magnitude)
{
    return el_reciprocal(el_exponential_q12(magnitude - 1u));
}

/* Sigmoid of Q3.12, result Q0.15. */
static inline int32_t el_sigmoid(int32_t value)
{
    if (value == 0) {
        return 16384;
    }
    const uint32_t magnitude = (uint32_t)(value < 0 ? -value : value);
    const int32_t doubled = 2 * el_half_sigmoid_q12(magnitude);
    const int32_t result = doubled > 32767 ? 32767 : doubled;
    return value < 0 ? 32767 - result : result;
}

/* Hyperbolic tangent of Q(integer_bits).(15 - integer_bits), 0..6 integer bits, result Q0.15. */
static inline int32_t el_tanh(int32_t value, unsigned integer_bits)
{
    if (value == 0) {
        return 0;
    }
    const uint32_t magnitude = (uint32_t)(value < 0 ? -value : value);
    /* The table's step is that of 2 integer bits; fewer bits mean a finer step, for which there is the closed form. */
    const int32_t quadrupled = 4 * (integer_bits < 2u ? el_half_sigmoid(magnitude, integer_bits + 1u)
                                                      : el_half_sigmoid_q12(magnitude << (integer_bits - 2u)));
    const int32_t result = quadrupled > 65535 ? 32767 : quadrupled - 32768;
    return value < 0 ? -result : result;
}

#endif
