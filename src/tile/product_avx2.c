#include <immintrin.h>
#include <stdint.h>

struct lanes {
    __m256 low, high;
};

static inline struct lanes lanes_zero(void) { return (struct lanes){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline struct lanes lanes_load(const float *from)
{
    return (struct lanes){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}
static inline void lanes_store(float *to, struct lanes a)
{
    _mm256_storeu_ps(to, a.low);
    _mm256_storeu_ps(to + 8, a.high);
}
static inline struct lanes lanes_sum(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
static inline struct lanes lanes_add_product(struct lanes sum, float factor, struct lanes line)
{
    const __m256 all = _mm256_set1_ps(factor);
    return (struct lanes){_mm256_fmadd_ps(all, line.low, sum.low), _mm256_fmadd_ps(all, line.high, sum.high)};
}
static inline __m256 bf16_8(const uint8_t *from)
{
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline struct lanes lanes_bf16(const uint8_t *from) { return (struct lanes){bf16_8(from), bf16_8(from + 16)}; }
static inline __m256 f16_8(const uint8_t *from)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}
static inline struct lanes lanes_f16(const uint8_t *from) { return (struct lanes){f16_8(from), f16_8(from + 16)}; }

#define TG_PRODUCT_FN tg_product_avx2
#define TG_WIDEN_FN tg_widen_avx2
#define BLOCKS_OF_1 4
#define BLOCKS_OF_2 2
#define BLOCKS_OF_4 1
#include "tile/product.inc"
