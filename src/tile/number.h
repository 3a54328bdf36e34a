/* number.h - the element types as numbers. Conversions round to nearest even and keep NaN. */
#ifndef TG_TILE_NUMBER_H
#define TG_TILE_NUMBER_H

#include <stdint.h>
#include <string.h>

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
    if (value != value) return (uint16_t)((bits >> 16) | 0x40u); /* quiet, so that it stays a NaN */
    return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static inline float tg_f32_of_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1Fu, fraction = half & 0x3FFu;
    if (exponent == 31) return tg_f32_of_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent == 0) {
        float value = (float)fraction * 0x1p-24f; /* subnormal: a multiple of 2^-24 */
        return tg_f32_of_bits(sign | tg_bits_of_f32(value));
    }
    return tg_f32_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

static inline uint16_t tg_f16_of_f32(float value)
{
    uint32_t bits = tg_bits_of_f32(value);
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    uint32_t magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | ((magnitude >> 13) & 0x3FFu));
    if (magnitude >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* rounds to 65536 or more: infinity */
    if (magnitude < 0x38800000u) {
        /* Below 2^-14: adding 0.5 leaves the fraction in units of 2^-24, rounded by the addition. */
        float shifted = tg_f32_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (tg_bits_of_f32(shifted) - 0x3F000000u));
    }
    uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
    return (uint16_t)(sign | ((rounded - 0x38000000u) >> 13));
}

#endif
