/* reference.h - element types and random numbers for the tests, by other ways than the library's. */
#ifndef TEST_REFERENCE_H
#define TEST_REFERENCE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <tilegraph/tile.h>

/* xorshift64*: 64 bits and never 0 for a state that is not 0. */
static inline uint64_t ref_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}

/* A number in [low, high]. */
static inline uint32_t ref_between(uint64_t *state, uint32_t low, uint32_t high)
{
    return low + (uint32_t)((ref_random(state) >> 11) % ((uint64_t)high - low + 1));
}

/* The value of a binary format with `exponent_bits` and `fraction_bits`, by the definition of IEEE 754. */
static inline double ref_value(uint32_t bits, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1, exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    double fraction = (double)(bits & ((1u << fraction_bits) - 1));
    bool negative = (bits >> (exponent_bits + fraction_bits)) & 1;
    double value;
    if (exponent == (1 << exponent_bits) - 1) value = fraction > 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0) value = ldexp(fraction, 1 - bias - fraction_bits);
    else value = ldexp(fraction + ldexp(1, fraction_bits), exponent - bias - fraction_bits);
    return negative ? -value : value;
}

/* The code of the number nearest to |value|, which is finite, on that format's grid, as if the grid never ended; ties
 * to even. */
static inline uint32_t ref_nearest(double value, int exponent_bits, int fraction_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1, exponent;
    (void)frexp(value, &exponent);                              /* 2^(exponent - 1) <= |value| */
    if (value == 0 || exponent < 2 - bias) exponent = 2 - bias; /* below that the grid is that of the subnormals */
    double steps = nearbyint(ldexp(fabs(value), fraction_bits + 1 - exponent));
    /* A carry out of the fraction is one more in the exponent, as it should be. */
    return ((uint32_t)(exponent - 2 + bias) << fraction_bits) + (uint32_t)steps;
}

/* The bits of that format nearest to `value`, ties to even; any NaN gives one NaN. */
static inline uint32_t ref_bits(double value, int exponent_bits, int fraction_bits)
{
    uint32_t sign = signbit(value) ? 1u << (exponent_bits + fraction_bits) : 0;
    uint32_t infinity = ((1u << exponent_bits) - 1) << fraction_bits;
    if (isnan(value)) return sign | infinity | 1u << (fraction_bits - 1);
    if (isinf(value)) return sign | infinity;
    const uint32_t magnitude = ref_nearest(value, exponent_bits, fraction_bits);
    return sign | (magnitude < infinity ? magnitude : infinity);
}

/* fp8 by the list of its numbers, in ascending order: those of the codes 0, 1, ... to the largest. */
static inline double ref_fp8(uint32_t dtype, uint32_t code)
{
    const int fraction_bits = dtype == TG_FP8_E4M3 ? 3 : 2, bias = dtype == TG_FP8_E4M3 ? 7 : 15;
    const int exponent = (int)(code & 0x7F) >> fraction_bits, lead = exponent > 0 ? 1 << fraction_bits : 0;
    double value = ldexp(lead + (int)(code & ((1u << fraction_bits) - 1)),
                         (exponent > 0 ? exponent : 1) - bias - fraction_bits);
    if (dtype == TG_FP8_E4M3 && (code & 0x7F) == 0x7F) value = (double)NAN;
    if (dtype == TG_FP8_E5M2 && (code & 0x7F) >= 0x7C) value = (code & 3) ? (double)NAN : (double)INFINITY;
    return code & 0x80 ? -value : value;
}

static inline uint32_t ref_fp8_largest(uint32_t dtype) { return dtype == TG_FP8_E4M3 ? 0x7E : 0x7B; }
static inline bool ref_is_fp8(uint32_t dtype) { return dtype == TG_FP8_E4M3 || dtype == TG_FP8_E5M2; }

/* The nearest number's code. Numbers beyond the range, and infinity, become the largest. */
static inline uint8_t ref_fp8_code(uint32_t dtype, double value)
{
    const uint32_t sign = signbit(value) ? 0x80u : 0u, largest = ref_fp8_largest(dtype);
    if (isnan(value)) return 0x7F;
    if (fabs(value) > 1e6) return (uint8_t)(sign | largest);
    const uint32_t code = dtype == TG_FP8_E4M3 ? ref_nearest(value, 4, 3) : ref_nearest(value, 5, 2);
    return (uint8_t)(sign | (code < largest ? code : largest));
}

static inline double ref_load(uint32_t dtype, const void *at)
{
    uint16_t half;
    int32_t whole;
    float single;
    switch (dtype) {
    case TG_FP16: memcpy(&half, at, 2); return ref_value(half, 5, 10);
    case TG_BF16: memcpy(&half, at, 2); return ref_value(half, 8, 7);
    case TG_INT32: memcpy(&whole, at, 4); return whole;
    case TG_UINT32: memcpy(&whole, at, 4); return (uint32_t)whole;
    case TG_INT16: memcpy(&half, at, 2); return (int16_t)half;
    case TG_UINT16: memcpy(&half, at, 2); return half;
    case TG_INT8: return *(const int8_t *)at;
    case TG_UINT8: return *(const uint8_t *)at;
    case TG_FP8_E4M3:
    case TG_FP8_E5M2: return ref_fp8(dtype, *(const uint8_t *)at);
    default: memcpy(&single, at, 4); return (double)single;
    }
}

/* The bounds of an integer type; false: another type. */
static inline bool ref_integer(uint32_t dtype, double *low, double *high)
{
    switch (dtype) {
    case TG_INT32: *low = INT32_MIN, *high = INT32_MAX; return true;
    case TG_UINT32: *low = 0, *high = UINT32_MAX; return true;
    case TG_INT16: *low = INT16_MIN, *high = INT16_MAX; return true;
    case TG_UINT16: *low = 0, *high = UINT16_MAX; return true;
    case TG_INT8: *low = INT8_MIN, *high = INT8_MAX; return true;
    case TG_UINT8: *low = 0, *high = UINT8_MAX; return true;
    default: return false;
    }
}

/* Store `value` rounded to nearest even; integers saturate and NaN is 0 there. */
static inline void ref_store(uint32_t dtype, double value, void *at)
{
    double low, high;
    if (dtype == TG_FP32) {
        float single = (float)value;
        memcpy(at, &single, 4);
    } else if (ref_integer(dtype, &low, &high)) {
        double near = isnan(value) ? 0 : nearbyint(value);
        int64_t whole = (int64_t)(near > high ? high : near < low ? low : near);
        memcpy(at, &whole, tg_dtype_bytes(dtype));
    } else if (ref_is_fp8(dtype)) {
        *(uint8_t *)at = ref_fp8_code(dtype, value);
    } else {
        uint16_t half = (uint16_t)(dtype == TG_FP16 ? ref_bits(value, 5, 10) : ref_bits(value, 8, 7));
        memcpy(at, &half, 2);
    }
}

/* `value` as the type can hold it. */
static inline double ref_round(uint32_t dtype, double value)
{
    uint8_t bytes[4] = {0};
    ref_store(dtype, value, bytes);
    return ref_load(dtype, bytes);
}

static inline bool ref_equal(double a, double b) { return (isnan(a) && isnan(b)) || a == b; }

/* A number of ordinary size, and one time in 16 a special one. */
static inline double ref_number(uint64_t *random)
{
    static const double special[] = {0, -0.0, INFINITY, -INFINITY, NAN, 1e-7, -6e-8, 65504, -70000, 3e38, 1e-40, 1};
    uint64_t bits = ref_random(random);
    if (bits % 16 == 0) return special[bits / 16 % (sizeof special / sizeof special[0])];
    double mantissa = (double)(bits >> 40) / (1 << 24) + 0.5;
    return ldexp(bits & 16 ? mantissa : -mantissa, (int)(bits >> 5 & 7) - 4);
}

#endif
