/* attention.h: random problems against softmax over all keys in double precision, on both platforms. */
#include <stdlib.h>

#include "common/attention_case.h"
#include "common/check.h"
#include "common/folder.h"
#include "common/random.h"

/* Run the case, and fail with its description unless the result is right. */
static void expect_right(struct attention_case *c, struct tg_device *device)
{
    char what[512], text[256] = "";
    attention_case_describe(c, what, sizeof what);
    const enum tg_status status = attention_case_run(c, device);
    CHECK(status == TG_OK, "case %llu: %s: %s: %s", (unsigned long long)c->number, what, tg_status_name(status),
          tg_last_message());
    const uint64_t wrong = attention_case_wrong(c, text, sizeof text);
    CHECK(wrong == 0, "case %llu: %s: %llu wrong, %s", (unsigned long long)c->number, what, (unsigned long long)wrong,
          text);
}

static struct tg_device *open_device(const char *platform, const char *isa)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    config.platform = platform;
    config.isa = isa;
    assert_int_equal(tg_device_open(&config, &device), TG_OK);
    return device;
}

/* isa NULL: the fastest. An instruction set that this computer lacks is the fastest one below it. */
static struct tg_device *open_isa(const char *isa, uint32_t n)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.isa = isa;
    config.workers = n;
    config.pin = false;
    CHECK(tg_device_open(&config, &device) == TG_OK, "%s", tg_last_message());
    return device;
}

/* Cases [first, first + n) of the random ones. */
static void run_random(const char *platform, const char *isa, bool check, uint64_t first, uint64_t n, uint32_t most)
{
    struct tg_device *device = open_device(platform, isa);
    struct tg_run_config run;
    tg_run_config_init(&run);
    run.check = check;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct attention_case c;
        attention_case_draw(&c, seed, most);
        c.config.run = &run;
        expect_right(&c, device);
        attention_case_free(&c);
    }
    assert_int_equal(tg_device_bytes_in_use(device), 0);
    tg_device_close(device);
}

static uint64_t n_cases = 16, first_case = 1;

static void random_problems_are_right_on_cpu(void **state)
{
    (void)state;
    run_random("cpu", NULL, false, first_case, n_cases, 700);
}

static void random_problems_are_right_in_portable_code(void **state)
{
    (void)state;
    run_random("cpu", "portable", false, first_case + n_cases, n_cases / 4, 200);
}

static void random_problems_are_right_on_a2a3sim_with_checks(void **state)
{
    (void)state;
    run_random("a2a3sim", NULL, true, first_case, n_cases / 2, 150);
}

/* The default configuration of runs uses the blocks that the device has, fewer or more than an A2/A3. */
static void the_default_takes_the_blocks_of_the_device(void **state)
{
    (void)state;
    static const char *const machines[] = {"blocks = 2\n", "blocks = 30\n"};
    struct folder folder;
    folder_make(&folder);
    for (uint32_t i = 0; i < 2; i++) {
        struct tg_device_config config;
        struct tg_device *device;
        struct attention_case c;
        folder_put_text(&folder, "machine.txt", machines[i]);
        tg_device_config_init(&config);
        config.machine_file = folder_at(&folder, "machine.txt");
        CHECK(tg_device_open(&config, &device) == TG_OK, "%s", tg_last_message());
        attention_case_draw(&c, 1, 60);
        expect_right(&c, device);
        attention_case_free(&c);
        tg_device_close(device);
    }
    folder_remove(&folder);
}

/* ---- one feature each, with whatever else is drawn --------------------------------------------------------------- */

static void run_feature(void (*change)(struct attention_case *c))
{
    struct tg_device *cpu = open_device("cpu", NULL), *virtual = open_device("a2a3sim", NULL);
    struct tg_run_config run;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct attention_case c;
        attention_case_draw_with(&c, seed, seed < 3 ? 300 : 90, change);
        tg_run_config_init(&run);
        run.check = seed == 3; /* on the virtual device */
        c.config.run = &run;
        expect_right(&c, seed == 3 ? virtual : cpu);
        attention_case_free(&c);
    }
    tg_device_close(cpu);
    tg_device_close(virtual);
}

#define FEATURES(X)                                                                                                    \
    X(one_query_token_each, for (uint32_t i = 0; i < c->n_sequences; i++) c->query_lens[i] = 1)                        \
    X(queries_of_any_length, (c->n_sequences = 4, c->query_lens[0] = 1, c->query_lens[1] = 0, c->query_lens[2] = 9,    \
                              c->query_lens[3] = 70, c->context_lens[3] = 80))                                         \
    X(causal, c->config.causal = true)                                                                                 \
    X(not_causal, c->config.causal = false)                                                                            \
    X(no_keys, c->context_lens[0] = 0)                                                                                 \
    X(windows, (c->config.window_left = 20, c->config.window_right = 3))                                               \
    X(a_chunk_of_eight_keys, (c->n_sequences = 1, c->config.kv_heads = 1, c->config.heads = 16, c->query_lens[0] = 8,  \
                              c->context_lens[0] = 136, c->config.causal = true, c->config.span_tokens = 512,          \
                              c->config.value_dim = c->config.key_dim = 64, c->config.rotary_dims = 0))                \
    X(soft_cap, c->config.soft_cap = 5)                                                                                \
    X(scale_of_ones_own, c->config.scale = 0.2f)                                                                       \
    X(alibi, c->has_slopes = true)                                                                                     \
    X(sinks, c->has_sinks = true)                                                                                      \
    X(added_masks, (c->has_mask = true, c->mask_dtype = TG_FP16))                                                      \
    X(bit_masks, (c->has_mask = true, c->mask_dtype = TG_UINT8))                                                       \
    X(log_sum_exp, c->has_lse = true)                                                                                  \
    X(rotary_halves, (c->config.rotary_dims = c->config.key_dim, c->config.rotary_interleaved = false))                \
    X(rotary_interleaved, (c->config.rotary_dims = 8, c->config.rotary_interleaved = true))                            \
    X(rotary_rows, (c->config.rotary_dims = 8, c->has_rotary_rows = true))                                             \
    X(int8_queries, attention_case_narrow(c, TG_INT8, TG_FP32, 1))                                                     \
    X(fp8_queries, attention_case_narrow(c, TG_FP8_E4M3, TG_BF16, 1))                                                  \
    X(int8_outputs, attention_case_narrow(c, TG_FP32, TG_INT8, 1 / 40.0f))                                             \
    X(fp8_queries_and_outputs, attention_case_narrow(c, TG_FP8_E5M2, TG_FP8_E4M3, 1 / 8.0f))                           \
    X(int8_cache, attention_case_cache(c, TG_INT8))                                                                    \
    X(fp8_e4m3_cache, attention_case_cache(c, TG_FP8_E4M3))                                                            \
    X(fp8_e5m2_cache, attention_case_cache(c, TG_FP8_E5M2))                                                            \
    X(scales_of_blocks, (c->has_block_scales = true, attention_case_cache(c, TG_INT8)))                                \
    X(types_apart, (c->config.query_dtype = TG_BF16, attention_case_cache(c, TG_FP16), c->config.out_dtype = TG_FP32)) \
    X(plain_layout, c->layout = TG_KV_PLAIN)                                                                           \
    X(vllm_layout, (c->config.value_dim = c->config.key_dim, c->layout = TG_KV_VLLM))                                  \
    X(dims_of_mla, (c->config.key_dim = 576, c->config.value_dim = 512, c->layout = TG_KV_PLAIN, c->config.heads = 16, \
                    c->config.kv_heads = 1, c->config.rotary_dims = 0))                                                \
    X(blocks_of_one_token, c->config.block_tokens = 1)                                                                 \
    X(blocks_of_an_odd_size, c->config.block_tokens = 13)                                                              \
    X(large_blocks, c->config.block_tokens = 1024)                                                                     \
    X(many_heads_of_a_kv_head, (c->config.kv_heads = 1, c->config.heads = 150))                                        \
    X(shared_prefixes,                                                                                                 \
      (attention_case_share(c, 5, 70, 2), c->config.share_prefixes = true, c->config.span_tokens = 32,                 \
       c->config.block_tokens = 16, c->has_mask = c->has_slopes = false, c->config.window_left = -1))                  \
    X(arrays_on_the_device, (c->resident = true, c->gap = 0))                                                          \
    X(gaps_between_rows, c->gap = 5)

#define FEATURE_TEST(name, change)                                                                                     \
    static void set_##name(struct attention_case *c) { change; }                                                       \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        run_feature(set_##name);                                                                                       \
    }
FEATURES(FEATURE_TEST)

/* ---- equal bytes ------------------------------------------------------------------------------------------------- */

/* The sequences of the case in batches of n give the bytes that they have in the batch of all. */
static void expect_same_apart(struct attention_case *c, struct tg_device *device, uint32_t n)
{
    const uint64_t row = (uint64_t)c->config.heads * c->config.value_dim;
    float *together = malloc(((uint64_t)c->n_tokens * row + 1) * sizeof *together);
    assert_non_null(together);
    memcpy(together, c->out, (uint64_t)c->n_tokens * row * sizeof *together);
    uint64_t first = 0;
    for (uint32_t seq = 0; seq < c->n_sequences; seq += n) {
        struct attention_case part = *c;
        char what[512];
        attention_case_describe(c, what, sizeof what);
        part.n_sequences = c->n_sequences - seq < n ? c->n_sequences - seq : n;
        part.n_tokens = 0;
        for (uint32_t i = 0; i < part.n_sequences; i++) {
            part.query_lens[i] = c->query_lens[seq + i];
            part.context_lens[i] = c->context_lens[seq + i];
            part.rows[i] = c->rows[seq + i];
            part.n_tokens += (uint32_t)part.query_lens[i];
        }
        part.query = c->query + first * c->config.heads * c->config.key_dim;
        if (c->stored_query) part.stored_query = c->stored_query + first * c->config.heads * c->config.key_dim;
        part.rotary_rows = c->rotary_rows + first;
        part.has_lse = part.has_mask = false;
        assert_int_equal(attention_case_run(&part, device), TG_OK);
        CHECK(memcmp(part.out, together + first * row, (uint64_t)part.n_tokens * row * sizeof *together) == 0,
              "sequence %u differs in a batch of %u: %s", seq, n, what);
        first += part.n_tokens;
    }
    free(together);
}

static void without_mask(struct attention_case *c) { c->has_mask = c->has_lse = false; }

static void bytes_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    struct tg_device *device = open_device("cpu", NULL);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct attention_case c;
        attention_case_draw_with(&c, seed, 300, without_mask);
        expect_right(&c, device);
        expect_same_apart(&c, device, 1);
        attention_case_free(&c);
    }
    tg_device_close(device);
}

static void of_twelve(struct attention_case *c)
{
    without_mask(c);
    c->n_sequences = 12;
    c->config.key_dim = c->config.value_dim = 64;
    c->config.rotary_dims = 0;
    c->config.block_tokens = 16;
    for (uint32_t i = 0; i < 12; i++) {
        c->rows[i] = (int32_t)(11 - i);
        c->query_lens[i] = i % 5 == 4 ? 7 : 1;
        c->context_lens[i] = (int32_t)(20 + 61 * i % 400);
    }
}

/* Batches of 12, 8 and 1, with few and with many workers, on every instruction set that this computer has. */
static void bytes_do_not_depend_on_the_batch_on_any_instruction_set(void **state)
{
    (void)state;
    static const char *const isas[] = {"portable", "avx2", "avx512", "avx512bf16", "amx"};
    for (size_t i = 0; i < 2 * sizeof isas / sizeof *isas; i++) {
        struct tg_device *device = open_isa(isas[i / 2], i % 2 ? 5 : 1);
        for (uint64_t seed = 41; seed <= 43; seed++) {
            struct attention_case c;
            attention_case_draw_with(&c, seed, 300, of_twelve);
            const uint64_t n = (uint64_t)c.n_tokens * c.config.heads * c.config.value_dim * sizeof *c.out;
            expect_right(&c, device);
            float *together = malloc(n);
            assert_non_null(together);
            memcpy(together, c.out, n);
            expect_same_apart(&c, device, 8);
            memcpy(c.out, together, n); /* parts have written there */
            expect_same_apart(&c, device, 1);
            free(together);
            attention_case_free(&c);
        }
        tg_device_close(device);
    }
}

/* Workers take the tasks in whatever order: the sums stay in the order of the keys. */
static void bytes_do_not_depend_on_the_workers(void **state)
{
    (void)state;
    static const uint32_t workers[] = {1, 2, 3, 7};
    for (uint64_t seed = 21; seed <= 26; seed++) {
        struct attention_case c;
        float *first = NULL;
        attention_case_draw_with(&c, seed, 400, NULL);
        const uint64_t bytes = (uint64_t)c.n_tokens * c.config.heads * c.config.value_dim * sizeof *first;
        for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
            char what[512];
            struct tg_device *device = open_isa(NULL, workers[i]);
            attention_case_describe(&c, what, sizeof what);
            expect_right(&c, device);
            tg_device_close(device);
            if (!first) {
                first = malloc(bytes + 1);
                assert_non_null(first);
                memcpy(first, c.out, bytes);
            }
            CHECK(memcmp(first, c.out, bytes) == 0, "%u workers give other bytes than 1: %s", workers[i], what);
        }
        free(first);
        attention_case_free(&c);
    }
}

/* Arguments: the number of cases, the first seed. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_problems_are_right_on_cpu),
                                       cmocka_unit_test(random_problems_are_right_in_portable_code),
                                       cmocka_unit_test(random_problems_are_right_on_a2a3sim_with_checks),
                                       cmocka_unit_test(the_default_takes_the_blocks_of_the_device),
                                       cmocka_unit_test(bytes_do_not_depend_on_the_batch),
                                       cmocka_unit_test(bytes_do_not_depend_on_the_batch_on_any_instruction_set),
                                       cmocka_unit_test(bytes_do_not_depend_on_the_workers),
#define FEATURE_ENTRY(name, change) cmocka_unit_test(name),
                                       FEATURES(FEATURE_ENTRY)
#undef FEATURE_ENTRY
    };
    if (!tries_all()) n_cases /= 2;
    if (argc > 1) n_cases = strtoull(argv[1], NULL, 10);
    if (argc > 2) first_case = strtoull(argv[2], NULL, 10);
    if (argc > 3) cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
