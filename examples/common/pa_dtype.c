#include "pa_dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
    double roundoff;  /* 2^-p for p significant bits */
    double underflow; /* half of the smallest subnormal */
} dtypes[PA_DTYPE_COUNT] = {
    [PA_FP32] = {"fp32", 4, 0x1p-24, 0x1p-150},
    [PA_FP16] = {"fp16", 2, 0x1p-11, 0x1p-25},
    [PA_BF16] = {"bf16", 2, 0x1p-8, 0x1p-134},
};

const char *pa_dtype_name(enum pa_dtype dtype) { return dtypes[dtype].name; }
size_t pa_dtype_bytes(enum pa_dtype dtype) { return dtypes[dtype].bytes; }
double pa_dtype_roundoff(enum pa_dtype dtype) { return dtypes[dtype].roundoff; }
double pa_dtype_underflow(enum pa_dtype dtype) { return dtypes[dtype].underflow; }

bool pa_dtype_by_name(const char *name, enum pa_dtype *out)
{
    for (int i = 0; i < PA_DTYPE_COUNT; i++) {
        if (strcmp(name, dtypes[i].name) != 0) continue;
        *out = (enum pa_dtype)i;
        return true;
    }
    return false;
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

uint16_t pa_fp16_from_float(float value)
{
    uint32_t bits = float_bits(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);  /* NaN */
    if (bits >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more round to infinity */
    if (bits < 0x38800000u) {
        /* Subnormal. The last bit of 0.5f is worth 2^-24, the smallest fp16: the addition rounds to multiples of it. */
        return (uint16_t)(sign | (float_bits(bits_float(bits) + 0.5f) - float_bits(0.5f)));
    }
    /* Exponent bias 127 to 15, 23 bits of fraction to 10; a carry out of the fraction raises the exponent. */
    bits += 0xfffu + (bits >> 13 & 1u);
    return (uint16_t)(sign | ((bits - (112u << 23)) >> 13));
}

float pa_fp16_to_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    uint32_t exponent = bits >> 10 & 0x1fu;
    uint32_t fraction = bits & 0x3ffu;
    if (exponent == 0x1fu) return bits_float(sign | 0x7f800000u | fraction << 13);
    if (exponent != 0) return bits_float(sign | (exponent + 112u) << 23 | fraction << 13);
    float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

uint16_t pa_bf16_from_float(float value)
{
    uint32_t bits = float_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u); /* stays a NaN */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float pa_bf16_to_float(uint16_t bits) { return bits_float((uint32_t)bits << 16); }

void pa_store(enum pa_dtype dtype, void *elements, uint64_t index, float value)
{
    unsigned char *at = (unsigned char *)elements + index * dtypes[dtype].bytes;
    if (dtype == PA_FP32) {
        memcpy(at, &value, sizeof value);
    } else {
        uint16_t bits = dtype == PA_FP16 ? pa_fp16_from_float(value) : pa_bf16_from_float(value);
        memcpy(at, &bits, sizeof bits);
    }
}

/* A loop for each type: the compiler makes vector code of it. */

void pa_store_all(enum pa_dtype dtype, void *elements, uint64_t index, uint64_t n, const float *values)
{
    unsigned char *at = (unsigned char *)elements + index * dtypes[dtype].bytes;
    if (dtype == PA_FP32) {
        memcpy(at, values, n * sizeof *values);
    } else if (dtype == PA_BF16) {
        for (uint64_t i = 0; i < n; i++) {
            const uint16_t bits = pa_bf16_from_float(values[i]);
            memcpy(at + i * sizeof bits, &bits, sizeof bits);
        }
    } else {
        for (uint64_t i = 0; i < n; i++) {
            const uint16_t bits = pa_fp16_from_float(values[i]);
            memcpy(at + i * sizeof bits, &bits, sizeof bits);
        }
    }
}

void pa_load(enum pa_dtype dtype, const void *elements, uint64_t index, uint64_t n, double *out)
{
    const unsigned char *at = (const unsigned char *)elements + index * dtypes[dtype].bytes;
    if (dtype == PA_FP32) {
        for (uint64_t i = 0; i < n; i++) {
            float value;
            memcpy(&value, at + i * sizeof value, sizeof value);
            out[i] = (double)value;
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, at + i * sizeof bits, sizeof bits);
        out[i] = (double)(dtype == PA_FP16 ? pa_fp16_to_float(bits) : pa_bf16_to_float(bits));
    }
}
