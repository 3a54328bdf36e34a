/* pa_problem.c: the inputs depend on the seed alone, unowned memory shows, and both layouts hold the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pa_problem.h"

static struct failure why;

static struct pa_problem draw(const struct pa_case *drawn, uint64_t seed)
{
    struct pa_problem problem;
    if (pa_problem_draw(drawn, seed, &problem, &why) != TG_OK) fail_msg("%s", why.message);
    return problem;
}

static double element(const struct pa_problem *p, const void *tensor, uint64_t index)
{
    double value;
    pa_load(p->shape.dtype, tensor, index, 1, &value);
    return value;
}

/* Where dimension `d` of a token is in key_cache and value_cache. */
static uint64_t key_at(const struct pa_shape *s, uint64_t block, uint64_t kv_head, uint64_t t, uint64_t d)
{
    return ((block * s->kv_heads + kv_head) * s->head_dim + d) * s->block_size + t;
}
static uint64_t value_at(const struct pa_shape *s, uint64_t block, uint64_t kv_head, uint64_t t, uint64_t d)
{
    return ((block * s->kv_heads + kv_head) * s->block_size + t) * s->head_dim + d;
}

/* Tokens of `block` that some sequence reads. */
static uint32_t owned_tokens(const struct pa_problem *p, int32_t block)
{
    uint32_t owned = 0, size = p->shape.block_size;
    for (uint32_t b = 0; b < p->shape.batch; b++) {
        for (uint32_t t = 0; t < (uint32_t)p->context_lens[b]; t++) {
            bool here = p->block_table[(uint64_t)b * p->table_cols + t / size] == block;
            if (here && t % size + 1 > owned) owned = t % size + 1;
        }
    }
    return owned;
}

static void the_same_seed_draws_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        struct pa_problem a = draw(&pa_cases[i], 5), b = draw(&pa_cases[i], 5), c = draw(&pa_cases[i], 6);
        struct pa_counts n = pa_problem_counts(&a);
        size_t bytes = pa_dtype_bytes(a.shape.dtype);
        assert_memory_equal(a.query, b.query, n.query * bytes);
        assert_memory_equal(a.key_cache, b.key_cache, n.cache * bytes);
        assert_memory_equal(a.value_cache, b.value_cache, n.cache * bytes);
        assert_memory_equal(a.block_table, b.block_table, n.table * sizeof(int32_t));
        assert_memory_not_equal(a.query, c.query, n.query * bytes);
        pa_problem_free(&a);
        pa_problem_free(&b);
        pa_problem_free(&c);
    }
}

static void an_element_does_not_depend_on_the_size(void **state)
{
    (void)state;
    const uint32_t length = 20;
    struct pa_case small = {"small", "", {1, 3, 1, 5, 7, PA_FP32}, &length, 1, 0, 0.1f}, large = small;
    large.shape.heads = 9;
    struct pa_problem a = draw(&small, 5), b = draw(&large, 5);
    assert_memory_equal(a.query, b.query, 15 * sizeof(float));
    pa_problem_free(&a);
    pa_problem_free(&b);
}

static void numbers_are_normal(void **state)
{
    (void)state;
    const uint32_t length = 1000;
    const struct pa_case many = {"many", "", {20, 50, 2, 50, 10, PA_FP32}, &length, 1, 0, 3.0f};
    struct pa_problem p = draw(&many, 9);
    double sum = 0, squares = 0, products = 0, before = 0;
    const uint64_t n = pa_problem_counts(&p).query;
    for (uint64_t i = 0; i < n; i++) {
        double x = element(&p, p.query, i) / 3;
        sum += x;
        squares += x * x;
        products += x * before;
        before = x;
    }
    assert_true(fabs(sum / (double)n) < 5 / sqrt((double)n));
    assert_true(fabs(squares / (double)n - 1) < 5 * sqrt(2.0 / (double)n));
    assert_true(fabs(products / (double)n) < 5 / sqrt((double)n)); /* neighbours are independent */
    pa_problem_free(&p);
}

static void what_nobody_owns_is_nan(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        struct pa_problem p = draw(&pa_cases[i], 42);
        const uint64_t dim = p.shape.head_dim, token = (uint64_t)p.shape.kv_heads * dim;
        uint32_t n_free = 0;
        for (uint32_t block = 0; block < p.n_blocks; block++) {
            uint32_t owned = owned_tokens(&p, (int32_t)block);
            n_free += owned == 0;
            for (uint64_t at = 0; at < p.shape.block_size * token; at++) {
                const uint64_t t = at / token, head = at % token / dim, d = at % dim;
                const double key = element(&p, p.key_cache, key_at(&p.shape, block, head, t, d));
                const double value = element(&p, p.value_cache, value_at(&p.shape, block, head, t, d));
                assert_true(isnan(key) == (t >= owned) && isnan(value) == (t >= owned));
            }
        }
        assert_int_equal(n_free, 3);
        pa_problem_free(&p);
    }
}

static void blocks_are_shuffled_and_owned_once(void **state)
{
    (void)state;
    const uint32_t lengths[3] = {0, 640, 333};
    const struct pa_case three = {"three", "", {3, 1, 1, 8, 8, PA_FP32}, lengths, 3, 0, 0.1f};
    struct pa_problem p = draw(&three, 42);
    unsigned char owners[128] = {0};
    uint32_t n_in_order = 0;
    assert_int_equal(p.table_cols, 80);
    assert_int_equal(p.n_blocks, 80 + 42 + 3);
    for (uint32_t b = 0; b < 3; b++) {
        for (uint32_t j = 0; j < p.table_cols; j++) {
            int32_t block = p.block_table[b * p.table_cols + j];
            if (j >= (lengths[b] + 7) / 8) {
                assert_int_equal(block, -1);
                continue;
            }
            assert_true(block >= 0 && (uint32_t)block < p.n_blocks);
            assert_int_equal(owners[block]++, 0);
            n_in_order += j > 0 && block == p.block_table[b * p.table_cols + j - 1] + 1;
        }
    }
    assert_true(n_in_order < 10);
    pa_problem_free(&p);
}

static void sequences_share_full_blocks_only(void **state)
{
    (void)state;
    const uint32_t lengths[4] = {40, 41, 15, 24};
    const struct pa_case shared = {"shared", "", {4, 1, 1, 8, 8, PA_FP32}, lengths, 4, 3, 0.1f};
    struct pa_problem p = draw(&shared, 42);
    const uint32_t expected[4] = {5, 3, 1, 3}; /* blocks that are sequence 0's own */
    for (uint32_t b = 0; b < 4; b++) {
        uint32_t n = 0;
        for (uint32_t j = 0; j < (lengths[b] + 7) / 8; j++) {
            n += p.block_table[b * p.table_cols + j] == p.block_table[j];
        }
        assert_int_equal(n, expected[b]);
    }
    assert_int_equal(p.n_blocks, 5 + (6 - 3) + (2 - 1) + 0 + 3);
    pa_problem_free(&p);
}

static void the_plain_layout_holds_the_same(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < PA_DTYPE_COUNT; dtype++) {
        const uint32_t length = 50;
        struct pa_case odd = {"odd", "", {2, 6, 3, 5, 7, (enum pa_dtype)dtype}, &length, 1, 0, 0.1f};
        struct pa_problem p = draw(&odd, 42);
        const uint64_t kv_heads = 3, dim = 5, size = 7, n = pa_problem_counts(&p).cache;
        const size_t bytes = n * pa_dtype_bytes(p.shape.dtype);
        void *keys = malloc(bytes), *values = malloc(bytes), *copy = malloc(bytes);
        assert_true(keys && values && copy);
        pa_problem_to_plain(&p, PA_KEY, keys);
        pa_problem_to_plain(&p, PA_VALUE, values);
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t d = i % dim, head = i / dim % kv_heads, t = i / dim / kv_heads % size,
                           block = i / dim / kv_heads / size;
            const double key = element(&p, p.key_cache, key_at(&p.shape, block, head, t, d));
            const double value = element(&p, p.value_cache, value_at(&p.shape, block, head, t, d));
            assert_true(element(&p, keys, i) == key || (isnan(key) && isnan(element(&p, keys, i))));
            assert_true(element(&p, values, i) == value || (isnan(value) && isnan(element(&p, values, i))));
        }
        memcpy(copy, p.key_cache, bytes);
        pa_problem_from_plain(&p, PA_VALUE, keys); /* and back: no bit is lost, each cache has its own layout */
        pa_problem_from_plain(&p, PA_KEY, keys);
        assert_memory_equal(p.key_cache, copy, bytes);
        pa_problem_to_plain(&p, PA_VALUE, copy);
        assert_memory_equal(copy, keys, bytes);
        free(keys);
        free(values);
        free(copy);
        pa_problem_free(&p);
    }
}

/* By the formula of docs/paged-attention.md: K [block_size / 16][head_dim][16], V [head_dim / 16][block_size][16]. */
static void packing_moves_every_element_to_its_column_block(void **state)
{
    (void)state;
    const uint32_t length = 50;
    const struct pa_case drawn = {"packed", "", {2, 6, 3, 48, 32, PA_BF16}, &length, 1, 0, 0.1f};
    struct pa_problem rows = draw(&drawn, 42), packed = draw(&drawn, 42);
    const uint64_t kv_heads = 3, dim = 48, size = 32, n = pa_problem_counts(&rows).cache;
    const uint16_t *const keys = rows.key_cache, *const values = rows.value_cache;
    assert_false(pa_problem_is_packed(&packed));
    assert_int_equal(pa_problem_pack(&packed, &why), TG_OK);
    assert_true(pa_problem_is_packed(&packed));
    assert_int_equal(packed.config[9], 1);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t d = i % dim, t = i / dim % size, head = i / dim / size % kv_heads,
                       block = i / dim / size / kv_heads;
        const uint64_t matrix = (block * kv_heads + head) * dim * size;
        assert_int_equal(((uint16_t *)packed.key_cache)[matrix + t / 16 * dim * 16 + d * 16 + t % 16],
                         keys[key_at(&rows.shape, block, head, t, d)]);
        assert_int_equal(((uint16_t *)packed.value_cache)[matrix + d / 16 * size * 16 + t * 16 + d % 16],
                         values[value_at(&rows.shape, block, head, t, d)]);
    }
    pa_problem_free(&rows);
    pa_problem_free(&packed);
}

/* Both layouts give the same files. */
static void a_packed_cache_is_plain_in_files(void **state)
{
    (void)state;
    const uint32_t length = 50;
    const struct pa_case drawn = {"packed", "", {2, 6, 3, 48, 32, PA_FP16}, &length, 1, 0, 0.1f};
    struct pa_problem rows = draw(&drawn, 42), packed = draw(&drawn, 42);
    const size_t bytes = pa_problem_counts(&rows).cache * pa_dtype_bytes(PA_FP16);
    void *from_rows = malloc(bytes), *from_packed = malloc(bytes), *key_cache = malloc(bytes);
    assert_true(from_rows && from_packed && key_cache);
    assert_int_equal(pa_problem_pack(&packed, &why), TG_OK);
    pa_problem_to_plain(&rows, PA_VALUE, from_rows);
    pa_problem_to_plain(&packed, PA_VALUE, from_packed);
    assert_memory_equal(from_packed, from_rows, bytes);
    pa_problem_to_plain(&rows, PA_KEY, from_rows);
    pa_problem_to_plain(&packed, PA_KEY, from_packed);
    assert_memory_equal(from_packed, from_rows, bytes);
    memcpy(key_cache, packed.key_cache, bytes);
    memset(packed.key_cache, 0, bytes);
    pa_problem_from_plain(&packed, PA_KEY, from_rows);
    assert_memory_equal(packed.key_cache, key_cache, bytes);
    free(from_rows);
    free(from_packed);
    free(key_cache);
    pa_problem_free(&rows);
    pa_problem_free(&packed);
}

static void what_has_no_whole_column_blocks_is_not_packed(void **state)
{
    (void)state;
    static const struct {
        struct pa_shape shape;
        const char *says;
    } rows[] = {
        {{1, 2, 1, 16, 16, PA_FP32}, "--packed: fp32 has no packed cache"},
        {{1, 2, 1, 24, 16, PA_BF16},
         "--packed: head_dim is 24 and block_size 16; a packed cache needs multiples of 16"},
        {{1, 2, 1, 16, 40, PA_FP16},
         "--packed: head_dim is 16 and block_size 40; a packed cache needs multiples of 16"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t length = 50;
        const struct pa_case drawn = {"rows", "", rows[i].shape, &length, 1, 0, 0.1f};
        struct pa_problem p = draw(&drawn, 42), before = draw(&drawn, 42);
        const size_t bytes = pa_problem_counts(&p).cache * pa_dtype_bytes(p.shape.dtype);
        assert_int_equal(pa_problem_pack(&p, &why), TG_ERR_ARGUMENT);
        assert_non_null(strstr(why.message, rows[i].says));
        assert_false(pa_problem_is_packed(&p));
        assert_memory_equal(p.key_cache, before.key_cache, bytes);
        assert_memory_equal(p.value_cache, before.value_cache, bytes);
        pa_problem_free(&p);
        pa_problem_free(&before);
    }
}

static void config_describes_the_problem(void **state)
{
    (void)state;
    struct pa_problem p = draw(pa_case_by_name("fp16"), 42);
    uint32_t bits = (uint32_t)p.config[6];
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    assert_true(fabs((double)scale - 1 / sqrt(32.0)) < 1e-7);
    const int64_t expected[10] = {2, 16, 2, 32, 16, 3, (int64_t)bits, 1, 1, 0};
    assert_int_equal(sizeof p.config, sizeof expected);
    assert_memory_equal(p.config, expected, sizeof expected);
    pa_problem_free(&p);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    const uint32_t lengths[2] = {INT32_MAX, INT32_MAX}, none = 0;
    const struct pa_shape max = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX, PA_FP32};
    struct pa_case drawn = {"max", "", max, &none, 1, 0, 0.1f};
    struct pa_problem p;
    assert_int_equal(pa_problem_draw(&drawn, 1, &p, &why), TG_ERR_MEMORY);
    assert_non_null(strstr(why.message, "GiB"));

    drawn.shape = (struct pa_shape){1, 1, 1, 128, 128, PA_FP32};
    drawn.lengths = lengths; /* 2^31 tokens of 1 KiB, four times */
    assert_int_equal(pa_problem_draw(&drawn, 1, &p, &why), TG_ERR_MEMORY);

    drawn.shape = (struct pa_shape){2, 1, 1, 1, 1, PA_FP32};
    drawn.n_lengths = 2; /* 2^32 blocks */
    assert_int_equal(pa_problem_draw(&drawn, 1, &p, &why), TG_ERR_ARGUMENT);
    assert_non_null(strstr(why.message, "blocks"));

    drawn.shape.batch = 3;
    assert_int_equal(pa_problem_draw(&drawn, 1, &p, &why), TG_ERR_ARGUMENT);
    assert_non_null(strstr(why.message, "2 context lengths for a batch of 3"));
}

static void blocks_per_task_follow_from_the_shape(void **state)
{
    (void)state;
    static const struct {
        uint32_t batch, kv_heads, block_size, length, blocks;
    } rows[] = {
        {1, 1, 16, 16, 32},      /* little to do: one span */
        {1, 1, 128, 65536, 16},  /* 512 blocks, 32 spans */
        {1, 1, 128, 4096, 4},    /* no span of less than 512 tokens */
        {1, 32, 128, 4096, 32},  /* 32 KV heads: a span each */
        {8, 32, 128, 65536, 64}, /* as many as a task can have */
        {1, 1, 200, 0, 3},       /* no token at all */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t lengths[8];
        for (int k = 0; k < 8; k++) lengths[k] = (int32_t)rows[i].length;
        const struct pa_problem problem = {
            .shape = {rows[i].batch, 32, rows[i].kv_heads, 128, rows[i].block_size, PA_BF16}, .context_lens = lengths};
        assert_int_equal(pa_problem_blocks_per_task(&problem), rows[i].blocks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_draws_the_same),
        cmocka_unit_test(an_element_does_not_depend_on_the_size),
        cmocka_unit_test(numbers_are_normal),
        cmocka_unit_test(what_nobody_owns_is_nan),
        cmocka_unit_test(blocks_are_shuffled_and_owned_once),
        cmocka_unit_test(sequences_share_full_blocks_only),
        cmocka_unit_test(the_plain_layout_holds_the_same),
        cmocka_unit_test(packing_moves_every_element_to_its_column_block),
        cmocka_unit_test(a_packed_cache_is_plain_in_files),
        cmocka_unit_test(what_has_no_whole_column_blocks_is_not_packed),
        cmocka_unit_test(config_describes_the_problem),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(blocks_per_task_follow_from_the_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
