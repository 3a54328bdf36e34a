/*
 * What each rank runs (tests/ranks/ranks.sh). Keys are divided among the ranks, each attends to its own, and the merged
 * output is compared with a softmax over all keys in double precision.
 *
 * ranks_program          merges; prints "rank I of N on HOST: merged"
 * ranks_program die R    rank R kills itself before the second merge; the others print what they are told
 */
#include <math.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tilegraph/attention.h>
#include <tilegraph/ranks.h>

enum { HEADS = 4, KV_HEADS = 2, DIM = 16, TOKENS = 3 };

static void check(enum tg_status status, const char *message)
{
    if (status == TG_OK) return;
    fprintf(stderr, "%s: %s\n", tg_status_name(status), message);
    MPI_Abort(MPI_COMM_WORLD, 1);
}
static void ok(enum tg_status status) { check(status, tg_last_message()); }

/* The same numbers on every rank. */
static float number(uint64_t kind, uint64_t at)
{
    uint64_t z = (kind << 40) + at * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (float)((double)(z >> 11) * 0x1p-52 - 1.0);
}

static double golden(uint64_t n_keys, uint32_t token, uint32_t head, uint32_t d)
{
    double sum = 0, weighted = 0;
    for (uint64_t key = 0; key < n_keys; key++) {
        double score = 0;
        const uint64_t row = (key * KV_HEADS + head / (HEADS / KV_HEADS)) * DIM;
        for (uint32_t i = 0; i < DIM; i++)
            score += (double)number(1, row + i) * (double)number(3, (token * HEADS + head) * DIM + i);
        sum += exp(score / sqrt(DIM));
        weighted += exp(score / sqrt(DIM)) * (double)number(2, row + d);
    }
    return n_keys ? weighted / sum : 0;
}

/* This rank's output over its part of the keys. */
static void attend(struct tg_device *device, uint64_t first, uint64_t n, float *out, float *lse)
{
    struct tg_kv_cache_config config;
    struct tg_attention_config attention_config;
    struct tg_kv_cache *cache;
    struct tg_attention *attention;
    struct tg_kv_view view;
    uint64_t sequence;
    float *keys = malloc((n + 1) * KV_HEADS * DIM * sizeof *keys),
          *values = malloc((n + 1) * KV_HEADS * DIM * sizeof *values);
    static float query[TOKENS * HEADS * DIM];
    if (!keys || !values) exit(5);
    for (uint64_t i = 0; i < n * KV_HEADS * DIM; i++) {
        keys[i] = number(1, first * KV_HEADS * DIM + i);
        values[i] = number(2, first * KV_HEADS * DIM + i);
    }
    for (uint32_t i = 0; i < TOKENS * HEADS * DIM; i++) query[i] = number(3, i);
    tg_kv_cache_config_init(&config);
    config.n_blocks = (uint32_t)n / config.block_tokens + 1;
    config.kv_heads = KV_HEADS;
    config.key_dim = DIM;
    ok(tg_kv_cache_open(device, &config, &cache));
    ok(tg_kv_start(cache, NULL, 0, &sequence, NULL));
    ok(tg_kv_reserve(cache, sequence, n, NULL));
    const int32_t count = (int32_t)n, query_len = TOKENS;
    const struct tg_kv_rows rows = {.size = sizeof rows,
                                    .n_sequences = 1,
                                    .sequences = &sequence,
                                    .n_tokens = &count,
                                    .keys = keys,
                                    .values = values};
    ok(tg_kv_append(cache, 0, &rows));
    ok(tg_kv_commit(cache, sequence, NULL, n));
    ok(tg_kv_cache_view(cache, 0, &view));
    tg_attention_config_init(&attention_config);
    attention_config.heads = HEADS;
    attention_config.kv_heads = KV_HEADS;
    attention_config.key_dim = DIM;
    attention_config.block_tokens = config.block_tokens;
    ok(tg_attention_open(device, &attention_config, &attention));
    struct tg_attention_batch batch = {
        .size = sizeof batch, .n_sequences = 1, .query_lens = &query_len, .context_lens = &count};
    batch.block_table = tg_kv_cache_table(cache, &batch.table_stride);
    ok(tg_attention_plan(attention, &batch));
    const struct tg_attention_step step = {
        .size = sizeof step, .kv = &view, .query = {.data = query}, .out = {.data = out}, .lse = {.data = lse}};
    ok(tg_attention_run(attention, &step));
    tg_attention_close(attention);
    tg_kv_cache_close(cache);
    free(keys);
    free(values);
}

/* Contexts that are divided evenly and unevenly, and some that leave ranks without a key. */
static void merge_all(struct tg_ranks *ranks, struct tg_device *device)
{
    static const uint64_t contexts[] = {0, 1, 2, 57, 400};
    for (size_t i = 0; i < sizeof contexts / sizeof contexts[0]; i++) {
        static float out[TOKENS * HEADS * DIM], lse[TOKENS * HEADS];
        uint64_t first, n;
        tg_ranks_part(ranks, contexts[i], &first, &n);
        attend(device, first, n, out, lse);
        check(tg_ranks_merge(ranks, TOKENS * HEADS, DIM, out, lse), tg_ranks_message(ranks));
        for (uint32_t at = 0; at < TOKENS * HEADS * DIM; at++) {
            const double expected = golden(contexts[i], at / (HEADS * DIM), at / DIM % HEADS, at % DIM);
            if (fabs((double)out[at] - expected) <= 1e-5 && isfinite(lse[at / DIM]) == (contexts[i] > 0)) continue;
            fprintf(stderr, "context %d, element %u: %g, expected %g\n", (int)contexts[i], at, (double)out[at],
                    expected);
            MPI_Abort(MPI_COMM_WORLD, 1);
        }
    }
}

/* After a first merge rank `dying` ends without a word. */
static void lose_a_rank(struct tg_ranks *ranks, uint32_t dying)
{
    float out[DIM] = {1}, lse[1] = {0};
    check(tg_ranks_merge(ranks, 1, DIM, out, lse), tg_ranks_message(ranks));
    if (tg_ranks_own(ranks) == dying) {
        sleep(2); /* the others are behind the first merge by then */
        raise(SIGKILL);
    }
    out[0] = 7;
    const enum tg_status status = tg_ranks_merge(ranks, 1, DIM, out, lse);
    const enum tg_status again = tg_ranks_merge(ranks, 1, DIM, out, lse);
    printf("rank %u: %s, %s, output %s, then %s\n", tg_ranks_own(ranks), tg_status_name(status),
           tg_ranks_message(ranks), out[0] == 7 ? "unchanged" : "changed", tg_status_name(again));
    fflush(stdout);
    sleep(3); /* the lines of the others come out, too */
    MPI_Abort(MPI_COMM_WORLD, 0);
}

int main(int argc, char **argv)
{
    struct tg_ranks *ranks;
    int threads;
    if (tg_ranks_open(NULL, &ranks) != TG_ERR_ARGUMENT) return 1; /* before MPI_Init */
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &threads);
    check(tg_ranks_open(NULL, &ranks), tg_ranks_message(NULL));
    if (argc > 2 && strcmp(argv[1], "die") == 0) lose_a_rank(ranks, (uint32_t)atoi(argv[2]));

    struct tg_device *device;
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = 1;
    config.pin = false;
    config.gm_bytes = 1u << 30;
    ok(tg_device_open(&config, &device));
    merge_all(ranks, device);
    char host[64] = "";
    (void)gethostname(host, sizeof host - 1);
    printf("rank %u of %u on %s: merged\n", tg_ranks_own(ranks), tg_ranks_count(ranks), host);
    tg_device_close(device);
    tg_ranks_close(ranks);
    MPI_Finalize();
    return 0;
}
