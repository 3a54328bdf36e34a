/* column.c: numbers come back from the text, whatever their size and number. */
#include <stdbool.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"
#include "trace/column.h"

enum { N_MAX = 300 };

static char text[16384];
static uint8_t bytes[16384];

/* Base64 as RFC 4648 says it; returns the number of bytes. */
static size_t decode64(const char *in, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n_bytes = 0;
    CHECK(n % 4 == 0, "%zu characters: %s", n, text);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t bits = 0, n_pads = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *digit = in[i + k] == '=' ? NULL : strchr(digits, in[i + k]);
            if (!digit) n_pads++;
            CHECK(digit ? n_pads == 0 : i + 4 == n && n_pads <= 2, "at %zu of %s", i + k, text);
            bits = bits << 6 | (digit ? (uint32_t)(digit - digits) : 0);
        }
        for (uint32_t k = 0; k < 3 - n_pads; k++) bytes[n_bytes++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    return n_bytes;
}

static uint64_t decode(size_t *at)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        value |= (uint64_t)(bytes[*at] & 127) << shift;
        if (!(bytes[(*at)++] & 128)) return value;
    }
}

static void round_trip(const uint64_t *values, size_t n, bool is_signed)
{
    FILE *file = tmpfile();
    struct tg_column column;
    assert_non_null(file);
    tg_column_begin(&column, file, "name");
    for (size_t i = 0; i < n; i++) {
        if (is_signed) tg_column_put_signed(&column, (int64_t)values[i]);
        else tg_column_put(&column, values[i]);
    }
    tg_column_end(&column);
    rewind(file);
    size_t n_text = fread(text, 1, sizeof text - 1, file);
    text[n_text] = '\0';
    fclose(file);
    assert_int_equal(strncmp(text, "\"name\":\"", 8), 0);
    assert_int_equal(text[n_text - 1], '"');
    size_t n_bytes = decode64(text + 8, n_text - 9), at = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t value = decode(&at);
        if (is_signed) value = value >> 1 ^ (0 - (value & 1));
        CHECK(value == values[i], "value %zu of %zu: %llx, not %llx", i, n, (unsigned long long)value,
              (unsigned long long)values[i]);
    }
    assert_int_equal(at, n_bytes);
}

static void edges_of_the_encoding(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,   1,     127,        128,       16383,     16384,      UINT32_MAX, INT64_MAX,
                                      255, 65535, UINT64_MAX, 0 - 64ull, 0 - 65ull, 1ull << 63, 1ull << 62, 63};
    enum { N = sizeof values / sizeof values[0] };
    for (size_t n = 0; n <= N; n++) {
        round_trip(values, n, false);
        round_trip(values, n, true);
    }
    round_trip((const uint64_t[]){0, 0 - 1ull, 1, 0 - 2ull}, 4, true);
    assert_string_equal(text, "\"name\":\"AAECAw==\""); /* 0, 1, 2, 3 */
}

static void random_numbers(void **state)
{
    (void)state;
    uint64_t random = 1, values[N_MAX];
    for (int round = 0; round < 200; round++) {
        size_t n = (size_t)random_below(&random, N_MAX);
        for (size_t i = 0; i < n; i++) values[i] = random_next(&random) >> random_below(&random, 64);
        round_trip(values, n, round % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(edges_of_the_encoding), cmocka_unit_test(random_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
