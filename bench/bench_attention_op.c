/*
 * bench_attention_op: steps of attention.h on `cpu` against the speed at which this computer reads memory.
 *
 * head_dim 128. The cache is a pool in device memory that is larger than a processor's caches; each step reads other
 * blocks of it, in random order. Before each row the same process measures the read bandwidth of the same pool with as
 * many threads. A step is tg_attention_plan and tg_attention_run, launch included. The median and the best of the steps
 * are by the clock. A row's KV bytes count once for all sequences that share them. A JSON array follows the table.
 *
 *     bench_attention_op [TEXT]    only rows whose name contains TEXT
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tilegraph/attention.h>
#include <tilegraph/tile.h>

enum { REPEATS = 15, HEADS = 32, DIM = 128, WORKERS = 2, SEQUENCES_MAX = 64, PLANS = 2000 };
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
    {"32/8 bf16 prefill 512", 8, TG_BF16, 128, 1, 512, 512, 0, false, true, false},
};

struct figures {
    double best_us, median_us, plan_us, launch_us, kv_bytes, peak;
    uint64_t n_tasks;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

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

/* ---- the limit --------------------------------------------------------------------------------------------------- */

struct reader {
    const uint64_t *from;
    uint64_t n, sum;
};

static void *read_all(void *context)
{
    struct reader *r = context;
    uint64_t sums[32] = {0};
    for (uint64_t i = 0; i + 32 <= r->n; i += 32) {
        __builtin_prefetch(r->from + i + 192);
        __builtin_prefetch(r->from + i + 200);
        __builtin_prefetch(r->from + i + 208);
        __builtin_prefetch(r->from + i + 216);
        for (int j = 0; j < 32; j++) sums[j] += r->from[i + (uint64_t)j];
    }
    for (int j = 0; j < 32; j++) r->sum += sums[j];
    return NULL;
}

/* Bytes a second that `workers` threads read of the pool; the best of several times. */
static double read_bandwidth(const void *pool, uint32_t workers)
{
    double best = 0;
    for (int repeat = 0; repeat < 5; repeat++) {
        struct reader readers[WORKERS];
        pthread_t threads[WORKERS];
        const uint64_t n = POOL_BYTES / 8 / workers;
        const double start = now_s();
        for (uint32_t i = 0; i < workers; i++) {
            readers[i] = (struct reader){(const uint64_t *)pool + i * n, n, 0};
            if (i > 0 && pthread_create(&threads[i], NULL, read_all, &readers[i])) exit(5);
        }
        read_all(&readers[0]);
        for (uint32_t i = 1; i < workers; i++) pthread_join(threads[i], NULL);
        const double speed = (double)POOL_BYTES / (now_s() - start);
        if (speed > best) best = speed;
    }
    return best;
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
    config.query_dtype = config.out_dtype = TG_BF16;
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

/* The next blocks of the pool for every sequence; returns the tokens whose KV is read. */
static uint64_t draw_tables(struct bench *b, const struct row *row)
{
    uint64_t n_tokens = 0;
    for (uint32_t i = 0; i < row->batch; i++) {
        const uint32_t part = row->batch > 1 ? i * row->context / (row->batch - 1) : row->context / 2;
        const uint32_t context = row->unequal ? row->context / 2 + part : row->context;
        b->query_lens[i] = (int32_t)row->query;
        b->context_lens[i] = (int32_t)context;
        for (uint32_t j = 0; j * row->block < context; j++) {
            const bool shared = i > 0 && (j + 1) * row->block <= row->shared;
            b->table[i * b->columns + j] = shared ? b->table[j] : (int32_t)b->order[b->next++ % b->view.n_blocks];
            n_tokens += shared ? 0 : row->block;
        }
    }
    return n_tokens;
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
    for (int i = 0; i < REPEATS; i++) {
        const uint64_t n_tokens = draw_tables(b, row);
        f->kv_bytes = 2.0 * (double)n_tokens * row->kv_heads * DIM * tg_dtype_bytes(row->dtype);
        const double start = now_s();
        check(tg_attention_plan(b->attention, &batch));
        check(tg_attention_run(b->attention, &step));
        us[i] = 1e6 * (now_s() - start);
    }
    struct tg_run_result result;
    check(tg_run_result(tg_attention_last_run(b->attention), &result));
    f->n_tasks = result.n_tasks;
    qsort(us, REPEATS, sizeof *us, ascending);
    f->best_us = us[0];
    f->median_us = us[REPEATS / 2];
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

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    char *json = NULL;
    size_t n_json;
    FILE *text = open_memstream(&json, &n_json);
    if (!text) return 5;
    printf("%-26s %7s %9s %9s %7s %7s %7s %8s %8s %6s\n", "row", "workers", "best us", "median us", "GB/s", "limit",
           "part", "plan us", "empty us", "tasks");
    fprintf(text, "[");
    const char *comma = "";
    for (uint32_t workers = 1; workers <= WORKERS; workers++) {
        struct tg_device_config config;
        struct bench b = {0};
        tg_address pool;
        tg_device_config_init(&config);
        config.platform = "cpu";
        config.workers = workers;
        check(tg_device_open(&config, &b.device));
        check(tg_device_malloc(b.device, POOL_BYTES, &pool));
        memset((void *)(uintptr_t)pool, 0,
               POOL_BYTES); /* memory of this process on `cpu`: in place before it is read */
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const struct row *row = &rows[i];
            struct figures f = {0};
            if (!strstr(row->name, only)) continue;
            open_row(&b, row, pool);
            f.peak = read_bandwidth((const void *)(uintptr_t)pool, workers);
            run_row(&b, row, &f);
            const double gb_s = f.kv_bytes / f.best_us * 1e-3;
            printf("%-26s %7u %9.1f %9.1f %7.2f %7.2f %7.2f %8.2f %8.1f %6llu\n", row->name, workers, f.best_us,
                   f.median_us, gb_s, f.peak * 1e-9, gb_s * 1e9 / f.peak, f.plan_us, f.launch_us,
                   (unsigned long long)f.n_tasks);
            fflush(stdout);
            fprintf(text,
                    "%s\n{\"bench\": \"attention_op\", \"row\": \"%s\", \"workers\": %u, \"best_us\": %.2f, "
                    "\"median_us\": %.2f, \"kv_gb_s\": %.3f, \"limit_gb_s\": %.3f, \"plan_us\": %.3f, "
                    "\"empty_us\": %.2f, \"tasks\": %llu}",
                    comma, row->name, workers, f.best_us, f.median_us, gb_s, f.peak * 1e-9, f.plan_us, f.launch_us,
                    (unsigned long long)f.n_tasks);
            comma = ",";
            close_row(&b);
        }
        check(tg_device_free(b.device, pool));
        tg_device_close(b.device);
    }
    fclose(text);
    printf("%s\n]\n", json);
    free(json);
    return 0;
}
