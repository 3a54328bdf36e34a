#include "limits.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/cpu/amx.h"

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

struct team {
    void (*body)(void *context, uint32_t thread);
    void *context;
    uint32_t n;
    _Atomic uint32_t ready, done; /* threads */
    _Atomic double start;         /* 0: not yet */
};

struct member {
    struct team *team;
    uint32_t thread;
};

static void *member_main(void *arg)
{
    const struct member *member = arg;
    struct team *team = member->team;
    if (++team->ready == team->n) team->start = now_s();
    while (team->start == 0) sched_yield();
    team->body(team->context, member->thread);
    team->done++;
    return NULL;
}

double limits_in_parallel(uint32_t n, void (*body)(void *context, uint32_t thread), void *context)
{
    pthread_t threads[LIMITS_THREADS_MAX];
    struct member members[LIMITS_THREADS_MAX];
    struct team team = {.body = body, .context = context, .n = n};
    for (uint32_t i = 0; i < n; i++) members[i] = (struct member){&team, i};
    for (uint32_t i = 1; i < n; i++)
        if (pthread_create(&threads[i], NULL, member_main, &members[i]) != 0) exit(5);
    member_main(&members[0]);
    while (team.done < n) sched_yield();
    const double seconds = now_s() - team.start;
    for (uint32_t i = 1; i < n; i++) pthread_join(threads[i], NULL);
    return seconds;
}

/* ---- bandwidth -------------------------------------------------------------------------------------------------- */

typedef uint64_t lanes __attribute__((vector_size(64)));

enum { STREAMS_MOST = 8, READ_BYTES = LIMITS_CHUNK - 32768 }; /* a multiple of 64 bytes for each stream */

/* The exclusive or of all words: lines of `n_streams` parts in turn, each prefetched `ahead` bytes ahead. */
static inline __attribute__((always_inline)) uint64_t read_streams(const uint8_t *from, size_t ahead,
                                                                   uint32_t n_streams)
{
    const size_t part = READ_BYTES / n_streams;
    lanes sums[STREAMS_MOST] = {{0}}, all = {0};
    for (size_t i = 0; i < part; i += 64)
        for (uint32_t s = 0; s < n_streams; s++) {
            const uint8_t *at = from + s * part + i;
            if (ahead) __builtin_prefetch(at + ahead, 0, 2);
            sums[s] ^= *(const lanes *)(const void *)at;
        }
    for (uint32_t s = 0; s < n_streams; s++) all ^= sums[s];
    return all[0] ^ all[1] ^ all[2] ^ all[3] ^ all[4] ^ all[5] ^ all[6] ^ all[7];
}

struct reading {
    const uint8_t *from; /* each thread reads LIMITS_CHUNK bytes of its own */
    size_t ahead;
    uint32_t n_streams;
    _Atomic uint64_t sum;
};

static void read_chunk(void *context, uint32_t thread)
{
    struct reading *r = context;
    const uint8_t *from = r->from + (size_t)thread * LIMITS_CHUNK;
    r->sum ^= r->n_streams == 1   ? read_streams(from, r->ahead, 1)
              : r->n_streams == 2 ? read_streams(from, r->ahead, 2)
              : r->n_streams == 4 ? read_streams(from, r->ahead, 4)
                                  : read_streams(from, r->ahead, 8);
}

double limits_bandwidth(uint32_t n, const void *memory, uint64_t bytes)
{
    static const size_t ahead[] = {0, 512, 1024, 2048, 4096};
    enum { N_STREAMS = 4, N_PATTERNS = N_STREAMS * 5, ROUNDS = 2 };
    const uint64_t n_chunks = bytes / ((uint64_t)n * LIMITS_CHUNK);
    double best = 0;
    for (uint32_t i = 0; i < ROUNDS * N_PATTERNS; i++) {
        struct reading r = {(const uint8_t *)memory + i % n_chunks * n * LIMITS_CHUNK,
                            ahead[i / N_STREAMS % (N_PATTERNS / N_STREAMS)], 1u << i % N_STREAMS, 0};
        const double gb_s = 1e-9 * READ_BYTES * n / limits_in_parallel(n, read_chunk, &r);
        if (gb_s > best) best = gb_s;
    }
    return best;
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Sums in registers, many times: the instruction that products of the type use. */
enum { PEAK_STEPS = 400000, PEAK_SUMS = 12, PEAK_TILES = 4, PEAK_REPEATS = 5 };

struct peak {
    uint32_t n_products; /* of an instruction; 0: there is no loop for this instruction set */
    uint32_t n_sums;
    enum { BY_FMA_YMM, BY_FMA_ZMM, BY_PAIRS, BY_TILES } by;
};

#if defined(__x86_64__)
#define MULTIPLY(op, r)                                                                                                \
    __asm__ volatile(                                                                                                  \
        "vxorps %%ymm15, %%ymm15, %%ymm15\n\t"                                                                         \
        ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n\t" op " %%" r "15, %%" r "15, %%" r "\\sum\n\t.endr"         \
        :                                                                                                              \
        :                                                                                                              \
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm15")
#else
#define MULTIPLY(op, r) (void)0
#endif

static void multiply_tiles(void)
{
#if defined(TG_AMX)
    struct tg_amx_config config = {.palette = 1};
    for (int tile = 0; tile < TG_AMX_TILES; tile++) {
        config.rows[tile] = TG_AMX_ROWS;
        config.row_bytes[tile] = TG_AMX_ROW_BYTES;
    }
    tg_amx_configure(&config);
    for (uint32_t i = 0; i < PEAK_STEPS / PEAK_TILES; i++) {
        tg_amx_add_products(0, 4, 5);
        tg_amx_add_products(1, 4, 6);
        tg_amx_add_products(2, 7, 5);
        tg_amx_add_products(3, 7, 6);
    }
    tg_amx_release();
#endif
}

static void multiply_in_registers(void *context, uint32_t thread)
{
    (void)thread;
    const struct peak *peak = context;
    if (peak->by == BY_TILES) {
        multiply_tiles();
        return;
    }
    for (uint32_t i = 0; i < PEAK_STEPS; i++) {
        if (peak->by == BY_PAIRS) MULTIPLY("vdpbf16ps", "zmm");
        else if (peak->by == BY_FMA_ZMM) MULTIPLY("vfmadd231ps", "zmm");
        else MULTIPLY("vfmadd231ps", "ymm");
    }
}

static struct peak peak_of(const char *isa, bool is_bf16)
{
    if (strcmp(isa, "amx") == 0 && is_bf16) return (struct peak){16 * 16 * 32, 1, BY_TILES};
    if (strcmp(isa, "avx512bf16") == 0 && is_bf16) return (struct peak){32, PEAK_SUMS, BY_PAIRS};
    if (strcmp(isa, "avx2") == 0) return (struct peak){8, PEAK_SUMS, BY_FMA_YMM};
    if (strcmp(isa, "portable") == 0) return (struct peak){0};
    return (struct peak){16, PEAK_SUMS, BY_FMA_ZMM};
}

double limits_products(uint32_t n, const char *isa, bool is_bf16)
{
    struct peak peak = peak_of(isa, is_bf16);
    double best = 0;
    for (int i = 0; i < PEAK_REPEATS && peak.n_products > 0; i++) {
        const double flops = 2.0 * peak.n_products * peak.n_sums * PEAK_STEPS * n;
        const double rate = 1e-9 * flops / limits_in_parallel(n, multiply_in_registers, &peak);
        if (rate > best) best = rate;
    }
    return best;
}
