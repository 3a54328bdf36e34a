/* normal.c: the numbers are normal, independent, and the same wherever and in whatever pieces they are drawn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "normal.h"

enum { N = 1 << 20 };

static float *draw(uint64_t stream, float deviation)
{
    float *numbers = malloc(N * sizeof *numbers);
    assert_non_null(numbers);
    normal_draw(stream, 0, N, deviation, numbers);
    return numbers;
}

static void the_numbers_of_a_seed_never_change(void **state)
{
    (void)state;
    float numbers[4096];
    uint32_t hash = 0;
    normal_draw(7, UINT64_C(19999) * 4096, 4096, 1.0f, numbers);
    for (int i = 0; i < 4096; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        hash = hash * 31 + bits;
    }
    assert_int_equal(hash, 0x06a52e21);
}

static void pieces_are_the_whole(void **state)
{
    (void)state;
    float whole[1000], piece[1000];
    normal_draw(1, 300, 1000, 2.0f, whole);
    for (uint64_t first = 0; first < 1000; first += 37) {
        for (uint64_t n = 0; n <= 1000 - first; n += 61) {
            memset(piece, 0, sizeof piece);
            normal_draw(1, 300 + first, n, 2.0f, piece);
            assert_memory_equal(piece, whole + first, n * sizeof *piece);
            for (uint64_t i = n; i < 1000; i++) assert_true(piece[i] == 0.0f); /* nothing beyond is written */
        }
    }
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void the_distribution_is_normal(void **state)
{
    (void)state;
    for (uint64_t stream = 0; stream < 4; stream++) {
        float *numbers = draw(stream, 1.0f);
        qsort(numbers, N, sizeof *numbers, ascending);
        double largest = 0; /* difference to the normal distribution: Kolmogorov and Smirnov */
        for (int i = 0; i < N; i++) {
            const double below = 0.5 * erfc(-(double)numbers[i] / sqrt(2.0));
            largest = fmax(largest, fabs(below - (i + 0.5) / N));
        }
        assert_true(largest * sqrt((double)N) < 1.95); /* 1 in 1,000 */
        assert_true(numbers[0] < -4.4f && numbers[0] > -6.7f);
        assert_true(numbers[N - 1] > 4.4f && numbers[N - 1] < 6.7f);
        free(numbers);
    }
}

/* Correlation of a[i] and b[i], and of their squares, in multiples of what chance allows. */
static double correlation(const float *a, const float *b, int n)
{
    double products = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        const double x = (double)a[i], y = (double)b[i];
        products += x * y;
        squares += (x * x - 1) * (y * y - 1) / 2;
    }
    return fmax(fabs(products), fabs(squares)) / sqrt((double)n);
}

static void neighbours_and_streams_are_independent(void **state)
{
    (void)state;
    static const int distances[] = {1, 2, 3, 31, 32, 63, 64, 65, 127, 128, 129, 256, 16384};
    float *a = draw(3, 1.0f), *b = draw(4, 1.0f);
    for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
        assert_true(correlation(a, a + distances[i], N - distances[i]) < 5);
        assert_true(correlation(a, b + distances[i], N - distances[i]) < 5);
    }
    assert_true(correlation(a, b, N) < 5);
    free(a);
    free(b);
}

static void the_deviation_is_a_factor(void **state)
{
    (void)state;
    float *one = draw(5, 1.0f), *four = draw(5, 4.0f);
    for (int i = 0; i < N; i++) assert_true(four[i] == 4 * one[i]);
    free(one);
    free(four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_of_a_seed_never_change), cmocka_unit_test(pieces_are_the_whole),
        cmocka_unit_test(the_distribution_is_normal),         cmocka_unit_test(neighbours_and_streams_are_independent),
        cmocka_unit_test(the_deviation_is_a_factor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
