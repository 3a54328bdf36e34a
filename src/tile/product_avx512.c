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
static inline struct lanes lanes_f16(const uint8_t *from)
{
    return (struct lanes){_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from))};
}

#define TG_PRODUCT_FN tg_product_avx512
#define TG_WIDEN_FN tg_widen_avx512
#define BLOCKS_OF_1 8
#define BLOCKS_OF_2 8
#define BLOCKS_OF_4 4
#include "tile/product.inc"
