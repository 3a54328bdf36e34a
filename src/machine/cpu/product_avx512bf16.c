/* Products of bf16 in pairs, by VDPBF16PS. A processor of AMD adds two products of bf16 in the time of one of fp32. */
#include "machine/cpu/lanes_avx512.h"

#include <stddef.h>

static inline struct lanes alternating(__m512i rows)
{
    static const uint16_t place[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (struct lanes){_mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_loadu_si512(place), rows))};
}

/* Two rows of 16 columns, whose numbers alternate. The second row, if it is missing, is zeros. */
static inline struct lanes lanes_pairs(const uint8_t *even, const uint8_t *odd)
{
    const __m256i second = odd ? _mm256_loadu_si256((const __m256i *)(const void *)odd) : _mm256_setzero_si256();
    const __m512i first = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)even));
    return alternating(_mm512_inserti64x4(first, second, 1));
}
static inline struct lanes lanes_line(const uint8_t *from) { return alternating(_mm512_loadu_si512(from)); }

/* 32 elements of 8 bits as bf16. Those of fp8 come from a table of all of them but the sign: it stays in registers. */
enum { CODES = 128 };
struct table {
    __m512i of[4];
};
static inline void table_load(struct table *table, const uint8_t *halves)
{
    for (int i = 0; i < 4; i++) table->of[i] = _mm512_loadu_si512(halves + 64 * i);
}
static inline __m512i look_up(const struct table *table, const uint8_t *from)
{
    const __m512i codes = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)from));
    const __m512i low = _mm512_permutex2var_epi16(table->of[0], codes, table->of[1]);
    const __m512i high = _mm512_permutex2var_epi16(table->of[2], codes, table->of[3]);
    const __mmask32 is_high = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x40));
    const __m512i magnitude = _mm512_mask_mov_epi16(low, is_high, high);
    const __m512i sign = _mm512_and_si512(codes,
                                          _mm512_set1_epi16((short)0x8000)); /* the code is extended by its sign */
    return _mm512_or_si512(magnitude, sign);
}
static inline __m512i two_int8(const uint8_t *from)
{
    return (__m512i)_mm512_cvtne2ps_pbh(lanes_int8(from + 16).all, lanes_int8(from).all);
}
static inline void put_two_bf16(uint8_t *to, uint8_t *to_too, __m512i both)
{
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_castsi512_si256(both));
    _mm256_storeu_si256((__m256i *)(void *)to_too, _mm512_extracti64x4_epi64(both, 1));
}

/* The instruction loads its factor. Compilers load it apart, which takes a third of the speed. */
static inline struct lanes lanes_add_pairs(struct lanes sum, struct factor factor, struct lanes line)
{
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(sum.all) : "v"(line.all), "m"(*factor.at));
    return sum;
}

/* to[i] = the bf16 of left[2 * i] and left[2 * i + 1]; a missing one is zero. Writes up to 7 further zeros. */
static inline void pack_pairs(float *to, const float *left, uint32_t k)
{
    for (uint32_t i = 0; i < k; i += 16) {
        const __mmask16 mask = (__mmask16)(k - i < 16 ? (1u << (k - i)) - 1 : 0xFFFFu);
        const __m512i wide = _mm512_castps_si512(_mm512_maskz_loadu_ps(mask, left + i));
        const __m256i pairs = _mm512_cvtepi32_epi16(_mm512_srli_epi32(wide, 16));
        _mm256_storeu_si256((__m256i *)(void *)(to + i / 2), pairs);
    }
}

#define PAIRS 1
#define TG_PRODUCT_FN tg_product_avx512bf16
#define TG_WIDEN_FN tg_widen_avx512bf16
#define TG_UNPACK_FN tg_unpack_avx512bf16
#include "machine/cpu/product.inc"
