/* attention.h: bad arguments are refused with a message that names them, and nothing is written. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <tilegraph/attention.h>

#include "common/check.h"

enum { HEADS = 4, KV_HEADS = 2, DIM = 16, BLOCK = 8, N_BLOCKS = 6, N = 2, COLUMNS = 4 };

static struct tg_device *device;

/* A small operator with a plan and a step that are right; each test breaks one thing. */
struct good {
    struct tg_attention_config config;
    struct tg_attention *attention;
    struct tg_kv_view view;
    struct tg_attention_batch batch;
    struct tg_attention_step step;
    int32_t query_lens[N], context_lens[N], table[N * COLUMNS];
    float query[3 * HEADS * DIM], out[3 * HEADS * DIM], cos[32 * DIM / 2], sin[32 * DIM / 2];
};

static void expect(enum tg_status is, enum tg_status status, const char *text)
{
    CHECK(is == status, "%s: %s, not %s", tg_status_name(is), tg_last_message(), tg_status_name(status));
    if (status != TG_OK) CHECK(strstr(tg_last_message(), text), "\"%s\" lacks \"%s\"", tg_last_message(), text);
}

static struct tg_attention_config good_config(void)
{
    struct tg_attention_config config;
    tg_attention_config_init(&config);
    config.heads = HEADS;
    config.kv_heads = KV_HEADS;
    config.key_dim = DIM;
    config.block_tokens = BLOCK;
    config.causal = true;
    return config;
}

static void good_open(struct good *g)
{
    memset(g, 0, sizeof *g);
    g->config = good_config();
    expect(tg_attention_open(device, &g->config, &g->attention), TG_OK, "");
    tg_kv_view_init(&g->view);
    g->view.n_blocks = N_BLOCKS;
    g->view.block_tokens = BLOCK;
    g->view.kv_heads = KV_HEADS;
    g->view.key_dim = g->view.value_dim = DIM;
    const uint64_t bytes = (uint64_t)N_BLOCKS * BLOCK * KV_HEADS * DIM * sizeof(float);
    expect(tg_device_malloc(device, 2 * bytes, &g->view.key), TG_OK, "");
    g->view.value = g->view.key + bytes;
    expect(tg_kv_view_place(&g->view, TG_KV_PACKED), TG_OK, "");
    const float zeros[N_BLOCKS * BLOCK * KV_HEADS * DIM] = {0};
    expect(tg_copy_to_device(device, g->view.key, zeros, bytes), TG_OK, "");
    expect(tg_copy_to_device(device, g->view.value, zeros, bytes), TG_OK, "");

    const int32_t table[N * COLUMNS] = {3, 1, -1, -1, 5, 0, 2, -1};
    memcpy(g->table, table, sizeof table);
    g->query_lens[0] = 1, g->query_lens[1] = 2;
    g->context_lens[0] = 9, g->context_lens[1] = 24;
    g->batch.size = sizeof g->batch;
    g->batch.n_sequences = N;
    g->batch.query_lens = g->query_lens;
    g->batch.context_lens = g->context_lens;
    g->batch.block_table = g->table;
    g->batch.table_stride = COLUMNS;
    g->step.size = sizeof g->step;
    g->step.kv = &g->view;
    g->step.query.data = g->query;
    g->step.out.data = g->out;
    for (size_t i = 0; i < sizeof g->out / sizeof *g->out; i++) g->out[i] = 7;
    expect(tg_attention_plan(g->attention, &g->batch), TG_OK, "");
}

static void good_close(struct good *g)
{
    tg_attention_close(g->attention);
    expect(tg_device_free(device, g->view.key), TG_OK, "");
}

static void config_fields_are_named(void **state)
{
    (void)state;
    float table[64 * 8] = {0};
    struct {
        struct tg_run_config run;
        uint64_t unknown;
    } later = {.unknown = 1}; /* a version of later, with a field that this library does not know */
    tg_run_config_init(&later.run);
    later.run.size = sizeof later;
#define REFUSED(change, text)                                                                                          \
    do {                                                                                                               \
        struct tg_attention_config c = good_config();                                                                  \
        struct tg_attention *attention = (struct tg_attention *)0x5;                                                   \
        change;                                                                                                        \
        expect(tg_attention_open(device, &c, &attention), TG_ERR_ARGUMENT, text);                                      \
        assert_ptr_equal(attention, (void *)0x5);                                                                      \
    } while (0)
    REFUSED(c.heads = 5, "heads is 5");
    REFUSED(c.heads = 0, "heads is 0");
    REFUSED(c.kv_heads = 0, "kv_heads is 0");
    REFUSED(c.key_dim = 12, "key_dim is 12");
    REFUSED(c.key_dim = 584, "key_dim is 584");
    REFUSED(c.value_dim = 4, "value_dim is 4");
    REFUSED(c.block_tokens = 0, "block_tokens is 0");
    REFUSED(c.block_tokens = 1025, "block_tokens is 1025");
    REFUSED(c.query_dtype = TG_INT32, "query_dtype is 3");
    REFUSED(c.out_dtype = 77, "out_dtype is 77");
    REFUSED(c.kv_dtype = TG_INT32, "kv_dtype is 3");
    REFUSED(c.out_scale = 2, "only 8-bit outputs have a scale");
    REFUSED((c.out_dtype = TG_INT8, c.out_scale = 0), "out_scale is 0");
    REFUSED((c.out_dtype = TG_INT8, c.out_scale = 1e-38f), "out_scale is 1e-38: 1e-18 to 1e+18 are possible");
    REFUSED(c.scale = 3e38f, "scale is 3e+38");
    REFUSED(c.soft_cap = 3e38f, "soft_cap is 3e+38");
    REFUSED(c.scale = NAN, "scale is");
    REFUSED(c.scale = -1, "scale is -1");
    REFUSED(c.soft_cap = INFINITY, "soft_cap is inf");
    REFUSED(c.window_left = -2, "window_left is -2");
    REFUSED(c.window_right = INT32_MAX, "window_right is");
    REFUSED(c.span_tokens = 1 << 20, "span_tokens is 1048576");
    REFUSED(c.rotary_dims = 3, "rotary_dims is 3");
    REFUSED(c.rotary_dims = 18, "rotary_dims is 18");
    REFUSED(c.rotary_dims = 4, "rotary_cos is NULL");
    REFUSED((c.rotary_dims = 4, c.rotary_cos = table), "rotary_sin is NULL");
    REFUSED((c.rotary_dims = 4, c.rotary_cos = c.rotary_sin = table), "rotary_positions is 0");
    REFUSED(c.size = 8, "tg_attention_config");
    REFUSED(c.run = &later.run, "tg_run_config");
#undef REFUSED
    struct tg_attention_config c = good_config();
    expect(tg_attention_open(NULL, &c, NULL), TG_ERR_ARGUMENT, "device is NULL");
}

static void batches_name_sequence_block_and_value(void **state)
{
    struct good g;
    (void)state;
    good_open(&g);
#define REFUSED(change, text)                                                                                          \
    do {                                                                                                               \
        struct good bad = g;                                                                                           \
        bad.batch.query_lens = bad.query_lens;                                                                         \
        bad.batch.context_lens = bad.context_lens;                                                                     \
        bad.batch.block_table = bad.table;                                                                             \
        change;                                                                                                        \
        expect(tg_attention_plan(g.attention, &bad.batch), TG_ERR_ARGUMENT, text);                                     \
    } while (0)
    REFUSED(bad.query_lens[1] = -3, "query_lens[1] is -3");
    REFUSED(bad.context_lens[0] = -1, "context_lens[0] is -1");
    REFUSED(bad.context_lens[0] = INT32_MAX, "context_lens[0] is 2147483647");
    REFUSED(bad.context_lens[0] = 17, "sequence 0, block 2: the block table has -1");
    REFUSED(bad.table[6] = -9, "sequence 1, block 2: the block table has -9");
    REFUSED(bad.batch.table_stride = 1, "table_stride is 1: sequence 0 has 2 blocks");
    REFUSED(bad.batch.table_stride = INT64_MAX, "table_stride is 9223372036854775807: up to 2147483647");
    REFUSED(bad.batch.block_table = NULL, "block_table is NULL");
    REFUSED(bad.batch.context_lens = NULL, "context_lens is NULL");
    REFUSED(bad.batch.size = 4, "tg_attention_batch");
#undef REFUSED
    struct tg_attention_batch empty = {.size = sizeof empty, .n_sequences = N};
    const int32_t no_keys[N] = {0};
    empty.context_lens = no_keys;
    expect(tg_attention_plan(g.attention, &empty), TG_OK, ""); /* without keys no table is needed */
    expect(tg_attention_plan(g.attention, &g.batch), TG_OK, "");
    /* The plan before is still there. */
    const uint64_t before = tg_device_bytes_in_use(device), own = tg_attention_device_bytes(g.attention);
    expect(tg_attention_run(g.attention, &g.step), TG_OK, "");
    assert_true(tg_attention_device_bytes(g.attention) > own);
    assert_true(tg_device_bytes_in_use(device) - before >= tg_attention_device_bytes(g.attention) - own);
    assert_true(g.out[0] == 0);
    good_close(&g);
}

static void steps_are_held_to_plan_and_cache(void **state)
{
    struct good g;
    (void)state;
    good_open(&g);
#define REFUSED(change, text)                                                                                          \
    do {                                                                                                               \
        struct tg_attention_step s = g.step;                                                                           \
        struct tg_kv_view v = g.view;                                                                                  \
        s.kv = &v;                                                                                                     \
        change;                                                                                                        \
        expect(tg_attention_run(g.attention, &s), TG_ERR_ARGUMENT, text);                                              \
        for (size_t i = 0; i < sizeof g.out / sizeof *g.out; i++) assert_true(g.out[i] == 7);                          \
    } while (0)
    REFUSED(s.kv = NULL, "kv is NULL");
    REFUSED(v.n_blocks = 5, "sequence 1, block 0: the block table has 5; the cache has 5 blocks");
    REFUSED(v.kv_heads = 3, "kv_heads 3");
    REFUSED(v.key_dim = 24, "key_dim 24");
    REFUSED(v.value_dim = 24, "value_dim 24");
    REFUSED(v.block_tokens = 16, "block_tokens 16");
    REFUSED(v.dtype = TG_BF16, "dtype 2");
    REFUSED(v.key_token = 0, "distance");
    REFUSED((v.key_token = 2, v.key_dim_stride = 2), "one of them has to be 1");
    REFUSED(v.key_scale = 2, "only 8-bit elements");
    REFUSED(v.value_scale = NAN, "value_scale is");
    REFUSED(v.key += 2, "key of the cache");
    REFUSED(v.value += 1, "value of the cache");
    REFUSED((v.key_scales = v.key + 1), "key_scales of the cache");
    float numbers[HEADS] = {0, 0, NAN, 0};
    REFUSED(s.slopes = numbers, "slopes[2] is nan");
    REFUSED(s.sinks = numbers, "sinks[2] is nan");
    numbers[2] = INFINITY;
    REFUSED(s.sinks = numbers, "sinks[2] is inf");
    REFUSED(s.lse.data = &g.out[5], "out and lse share bytes");
    REFUSED((s.out.data = (void *)(uintptr_t)v.key, s.out.resident = true), "out and keys share bytes");
    REFUSED((s.lse.data = (void *)(uintptr_t)v.value, s.lse.resident = true), "lse and values share bytes");
    REFUSED(v.size = 0, "tg_kv_view");
    REFUSED(s.query.data = NULL, "query is NULL");
    REFUSED(s.out.data = NULL, "out is NULL");
    REFUSED((s.out.head_stride = DIM - 8, s.out.token_stride = HEADS * DIM), "overlap");
    REFUSED(s.query.token_stride = -1, "strides of -1");
    REFUSED(s.query.data = (char *)g.query + 1, "no address of an element");
    REFUSED((s.mask.data = g.query, s.mask_dtype = TG_INT32), "mask_dtype is 3");
#undef REFUSED
    struct tg_attention_step nowhere = g.step;
    nowhere.query.resident = true; /* an address of the host */
    expect(tg_attention_run(g.attention, &nowhere), TG_ERR_GLOBAL_MEMORY, "(query)");
    struct tg_kv_view moved = g.view;
    moved.key += 64; /* its last bytes are behind the allocation */
    moved.value += 64;
    nowhere = g.step;
    nowhere.kv = &moved;
    expect(tg_attention_run(g.attention, &nowhere), TG_ERR_GLOBAL_MEMORY, "(values)");
    assert_true(g.out[0] == 7);
    expect(tg_attention_run(g.attention, &g.step), TG_OK, "");
    assert_true(g.out[0] == 0);
    good_close(&g);
}

/* Query and output in one array of device memory: tokens may lie in each other's gaps, and not upon each other. */
static void arrays_in_place_share_no_bytes(void **state)
{
    struct good g;
    tg_address both;
    (void)state;
    good_open(&g);
    expect(tg_device_malloc(device, 2 * sizeof g.query, &both), TG_OK, "");
    float numbers[2 * 3 * HEADS * DIM];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) numbers[i] = 7;
    expect(tg_copy_to_device(device, both, numbers, sizeof numbers), TG_OK, "");
    const int64_t token = 2 * HEADS * DIM, row = HEADS * DIM;
    g.step.query = (struct tg_attention_data){(void *)(uintptr_t)both, true, token, DIM};
    g.step.out = (struct tg_attention_data){(void *)(uintptr_t)(both + (uint64_t)row * sizeof(float)), true, token,
                                            DIM};
    expect(tg_attention_run(g.attention, &g.step), TG_OK, "");
    expect(tg_copy_from_device(device, numbers, both, sizeof numbers), TG_OK, "");
    for (int64_t i = 0; i < 3 * token; i++) assert_true(numbers[i] == (i % token < row ? 7 : 0));
    g.step.out.data = (void *)(uintptr_t)(both + (uint64_t)(row - DIM) * sizeof(float));
    expect(tg_attention_run(g.attention, &g.step), TG_ERR_ARGUMENT, "out and query share bytes");
    g.step.out = g.step.query;
    expect(tg_attention_run(g.attention, &g.step), TG_ERR_ARGUMENT, "out and query share bytes");
    expect(tg_device_free(device, both), TG_OK, "");
    good_close(&g);
}

static void rotated_tokens_need_positions(void **state)
{
    struct good g;
    struct tg_attention *attention;
    (void)state;
    good_open(&g);
    g.config.rotary_dims = DIM;
    g.config.rotary_positions = 20;
    g.config.rotary_cos = g.cos;
    g.config.rotary_sin = g.sin;
    expect(tg_attention_open(device, &g.config, &attention), TG_OK, "");
    expect(tg_attention_plan(attention, &g.batch), TG_ERR_ARGUMENT, "context_lens[1] is 24: the rotary tables have 20");
    g.context_lens[1] = 1;
    expect(tg_attention_plan(attention, &g.batch), TG_ERR_ARGUMENT, "sequence 1 has 2 query tokens and 1 keys");
    int32_t rows[] = {3, 19, -1};
    g.batch.rotary_rows = rows;
    expect(tg_attention_plan(attention, &g.batch), TG_ERR_ARGUMENT, "sequence 1, query token 1: rotary_rows has -1");
    rows[2] = 20;
    expect(tg_attention_plan(attention, &g.batch), TG_ERR_ARGUMENT, "the rotary tables have 20 positions");
    rows[2] = 0;
    expect(tg_attention_plan(attention, &g.batch), TG_OK, "");
    expect(tg_attention_plan(g.attention, &g.batch), TG_ERR_ARGUMENT, "opened with rotary_dims 0");
    tg_attention_close(attention);
    good_close(&g);
}

/* Programs that were compiled before out_scale and rotary_rows were there. */
static void shorter_structures_have_the_defaults(void **state)
{
    struct good g;
    struct tg_attention *attention;
    (void)state;
    good_open(&g);
    g.config.size = offsetof(struct tg_attention_config, out_scale);
    g.config.out_scale = NAN;
    expect(tg_attention_open(device, &g.config, &attention), TG_OK, "");
    g.batch.size = offsetof(struct tg_attention_batch, rotary_rows);
    g.batch.rotary_rows = g.table;
    expect(tg_attention_plan(attention, &g.batch), TG_OK, "");
    expect(tg_attention_run(attention, &g.step), TG_OK, "");
    assert_true(g.out[0] == 0);
    tg_attention_close(attention);
    good_close(&g);
}

static void a_step_needs_a_plan(void **state)
{
    struct good g;
    struct tg_attention *attention;
    (void)state;
    good_open(&g);
    expect(tg_attention_open(device, &g.config, &attention), TG_OK, "");
    expect(tg_attention_run(attention, &g.step), TG_ERR_ARGUMENT, "nothing is planned");
    tg_attention_close(attention);
    tg_attention_close(NULL);

    g.batch.n_sequences = 0; /* an empty batch is no error, and has nothing to do */
    expect(tg_attention_plan(g.attention, &g.batch), TG_OK, "");
    expect(tg_attention_run(g.attention, &g.step), TG_OK, "");
    assert_true(g.out[0] == 7);
    good_close(&g);
}

/* A thread that runs steps until it is told to end. */
struct busy {
    struct good *good;
    atomic_bool ends;
    uint64_t n_refused;
};

static void *run_steps(void *argument)
{
    struct busy *b = argument;
    while (!atomic_load(&b->ends)) b->n_refused += tg_attention_run(b->good->attention, &b->good->step) != TG_OK;
    return NULL;
}

/* Two threads at once: the calls of one of them are refused, and no result is wrong. */
static void a_second_thread_is_refused(void **state)
{
    struct good g;
    (void)state;
    good_open(&g);
    struct busy b = {.good = &g};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_steps, &b), 0);
    uint64_t n_refused = 0, n_done = 0;
    while (n_refused < 3 || n_done < 3) {
        const enum tg_status status = tg_attention_plan(g.attention, &g.batch);
        n_done += status == TG_OK;
        if (status == TG_OK) continue;
        n_refused++;
        expect(status, TG_ERR_ARGUMENT, "another thread is in a call of this operator");
    }
    atomic_store(&b.ends, true);
    pthread_join(thread, NULL);
    assert_true(g.out[0] == 0);
    good_close(&g);
}

static int open_device(void **state)
{
    struct tg_device_config config;
    (void)state;
    tg_device_config_init(&config);
    config.platform = "cpu";
    return tg_device_open(&config, &device) == TG_OK ? 0 : -1;
}

static int close_device(void **state)
{
    (void)state;
    const bool clean = tg_device_bytes_in_use(device) == 0;
    tg_device_close(device);
    return clean ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_fields_are_named),
        cmocka_unit_test(batches_name_sequence_block_and_value),
        cmocka_unit_test(steps_are_held_to_plan_and_cache),
        cmocka_unit_test(arrays_in_place_share_no_bytes),
        cmocka_unit_test(rotated_tokens_need_positions),
        cmocka_unit_test(shorter_structures_have_the_defaults),
        cmocka_unit_test(a_step_needs_a_plan),
        cmocka_unit_test(a_second_thread_is_refused),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_device, close_device);
}
