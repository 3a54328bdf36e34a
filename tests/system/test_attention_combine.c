/* attention.h: results over parts of the keys are combined to those over all of them. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <tilegraph/attention.h>

#include "common/check.h"
#include "common/random.h"
#include "pa_dtype.h"

enum { PARTS_MAX = 6 };

struct problem {
    uint32_t n_tokens, heads, dim, dtype, n_parts;
    int64_t gap;
    unsigned char *outs[PARTS_MAX + 1]; /* [token][head][dim + gap]; the last one is the result */
    float *lses[PARTS_MAX + 1];         /* [token][head] */
    double *numbers[PARTS_MAX];         /* outs, as numbers */
};

static void *fresh(uint64_t n, size_t bytes)
{
    void *memory = calloc(n, bytes);
    assert_non_null(memory);
    return memory;
}

static uint64_t rows_of(const struct problem *p) { return (uint64_t)p->n_tokens * p->heads; }

static void draw(struct problem *p, uint64_t seed)
{
    static const uint32_t heads[] = {1, 2, 5, 32, 150}, dims[] = {8, 24, 128, 576};
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16};
    uint64_t state = seed;
    memset(p, 0, sizeof *p);
    p->heads = heads[random_below(&state, 5)];
    p->dim = dims[random_below(&state, 4)];
    p->dtype = types[random_below(&state, 3)];
    p->n_tokens = 1 + (uint32_t)random_below(&state, p->heads > 32 ? 3 : 20);
    p->n_parts = 1 + (uint32_t)random_below(&state, PARTS_MAX);
    p->gap = random_below(&state, 4);
    const uint64_t ld = p->dim + (uint64_t)p->gap, n = rows_of(p) * ld;
    for (uint32_t i = 0; i <= p->n_parts; i++) {
        p->outs[i] = fresh(n, 4);
        p->lses[i] = fresh(rows_of(p), sizeof(float));
        if (i == p->n_parts) continue;
        p->numbers[i] = fresh(n, sizeof(double));
        for (uint64_t row = 0; row < rows_of(p); row++) {
            const bool empty = random_chance(&state, 20); /* no key of this part reaches the row */
            p->lses[i][row] = empty ? -INFINITY : (float)random_below(&state, 2000) / 100.0f - 10.0f;
            for (uint32_t d = 0; d < p->dim; d++)
                pa_store((enum pa_dtype)p->dtype, p->outs[i], row * ld + d,
                         empty ? 0.0f : (float)random_below(&state, 2001) / 1000.0f - 1.0f);
        }
        pa_load((enum pa_dtype)p->dtype, p->outs[i], 0, n, p->numbers[i]);
    }
}

static void release(struct problem *p)
{
    for (uint32_t i = 0; i <= p->n_parts; i++) {
        free(p->outs[i]);
        free(p->lses[i]);
        if (i < p->n_parts) free(p->numbers[i]);
    }
}

static void compare_row(const struct problem *p, uint64_t row)
{
    const uint64_t ld = p->dim + (uint64_t)p->gap;
    double top = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < p->n_parts; i++) top = fmax(top, (double)p->lses[i][row]);
    for (uint32_t i = 0; i < p->n_parts && !isinf(top); i++) sum += exp((double)p->lses[i][row] - top);
    const double lse = top + log(sum), is = (double)p->lses[p->n_parts][row];
    if (isinf(top)) assert_true(is == -INFINITY);
    else CHECK(fabs(is - lse) < 1e-5 * fmax(1, fabs(lse)), "lse of row %d is %g, not %g", (int)row, is, lse);
    const double u = pa_dtype_roundoff((enum pa_dtype)p->dtype);
    for (uint32_t d = 0; d < p->dim; d++) {
        double right = 0, got;
        for (uint32_t i = 0; i < p->n_parts && !isinf(top); i++)
            right += exp((double)p->lses[i][row] - top) / sum * p->numbers[i][row * ld + d];
        pa_load((enum pa_dtype)p->dtype, p->outs[p->n_parts], row * ld + d, 1, &got);
        CHECK(fabs(got - right) <= 1e-5 + u * fabs(right), "row %d, %u: %g, not %g", (int)row, d, got, right);
    }
}

static void combine_on(const char *platform, bool check, uint64_t first, uint64_t n)
{
    struct tg_device_config device_config;
    struct tg_device *device;
    tg_device_config_init(&device_config);
    device_config.platform = platform;
    assert_int_equal(tg_device_open(&device_config, &device), TG_OK);
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct problem p;
        struct tg_attention_config config;
        struct tg_attention *attention;
        struct tg_run_config run;
        struct tg_attention_part all[PARTS_MAX + 1] = {0};
        draw(&p, seed);
        tg_run_config_init(&run);
        run.check = check;
        tg_attention_config_init(&config);
        config.heads = config.kv_heads = p.heads;
        config.key_dim = 8;
        config.value_dim = p.dim;
        config.out_dtype = p.dtype;
        config.run = &run;
        assert_int_equal(tg_attention_open(device, &config, &attention), TG_OK);
        for (uint32_t i = 0; i <= p.n_parts; i++) {
            all[i].out.data = p.outs[i];
            all[i].out.head_stride = p.dim + p.gap;
            all[i].out.token_stride = p.heads * (p.dim + p.gap);
            all[i].lse.data = p.lses[i];
        }
        const struct tg_attention_part *result = &all[p.n_parts];
        const enum tg_status status = tg_attention_combine(attention, p.n_tokens, all, p.n_parts, &result->out,
                                                           &result->lse);
        if (status == TG_ERR_CHECK) tg_run_print_findings(tg_attention_last_run(attention), stdout);
        CHECK(status == TG_OK, "seed %d: %s", (int)seed, tg_last_message());
        for (uint64_t row = 0; row < rows_of(&p); row++) compare_row(&p, row);
        tg_attention_close(attention);
        release(&p);
    }
    assert_int_equal(tg_device_bytes_in_use(device), 0);
    tg_device_close(device);
}

static void parts_are_combined_on_cpu(void **state)
{
    (void)state;
    combine_on("cpu", false, 1, 40);
}

static void parts_are_combined_on_a2a3sim_with_checks(void **state)
{
    (void)state;
    combine_on("a2a3sim", true, 100, 12);
}

static void impossible_combinations_are_refused(void **state)
{
    struct tg_device_config device_config;
    struct tg_device *device;
    struct tg_attention_config config;
    struct tg_attention *attention;
    float out[8] = {3}, lse[1] = {0};
    struct tg_attention_part part = {.out = {.data = out}, .lse = {.data = lse}};
    (void)state;
    tg_device_config_init(&device_config);
    device_config.platform = "cpu";
    assert_int_equal(tg_device_open(&device_config, &device), TG_OK);
    tg_attention_config_init(&config);
    config.key_dim = 8;
    assert_int_equal(tg_attention_open(device, &config, &attention), TG_OK);
    assert_int_equal(tg_attention_combine(attention, 1, &part, 0, &part.out, NULL), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "n_parts is 0"));
    assert_int_equal(tg_attention_combine(attention, 1, &part, 129, &part.out, NULL), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "n_parts is 129"));
    part.lse.data = NULL;
    assert_int_equal(tg_attention_combine(attention, 1, &part, 1, &part.out, NULL), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "lse of a part is NULL"));
    assert_true(out[0] == 3);
    assert_int_equal(tg_attention_combine(attention, 0, &part, 1, &part.out, NULL), TG_OK);
    tg_address memory;
    assert_int_equal(tg_device_malloc(device, 64, &memory), TG_OK);
    part.lse.data = lse;
    part.out = (struct tg_attention_data){.data = (void *)(uintptr_t)memory, .resident = true};
    const struct tg_attention_data upon = {.data = (void *)(uintptr_t)(memory + 28), .resident = true};
    assert_int_equal(tg_attention_combine(attention, 1, &part, 1, &upon, NULL), TG_ERR_ARGUMENT);
    CHECK(strstr(tg_last_message(), "out and out of a part share bytes"), "%s", tg_last_message());
    part.out = (struct tg_attention_data){.data = out}; /* copied: the output may be in its place */
    assert_int_equal(tg_attention_combine(attention, 1, &part, 1, &part.out, NULL), TG_OK);
    assert_true(out[0] == 3);
    struct tg_attention_data lse_upon = {.data = &out[7]};
    assert_int_equal(tg_attention_combine(attention, 1, &part, 1, &part.out, &lse_upon), TG_ERR_ARGUMENT);
    assert_int_equal(tg_device_free(device, memory), TG_OK);
    tg_attention_close(attention);
    tg_device_close(device);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(parts_are_combined_on_cpu),
    cmocka_unit_test(parts_are_combined_on_a2a3sim_with_checks),
    cmocka_unit_test(impossible_combinations_are_refused),
};

CHECK_MAIN(tests)
