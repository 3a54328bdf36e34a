#include <immintrin.h>
#include <stdbool.h>
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

struct pair {
    struct lanes a, b;
};

/* A bf16 is the high half of an fp32. */
static inline struct pair pair_bf16(const uint8_t *from)
{
    const __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)from);
    const __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(from + 32));
    const __m256i high = _mm256_set1_epi32((int)0xFFFF0000);
    return (struct pair){
        {_mm256_castsi256_ps(_mm256_slli_epi32(first, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(second, 16))},
        {_mm256_castsi256_ps(_mm256_and_si256(first, high)), _mm256_castsi256_ps(_mm256_and_si256(second, high))}};
}
/* The 8 numbers at even places, or at odd places, of 16. */
static inline __m256 every_other(struct lanes block, bool odd)
{
    const __m256 mixed = odd ? _mm256_shuffle_ps(block.low, block.high, 0xDD)
                             : _mm256_shuffle_ps(block.low, block.high, 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xD8));
}
static inline struct pair pair_split(struct pair blocks)
{
    return (struct pair){{every_other(blocks.a, false), every_other(blocks.b, false)},
                         {every_other(blocks.a, true), every_other(blocks.b, true)}};
}
static inline struct lanes interleaved(__m256 even, __m256 odd)
{
    const __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    return (struct lanes){_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}
static inline struct pair pair_join(struct pair pair)
{
    return (struct pair){interleaved(pair.a.low, pair.b.low), interleaved(pair.a.high, pair.b.high)};
}
static inline __m256 f16_8(const uint8_t *from)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}
static inline struct lanes lanes_f16(const uint8_t *from) { return (struct lanes){f16_8(from), f16_8(from + 16)}; }

#define TG_PRODUCT_FN tg_product_avx2
#define TG_WIDEN_FN tg_widen_avx2
#define PAIRS_OF_1 2
#define PAIRS_OF_2 1
#define PAIRS_OF_4 1
#include "machine/cpu/product.inc"
