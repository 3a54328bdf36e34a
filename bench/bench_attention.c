/*
 * bench_attention: paged attention on `cpu` against the speed at which this computer reads memory.
 *
 * One query a sequence, head_dim 128. The cache is a pool of gigabytes in device memory. Each run reads other blocks of
 * it, in random order, so that no block is in a processor's cache. The same process measures two limits
 * with as many threads: the best read bandwidth of the same memory (1 to 8 streams, with and without prefetch), and the
 * speed of the products' instruction on registers. The limit of a row is the one that takes longer. Two loops compute
 * the same: a plain one (plain_attention.c) and one tuned by hand (fused_attention.c). The results are compared.
 *
 * Least, median and most of the runs are by the clock; "own" is by the processor time of the best one, launch included:
 * the time of a run on an idle computer. A run's time begins with its first task. The time of the launch before it (the
 * plugin is opened) has a column of its own. A JSON array follows the table.
 *
 *     bench_attention [TEXT]    only rows whose name contains TEXT
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <tilegraph/tilegraph.h>

#include "file.h"
#include "fused_attention.h"
#include "limits.h"
#include "pa_problem.h"
#include "plain_attention.h"

enum {
    REPEATS = 9,
    PLAIN_REPEATS = 3,
    SPANS_LEAST = 16, /* for the fused loop to share out, if they have so many tokens: */
    SPAN_TOKENS_LEAST = 512,
    HEADS = 32,
    HEAD_DIM = 128,
    N_TENSORS = 7,
    CONFIG_WORDS = PA_CONFIG_WORDS
};
#define POOL_BYTES ((uint64_t)1 << 30) /* of keys, and of values */

static const char folder[] = TG_BENCH_BUILD_DIR "/examples/aicpu_build_graph/paged_attention";

struct row {
    enum pa_dtype dtype;
    uint32_t kv_heads, block_size, batch, context;
};

struct figures {
    double gb_s[REPEATS];
    double fused[REPEATS];
    double plain, own, launch_us; /* plain: the best */
    double peak;                  /* GB/s, if only what binds took time */
    bool by_products;             /* they bind, not memory */
    uint64_t tasks;
};

/* A computer to run on: a device with so many workers, and the pool in it. */
struct bench {
    uint32_t workers;
    struct tg_device *device;
    struct tg_program *program;
    uint64_t keys, values; /* device addresses */
    uint64_t next;         /* block of the pool, in its order */
    double bandwidth;      /* GB/s */
    double products;       /* GFLOP/s of the element type in use; 0: not measured */
};

static double processor_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static void check(enum tg_status status)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_attention: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory) return memory;
    fprintf(stderr, "bench_attention: no memory\n");
    exit(5);
}

static void *allocate_lines(size_t bytes)
{
    void *memory = aligned_alloc(64, bytes);
    if (memory) return memset(memory, 0, bytes);
    fprintf(stderr, "bench_attention: no memory\n");
    exit(5);
}

/* ---- a problem --------------------------------------------------------------------------------------------------- */

struct problem {
    struct row row;
    uint32_t table_cols, n_blocks;
    uint64_t block_bytes; /* of one KV head */
    uint64_t kv_bytes;    /* that a run has to read */
    uint8_t *query, *out, *loop_out;
    int32_t *table, *lengths;
    int64_t config[CONFIG_WORDS];
    float scale;
};

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static float drawn(uint64_t seed) { return (float)(mixed(seed) >> 40) / (1 << 24) - 0.5f; }

static void put(void *to, enum pa_dtype dtype, uint64_t at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dtype == PA_FP32) ((float *)to)[at] = value;
    else ((uint16_t *)to)[at] = (uint16_t)(bits >> 16);
}

static float get(const void *from, enum pa_dtype dtype, uint64_t at)
{
    if (dtype == PA_FP32) return ((const float *)from)[at];
    const uint32_t bits = (uint32_t)((const uint16_t *)from)[at] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A page of numbers, copied all over the pool. Copies of this size get huge pages. */
static void fill_pool(const struct bench *b, enum pa_dtype dtype)
{
    enum { PAGE = (1 << 20) - 4096, COPY = 64 << 20 };
    uint8_t *page = allocate(PAGE), *copy = allocate(COPY);
    for (uint64_t i = 0; i < PAGE / pa_dtype_bytes(dtype); i++) put(page, dtype, i, drawn(i + 77));
    for (uint64_t at = 0; at < COPY; at += PAGE) memcpy(copy + at, page, COPY - at < PAGE ? COPY - at : PAGE);
    for (uint64_t at = 0; at < POOL_BYTES; at += COPY) {
        check(tg_copy_to_device(b->device, b->keys + at, copy, COPY));
        check(tg_copy_to_device(b->device, b->values + at, copy, COPY));
    }
    free(copy);
    free(page);
}

static void problem_open(struct problem *p, const struct row *row)
{
    const uint64_t bytes = pa_dtype_bytes(row->dtype), n_query = (uint64_t)row->batch * HEADS * HEAD_DIM;
    memset(p, 0, sizeof *p);
    p->row = *row;
    p->table_cols = (row->context + row->block_size - 1) / row->block_size;
    p->block_bytes = HEAD_DIM * row->block_size * bytes;
    p->n_blocks = (uint32_t)(POOL_BYTES / (p->block_bytes * row->kv_heads));
    p->kv_bytes = 2 * (uint64_t)row->batch * row->context * row->kv_heads * HEAD_DIM * bytes;
    p->query = allocate(n_query * bytes);
    p->out = allocate(n_query * bytes);
    p->loop_out = allocate(n_query * bytes);
    p->table = allocate((uint64_t)row->batch * p->table_cols * sizeof *p->table);
    p->lengths = allocate(row->batch * sizeof *p->lengths);
    for (uint64_t i = 0; i < n_query; i++) put(p->query, row->dtype, i, 4 * drawn(i));
    for (uint32_t i = 0; i < row->batch; i++) p->lengths[i] = (int32_t)row->context;
    p->scale = 1 / sqrtf(HEAD_DIM);
    uint32_t scale_bits;
    memcpy(&scale_bits, &p->scale, sizeof scale_bits);
    const int64_t config[CONFIG_WORDS] = {row->batch,    HEADS,      row->kv_heads, HEAD_DIM, row->block_size,
                                          p->table_cols, scale_bits, row->dtype,    0,        row->dtype == PA_BF16};
    memcpy(p->config, config, sizeof config);
    const struct pa_problem shape = {.shape = {row->batch, HEADS, row->kv_heads, HEAD_DIM, row->block_size, row->dtype},
                                     .context_lens = p->lengths};
    p->config[PA_CONFIG_BLOCKS_PER_TASK] = pa_problem_blocks_per_task(&shape);
}

static void problem_close(struct problem *p)
{
    free(p->query);
    free(p->out);
    free(p->loop_out);
    free(p->table);
    free(p->lengths);
}

/* The next blocks of the pool: an odd step through all of them visits each once and in no order that
 * hardware expects. */
static void take_blocks(struct bench *b, struct problem *p)
{
    const uint64_t step = (uint64_t)(0.618 * p->n_blocks) | 1;
    for (uint64_t i = 0; i < (uint64_t)p->row.batch * p->table_cols; i++)
        p->table[i] = (int32_t)(b->next++ * step % p->n_blocks);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* Returns the processor time of the launch. */
static double run_once(struct bench *b, struct problem *p, struct tg_run_result *result)
{
    const uint64_t bytes = pa_dtype_bytes(p->row.dtype), n_query = (uint64_t)p->row.batch * HEADS * HEAD_DIM;
    const uint64_t table = (uint64_t)p->row.batch * p->table_cols,
                   pool = p->n_blocks * p->block_bytes * p->row.kv_heads;
    const struct tg_tensor tensors[N_TENSORS] = {
        {"query", p->query, n_query * bytes, n_query, TG_IN},
        {"key_cache", (void *)(uintptr_t)b->keys, pool, pool / bytes, TG_RESIDENT},
        {"value_cache", (void *)(uintptr_t)b->values, pool, pool / bytes, TG_RESIDENT},
        {"block_table", p->table, table * sizeof(int32_t), table, TG_IN},
        {"context_lens", p->lengths, p->row.batch * sizeof(int32_t), p->row.batch, TG_IN},
        {"out", p->out, n_query * bytes, n_query, TG_OUT},
        {"config", p->config, sizeof p->config, CONFIG_WORDS, TG_IN},
    };
    struct tg_run_config config;
    struct tg_run *run;
    tg_run_config_init(&config);
    check(tg_run_open(b->program, &config, tensors, N_TENSORS, &run));
    const double start = processor_s();
    check(tg_run_wait(run));
    const double used = processor_s() - start;
    tg_run_result(run, result);
    tg_run_close(run);
    return used;
}

/* A loop over a problem: the spans of each KV head of each sequence are shared out among threads. */
struct loop {
    const struct bench *bench;
    const struct problem *p;
    uint32_t n_spans, span_tokens; /* of a KV head of a sequence */
    struct fused_part *parts;      /* of the fused loop: [sequence][KV head][span] */
    _Atomic uint32_t
        *n_done;           /* [sequence][KV head]: finished spans; the thread that finishes the last one merges them */
    _Atomic uint32_t next; /* span */
};

static struct attention_loop span_of(const struct loop *loop, uint32_t item, uint32_t span)
{
    const struct problem *p = loop->p;
    const struct row *row = &p->row;
    const uint32_t rows = HEADS / row->kv_heads, first = span * loop->span_tokens;
    const uint32_t left = row->context - first;
    return (struct attention_loop){
        .query = p->query + (uint64_t)item * rows * HEAD_DIM * pa_dtype_bytes(row->dtype),
        .keys = (const uint8_t *)(uintptr_t)loop->bench->keys,
        .values = (const uint8_t *)(uintptr_t)loop->bench->values,
        .blocks = p->table + (uint64_t)(item / row->kv_heads) * p->table_cols + first / row->block_size,
        .kv_heads = row->kv_heads,
        .kv_head = item % row->kv_heads,
        .block_bytes = p->block_bytes,
        .rows = rows,
        .head_dim = HEAD_DIM,
        .block_size = row->block_size,
        .tokens = left < loop->span_tokens ? left : loop->span_tokens,
        .packed = p->config[PA_CONFIG_PACKED],
        .scale = p->scale,
    };
}

static void *loop_out(const struct problem *p, uint32_t item)
{
    return p->loop_out + (uint64_t)item * (HEADS / p->row.kv_heads) * HEAD_DIM * pa_dtype_bytes(p->row.dtype);
}

static void plain_part(void *context, uint32_t thread)
{
    (void)thread;
    struct loop *loop = context;
    const struct row *row = &loop->p->row;
    float *scores = allocate((uint64_t)row->context * sizeof *scores);
    for (uint32_t i; (i = loop->next++) < row->batch * row->kv_heads;) {
        const struct attention_loop a = span_of(loop, i, 0);
        if (row->dtype == PA_FP32) plain_attention_fp32(&a, loop_out(loop->p, i), scores);
        else plain_attention_bf16(&a, loop_out(loop->p, i), scores);
    }
    free(scores);
}

static void fused_part(void *context, uint32_t thread)
{
    (void)thread;
    struct loop *loop = context;
    const struct row *row = &loop->p->row;
    for (uint32_t i; (i = loop->next++) < row->batch * row->kv_heads * loop->n_spans;) {
        const uint32_t item = i / loop->n_spans;
        const struct attention_loop a = span_of(loop, item, i % loop->n_spans);
        struct fused_part *parts = &loop->parts[(size_t)item * loop->n_spans];
        if (row->dtype == PA_FP32) fused_attention_fp32(&a, &parts[i % loop->n_spans]);
        else fused_attention_bf16(&a, &parts[i % loop->n_spans]);
        if (++loop->n_done[item] < loop->n_spans) continue;
        if (row->dtype == PA_FP32) fused_finish_fp32(parts, loop->n_spans, a.rows, loop_out(loop->p, item));
        else fused_finish_bf16(parts, loop->n_spans, a.rows, loop_out(loop->p, item));
    }
}

/* Both return seconds. */
static double run_plain(const struct bench *b, const struct problem *p)
{
    struct loop loop = {.bench = b, .p = p, .n_spans = 1, .span_tokens = p->row.context};
    return limits_in_parallel(b->workers, plain_part, &loop);
}

static double run_fused(const struct bench *b, const struct problem *p)
{
    const uint32_t n = p->row.batch * p->row.kv_heads, wanted = (SPANS_LEAST + n - 1) / n;
    const uint32_t most = p->row.context / SPAN_TOKENS_LEAST, n_spans = wanted < most ? wanted : most;
    struct loop loop = {.bench = b, .p = p, .n_spans = n_spans, .span_tokens = p->row.context / n_spans};
    loop.parts = allocate_lines((size_t)n * n_spans * sizeof *loop.parts);
    loop.n_done = allocate(n * sizeof *loop.n_done);
    const double seconds = limits_in_parallel(b->workers, fused_part, &loop);
    free(loop.parts);
    free(loop.n_done);
    return seconds;
}

/* A run and a loop over the same blocks agree. */
static void compare(const struct problem *p, const char *loop)
{
    const uint64_t n = (uint64_t)p->row.batch * HEADS * HEAD_DIM;
    double largest = 0, size = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double a = (double)get(p->out, p->row.dtype, i), b = (double)get(p->loop_out, p->row.dtype, i);
        if (!(fabs(a - b) <= largest)) largest = fabs(a - b);
        size += fabs(b) / (double)n;
    }
    if (largest <= size * (p->row.dtype == PA_FP32 ? 1e-3 : 0.1)) return;
    fprintf(stderr, "bench_attention: the results differ from the %s loop's by %g, values are %g\n", loop, largest,
            size);
    exit(1);
}

/* The graph on rows, and as it is measured, beside the loops. */
static void compare_layouts(struct bench *b, struct problem *p)
{
    struct tg_run_result result;
    const int64_t packed = p->config[PA_CONFIG_PACKED];
    take_blocks(b, p);
    p->config[PA_CONFIG_PACKED] = 0;
    run_once(b, p, &result);
    run_plain(b, p);
    compare(p, "plain");
    run_fused(b, p);
    compare(p, "fused");
    p->config[PA_CONFIG_PACKED] = packed;
    if (!packed) return;
    run_once(b, p, &result);
    run_plain(b, p);
    compare(p, "plain");
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void sort(double values[REPEATS]) { qsort(values, REPEATS, sizeof values[0], by_value); }

static void measure(struct bench *b, const struct row *row, struct figures *f)
{
    struct problem p;
    double launch[REPEATS];
    memset(f, 0, sizeof *f);
    problem_open(&p, row);
    const double bytes = (double)p.kv_bytes;
    compare_layouts(b, &p);
    for (int i = 0; i < REPEATS; i++) {
        struct tg_run_result result;
        take_blocks(b, &p);
        const double own = 1e-9 * bytes * b->workers / run_once(b, &p, &result);
        if (own > f->own) f->own = own;
        f->gb_s[i] = bytes / (double)(result.device_ns - result.first_start_ns);
        launch[i] = (double)result.first_start_ns * 1e-3;
        f->tasks = result.n_tasks;
        take_blocks(b, &p);
        f->fused[i] = 1e-9 * bytes / run_fused(b, &p);
    }
    p.config[PA_CONFIG_PACKED] = 0;
    for (int i = 0; i < PLAIN_REPEATS; i++) {
        take_blocks(b, &p);
        const double gb_s = 1e-9 * bytes / run_plain(b, &p);
        if (gb_s > f->plain) f->plain = gb_s;
    }
    sort(f->gb_s);
    sort(f->fused);
    sort(launch);
    f->launch_us = launch[REPEATS / 2];
    const double flops = 4.0 * row->batch * row->context * HEADS * HEAD_DIM; /* of scores and values */
    const double by_products = b->products > 0 ? bytes / (flops / b->products) : INFINITY;
    f->by_products = by_products < b->bandwidth;
    f->peak = f->by_products ? by_products : b->bandwidth;
    problem_close(&p);
}

/* ---- device ------------------------------------------------------------------------------------------------------ */

static struct tg_program *load(struct tg_device *device)
{
    static const char *const files[] = {"aic_qk_matmul.so", "aiv_softmax_prepare.so", "aic_pv_matmul.so",
                                        "aiv_online_update.so", "orchestration.so"};
    struct tg_program *program;
    check(tg_program_open(device, &program));
    for (int i = 0; i < 5; i++) {
        struct failure failure;
        void *bytes;
        size_t n_bytes;
        if (file_read_in(folder, files[i], &bytes, &n_bytes, &failure) != TG_OK) {
            fprintf(stderr, "bench_attention: %s\n", failure.message);
            exit(2);
        }
        if (i < 4) check(tg_program_add_kernel(program, i, i % 2 ? TG_AIV : TG_AIC, files[i], bytes, n_bytes));
        else check(tg_program_set_orchestration(program, bytes, n_bytes, "orchestration"));
        free(bytes);
    }
    return program;
}

static void bench_open(struct bench *b, uint32_t workers)
{
    struct tg_device_config config;
    memset(b, 0, sizeof *b);
    b->workers = workers;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = workers;
    config.gm_bytes = 4 * POOL_BYTES;
    check(tg_device_open(&config, &b->device));
    check(tg_device_malloc(b->device, POOL_BYTES, &b->keys));
    check(tg_device_malloc(b->device, POOL_BYTES, &b->values));
    b->program = load(b->device);
}

static void bench_close(struct bench *b)
{
    tg_program_close(b->program);
    check(tg_device_free(b->device, b->keys));
    check(tg_device_free(b->device, b->values));
    tg_device_close(b->device);
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static void print_name(char text[64], const struct row *row)
{
    snprintf(text, 64, "%s %d/%u block %u context %u batch %u", pa_dtype_name(row->dtype), HEADS, row->kv_heads,
             row->block_size, row->context, row->batch);
}

static void print_figures(const struct bench *b, const struct row *row, const struct figures *f)
{
    const double median = f->gb_s[REPEATS / 2];
    char name[64];
    print_name(name, row);
    printf("%-46s %7u %6llu %7.1f %7.1f %7.1f %7.1f %7.1f %8.2f %8.1f %8.1f %8.2f %9.0f\n", name, b->workers,
           (unsigned long long)f->tasks, median, f->gb_s[0], f->gb_s[REPEATS - 1], f->own, f->peak, median / f->peak,
           f->fused[REPEATS / 2], f->plain, f->own / f->peak, f->launch_us);
    fflush(stdout);
}

static void print_json(FILE *to, const struct bench *b, const char *isa, const struct row *row, const struct figures *f)
{
    static bool again;
    const double median = f->gb_s[REPEATS / 2];
    fprintf(to,
            "%s\n {\"bench\": \"attention\", \"isa\": \"%s\", \"workers\": %u, \"dtype\": \"%s\", \"heads\": %d, "
            "\"kv_heads\": %u, \"head_dim\": %d, \"block_size\": %u, \"context\": %u, \"batch\": %u, \"tasks\": %llu, "
            "\"gb_s\": %.2f, \"least\": %.2f, \"most\": %.2f, \"own\": %.2f, "
            "\"bandwidth\": %.2f, \"gflops\": %.1f, \"bound\": \"%s\", \"peak\": %.2f, "
            "\"fraction\": %.3f, "
            "\"fused\": %.2f, \"fused_least\": %.2f, \"fused_most\": %.2f, \"plain\": %.2f, \"launch_us\": %.0f}",
            again ? "," : "", isa, b->workers, pa_dtype_name(row->dtype), HEADS, row->kv_heads, HEAD_DIM,
            row->block_size, row->context, row->batch, (unsigned long long)f->tasks, median, f->gb_s[0],
            f->gb_s[REPEATS - 1], f->own, b->bandwidth, b->products, f->by_products ? "products" : "memory", f->peak,
            median / f->peak, f->fused[REPEATS / 2], f->fused[0], f->fused[REPEATS - 1], f->plain, f->launch_us);
    again = true;
}

static const struct {
    enum pa_dtype dtype;
    uint32_t kv_heads;
} kinds[] = {{PA_BF16, 32}, {PA_BF16, 8}, {PA_BF16, 2}, {PA_BF16, 1}, {PA_FP32, 32}};
static const uint32_t blocks[] = {128, 16}, contexts[] = {1024, 4096, 16384, 65536}, batches[] = {1, 8};

/* All rows of one element type, whose numbers the pool holds then. */
static void run_rows(struct bench *b, size_t kind, const char *only, FILE *json)
{
    for (size_t i = 0; i < 2 * 4 * 2; i++) {
        const struct row row = {kinds[kind].dtype, kinds[kind].kv_heads, blocks[i / 8], batches[i % 2],
                                contexts[i / 2 % 4]};
        char name[64];
        struct figures f;
        const uint64_t bytes = pa_dtype_bytes(row.dtype) * HEAD_DIM * row.kv_heads;
        print_name(name, &row);
        if (bytes * row.batch * row.context > POOL_BYTES || (only && !strstr(name, only))) continue;
        measure(b, &row, &f);
        print_figures(b, &row, &f);
        print_json(json, b, tg_device_isa(b->device), &row, &f);
    }
}

int main(int argc, char **argv)
{
    const long n_processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct utsname machine;
    char *json_text;
    size_t n_json;
    FILE *json = open_memstream(&json_text, &n_json);
    if (!json) return 5;
    uname(&machine);
    printf("%s, %ld processors; medians of %d runs, GB/s of KV cache\n\n"
           "%-46s %7s %6s %7s %7s %7s %7s %7s %8s %8s %8s %8s %9s\n",
           machine.machine, n_processors, REPEATS, "", "workers", "tasks", "median", "least", "most", "own", "limit",
           "fraction", "fused C", "plain C", "own/lim", "launch us");
    for (uint32_t workers = 1; workers <= LIMITS_THREADS_MAX && workers <= n_processors; workers++) {
        struct bench b;
        bench_open(&b, workers);
        for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
            if (kind == 0 || kinds[kind].dtype != kinds[kind - 1].dtype) fill_pool(&b, kinds[kind].dtype);
            const double bandwidth = limits_bandwidth(workers, (const void *)(uintptr_t)b.values, POOL_BYTES);
            if (bandwidth > b.bandwidth) b.bandwidth = bandwidth;
            b.products = limits_products(workers, tg_device_isa(b.device), kinds[kind].dtype == PA_BF16);
            run_rows(&b, kind, argc > 1 ? argv[1] : NULL, json);
        }
        bench_close(&b);
    }
    fclose(json);
    printf("\n[%s\n]\n", json_text);
    free(json_text);
    return 0;
}
