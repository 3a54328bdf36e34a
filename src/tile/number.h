/* number.h - the element types as numbers, and the functions of TEXP and TLOG. Conversions round to nearest even and
 * keep NaN. The code has no branches and does not depend on the instruction set. So loops over these functions become
 * vector code, and give the same bits in every form and on every machine. */
#ifndef TG_TILE_NUMBER_H
#define TG_TILE_NUMBER_H

#include <stdint.h>
#include <string.h>

#include <tilegraph/tile.h>

/* Sums in another order, or code that takes NaN and infinity for impossible, give other bits. */
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "the instruction library needs the arithmetic of IEEE 754: compile it without -ffast-math and -Ofast"
#endif

static inline uint32_t tg_bits_of_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float tg_f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float tg_f32_of_bf16(uint16_t bits) { return tg_f32_of_bits((uint32_t)bits << 16); }

static inline uint16_t tg_bf16_of_f32(float value)
{
    uint32_t bits = tg_bits_of_f32(value);
    uint32_t quiet = (bits >> 16) | 0x40u; /* so that it stays a NaN */
    uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Its bits, shifted into the fields of an fp32, are
 * the number times 2^-112, for subnormal numbers too. */
static inline float tg_f32_of_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
    uint32_t bits = tg_bits_of_f32(tg_f32_of_bits(magnitude << 13) * 0x1p112f);
    bits |= magnitude >= 0x7C00u ? 0x7F800000u : 0u; /* infinity and NaN keep their fraction */
    return tg_f32_of_bits(sign | bits);
}

/* The magnitude of an fp32 in a type with `shift` fraction bits less, whose smallest normal number is `least`, as fp32
 * bits. A number that is too large for the type gives a code beyond its largest. */
static inline uint32_t tg_narrow_magnitude(uint32_t magnitude, uint32_t shift, uint32_t least)
{
    const uint32_t half = (1u << (shift - 1)) - 1, rebias = least - 0x800000u; /* least has exponent 1 */
    const uint32_t normal = (magnitude + half + ((magnitude >> shift) & 1u) - rebias) >> shift;
    /* Added to a number below `least`, this one leaves the fraction in units of the smallest subnormal number. */
    const uint32_t unit = least + (shift << 23);
    const uint32_t subnormal = tg_bits_of_f32(tg_f32_of_bits(magnitude) + tg_f32_of_bits(unit)) - unit;
    return magnitude < least ? subnormal : normal;
}

static inline uint16_t tg_f16_of_f32(float value)
{
    uint32_t bits = tg_bits_of_f32(value);
    uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    uint32_t half = tg_narrow_magnitude(magnitude, 13, 0x38800000u); /* 2^-14 */
    half = magnitude >= 0x477FF000u ? 0x7C00u : half;                /* rounds to 65536 or more: infinity */
    half = magnitude > 0x7F800000u ? 0x7E00u | ((magnitude >> 13) & 0x3FFu) : half;
    return (uint16_t)(sign | half);
}

/* fp8 of the OCP specification. E4M3FN: 1 sign, 4 exponent (bias 7), 3 fraction bits, as fp16 above; only the bits that
 * are all ones are NaN. E5M2: the upper half of an fp16. */
static inline float tg_f32_of_e4m3(uint8_t code)
{
    uint32_t sign = (uint32_t)(code & 0x80u) << 24, magnitude = code & 0x7Fu;
    uint32_t bits = tg_bits_of_f32(tg_f32_of_bits(magnitude << 20) * 0x1p120f);
    return tg_f32_of_bits(sign | (magnitude == 0x7Fu ? 0x7FC00000u : bits));
}

static inline float tg_f32_of_e5m2(uint8_t code) { return tg_f32_of_f16((uint16_t)(code << 8)); }

/* To fp8. A number beyond the largest, and infinity, become the largest. */
static inline uint8_t tg_fp8_of_f32(float value, uint32_t shift, uint32_t least, uint32_t largest, uint32_t nan)
{
    uint32_t bits = tg_bits_of_f32(value);
    uint32_t sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7FFFFFFFu;
    uint32_t code = tg_narrow_magnitude(magnitude, shift, least);
    code = magnitude > largest ? tg_narrow_magnitude(largest, shift, least) : code;
    code = magnitude > 0x7F800000u ? nan : code;
    return (uint8_t)(sign | code);
}

/* From 2^-6 to 448. */
static inline uint8_t tg_e4m3_of_f32(float value) { return tg_fp8_of_f32(value, 20, 0x3C800000u, 0x43E00000u, 0x7Fu); }

/* From 2^-14 to 57344. */
static inline uint8_t tg_e5m2_of_f32(float value) { return tg_fp8_of_f32(value, 21, 0x38800000u, 0x47600000u, 0x7Eu); }

/* fp64 to fp32, rounded to odd: toward zero, with the last bit set if the result is inexact. Rounding that to fewer
 * bits rounds only once. */
static inline float tg_f32_to_odd(double value)
{
    const float near = (float)value;
    uint32_t bits = tg_bits_of_f32(near);
    if (value != value || (double)near == value) return near;
    if ((double)tg_f32_of_bits(bits & 0x7FFFFFFFu) > (value < 0 ? -value : value)) bits--;
    return tg_f32_of_bits(bits | 1u);
}

/* An fp64 number as an element, rounded once to nearest even. Integers are truncated toward zero and saturate; NaN
 * becomes 0. fp8 saturates, too. */
static inline void tg_store_f64(void *to, double value, uint32_t dtype)
{
    static const struct {
        double low, high;
    } ranges[TG_DTYPES] = {[TG_INT32] = {-2147483648.0, 2147483647.0},
                           [TG_INT8] = {-128, 127},
                           [TG_UINT8] = {0, 255},
                           [TG_INT16] = {-32768, 32767},
                           [TG_UINT16] = {0, 65535},
                           [TG_UINT32] = {0, 4294967295.0}};
    const float single = (float)value;
    uint16_t half;
    uint8_t code;
    switch (dtype) {
    case TG_FP8_E4M3:
        code = tg_e4m3_of_f32(tg_f32_to_odd(value));
        memcpy(to, &code, sizeof code);
        return;
    case TG_FP8_E5M2:
        code = tg_e5m2_of_f32(tg_f32_to_odd(value));
        memcpy(to, &code, sizeof code);
        return;
    case TG_FP32: memcpy(to, &single, sizeof single); return;
    case TG_FP16: half = tg_f16_of_f32(tg_f32_to_odd(value)); break;
    case TG_BF16: half = tg_bf16_of_f32(tg_f32_to_odd(value)); break;
    default: {
        value = value != value ? 0 : value < ranges[dtype].low ? ranges[dtype].low : value;
        value = value > ranges[dtype].high ? ranges[dtype].high : value;
        const int64_t whole = (int64_t)value; /* little-endian: its first bytes are those of any narrower type */
        memcpy(to, &whole, tg_dtype_bytes(dtype));
        return;
    }
    }
    memcpy(to, &half, sizeof half);
}

/* An element as an fp64 number, which represents every type exactly. */
static inline double tg_load_f64(const void *from, uint32_t dtype)
{
    uint32_t word = 0; /* little-endian: narrower elements are its first bytes */
    memcpy(&word, from, tg_dtype_bytes(dtype));
    switch (dtype) {
    case TG_FP32: return (double)tg_f32_of_bits(word);
    case TG_FP16: return (double)tg_f32_of_f16((uint16_t)word);
    case TG_BF16: return (double)tg_f32_of_bf16((uint16_t)word);
    case TG_FP8_E4M3: return (double)tg_f32_of_e4m3((uint8_t)word);
    case TG_FP8_E5M2: return (double)tg_f32_of_e5m2((uint8_t)word);
    case TG_INT32: return (int32_t)word;
    case TG_INT16: return (int16_t)word;
    case TG_INT8: return (int8_t)word;
    default: return word;
    }
}

/* e^x within one step of the nearest fp32. x = n ln 2 + r with |r| <= ln 2 / 2; the series of e^r; then 2^n in two
 * factors, so that results near both ends of the range are rounded once. */
static inline float tg_exp_f32(float x)
{
    const float whole = 0x1.8p23f;                                  /* added and taken away, it rounds to an integer */
    const float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f; /* n ln2_high is exact */
    x = x > 89.0f ? 89.0f : x;                                      /* infinity */
    x = x < -105.0f ? -105.0f : x;                                  /* zero; a NaN passes both */
    const float shifted = x * 0x1.715476p0f + whole, n = shifted - whole;
    const float r = (x - n * ln2_high) - n * ln2_low, r2 = r * r;
    const float high = (1.0f / 120 + r * (1.0f / 720)) + r2 * (1.0f / 5040);
    const float series = (r2 * (0.5f + r * (1.0f / 6)) + r2 * r2 * (1.0f / 24 + r * high)) + r;
    const uint32_t count = tg_bits_of_f32(shifted) - tg_bits_of_f32(whole) + 254u; /* n + 254, from 102 to 382 */
    const uint32_t half = (count >> 1) & 0xFFu;
    const float low_factor = tg_f32_of_bits(half << 23), high_factor = tg_f32_of_bits(((count - half) & 0xFFu) << 23);
    return (1.0f + series) * low_factor * high_factor;
}

/* ln x within one step of the nearest fp32. x = 2^n m with m from sqrt(1/2) to sqrt 2; ln m = 2 artanh s with s = (m -
 * 1) / (m + 1). It is computed as m - 1, which is exact, and a correction. */
static inline float tg_log_f32(float x)
{
    const float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    const uint32_t tiny = x < 0x1p-126f ? 1u : 0u;
    const float normal = tiny ? x * 0x1p23f : x;
    const uint32_t bits = tg_bits_of_f32(normal), above = bits - 0x3F3504F3u; /* sqrt(1/2) */
    const int32_t exponent = (int32_t)above >> 23;
    const float m = tg_f32_of_bits((above & 0x7FFFFFu) + 0x3F3504F3u), n = (float)exponent - (tiny ? 23.0f : 0.0f);
    const float f = m - 1.0f, s = f / (2.0f + f), s2 = s * s;
    const float tail = s2 * (2.0f / 3 + s2 * (2.0f / 5 + s2 * (2.0f / 7 + s2 * (2.0f / 9))));
    const float half = 0.5f * f * f; /* 2 s = f - s f, and s f = f^2 / 2 - s f^2 / 2 */
    float value = n * ln2_high + (f - (half - (s * (half + tail) + n * ln2_low)));
    value = x > 0x1.fffffep127f ? x : value;
    value = x == 0.0f ? -tg_f32_of_bits(0x7F800000u) : value;
    return x >= 0.0f ? value : tg_f32_of_bits(0x7FC00000u); /* negative or NaN */
}

#endif
