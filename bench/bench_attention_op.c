/*
 * bench_attention_op: steps of attention.h on `cpu` against the speed at which this computer reads memory.
 *
 * head_dim 128, causal. The cache is a pool in device memory that is larger than a processor's caches; each step reads
 * other blocks of it, in random order. Before each row the same process measures the read bandwidth of the same pool
 * and the speed of products on registers, with as many threads. A step is tg_attention_plan and tg_attention_run,
 * launch included. The median and the best of the steps are by the clock. "bound" is the time of what binds: to read
 * the row's KV bytes, which count once for all sequences that share them, or to multiply each query with the keys and
 * values that it sees. "part" is bound / best. A JSON array follows the table.
 *
 *     bench_attention_op [TEXT]    only rows whose name contains TEXT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tilegraph/attention.h>
#include <tilegraph/tile.h>

#include "limits.h"

enum { REPEATS = 15, REPEATS_LEAST = 3, HEADS = 32, DIM = 128, SEQUENCES_MAX = 64, PLANS = 2000 };
#define ENOUGH_US 3e6                    /* of steps of a row, if there are REPEATS_LEAST */
#define POOL_BYTES ((uint64_t)512 << 20) /* keys and values together */

struct row {
    const char *name;
    uint32_t kv_heads, dtype, block, batch, query, context;
    uint32_t shared; /* tokens that all tables begin with */
    bool unequal;    /* contexts of half to one and a half of `context` */
    bool scattered;  /* blocks are in random order */
    bool plain;      /* keys and values as [block][token][kv_head][dim] */
};

static const struct row rows[] = {
    {"32/8 bf16", 8, TG_BF16, 128, 8, 1, 4096, 0, false, true, false},
    {"32/8 bf16 in order", 8, TG_BF16, 128, 8, 1, 4096, 0, false, false, false},
    {"32/8 bf16 plain layout", 8, TG_BF16, 128, 8, 1, 4096, 0, false, true, true},
    {"32/8 bf16 block 16", 8, TG_BF16, 16, 8, 1, 4096, 0, false, true, false},
    {"32/8 bf16 unequal", 8, TG_BF16, 128, 8, 1, 4096, 0, true, true, false},
    {"32/8 bf16 4 queries", 8, TG_BF16, 128, 8, 4, 4096, 0, false, true, false},
    {"32/8 bf16 batch 1", 8, TG_BF16, 128, 1, 1, 32768, 0, false, true, false},
    {"32/8 bf16 batch 64", 8, TG_BF16, 128, 64, 1, 1024, 0, false, true, false},
    {"32/8 int8", 8, TG_INT8, 128, 8, 1, 4096, 0, false, true, false},
    {"32/8 fp8", 8, TG_FP8_E4M3, 128, 8, 1, 4096, 0, false, true, false},
    {"32/32 bf16", 32, TG_BF16, 128, 2, 1, 4096, 0, false, true, false},
    {"32/32 int8", 32, TG_INT8, 128, 2, 1, 4096, 0, false, true, false},
    {"32/32 fp8", 32, TG_FP8_E4M3, 128, 2, 1, 4096, 0, false, true, false},
    {"32/8 bf16 32 apart", 8, TG_BF16, 128, 32, 1, 4352, 0, false, true, false},
    {"32/8 bf16 32 share 4096", 8, TG_BF16, 128, 32, 1, 4352, 4096, false, true, false},
    {"32/8 fp16", 8, TG_FP16, 128, 8, 1, 4096, 0, false, true, false},
    {"32/32 fp16", 32, TG_FP16, 128, 2, 1, 4096, 0, false, true, false},
    {"32/2 fp16", 2, TG_FP16, 128, 8, 1, 4096, 0, false, true, false},
    {"32/1 fp16", 1, TG_FP16, 128, 8, 1, 4096, 0, false, true, false},
    {"32/8 bf16 prefill 512 over 512", 8, TG_BF16, 128, 1, 512, 512, 0, false, true, false},
    {"32/8 bf16 prefill 512 over 512, batch 8", 8, TG_BF16, 128, 8, 512, 512, 0, false, true, false},
    {"32/8 bf16 prefill 512 over 4096", 8, TG_BF16, 128, 1, 512, 4096, 0, false, true, false},
    {"32/8 bf16 prefill 512 over 4096, batch 8", 8, TG_BF16, 128, 8, 512, 4096, 0, false, true, false},
    {"32/8 fp16 prefill 512 over 4096", 8, TG_FP16, 128, 1, 512, 4096, 0, false, true, false},
};

struct figures {
    double best_us, median_us, plan_us, launch_us, kv_bytes, flops;
    double bandwidth, products; /* GB/s, GFLOP/s; products 0: not known */
    double bound_us;
    uint64_t n_tasks;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double larger(double a, double b) { return a > b ? a : b; }

static void check(enum tg_status status)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_attention_op: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory) return memory;
    fprintf(stderr, "bench_attention_op: no memory\n");
    exit(5);
}

/* ---- a row ------------------------------------------------------------------------------------------------------- */

struct bench {
    struct tg_device *device;
    struct tg_attention *attention;
    struct tg_kv_view view;
    uint32_t *order; /* [n_blocks] of the pool */
    uint32_t next;
    int32_t query_lens[SEQUENCES_MAX], context_lens[SEQUENCES_MAX];
    int32_t *table; /* [batch][columns] */
    uint32_t columns;
    void *query, *out;
};

static void open_row(struct bench *b, const struct row *row, tg_address pool)
{
    struct tg_attention_config config;
    tg_attention_config_init(&config);
    config.heads = HEADS;
    config.kv_heads = row->kv_heads;
    config.key_dim = DIM;
    config.block_tokens = row->block;
    config.kv_dtype = row->dtype;
    config.query_dtype = config.out_dtype = row->dtype == TG_FP16 ? TG_FP16 : TG_BF16;
    config.causal = true;
    check(tg_attention_open(b->device, &config, &b->attention));

    const uint64_t block_bytes = 2ull * row->block * row->kv_heads * DIM * tg_dtype_bytes(row->dtype);
    tg_kv_view_init(&b->view);
    b->view.n_blocks = (uint32_t)(POOL_BYTES / block_bytes);
    b->view.block_tokens = row->block;
    b->view.kv_heads = row->kv_heads;
    b->view.key_dim = b->view.value_dim = DIM;
    b->view.dtype = row->dtype;
    b->view.key = pool;
    b->view.value = pool + POOL_BYTES / 2;
    check(tg_kv_view_place(&b->view, row->plain ? TG_KV_PLAIN : TG_KV_PACKED));
    b->order = allocate(b->view.n_blocks * sizeof *b->order);
    for (uint32_t i = 0; i < b->view.n_blocks; i++) b->order[i] = i;
    for (uint32_t i = b->view.n_blocks - 1; i > 0 && row->scattered; i--) {
        const uint32_t j = (uint32_t)rand() % (i + 1), kept = b->order[i];
        b->order[i] = b->order[j];
        b->order[j] = kept;
    }
    b->columns = row->context * 2 / row->block + 1;
    b->table = allocate(sizeof *b->table * row->batch * b->columns);
    b->query = allocate((size_t)row->batch * row->query * HEADS * DIM * 2);
    b->out = allocate((size_t)row->batch * row->query * HEADS * DIM * 2);
    b->next = 0;
}

static void close_row(struct bench *b)
{
    tg_attention_close(b->attention);
    free(b->order);
    free(b->table);
    free(b->query);
    free(b->out);
}

/* Pairs of a query and a key that it sees. */
static double pairs_of(uint32_t query, uint32_t context)
{
    return query * (double)(context - query) + query * (query + 1.0) / 2;
}

/* The next blocks of the pool for every sequence. Sets the bytes of KV that are read, and the operations. */
static void draw_tables(struct bench *b, const struct row *row, struct figures *f)
{
    uint64_t n_tokens = 0;
    f->flops = 0;
    for (uint32_t i = 0; i < row->batch; i++) {
        const uint32_t part = row->batch > 1 ? i * row->context / (row->batch - 1) : row->context / 2;
        const uint32_t context = row->unequal ? row->context / 2 + part : row->context;
        b->query_lens[i] = (int32_t)row->query;
        b->context_lens[i] = (int32_t)context;
        f->flops += 4.0 * HEADS * DIM * pairs_of(row->query, context); /* scores and values: a product and a sum each */
        for (uint32_t j = 0; j * row->block < context; j++) {
            const bool shared = i > 0 && (j + 1) * row->block <= row->shared;
            b->table[i * b->columns + j] = shared ? b->table[j] : (int32_t)b->order[b->next++ % b->view.n_blocks];
            n_tokens += shared ? 0 : row->block;
        }
    }
    f->kv_bytes = 2.0 * (double)n_tokens * row->kv_heads * DIM * tg_dtype_bytes(row->dtype);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run_row(struct bench *b, const struct row *row, struct figures *f)
{
    double us[REPEATS];
    struct tg_attention_batch batch = {.size = sizeof batch};
    struct tg_attention_step step = {.size = sizeof step, .kv = &b->view};
    step.query.data = b->query;
    step.out.data = b->out;
    batch.n_sequences = row->batch;
    batch.query_lens = b->query_lens;
    batch.context_lens = b->context_lens;
    batch.block_table = b->table;
    batch.table_stride = b->columns;
    uint32_t n = 0;
    for (double all_us = 0; n < REPEATS && (n < REPEATS_LEAST || all_us < ENOUGH_US); all_us += us[n++]) {
        draw_tables(b, row, f);
        const double start = now_s();
        check(tg_attention_plan(b->attention, &batch));
        check(tg_attention_run(b->attention, &step));
        us[n] = 1e6 * (now_s() - start);
    }
    struct tg_run_result result;
    check(tg_run_result(tg_attention_last_run(b->attention), &result));
    f->n_tasks = result.n_tasks;
    qsort(us, n, sizeof *us, ascending);
    f->best_us = us[0];
    f->bound_us = 1e-3 * f->kv_bytes / f->bandwidth;
    if (f->products > 0) f->bound_us = larger(f->bound_us, 1e-3 * f->flops / f->products);
    f->median_us = us[n / 2];
    const double start = now_s();
    for (int i = 0; i < PLANS; i++) check(tg_attention_plan(b->attention, &batch));
    f->plan_us = 1e6 * (now_s() - start) / PLANS;

    for (uint32_t i = 0; i < row->batch; i++) b->context_lens[i] = 0, b->query_lens[i] = i == 0;
    double least = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        check(tg_attention_plan(b->attention, &batch));
        const double at = now_s();
        check(tg_attention_run(b->attention, &step));
        if (now_s() - at < least) least = now_s() - at;
    }
    f->launch_us = 1e6 * least;
}

static void print_figures(const struct row *row, uint32_t workers, const struct figures *f)
{
    printf("%-42s %7u %9.1f %9.1f %7.2f %9.1f %6.2f %7.2f %8.1f %6llu\n", row->name, workers, f->best_us, f->median_us,
           1e-3 * f->kv_bytes / f->best_us, f->bound_us, f->bound_us / f->best_us, f->plan_us, f->launch_us,
           (unsigned long long)f->n_tasks);
    fflush(stdout);
}

static void print_json(FILE *to, const char *isa, const struct row *row, uint32_t workers, const struct figures *f)
{
    static bool again;
    fprintf(to,
            "%s\n{\"bench\": \"attention_op\", \"row\": \"%s\", \"isa\": \"%s\", \"workers\": %u, \"kv_heads\": %u, "
            "\"query\": %u, \"best_us\": %.2f, \"median_us\": %.2f, \"kv_gb_s\": %.3f, \"gb_s_limit\": %.3f, "
            "\"gflops\": %.1f, \"gflops_limit\": %.1f, \"bound_us\": %.2f, \"fraction\": %.3f, \"plan_us\": %.3f, "
            "\"empty_us\": %.2f, \"tasks\": %llu}",
            again ? "," : "", row->name, isa, workers, row->kv_heads, row->query, f->best_us, f->median_us,
            1e-3 * f->kv_bytes / f->best_us, f->bandwidth, 1e-3 * f->flops / f->best_us, f->products, f->bound_us,
            f->bound_us / f->best_us, f->plan_us, f->launch_us, (unsigned long long)f->n_tasks);
    again = true;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    char *json = NULL;
    size_t n_json;
    FILE *text = open_memstream(&json, &n_json);
    if (!text) return 5;
    printf("%-42s %7s %9s %9s %7s %9s %6s %7s %8s %6s\n", "row", "workers", "best us", "median us", "GB/s", "bound us",
           "part", "plan us", "empty us", "tasks");
    for (uint32_t workers = 1; workers <= LIMITS_THREADS_MAX; workers++) {
        struct tg_device_config config;
        struct bench b = {0};
        double bandwidth = 0, products[2] = {0}; /* the best so far; products of fp16, and of bf16 */
        tg_address pool;
        tg_device_config_init(&config);
        config.platform = "cpu";
        config.workers = workers;
        check(tg_device_open(&config, &b.device));
        check(tg_device_malloc(b.device, POOL_BYTES, &pool));
        /* Memory of this process on `cpu`: in place before it is read. */
        memset((void *)(uintptr_t)pool, 0, POOL_BYTES);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const struct row *row = &rows[i];
            struct figures f = {0};
            if (!strstr(row->name, only)) continue;
            open_row(&b, row, pool);
            const bool is_bf16 = row->dtype != TG_FP16;
            f.bandwidth = limits_bandwidth(workers, (const void *)(uintptr_t)pool, POOL_BYTES);
            f.products = limits_products(workers, tg_device_isa(b.device), is_bf16);
            f.bandwidth = bandwidth = larger(bandwidth, f.bandwidth);
            f.products = products[is_bf16] = larger(products[is_bf16], f.products);
            run_row(&b, row, &f);
            print_figures(row, workers, &f);
            print_json(text, tg_device_isa(b.device), row, workers, &f);
            close_row(&b);
        }
        check(tg_device_free(b.device, pool));
        tg_device_close(b.device);
    }
    fclose(text);
    printf("[%s\n]\n", json);
    free(json);
    return 0;
}
