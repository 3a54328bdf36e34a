/* turn_avx2.h - 16 x 16 elements of 2 bytes, transposed in registers of AVX2. */
#ifndef TG_MACHINE_CPU_TURN_AVX2_H
#define TG_MACHINE_CPU_TURN_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* A loop whose registers need constant indices. */
#ifdef __clang__
#define TURN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TURN_UNROLL _Pragma("GCC unroll 16")
#endif

/* Row i of `from`, from_ld bytes apart, becomes column i of `to`, whose rows are 32 bytes. Each stage doubles the
 * number of rows whose elements are neighbours. */
static inline void lanes_turn(uint8_t *to, const uint8_t *from, size_t from_ld)
{
    __m256i a[16], b[16];
    TURN_UNROLL
    for (int i = 0; i < 16; i++) a[i] = _mm256_loadu_si256((const __m256i *)(const void *)(from + (size_t)i * from_ld));
    TURN_UNROLL
    for (int i = 0; i < 8; i++) { /* within each half of 8 elements: rows 2 i and 2 i + 1 */
        b[2 * i] = _mm256_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
    }
    TURN_UNROLL
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) { /* rows 4 i to 4 i + 3 */
            a[4 * i + 2 * j] = _mm256_unpacklo_epi32(b[4 * i + j], b[4 * i + 2 + j]);
            a[4 * i + 2 * j + 1] = _mm256_unpackhi_epi32(b[4 * i + j], b[4 * i + 2 + j]);
        }
    TURN_UNROLL
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++) { /* rows 8 i to 8 i + 7: element 2 j, then 2 j + 1, of each half */
            b[8 * i + 2 * j] = _mm256_unpacklo_epi64(a[8 * i + j], a[8 * i + 4 + j]);
            b[8 * i + 2 * j + 1] = _mm256_unpackhi_epi64(a[8 * i + j], a[8 * i + 4 + j]);
        }
    TURN_UNROLL
    for (int j = 0; j < 8; j++) { /* all rows: element j of the first half, and of the second */
        _mm256_storeu_si256((__m256i *)(void *)(to + (size_t)j * 32), _mm256_permute2x128_si256(b[j], b[8 + j], 0x20));
        _mm256_storeu_si256((__m256i *)(void *)(to + (size_t)(8 + j) * 32),
                            _mm256_permute2x128_si256(b[j], b[8 + j], 0x31));
    }
}

#endif
