/* append.c and its kernel: every byte of the cache after appends of random shapes, types, strides and layouts, on every
 * platform. */
#include <math.h>
#include <stdlib.h>

#include <tilegraph/tile.h>

#include "attention/cache.h"
#include "common/check.h"
#include "common/random.h"
#include "pa_dtype.h"
#include "reference.h"

static void ok(enum tg_status status) { CHECK(status == TG_OK, "%s: %s", tg_status_name(status), tg_last_message()); }

static struct tg_device *open_device(const char *platform, uint32_t workers)
{
    struct tg_device_config config;
    struct tg_device *device = NULL;
    tg_device_config_init(&config);
    config.platform = platform;
    config.workers = workers;
    config.gm_bytes = 1u << 30;
    ok(tg_device_open(&config, &device));
    return device;
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */

static double number_of(const void *array, uint32_t dtype, uint64_t at)
{
    if (dtype == TG_FP32) return (double)((const float *)array)[at];
    if (dtype == TG_INT8) return ((const int8_t *)array)[at];
    if (ref_is_fp8(dtype)) return ref_fp8(dtype, ((const uint8_t *)array)[at]);
    const uint16_t bits = ((const uint16_t *)array)[at];
    return (double)(dtype == TG_FP16 ? pa_fp16_to_float(bits) : pa_bf16_to_float(bits));
}

static void put_number(void *array, uint32_t dtype, uint64_t at, double number)
{
    if (dtype == TG_FP32) ((float *)array)[at] = (float)number;
    else if (dtype == TG_INT8) ((int8_t *)array)[at] = (int8_t)number;
    else if (ref_is_fp8(dtype)) ((uint8_t *)array)[at] = ref_fp8_code(dtype, number);
    else if (dtype == TG_FP16) ((uint16_t *)array)[at] = pa_fp16_from_float((float)number);
    else ((uint16_t *)array)[at] = pa_bf16_from_float((float)number);
}

/* ---- a case ------------------------------------------------------------------------------------------------------ */

enum { SEQUENCES_MAX = 5 };

struct trial {
    struct tg_kv_cache *cache;
    struct tg_device *device;
    struct tg_kv_rows rows;
    uint64_t sequences[SEQUENCES_MAX];
    int32_t n_tokens[SEQUENCES_MAX];
    uint64_t n_rows;
    void *from[2];            /* keys and values of the new tokens */
    unsigned char *before[2]; /* the cache's bytes, keys and values of layer 1 */
    uint64_t bytes[2];
    float *scales[2];                 /* [block][head] before, then as expected; NULL: blocks have none */
    struct tg_kv_cache_config config; /* with the rotary tables */
};

static int64_t token_stride(const struct trial *t, int side) { return side ? t->rows.value_token : t->rows.key_token; }
static int64_t head_stride(const struct trial *t, int side) { return side ? t->rows.value_head : t->rows.key_head; }

/* Rows with gaps of NaN, which must not reach the cache. */
static void draw_rows(struct trial *t, uint64_t *random)
{
    const struct tg_kv_cache_config *c = &t->cache->config;
    for (int side = 0; side < 2; side++) {
        const uint32_t dim = side ? c->value_dim : c->key_dim;
        const int64_t head = (int64_t)dim + random_below(random, 2) * 8,
                      token = head * c->kv_heads + random_below(random, 3) * 4;
        const uint64_t n = t->n_rows * (uint64_t)token + 1;
        t->from[side] = malloc(n * tg_dtype_bytes(t->rows.dtype));
        assert_non_null(t->from[side]);
        memset(t->from[side], 0xFF, n * tg_dtype_bytes(t->rows.dtype));
        for (uint64_t r = 0; r < t->n_rows; r++) {
            for (uint32_t h = 0; h < c->kv_heads; h++) {
                for (uint32_t d = 0; d < dim; d++) {
                    const uint64_t at = r * (uint64_t)token + h * (uint64_t)head + d;
                    const double number = (random_below(random, 2001) - 1000) / 250.0;
                    put_number(t->from[side], t->rows.dtype, at, t->rows.dtype == TG_INT8 ? number * 30 : number);
                }
            }
        }
        if (side) t->rows.value_token = token, t->rows.value_head = head;
        else t->rows.key_token = token, t->rows.key_head = head;
    }
    t->rows.keys = t->from[0];
    t->rows.values = t->from[1];
}

/* A number in fp32 as an element of 8 bits. */
static double rounded_of(uint32_t dtype, float scaled)
{
    if (dtype != TG_INT8) return (double)scaled; /* limited and rounded when it is put */
    return (double)rintf(scaled > 127 ? 127 : scaled < -128 ? -128 : scaled);
}

/* The cache's element for a number of the rows. */
static double expected_of(const struct trial *t, int side, double number)
{
    const uint32_t dtype = t->cache->config.dtype;
    if (dtype == t->rows.dtype || dtype == TG_FP32) return number;
    if (dtype == TG_FP16) return (double)pa_fp16_to_float(pa_fp16_from_float((float)number));
    if (dtype == TG_BF16) return (double)pa_bf16_to_float(pa_bf16_from_float((float)number));
    const float factor = 1.0f / (side ? t->cache->config.value_scale : t->cache->config.key_scale);
    return rounded_of(dtype, (float)number * factor);
}

/* The number of row r, head h, dimension d, at a position; keys are rotated. */
static double number_at(const struct trial *t, int side, uint64_t r, uint32_t h, uint32_t d, uint64_t position)
{
    const struct tg_kv_cache_config *c = &t->config;
    const uint64_t row = r * (uint64_t)token_stride(t, side) + h * (uint64_t)head_stride(t, side);
    const double number = number_of(t->from[side], t->rows.dtype, row + d);
    if (side || d >= c->rotary_dims) return number;
    const uint32_t half = c->rotary_dims / 2, pair = c->rotary_interleaved ? d / 2 : d % half;
    const bool is_first = c->rotary_interleaved ? d % 2 == 0 : d < half;
    const uint32_t partner = c->rotary_interleaved ? d ^ 1u : is_first ? d + half : d - half;
    const float cosine = c->rotary_cos[position * half + pair], sine = c->rotary_sin[position * half + pair];
    const float other = (float)number_of(t->from[side], t->rows.dtype, row + partner);
    const float a = (float)number * cosine, b = other * (is_first ? -sine : sine);
    return (double)(a + b);
}

static int64_t place_of(const struct tg_kv_view *v, int side, int64_t block, uint32_t head, int64_t slot, uint32_t d)
{
    if (side) return block * v->value_block + head * v->value_head + slot * v->value_token + d;
    return block * v->key_block + head * v->key_head + slot * v->key_token + d * v->key_dim_stride;
}

/* Put the expected elements over `before`; the result is what the cache must have. */
static void expect_rows(struct trial *t, int side)
{
    const struct tg_kv_view *v = &t->cache->views[1];
    const uint32_t dim = side ? v->value_dim : v->key_dim;
    int64_t stride;
    const int32_t *table = tg_kv_cache_table(t->cache, &stride);
    uint64_t r = 0;
    for (uint32_t s = 0; s < t->rows.n_sequences; s++) {
        struct tg_kv_sequence info;
        ok(tg_kv_look(t->cache, t->sequences[s], &info));
        for (int32_t i = 0; i < t->n_tokens[s]; i++, r++) {
            const uint64_t token = info.n_tokens + (uint64_t)i;
            const int64_t block = table[info.row * stride + (int64_t)(token / v->block_tokens)];
            const int64_t slot = (int64_t)(token % v->block_tokens);
            for (uint32_t h = 0; h < v->kv_heads; h++) {
                for (uint32_t d = 0; d < dim; d++) {
                    const int64_t to = place_of(v, side, block, h, slot, d);
                    const double number = number_at(t, side, r, h, d, token);
                    put_number(t->before[side], v->dtype, (uint64_t)to, expected_of(t, side, number));
                }
            }
        }
    }
}

/* New rows [r, r + n) of a head go to a block that has `slot` tokens before them: the scale that its largest number
 * needs, older elements with this scale, new elements. */
static void expect_scaled_piece(struct trial *t, int side, int64_t block, int64_t slot, uint64_t r, uint64_t n,
                                uint64_t position)
{
    const struct tg_kv_view *v = &t->cache->views[1];
    const uint32_t dim = side ? v->value_dim : v->key_dim, dtype = v->dtype;
    const float end = dtype == TG_INT8 ? 127.0f : dtype == TG_FP8_E4M3 ? 448.0f : 57344.0f;
    const float factor = 1.0f / (side ? t->config.value_scale : t->config.key_scale);
    for (uint32_t h = 0; h < v->kv_heads; h++) {
        float *stored = &t->scales[side][block * v->kv_heads + h], most = 0;
        const float old = slot ? *stored : 0;
        for (uint64_t i = 0; i < n; i++)
            for (uint32_t d = 0; d < dim; d++)
                most = fmaxf(most, fabsf((float)number_at(t, side, r + i, h, d, position + i)));
        *stored = fmaxf(fmaxf(most * factor / end, 1e-30f), old);
        for (int64_t s = 0; s<slot && * stored> old; s++)
            for (uint32_t d = 0; d < dim; d++) {
                const uint64_t at = (uint64_t)place_of(v, side, block, h, s, d);
                const float number = (float)number_of(t->before[side], dtype, at) * (old / *stored);
                put_number(t->before[side], dtype, at, rounded_of(dtype, number));
            }
        for (uint64_t i = 0; i < n; i++)
            for (uint32_t d = 0; d < dim; d++) {
                const float number = (float)number_at(t, side, r + i, h, d, position + i) * (factor / *stored);
                put_number(t->before[side], dtype, (uint64_t)place_of(v, side, block, h, slot + (int64_t)i, d),
                           rounded_of(dtype, number));
            }
    }
}

static void expect_scaled_rows(struct trial *t, int side)
{
    const struct tg_kv_view *v = &t->cache->views[1];
    int64_t stride;
    const int32_t *table = tg_kv_cache_table(t->cache, &stride);
    uint64_t r = 0;
    for (uint32_t s = 0; s < t->rows.n_sequences; s++) {
        struct tg_kv_sequence info;
        ok(tg_kv_look(t->cache, t->sequences[s], &info));
        const uint64_t end = info.n_tokens + (uint64_t)t->n_tokens[s];
        for (uint64_t token = info.n_tokens, n; token < end; token += n, r += n) {
            const uint64_t slot = token % v->block_tokens, room = v->block_tokens - slot;
            n = end - token < room ? end - token : room;
            expect_scaled_piece(t, side, table[info.row * stride + (int64_t)(token / v->block_tokens)], (int64_t)slot,
                                r, n, token);
        }
    }
}

static void check_scales(struct trial *t, int side)
{
    const struct tg_kv_view *v = &t->cache->views[1];
    const uint64_t n = (uint64_t)v->n_blocks * v->kv_heads;
    float *after = malloc(n * sizeof *after);
    assert_non_null(after);
    ok(tg_copy_from_device(t->device, after, side ? v->value_scales : v->key_scales, n * sizeof *after));
    for (uint64_t i = 0; i < n; i++)
        CHECK(after[i] == t->scales[side][i], "scale %llu of the %s is %g, not %g", (unsigned long long)i,
              side ? "values" : "keys", (double)after[i], (double)t->scales[side][i]);
    free(after);
}

static void check_cache(struct trial *t)
{
    const tg_address bases[2] = {t->cache->views[1].key, t->cache->views[1].value};
    for (int side = 0; side < 2; side++) {
        unsigned char *after = malloc(t->bytes[side]);
        assert_non_null(after);
        ok(tg_copy_from_device(t->device, after, bases[side], t->bytes[side]));
        if (t->scales[side]) expect_scaled_rows(t, side), check_scales(t, side);
        else expect_rows(t, side);
        for (uint64_t i = 0; i < t->bytes[side]; i++)
            CHECK(after[i] == t->before[side][i], "%s: byte %llu of %llu is %d, not %d", side ? "values" : "keys",
                  (unsigned long long)i, (unsigned long long)t->bytes[side], after[i], t->before[side][i]);
        free(after);
    }
}

static struct tg_kv_cache_config draw_config(uint64_t *random)
{
    static const uint32_t blocks[] = {1, 3, 16, 32, 100}, dims[] = {8, 16, 40, 64, 128, 576};
    static const uint32_t dtypes[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT8, TG_FP8_E4M3, TG_FP8_E5M2};
    struct tg_kv_cache_config config;
    tg_kv_cache_config_init(&config);
    config.block_tokens = blocks[random_below(random, 5)];
    config.n_blocks = 40 + 200 / config.block_tokens;
    config.n_layers = 2;
    config.kv_heads = 1 + (uint32_t)random_below(random, 5);
    config.key_dim = dims[random_below(random, 6)];
    config.dtype = dtypes[random_below(random, 6)];
    config.layout = (uint32_t)random_below(random, 3);
    config.value_dim = config.layout == TG_KV_VLLM ? 0 : dims[random_below(random, 6)];
    config.reuse = false;
    if (tg_dtype_bytes(config.dtype) == 1) {
        config.key_scale = 0.03f, config.value_scale = 0.004f;
        config.block_scales = random_chance(random, 50);
    }
    if (!random_chance(random, 40)) return config;
    enum { POSITIONS = 64 };
    static float tables[2][POSITIONS * 288];
    for (int i = 0; i < POSITIONS * 288; i++) tables[0][i] = cosf((float)i), tables[1][i] = sinf((float)i);
    config.rotary_dims = 2 + 2 * (uint32_t)random_below(random, (int)config.key_dim / 2);
    config.rotary_interleaved = random_chance(random, 50);
    config.rotary_positions = POSITIONS;
    config.rotary_cos = tables[0];
    config.rotary_sin = tables[1];
    return config;
}

/* Sequences with some committed tokens, so that new ones begin anywhere in a block. */
static void draw_sequences(struct trial *t, uint64_t *random)
{
    t->rows.n_sequences = 1 + (uint32_t)random_below(random, SEQUENCES_MAX);
    for (uint32_t s = 0; s < t->rows.n_sequences; s++) {
        const uint64_t committed = (uint64_t)random_below(random, 20);
        const int n = random_chance(random, 50) ? 1 : random_below(random, 30);
        t->n_tokens[s] = n;
        t->n_rows += (uint64_t)n;
        ok(tg_kv_start(t->cache, NULL, 0, &t->sequences[s], NULL));
        ok(tg_kv_reserve(t->cache, t->sequences[s], committed, NULL));
        ok(tg_kv_commit(t->cache, t->sequences[s], NULL, committed));
        ok(tg_kv_reserve(t->cache, t->sequences[s], (uint64_t)n + 3, NULL));
    }
    t->rows.sequences = t->sequences;
    t->rows.n_tokens = t->n_tokens;
}

static void save_cache(struct trial *t)
{
    const struct tg_kv_view *v = &t->cache->views[1];
    const tg_address bases[2] = {v->key, v->value};
    t->bytes[0] = tg_kv_key_extent(v);
    t->bytes[1] = tg_kv_value_extent(v);
    for (int side = 0; side < 2; side++) {
        t->before[side] = malloc(t->bytes[side]);
        assert_non_null(t->before[side]);
        const unsigned char bits = v->key_scales ? 0xBF : 0xFF; /* no NaN if older elements get another scale */
        for (uint64_t i = 0; i < t->bytes[side]; i++) t->before[side][i] = (unsigned char)(i * 7 + 3) & bits;
        ok(tg_copy_to_device(t->device, bases[side], t->before[side], t->bytes[side]));
        if (!v->key_scales) continue;
        const uint64_t n = (uint64_t)v->n_blocks * v->kv_heads;
        t->scales[side] = malloc(n * sizeof(float));
        assert_non_null(t->scales[side]);
        for (uint64_t i = 0; i < n; i++) t->scales[side][i] = (float)(i % 5) * 0.02f;
        ok(tg_copy_to_device(t->device, side ? v->value_scales : v->key_scales, t->scales[side], n * sizeof(float)));
    }
}

static void run_trial(struct tg_device *device, uint64_t seed, bool check)
{
    uint64_t random = seed;
    struct trial t = {.device = device, .rows = {.size = sizeof t.rows}};
    struct tg_kv_cache_config config = draw_config(&random);
    struct tg_run_config run;
    tg_run_config_init(&run);
    run.check = check;
    config.run = &run;
    ok(tg_kv_cache_open(device, &config, &t.cache));
    static const uint32_t dtypes[] = {TG_FP32, TG_FP16, TG_BF16};
    const bool needs_numbers = tg_dtype_bytes(config.dtype) == 1 && (config.rotary_dims || config.block_scales);
    const bool is_raw = random_chance(&random, 25) && !needs_numbers;
    t.rows.dtype = is_raw ? config.dtype : dtypes[random_below(&random, 3)];
    t.config = config;
    draw_sequences(&t, &random);
    draw_rows(&t, &random);
    save_cache(&t);
    const enum tg_status status = tg_kv_append(t.cache, 1, &t.rows);
    if (status != TG_OK && tg_kv_last_run(t.cache)) tg_run_print_findings(tg_kv_last_run(t.cache), stderr);
    CHECK(status == TG_OK, "seed %llu: %s", (unsigned long long)seed, tg_last_message());
    check_cache(&t);
    for (int side = 0; side < 2; side++) {
        free(t.from[side]);
        free(t.before[side]);
        free(t.scales[side]);
    }
    tg_kv_cache_close(t.cache);
}

static int n_trials = 60;

static void elements_are_where_the_layout_says_on_cpu(void **state)
{
    (void)state;
    struct tg_device *device = open_device("cpu", 2);
    for (int i = 0; i < n_trials; i++) run_trial(device, (uint64_t)i + 1, false);
    tg_device_close(device);
}

static void elements_are_where_the_layout_says_on_a2a3sim(void **state)
{
    (void)state;
    struct tg_device *device = open_device("a2a3sim", 0);
    for (int i = 0; i < n_trials; i++) run_trial(device, (uint64_t)i + 5000, true);
    tg_device_close(device);
}

/* ---- wrong calls ------------------------------------------------------------------------------------------------- */

static void a_wrong_append_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    struct tg_device *device = open_device("cpu", 1);
    struct tg_kv_cache_config config;
    struct tg_kv_cache *cache;
    uint64_t a, b;
    float data[64] = {0};
    tg_kv_cache_config_init(&config);
    config.n_blocks = 4;
    config.kv_heads = 1;
    config.key_dim = 8;
    ok(tg_kv_cache_open(device, &config, &cache));
    ok(tg_kv_start(cache, NULL, 0, &a, NULL));
    ok(tg_kv_start(cache, NULL, 0, &b, NULL));
    ok(tg_kv_reserve(cache, a, 2, NULL));
    ok(tg_kv_reserve(cache, b, 2, NULL));
    const int32_t two[2] = {2, 2}, many[2] = {1, 3}, negative[2] = {1, -1};
    const uint64_t good[2] = {a, b}, twice[2] = {a, a}, stale[2] = {a, b + 7};
    const struct tg_kv_rows rows = {sizeof rows, 2, good, two, data, data, false, TG_FP32, 0, 0, 0, 0};
    struct tg_kv_rows bad;
#define REFUSED(field, value, what)                                                                                    \
    bad = rows;                                                                                                        \
    bad.field = value;                                                                                                 \
    assert_int_equal(tg_kv_append(cache, 0, &bad), TG_ERR_ARGUMENT);                                                   \
    CHECK(strstr(tg_last_message(), what), "%s is not in: %s", what, tg_last_message())
    REFUSED(sequences, NULL, "sequences is NULL");
    REFUSED(sequences, twice, "is given twice");
    REFUSED(sequences, stale, "is not open");
    REFUSED(n_tokens, many, "3 new tokens are more than the 2");
    REFUSED(n_tokens, negative, "n_tokens[1] is -1");
    REFUSED(keys, NULL, "keys is NULL");
    REFUSED(values, NULL, "values is NULL");
    REFUSED(dtype, TG_INT32, "dtype of the rows is 3");
    REFUSED(key_token, -8, "key_token is -8");
    REFUSED(value_head, INT64_MAX, "value_head is 9223372036854775807");
    REFUSED(size, 8, "tg_kv_rows");
    REFUSED(keys, (char *)data + 2, "no address of an element of 4 bytes");
    bad = rows;
    bad.resident = true;
    bad.keys = (void *)(uintptr_t)(cache->views[0].value + 64);
    assert_int_equal(tg_kv_append(cache, 0, &bad), TG_ERR_ARGUMENT);
    CHECK(strstr(tg_last_message(), "share bytes with the cache's values"), "%s", tg_last_message());
    assert_null(tg_kv_last_run(NULL));
    bad = rows;
    assert_int_equal(tg_kv_append(cache, 1, &bad), TG_ERR_ARGUMENT);
    bad.resident = true; /* a host address */
    assert_int_not_equal(tg_kv_append(cache, 0, &bad), TG_OK);
#undef REFUSED
    float element;
    ok(tg_copy_from_device(device, &element, cache->views[0].key, sizeof element));
    assert_true(isnan(element)); /* fresh memory */
    ok(tg_kv_append(cache, 0, &rows));
    ok(tg_copy_from_device(device, &element, cache->views[0].key, sizeof element));
    assert_true(element == 0);
    bad = rows;
    bad.n_sequences = 0;
    ok(tg_kv_append(cache, 0, &bad));
    tg_kv_cache_close(cache);
    assert_int_equal(tg_device_bytes_in_use(device), 0);
    tg_device_close(device);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(elements_are_where_the_layout_says_on_cpu),
    cmocka_unit_test(elements_are_where_the_layout_says_on_a2a3sim),
    cmocka_unit_test(a_wrong_append_is_refused_and_writes_nothing),
};

/* A number instead of a name: so many random appends on each platform. */
int main(int argc, char **argv)
{
    if (argc > 1 && atoi(argv[1]) > 0) n_trials = atoi(argv[1]);
    else if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
