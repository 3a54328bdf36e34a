#include "machine/cpu/turn_avx2.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

struct lanes {
    __m256 low, high;
};

static inline struct lanes lanes_zero(void) { return (struct lanes){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline struct lanes lanes_fp32(const float *low, const float *high)
{
    return (struct lanes){_mm256_loadu_ps(low), _mm256_loadu_ps(high)};
}
static inline struct lanes lanes_load(const float *from) { return lanes_fp32(from, from + 8); }
static inline void lanes_store(float *to, struct lanes a)
{
    _mm256_storeu_ps(to, a.low);
    _mm256_storeu_ps(to + 8, a.high);
}
static inline struct lanes lanes_sum(struct lanes a, struct lanes b)
{
    return (struct lanes){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

struct factor {
    __m256 all;
};

static inline struct factor factor_of(const float *from, bool shared)
{
    (void)shared;
    return (struct factor){_mm256_broadcast_ss(from)};
}
static inline struct lanes lanes_add_product(struct lanes sum, struct factor factor, struct lanes line)
{
    return (struct lanes){_mm256_fmadd_ps(factor.all, line.low, sum.low),
                          _mm256_fmadd_ps(factor.all, line.high, sum.high)};
}

/* A bf16 is the high half of an fp32. Even columns are in `low`, odd ones in `high`. */
static inline struct lanes lanes_bf16(const uint8_t *from)
{
    const __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)from);
    return (struct lanes){_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)),
                          _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32((int)0xFFFF0000)))};
}
/* The 8 numbers at even places, or at odd places, of 16. */
static inline __m256 every_other(struct lanes block, bool odd)
{
    const __m256 mixed = odd ? _mm256_shuffle_ps(block.low, block.high, 0xDD)
                             : _mm256_shuffle_ps(block.low, block.high, 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), 0xD8));
}
static inline struct lanes lanes_split(struct lanes block)
{
    return (struct lanes){every_other(block, false), every_other(block, true)};
}
static inline struct lanes lanes_join(struct lanes split)
{
    const __m256 low = _mm256_unpacklo_ps(split.low, split.high), high = _mm256_unpackhi_ps(split.low, split.high);
    return (struct lanes){_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}
static inline __m256 f16_8(const uint8_t *from)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}
static inline struct lanes lanes_fp16(const uint8_t *from) { return (struct lanes){f16_8(from), f16_8(from + 16)}; }

/* 8-bit elements. An E5M2 is the upper half of an fp16. An E4M3FN has the fields of an fp16 with three fraction bits,
 * whose exponent is 8 too small; its NaN has all bits set. */
static inline __m128i bytes_8(const uint8_t *from) { return _mm_loadl_epi64((const __m128i *)(const void *)from); }
static inline __m256 int8_8(const uint8_t *from) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes_8(from))); }
static inline __m256 e5m2_8(const uint8_t *from)
{
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(bytes_8(from)), 8));
}
static inline __m256 e4m3_8(const uint8_t *from)
{
    const __m128i words = _mm_cvtepi8_epi16(bytes_8(from));
    const __m128i halves = _mm_and_si128(_mm_slli_epi16(words, 7), _mm_set1_epi16((short)0xBF80));
    const __m128i nan = _mm_cmpeq_epi16(_mm_or_si128(words, _mm_set1_epi16((short)0xFF80)), _mm_set1_epi16(-1));
    const __m256 small = _mm256_cvtph_ps(_mm_or_si128(halves, _mm_and_si128(nan, _mm_set1_epi16(0x7E00))));
    return _mm256_mul_ps(small, _mm256_set1_ps(256));
}
static inline struct lanes lanes_int8(const uint8_t *from) { return (struct lanes){int8_8(from), int8_8(from + 8)}; }
static inline struct lanes lanes_e5m2(const uint8_t *from) { return (struct lanes){e5m2_8(from), e5m2_8(from + 8)}; }
static inline struct lanes lanes_e4m3(const uint8_t *from) { return (struct lanes){e4m3_8(from), e4m3_8(from + 8)}; }

/* Numbers that the type has. */
static inline void lanes_put_bf16(uint8_t *to, struct lanes a)
{
    const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(a.low), 16);
    const __m256i high = _mm256_srli_epi32(_mm256_castps_si256(a.high), 16);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8));
}
static inline void lanes_put_fp16(uint8_t *to, struct lanes a)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm256_cvtps_ph(a.low, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(void *)(to + 16), _mm256_cvtps_ph(a.high, _MM_FROUND_TO_NEAREST_INT));
}

/* Of 16 registers, 12 hold sums. */
#define ROWS_MOST 6
#define WIDE(rows) ((rows) == 1 ? 4u : (rows) == 2 ? 2u : 1u)
#define DEEP(rows) ((rows) == 1 ? 4u : (rows) <= 3 ? 2u : 1u)
#define TG_PRODUCT_FN tg_product_avx2
#define TG_WIDEN_FN tg_widen_avx2
#define TG_UNPACK_FN tg_unpack_avx2
#include "machine/cpu/product.inc"
