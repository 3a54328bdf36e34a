/*
 * orchestration.c - paged attention as a graph of tasks.
 *
 * A chain is one sequence and one KV head, with the query heads that share it. Its KV blocks are worked off in spans:
 * consecutive blocks, as many as config says, which is one if it says nothing. A span is four tasks. Its result
 * is merged into the running softmax of the chain, span after span:
 *
 *     span 0   QK -> SF -> PV -> UP
 *                                |
 *     span 1   QK -> SF -> PV -> UP
 *                                |
 *     span 2   QK -> SF -> PV -> UP -> out
 *
 * The first UP of a chain needs no initial values, so there is no task that writes them. A chain without tokens is one
 * UP task, which writes zeros.
 *
 * Two entry functions share the builder: `orchestration` runs on the AICPU while the graph is already being executed,
 * `orchestration_host` on the host before the launch.
 *
 * Order of building. Up to TURN_CHAINS chains take turns, so that their UP tasks, one after the other inside a chain,
 * run side by side. A turn is a wave of up to WAVE_SPANS spans of one chain: their QK tasks are published first, so
 * that as many cube cores start together, then SF, PV and UP of each span.
 *
 * Memory. The intermediate results of a span live in a slot of a ring, and the running softmax of a chain of
 * several spans in an accumulator of another ring. Both are as short as the graph allows and of bounded length, however
 * many spans there are. Reuse is ordered by edges alone:
 *
 *   slot         QK writes s; SF reads it and writes p, m and l; PV reads p and writes o; UP reads m, l and o. The path
 *                QK -> SF -> PV -> UP puts each access between QK and UP. The QK of the slot's next span has an edge
 *                from this UP, so every access of the next span comes after every one of this span.
 *   accumulator  only UP tasks touch it, and each has an edge from the one before: inside a chain and from the last of
 *                a chain to the first of the next chain that is given this accumulator.
 *   out          a chain's rows belong to it alone, and only its last UP writes them.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <tilegraph/orchestration.h>

enum { FUNC_QK = 0, FUNC_SF = 1, FUNC_PV = 2, FUNC_UP = 3 };

enum { QUERY, KEY_CACHE, VALUE_CACHE, BLOCK_TABLE, CONTEXT_LENS, OUT, CONFIG, N_TENSORS };
static const char *const tensor_names[N_TENSORS] = {"query",        "key_cache", "value_cache", "block_table",
                                                    "context_lens", "out",       "config"};

/* The words of config. From DTYPE on they may be absent, which means fp32, 1 and 0. */
enum {
    BATCH,
    NUM_HEADS,
    KV_HEAD_NUM,
    HEAD_DIM,
    BLOCK_SIZE,
    BLOCK_NUM,
    SCALE,
    DTYPE,
    BLOCKS_PER_TASK,
    PACKED,
    N_CONFIG
};
static const char *const size_names[] = {"batch", "num_heads", "kv_head_num", "head_dim", "block_size", "block_num"};
static const uint64_t bytes_of_dtype[] = {4, 2, 2}; /* [enum tg_dtype]: fp32, fp16, bf16 */

#define DIM_STEP 8u  /* head_dim and block_size are multiples of it ... */
#define DIM_MAX 256u /* ... up to this */
#define ROWS_MAX 128u
#define NZ 16u

#define SPAN_BLOCKS_MAX 64u
#define CUBE_ARGS 9 /* arguments of a cube kernel before those of the blocks */

#define WAVE_SPANS 8u
#define TURN_CHAINS 32u
/* Each chain gets the slots of a wave if all of them fit half of L2, which is 192 MiB; otherwise a slot. So a wave
 * always has slots of its own, or the ring is enough for all. */
#define MAX_SLOTS (TURN_CHAINS * WAVE_SPANS)
#define MIN_SLOTS TURN_CHAINS
#define SLOTS_BYTES ((uint64_t)96 << 20)
/* A chain that needs an accumulator takes two slots or more, so accumulators do not run out before slots. Chains that
 * take turns have accumulators of their own, because these are at least TURN_CHAINS or enough for all chains. */
#define MAX_ACCUMULATORS (MAX_SLOTS / 2u)
#define GM_ALIGN 512u /* transfers are fastest from multiples of it */

#define NO_TASK (-1)
#define N_ARGS(args) ((int)(sizeof(args) / sizeof(args)[0]))

/* Fail the run with a message; the value is what the entry function returns. */
#define refuse(rt, ...) ((rt)->aicpu_build_api.fail(rt, __VA_ARGS__), -1)

/* The input, read and checked. */
struct problem {
    uint64_t addr[N_TENSORS]; /* device addresses */
    uint64_t bytes[N_TENSORS];
    const int32_t *block_table;  /* [batch][table_cols], readable here */
    const int32_t *context_lens; /* [batch], readable here */
    uint64_t batch, heads, kv_heads, head_dim, block_size, table_cols;
    uint64_t rows;        /* query heads that share a KV head */
    uint64_t span_blocks; /* KV blocks that a task covers at most */
    uint64_t dtype, elem_bytes;
    uint64_t packed; /* key_cache and value_cache are in NZ, block by block */
    float scale;
};

/* ---- reading and checking --------------------------------------------------------------------------------------- */

/* a * b, or UINT64_MAX if that is too large: no tensor has so many bytes, so a wrong size is found either way. */
static uint64_t times(uint64_t a, uint64_t b) { return a && b > UINT64_MAX / a ? UINT64_MAX : a * b; }

/* Blocks of KV cache that sequence `seq` uses. */
static uint64_t blocks_of(const struct problem *p, uint64_t seq)
{
    return ((uint64_t)p->context_lens[seq] + p->block_size - 1) / p->block_size;
}

/* Spans that these are. */
static uint64_t spans_of(const struct problem *p, uint64_t seq)
{
    return (blocks_of(p, seq) + p->span_blocks - 1) / p->span_blocks;
}

/* Take the arguments apart: n addresses, n byte sizes, the element count of the first tensor. */
static int read_tensors(struct tg_runtime *rt, const uint64_t *args, int n_args, struct problem *p)
{
    if (n_args != 2 * N_TENSORS + 1) {
        return refuse(rt,
                      "paged attention takes 7 tensors (query, key_cache, value_cache, block_table, context_lens, out, "
                      "config), that is 15 argument words, not %d",
                      n_args);
    }
    memcpy(p->addr, args, sizeof p->addr);
    memcpy(p->bytes, args + N_TENSORS, sizeof p->bytes);
    p->block_table = (const int32_t *)(uintptr_t)args[BLOCK_TABLE];
    p->context_lens = (const int32_t *)(uintptr_t)args[CONTEXT_LENS];
    return 0;
}

static int read_config(struct tg_runtime *rt, struct problem *p)
{
    const int64_t *config = (const int64_t *)(uintptr_t)p->addr[CONFIG];
    const uint64_t n_words = p->bytes[CONFIG] / sizeof *config;
    if (p->bytes[CONFIG] % sizeof *config || n_words < DTYPE || n_words > N_CONFIG) {
        return refuse(rt, "config has %" PRIu64 " bytes: give 7 to 10 words of int64", p->bytes[CONFIG]);
    }
    uint64_t *const sizes[] = {&p->batch, &p->heads, &p->kv_heads, &p->head_dim, &p->block_size, &p->table_cols};
    for (int i = 0; i < SCALE; i++) {
        if (config[i] < 1) {
            return refuse(rt, "config[%d] %s is %" PRId64 ": it must be at least 1", i, size_names[i], config[i]);
        }
        *sizes[i] = (uint64_t)config[i];
    }
    const uint32_t scale_bits = (uint32_t)config[SCALE];
    memcpy(&p->scale, &scale_bits, sizeof p->scale);
    p->dtype = n_words > DTYPE ? (uint64_t)config[DTYPE] : 0;
    p->span_blocks = n_words > BLOCKS_PER_TASK ? (uint64_t)config[BLOCKS_PER_TASK] : 1;
    p->packed = n_words > PACKED ? (uint64_t)config[PACKED] : 0;
    return 0;
}

static int check_dim(struct tg_runtime *rt, int word, uint64_t value)
{
    if (value % DIM_STEP == 0 && value <= DIM_MAX) return 0;
    return refuse(rt, "config[%d] %s is %" PRIu64 ": the kernels take multiples of %u up to %u", word, size_names[word],
                  value, DIM_STEP, DIM_MAX);
}

/* A column block of the NZ layout has 16 columns of 2 bytes. */
static int check_packed(struct tg_runtime *rt, const struct problem *p)
{
    if (p->packed > 1) {
        return refuse(rt, "config[9] packed is %" PRId64 ": give 0 (rows) or 1 (NZ)", (int64_t)p->packed);
    }
    if (!p->packed) return 0;
    if (p->elem_bytes != 2) return refuse(rt, "config[9] packed is 1: fp32 has no packed cache, give 0");
    if (p->head_dim % NZ || p->block_size % NZ) {
        return refuse(rt,
                      "config[9] packed is 1, but head_dim %" PRIu64 " or block_size %" PRIu64
                      " is no multiple of %u, the columns of a column block",
                      p->head_dim, p->block_size, NZ);
    }
    return 0;
}

static int check_config(struct tg_runtime *rt, struct problem *p)
{
    if (check_dim(rt, HEAD_DIM, p->head_dim) || check_dim(rt, BLOCK_SIZE, p->block_size)) return -1;
    if (p->heads % p->kv_heads) {
        return refuse(rt,
                      "config[1] num_heads is %" PRIu64 ", no multiple of config[2] kv_head_num, which is %" PRIu64
                      ": each KV head serves the same number of query heads",
                      p->heads, p->kv_heads);
    }
    p->rows = p->heads / p->kv_heads;
    if (p->rows > ROWS_MAX) {
        return refuse(rt,
                      "%" PRIu64 " query heads share a KV head (config[1] num_heads / config[2] kv_head_num): the "
                      "kernels take up to %u",
                      p->rows, ROWS_MAX);
    }
    if (!isfinite(p->scale)) {
        return refuse(rt, "config[6] holds the bits of a scale that is infinite or no number: give those of a float32 "
                          "such as 1 / sqrt(head_dim)");
    }
    if (p->dtype >= N_ARGS(bytes_of_dtype)) {
        return refuse(rt, "config[7] element type is %" PRId64 ": give 0 (fp32), 1 (fp16) or 2 (bf16)",
                      (int64_t)p->dtype);
    }
    p->elem_bytes = bytes_of_dtype[p->dtype];
    if (p->span_blocks < 1 || p->span_blocks > SPAN_BLOCKS_MAX) {
        return refuse(rt, "config[8] blocks per task is %" PRId64 ": a task covers 1 to %u blocks",
                      (int64_t)p->span_blocks, SPAN_BLOCKS_MAX);
    }
    return check_packed(rt, p);
}

static int check_bytes(struct tg_runtime *rt, const struct problem *p, int tensor, uint64_t bytes, const char *shape)
{
    if (p->bytes[tensor] == bytes) return 0;
    if (bytes == UINT64_MAX) {
        return refuse(rt, "%s has %" PRIu64 " bytes, but by config it is %s, more than any memory holds",
                      tensor_names[tensor], p->bytes[tensor], shape);
    }
    return refuse(rt, "%s has %" PRIu64 " bytes, but by config it is %s, %" PRIu64 " bytes", tensor_names[tensor],
                  p->bytes[tensor], shape, bytes);
}

/* How many blocks exist follows from the size of key_cache. */
static int check_sizes(struct tg_runtime *rt, const struct problem *p)
{
    const uint64_t query = times(times(p->batch, p->heads), p->head_dim * p->elem_bytes);
    const uint64_t block = times(p->kv_heads, p->head_dim * p->block_size * p->elem_bytes);
    const uint64_t table = times(times(p->batch, p->table_cols), sizeof(int32_t));

    if (check_bytes(rt, p, QUERY, query, "[batch][num_heads][head_dim]")) return -1;
    if (check_bytes(rt, p, OUT, query, "[batch][num_heads][head_dim]")) return -1;
    if (check_bytes(rt, p, CONTEXT_LENS, times(p->batch, sizeof(int32_t)), "int32 [batch]")) return -1;
    if (check_bytes(rt, p, BLOCK_TABLE, table, "int32 [batch][block_num]")) return -1;
    if (p->bytes[KEY_CACHE] % block) {
        return refuse(rt,
                      "key_cache has %" PRIu64 " bytes, no whole number of blocks: by config one is "
                      "[kv_head_num][head_dim][block_size], %" PRIu64 " bytes",
                      p->bytes[KEY_CACHE], block);
    }
    return check_bytes(rt, p, VALUE_CACHE, p->bytes[KEY_CACHE], "as large as key_cache");
}

/* Each length fits the table, each block that it uses exists. Entries behind the length are not looked at. */
static int check_sequences(struct tg_runtime *rt, const struct problem *p)
{
    const uint64_t cache_blocks = p->bytes[KEY_CACHE] / (p->kv_heads * p->head_dim * p->block_size * p->elem_bytes);
    const uint64_t longest = times(p->table_cols, p->block_size);

    for (uint64_t seq = 0; seq < p->batch; seq++) {
        const int32_t len = p->context_lens[seq];
        if (len < 0 || (uint64_t)len > longest) {
            return refuse(
                rt, "context_lens[%" PRIu64 "] is %" PRId32 ": a row of block_table holds 0 to %" PRIu64 " tokens", seq,
                len, longest);
        }
        const int32_t *row = p->block_table + seq * p->table_cols;
        for (uint64_t j = 0; j < blocks_of(p, seq); j++) {
            if (row[j] >= 0 && (uint64_t)row[j] < cache_blocks) continue;
            return refuse(rt,
                          "block_table[%" PRIu64 "][%" PRIu64 "] is %" PRId32 ": key_cache has %" PRIu64
                          " blocks, counted from 0",
                          seq, j, row[j], cache_blocks);
        }
    }
    return 0;
}

/* Fill in `p` from arguments whose addresses can be read here. 0, or the run has failed with a reason. */
static int read_problem(struct tg_runtime *rt, const uint64_t *args, int n_args, struct problem *p)
{
    if (read_tensors(rt, args, n_args, p)) return -1;
    if (read_config(rt, p)) return -1;
    if (check_config(rt, p)) return -1;
    if (check_sizes(rt, p)) return -1;
    return check_sequences(rt, p);
}

/* ---- memory between tasks ---------------------------------------------------------------------------------------- */

/* A softmax that is not yet divided: device addresses. */
struct partial {
    uint64_t m, l; /* fp32 [rows]: largest score, sum of exp(score - m) */
    uint64_t o;    /* fp32 [rows][head_dim]: sum of exp(score - m) * value */
};

/* The intermediate results of the four tasks of a span: device addresses. */
struct slot {
    uint64_t s; /* fp32 [rows][span_tokens] */
    uint64_t p; /* element type [rows][span_tokens] */
    struct partial part;
};

/* Places of equal size that are handed out in turn, round and round. */
struct ring {
    uint64_t base, place_bytes, n_places;
    uint64_t n_taken; /* so far */
};

struct builder {
    struct tg_runtime *rt;
    const struct problem *p;
    struct ring slots, accumulators;
    int slot_user[MAX_SLOTS]; /* the UP task that used it last, or NO_TASK */
    int accumulator_user[MAX_ACCUMULATORS];
};

static uint64_t gm_round_up(uint64_t bytes) { return (bytes + GM_ALIGN - 1) / GM_ALIGN * GM_ALIGN; }

static uint64_t row_bytes(const struct problem *p) { return gm_round_up(p->rows * sizeof(float)); }

static uint64_t partial_bytes(const struct problem *p)
{
    return 2 * row_bytes(p) + gm_round_up(p->rows * p->head_dim * sizeof(float));
}

/* Tokens of a whole span: the distance between rows of its scores. */
static uint64_t span_tokens(const struct problem *p) { return p->span_blocks * p->block_size; }

static uint64_t scores_of_span(const struct problem *p) { return p->rows * span_tokens(p); }

static uint64_t slot_bytes(const struct problem *p)
{
    const uint64_t scores = scores_of_span(p);
    return gm_round_up(scores * sizeof(float)) + gm_round_up(scores * p->elem_bytes) + partial_bytes(p);
}

static struct partial partial_at(const struct problem *p, uint64_t base)
{
    const struct partial part = {base, base + row_bytes(p), base + 2 * row_bytes(p)};
    return part;
}

static struct slot slot_at(const struct problem *p, uint64_t base)
{
    const uint64_t scores = scores_of_span(p);
    const uint64_t probs = base + gm_round_up(scores * sizeof(float));
    const struct slot slot = {base, probs, partial_at(p, probs + gm_round_up(scores * p->elem_bytes))};
    return slot;
}

/* One allocation for `wanted` places, at most `max`. A ring of none allocates nothing. */
static int ring_open(struct tg_runtime *rt, struct ring *ring, uint64_t place_bytes, uint64_t wanted, uint64_t max)
{
    ring->n_places = wanted < max ? wanted : max;
    ring->place_bytes = place_bytes;
    ring->base = ring->n_places ? tg_device_malloc_addr(rt, (size_t)(ring->n_places * place_bytes)) : 0;
    return ring->n_places && !ring->base ? -1 : 0;
}

/* The index of the next place; its address is ring_at. */
static uint64_t ring_take(struct ring *ring) { return ring->n_taken++ % ring->n_places; }

static uint64_t ring_at(const struct ring *ring, uint64_t idx) { return ring->base + idx * ring->place_bytes; }

static int builder_init(struct builder *b, struct tg_runtime *rt, const struct problem *p)
{
    uint64_t n_spans = 0, n_long = 0; /* of one KV head: spans, and sequences of several spans */
    for (uint64_t seq = 0; seq < p->batch; seq++) {
        n_spans += spans_of(p, seq);
        n_long += spans_of(p, seq) > 1;
    }
    uint64_t max_slots = SLOTS_BYTES / slot_bytes(p);
    if (max_slots < MIN_SLOTS) max_slots = MIN_SLOTS;
    if (max_slots > MAX_SLOTS) max_slots = MAX_SLOTS;
    memset(b, 0, sizeof *b);
    b->rt = rt;
    b->p = p;
    for (uint32_t i = 0; i < MAX_SLOTS; i++) b->slot_user[i] = NO_TASK;
    for (uint32_t i = 0; i < MAX_ACCUMULATORS; i++) b->accumulator_user[i] = NO_TASK;
    if (ring_open(rt, &b->slots, slot_bytes(p), times(n_spans, p->kv_heads), max_slots)) return -1;
    return ring_open(rt, &b->accumulators, partial_bytes(p), times(n_long, p->kv_heads), MAX_ACCUMULATORS);
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

/* One sequence and one KV head. */
struct chain {
    uint64_t seq, kv_head;
    uint64_t n_spans, n_built;
    struct partial accumulator; /* with two spans or more; else 0 */
    int *accumulator_user;      /* with two spans or more; else NULL */
};

/* Some blocks of it and the slot that they work in. */
struct span {
    uint64_t idx;          /* the chain's span, from 0 */
    const int32_t *blocks; /* [n_blocks] where they are in key_cache and value_cache */
    uint64_t n_blocks, tokens;
    struct slot slot;
    int *slot_user;
    int qk; /* task */
    char label[96];
};

/* The chain's rows of query or out. */
static uint64_t rows_addr(const struct problem *p, const struct chain *c, int tensor)
{
    return p->addr[tensor] + (c->seq * p->heads + c->kv_head * p->rows) * p->head_dim * p->elem_bytes;
}

/* Write the addresses of the span's blocks in key_cache or value_cache to `args`. Returns how many they are. */
static int put_blocks(const struct problem *p, const struct chain *c, const struct span *k, int tensor, uint64_t *args)
{
    const uint64_t bytes = p->head_dim * p->block_size * p->elem_bytes; /* of a block's KV head */
    for (uint64_t i = 0; i < k->n_blocks; i++) {
        args[i] = p->addr[tensor] + ((uint64_t)k->blocks[i] * p->kv_heads + c->kv_head) * bytes;
    }
    return (int)k->n_blocks;
}

/* A task of each kernel, with the arguments that the kernel's first comment lists. They return the task, or -1. */

static int add_qk(struct builder *b, const struct chain *c, const struct span *k)
{
    const struct problem *p = b->p;
    uint64_t args[CUBE_ARGS + SPAN_BLOCKS_MAX] = {
        rows_addr(p, c, QUERY), k->slot.s, p->rows, p->head_dim, p->block_size, k->tokens, p->dtype,
        span_tokens(p),         p->packed};
    const int n_args = CUBE_ARGS + put_blocks(p, c, k, KEY_CACHE, args + CUBE_ARGS);
    return tg_add_task(b->rt, args, n_args, FUNC_QK, TG_AIC);
}

static int add_sf(struct builder *b, const struct span *k)
{
    const struct problem *p = b->p;
    const uint64_t m = k->slot.part.m, l = k->slot.part.l, scale = tg_pack_f32(p->scale);
    const uint64_t args[] = {k->slot.s, k->slot.p, m, l, p->rows, span_tokens(p), k->tokens, p->dtype, scale};
    return tg_add_task(b->rt, args, N_ARGS(args), FUNC_SF, TG_AIV);
}

static int add_pv(struct builder *b, const struct chain *c, const struct span *k)
{
    const struct problem *p = b->p;
    uint64_t args[CUBE_ARGS + SPAN_BLOCKS_MAX] = {k->slot.p, k->slot.part.o, p->rows,        p->head_dim, p->block_size,
                                                  k->tokens, p->dtype,       span_tokens(p), p->packed};
    const int n_args = CUBE_ARGS + put_blocks(p, c, k, VALUE_CACHE, args + CUBE_ARGS);
    return tg_add_task(b->rt, args, n_args, FUNC_PV, TG_AIC);
}

/* Merge `part`, what span `idx` has by itself. The kernel does not touch what a chain of no or one span lacks. */
static int add_up(struct builder *b, const struct chain *c, uint64_t idx, struct partial part)
{
    const struct problem *p = b->p;
    const struct partial acc = c->accumulator;
    const uint64_t out = rows_addr(p, c, OUT);
    const uint64_t args[] = {part.m, part.l,  part.o,      acc.m,    acc.l, acc.o,
                             out,    p->rows, p->head_dim, p->dtype, idx,   c->n_spans};
    return tg_add_task(b->rt, args, N_ARGS(args), FUNC_UP, TG_AIV);
}

/* ---- spans of a chain -------------------------------------------------------------------------------------------- */

static void label(struct builder *b, int task, const char *text)
{
    b->rt->aicpu_build_api.label_task(b->rt, task, text);
}

/* Blocks [first, first + k->n_blocks): one text for the span's four tasks, whose kernels tell them apart. */
static void name_span(const struct chain *c, uint64_t first, struct span *k)
{
    char last[24] = "";
    if (k->n_blocks > 1) (void)snprintf(last, sizeof last, " to %" PRIu64, first + k->n_blocks - 1);
    (void)snprintf(k->label, sizeof k->label, "seq %" PRIu64 " head %" PRIu64 " block %" PRIu64 "%s", c->seq,
                   c->kv_head, first, last);
}

/* Take a slot for the chain's span `idx` and add its QK, after the last user of the slot. It is not yet published. */
static int begin_span(struct builder *b, const struct chain *c, uint64_t idx, struct span *k)
{
    const struct problem *p = b->p;
    const uint64_t first = idx * p->span_blocks, n = blocks_of(p, c->seq) - first;
    const uint64_t n_tokens = (uint64_t)p->context_lens[c->seq] - first * p->block_size;
    const uint64_t most = p->span_blocks * p->block_size, slot_idx = ring_take(&b->slots);
    k->idx = idx;
    k->blocks = p->block_table + c->seq * p->table_cols + first;
    k->n_blocks = n < p->span_blocks ? n : p->span_blocks;
    k->tokens = n_tokens < most ? n_tokens : most;
    k->slot = slot_at(p, ring_at(&b->slots, slot_idx));
    k->slot_user = &b->slot_user[slot_idx];
    name_span(c, first, k);

    k->qk = add_qk(b, c, k);
    if (k->qk < 0) return -1;
    label(b, k->qk, k->label);
    if (*k->slot_user != NO_TASK) tg_add_edge(b->rt, *k->slot_user, k->qk);
    return 0;
}

/* Let task `to` of the span, which may be -1, wait for task `from` of it. */
static int follow(struct builder *b, const struct span *k, int from, int to)
{
    if (to < 0) return -1;
    label(b, to, k->label);
    tg_add_edge(b->rt, from, to);
    return 0;
}

/* SF, PV and UP of a span behind its QK. */
static int finish_span(struct builder *b, const struct chain *c, const struct span *k)
{
    const int sf = add_sf(b, k);
    if (follow(b, k, k->qk, sf)) return -1;
    tg_publish(b->rt, sf);

    const int pv = add_pv(b, c, k);
    if (follow(b, k, sf, pv)) return -1;
    tg_publish(b->rt, pv);

    const int up = add_up(b, c, k->idx, k->slot.part);
    if (follow(b, k, pv, up)) return -1;
    if (c->accumulator_user) {
        if (*c->accumulator_user != NO_TASK) tg_add_edge(b->rt, *c->accumulator_user, up);
        *c->accumulator_user = up;
    }
    tg_publish(b->rt, up);
    *k->slot_user = up;
    return 0;
}

/* The chain's next spans, up to WAVE_SPANS. They have slots of their own: the ring is longer, or enough for all. */
static int build_wave(struct builder *b, struct chain *c)
{
    const uint64_t left = c->n_spans - c->n_built, n = left < WAVE_SPANS ? left : WAVE_SPANS;
    struct span spans[WAVE_SPANS];
    for (uint64_t i = 0; i < n; i++) {
        if (begin_span(b, c, c->n_built + i, &spans[i])) return -1;
    }
    for (uint64_t i = 0; i < n; i++) tg_publish(b->rt, spans[i].qk);
    for (uint64_t i = 0; i < n; i++) {
        if (finish_span(b, c, &spans[i])) return -1;
    }
    c->n_built += n;
    return 0;
}

/* The one task of a chain without tokens. */
static int build_empty(struct builder *b, const struct chain *c)
{
    const struct partial none = {0, 0, 0};
    char text[64];
    const int up = add_up(b, c, 0, none);
    if (up < 0) return -1;
    (void)snprintf(text, sizeof text, "seq %" PRIu64 " head %" PRIu64 " without tokens", c->seq, c->kv_head);
    label(b, up, text);
    tg_publish(b->rt, up);
    return 0;
}

/* Chain number `idx` of the graph, KV heads of a sequence behind each other. */
static struct chain chain_begin(struct builder *b, uint64_t idx)
{
    struct chain c = {idx / b->p->kv_heads, idx % b->p->kv_heads, 0, 0, {0, 0, 0}, NULL};
    c.n_spans = spans_of(b->p, c.seq);
    if (c.n_spans > 1) {
        const uint64_t acc_idx = ring_take(&b->accumulators);
        c.accumulator = partial_at(b->p, ring_at(&b->accumulators, acc_idx));
        c.accumulator_user = &b->accumulator_user[acc_idx];
    }
    return c;
}

/* Chains [first, first + n), n up to TURN_CHAINS, wave by wave in turn. */
static int build_turns(struct builder *b, uint64_t first, uint64_t n)
{
    struct chain chains[TURN_CHAINS];
    uint64_t n_left = 0; /* spans */
    for (uint64_t i = 0; i < n; i++) {
        chains[i] = chain_begin(b, first + i);
        n_left += chains[i].n_spans;
        if (chains[i].n_spans == 0 && build_empty(b, &chains[i])) return -1;
    }
    for (uint64_t i = 0; n_left; i = (i + 1) % n) {
        const uint64_t n_built = chains[i].n_built;
        if (build_wave(b, &chains[i])) return -1;
        n_left -= chains[i].n_built - n_built;
    }
    return 0;
}

/* The whole graph. The rings are not freed here, for tasks still use them: they are freed when the run ends. */
static int build_graph(struct tg_runtime *rt, const struct problem *p)
{
    struct builder b;
    if (builder_init(&b, rt, p)) return -1;
    const uint64_t n_chains = times(p->batch, p->kv_heads);
    for (uint64_t first = 0; first < n_chains; first += TURN_CHAINS) {
        const uint64_t left = n_chains - first;
        if (build_turns(&b, first, left < TURN_CHAINS ? left : TURN_CHAINS)) return -1;
    }
    return 0;
}

/* ---- entry functions --------------------------------------------------------------------------------------------- */

/* Host: give each tensor device memory and say that out is copied back. `p` has host addresses and gets device ones. */
static int move_to_device(struct tg_runtime *rt, struct problem *p)
{
    for (int i = 0; i < N_TENSORS; i++) {
        void *host = (void *)(uintptr_t)p->addr[i];
        p->addr[i] = tg_device_malloc_addr(rt, (size_t)p->bytes[i]);
        if (!p->addr[i]) return -1;
        if (rt->host_api.copy_to_device(rt, p->addr[i], host, (size_t)p->bytes[i])) {
            return refuse(rt, "%s cannot be copied to the device", tensor_names[i]);
        }
        if (i == OUT) rt->host_api.record_tensor_pair(rt, host, p->addr[i], (size_t)p->bytes[i]);
    }
    return 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    struct problem p;
    if (read_problem(rt, rt->orch_args, rt->orch_argc, &p)) return -1;
    return build_graph(rt, &p);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    struct problem p;
    if (read_problem(rt, args, n_args, &p)) return -1;
    if (move_to_device(rt, &p)) return -1;
    return build_graph(rt, &p);
}
