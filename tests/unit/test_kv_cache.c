/*
 * cache.c, table.c, pool.c: the cache against a model that knows the tokens of every sequence, under random operations
 * (fuzz/kv_walk.h); from several threads; and each rule of sharing alone.
 *
 * A token is a number. The test writes it into the key of the token's place, so that a block that is shared or copied
 * wrongly shows in the contents that a sequence reads.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "attention/cache.h"
#include "common/check.h"
#include "common/random.h"
#include "fuzz/kv_walk.h"

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

static struct tg_kv_cache_config small_config(uint32_t n_blocks, uint32_t block_tokens)
{
    struct tg_kv_cache_config config;
    tg_kv_cache_config_init(&config);
    config.n_blocks = n_blocks;
    config.block_tokens = block_tokens;
    config.kv_heads = 1;
    config.key_dim = 8;
    config.layout = TG_KV_PLAIN;
    config.max_sequences = 24;
    return config;
}

static struct tg_kv_cache *open_cache(const struct tg_kv_cache_config *config)
{
    struct tg_kv_cache *cache = NULL;
    ok(tg_kv_cache_open(device, config, &cache));
    return cache;
}

/* ---- tokens in the cache ----------------------------------------------------------------------------------------- */

static struct tg_kv_sequence look(struct tg_kv_cache *cache, uint64_t sequence)
{
    struct tg_kv_sequence info;
    ok(tg_kv_look(cache, sequence, &info));
    return info;
}

static int32_t block_of(struct tg_kv_cache *cache, uint64_t sequence, uint64_t token)
{
    int64_t stride;
    const int32_t *table = tg_kv_cache_table(cache, &stride);
    return table[look(cache, sequence).row * stride + (int64_t)(token / cache->config.block_tokens)];
}

/* The first element of the token's key in a layer. */
static tg_address place_of(struct tg_kv_cache *cache, uint32_t layer, uint64_t sequence, uint64_t token)
{
    const struct tg_kv_view *view = &cache->views[layer];
    const int64_t at = block_of(cache, sequence, token) * view->key_block +
                       (int64_t)(token % cache->config.block_tokens) * view->key_token;
    return view->key + (uint64_t)at * 4;
}

static void write_token(struct tg_kv_cache *cache, uint64_t sequence, uint64_t token, int32_t value)
{
    for (uint32_t layer = 0; layer < cache->config.n_layers; layer++) {
        const int32_t mark = value * 8 + (int32_t)layer;
        ok(tg_copy_to_device(device, place_of(cache, layer, sequence, token), &mark, sizeof mark));
    }
}

static int32_t read_token(struct tg_kv_cache *cache, uint64_t sequence, uint64_t token)
{
    int32_t mark = 0, first = 0;
    for (uint32_t layer = 0; layer < cache->config.n_layers; layer++) {
        ok(tg_copy_from_device(device, &mark, place_of(cache, layer, sequence, token), sizeof mark));
        if (layer == 0) first = mark;
        assert_int_equal(mark - (int32_t)layer, first);
    }
    return first / 8;
}

/* Reserve, write, commit. */
static void extend(struct tg_kv_cache *cache, uint64_t sequence, const int32_t *tokens, uint64_t n, bool tell)
{
    const uint64_t from = look(cache, sequence).n_tokens;
    ok(tg_kv_reserve(cache, sequence, n, NULL));
    for (uint64_t i = 0; i < n; i++) write_token(cache, sequence, from + i, tokens[i]);
    ok(tg_kv_commit(cache, sequence, tell ? tokens : NULL, n));
}

static void expect_tokens(struct tg_kv_cache *cache, uint64_t sequence, const int32_t *tokens, uint64_t n)
{
    assert_int_equal(look(cache, sequence).n_tokens, n);
    for (uint64_t i = 0; i < n; i++) {
        const int32_t found = read_token(cache, sequence, i);
        CHECK(found == tokens[i], "token %d is %d, not %d", (int)i, found, tokens[i]);
    }
}

static struct tg_kv_stats stats_of(struct tg_kv_cache *cache)
{
    struct tg_kv_stats stats;
    ok(tg_kv_cache_stats(cache, &stats));
    assert_int_equal(stats.n_used + stats.n_kept + stats.n_free, stats.n_blocks);
    return stats;
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static int n_model_steps = 4000;

static void sequences_hold_what_a_model_holds(void **state)
{
    enum { WALKS = 24, BYTES_OF_A_STEP = 2 };
    (void)state;
    struct kv_counts all = {0};
    const size_t n_bytes = (size_t)n_model_steps * BYTES_OF_A_STEP;
    uint8_t *bytes = malloc(n_bytes);
    assert_non_null(bytes);
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        uint64_t random = seed;
        for (size_t i = 0; i < n_bytes; i++) bytes[i] = (uint8_t)random_next(&random);
        const struct kv_counts counts = kv_walk(device, bytes, n_bytes);
        all.n_reused += counts.n_reused;
        all.n_copied += counts.n_copied;
        all.n_evicted += counts.n_evicted;
        all.n_full += counts.n_full;
        all.n_appended += counts.n_appended;
        all.n_moved += counts.n_moved;
        all.n_refused += counts.n_refused;
    }
    free(bytes);
    print_message(
        "    %llu tokens reused, %llu blocks copied, %llu evicted, %llu times full, %llu tokens appended, %llu "
        "sequences moved, %llu wrong calls\n",
        (unsigned long long)all.n_reused, (unsigned long long)all.n_copied, (unsigned long long)all.n_evicted,
        (unsigned long long)all.n_full, (unsigned long long)all.n_appended, (unsigned long long)all.n_moved,
        (unsigned long long)all.n_refused);
    /* The walks met what they are for. */
    assert_true(all.n_reused && all.n_copied && all.n_evicted && all.n_full && all.n_appended && all.n_moved &&
                all.n_refused);
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static const int32_t story[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void equal_prefixes_share_blocks(void **state)
{
    (void)state;
    const struct tg_kv_cache_config config = small_config(16, 4);
    struct tg_kv_cache *cache = open_cache(&config);
    uint64_t a, b, n_reused;
    ok(tg_kv_start(cache, story, 10, &a, &n_reused));
    assert_int_equal(n_reused, 0);
    extend(cache, a, story, 10, true);
    ok(tg_kv_start(cache, story, 12, &b, &n_reused));
    assert_int_equal(n_reused, 8); /* the third block is not full */
    assert_int_equal(block_of(cache, a, 4), block_of(cache, b, 4));
    expect_tokens(cache, b, story, 8);
    assert_int_equal(stats_of(cache).n_used, 3);

    /* The same tokens behind another beginning are another prefix. */
    const int32_t other[8] = {9, 2, 3, 4, 5, 6, 7, 8};
    uint64_t n_found;
    ok(tg_kv_lookup(cache, other, 8, &n_found));
    assert_int_equal(n_found, 0);
    ok(tg_kv_lookup(cache, story + 4, 4, &n_found));
    assert_int_equal(n_found, 0);
    tg_kv_cache_close(cache);
}

static void blocks_without_known_tokens_are_not_found(void **state)
{
    (void)state;
    const struct tg_kv_cache_config config = small_config(16, 4);
    struct tg_kv_cache *cache = open_cache(&config);
    uint64_t a, n_found;
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    extend(cache, a, story, 4, true);
    extend(cache, a, story + 4, 2, false);
    extend(cache, a, story + 6, 6, true);
    ok(tg_kv_lookup(cache, story, 12, &n_found));
    assert_int_equal(n_found, 4);
    ok(tg_kv_truncate(cache, a, 4));
    extend(cache, a, story + 4, 8, true);
    ok(tg_kv_lookup(cache, story, 12, &n_found));
    assert_int_equal(n_found, 12);
    tg_kv_cache_close(cache);
}

static void kept_blocks_survive_until_others_need_them(void **state)
{
    (void)state;
    const struct tg_kv_cache_config config = small_config(6, 4);
    struct tg_kv_cache *cache = open_cache(&config);
    const int32_t second[8] = {21, 22, 23, 24, 25, 26, 27, 28};
    uint64_t a, b, n_found, n_missing;
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    extend(cache, a, story, 8, true);
    ok(tg_kv_start(cache, NULL, 0, &b, NULL));
    extend(cache, b, second, 8, true);
    ok(tg_kv_release(cache, a));
    ok(tg_kv_release(cache, b));
    assert_int_equal(stats_of(cache).n_kept, 4);

    /* Two blocks are free and four kept: the fifth takes the last block of a, the least recently used. */
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    ok(tg_kv_reserve(cache, a, 12, NULL));
    ok(tg_kv_lookup(cache, story, 8, &n_found));
    assert_int_equal(n_found, 4);
    ok(tg_kv_lookup(cache, second, 8, &n_found));
    assert_int_equal(n_found, 8);
    ok(tg_kv_start(cache, second, 8, &b, NULL)); /* they are in use now */
    assert_int_equal(tg_kv_reserve(cache, a, 24, &n_missing), TG_ERR_CACHE_FULL);
    assert_int_equal(n_missing, 2);
    assert_non_null(strstr(tg_last_message(), "2 of them are missing"));
    assert_int_equal(look(cache, a).n_reserved, 12);
    ok(tg_kv_release(cache, b));
    ok(tg_kv_reserve(cache, a, 24, &n_missing));
    tg_kv_cache_close(cache);
}

static void a_fork_copies_the_block_that_it_writes(void **state)
{
    (void)state;
    struct tg_kv_cache_config config = small_config(16, 4);
    config.n_layers = 3;
    for (uint32_t layout = TG_KV_PACKED; layout <= TG_KV_VLLM; layout++) {
        config.layout = layout;
        struct tg_kv_cache *cache = open_cache(&config);
        uint64_t a, b;
        const int32_t left[2] = {100, 101}, right[2] = {200, 201};
        ok(tg_kv_start(cache, NULL, 0, &a, NULL));
        extend(cache, a, story, 6, true);
        ok(tg_kv_fork(cache, a, &b));
        assert_int_equal(stats_of(cache).n_used, 2);
        extend(cache, b, right, 2, true);
        extend(cache, a, left, 2, true);
        assert_int_equal(stats_of(cache).n_copied, 1); /* a is alone with its block then */
        expect_tokens(cache, a, (const int32_t[]){1, 2, 3, 4, 5, 6, 100, 101}, 8);
        expect_tokens(cache, b, (const int32_t[]){1, 2, 3, 4, 5, 6, 200, 201}, 8);
        assert_int_equal(block_of(cache, a, 0), block_of(cache, b, 0));
        tg_kv_cache_close(cache);
    }
}

static void a_cut_block_is_no_longer_found_once_it_is_written(void **state)
{
    (void)state;
    const struct tg_kv_cache_config config = small_config(16, 4);
    struct tg_kv_cache *cache = open_cache(&config);
    uint64_t a, b, n_found;
    const int32_t other[2] = {77, 78};
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    extend(cache, a, story, 8, true);
    ok(tg_kv_truncate(cache, a, 6));
    ok(tg_kv_lookup(cache, story, 8, &n_found));
    assert_int_equal(n_found, 8); /* the block still has its tokens */
    ok(tg_kv_start(cache, story, 8, &b, NULL));
    extend(cache, a, other, 2, true); /* b has the block: a writes a copy */
    expect_tokens(cache, b, story, 8);
    expect_tokens(cache, a, (const int32_t[]){1, 2, 3, 4, 5, 6, 77, 78}, 8);
    ok(tg_kv_release(cache, b));
    ok(tg_kv_lookup(cache, story, 8, &n_found));
    assert_int_equal(n_found, 8);

    ok(tg_kv_truncate(cache, a, 6));
    extend(cache, a, story, 1, true); /* a is alone: the block loses its identity */
    ok(tg_kv_lookup(cache, (const int32_t[]){1, 2, 3, 4, 5, 6, 77, 78}, 8, &n_found));
    assert_int_equal(n_found, 4);
    tg_kv_cache_close(cache);
}

/* Two sequences that computed the same blocks at the same time: either's children are found behind either. */
static void equal_blocks_that_were_written_twice_have_one_identity(void **state)
{
    (void)state;
    const struct tg_kv_cache_config config = small_config(16, 4);
    struct tg_kv_cache *cache = open_cache(&config);
    uint64_t a, b, n_found;
    const int32_t tail[4] = {31, 32, 33, 34};
    ok(tg_kv_start(cache, story, 4, &a, NULL));
    ok(tg_kv_start(cache, story, 4, &b, NULL));
    extend(cache, a, story, 4, true);
    extend(cache, b, story, 4, true);
    extend(cache, b, tail, 4, true);
    ok(tg_kv_lookup(cache, (const int32_t[]){1, 2, 3, 4, 31, 32, 33, 34}, 8, &n_found));
    assert_int_equal(n_found, 8);

    const int32_t first = block_of(cache, a, 0);
    /* Once the first is gone, nothing is found behind it; nor behind another beginning in its block. */
    ok(tg_kv_release(cache, a));
    assert_int_equal(tg_kv_evict(cache, 16), 1);
    const int32_t other[8] = {41, 42, 43, 44, 31, 32, 33, 34};
    ok(tg_kv_start(cache, other, 4, &a, NULL));
    extend(cache, a, other, 4, true);
    assert_int_equal(block_of(cache, a, 0), first);
    ok(tg_kv_lookup(cache, other, 8, &n_found));
    assert_int_equal(n_found, 4);
    extend(cache, b, story, 4, true);
    ok(tg_kv_lookup(cache, (const int32_t[]){1, 2, 3, 4, 31, 32, 33, 34}, 8, &n_found));
    assert_int_equal(n_found, 0);
    tg_kv_cache_close(cache);
}

static void a_wrong_call_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct tg_kv_cache_config config = small_config(16, 4);
    config.max_sequences = 2;
    config.max_blocks = 3;
    struct tg_kv_cache *cache = open_cache(&config);
    uint64_t a, b, c = 5, n = 7;
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    ok(tg_kv_start(cache, NULL, 0, &b, NULL));
    assert_int_equal(tg_kv_start(cache, NULL, 0, &c, NULL), TG_ERR_CACHE_FULL);
    assert_int_equal(tg_kv_fork(cache, a, &c), TG_ERR_CACHE_FULL);
    assert_int_equal(c, 5);
    assert_int_equal(tg_kv_start(cache, NULL, 3, &c, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_kv_reserve(cache, a, 13, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_kv_reserve(cache, a, UINT64_MAX, &n), TG_ERR_ARGUMENT);
    assert_int_equal(n, 0);
    assert_int_equal(tg_kv_commit(cache, a, story, UINT64_MAX), TG_ERR_ARGUMENT);
    assert_int_equal(tg_kv_truncate(cache, a, 1), TG_ERR_ARGUMENT);
    const uint64_t wrong[] = {0, 1, a + 1 == b ? a + 2 : a + 1, a ^ (1ull << 32), UINT64_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct tg_kv_sequence info;
        assert_int_equal(tg_kv_reserve(cache, wrong[i], 1, NULL), TG_ERR_ARGUMENT);
        assert_int_equal(tg_kv_commit(cache, wrong[i], NULL, 0), TG_ERR_ARGUMENT);
        assert_int_equal(tg_kv_truncate(cache, wrong[i], 0), TG_ERR_ARGUMENT);
        assert_int_equal(tg_kv_fork(cache, wrong[i], &c), TG_ERR_ARGUMENT);
        assert_int_equal(tg_kv_release(cache, wrong[i]), TG_ERR_ARGUMENT);
        assert_int_equal(tg_kv_look(cache, wrong[i], &info), TG_ERR_ARGUMENT);
    }
    assert_int_equal(stats_of(cache).n_used, 0);
    assert_int_equal(stats_of(cache).n_sequences, 2);
    tg_kv_cache_close(cache);
    tg_kv_cache_close(NULL);
}

static void expect_refused(struct tg_kv_cache_config config, const char *what)
{
    struct tg_kv_cache *cache = NULL;
    assert_int_equal(tg_kv_cache_open(device, &config, &cache), TG_ERR_ARGUMENT);
    CHECK(strstr(tg_last_message(), what), "%s is not in: %s", what, tg_last_message());
    assert_null(cache);
}

static void an_impossible_configuration_is_refused_by_name(void **state)
{
    (void)state;
    const struct tg_kv_cache_config good = small_config(16, 4);
    struct tg_kv_cache_config bad;
#define REFUSED(field, value, what)                                                                                    \
    bad = good;                                                                                                        \
    bad.field = value;                                                                                                 \
    expect_refused(bad, what)
    REFUSED(n_blocks, 0, "n_blocks is 0");
    REFUSED(n_blocks, UINT32_MAX, "n_blocks");
    REFUSED(block_tokens, 0, "block_tokens is 0");
    REFUSED(block_tokens, 1025, "block_tokens is 1025");
    REFUSED(n_layers, 0, "n_layers");
    REFUSED(kv_heads, 0, "kv_heads");
    REFUSED(key_dim, 12, "key_dim is 12: give a multiple of 8");
    REFUSED(key_dim, 584, "key_dim is 584");
    REFUSED(value_dim, 4, "value_dim is 4");
    REFUSED(dtype, TG_INT32, "dtype 3");
    REFUSED(dtype, 1000, "dtype 1000");
    REFUSED(layout, 3, "layout is 3");
    REFUSED(max_sequences, 0, "max_sequences");
    REFUSED(key_scale, 0, "key_scale");
    REFUSED(value_scale, -1, "value_scale");
    REFUSED(value_scale, 2, "only 8-bit elements have scales");
    REFUSED(block_scales, true, "block_scales is true");
    bad.dtype = TG_INT8;
    bad.block_scales = false;
    bad.key_scale = 1e-40f;
    expect_refused(bad, "1e-18 to 1e+18 are possible");
    assert_null(tg_kv_cache_table(NULL, NULL));
    const tg_address nowhere[1] = {64};
    REFUSED(keys, nowhere, "values is NULL");
    bad.values = nowhere;
    expect_refused(bad, "keys[0]");
    bad.layout = TG_KV_VLLM;
    expect_refused(bad, "values is given");
    REFUSED(rotary_dims, 3, "rotary_dims is 3");
    REFUSED(rotary_dims, 10, "rotary_dims is 10");
    REFUSED(rotary_dims, 8, "rotary_cos is NULL");
    REFUSED(size, 8, "tg_kv_cache_config");
#undef REFUSED
    struct tg_kv_cache *cache = NULL;
    bad = good;
    bad.n_blocks = 1u << 20;
    bad.block_tokens = 1024;
    bad.kv_heads = 1024;
    bad.key_dim = 576;
    bad.reuse = false;
    bad.max_blocks = 1;
    assert_int_equal(tg_kv_cache_open(device, &bad, &cache), TG_ERR_DEVICE_MEMORY);
}

static uint64_t peak_resident_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_maxrss;
}

/* The books of a block take memory when it is taken for the first time. */
static void a_cache_of_millions_of_blocks_takes_little_memory(void **state)
{
    (void)state;
    if (TEST_ASAN || TEST_TSAN) skip(); /* a sanitizer writes a shadow of all of it */
    enum { KIB_MOST = 64 << 10 };
    struct tg_kv_cache_config config = small_config(1u << 23, 1);
    const uint64_t before = peak_resident_kib();
    struct tg_kv_cache *cache = open_cache(&config);
    uint64_t a;
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    extend(cache, a, story, 12, true);
    expect_tokens(cache, a, story, 12);
    assert_int_equal(stats_of(cache).n_free, (1u << 23) - 12);
    tg_kv_cache_close(cache);

    config = small_config(16, 4);
    config.max_blocks = 1u << 30; /* more than a row can have */
    cache = open_cache(&config);
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    assert_int_equal(tg_kv_reserve(cache, a, 65, NULL), TG_ERR_CACHE_FULL);
    tg_kv_cache_close(cache);
    const uint64_t more = peak_resident_kib() - before;
    CHECK(more < KIB_MOST, "%llu KiB", (unsigned long long)more);
}

static void the_callers_memory_is_used_in_place(void **state)
{
    (void)state;
    struct tg_kv_cache_config config = small_config(16, 4);
    const uint64_t bytes = 16 * 4 * 8 * 4;
    tg_address memory[2];
    for (int i = 0; i < 2; i++) ok(tg_device_malloc(device, 2 * bytes, &memory[i]));
    config.layout = TG_KV_VLLM;
    config.n_layers = 2;
    config.keys = memory;
    struct tg_kv_cache *cache = open_cache(&config);
    struct tg_kv_view view;
    for (uint32_t layer = 0; layer < 2; layer++) {
        ok(tg_kv_cache_view(cache, layer, &view));
        assert_int_equal(view.key, memory[layer]);
        assert_int_equal(view.value, memory[layer] + bytes);
        assert_int_equal(view.n_blocks, 16);
    }
    assert_int_equal(tg_kv_cache_view(cache, 2, &view), TG_ERR_ARGUMENT);
    tg_kv_cache_close(cache);
    for (int i = 0; i < 2; i++) ok(tg_device_free(device, memory[i]));
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { SOAK_THREADS = 4, SOAK_OWN = 4, SOAK_TOKENS = 60 };

struct soak {
    struct tg_kv_cache *cache;
    int id, n_steps;
    uint64_t n_full;
};

static void soak_extend(struct soak *s, uint64_t sequence, int32_t *tokens, uint64_t *n, uint64_t *random)
{
    const uint64_t more = 1 + (uint64_t)random_below(random, 9);
    if (*n + more > SOAK_TOKENS) return;
    const enum tg_status status = tg_kv_reserve(s->cache, sequence, more, NULL);
    if (status == TG_ERR_CACHE_FULL) {
        s->n_full++;
        return;
    }
    ok(status);
    /* The beginnings are those of all threads, the rest is this thread's. */
    for (uint64_t i = *n; i < *n + more; i++) {
        tokens[i] = i < 24 ? (int32_t)i : 1000 * (s->id + 1) + random_below(random, 900);
        write_token(s->cache, sequence, i, tokens[i]);
    }
    ok(tg_kv_commit(s->cache, sequence, tokens + *n, more));
    *n += more;
}

static void *soak_thread(void *argument)
{
    struct soak *s = argument;
    uint64_t random = (uint64_t)s->id + 11, handles[SOAK_OWN] = {0}, n[SOAK_OWN] = {0};
    int32_t tokens[SOAK_OWN][SOAK_TOKENS] = {{0}};
    for (int step_idx = 0; step_idx < s->n_steps; step_idx++) {
        const int i = random_below(&random, SOAK_OWN), j = random_below(&random, SOAK_OWN);
        const int what = random_below(&random, 10);
        if (!handles[i]) {
            for (int32_t t = 0; t < 24; t++) tokens[i][t] = t;
            ok(tg_kv_start(s->cache, tokens[i], 24, &handles[i], &n[i]));
        } else if (what < 5) {
            soak_extend(s, handles[i], tokens[i], &n[i], &random);
        } else if (what < 7 && !handles[j]) {
            ok(tg_kv_fork(s->cache, handles[i], &handles[j]));
            memcpy(tokens[j], tokens[i], sizeof tokens[i]);
            n[j] = n[i];
        } else if (what < 8) {
            n[i] = (uint64_t)random_below(&random, (int)n[i] + 1);
            ok(tg_kv_truncate(s->cache, handles[i], n[i]));
        } else if (what < 9) {
            ok(tg_kv_release(s->cache, handles[i]));
            handles[i] = 0;
        }
        if (handles[i]) expect_tokens(s->cache, handles[i], tokens[i], n[i]);
    }
    for (int i = 0; i < SOAK_OWN; i++)
        if (handles[i]) ok(tg_kv_release(s->cache, handles[i]));
    return NULL;
}

static void threads_lose_nothing(void **state)
{
    (void)state;
    struct tg_kv_cache_config config = small_config(24, 4);
    struct tg_kv_cache *cache = open_cache(&config);
    pthread_t threads[SOAK_THREADS];
    struct soak soaks[SOAK_THREADS];
    for (int i = 0; i < SOAK_THREADS; i++) {
        soaks[i] = (struct soak){cache, i, TEST_TSAN || TEST_ASAN ? 1000 : n_model_steps, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, soak_thread, &soaks[i]), 0);
    }
    uint64_t n_full = 0;
    for (int i = 0; i < SOAK_THREADS; i++) {
        pthread_join(threads[i], NULL);
        n_full += soaks[i].n_full;
    }
    const struct tg_kv_stats stats = stats_of(cache);
    assert_int_equal(stats.n_used, 0);
    assert_int_equal(stats.n_sequences, 0);
    CHECK(stats.n_reused && stats.n_copied && stats.n_evicted && n_full, "the soak met nothing");
    tg_kv_evict(cache, UINT64_MAX);
    assert_int_equal(stats_of(cache).n_free, 24);
    tg_kv_cache_close(cache);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sequences_hold_what_a_model_holds),
    cmocka_unit_test(equal_prefixes_share_blocks),
    cmocka_unit_test(blocks_without_known_tokens_are_not_found),
    cmocka_unit_test(kept_blocks_survive_until_others_need_them),
    cmocka_unit_test(a_fork_copies_the_block_that_it_writes),
    cmocka_unit_test(a_cut_block_is_no_longer_found_once_it_is_written),
    cmocka_unit_test(equal_blocks_that_were_written_twice_have_one_identity),
    cmocka_unit_test(a_wrong_call_is_refused_and_changes_nothing),
    cmocka_unit_test(an_impossible_configuration_is_refused_by_name),
    cmocka_unit_test(a_cache_of_millions_of_blocks_takes_little_memory),
    cmocka_unit_test(the_callers_memory_is_used_in_place),
    cmocka_unit_test(threads_lose_nothing),
};

/* A number instead of a name: so many steps of the random tests. */
int main(int argc, char **argv)
{
    if (argc > 1 && atoi(argv[1]) > 0) n_model_steps = atoi(argv[1]);
    else if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_device, close_device);
}
