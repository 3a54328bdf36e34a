/*
 * Box-Muller: a uniform number gives the radius of a point in the plane and another one its angle; its coordinates are
 * two normal numbers. Numbers come in groups, the first half of which are the x of HALF points, the second half the y.
 *
 * The loops have constant lengths and no branches: the compiler makes vector code of them. It must not contract
 * a * b + c into one rounding (-ffp-contract=off), or the numbers would depend on the processor.
 */
#include "normal.h"

#include <math.h>
#include <string.h>

enum { HALF = 64, GROUP = 2 * HALF };

uint64_t random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9); /* the output function of SplitMix64 */
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* sqrt(-2 ln u) of u = (k + 1/2) / 2^31, 0 <= k < 2^31. */
static float radius_of(int32_t k)
{
    const float x = (float)k + 0.5f, ln_2 = 0.693147180559945f;
    /* x = 2^e (1 + f), and 1 + f from sqrt(1/2) to sqrt(2), whose bits are 0x3f3504f3 and one exponent more. */
    const uint32_t bits = float_bits(x) - 0x3f3504f3u;
    const float e = (float)((int32_t)bits >> 23);
    const float f = bits_float((bits & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
    /* ln(1 + f) = f - f^2 / 2 + f^3 p(f), within 4e-8 of it */
    const float p = 0.333339107f +
                    f * (-0.250013370f +
                         f * (0.199630638f +
                              f * (-0.165775847f + f * (0.149147682f + f * (-0.142674868f + f * 0.0870043453f)))));
    const float ln = f - f * f * (0.5f - f * p);
    return sqrtf(2.0f * ((31.0f - e) * ln_2 - ln));
}

/* Cosine and sine of angle / 2^32 turns: within an eighth of a turn by polynomials, then some quarters further. */
static void point_of(uint32_t angle, float radius, float *x, float *y)
{
    const uint32_t quarters = (angle + 0x20000000u) >> 30;
    const float a = (float)(int32_t)(angle - (quarters << 30)) * 1.46291807927e-9f, z = a * a; /* radians: pi / 2^31 */
    const float sine = a * (1.0f + z * (-0.166666507f + z * (0.00833203688f + z * -0.000195040220f)));
    const float cosine = 1.0f + z * (-0.499998567f + z * (0.0416550269f + z * -0.00135859085f));
    /* An odd quarter swaps the two; x is negative in quarters 1 and 2, y in 2 and 3. */
    const uint32_t swap = 0u - (quarters & 1u), s = float_bits(sine * radius), c = float_bits(cosine * radius);
    *x = bits_float(((c & ~swap) | (s & swap)) ^ (((quarters + 1u) & 2u) << 30));
    *y = bits_float(((s & ~swap) | (c & swap)) ^ ((quarters & 2u) << 30));
}

static void draw_group(uint64_t stream, uint64_t group, float deviation, float *out)
{
    int32_t k[HALF];
    uint32_t angle[HALF];
    const uint64_t step = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio, odd */
    const uint64_t start = random_mix(stream) + step * (group * HALF);
    for (uint32_t i = 0; i < HALF; i++) {
        const uint64_t bits = random_mix(start + step * (i + 1));
        k[i] = (int32_t)(bits >> 33);
        angle[i] = (uint32_t)bits;
    }
    float radius[HALF];
    for (uint32_t i = 0; i < HALF; i++) radius[i] = deviation * radius_of(k[i]);
    for (uint32_t i = 0; i < HALF; i++) point_of(angle[i], radius[i], &out[i], &out[HALF + i]);
}

void normal_draw(uint64_t stream, uint64_t index, uint64_t n, float deviation, float *out)
{
    float group[GROUP];
    while (n > 0) {
        const uint64_t skip = index % GROUP, m = GROUP - skip < n ? GROUP - skip : n;
        if (m == GROUP) {
            draw_group(stream, index / GROUP, deviation, out);
        } else {
            draw_group(stream, index / GROUP, deviation, group);
            memcpy(out, group + skip, (size_t)m * sizeof *out);
        }
        index += m;
        out += m;
        n -= m;
    }
}
