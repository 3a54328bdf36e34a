/* product_*.c: every variant, type and awkward size against double precision, with noise around all that may be
 * touched. */
#include <stdlib.h>

#include "common/check.h"
#include "machine/cpu/product.h"
#include "reference.h"

#ifdef TG_AMX_MODEL
#include "machine/cpu/amx.h"
#include "model/amx_model.h"
#endif

enum { ROWS_MAX = 131, K_MAX = 70, COLS_MAX = 150, BLOCKS_MAX = (COLS_MAX + 15) / 16, CANARY = 32 };

static uint64_t random_state = 4711;

struct problem {
    struct tg_product product;
    float *left;
    uint8_t *right[K_MAX]; /* a piece or a block each, of exactly the bytes that may be read: a tool that watches memory
                              sees one more */
    uint32_t n_right;
    float sum[CANARY + BLOCKS_MAX * (ROWS_MAX + 3) * 16 + CANARY],
        before[CANARY + BLOCKS_MAX * (ROWS_MAX + 3) * 16 + CANARY];
};

static double ordinary(void)
{
    double value;
    do value = ref_number(&random_state);
    while (!(fabs(value) < 100 && (fabs(value) > 1e-4 || value == 0)));
    return value;
}

/* One that the type has. */
static double number_of(uint32_t dtype)
{
    uint32_t room;
    ref_store(dtype, ordinary(), &room);
    return ref_load(dtype, &room);
}

static uint8_t *right_at(const struct problem *p, uint32_t row, uint32_t col)
{
    const struct tg_product *q = &p->product;
    const size_t panel = 32 / tg_dtype_bytes(q->dtype);
    if (q->blocks_apart) return p->right[col / 16] + (row * panel + col % 16) * tg_dtype_bytes(q->dtype);
    return p->right[row / q->piece_rows] +
           (row % q->piece_rows * q->right_ld + col / panel * q->panel_ld + col % panel) * tg_dtype_bytes(q->dtype);
}

static void problem_free(struct problem *p)
{
    free(p->left);
    for (uint32_t i = 0; i < p->n_right; i++) free(p->right[i]);
}

static void problem_make(struct problem *p, uint32_t dtype, uint32_t m, uint32_t k, uint32_t n)
{
    const uint32_t bytes = tg_dtype_bytes(dtype);
    struct tg_product *q = &p->product;
    q->m = m;
    q->k = k;
    q->n = n;
    q->dtype = dtype;
    q->fresh = ref_between(&random_state, 0, 1);
    q->piece_rows = ref_between(&random_state, 0, 1) ? k : ref_between(&random_state, 1, k);
    q->left_ld = k + ref_between(&random_state, 0, 3);
    const uint32_t panel = 32 / bytes;
    if (ref_between(&random_state, 0, 1)) { /* NZ */
        q->right_ld = panel;
        q->panel_ld = (q->piece_rows + ref_between(&random_state, 0, 3)) * panel;
    } else {
        q->right_ld = n + ref_between(&random_state, 0, 1) * ref_between(&random_state, 1, 20);
        q->panel_ld = panel;
    }
    q->blocks_apart = panel == 16 && q->right_ld == panel && q->piece_rows == k && ref_between(&random_state, 0, 1);
    q->block_ld = (m + ref_between(&random_state, 0, 3)) * 16;
    p->left = malloc(((m - 1) * q->left_ld + k) * sizeof *p->left);
    assert_non_null(p->left);
    p->n_right = q->blocks_apart ? (n + 15) / 16 : (k + q->piece_rows - 1) / q->piece_rows;
    for (uint32_t i = 0; i < p->n_right; i++) {
        const uint32_t n_left = k - i * q->piece_rows,
                       n_rows = q->blocks_apart || n_left > q->piece_rows ? q->piece_rows : n_left;
        const uint32_t last_col = !q->blocks_apart ? n - 1 : i + 1 < p->n_right ? 15 : (n - 1) % 16;
        const size_t last = (n_rows - 1) * q->right_ld + last_col / panel * q->panel_ld + last_col % panel;
        p->right[i] = malloc((last + 1) * bytes);
        assert_non_null(p->right[i]);
    }
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < k; j++) p->left[i * q->left_ld + j] = (float)number_of(dtype);
    for (uint32_t j = 0; j < k; j++)
        for (uint32_t col = 0; col < n; col++) ref_store(dtype, ordinary(), right_at(p, j, col));
    for (size_t i = 0; i < sizeof p->sum / sizeof p->sum[0]; i++) p->sum[i] = (float)ordinary();
    memcpy(p->before, p->sum, sizeof p->sum);
    q->left = p->left;
    q->right = (const uint8_t *const *)p->right;
    q->next = ref_between(&random_state, 0, 1) ? q->right : NULL; /* it is prefetched at most */
    q->sum = p->sum + CANARY;
}

static double element(const struct problem *p, uint32_t row, uint32_t col, double *size)
{
    const struct tg_product *q = &p->product;
    double sum = q->fresh ? 0 : (double)p->before[CANARY + col / 16 * q->block_ld + row * 16 + col % 16];
    *size = fabs(sum);
    for (uint32_t j = 0; j < q->k; j++) {
        const double term = (double)p->left[row * q->left_ld + j] * ref_load(q->dtype, right_at(p, j, col));
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

static void problem_check(const struct problem *p, const char *name)
{
    const struct tg_product *q = &p->product;
    static uint8_t seen[sizeof p->sum / sizeof p->sum[0]];
    memset(seen, 0, sizeof seen);
    for (uint32_t row = 0; row < q->m; row++)
        for (uint32_t col = 0; col < q->n; col++) {
            const size_t at = CANARY + col / 16 * q->block_ld + row * 16 + col % 16;
            double size, expected = element(p, row, col, &size), got = (double)p->sum[at];
            seen[at] = 1;
            CHECK(fabs(got - expected) <= size * (q->k + 2) * 0x1p-24,
                  "%s type %u %ux%ux%u: [%u][%u] is %.9g, not %.9g", name, q->dtype, q->m, q->k, q->n, row, col, got,
                  expected);
        }
    for (uint32_t row = 0; row < q->m; row++) /* the rest of the last block means nothing */
        for (uint32_t col = q->n; col % 16; col++) seen[CANARY + col / 16 * q->block_ld + row * 16 + col % 16] = 1;
    for (size_t i = 0; i < sizeof seen; i++)
        CHECK(seen[i] || memcmp(&p->sum[i], &p->before[i], sizeof p->sum[i]) == 0,
              "%s type %u %ux%ux%u wrote outside of the product", name, q->dtype, q->m, q->k, q->n);
}

/* Those of the library, then the one over a model. NULL behind the last. */
static const struct tg_product_variant *variant_at(size_t idx)
{
    if (tg_product_variant_at(idx)) return tg_product_variant_at(idx);
#ifdef TG_AMX_MODEL
    static const struct tg_product_variant model = {
        .name = "amx over a model", .needs = TG_ISA_AVX512, .multiply = tg_product_amx_model};
    if (tg_product_variant_at(idx - 1)) return &model;
#endif
    return NULL;
}

static bool is_usable(const struct tg_product_variant *variant)
{
    if (variant->needs <= tg_isa_usable()) return true;
    print_message("skipped: this computer has no %s\n", variant->name);
    return false;
}

static void check_one(const struct tg_product_variant *variant, uint32_t dtype, uint32_t m, uint32_t k, uint32_t n)
{
    static struct problem p;
    problem_make(&p, dtype, m, k, n);
    variant->multiply(&p.product, NULL);
    problem_check(&p, variant->name);
    problem_free(&p);
}

static void every_variant_gives_the_product_and_touches_nothing_else(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 2, 3, 4, 5, 8, 11, 19, 35}, ks[] = {1, 3, 4, 31, 32, 33, K_MAX},
                          cols[] = {1, 8, 15, 16, 17, 32, 47, 64, 128, COLS_MAX};
    for (size_t v = 0; variant_at(v); v++) {
        const struct tg_product_variant *variant = variant_at(v);
        if (!is_usable(variant)) continue;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0] * 7 * 10 * 3; i++) {
            if (TEST_TSAN && i % 7) continue;
            check_one(variant, (uint32_t)(i % 3), rows[i / 210], ks[i / 30 % 7], cols[i / 3 % 10]);
        }
        check_one(variant, TG_BF16, ROWS_MAX, K_MAX, 47);
    }
}

/* An infinity, or no number, in one column leaves the other columns as they are. */
static void a_number_that_is_none_stays_in_its_column(void **state)
{
    (void)state;
    enum { K = 70, N = 47, BAD_COL = 21 };
    static const uint32_t rows[] = {1, 3, 4, 5, 8, 9, 16, 17, 40};
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    static struct problem p;
    for (size_t v = 0; variant_at(v); v++) {
        if (!is_usable(variant_at(v))) continue;
        for (uint32_t i = 0; i < sizeof rows / sizeof rows[0] * 3 * 8; i++) {
            problem_make(&p, i / 8 % 3, rows[i / 24], K, N);
            ref_store(p.product.dtype, (double)bad[i % 3], right_at(&p, i % K, BAD_COL));
            variant_at(v)->multiply(&p.product, NULL);
            for (uint32_t row = 0; row < p.product.m; row++) {
                const size_t at = CANARY + BAD_COL / 16 * p.product.block_ld + row * 16 + BAD_COL % 16;
                double size, expected = element(&p, row, BAD_COL, &size);
                CHECK(isnan(expected) ? isnan(p.sum[at]) : (double)p.sum[at] == expected, "%s: %g, not %g",
                      variant_at(v)->name, (double)p.sum[at], expected);
            }
            ref_store(p.product.dtype, 0, right_at(&p, i % K, BAD_COL));
            for (uint32_t row = 0; row < p.product.m; row++) { /* this column is checked */
                double size;
                p.sum[CANARY + BAD_COL / 16 * p.product.block_ld + row * 16 + BAD_COL % 16] = (float)element(
                    &p, row, BAD_COL, &size);
            }
            problem_check(&p, variant_at(v)->name);
            problem_free(&p);
        }
    }
}

/* Rounded multiplications, terms in the order of k: every bit is known. */
static void the_ordered_variant_has_the_bits_of_a_plain_loop(void **state)
{
    (void)state;
    static struct problem p;
    for (uint32_t i = 0; i < 60; i++) {
        const uint32_t dtype = i % 3, m = 1 + i % 7, k = 1 + i, n = 1 + 5 * i % COLS_MAX;
        problem_make(&p, dtype, m, k, n);
        tg_product_ordered.multiply(&p.product, NULL);
        problem_check(&p, "ordered");
        for (uint32_t row = 0; row < m; row++)
            for (uint32_t col = 0; col < n; col++) {
                const size_t at = CANARY + col / 16 * p.product.block_ld + row * 16 + col % 16;
                volatile float sum = p.product.fresh ? 0 : p.before[at]; /* volatile: nothing is fused */
                for (uint32_t j = 0; j < k; j++) {
                    volatile float term = p.left[row * p.product.left_ld + j];
                    term *= (float)ref_load(dtype, right_at(&p, j, col));
                    sum += term;
                }
                const float expected = sum;
                assert_memory_equal(&p.sum[at], &expected, sizeof expected);
            }
        problem_free(&p);
    }
}

/* A variant reports all its reads in every pass. The lines of a report are those that the stream asks for then, and
 * those that it is less far ahead. */
static void every_variant_tells_the_stream_of_each_line_once(void **state)
{
    (void)state;
    enum { K = 64, N = 128 };
    const uint32_t n_ahead = 2 * K * N * 4 / TG_LINE_BYTES; /* more than is read */
    static const uint32_t rows[] = {1, 2, 4, 7, 16, 35, ROWS_MAX};
    static struct problem p;
    static uint8_t line[TG_LINE_BYTES];
    struct tg_stream s;
    for (size_t v = 0; variant_at(v); v++) {
        if (!is_usable(variant_at(v))) continue;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0] * 3; i++) {
            const uint32_t dtype = (uint32_t)(i % 3), n_lines = K * N * tg_dtype_bytes(dtype) / TG_LINE_BYTES;
            problem_make(&p, dtype, rows[i / 3], K, N);
            tg_stream_clear(&s);
            tg_stream_add(&s, (struct tg_stream_range){line, 0, 2 * n_lines, 1});
            s.n_ahead = n_ahead;
            variant_at(v)->multiply(&p.product, &s);
            const uint32_t n_asked = 2 * n_lines - s.n_lines - (s.n_ranges ? s.ranges[s.first].n_rows : 0);
            const uint32_t n_told = n_asked + n_ahead - s.n_ahead;
            CHECK(n_told + 4 >= n_lines && n_told <= n_lines + n_lines / 16, "%s type %u rows %u: told %u lines of %u",
                  variant_at(v)->name, dtype, rows[i / 3], n_told, n_lines);
            problem_free(&p);
        }
    }
}

#ifdef TG_AMX_MODEL

/* It is compiled with what is above it. */
static bool has_model(void)
{
    if (tg_isa_usable() >= TG_ISA_AVX512) return true;
    print_message("skipped: the model of amx needs avx512\n");
    return false;
}

/* Two pairs of rows, by hand; values too near to zero are zero, and bytes outside a tile are not touched. */
static void the_model_multiplies_pairs(void **state)
{
    (void)state;
    if (!has_model()) skip();
    struct tg_amx_config config = {.palette = 1, .rows = {1, 1, 2}, .row_bytes = {4, 8, 4}};
    const uint16_t left[] = {0x3F80, 0x4000, 0x4040, 0x0001};          /* 1 2 3 and 2^-133 */
    const uint16_t right[2][2] = {{0x40A0, 0x40E0}, {0x4100, 0x7F00}}; /* 5 7, 8 2^127 */
    float sum[2] = {0.5f, -1};
    tg_amx_configure(&config);
    tg_amx_load(0, sum, 64);
    tg_amx_load(1, left, 64);
    tg_amx_load(2, right, sizeof right[0]);
    tg_amx_add_products(0, 1, 2);
    tg_amx_store(0, sum, 64);
    assert_true(sum[0] == 0.5f + 1 * 5 + 2 * 7 + 3 * 8);
    assert_true(sum[1] == -1);
    tg_amx_zero(0);
    tg_amx_store(0, sum, 64);
    assert_true(sum[0] == 0);
    tg_amx_release();
}

static void the_model_faults_where_the_processor_does(void **state)
{
    (void)state;
    if (!has_model()) skip();
    const struct tg_amx_config good = {.palette = 1, .rows = {3, 3, 16, 0, 3}, .row_bytes = {64, 64, 64, 0, 6}};
    struct tg_amx_config bad;
    uint8_t room[16 * 64] = {0};
    expect_assert_failure(tg_amx_zero(0)); /* nothing is configured */
    expect_assert_failure(tg_amx_load(0, room, 64));
    bad = good, bad.palette = 2;
    expect_assert_failure(tg_amx_configure(&bad));
    bad = good, bad.rows[1] = 17;
    expect_assert_failure(tg_amx_configure(&bad));
    bad = good, bad.row_bytes[1] = 65;
    expect_assert_failure(tg_amx_configure(&bad));
    bad = good, bad.row_bytes[1] = 0;
    expect_assert_failure(tg_amx_configure(&bad));
    bad = good, bad.rows[8] = 1;
    expect_assert_failure(tg_amx_configure(&bad));
    bad = good, bad.reserved[13] = 1;
    expect_assert_failure(tg_amx_configure(&bad));
    tg_amx_configure(&good);
    tg_amx_add_products(0, 1, 2);
    expect_assert_failure(tg_amx_store(3, room, 64));    /* has no rows */
    expect_assert_failure(tg_amx_zero(8));               /* no tile of this number */
    expect_assert_failure(tg_amx_add_products(0, 0, 2)); /* the same twice */
    expect_assert_failure(tg_amx_add_products(0, 2, 1)); /* rows that do not fit */
    expect_assert_failure(tg_amx_add_products(0, 4, 2)); /* no whole pairs */
    tg_amx_release();
    expect_assert_failure(tg_amx_add_products(0, 1, 2));
}

#endif

/* A line is asked for once, in the order of the ranges; as many as were read, and never one that is in none. */
static void a_stream_asks_for_each_line_once(void **state)
{
    (void)state;
    static uint8_t memory[64 * TG_LINE_BYTES];
    struct tg_stream s;
    memset(&s, 0x5A, sizeof s);
    tg_stream_clear(&s);
    tg_stream_used(&s, 3);
    assert_int_equal(s.n_lines, 0);
    tg_stream_add(&s, (struct tg_stream_range){memory, 0, 1, 5});
    tg_stream_add(&s, (struct tg_stream_range){memory + 10 * TG_LINE_BYTES, 4 * TG_LINE_BYTES, 3, 2});
    assert_ptr_equal(s.at, memory);
    tg_stream_ask(&s, 4);
    assert_ptr_equal(s.at, memory + 4 * TG_LINE_BYTES);
    tg_stream_ask(&s, 2); /* across the end of the first range */
    assert_ptr_equal(s.at, memory + 11 * TG_LINE_BYTES);
    tg_stream_ask(&s, 1);
    assert_ptr_equal(s.at, memory + 14 * TG_LINE_BYTES); /* the next row */
    tg_stream_ask(&s, 100);
    assert_int_equal(s.n_lines, 0);
    assert_int_equal(s.n_ranges, 0);
    assert_int_equal(s.n_ahead, 11);
    tg_stream_add(&s, (struct tg_stream_range){memory + 32 * TG_LINE_BYTES, 0, 1, 1}); /* after it had run dry */
    assert_ptr_equal(s.at, memory + 32 * TG_LINE_BYTES);
    for (int i = 0; i < TG_STREAM_RANGES + 5; i++) /* more than there is room for */
        tg_stream_add(&s, (struct tg_stream_range){memory, 0, 1, 1});
    assert_true(s.n_ranges <= TG_STREAM_RANGES);
    tg_stream_ask(&s, 1000);
    assert_int_equal(s.n_ranges, 0);
    tg_stream_used(&s, 5);
    tg_stream_idle(&s);
    assert_int_equal(s.n_lines, 0);
}

/* Lines that the reader has prefetched itself move the stream on, and leave it as far ahead as it was. */
static void a_stream_passes_over_lines(void **state)
{
    (void)state;
    static uint8_t memory[64 * TG_LINE_BYTES];
    struct tg_stream s;
    tg_stream_clear(&s);
    tg_stream_add(&s, (struct tg_stream_range){memory, 0, 1, 8});
    tg_stream_add(&s, (struct tg_stream_range){memory + 16 * TG_LINE_BYTES, 0, 1, 8});
    tg_stream_ask(&s, 4);
    tg_stream_passed(&s, 6);
    assert_ptr_equal(s.at, memory + 18 * TG_LINE_BYTES);
    assert_int_equal(s.n_ahead, 4);
    tg_stream_passed(&s, 9); /* six are left: three of the lines ahead have been read */
    assert_int_equal(s.n_lines, 0);
    assert_int_equal(s.n_ahead, 1);
}

static void variants_go_from_slow_to_fast_and_are_widened_alike(void **state)
{
    (void)state;
    uint8_t bytes[4 * 70];
    float wide[70 + 1];
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        const struct tg_product_variant *variant = tg_product_variant_at(v);
        if (v > 0) assert_true(tg_product_variant_at(v - 1)->needs < variant->needs);
        assert_ptr_equal(tg_product_variant_for(variant->needs), variant);
        if (variant->needs > tg_isa_usable()) continue;
        for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++)
            for (uint32_t n = 0; n <= 70; n++) {
                for (uint32_t i = 0; i < 70; i++) ref_store(dtype, ordinary(), bytes + i * tg_dtype_bytes(dtype));
                for (uint32_t i = 0; i <= 70; i++) wide[i] = -1.5f;
                variant->widen(wide, bytes, dtype, n);
                for (uint32_t i = 0; i < n; i++)
                    assert_true((double)wide[i] == ref_load(dtype, bytes + i * tg_dtype_bytes(dtype)));
                assert_true(wide[n] == -1.5f);
            }
    }
}

/* Rows of one shape, from memory of exactly the bytes that may be read. */
static void check_unpacked(const struct tg_product_variant *variant, uint32_t from_dtype, uint32_t to_dtype,
                           uint32_t n_rows, uint32_t n_cols)
{
    enum { TO_MOST = 256 * 64 * 4 };
    static uint8_t to[TO_MOST + CANARY];
    const uint32_t bytes = tg_dtype_bytes(to_dtype), width = 32 / bytes, from_ld = n_cols + n_rows % 3;
    const uint32_t to_bytes = (n_cols + 15) / 16 * 16 * n_rows * bytes;
    uint8_t *from = malloc((n_rows - 1) * from_ld + n_cols);
    assert_non_null(from);
    for (uint32_t i = 0; i < (n_rows - 1) * from_ld + n_cols; i++) from[i] = (uint8_t)(i * 37 + n_rows);
    memset(to, 0xA5, sizeof to);
    const struct tg_unpacking unpacking = {from, from_ld, to, n_rows, n_cols, from_dtype, to_dtype};
    variant->unpack(&unpacking, NULL);
    for (uint32_t row = 0; row < n_rows; row++)
        for (uint32_t col = 0; col < n_cols; col++) {
            const uint8_t *at = to + ((size_t)col / width * n_rows * width + row * width + col % width) * bytes;
            const double expected = ref_load(from_dtype, from + row * from_ld + col), got = ref_load(to_dtype, at);
            CHECK(got == expected || (isnan(got) && isnan(expected)), "%s: 0x%02x of type %u is %g as type %u, not %g",
                  variant->name, from[row * from_ld + col], from_dtype, got, to_dtype, expected);
        }
    for (uint32_t i = to_bytes; i < sizeof to; i++) assert_int_equal(to[i], 0xA5);
    free(from);
}

static void every_variant_unpacks_every_code_of_8_bits(void **state)
{
    (void)state;
    static const uint32_t narrow[] = {TG_INT8, TG_FP8_E4M3, TG_FP8_E5M2}, cols[] = {1, 8, 16, 17, 32, 40, 64};
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        if (!is_usable(tg_product_variant_at(v))) continue;
        for (int i = 0; i < 3; i++)
            for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++)
                for (int c = 0; c < 7; c++)
                    for (uint32_t n_rows = 1; n_rows <= 256; n_rows = n_rows * 3 + 1)
                        check_unpacked(tg_product_variant_at(v), narrow[i], dtype, n_rows, cols[c]);
    }
}

/* The codes of one shape, transposed, from memory of exactly the bytes that may be read. */
static void check_turned(const struct tg_product_variant *variant, uint32_t n_rows, uint32_t n_cols)
{
    static uint16_t to[128 * 64 + CANARY];
    const uint32_t ld = n_rows + n_cols % 3, n = (n_cols + 15) / 16 * 16 * n_rows;
    uint16_t *from = malloc(((n_cols - 1) * ld + n_rows) * sizeof *from);
    assert_non_null(from);
    for (uint32_t i = 0; i < (n_cols - 1) * ld + n_rows; i++) from[i] = (uint16_t)(i * 40503u);
    memset(to, 0xA5, sizeof to);
    const struct tg_unpacking unpacking = {
        (const uint8_t *)from, ld * sizeof *from, (uint8_t *)to, n_rows, n_cols, TG_BF16, TG_BF16};
    variant->unpack(&unpacking, NULL);
    for (uint32_t row = 0; row < n_rows; row++)
        for (uint32_t col = 0; col < n_cols; col++)
            CHECK(to[col / 16 * n_rows * 16 + row * 16 + col % 16] == from[col * ld + row],
                  "%s: %u x %u: [%u][%u] is wrong", variant->name, n_rows, n_cols, row, col);
    for (uint32_t i = n; i < n + CANARY; i++) assert_int_equal(to[i], 0xA5A5);
    free(from);
}

static void every_variant_transposes(void **state)
{
    (void)state;
    static const uint32_t rows[] = {1, 8, 16, 24, 32, 128}, cols[] = {1, 15, 16, 17, 48, 64};
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        if (!is_usable(tg_product_variant_at(v))) continue;
        for (int r = 0; r < 6; r++)
            for (int c = 0; c < 6; c++) check_turned(tg_product_variant_at(v), rows[r], cols[c]);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_variant_gives_the_product_and_touches_nothing_else),
    cmocka_unit_test(a_number_that_is_none_stays_in_its_column),
    cmocka_unit_test(the_ordered_variant_has_the_bits_of_a_plain_loop),
    cmocka_unit_test(every_variant_tells_the_stream_of_each_line_once),
#ifdef TG_AMX_MODEL
    cmocka_unit_test(the_model_multiplies_pairs),
    cmocka_unit_test(the_model_faults_where_the_processor_does),
#endif
    cmocka_unit_test(a_stream_asks_for_each_line_once),
    cmocka_unit_test(a_stream_passes_over_lines),
    cmocka_unit_test(variants_go_from_slow_to_fast_and_are_widened_alike),
    cmocka_unit_test(every_variant_unpacks_every_code_of_8_bits),
    cmocka_unit_test(every_variant_transposes),
};

CHECK_MAIN(tests)
