#include <immintrin.h>
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
static inline struct lanes lanes_add_product(struct lanes sum, float factor, struct lanes line)
{
    return (struct lanes){_mm512_fmadd_ps(_mm512_set1_ps(factor), line.all, sum.all)};
}
static inline struct lanes lanes_bf16(const uint8_t *from)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)from));
    return (struct lanes){_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}

struct pair {
    struct lanes a, b;
};

/* A bf16 is the high half of an fp32. */
static inline struct pair pair_bf16(const uint8_t *from)
{
    const __m512i both = _mm512_loadu_si512(from);
    return (struct pair){{_mm512_castsi512_ps(_mm512_slli_epi32(both, 16))},
                         {_mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32((int)0xFFFF0000)))}};
}
static inline struct pair pair_split(struct pair blocks)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    return (struct pair){{_mm512_permutex2var_ps(blocks.a.all, even, blocks.b.all)},
                         {_mm512_permutex2var_ps(blocks.a.all, odd, blocks.b.all)}};
}
static inline struct pair pair_join(struct pair pair)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    return (struct pair){{_mm512_permutex2var_ps(pair.a.all, low, pair.b.all)},
                         {_mm512_permutex2var_ps(pair.a.all, high, pair.b.all)}};
}
static inline struct lanes lanes_f16(const uint8_t *from)
{
    return (struct lanes){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from))};
}

#define TG_PRODUCT_FN tg_product_avx512
#define TG_WIDEN_FN tg_widen_avx512
#define PAIRS_OF_1 4
#define PAIRS_OF_2 4
#define PAIRS_OF_4 2
#include "machine/cpu/product.inc"
