/* swap.c and convert.c: sequences come back in caches of other layouts and block sizes; layouts become each other. */
#include <math.h>
#include <stdlib.h>

#include <tilegraph/tile.h>

#include "attention/cache.h"
#include "common/check.h"
#include "common/random.h"

static struct tg_device *device;

static int open_device(void **state)
{
    struct tg_device_config config;
    (void)state;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = 1;
    config.gm_bytes = 1u << 30;
    return tg_device_open(&config, &device) == TG_OK ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    const uint64_t left = tg_device_bytes_in_use(device);
    tg_device_close(device);
    return left ? -1 : 0;
}

static void ok(enum tg_status status) { CHECK(status == TG_OK, "%s: %s", tg_status_name(status), tg_last_message()); }

enum { HEADS = 3, KEY_DIM = 16, VALUE_DIM = 8, LAYERS = 2 };

static struct tg_kv_cache *open_cache(uint32_t layout, uint32_t block_tokens, uint32_t n_blocks, uint32_t dtype)
{
    struct tg_kv_cache_config config;
    struct tg_kv_cache *cache = NULL;
    tg_kv_cache_config_init(&config);
    config.layout = layout;
    config.block_tokens = block_tokens;
    config.n_blocks = n_blocks;
    config.n_layers = LAYERS;
    config.kv_heads = HEADS;
    config.key_dim = KEY_DIM;
    config.value_dim = VALUE_DIM;
    config.dtype = dtype;
    config.max_sequences = 4;
    ok(tg_kv_cache_open(device, &config, &cache));
    return cache;
}

/* A number for each element, which fp16 has, too. */
static float key_of(uint32_t layer, uint32_t token, uint32_t head, uint32_t d)
{
    return (float)((token * 64 + head * 16 + d + layer * 1000) % 2048);
}

/* A sequence of n tokens with such keys, and values that are -key. The first n_known tokens are known. */
static uint64_t fill(struct tg_kv_cache *cache, uint32_t n, uint32_t n_known)
{
    uint64_t sequence;
    int32_t *tokens = malloc(n * sizeof *tokens);
    float *keys = malloc(n * HEADS * KEY_DIM * sizeof *keys), *values = malloc(n * HEADS * VALUE_DIM * sizeof *values);
    assert_true(tokens && keys && values);
    for (uint32_t t = 0; t < n; t++) tokens[t] = (int32_t)t + 3;
    ok(tg_kv_start(cache, NULL, 0, &sequence, NULL));
    ok(tg_kv_reserve(cache, sequence, n, NULL));
    const int32_t count = (int32_t)n;
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        for (uint32_t i = 0; i < n * HEADS * KEY_DIM; i++)
            keys[i] = key_of(layer, i / (HEADS * KEY_DIM), i / KEY_DIM % HEADS, i % KEY_DIM);
        for (uint32_t i = 0; i < n * HEADS * VALUE_DIM; i++)
            values[i] = -key_of(layer, i / (HEADS * VALUE_DIM), i / VALUE_DIM % HEADS, i % VALUE_DIM);
        const struct tg_kv_rows rows = {.size = sizeof rows,
                                        .n_sequences = 1,
                                        .sequences = &sequence,
                                        .n_tokens = &count,
                                        .keys = keys,
                                        .values = values};
        ok(tg_kv_append(cache, layer, &rows));
    }
    ok(tg_kv_commit(cache, sequence, tokens, n_known));
    ok(tg_kv_commit(cache, sequence, NULL, n - n_known));
    free(tokens);
    free(keys);
    free(values);
    return sequence;
}

/* An exported sequence. */
static char *export(struct tg_kv_cache *cache, uint64_t sequence, uint64_t *n)
{
    ok(tg_kv_export(cache, sequence, NULL, 0, n));
    char *bytes = malloc(*n);
    assert_non_null(bytes);
    uint64_t again;
    assert_int_equal(tg_kv_export(cache, sequence, bytes, *n - 1, &again), TG_ERR_ARGUMENT);
    assert_int_equal(again, *n);
    ok(tg_kv_export(cache, sequence, bytes, *n, &again));
    return bytes;
}

static void the_bytes_do_not_depend_on_layout_and_blocks(void **state)
{
    (void)state;
    static const uint32_t dtypes[] = {TG_FP32, TG_FP16};
    for (int k = 0; k < 2; k++) {
        uint64_t n_first = 0, n = 0;
        char *first = NULL;
        for (uint32_t i = 0; i < 4; i++) {
            struct tg_kv_cache *cache = open_cache(i % 2 ? TG_KV_PLAIN : TG_KV_PACKED, i < 2 ? 7 : 32, 16, dtypes[k]);
            char *bytes = export(cache, fill(cache, 45, 33), &n);
            if (!first) {
                first = bytes;
                n_first = n;
            } else {
                assert_int_equal(n, n_first);
                assert_memory_equal(bytes, first, n);
                free(bytes);
            }
            tg_kv_cache_close(cache);
        }
        free(first);
    }
}

static void a_sequence_comes_back(void **state)
{
    (void)state;
    struct tg_kv_cache *from = open_cache(TG_KV_PACKED, 4, 16, TG_FP32), *to = open_cache(TG_KV_PLAIN, 8, 7, TG_FP32);
    uint64_t n, n_again, copy, other, n_missing, n_found;
    char *bytes = export(from, fill(from, 45, 33), &n);
    ok(tg_kv_import(to, bytes, n, &copy, &n_missing));
    char *again = export(to, copy, &n_again);
    assert_int_equal(n_again, n);
    assert_memory_equal(again, bytes, n);
    struct tg_kv_sequence info;
    ok(tg_kv_look(to, copy, &info));
    assert_int_equal(info.n_tokens, 45);
    assert_int_equal(info.n_known, 33);
    assert_int_equal(info.n_reserved, 0);

    /* The second copy shares the four blocks whose tokens are known. One block is left, two are needed. */
    assert_int_equal(tg_kv_import(to, bytes, n, &other, &n_missing), TG_ERR_CACHE_FULL);
    assert_int_equal(n_missing, 1);
    ok(tg_kv_truncate(to, copy, 33));
    ok(tg_kv_import(to, bytes, n, &other, &n_missing));
    free(again);
    again = export(to, other, &n_again);
    assert_memory_equal(again, bytes, n);

    /* Released and imported once more: the known blocks are still there. */
    ok(tg_kv_release(to, other));
    ok(tg_kv_release(to, copy));
    int32_t tokens[33];
    for (int32_t t = 0; t < 33; t++) tokens[t] = t + 3;
    ok(tg_kv_lookup(to, tokens, 33, &n_found));
    assert_int_equal(n_found, 32);
    ok(tg_kv_import(to, bytes, n, &other, NULL));
    free(again);
    again = export(to, other, &n_again);
    assert_memory_equal(again, bytes, n);
    free(again);
    free(bytes);
    tg_kv_cache_close(from);
    tg_kv_cache_close(to);
}

static void an_empty_sequence_comes_back(void **state)
{
    (void)state;
    struct tg_kv_cache *cache = open_cache(TG_KV_PACKED, 4, 4, TG_FP32);
    uint64_t sequence, copy, n;
    ok(tg_kv_start(cache, NULL, 0, &sequence, NULL));
    char *bytes = export(cache, sequence, &n);
    ok(tg_kv_import(cache, bytes, n, &copy, NULL));
    free(bytes);
    tg_kv_cache_close(cache);
}

static void damaged_and_foreign_bytes_are_refused(void **state)
{
    (void)state;
    struct tg_kv_cache *cache = open_cache(TG_KV_PACKED, 4, 16, TG_FP32),
                       *other = open_cache(TG_KV_PACKED, 4, 16, TG_FP16);
    uint64_t n, copy = 0, random = 5;
    char *bytes = export(cache, fill(cache, 9, 9), &n);
    assert_int_equal(tg_kv_import(other, bytes, n, &copy, NULL), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "not those of this cache"));
    for (uint64_t cut = 0; cut < n; cut += 1 + cut / 4)
        assert_int_equal(tg_kv_import(cache, bytes, cut, &copy, NULL), TG_ERR_ARGUMENT);
    for (int i = 0; i < 300; i++) {
        const uint64_t at = i < 100 ? (uint64_t)i % n : random_next(&random) % n;
        const char was = bytes[at];
        bytes[at] = (char)(bytes[at] ^ (1 << random_below(&random, 8)));
        const enum tg_status status = tg_kv_import(cache, bytes, n, &copy, NULL);
        CHECK(status == TG_ERR_ARGUMENT, "byte %llu changed: %s", (unsigned long long)at, tg_status_name(status));
        bytes[at] = was;
    }
    assert_int_equal(copy, 0);
    assert_int_equal(tg_kv_export(cache, 77, NULL, 0, &n), TG_ERR_ARGUMENT);
    struct tg_kv_stats stats;
    ok(tg_kv_cache_stats(cache, &stats));
    assert_int_equal(stats.n_sequences, 1);
    free(bytes);
    tg_kv_cache_close(cache);
    tg_kv_cache_close(other);
}

/* ---- other layouts ----------------------------------------------------------------------------------------------- */

enum { BLOCKS = 5, TOKENS = 6 };

/* A view of BLOCKS blocks in a layout, in fresh memory. The last layout has gaps between blocks, heads and tokens. */
enum { WITH_GAPS = TG_KV_VLLM + 1, LAYOUTS };
static struct tg_kv_view make_view(uint32_t layout, uint32_t dtype)
{
    struct tg_kv_view v;
    tg_kv_view_init(&v);
    v.n_blocks = BLOCKS;
    v.block_tokens = TOKENS;
    v.kv_heads = HEADS;
    v.key_dim = v.value_dim = KEY_DIM;
    v.dtype = dtype;
    const uint64_t room = 4ull * BLOCKS * TOKENS * HEADS * KEY_DIM * tg_dtype_bytes(dtype);
    ok(tg_device_malloc(device, 2 * room, &v.key));
    v.value = v.key + room;
    ok(tg_kv_view_place(&v, layout == WITH_GAPS ? TG_KV_PLAIN : (enum tg_kv_layout)layout));
    if (layout != WITH_GAPS) return v;
    v.key_head = v.value_head = KEY_DIM + 3;
    v.key_token = v.value_token = HEADS * (KEY_DIM + 3) + 1;
    v.key_block = v.value_block = TOKENS * v.key_token + 7;
    return v;
}

/* Address of an element of the keys or values, by the definition of struct tg_kv_view. */
static tg_address element_at(const struct tg_kv_view *v, int values, const uint32_t at[4])
{
    const int64_t place = values ? at[0] * v->value_block + at[1] * v->value_token + at[2] * v->value_head + at[3]
                                 : at[0] * v->key_block + at[1] * v->key_token + at[2] * v->key_head +
                                       at[3] * v->key_dim_stride;
    return (values ? v->value : v->key) + (uint64_t)place * tg_dtype_bytes(v->dtype);
}

/* Write numbers of their own to all elements, or see that they are there. */
static void visit(const struct tg_kv_view *v, bool write)
{
    const uint32_t bytes = tg_dtype_bytes(v->dtype), n = BLOCKS * TOKENS * HEADS * KEY_DIM;
    for (uint32_t i = 0; i < 2 * n; i++) {
        const uint32_t at[4] = {i % n / (TOKENS * HEADS * KEY_DIM), i % n / (HEADS * KEY_DIM) % TOKENS,
                                i % n / KEY_DIM % HEADS, i % KEY_DIM};
        const uint32_t number = i * 2654435761u + 1;
        const tg_address place = element_at(v, i >= n, at);
        uint32_t found = 0, expected = 0;
        memcpy(&expected, &number, bytes);
        if (write) ok(tg_copy_to_device(device, place, &expected, bytes));
        else ok(tg_copy_from_device(device, &found, place, bytes));
        CHECK(write || found == expected, "%s: block %u, token %u, head %u, element %u is %x, not %x",
              i < n ? "keys" : "values", at[0], at[1], at[2], at[3], found, expected);
    }
}

static void every_layout_becomes_every_other_one(void **state)
{
    (void)state;
    static const uint32_t dtypes[] = {TG_FP32, TG_BF16, TG_INT8};
    for (uint32_t i = 0; i < 3 * LAYOUTS * LAYOUTS; i++) {
        struct tg_kv_view from = make_view(i / 3 % LAYOUTS, dtypes[i % 3]),
                          to = make_view(i / 3 / LAYOUTS, dtypes[i % 3]);
        char gap[3] = "##", after[3] = "";
        const tg_address behind = to.key +
                                  (uint64_t)(KEY_DIM * tg_dtype_bytes(to.dtype)); /* of a row: there are gaps */
        const bool has_gaps = i / 3 / LAYOUTS == WITH_GAPS;
        if (has_gaps) ok(tg_copy_to_device(device, behind, gap, 2));
        visit(&from, true);
        ok(tg_kv_convert(device, &from, &to));
        visit(&to, false);
        if (has_gaps) ok(tg_copy_from_device(device, after, behind, 2));
        if (has_gaps) assert_string_equal(after, gap);
        ok(tg_device_free(device, from.key));
        ok(tg_device_free(device, to.key));
    }
}

static void views_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct tg_kv_view from = make_view(TG_KV_PLAIN, TG_FP16), to = make_view(TG_KV_PACKED, TG_FP16), bad;
    visit(&from, true);
    visit(&to, true);
#define REFUSED(field, number, what)                                                                                   \
    bad = from;                                                                                                        \
    bad.field = number;                                                                                                \
    assert_int_equal(tg_kv_convert(device, &bad, &to), TG_ERR_ARGUMENT);                                               \
    CHECK(strstr(tg_last_message(), what), "%s is not in: %s", what, tg_last_message())
    REFUSED(n_blocks, 4, "n_blocks 4");
    REFUSED(n_blocks, 0, "from has n_blocks 0");
    REFUSED(block_tokens, 7, "block_tokens 7");
    REFUSED(kv_heads, 1, "kv_heads 1");
    REFUSED(key_dim, 8, "key_dim 8");
    REFUSED(value_dim, 24, "value_dim 24");
    REFUSED(dtype, TG_FP32, "dtype 0");
    REFUSED(dtype, TG_INT32, "no element type");
    REFUSED(key_scale, 2, "the scales 2 and 1");
    REFUSED(key_scales, bad.value, "scales of blocks");
    REFUSED(key_token, 0, "key_token 0");
    REFUSED(value_block, INT64_MAX, "value_block 9223372036854775807");
    REFUSED(value_block, INT32_MAX, "elements of device memory");
    REFUSED(value, 0, "elements of device memory");
    REFUSED(size, 8, "tg_kv_view");
#undef REFUSED
    assert_int_equal(tg_kv_convert(NULL, &from, &to), TG_ERR_ARGUMENT);
    assert_int_equal(tg_kv_convert(device, NULL, &to), TG_ERR_ARGUMENT);
    assert_int_equal(tg_kv_convert(device, &from, NULL), TG_ERR_ARGUMENT);
    visit(&to, false);
    ok(tg_device_free(device, from.key));
    ok(tg_device_free(device, to.key));
}

/* ---- scales of blocks -------------------------------------------------------------------------------------------- */

static struct tg_kv_cache *open_scaled(uint32_t block_tokens)
{
    struct tg_kv_cache_config config;
    struct tg_kv_cache *cache = NULL;
    tg_kv_cache_config_init(&config);
    config.block_tokens = block_tokens;
    config.n_blocks = 16;
    config.n_layers = LAYERS;
    config.kv_heads = HEADS;
    config.key_dim = KEY_DIM;
    config.value_dim = VALUE_DIM;
    config.dtype = TG_INT8;
    config.block_scales = true;
    ok(tg_kv_cache_open(device, &config, &cache));
    return cache;
}

/* Scale * element of a token's first key and value in each layer and head, within a rounding of the number appended. */
static void expect_numbers(struct tg_kv_cache *cache, uint64_t sequence, uint32_t n)
{
    int64_t stride;
    struct tg_kv_sequence info;
    const int32_t *table = tg_kv_cache_table(cache, &stride);
    ok(tg_kv_look(cache, sequence, &info));
    for (uint32_t i = 0; i < n * LAYERS * HEADS; i++) {
        const uint32_t token = i % n, layer = i / n % LAYERS, head = i / n / LAYERS;
        struct tg_kv_view v;
        ok(tg_kv_cache_view(cache, layer, &v));
        const uint32_t block = (uint32_t)table[info.row * stride + token / v.block_tokens];
        const uint32_t at[4] = {block, token % v.block_tokens, head, 0};
        for (int values = 0; values < 2; values++) {
            int8_t element;
            float scale;
            ok(tg_copy_from_device(device, &element, element_at(&v, values, at), 1));
            ok(tg_copy_from_device(device, &scale,
                                   (values ? v.value_scales : v.key_scales) + (block * HEADS + head) * sizeof scale,
                                   sizeof scale));
            const float number = (float)element * scale,
                        right = key_of(layer, token, head, 0) * (values ? -1.0f : 1.0f);
            CHECK(fabsf(number - right) <= 1.01f * scale, "layer %u, token %u, head %u: %g, not %g", layer, token, head,
                  (double)number, (double)right);
        }
    }
}

static void scales_of_blocks_go_with_their_blocks(void **state)
{
    (void)state;
    struct tg_kv_cache *from = open_scaled(7), *to = open_scaled(7), *other = open_scaled(8);
    uint64_t n, n_again, copy, fork;
    const uint64_t sequence = fill(from, 45, 33);
    expect_numbers(from, sequence, 45);
    char *bytes = export(from, sequence, &n);
    ok(tg_kv_import(to, bytes, n, &copy, NULL));
    expect_numbers(to, copy, 45);
    char *again = export(to, copy, &n_again);
    assert_int_equal(n_again, n);
    assert_memory_equal(again, bytes, n);
    assert_int_equal(tg_kv_import(other, bytes, n, &copy, NULL), TG_ERR_ARGUMENT);
    CHECK(strstr(tg_last_message(), "scales of blocks of 7 tokens"), "%s", tg_last_message());
    for (uint64_t at = 0; at < n; at += 1 + n / 300) {
        bytes[at] = (char)(bytes[at] ^ 4);
        assert_int_equal(tg_kv_import(to, bytes, n, &copy, NULL), TG_ERR_ARGUMENT);
        bytes[at] = (char)(bytes[at] ^ 4);
    }

    /* A fork that writes into the shared last block copies its scales. */
    ok(tg_kv_fork(from, sequence, &fork));
    ok(tg_kv_reserve(from, fork, 1, NULL));
    expect_numbers(from, fork, 45);
    expect_numbers(from, sequence, 45);
    free(bytes);
    free(again);
    tg_kv_cache_close(from);
    tg_kv_cache_close(to);
    tg_kv_cache_close(other);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_bytes_do_not_depend_on_layout_and_blocks),
    cmocka_unit_test(a_sequence_comes_back),
    cmocka_unit_test(an_empty_sequence_comes_back),
    cmocka_unit_test(damaged_and_foreign_bytes_are_refused),
    cmocka_unit_test(every_layout_becomes_every_other_one),
    cmocka_unit_test(views_that_do_not_fit_are_refused),
    cmocka_unit_test(scales_of_blocks_go_with_their_blocks),
};

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_device, close_device);
}
