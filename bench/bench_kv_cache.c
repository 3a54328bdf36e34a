/*
 * bench_kv_cache: the cost of a call of the KV cache, and the speed of appends.
 *
 * Calls: nanoseconds a block to allocate, to fork and to release, in sequences of 1 to 4,096 blocks. Microseconds to
 * look up a prompt of 4,096 tokens. Appends: bytes of new keys and values a second, beside memcpy of the same bytes by
 * the same number of threads, in the same run. A table, then a JSON array.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <tilegraph/kv_cache.h>
#include <tilegraph/tile.h>

enum { REPEATS = 15 };

static void check(enum tg_status status)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_kv_cache: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (memory) return memory;
    fprintf(stderr, "bench_kv_cache: no memory for %zu bytes\n", bytes);
    exit(tg_status_exit_code(TG_ERR_MEMORY));
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

struct spread {
    double least, median, most;
};

static struct spread spread_of(double values[REPEATS])
{
    qsort(values, REPEATS, sizeof values[0], by_value);
    return (struct spread){values[0], values[REPEATS / 2], values[REPEATS - 1]};
}

static bool is_first_row = true;

/* A row of the JSON array, which is printed behind the tables. */
static FILE *json;
static void put_json(const char *name, const char *shape, const char *unit, struct spread s, double other)
{
    fprintf(json,
            "%s\n {\"bench\": \"kv_cache\", \"what\": \"%s\", \"shape\": \"%s\", \"unit\": \"%s\", \"median\": %.4g, "
            "\"least\": %.4g, \"most\": %.4g, \"beside\": %.4g}",
            is_first_row ? "" : ",", name, shape, unit, s.median, s.least, s.most, other);
    is_first_row = false;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* Small blocks: the books of the cache are measured, not its memory. */
static struct tg_kv_cache *open_books(struct tg_device *device, uint32_t n_blocks, uint32_t block_tokens)
{
    struct tg_kv_cache_config config;
    struct tg_kv_cache *cache;
    tg_kv_cache_config_init(&config);
    config.n_blocks = n_blocks;
    config.block_tokens = block_tokens;
    config.kv_heads = 1;
    config.key_dim = 8;
    config.max_sequences = 8192;
    config.max_blocks = 4096;
    check(tg_kv_cache_open(device, &config, &cache));
    return cache;
}

enum { BOOK_BLOCKS = 65536 };

/* Nanoseconds a block of reserving, forking and releasing sequences of n blocks. */
static void measure_calls(struct tg_kv_cache *cache, uint32_t n, double ns[3][REPEATS])
{
    static uint64_t sequences[4096], forks[4096];
    const uint32_t n_sequences = BOOK_BLOCKS / n < 4096 ? BOOK_BLOCKS / n : 4096;
    const double n_blocks = (double)n_sequences * n;
    for (int r = 0; r < REPEATS; r++) {
        double at = now_ns();
        for (uint32_t i = 0; i < n_sequences; i++) {
            check(tg_kv_start(cache, NULL, 0, &sequences[i], NULL));
            check(tg_kv_reserve(cache, sequences[i], (uint64_t)n * 16, NULL));
            check(tg_kv_commit(cache, sequences[i], NULL, (uint64_t)n * 16));
        }
        ns[0][r] = (now_ns() - at) / n_blocks;
        at = now_ns();
        for (uint32_t i = 0; i < n_sequences; i++) check(tg_kv_fork(cache, sequences[i], &forks[i]));
        ns[1][r] = (now_ns() - at) / n_blocks;
        at = now_ns();
        for (uint32_t i = 0; i < n_sequences; i++) check(tg_kv_release(cache, forks[i]));
        for (uint32_t i = 0; i < n_sequences; i++) check(tg_kv_release(cache, sequences[i]));
        ns[2][r] = (now_ns() - at) / n_blocks / 2;
    }
}

static void bench_calls(struct tg_device *device)
{
    static const char *const names[3] = {"allocate", "fork", "release"};
    static const uint32_t sizes[] = {1, 16, 256, 4096};
    struct tg_kv_cache *cache = open_books(device, BOOK_BLOCKS, 16);
    printf("%-10s %16s %12s %12s %12s   required\n", "call", "blocks each", "ns/block", "least", "most");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        double ns[3][REPEATS];
        char shape[32];
        measure_calls(cache, sizes[i], ns);
        snprintf(shape, sizeof shape, "%u", sizes[i]);
        for (int call = 0; call < 3; call++) {
            const struct spread s = spread_of(ns[call]);
            printf("%-10s %16s %12.1f %12.1f %12.1f   100\n", names[call], shape, s.median, s.least, s.most);
            put_json(names[call], shape, "ns/block", s, 100);
        }
    }
    tg_kv_cache_close(cache);
}

/* Look up a prompt of 4,096 tokens that the cache has. */
static void bench_lookup(struct tg_device *device)
{
    enum { TOKENS = 4096, TIMES = 64 };
    static const uint32_t sizes[] = {16, 32, 128};
    static int32_t tokens[TOKENS];
    for (int32_t i = 0; i < TOKENS; i++) tokens[i] = i * 7 % 32000;
    printf("\n%-10s %16s %12s %12s %12s   required\n", "lookup", "block tokens", "us", "least", "most");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tg_kv_cache *cache = open_books(device, BOOK_BLOCKS, sizes[i]);
        uint64_t sequence, n_found = 0;
        double us[REPEATS];
        char shape[32];
        check(tg_kv_start(cache, NULL, 0, &sequence, NULL));
        check(tg_kv_reserve(cache, sequence, TOKENS, NULL));
        check(tg_kv_commit(cache, sequence, tokens, TOKENS));
        for (int r = 0; r < REPEATS; r++) {
            const double at = now_ns();
            for (int k = 0; k < TIMES; k++) check(tg_kv_lookup(cache, tokens, TOKENS, &n_found));
            us[r] = (now_ns() - at) / TIMES / 1e3;
        }
        if (n_found != TOKENS) {
            fprintf(stderr, "bench_kv_cache: %llu tokens were found\n", (unsigned long long)n_found);
            exit(1);
        }
        const struct spread s = spread_of(us);
        snprintf(shape, sizeof shape, "%u", sizes[i]);
        printf("%-10s %16s %12.2f %12.2f %12.2f   10\n", "4096", shape, s.median, s.least, s.most);
        put_json("lookup of 4096 tokens", shape, "us", s, 10);
        tg_kv_cache_close(cache);
    }
}

/* ---- appends ----------------------------------------------------------------------------------------------------- */

struct part {
    pthread_t thread;
    char *to;
    const char *from;
    size_t bytes;
};

static void *copy_part(void *argument)
{
    const struct part *part = argument;
    memcpy(part->to, part->from, part->bytes);
    return NULL;
}

/* Bytes a second of memcpy by n threads: the best of what the threads find warm. */
static double copy_speed(char *to, const char *from, size_t bytes, uint32_t n)
{
    struct part parts[64];
    if (n > 64) n = 64;
    const double at = now_ns();
    for (uint32_t i = 0; i < n; i++) {
        const size_t first = bytes / n * i, last = i + 1 == n ? bytes : bytes / n * (i + 1);
        parts[i] = (struct part){.to = to + first, .from = from + first, .bytes = last - first};
        if (i && pthread_create(&parts[i].thread, NULL, copy_part, &parts[i])) exit(5);
    }
    copy_part(&parts[0]);
    for (uint32_t i = 1; i < n; i++) pthread_join(parts[i].thread, NULL);
    return (double)bytes / (now_ns() - at);
}

struct shape {
    uint32_t heads, dim, dtype, layout, n_sequences, n_tokens;
    uint32_t narrow;   /* element type of the cache, of 8 bits; 0: that of the rows */
    bool block_scales; /* which the append chooses */
};

static const char *const layout_names[] = {"packed", "plain", "vllm"};
static const char *const dtype_names[] = {
    [TG_FP32] = "fp32", [TG_FP16] = "fp16", [TG_BF16] = "bf16", [TG_INT8] = "int8", [TG_FP8_E4M3] = "e4m3"};

/* Appends from resident rows, of one layer after the other, so that no cache has the bytes. */
static void bench_append(struct tg_device *device, const struct shape *s)
{
    enum { BLOCK_TOKENS = 128, LAYERS = 4 };
    struct tg_kv_cache_config config;
    struct tg_kv_cache *cache;
    tg_kv_cache_config_init(&config);
    const uint32_t blocks_each = (s->n_tokens + BLOCK_TOKENS - 1) / BLOCK_TOKENS;
    config.n_blocks = s->n_sequences * blocks_each;
    config.block_tokens = BLOCK_TOKENS;
    config.n_layers = LAYERS;
    config.kv_heads = s->heads;
    config.key_dim = s->dim;
    config.dtype = s->narrow ? s->narrow : s->dtype;
    config.block_scales = s->block_scales;
    config.layout = s->layout;
    config.reuse = false;
    check(tg_kv_cache_open(device, &config, &cache));
    const uint64_t side = (uint64_t)s->n_sequences * s->n_tokens * s->heads * s->dim * tg_dtype_bytes(s->dtype);
    uint64_t *sequences = allocate(s->n_sequences * sizeof *sequences);
    int32_t *counts = allocate(s->n_sequences * sizeof *counts);
    char *from = allocate(2 * side), *to = allocate(2 * side);
    tg_address rows;
    memset(from, 1, 2 * side);
    memset(to, 2, 2 * side);
    check(tg_device_malloc(device, 2 * side, &rows));
    check(tg_copy_to_device(device, rows, from, 2 * side));
    for (uint32_t i = 0; i < s->n_sequences; i++) {
        counts[i] = (int32_t)s->n_tokens;
        check(tg_kv_start(cache, NULL, 0, &sequences[i], NULL));
        check(tg_kv_reserve(cache, sequences[i], s->n_tokens, NULL));
    }
    const struct tg_kv_rows new_rows = {.size = sizeof new_rows,
                                        .n_sequences = s->n_sequences,
                                        .sequences = sequences,
                                        .n_tokens = counts,
                                        .keys = (void *)(uintptr_t)rows,
                                        .values = (void *)(uintptr_t)(rows + side),
                                        .resident = true,
                                        .dtype = s->dtype};
    double gb[REPEATS], copies[REPEATS];
    for (int r = -LAYERS; r < REPEATS; r++) { /* the first ones touch the memory */
        const double copy = copy_speed(to, from, 2 * side, tg_device_workers(device));
        const double at = now_ns();
        check(tg_kv_append(cache, (uint32_t)(r + LAYERS) % LAYERS, &new_rows));
        if (r >= 0) gb[r] = (double)(2 * side) / (now_ns() - at), copies[r] = copy;
    }
    const struct spread append = spread_of(gb), copy = spread_of(copies);
    char name[96];
    const int n = snprintf(name, sizeof name, "%u x %u tokens, %u x %u %s, %s", s->n_sequences, s->n_tokens, s->heads,
                           s->dim, dtype_names[s->dtype], layout_names[s->layout]);
    if (s->narrow)
        snprintf(name + n, sizeof name - (size_t)n, " %s%s", dtype_names[s->narrow], s->block_scales ? ", scaled" : "");
    printf("%-44s %10.2f %8.2f %8.2f %10.2f %8.2f\n", name, append.median, append.least, append.most, copy.median,
           append.median / copy.median);
    put_json("append", name, "GB/s", append, copy.median);
    check(tg_device_free(device, rows));
    tg_kv_cache_close(cache);
    free(sequences);
    free(counts);
    free(from);
    free(to);
}

static void bench_appends(struct tg_device *device)
{
    static const struct shape shapes[] = {
        {8, 128, TG_BF16, TG_KV_PACKED, 1, 4096, 0, false},
        {8, 128, TG_BF16, TG_KV_PLAIN, 1, 4096, 0, false},
        {8, 128, TG_BF16, TG_KV_VLLM, 1, 4096, 0, false},
        {8, 128, TG_FP32, TG_KV_PACKED, 1, 4096, 0, false},
        {8, 128, TG_FP32, TG_KV_PLAIN, 1, 4096, 0, false},
        {8, 128, TG_BF16, TG_KV_PACKED, 8, 512, 0, false},
        {32, 128, TG_BF16, TG_KV_PACKED, 1, 2048, 0, false},
        {8, 128, TG_BF16, TG_KV_PACKED, 64, 1, 0, false},
        {8, 128, TG_BF16, TG_KV_PLAIN, 64, 1, 0, false},
        {8, 128, TG_BF16, TG_KV_PACKED, 1, 4096, TG_INT8, false},
        {8, 128, TG_BF16, TG_KV_PACKED, 1, 4096, TG_INT8, true},
        {8, 128, TG_BF16, TG_KV_PACKED, 1, 4096, TG_FP8_E4M3, true},
    };
    printf("\n%-44s %10s %8s %8s %10s %8s\n", "append, GB/s of new rows", "median", "least", "most", "memcpy", "ratio");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) bench_append(device, &shapes[i]);
}

int main(void)
{
    struct tg_device_config config;
    struct tg_device *device;
    struct utsname machine;
    char *text = NULL;
    size_t n_text = 0;
    tg_device_config_init(&config);
    config.platform = "cpu";
    check(tg_device_open(&config, &device));
    json = open_memstream(&text, &n_text);
    if (!json) exit(5);
    uname(&machine);
    printf("KV cache on cpu, %s, %ld processors, %u workers, %s, %d repetitions\n\n", machine.machine,
           sysconf(_SC_NPROCESSORS_ONLN), tg_device_workers(device), tg_device_isa(device), REPEATS);
    bench_calls(device);
    bench_lookup(device);
    bench_appends(device);
    fclose(json);
    printf("\n[%s\n]\n", text);
    free(text);
    tg_device_close(device);
    return 0;
}
