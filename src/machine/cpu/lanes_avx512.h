/* lanes_avx512.h - the lanes of product.inc in registers of AVX-512. */
#ifndef TG_MACHINE_CPU_LANES_AVX512_H
#define TG_MACHINE_CPU_LANES_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/cpu/turn_avx2.h"

struct lanes {
    __m512 all;
};

static inline struct lanes lanes_zero(void) { return (struct lanes){_mm512_setzero_ps()}; }
static inline struct lanes lanes_load(const float *from) { return (struct lanes){_mm512_loadu_ps(from)}; }
static inline void lanes_store(float *to, struct lanes a) { _mm512_storeu_ps(to, a.all); }
static inline struct lanes lanes_sum(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm512_add_ps(a.all, b.all)};
}

struct factor {
    __m512 all;
    const float *at;
};

/* A factor for one line is part of the FMA, which loads it. One for several is loaded once: loads are scarce. */
static inline struct factor factor_of(const float *from, bool shared)
{
    struct factor factor = {_mm512_set1_ps(*from), from};
    if (shared) __asm__("" : "+v"(factor.all)); /* the compiler would load it in each FMA */
    return factor;
}
static inline struct lanes lanes_add_product(struct lanes sum, struct factor factor, struct lanes line)
{
    return (struct lanes){_mm512_fmadd_ps(factor.all, line.all, sum.all)};
}
static inline struct lanes lanes_fp32(const float *low, const float *high)
{
    return (struct lanes){_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1)};
}
static inline struct lanes lanes_fp16(const uint8_t *from)
{
    return (struct lanes){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from))};
}

/* A bf16 is the high half of an fp32: one permutation moves it there and clears the low half. */
static inline struct lanes lanes_bf16(const uint8_t *from)
{
    static const uint16_t place[32] = {0, 0, 0, 1, 0, 2,  0, 3,  0, 4,  0, 5,  0, 6,  0, 7,
                                       0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
    const __m512i halves = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)from));
    return (struct lanes){
        _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xAAAAAAAA, _mm512_loadu_si512(place), halves))};
}

/* 8-bit elements. An E5M2 is the upper half of an fp16. An E4M3FN has the fields of an fp16 with three fraction bits,
 * whose exponent is 8 too small; its NaN has all bits set. */
static inline struct lanes lanes_int8(const uint8_t *from)
{
    return (struct lanes){
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)from)))};
}
static inline struct lanes lanes_e5m2(const uint8_t *from)
{
    const __m256i words = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
    return (struct lanes){_mm512_cvtph_ps(_mm256_slli_epi16(words, 8))};
}
static inline struct lanes lanes_e4m3(const uint8_t *from)
{
    const __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
    const __m256i halves = _mm256_and_si256(_mm256_slli_epi16(words, 7), _mm256_set1_epi16((short)0xBF80));
    const __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_or_si256(words, _mm256_set1_epi16((short)0xFF80)),
                                                  _mm256_set1_epi16(-1));
    return (struct lanes){
        _mm512_mul_ps(_mm512_cvtph_ps(_mm256_mask_set1_epi16(halves, nan, 0x7E00)), _mm512_set1_ps(256))};
}
/* Numbers that the type has. */
static inline void lanes_put_bf16(uint8_t *to, struct lanes a)
{
    const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(a.all), 16));
    _mm256_storeu_si256((__m256i *)(void *)to, halves);
}
static inline void lanes_put_fp16(uint8_t *to, struct lanes a)
{
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtps_ph(a.all, _MM_FROUND_TO_NEAREST_INT));
}
static inline struct lanes lanes_split(struct lanes a) { return a; }
static inline struct lanes lanes_join(struct lanes a) { return a; }

/* Of 32 registers, up to 16 hold sums. */
#define ROWS_MOST 8
#define WIDE(rows) ((rows) == 1 ? 8u : (rows) <= 4 ? 4u : 2u)
#define DEEP(rows) ((rows) == 1 ? 8u : (rows) == 2 ? 4u : (rows) <= 4 ? 2u : 1u)

#endif
