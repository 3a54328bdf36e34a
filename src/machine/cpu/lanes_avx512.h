/* lanes_avx512.h - the lanes of product.inc in registers of AVX-512. */
#ifndef TG_MACHINE_CPU_LANES_AVX512_H
#define TG_MACHINE_CPU_LANES_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

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
static inline struct lanes lanes_split(struct lanes a) { return a; }
static inline struct lanes lanes_join(struct lanes a) { return a; }

/* Of 32 registers, up to 16 hold sums. */
#define ROWS_MOST 8
#define WIDE(rows) ((rows) == 1 ? 8u : (rows) <= 4 ? 4u : 2u)
#define DEEP(rows) ((rows) == 1 ? 8u : (rows) == 2 ? 4u : (rows) <= 4 ? 2u : 1u)

#endif
